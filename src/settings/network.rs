//! The proxy and the certificates that the agent is configured with. If the agent has no proxy, the machine's `HTTPS_PROXY`
//! and `NO_PROXY` apply. Variables of the agent: seen in code, `ExecutionContext.cs`.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use regex_lite::{Regex, RegexBuilder};
use url::{Host, Url};

use crate::agent::environment::Environment;
use crate::model::address::is_loopback;
use crate::model::secret::Secret;
use crate::model::text::quoted;
use crate::settings::fault::Fault;

const PROXY: &str = "AGENT_PROXYURL";
const PROXY_USER: &str = "AGENT_PROXYUSERNAME";
const PROXY_PASSWORD: &str = "SECRET_AGENT_PROXYPASSWORD";
const BYPASS: &str = "AGENT_PROXYBYPASSLIST";
/// Files of CA certificates to trust in addition to the built-in ones: the agent's (`--sslcacert`), Node's and OpenSSL's.
const ROOTS: [&str; 3] = ["AGENT_CAINFO", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"];
const CLIENT: &str = "AGENT_CLIENTCERT";
const CLIENT_KEY: &str = "AGENT_CLIENTCERTKEY";
const CLIENT_ARCHIVE: &str = "AGENT_CLIENTCERTARCHIVE";
const CLIENT_PASSWORD: &str = "SECRET_AGENT_CLIENTCERTPASSWORD";
const SKIP: &str = "AGENT_SKIPCERTVALIDATION";

/// The machine's proxy for `https`; the first that is set counts. `HTTP_PROXY` is for plain `http`, which no service uses.
const MACHINES_PROXY: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const MACHINES_BYPASS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// How the services are reached.
#[derive(Debug, Default)]
pub struct Network {
    pub proxy: Option<Proxy>,
    /// Trusted in addition to the built-in CA certificates.
    pub roots: Vec<RootsFile>,
    /// Sent to a server that asks for a client certificate.
    pub client: Option<ClientCertificate>,
    /// Whether every server certificate is accepted.
    pub skip_validation: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RootsFile {
    /// The variable that names it.
    pub variable: &'static str,
    pub path: PathBuf,
}

impl fmt::Display for RootsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the CA file {} (`{}`)", quoted(&self.path.display().to_string()), self.variable)
    }
}

/// The agent's client certificate.
#[derive(Debug)]
pub struct ClientCertificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Decrypts the key.
    pub passphrase: Option<Secret>,
}

/// A proxy, and the hosts that bypass it.
#[derive(Debug)]
pub struct Proxy {
    /// Without user name and password.
    pub address: Url,
    /// User name and password.
    pub credentials: Option<(String, Secret)>,
    /// The variable that names it.
    pub variable: &'static str,
    bypass: Bypass,
    /// Entries of the agent's list that bypass nothing.
    not_understood: Vec<String>,
}

#[derive(Debug)]
enum Bypass {
    /// The agent's list.
    Expressions(Vec<Regex>),
    /// The machine's `NO_PROXY`.
    Hosts(Vec<String>),
}

impl Proxy {
    /// Whether a request to this address goes through the proxy. Local addresses never do: neither loopback nor the
    /// endpoint of a managed identity, whose answers are meant for this machine only.
    pub fn takes(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let is_link_local = matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local());
        if is_loopback(url) || is_link_local {
            return false;
        }
        match &self.bypass {
            Bypass::Expressions(expressions) => {
                // Seen in code: `AgentWebProxy.cs`, `IsMatchInBypassList`.
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                let address = format!("{}://{host}{port}", url.scheme());
                !expressions.iter().any(|expression| expression.is_match(&address))
            }
            Bypass::Hosts(entries) => !entries.iter().any(|entry| is_of(url, host, entry)),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the proxy {} (`{}`)", self.address.as_str().trim_end_matches('/'), self.variable)
    }
}

