//! Addresses, made only from real inputs. Plain `http` and hosts other than Microsoft's are accepted for loopback
//! alone, where every service is that one host: so the simulator is reached, and nothing else can be.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::{Host, Url};

/// An address on this machine or its own link, where a machine's managed identity is served in clear.
pub fn local(text: &str) -> Option<Url> {
    let is_link_local = |url: &Url| matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local());
    Url::parse(text).ok().filter(|url| is_loopback(url) || (url.scheme() == "http" && is_link_local(url)))
}

/// A text as one segment of a path.
pub fn segment(text: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, ESCAPED).to_string()
}

pub fn unescape(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

pub fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path()));
    url
}

/// The root of an address's host.
pub fn origin(url: &Url) -> Url {
    let mut origin = url.clone();
    origin.set_path("/");
    origin.set_query(None);
    origin.set_fragment(None);
    origin
}

/// Whether a host belongs to Azure DevOps Services: `dev.azure.com` with its services and feeds, or the older
/// `ORG.visualstudio.com` and `ORG.pkgs.visualstudio.com`. Other hosts below `visualstudio.com` serve what people run.
/// <https://learn.microsoft.com/azure/devops/organizations/security/allow-list-ip-url>
pub fn is_azure_devops(host: &str) -> bool {
    const SERVICES: [&str; 4] = ["pkgs", "feeds", "vsrm", "vssps"];
    let is_older = |organization: &str| match organization.split_once('.') {
        None => !organization.is_empty(),
        Some((organization, service)) => !organization.is_empty() && SERVICES.contains(&service),
    };
    host == "dev.azure.com"
        || host.ends_with(".dev.azure.com")
        || host.strip_suffix(".visualstudio.com").is_some_and(is_older)
}

pub fn is_loopback(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
}
