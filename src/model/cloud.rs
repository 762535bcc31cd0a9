//! The clouds of Microsoft, and where each hands out tokens.

use url::Url;

/// Hosts that hand out tokens, by cloud. Documented.
pub const LOGIN_HOSTS: [&str; 3] =
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
    let url = Url::parse(text).map_err(|_| crate::model::text::one_line(text))?;
    let host = url.host_str().unwrap_or_default();
    // `login.windows.net` is an older name of the public one, still found in service connections.
    let host = if host == "login.windows.net" { LOGIN_HOSTS[0] } else { host };
    match LOGIN_HOSTS.iter().find(|known| **known == host) {
        Some(known) if url.scheme() == "https" => Url::parse(&format!("https://{known}/")).map_err(|e| e.to_string()),
        _ => Err(crate::model::text::one_line(text)),
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
        _ => return Err(crate::model::text::one_line(name)),
    };
    authority(Some(&format!("https://{host}/")), loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_asked_for_at_microsofts_login_hosts_only() {
        assert_eq!(authority(None, None).unwrap().as_str(), "https://login.microsoftonline.com/");
        let us = authority(Some("https://login.microsoftonline.us/"), None).unwrap();
        assert_eq!(us.as_str(), "https://login.microsoftonline.us/");
        assert!(authority(Some("https://login.evil.example/"), None).is_err());
        assert!(authority(Some("http://login.microsoftonline.com/"), None).is_err());
    }
}
