//! The authorization code flow's end on this machine: a page that sends the browser to the login host, and the address
//! that brings it back with a code (RFC 8252). Only loopback is listened on, and only this sign-in's answer counts.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::io;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, LOCATION, REFERRER_POLICY};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::azure::entra::Issuer;
use crate::model::secret::Secret;
use crate::model::text::one_line;
use crate::model::user::UserName;

/// Enough for a password and a second factor.
pub(super) const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// A browser on the same machine sends its request at once; some connections are opened in advance and never used.
const REQUEST: Duration = Duration::from_secs(60);
/// The browser follows to the last page in this time.
const LAST_PAGE_TIMEOUT: Duration = Duration::from_secs(2);
/// Ports tried until one is free for both families of addresses.
const PORTS: usize = 20;
const START: &str = "/sign-in";
const DONE: &str = "/done";

/// A sign-in in the browser, and the listener that receives its code.
pub(super) struct BrowserSignIn {
    v4: TcpListener,
    /// Browsers may take `localhost` for this address. A machine may not have it.
    v6: Option<TcpListener>,
    authorize: Url,
    pub(super) state: Secret,
    /// The PKCE code verifier.
    pub(super) verifier: Secret,
    /// Where the browser comes back to.
    pub(super) redirect: String,
}

impl BrowserSignIn {
    /// Listens on a free port and builds the authorization request.
    pub(super) async fn new(
        issuer: Issuer<'_>,
        client: &str,
        user: &UserName,
        scope: &str,
        redirect_host: &str,
    ) -> anyhow::Result<Self> {
        let (v4, v6) = listen().await.context("could not listen on this machine's loopback address")?;
        let redirect = format!("http://{redirect_host}:{}", v4.local_addr()?.port());
        let (state, verifier) = (random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.reveal().as_bytes()));
        let mut authorize = issuer.endpoint("authorize");
        authorize
            .query_pairs_mut()
            .append_pair("client_id", client)
            .append_pair("response_type", "code")
            .append_pair("response_mode", "query")
            .append_pair("redirect_uri", &redirect)
            .append_pair("scope", scope)
            .append_pair("state", state.reveal())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            // Whoever is signed in to the browser is rarely the rotating user.
            .append_pair("prompt", "select_account");
        if let UserName::Name(name) = user {
            authorize.query_pairs_mut().append_pair("login_hint", name);
        }
        Ok(Self { v4, v6, authorize, state, verifier, redirect })
    }

    /// The page to begin at.
    pub(super) fn start(&self) -> String {
        format!("{}{START}", self.redirect)
    }

    /// Waits for the browser to bring the code. Every request gets a reply; connections are served side by side, as
    /// browsers open some that they never use.
    pub(super) async fn code(&self) -> anyhow::Result<Secret> {
        let outcome = RefCell::new(None);
        let is_last_page_sent = Cell::new(false);
        let mut until = Instant::now() + SIGN_IN_TIMEOUT;
        let mut connections = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.accept() => {
                    let stream = accepted.context("could not take the browser's connection")?;
                    let service = service_fn(|request| {
                        let reply = self.reply(&request, &outcome, &is_last_page_sent);
                        async { Ok::<_, Infallible>(reply) }
                    });
                    let mut server = http1::Builder::new();
                    server.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(REQUEST);
                    connections.push(server.serve_connection(TokioIo::new(stream), service));
                }
                Some(_served) = connections.next() => {
                    if is_last_page_sent.get() {
                        break;
                    }
                    if outcome.borrow().is_some() {
                        until = until.min(Instant::now() + LAST_PAGE_TIMEOUT);
                    }
                }
                () = sleep_until(until) => break,
            }
        }
        drop(connections);
        let ended = outcome.into_inner();
        ended.unwrap_or_else(|| Err(anyhow!("nobody signed in within {} minutes", SIGN_IN_TIMEOUT.as_secs() / 60)))
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        let accepted = match &self.v6 {
            Some(v6) => tokio::select! {
                accepted = self.v4.accept() => accepted,
                accepted = v6.accept() => accepted,
            },
            None => self.v4.accept().await,
        };
        accepted.map(|(stream, _)| stream)
    }

    fn reply(
        &self,
        request: &Request<Incoming>,
        outcome: &RefCell<Option<anyhow::Result<Secret>>>,
        is_last_page_sent: &Cell<bool>,
    ) -> Response<String> {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let path = request.uri().path_and_query().filter(|_| request.uri().authority().is_none());
        let Some(target) = path.and_then(|path| asked_for(path.as_str(), host, &self.redirect)) else {
            return page(StatusCode::MISDIRECTED_REQUEST, "This address is not served here.");
        };
        match (request.method(), target.path()) {
            (&Method::GET, START) => redirection(self.authorize.as_str()),
            (&Method::GET, DONE) => {
                is_last_page_sent.set(outcome.borrow().is_some());
                page(StatusCode::OK, "This window can be closed; the rest is in the terminal.")
            }
            (&Method::GET, "/") if outcome.borrow().is_none() => match self.answer(&target) {
                Some(answer) => {
                    *outcome.borrow_mut() = Some(answer);
                    // A page without the code in its address.
                    redirection(DONE)
                }
                None => page(
                    StatusCode::BAD_REQUEST,
                    "This answer belongs to another sign-in. Start again at the address that the terminal shows.",
                ),
            },
            (&Method::GET, "/") => redirection(DONE),
            (&Method::GET, _) => page(StatusCode::NOT_FOUND, "There is no such page."),
            // Looks ahead and changes nothing.
            (&Method::HEAD, "/" | START | DONE) => page(StatusCode::OK, ""),
            (&Method::HEAD, _) => page(StatusCode::NOT_FOUND, ""),
            _ => {
                let mut reply = page(StatusCode::METHOD_NOT_ALLOWED, "Only GET is answered here.");
                reply.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
                reply
            }
        }
    }

    /// What the login page sent back; nothing where it is not this sign-in's.
    fn answer(&self, target: &Url) -> Option<anyhow::Result<Secret>> {
        let find =
            |name: &str| target.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
        if Secret::new(find("state")?) != self.state {
            return None;
        }
        match (find("code"), find("error")) {
            (Some(code), None) if !code.is_empty() => Some(Ok(Secret::new(code))),
            (_, Some(error)) => {
                let description = find("error_description").unwrap_or_default();
                let sentence = description.lines().next().unwrap_or_default();
                Some(Err(anyhow!("the login page returned {}: {}", one_line(&error), one_line(sentence))))
            }
            _ => None,
        }
    }
}

