//! An Azure DevOps organization, and where its services are.

use std::fmt;

use url::Url;

use crate::model::address::{below, is_loopback, origin, segment, unescape};
use crate::model::cloud::LOGIN_HOSTS;

/// The service itself, and Release Management.
const HOSTS: [&str; 2] = ["dev.azure.com", "vsrm.dev.azure.com"];
/// The same behind an organization's name, in addresses of the older form.
const OLD_HOSTS: [&str; 2] = [".visualstudio.com", ".vsrm.visualstudio.com"];

/// An Azure DevOps organization and where its services are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Organization {
    pub name: String,
    core: Url,
    identity: Url,
    login: Url,
}

/// Why an address is not one of an organization in Azure DevOps Services.
#[derive(Debug, PartialEq, Eq)]
pub enum NoOrganization {
    /// No address at all.
    Malformed,
    /// Some other server: Azure DevOps Server, which has no PAT lifecycle API.
    Server(String),
}

impl Organization {
    /// From an organization's address: `https://dev.azure.com/ORG`, `https://ORG.visualstudio.com`, or on loopback.
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
        // A classic release names the host of Release Management (azure-pipelines-tasks#17867).
        if is_secure && HOSTS.contains(&host.as_str()) {
            let name = segments.next().ok_or(NoOrganization::Malformed)?;
            return Self::in_the_cloud(&unescape(name));
        }
        let name = OLD_HOSTS.iter().find_map(|suffix| host.strip_suffix(suffix).filter(|name| !name.contains('.')));
        if is_secure && let Some(name) = name {
            return Self::in_the_cloud(name);
        }
        // A Microsoft host in an unknown form is a typing error, not Azure DevOps Server.
        let is_microsofts = HOSTS.contains(&host.as_str()) || host.ends_with(".visualstudio.com");
        Err(if is_microsofts { NoOrganization::Malformed } else { NoOrganization::Server(host) })
    }

    /// The organization of this name beside another one: in the cloud, or on the same loopback host.
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

    /// Whether an address is at a host of this organization, in any form that Azure DevOps has for it.
    pub fn has_host(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let name = self.name.to_ascii_lowercase();
        let is_own = |suffix: &&str| host.strip_suffix(*suffix).is_some_and(|own| own == name);
        let is_in_the_cloud = url.scheme() == "https" && url.port().is_none() && self.loopback().is_none();
        let is_known = HOSTS.contains(&host) || OLD_HOSTS.iter().any(is_own);
        url.origin() == self.core.origin() || (is_in_the_cloud && is_known)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_organizations_address_reaches_the_same_services() {
        for address in [
            "https://dev.azure.com/contoso/",
            "https://dev.azure.com/contoso",
            "https://contoso.visualstudio.com/",
            "https://vsrm.dev.azure.com/contoso/",
            "https://contoso.vsrm.visualstudio.com/",
        ] {
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
            "https://vsrm.dev.azure.com.evil.example/contoso",
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
            "https://vsrm.dev.azure.com/",
            "https://contoso.other.visualstudio.com/",
        ] {
            assert!(Organization::parse(address).is_err(), "{address}");
        }
    }
}
