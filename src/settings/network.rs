//! The way to the services, as the agent is configured: its proxy, its certificates. Where the agent has no proxy, the
//! machine's `HTTPS_PROXY` and `NO_PROXY`. Variables of the agent: seen in code, `ExecutionContext.cs`.

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
/// Files of CA certificates to trust beside the built-in ones: the agent's (`--sslcacert`), what Node is given, and what
/// OpenSSL is given.
const ROOTS: [&str; 3] = ["AGENT_CAINFO", "NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"];
const CLIENT: &str = "AGENT_CLIENTCERT";
const CLIENT_KEY: &str = "AGENT_CLIENTCERTKEY";
const CLIENT_ARCHIVE: &str = "AGENT_CLIENTCERTARCHIVE";
const CLIENT_PASSWORD: &str = "SECRET_AGENT_CLIENTCERTPASSWORD";
const SKIP: &str = "AGENT_SKIPCERTVALIDATION";

/// The machine's proxy for `https`, the first that is set. `HTTP_PROXY` is for plain `http`, which goes to no service.
const MACHINES_PROXY: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const MACHINES_BYPASS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// The way to the services.
#[derive(Debug, Default)]
pub struct Network {
    /// The proxy to go through.
    pub proxy: Option<Proxy>,
    /// Files of CA certificates to trust beside those built in.
    pub roots: Vec<RootsFile>,
    /// The certificate to show to a server that asks for one.
    pub client: Option<ClientCertificate>,
    /// Whether every certificate is believed.
    pub skip_validation: bool,
}

/// A file of CA certificates.
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

/// A certificate of the agent, and its key.
#[derive(Debug)]
pub struct ClientCertificate {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The file of its key.
    pub key: PathBuf,
    /// What protects the key.
    pub passphrase: Option<Secret>,
}

/// A proxy, and what does not go through it.
#[derive(Debug)]
pub struct Proxy {
    /// Its address, without user name and password.
    pub address: Url,
    /// Who to be there.
    pub credentials: Option<(String, Secret)>,
    /// The variable that names it.
    pub variable: &'static str,
    bypass: Bypass,
    /// Entries of the agent's list that bypass nothing.
    not_understood: Vec<String>,
}

#[derive(Debug)]
enum Bypass {
    /// As the agent has it.
    Expressions(Vec<Regex>),
    /// As the machine has it.
    Hosts(Vec<String>),
}

impl Proxy {
    /// Whether a request to this address goes through it. Nothing local does: neither loopback nor a managed identity's
    /// endpoint, whose answers are for this machine alone.
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

/// Whether an entry of `NO_PROXY` means this host: by its name or a domain above it (with a dot, a `*.` or nothing in
/// front), with a port where only that port is meant; `*` means all.
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
    /// What the log must say of it, once a stage.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.skip_validation {
            remarks.push(format!(
                "certificates are not validated, as the agent is configured so (`{SKIP}`): whoever stands between it \
                 and the services reads and changes everything, tokens included. Configure the agent without \
                 `--sslskipcertvalidation`, and with the CA file (`--sslcacert`) where one is missing."
            ));
        }
        for entry in self.proxy.iter().flat_map(|proxy| &proxy.not_understood) {
            remarks.push(format!(
                "{} in the agent's list of hosts that bypass its proxy is no regular expression that can be used here, \
                 so it bypasses nothing. Write it without look-around and back-references.",
                quoted(entry)
            ));
        }
        remarks
    }
}

/// Reads the way to the services, and notes every fault on the way.
pub(super) fn read(environment: &Environment, faults: &mut Vec<Fault>) -> Network {
    Network {
        proxy: proxy(environment, faults),
        roots: roots(environment),
        client: client(environment, faults),
        skip_validation: environment.get(SKIP).is_some_and(|value| value.eq_ignore_ascii_case("true")),
    }
}

/// Each file once: the same one is often named for several programs.
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
            faults.push(Fault::new(variable, &expected));
            None
        }
    }
}

/// A proxy's address, and who to be there. A missing scheme is `http`, as everywhere.
fn address(text: &str) -> Result<(Url, Option<(String, Secret)>), String> {
    let expected = |why: &str| {
        // What stands before an `@` may be a password.
        let shown = if text.contains('@') { "what is given".to_owned() } else { quoted(text) };
        Err(format!("the address of a proxy, such as `http://proxy.contoso.com:8080`: {shown} {why}"))
    };
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let Ok(mut url) = Url::parse(&whole) else { return expected("is none") };
    if url.scheme().starts_with("socks") {
        return expected("is that of a SOCKS proxy, and only HTTP proxies can be used");
    }
    // What the HTTP client could not read, it would take for no proxy at all.
    let is_host = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let has_host = match url.host() {
        Some(Host::Domain(name)) => is_host(name),
        Some(_) => true,
        None => false,
    };
    if !matches!(url.scheme(), "http" | "https") || !has_host {
        return expected("is none");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return expected("goes on after the host, and a configuration script cannot be used");
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let credentials = url.password().map(|password| (decoded(url.username()), Secret::new(decoded(password))));
    let _is_http = url.set_username("").and_then(|()| url.set_password(None));
    Ok((url, credentials))
}

/// The agent's regular expressions, and what it calls one and is none here. Such an entry bypasses nothing, as with the
/// agent itself, which skips what it cannot read (seen in code: `AgentWebProxy.cs`): it may be about another host.
fn expressions(environment: &Environment, faults: &mut Vec<Fault>) -> (Bypass, Vec<String>) {
    let list = environment.get(BYPASS).map(serde_json::from_str::<Vec<String>>);
    let list = list.unwrap_or(Ok(Vec::new())).unwrap_or_else(|_| {
        faults.push(Fault::new(BYPASS, "a list of regular expressions, as JSON"));
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
        (Some(_), None) => faults.push(Fault::new(CLIENT_KEY, "the file of the key that belongs to the certificate")),
        (None, Some(_)) => faults.push(Fault::new(CLIENT, "the file of the certificate that the key belongs to")),
        (None, None) if environment.get(CLIENT_ARCHIVE).is_some() => {
            let expected = "the certificate as PEM text, and its key in another file: the archive cannot be used";
            faults.push(Fault::new(CLIENT, expected));
        }
        (None, None) => {}
    }
    None
}

/// Faults that only show when the files are read.
impl Network {
    /// The file of the client's certificate is none.
    pub fn no_client_certificate(&self, why: &str) -> Fault {
        let file = self.client.as_ref().map(|client| &client.certificate);
        fault_of(CLIENT, file, "a file with a certificate as PEM text", why)
    }

    /// The file of the client's key is none.
    pub fn no_client_key(&self, why: &str) -> Fault {
        let file = self.client.as_ref().map(|client| &client.key);
        fault_of(CLIENT_KEY, file, "a file with the private key of the certificate as PEM text", why)
    }
}

fn fault_of(variable: &'static str, file: Option<&PathBuf>, expected: &str, why: &str) -> Fault {
    let file = file.map(|file| file.display().to_string()).unwrap_or_default();
    Fault::new(variable, &format!("{expected}: {} {why}", quoted(&file)))
}

/// Passwords of proxies, in the forms in which they stand in an address and in a header.
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