/// Whether an entry of `NO_PROXY` matches this host: its name or a parent domain (written plain, with `.` or with `*.` in
/// front), with an optional port. `*` matches every host.
fn is_of(url: &Url, host: &str, entry: &str) -> bool {
    let (name, port) = match entry.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (entry, None),
    };
    if port.is_some_and(|port| port.parse().ok() != url.port_or_known_default()) {
        return false;
    }
    let domain = name.strip_prefix('*').unwrap_or(name);
    let domain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
    let is_below = |rest: &str| rest.is_empty() || rest.ends_with('.');
    name == "*" || (!domain.is_empty() && host.strip_suffix(&domain).is_some_and(is_below))
}

impl Network {
    /// Warnings for the log, once in each stage.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.skip_validation {
            remarks.push(format!(
                "server certificates are not validated, because the agent is configured that way (`{SKIP}`): an attacker \
                 on the network can read and change everything, including tokens. Configure the agent without \
                 `--sslskipcertvalidation`; add a missing CA certificate with `--sslcacert`."
            ));
        }
        for entry in self.proxy.iter().flat_map(|proxy| &proxy.not_understood) {
            remarks.push(format!(
                "{} in the agent's proxy bypass list is not a supported regular expression and is ignored. Write it \
                 without look-around and back-references.",
                quoted(entry)
            ));
        }
        remarks
    }
}

pub(super) fn read(environment: &Environment, faults: &mut Vec<Fault>) -> Network {
    Network {
        proxy: proxy(environment, faults),
        roots: roots(environment),
        client: client(environment, faults),
        skip_validation: environment.get(SKIP).is_some_and(|value| value.eq_ignore_ascii_case("true")),
    }
}

/// Each file once: several variables often name the same file.
fn roots(environment: &Environment) -> Vec<RootsFile> {
    let mut files: Vec<RootsFile> = Vec::new();
    for (variable, path) in ROOTS.into_iter().filter_map(|name| Some((name, PathBuf::from(environment.get(name)?)))) {
        if files.iter().all(|file| file.path != path) {
            files.push(RootsFile { variable, path });
        }
    }
    files
}

fn proxy(environment: &Environment, faults: &mut Vec<Fault>) -> Option<Proxy> {
    let agents = environment.get(PROXY).map(|address| (PROXY, address));
    let machines = || MACHINES_PROXY.into_iter().find_map(|name| Some((name, environment.get(name)?)));
    let (variable, text) = agents.or_else(machines)?;
    let (bypass, not_understood) = if variable == PROXY {
        expressions(environment, faults)
    } else {
        (Bypass::Hosts(hosts(environment)), Vec::new())
    };
    match address(text) {
        Ok((address, embedded)) => {
            // The agent signs in with both or not at all (seen in code: `AgentWebProxy.cs`).
            let named = environment.get(PROXY_USER).zip(environment.get(PROXY_PASSWORD)).filter(|_| variable == PROXY);
            let named = named.map(|(user, password)| (user.to_owned(), Secret::new(password.to_owned())));
            Some(Proxy { address, credentials: named.or(embedded), variable, bypass, not_understood })
        }
        Err(expected) => {
            faults.push(Fault::must_be(variable, &expected));
            None
        }
    }
}

