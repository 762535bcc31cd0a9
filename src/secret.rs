//! Values that must never be read by anyone who reads a log. This file exists so that leaking one takes a deliberate
//! call: a [`Secret`] has no `Display`, its `Debug` shows nothing, and its memory is overwritten when it is dropped.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer};
use zeroize::{Zeroize as _, Zeroizing};

/// A personal access token, an access or refresh token, an assertion, a password or a client secret.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the value over; the caller keeps no copy.
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself, for the one place that sends or masks it.
    pub fn reveal(&self) -> &str {
        &self.0
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

/// Values that are never shown, in each form they could appear in. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Hidden(Rc<RefCell<Vec<Secret>>>);

impl Hidden {
    /// Never shows this value from now on, whatever text it may be part of.
    pub fn hide(&self, secret: &Secret) {
        let is_known = self.0.borrow().contains(secret);
        if !is_known && !secret.reveal().is_empty() {
            self.0.borrow_mut().extend([secret.clone(), secret.as_base64(), secret.as_basic_password()]);
        }
    }

    /// A text without any of the values. Must come before a text is cut: a part of a value would not be recognised.
    pub fn redacted(&self, text: &str) -> String {
        let mut text = self.struck_out(text.to_owned());
        // Where another reading of what is left shows a value, it is read like that.
        for reading in [without_breaks, without_backslashes, without_form, without_percents] {
            let read = reading(&text);
            if self.is_in(&read) {
                text = self.struck_out(read);
            }
        }
        text
    }

    fn struck_out(&self, mut text: String) -> String {
        for secret in self.0.borrow().iter() {
            if text.contains(secret.reveal()) {
                text = text.replace(secret.reveal(), "***");
            }
        }
        text
    }

    fn is_in(&self, text: &str) -> bool {
        self.0.borrow().iter().any(|secret| text.contains(secret.reveal()))
    }
}

fn without_breaks(text: &str) -> String {
    text.replace(['\r', '\n'], "")
}

fn without_backslashes(text: &str) -> String {
    text.replace("\\\"", "\"").replace("\\/", "/").replace("\\\\", "\\")
}

fn without_percents(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn without_form(text: &str) -> String {
    without_percents(&text.replace('+', " "))
}

/// Whether a text has the form of a personal access token: 84 characters now, 52 before.
pub fn is_like_a_pat(text: &str) -> bool {
    matches!(text.len(), 52 | 84) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a text has the form of something that nobody should read: a personal access token, a JSON Web Token, or a
/// refresh token, which is a long text with a version in front.
pub fn is_like_a_secret(text: &str) -> bool {
    let is_one_word = !text.contains(|c: char| c.is_whitespace() || c == '/');
    let is_jwt = text.starts_with("eyJ") && text.matches('.').count() == 2;
    let is_refresh_token = text.len() > 60 && (text.starts_with("0.") || text.starts_with("1."));
    is_like_a_pat(text) || (is_one_word && (is_jwt || is_refresh_token))
}

/// Overwrites a buffer that held a reply or a request with secrets in it.
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
    fn the_forms_that_are_masked_are_those_that_headers_carry() {
        let secret = Secret::new("abc".to_owned());
        assert_eq!(secret.as_base64().reveal(), "YWJj");
        assert_eq!(secret.as_basic_password().reveal(), "OmFiYw==");
    }

    #[test]
    fn a_hidden_value_is_found_however_a_text_spells_it() {
        let hidden = Hidden::default();
        hidden.hide(&Secret::new("8Q~ab \"c\\d/e+f".to_owned()));
        for (text, shown) in [
            ("is 8Q~ab \"c\\d/e+f, 100% sure", "is ***, 100% sure"),
            ("is 8Q~ab\r\n \"c\\d\n/e+f", "is ***"),
            (r#"{"x":"8Q~ab \"c\\d/e+f"}"#, r#"{"x":"***"}"#),
            (r#"{"x":"8Q~ab \"c\\d\/e+f"}"#, r#"{"x":"***"}"#),
            ("key=8Q%7Eab+%22c%5Cd%2Fe%2Bf&", "key=***&"),
            ("key=8Q~ab%20%22c%5cd%2fe%2bf&", "key=***&"),
            ("8Q~ab+%22c%5Cd%2Fe%2Bf 8Q~ab%20%22c%5cd%2fe%2bf", "*** ***"),
            ("OF F+ab%20c\\", "OF F+ab%20c\\"),
        ] {
            assert_eq!(hidden.redacted(text), shown, "{text}");
        }
    }
}
