//! Builds the HTTP client from the agent's configuration, and explains why a connection failed. Where this depends on
//! the client's error texts, it is marked and tested.

use std::error::Error;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError};
use url::Url;

use crate::http::tls::Files;
use crate::model::api_error::Kind;
use crate::model::text;
use crate::runtime::limits::Limits;
use crate::settings::network::{Network, Proxy};

/// The HTTP client does not show which kinds of authentication a proxy offers, so both cases are named.
const BASIC_ONLY: &str = "this task signs in to a proxy with Basic authentication only, not with NTLM or Negotiate";

#[derive(Clone)]
pub(super) struct Transport {
    pub(super) client: reqwest::Client,
    proxy: Option<Arc<Proxy>>,
    has_identity: bool,
}

impl Transport {
    pub(super) fn new(network: Network, files: Files, limits: &Limits) -> anyhow::Result<Self> {
        let has_identity = files.has_identity();
        let mut client = reqwest::Client::builder()
            .tls_backend_preconfigured(files.configuration(&network)?)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .user_agent(concat!("rotate-pat/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            .read_timeout(limits.read);
        let proxy = network.proxy.map(Arc::new);
        if let Some(proxy) = &proxy {
            let asked = Arc::clone(proxy);
            let mut way = reqwest::Proxy::custom(move |url| asked.takes(url).then(|| asked.address.clone()));
            if let Some((user, password)) = &proxy.credentials {
                way = way.basic_auth(user, password.reveal());
            }
            client = client.proxy(way);
        }
        Ok(Self { client: client.build()?, proxy, has_identity })
    }

    /// Why a request to this address got no complete response.
    pub(super) fn failure(&self, error: &reqwest::Error, url: &Url) -> Kind {
        let mut chain: Vec<&(dyn Error + 'static)> = vec![error];
        while let Some(source) = chain.last().copied().and_then(Error::source) {
            chain.push(source);
        }
        let innermost = chain.last().map(|error| text::one_line(&error.to_string())).unwrap_or_default();
        let proxy = self.proxy.as_deref().filter(|proxy| proxy.takes(url));
        // Seen in code: hyper-util's `TunnelError`, which is not public and tells no status.
        let tunnel = chain.iter().find_map(|error| error.to_string().strip_prefix("tunnel error: ").map(str::to_owned));
        let is_before_proxy = tunnel.as_deref() == Some("failed to create underlying connection");
        let host = match proxy {
            Some(proxy) if is_before_proxy => host(&proxy.address),
            _ => host(url),
        };
        if let Some(kind) = chain.iter().copied().find_map(tls).and_then(|error| self.certificate_error(error, &host)) {
            return kind;
        }
        if !error.is_connect() {
            return Kind::NoAnswer(innermost);
        }
        let barred = |why, remedy| Kind::Barred { why, remedy };
        match (proxy, tunnel.as_deref()) {
            (None, _) => Kind::NotSent(innermost),
            (Some(proxy), Some("proxy authorization required")) if proxy.credentials.is_none() => barred(
                format!("{proxy} requires a user name and a password; {BASIC_ONLY}"),
                "Configure the agent with the proxy's user name and password. If the proxy offers no Basic \
                 authentication, exempt these hosts from the proxy's authentication.",
            ),
            // Not retried: failed sign-ins lock accounts.
            (Some(proxy), Some("proxy authorization required")) => barred(
                format!("{proxy} rejected the user name and password; {BASIC_ONLY}"),
                "Correct the proxy's user name and password in the agent's configuration. If the proxy offers no \
                 Basic authentication, exempt these hosts from the proxy's authentication.",
            ),
            (Some(proxy), Some("unsuccessful")) => Kind::NotSent(format!(
                "{proxy} did not connect to {host}; allow the agent to reach that host through the proxy"
            )),
            (Some(proxy), Some("failed to create underlying connection") | None) => {
                Kind::NotSent(format!("{proxy} cannot be reached: {innermost}"))
            }
            (Some(proxy), Some(_)) => Kind::NotSent(format!("{proxy} did not answer like a proxy: {innermost}")),
        }
    }

    /// Explains a certificate error; `None` for any other TLS error.
    fn certificate_error(&self, error: &rustls::Error, host: &str) -> Option<Kind> {
        let barred = |why, remedy| Some(Kind::Barred { why, remedy });
        match error {
            rustls::Error::InvalidCertificate(why) => match why {
                CertificateError::UnknownIssuer => barred(
                    format!("the certificate of {host} is not signed by a trusted root"),
                    "If a proxy or firewall inspects the agent's traffic, configure the agent with its CA file \
                     (`--sslcacert`), or add its root to this machine's certificate store.",
                ),
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => barred(
                    format!("the certificate of {host} has expired"),
                    "Check the agent's clock; if it is right, the owner of that host must renew the certificate.",
                ),
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    barred(format!("the certificate of {host} is not valid yet"), "Check the agent's clock.")
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => barred(
                    format!("the certificate presented for {host} belongs to another host"),
                    "Find out what answers instead of that host: check name resolution, proxy and firewall.",
                ),
                other => barred(
                    format!("the certificate of {host} cannot be trusted: {}", text::one_line(&other.to_string())),
                    "Find out what answers for that host: check proxy and firewall.",
                ),
            },
            // TLS 1.3 reports this only after the request was sent, and no server reads a request before it has
            // verified the client.
            rustls::Error::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::AccessDenied,
            ) if self.has_identity => barred(
                format!("{host} does not accept the agent's client certificate"),
                "Configure the agent with a client certificate that is accepted there (`--sslclientcert`).",
            ),
            rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => barred(
                format!("{host} requires a client certificate"),
                "Configure the agent with a client certificate (`--sslclientcert`, `--sslclientcertkey`).",
            ),
            _ => None,
        }
    }
}

/// The TLS library's error, which may be wrapped in an I/O error.
fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.downcast_ref().or_else(|| wrapped?.downcast_ref())
}

fn host(url: &Url) -> String {
    text::one_line(url.host_str().unwrap_or_default())
}
