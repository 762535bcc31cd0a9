//! Removes secret values, in any encoding, from every text that is printed or quoted.

use std::cell::RefCell;
use std::rc::Rc;

use percent_encoding::percent_decode_str;

use crate::model::secret::Secret;

/// Values that are never shown, in each form they could appear in. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Redactor(Rc<RefCell<Vec<Secret>>>);

impl Redactor {
    /// Redacts this value in every text from now on.
    pub fn redact(&self, secret: &Secret) {
        let is_known = self.0.borrow().contains(secret);
        if !is_known && !secret.reveal().is_empty() {
            self.0.borrow_mut().extend([secret.clone(), secret.as_base64(), secret.as_basic_password()]);
        }
    }

    /// The text without any of the values. Must be called before a text is cut: part of a value would not be recognized.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_value_is_found_however_a_text_spells_it() {
        let hidden = Redactor::default();
        hidden.redact(&Secret::new("8Q~ab \"c\\d/e+f".to_owned()));
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
