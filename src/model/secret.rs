//! Values that must never appear in a log. Leaking one takes a deliberate call: a [`Secret`] has no `Display`, its `Debug` shows nothing, and its memory is overwritten when it is dropped.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use zeroize::{Zeroize as _, Zeroizing};

/// A personal access token, an access or refresh token, an assertion, a password or a client secret.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership; the caller must keep no copy.
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value, only for code that sends or masks it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The value without what editors, shells and web pages leave around a pasted one: a byte order mark, spaces, line
    /// breaks, quotes. `None` if the value is JSON, such as a complete token response.
    pub fn pasted(&self) -> Option<Self> {
        let is_around = |c: char| {
            c.is_whitespace()
                || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200d}' | '\u{2060}')
                || matches!(c, '"' | '\'' | '`' | '\u{2018}'..='\u{201f}')
        };
        let value = self.reveal().trim_matches(is_around);
        (!value.starts_with(['{', '['])).then(|| Self::new(value.to_owned()))
    }

    /// The value as it appears in an `Authorization: Basic` header whose user name is empty.
    pub fn as_basic_password(&self) -> Self {
        let pair = Zeroizing::new(format!(":{}", self.reveal()));
        Self::new(STANDARD.encode(pair.as_bytes()))
    }

    /// The value in base64, as pipelines often store it.
    pub fn as_base64(&self) -> Self {
        Self::new(STANDARD.encode(self.reveal().as_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.reveal() == other.reveal()
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Whether a text has the form of a personal access token: 84 characters now, 52 before.
pub fn is_like_a_pat(text: &str) -> bool {
    matches!(text.len(), 52 | 84) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a text has the form of a secret: a personal access token, a JSON Web Token, an app's client secret (GitHub's
/// secret scanning and gitleaks know it by a digit and `Q~` after three characters), or a refresh token, which is a long text with a
/// version in front.
pub fn is_like_a_secret(text: &str) -> bool {
    let is_one_word = !text.contains(|c: char| c.is_whitespace() || c == '/');
    let is_jwt = text.starts_with("eyJ") && text.matches('.').count() == 2;
    let is_refresh_token = text.len() > 60 && (text.starts_with("0.") || text.starts_with("1."));
    let is_client_secret = (34..=50).contains(&text.len())
        && text.is_ascii()
        && text.as_bytes()[3].is_ascii_digit()
        && text.get(4..6) == Some("Q~");
    is_like_a_pat(text) || (is_one_word && (is_jwt || is_refresh_token || is_client_secret))
}

/// Overwrites a buffer that held a request or response with secrets.
pub(crate) fn wipe(buffer: &mut Vec<u8>) {
    buffer.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_value() {
        let secret = Secret::new("hunter2hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(format!("{:?}", Some(&secret)), "Some(Secret(…))");
    }

    #[test]
    fn pasted_value_is_stripped_and_json_is_refused() {
        for pasted in [
            "1.abc",
            "\u{feff}1.abc\r\n",
            "\"1.abc\"",
            " '1.abc' ",
            "\u{201c}1.abc\u{201d}",
            "\"\u{feff}1.abc\u{200b}\"",
        ] {
            let value = Secret::new(pasted.to_owned()).pasted();
            assert_eq!(value.as_ref().map(Secret::reveal), Some("1.abc"), "{pasted:?}");
        }
        for json in ["{\"refresh_token\":\"1.abc\"}", "\u{feff} [1]", "\"{}\""] {
            assert!(Secret::new(json.to_owned()).pasted().is_none(), "{json}");
        }
    }

    #[test]
    fn the_forms_that_are_masked_are_those_that_headers_carry() {
        let secret = Secret::new("abc".to_owned());
        assert_eq!(secret.as_base64().reveal(), "YWJj");
        assert_eq!(secret.as_basic_password().reveal(), "OmFiYw==");
    }
}
