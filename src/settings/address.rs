//! Addresses, made only from real inputs. Plain `http` and hosts other than Microsoft's are accepted for loopback
//! alone, where every service is that one host: so the simulator is reached, and nothing else can be.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::{Host, Url};

/// An Azure DevOps organization and where its services are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Organization {
    /// Its name, as in its address.
    pub name: String,
    core: Url,
    identity: Url,
    login: Url,
}

/// What is wrong with an address that names no organization of Azure DevOps Services.
#[derive(Debug, PartialEq, Eq)]
pub enum NoOrganization {
    /// No address at all.
    Malformed,
    /// Some other server: Azure DevOps Server, which has no PAT lifecycle API.
    Server(String),
}

impl Organization {
    /// From an organization's address: `https://dev.azure.com/ORG`, `https://ORG.visualstudio.com`, or on loopback.
    ///
    /// # Errors
    /// What the address is instead.
    pub fn parse(text: &str) -> Result<Self, NoOrganization> {
        let url = Url::parse(text.trim()).map_err(|_| NoOrganization::Malformed)?;
        let host = url.host_str().ok_or(NoOrganization::Malformed)?.to_ascii_lowercase();
        let mut segments = url.path_segments().into_iter().flatten().filter(|segment| !segment.is_empty());
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_secure = url.scheme() == "https" && url.port().is_none() && is_plain;
        if is_loopback(&url) && is_plain {
            let name = segments.next().ok_or(NoOrganization::Malformed)?;
            return Self::on(&url, &unescape(name));
        }
        if is_secure && host == "dev.azure.com" {
            let name = segments.next().ok_or(NoOrganization::Malformed)?;
            return Self::in_the_cloud(&unescape(name));
        }
        if is_secure && let Some(name) = host.strip_suffix(".visualstudio.com").filter(|name| !name.contains('.')) {
            return Self::in_the_cloud(name);
        }
        // What is Microsoft's own, but in another form, is a slip and no server.
        let is_microsofts = host == "dev.azure.com" || host.ends_with(".visualstudio.com");
        Err(if is_microsofts { NoOrganization::Malformed } else { NoOrganization::Server(host) })
    }

    /// The organization of this name beside another one: in the cloud, or on the same loopback host.
    ///
    /// # Errors
    /// When it is no name.
    pub fn beside(&self, name: &str) -> Result<Self, NoOrganization> {
        if is_loopback(&self.core) {
            return Self::on(&self.core, name);
        }
        Self::in_the_cloud(name)
    }

    fn in_the_cloud(name: &str) -> Result<Self, NoOrganization> {
        let base = |text: &str| Url::parse(text).map_err(|_| NoOrganization::Malformed);
        let login = base(&format!("https://{}/", LOGIN_HOSTS[0]))?;
        Self::at(base("https://dev.azure.com/")?, base("https://vssps.dev.azure.com/")?, login, name)
    }

    /// On loopback, where one host is every service.
    fn on(host: &Url, name: &str) -> Result<Self, NoOrganization> {
        Self::at(origin(host), origin(host), origin(host), name)
    }

    fn at(core: Url, identity: Url, login: Url, name: &str) -> Result<Self, NoOrganization> {
        let is_name =
            !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c)) && name != "..";
        if !is_name || name == "." {
            return Err(NoOrganization::Malformed);
        }
        let below = |base: &Url| base.join(&format!("{}/", segment(name))).map_err(|_| NoOrganization::Malformed);
        Ok(Self { name: name.to_owned(), core: below(&core)?, identity: below(&identity)?, login })
    }

    /// An address of the organization itself, such as its `_apis/connectionData`.
    pub fn core(&self, path: &str) -> Url {
        below(&self.core, path)
    }

    /// An address of its identity service, where tokens live.
    pub fn identity(&self, path: &str) -> Url {
        below(&self.identity, path)
    }

    /// Where its users sign in: Azure DevOps Services is in the public cloud alone, whatever a connection's cloud is.
    pub fn login(&self) -> &Url {
        &self.login
    }

    /// The host that stands for every service, when this is loopback.
    pub fn loopback(&self) -> Option<Url> {
        is_loopback(&self.core).then(|| origin(&self.core))
    }
}

impl fmt::Display for Organization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.core.as_str().trim_end_matches('/'))
    }
}

/// A secret in Azure Key Vault, by its address without a version.
#[derive(Clone, Debug)]
pub struct VaultSecret {
    url: Url,
    suffix: Option<&'static str>,
}

