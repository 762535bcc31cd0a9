//! The authorization code flow's end on this machine: a page that sends the browser to the login host, and the address
//! that brings it back with a code (RFC 8252). Only 127.0.0.1 is listened on, and only this sign-in's answer counts.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until, timeout};
use url::Url;

use crate::azure::entra::Issuer;
use crate::model::secret::Secret;
use crate::model::text::one_line;
use crate::model::user::UserName;

/// A person looks for a password and a second factor in this time.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// A browser on the same machine sends its request at once.
const REQUEST: Duration = Duration::from_secs(5);
const LARGEST_REQUEST: usize = 16 * 1024;
const START: &str = "/sign-in";
const DONE: &str = "/done";

/// A sign-in that was asked for, and its open end.
pub(super) struct Asked {
    listener: TcpListener,
    authorize: Url,
    state: Secret,
    /// Proves at the token endpoint that who asked redeems.
    pub(super) verifier: Secret,
    /// Where the browser comes back to.
    pub(super) redirect: String,
}

impl Asked {
    /// Takes a free port and writes down what to ask.
    pub(super) async fn new(issuer: Issuer<'_>, client: &str, user: &UserName, scope: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("could not listen on 127.0.0.1")?;
        let redirect = format!("http://{}", listener.local_addr()?);
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
        Ok(Self { listener, authorize, state, verifier, redirect })
    }

    /// The page to begin at.
    pub(super) fn start(&self) -> String {
        format!("{}{START}", self.redirect)
    }

    /// Waits for the browser to bring the code. Connections are read side by side: browsers open some that they never
    /// use.
    pub(super) async fn code(&self) -> anyhow::Result<Secret> {
        let until = Instant::now() + PATIENCE;
        let mut outcome = None;
        self.serve(until, |target| match self.answer(target) {
            Answer::Send(reply) => (reply, ControlFlow::Continue(())),
            Answer::Ended(ended) => {
                outcome = Some(ended);
                (redirection(DONE), ControlFlow::Break(()))
            }
        })
        .await?;
        // The browser follows to a page without the code in its address.
        let soon = Instant::now() + Duration::from_secs(2);
        let goodbye = self.serve(soon, |target| match target.path() {
            DONE => (page("This window can be closed; the rest is in the terminal."), ControlFlow::Break(())),
            _ => (status("404 Not Found"), ControlFlow::Continue(())),
        });
        let _gone = goodbye.await;
        outcome.unwrap_or_else(|| Err(anyhow!("nobody signed in within {} minutes", PATIENCE.as_secs() / 60)))
    }

    /// Answers requests until one of them is the last, or the time is over.
    async fn serve(
        &self,
        until: Instant,
        mut answer: impl FnMut(&Url) -> (String, ControlFlow<()>),
    ) -> anyhow::Result<()> {
        let mut requests = FuturesUnordered::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    let (stream, _) = accepted.context("could not take the browser's connection")?;
                    requests.push(timeout(REQUEST, self.request(stream)));
                }
                Some(Ok(Some((mut stream, target)))) = requests.next() => {
                    let (reply, then) = answer(&target);
                    send(&mut stream, &reply).await;
                    if then.is_break() {
                        return Ok(());
                    }
                }
                () = sleep_until(until) => return Ok(()),
            }
        }
    }

    /// The target of a request to this address; others are nobody's business here.
    async fn request(&self, mut stream: TcpStream) -> Option<(TcpStream, Url)> {
        let mut read = Vec::new();
        while !read.windows(4).any(|end| end == b"\r\n\r\n") {
            let mut piece = [0; 2048];
            let length = stream.read(&mut piece).await.ok()?;
            if length == 0 || read.len() > LARGEST_REQUEST {
                return None;
            }
            read.extend_from_slice(piece.get(..length)?);
        }
        let target = asked_for(&read, &self.redirect)?;
        Some((stream, target))
    }

    fn answer(&self, target: &Url) -> Answer {
        match target.path() {
            START => return Answer::Send(redirection(self.authorize.as_str())),
            "/" => {}
            _ => return Answer::Send(status("404 Not Found")),
        }
        let find =
            |name: &str| target.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
        let is_ours = find("state").is_some_and(|state| Secret::new(state) == self.state);
        if !is_ours {
            return Answer::Send(status("400 Bad Request"));
        }
        match (find("code"), find("error")) {
            (Some(code), None) if !code.is_empty() => Answer::Ended(Ok(Secret::new(code))),
            (_, Some(error)) => {
                let description = find("error_description").unwrap_or_default();
                let sentence = description.lines().next().unwrap_or_default();
                Answer::Ended(Err(anyhow!("the login page ended with {}: {}", one_line(&error), one_line(sentence))))
            }
            _ => Answer::Send(status("400 Bad Request")),
        }
    }
}

/// What a browser asks of the listener at this address; nothing where it is not for it.
pub fn asked_for(request: &[u8], address: &str) -> Option<Url> {
    let text = std::str::from_utf8(request).ok()?;
    let mut lines = text.split("\r\n");
    let target = lines.next()?.strip_prefix("GET ")?.split(' ').next()?;
    // A page elsewhere may have its name point to this machine.
    let host = lines.find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("host")))?.1;
    let is_ours = address.strip_prefix("http://") == Some(host.trim());
    // Only a path of this host: after two slashes another host's name would stand.
    let is_path = target.starts_with('/') && !target.starts_with("//");
    let url = Url::parse(&format!("{address}{target}")).ok()?;
    (is_ours && is_path).then_some(url)
}

enum Answer {
    Send(String),
    Ended(anyhow::Result<Secret>),
}

const HEADERS: &str = "Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n";

fn redirection(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n{HEADERS}Content-Length: 0\r\n\r\n")
}

fn status(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{HEADERS}Content-Length: 0\r\n\r\n")
}

fn page(text: &str) -> String {
    let html = format!("<!doctype html><meta charset=utf-8><title>RotatePat</title><p>{text}</p>");
    let length = html.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n{HEADERS}Content-Length: {length}\r\n\r\n{html}"
    )
}

async fn send(stream: &mut TcpStream, reply: &str) {
    // A browser that has gone hears nothing, and the sign-in is not the worse for it.
    if stream.write_all(reply.as_bytes()).await.is_ok() {
        let _gone = stream.shutdown().await;
    }
}

/// 256 random bits, as text for an address.
fn random() -> anyhow::Result<Secret> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    SystemRandom::new().fill(bytes.as_mut()).map_err(|_| anyhow!("the system gives no random numbers"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_ref())))
}