/// The same free port of both loopback addresses. Where another program has it on one of them, that program would get
/// the code: then another port.
async fn listen() -> io::Result<(TcpListener, Option<TcpListener>)> {
    for _ in 0..PORTS {
        let v4 = TcpListener::bind("127.0.0.1:0").await?;
        match TcpListener::bind(("::1", v4.local_addr()?.port())).await {
            Ok(v6) => return Ok((v4, Some(v6))),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(_) => return Ok((v4, None)),
        }
    }
    Err(io::Error::from(io::ErrorKind::AddrInUse))
}

/// What a browser asks of the listener at this address; nothing where it is not for it.
pub fn asked_for(target: &str, host: &str, address: &str) -> Option<Url> {
    let (_, port) = address.rsplit_once(':')?;
    // A page elsewhere may have its name point to this machine.
    let (name, asked) = host.trim().rsplit_once(':')?;
    let is_ours = asked == port && ["localhost", "127.0.0.1", "[::1]"].iter().any(|own| name.eq_ignore_ascii_case(own));
    // Only a path of this host: after two slashes another host's name would stand.
    let is_path = target.starts_with('/') && !target.starts_with("//");
    let url = Url::parse(&format!("{address}{target}")).ok()?;
    (is_ours && is_path).then_some(url)
}

fn redirection(to: &str) -> Response<String> {
    let mut reply = page(StatusCode::FOUND, "");
    if let Ok(to) = to.parse() {
        reply.headers_mut().insert(LOCATION, to);
    }
    reply
}

fn page(status: StatusCode, text: &str) -> Response<String> {
    let html = format!("<!doctype html><meta charset=utf-8><title>RotatePat</title><p>{text}</p>");
    let mut reply = Response::new(if text.is_empty() { String::new() } else { html });
    *reply.status_mut() = status;
    let headers =
        [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store"), (REFERRER_POLICY, "no-referrer")];
    for (name, value) in headers {
        reply.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
    }
    reply
}

/// 256 random bits, as text for an address.
fn random() -> anyhow::Result<Secret> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    SystemRandom::new().fill(bytes.as_mut()).map_err(|_| anyhow!("the system provides no random numbers"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_ref())))
}