/// Names in a vault are the same in every case.
impl PartialEq for VaultSecret {
    fn eq(&self, other: &Self) -> bool {
        self.url.as_str().eq_ignore_ascii_case(other.url.as_str())
    }
}

/// Hosts of Azure Key Vault, by cloud, in the order of [`LOGIN_HOSTS`]. Documented.
const VAULT_SUFFIXES: [&str; 3] = ["vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn"];

impl VaultSecret {
    /// From `https://VAULT.vault.azure.net/secrets/NAME`.
    ///
    /// # Errors
    /// A sentence on what is expected instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected =
            || "the address of a secret, such as `https://contoso-kv.vault.azure.net/secrets/NAME`".to_owned();
        let mut url = Url::parse(text.trim()).map_err(|_| expected())?;
        let host = url.host_str().ok_or_else(expected)?.to_ascii_lowercase();
        let suffix = VAULT_SUFFIXES.into_iter().find(|suffix| {
            host.strip_suffix(suffix).and_then(|host| host.strip_suffix('.')).is_some_and(|vault| !vault.contains('.'))
        });
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_vault = suffix.is_some() && url.scheme() == "https" && url.port().is_none();
        if !is_plain || !(is_vault || is_loopback(&url)) {
            return Err(format!("{}: {} is not a vault's", expected(), crate::text::quoted(&host)));
        }
        url.set_query(None);
        url.set_fragment(None);
        let segments: Vec<&str> = url.path_segments().into_iter().flatten().filter(|s| !s.is_empty()).collect();
        let is_name = |name: &str| {
            !name.is_empty() && name.len() <= 127 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        match segments[..] {
            ["secrets", name] if is_name(name) => {
                let path = format!("/secrets/{name}");
                url.set_path(&path);
                Ok(Self { url, suffix })
            }
            ["secrets", _, _] => Err(format!("{} without a version, as each run may write a new one", expected())),
            _ => Err(expected()),
        }
    }

    /// The address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether it is in a vault of Azure, and not on this machine.
    pub fn is_in_the_cloud(&self) -> bool {
        self.suffix.is_some()
    }

    /// Whether this login host hands out tokens for it; on this machine, any does.
    pub fn is_in_cloud_of(&self, authority: &Url) -> bool {
        let mut clouds = VAULT_SUFFIXES.into_iter().zip(LOGIN_HOSTS);
        let cloud = clouds.find(|(suffix, _)| self.suffix == Some(*suffix));
        cloud.is_none_or(|(_, login)| authority.host_str() == Some(login))
    }

    /// The name of the secret.
    pub fn name(&self) -> &str {
        self.url.path().rsplit('/').next().unwrap_or_default()
    }

    /// The scope of a token for this vault's cloud; on loopback, the public one's.
    pub fn scope(&self) -> String {
        format!("https://{}/.default", self.suffix.unwrap_or(VAULT_SUFFIXES[0]))
    }
}

impl fmt::Display for VaultSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        let vault = if self.suffix.is_some() { host.split('.').next().unwrap_or_default() } else { host };
        write!(f, "secret \"{}\" in vault \"{vault}\"", self.name())
    }
}

/// Hosts that hand out tokens, by cloud. Documented.
const LOGIN_HOSTS: [&str; 3] =
    ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"];

/// The login host: loopback's own, or one of Microsoft's.
///
/// # Errors
/// The host that is none.
pub fn authority(text: Option<&str>, loopback: Option<Url>) -> Result<Url, String> {
    if let Some(loopback) = loopback {
        return Ok(loopback);
    }
    let text = text.unwrap_or("https://login.microsoftonline.com/");
    let url = Url::parse(text).map_err(|_| crate::text::one_line(text))?;
    let host = url.host_str().unwrap_or_default();
    // `login.windows.net` is an older name of the public one, still found in service connections.
    let host = if host == "login.windows.net" { LOGIN_HOSTS[0] } else { host };
    match LOGIN_HOSTS.iter().find(|known| **known == host) {
        Some(known) if url.scheme() == "https" => Url::parse(&format!("https://{known}/")).map_err(|e| e.to_string()),
        _ => Err(crate::text::one_line(text)),
    }
}

/// The login host of a cloud, by the name that a service connection gives it.
///
/// # Errors
/// The name of a cloud that is not known.
pub fn authority_of_cloud(name: &str, loopback: Option<Url>) -> Result<Url, String> {
    let host = match name.to_ascii_lowercase().as_str() {
        "azurecloud" => LOGIN_HOSTS[0],
        "azureusgovernment" => LOGIN_HOSTS[1],
        "azurechinacloud" => LOGIN_HOSTS[2],
        _ => return Err(crate::text::one_line(name)),
    };
    authority(Some(&format!("https://{host}/")), loopback)
}

