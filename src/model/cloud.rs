//! The clouds of Microsoft, and where each hands out tokens.

use url::Url;

use crate::model::text::one_line;

/// Hosts that hand out tokens, by cloud. Documented.
pub const LOGIN_HOSTS: [&str; 3] =
    ["login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"];

/// Other names of these hosts in service connections, by the cloud that they belong to. Those of the public cloud are
/// found in connections of every cloud. Seen in code: the metadata of instance discovery in MSAL; `login-us` is in older
/// Azure SDKs.
const ALIASES: [(&str, usize); 6] = [
    ("login.windows.net", 0),
    ("login.microsoft.com", 0),
    ("sts.windows.net", 0),
    ("login-us.microsoftonline.com", 1),
    ("login.usgovcloudapi.net", 1),
    ("login.chinacloudapi.cn", 2),
];

/// The login host: loopback's own, or Microsoft's by the address that a service connection names, else by the name of its
/// cloud. An alias stands for the cloud that is named, where one is.
///
/// # Errors
/// The host or the cloud that is not known.
pub fn authority(address: Option<&str>, cloud: Option<&str>, loopback: Option<Url>) -> Result<Url, String> {
    if let Some(loopback) = loopback {
        return Ok(loopback);
    }
    let named = cloud.map(|name| of_cloud(name).ok_or_else(|| one_line(name)));
    let host = match address {
        Some(address) => {
            let host = Url::parse(address).ok().filter(|url| url.scheme() == "https");
            let host = host.as_ref().and_then(Url::host_str).unwrap_or_default();
            let known = LOGIN_HOSTS.into_iter().find(|known| *known == host);
            let alias = || {
                let (_, own) = ALIASES.into_iter().find(|(alias, _)| *alias == host)?;
                Some(named.and_then(Result::ok).unwrap_or(LOGIN_HOSTS[own]))
            };
            known.or_else(alias).ok_or_else(|| one_line(address))?
        }
        None => named.unwrap_or(Ok(LOGIN_HOSTS[0]))?,
    };
    Url::parse(&format!("https://{host}/")).map_err(|error| error.to_string())
}

/// The login host of a cloud, by the name that service connections give it.
fn of_cloud(name: &str) -> Option<&'static str> {
    let clouds = ["azurecloud", "azureusgovernment", "azurechinacloud"];
    let index = clouds.iter().position(|cloud| name.eq_ignore_ascii_case(cloud))?;
    Some(LOGIN_HOSTS[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_asked_for_at_microsofts_login_hosts_only() {
        assert_eq!(authority(None, None, None).unwrap().as_str(), "https://login.microsoftonline.com/");
        let us = authority(Some("https://login.microsoftonline.us/"), None, None).unwrap();
        assert_eq!(us.as_str(), "https://login.microsoftonline.us/");
        assert!(authority(Some("https://login.evil.example/"), None, None).is_err());
        assert!(authority(Some("http://login.microsoftonline.com/"), None, None).is_err());
    }
}
