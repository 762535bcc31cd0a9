//! A secret in Azure Key Vault, by its address.

use std::fmt;

use url::Url;

use crate::model::address::is_loopback;
use crate::model::cloud::LOGIN_HOSTS;

/// A secret in Azure Key Vault, by its address without a version.
#[derive(Clone, Debug)]
pub struct VaultSecret {
    url: Url,
    /// Whether a version was given, which is ignored.
    has_version: bool,
    suffix: Option<&'static str>,
}

/// Names in a vault are case-insensitive.
impl PartialEq for VaultSecret {
    fn eq(&self, other: &Self) -> bool {
        self.url.as_str().eq_ignore_ascii_case(other.url.as_str())
    }
}

/// Hosts of Azure Key Vault, by cloud, in the order of [`LOGIN_HOSTS`]. Documented.
const VAULT_SUFFIXES: [&str; 3] = ["vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn"];

impl VaultSecret {
    /// Parses what people paste: `https://VAULT.vault.azure.net/secrets/NAME`, with a version or without, or `VAULT/NAME`;
    /// `keyVault:` or `- ` may stand in front.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let expected = || {
            // What stands before an `@` may be a password.
            let got =
                if text.contains('@') { String::new() } else { format!("; got {}", crate::model::text::quoted(text)) };
            format!(
                "the address of a secret, such as `https://contoso-kv.vault.azure.net/secrets/NAME`, or `contoso-kv/NAME`{got}"
            )
        };
        let whole = text;
        let text = whole.strip_prefix("- ").unwrap_or(whole).trim_start();
        let text = match text.split_once(':') {
            Some((kind, rest)) if kind.trim_end().eq_ignore_ascii_case("keyVault") => rest.trim_start(),
            _ => text,
        };
        let mut url = match text.split_once('/') {
            _ if text.contains("://") => Url::parse(text).map_err(|_| expected())?,
            Some((vault, name)) if is_plain(vault) && is_plain(name) => {
                Url::parse(&format!("https://{vault}.vault.azure.net/secrets/{name}")).map_err(|_| expected())?
            }
            _ => return Err(expected()),
        };
        let host = url.host_str().ok_or_else(expected)?.to_ascii_lowercase();
        let suffix = VAULT_SUFFIXES.into_iter().find(|suffix| {
            host.strip_suffix(suffix).and_then(|host| host.strip_suffix('.')).is_some_and(|vault| !vault.contains('.'))
        });
        let has_no_user = url.username().is_empty() && url.password().is_none();
        let is_vault = suffix.is_some() && url.scheme() == "https" && url.port().is_none();
        if !has_no_user || !(is_vault || is_loopback(&url)) {
            let host = crate::model::text::quoted(&host);
            return Err(format!("the address of a secret in a key vault; {host} is not a vault's host"));
        }
        url.set_query(None);
        url.set_fragment(None);
        let segments: Vec<&str> = url.path_segments().into_iter().flatten().filter(|s| !s.is_empty()).collect();
        let (name, has_version) = match segments[..] {
            ["secrets", name] => (name, false),
            ["secrets", name, version] if is_plain(version) => (name, true),
            _ => return Err(expected()),
        };
        if !is_plain(name) || name.len() > 127 {
            return Err(expected());
        }
        let path = format!("/secrets/{name}");
        url.set_path(&path);
        Ok(Self { url, has_version, suffix })
    }

    /// A note for the log if the address has a version.
    pub fn note(&self) -> Option<String> {
        let why = "the current version is read, and each write makes a new one";
        self.has_version.then(|| format!("note: the version in the address of {self} is ignored: {why}"))
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether the vault is in Azure and not on this machine.
    pub fn is_in_the_cloud(&self) -> bool {
        self.suffix.is_some()
    }

    /// Whether this login host issues tokens for the vault; always true on this machine.
    pub fn is_in_cloud_of(&self, authority: &Url) -> bool {
        let mut clouds = VAULT_SUFFIXES.into_iter().zip(LOGIN_HOSTS);
        let cloud = clouds.find(|(suffix, _)| self.suffix == Some(*suffix));
        cloud.is_none_or(|(_, login)| authority.host_str() == Some(login))
    }

    pub fn name(&self) -> &str {
        self.url.path().rsplit('/').next().unwrap_or_default()
    }

    /// The scope of a token for this vault's cloud; on loopback, the public one's.
    pub fn scope(&self) -> String {
        format!("https://{}/.default", self.suffix.unwrap_or(VAULT_SUFFIXES[0]))
    }
}

/// Letters, digits and hyphens: the name of a vault, of a secret or of a version.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

impl fmt::Display for VaultSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.host_str().unwrap_or_default();
        let vault = if self.suffix.is_some() { host.split('.').next().unwrap_or_default() } else { host };
        write!(f, "secret \"{}\" in vault \"{vault}\"", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vaults_secret_is_named_by_its_address() {
        let secret = VaultSecret::parse("https://contoso-kv.vault.azure.net/secrets/refresh/").unwrap();
        assert_eq!(secret.to_string(), "secret \"refresh\" in vault \"contoso-kv\"");
        assert_eq!(secret.scope(), "https://vault.azure.net/.default");
        assert_eq!(secret.url().as_str(), "https://contoso-kv.vault.azure.net/secrets/refresh");
        for (pasted, has_version) in [
            ("contoso-kv/refresh", false),
            (" - keyvault: Contoso-KV/Refresh\n", false),
            ("https://contoso-kv.vault.azure.net/secrets/refresh?api-version=7.4", false),
            ("https://contoso-kv.vault.azure.net/secrets/refresh/0123456789abcdef", true),
        ] {
            let same = VaultSecret::parse(pasted).unwrap();
            assert_eq!((same.clone(), same.note().is_some()), (secret.clone(), has_version), "{pasted}");
        }
        for wrong in [
            "contoso-kv",
            "contoso-kv/refresh/0123",
            "contoso.kv/refresh",
            "https://contoso-kv.vault.azure.net/keys/refresh",
            "https://contoso-kv.vault.azure.net/secrets/refresh/0123/x",
            "https://contoso-kv.vault.azure.net.evil.example/secrets/refresh",
            "https://evil.example/secrets/refresh",
            "http://contoso-kv.vault.azure.net/secrets/refresh",
            "https://vault.azure.net/secrets/refresh",
            "https://a.b.vault.azure.net/secrets/refresh",
        ] {
            assert!(VaultSecret::parse(wrong).is_err(), "{wrong}");
        }
    }
}