/// An address on this machine or its own link, where a machine's managed identity is served in clear.
pub fn local(text: &str) -> Option<Url> {
    let is_link_local = |url: &Url| matches!(url.host(), Some(Host::Ipv4(address)) if address.is_link_local());
    Url::parse(text).ok().filter(|url| is_loopback(url) || (url.scheme() == "http" && is_link_local(url)))
}

/// The address where the pipeline asks for OIDC tokens: the agent's word, but never in clear over a network.
pub fn oidc(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| url.scheme() == "https" || is_loopback(url))
}

/// A text as one segment of a path.
pub fn segment(text: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, ESCAPED).to_string()
}

fn unescape(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{path}", base.path()));
    url
}

/// The root of an address's host.
pub(crate) fn origin(url: &Url) -> Url {
    let mut origin = url.clone();
    origin.set_path("/");
    origin.set_query(None);
    origin.set_fragment(None);
    origin
}

pub(super) fn is_loopback(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_organizations_address_reaches_the_same_services() {
        for address in
            ["https://dev.azure.com/contoso/", "https://dev.azure.com/contoso", "https://contoso.visualstudio.com/"]
        {
            let organization = Organization::parse(address).unwrap();
            assert_eq!(organization.core("_apis/x").as_str(), "https://dev.azure.com/contoso/_apis/x");
            assert_eq!(organization.identity("_apis/x").as_str(), "https://vssps.dev.azure.com/contoso/_apis/x");
            assert_eq!(organization.loopback(), None);
        }
    }

    #[test]
    fn on_loopback_every_service_is_the_one_host() {
        for host in ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080", "https://127.0.0.1:8080"] {
            let organization = Organization::parse(&format!("{host}/contoso/")).unwrap();
            assert_eq!(organization.identity("_apis/x").as_str(), format!("{host}/contoso/_apis/x"));
            assert_eq!(organization.beside("other").unwrap().core("").as_str(), format!("{host}/other/"));
            assert_eq!(organization.loopback().unwrap().as_str(), format!("{host}/"));
        }
    }

    #[test]
    fn other_hosts_and_plain_http_are_not_azure_devops_services() {
        for address in [
            "https://tfs.contoso.com/tfs/DefaultCollection",
            "https://dev.azure.com.evil.example/contoso",
            "https://evil.example/.visualstudio.com",
            "http://127.0.0.1.evil.example/contoso",
            "http://192.168.0.1/contoso",
        ] {
            assert!(matches!(Organization::parse(address), Err(NoOrganization::Server(_))), "{address}");
        }
        for address in [
            "",
            "contoso",
            "https://dev.azure.com/",
            "file:///etc/passwd",
            "http://dev.azure.com/contoso",
            "https://dev.azure.com:8443/contoso",
            "https://user@dev.azure.com/contoso",
        ] {
            assert!(Organization::parse(address).is_err(), "{address}");
        }
    }

    #[test]
    fn a_vaults_secret_is_named_by_its_address() {
        let secret = VaultSecret::parse("https://contoso-kv.vault.azure.net/secrets/refresh/").unwrap();
        assert_eq!(secret.to_string(), "secret \"refresh\" in vault \"contoso-kv\"");
        assert_eq!(secret.scope(), "https://vault.azure.net/.default");
        assert_eq!(secret.url().as_str(), "https://contoso-kv.vault.azure.net/secrets/refresh");
        for wrong in [
            "contoso-kv/refresh",
            "https://contoso-kv.vault.azure.net/keys/refresh",
            "https://contoso-kv.vault.azure.net/secrets/refresh/0123",
            "https://contoso-kv.vault.azure.net.evil.example/secrets/refresh",
            "https://evil.example/secrets/refresh",
            "http://contoso-kv.vault.azure.net/secrets/refresh",
            "https://vault.azure.net/secrets/refresh",
            "https://a.b.vault.azure.net/secrets/refresh",
        ] {
            assert!(VaultSecret::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tokens_are_asked_for_at_microsofts_login_hosts_only() {
        assert_eq!(authority(None, None).unwrap().as_str(), "https://login.microsoftonline.com/");
        let us = authority(Some("https://login.microsoftonline.us/"), None).unwrap();
        assert_eq!(us.as_str(), "https://login.microsoftonline.us/");
        assert!(authority(Some("https://login.evil.example/"), None).is_err());
        assert!(authority(Some("http://login.microsoftonline.com/"), None).is_err());
    }
}