/// The address and the credentials of a proxy. The default scheme is `http`, as in other programs.
fn address(text: &str) -> Result<(Url, Option<(String, Secret)>), String> {
    let expected = |why: &str| {
        // What stands before an `@` may be a password.
        let shown = if text.contains('@') { "a value with `@`, which is not shown".to_owned() } else { quoted(text) };
        Err(format!("the address of a proxy, such as `http://proxy.contoso.com:8080`; got {shown}{why}"))
    };
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let Ok(mut url) = Url::parse(&whole) else { return expected("") };
    if url.scheme().starts_with("socks") {
        return expected(": SOCKS proxies are not supported");
    }
    // The HTTP client would silently use no proxy if it could not parse the address.
    let is_host = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let has_host = match url.host() {
        Some(Host::Domain(name)) => is_host(name),
        Some(_) => true,
        None => false,
    };
    if !matches!(url.scheme(), "http" | "https") || !has_host {
        return expected("");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return expected(": a path or query is not allowed, and a configuration script is not supported");
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let credentials = url.password().map(|password| (decoded(url.username()), Secret::new(decoded(password))));
    let _is_http = url.set_username("").and_then(|()| url.set_password(None));
    Ok((url, credentials))
}

/// The agent's regular expressions, and the entries that cannot be parsed. These are ignored, as the agent does itself
/// (seen in code: `AgentWebProxy.cs`): they may be about another host.
fn expressions(environment: &Environment, faults: &mut Vec<Fault>) -> (Bypass, Vec<String>) {
    let list = environment.get(BYPASS).map(serde_json::from_str::<Vec<String>>);
    let list = list.unwrap_or(Ok(Vec::new())).unwrap_or_else(|_| {
        faults.push(Fault::must_be(BYPASS, "a JSON list of regular expressions"));
        Vec::new()
    });
    let (mut expressions, mut not_understood) = (Vec::new(), Vec::new());
    for entry in list.iter().map(|entry| entry.trim()).filter(|entry| !entry.is_empty()) {
        match RegexBuilder::new(entry).case_insensitive(true).build() {
            Ok(expression) => expressions.push(expression),
            Err(_) => not_understood.push(entry.to_owned()),
        }
    }
    (Bypass::Expressions(expressions), not_understood)
}

fn hosts(environment: &Environment) -> Vec<String> {
    let list = MACHINES_BYPASS.into_iter().find_map(|name| environment.get(name)).unwrap_or_default();
    list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

fn client(environment: &Environment, faults: &mut Vec<Fault>) -> Option<ClientCertificate> {
    match (environment.get(CLIENT), environment.get(CLIENT_KEY)) {
        (Some(certificate), Some(key)) => {
            return Some(ClientCertificate {
                certificate: certificate.into(),
                key: key.into(),
                passphrase: environment.get(CLIENT_PASSWORD).map(|password| Secret::new(password.to_owned())),
            });
        }
        (Some(_), None) => {
            faults.push(Fault::required(CLIENT_KEY, "the file of the key that belongs to the certificate"))
        }
        (None, Some(_)) => faults.push(Fault::required(CLIENT, "the file of the certificate that the key belongs to")),
        (None, None) if environment.get(CLIENT_ARCHIVE).is_some() => {
            let meaning = "the certificate as PEM text, with its key in another file; the archive is not supported";
            faults.push(Fault::required(CLIENT, meaning));
        }
        (None, None) => {}
    }
    None
}

/// Faults that are found only when the files are read.
impl Network {
    pub fn no_client_certificate(&self, why: &str) -> Fault {
        let file = self.client.as_ref().map(|client| &client.certificate);
        fault_of(CLIENT, file, "a file with a certificate as PEM text", why)
    }

    pub fn no_client_key(&self, why: &str) -> Fault {
        let file = self.client.as_ref().map(|client| &client.key);
        fault_of(CLIENT_KEY, file, "a file with the private key of the certificate as PEM text", why)
    }
}

fn fault_of(variable: &'static str, file: Option<&PathBuf>, expected: &str, why: &str) -> Fault {
    let file = file.map(|file| file.display().to_string()).unwrap_or_default();
    Fault::must_be(variable, &format!("{expected}; {} {why}", quoted(&file)))
}

/// Passwords of proxies, as written in an address and in a header.
pub(super) fn secrets(environment: &Environment) -> Vec<Secret> {
    let mut secrets = Vec::new();
    let pair = |user: &str, password: &str| Secret::new(format!("{user}:{password}"));
    for address in [PROXY].iter().chain(&MACHINES_PROXY).filter_map(|name| environment.get(name)) {
        let before_host = address.rsplit_once('@').map(|(before, _)| before);
        let Some(before_host) = before_host.map(|text| text.split_once("://").map_or(text, |(_, rest)| rest)) else {
            continue;
        };
        let (user, password) = before_host.split_once(':').unwrap_or(("", before_host));
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        secrets.extend([password.to_owned(), decoded(password), before_host.to_owned()].map(Secret::new));
        secrets.push(pair(&decoded(user), &decoded(password)));
    }
    if let Some((user, password)) = environment.get(PROXY_USER).zip(environment.get(PROXY_PASSWORD)) {
        secrets.push(pair(user, password));
    }
    secrets
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
