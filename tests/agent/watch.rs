//! Tells where a secret could be seen: the raw output before masking, process arguments, files handed to the server.
//!
//! Stricter than the masker on purpose: a line that the masker saves was still wrong to print.

use super::command::{Command, split};
use super::masker::{self, Masker};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

#[derive(Clone, Debug, Default)]
pub struct Watch {
    secrets: Vec<Secret>,
}

#[derive(Clone, Debug)]
struct Secret {
    label: String,
    /// What to look for, and how to call it.
    forms: Vec<(&'static str, String)>,
}

impl Watch {
    pub fn add(&mut self, label: &str, value: &str) {
        assert!(!value.is_empty(), "an empty value cannot be watched ({label})");
        self.secrets.push(Secret { label: label.into(), forms: forms(value) });
    }

    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Which secrets are in the text, as "label (form)".
    pub fn found_in(&self, text: &str) -> Vec<String> {
        let of = |secret: &Secret| {
            let (form, _) = secret.forms.iter().find(|(_, form)| text.contains(form.as_str()))?;
            Some(format!("{} ({form})", secret.label))
        };
        self.secrets.iter().filter_map(of).collect()
    }

    /// Checks one raw line. The data of `setsecret` may be anything; the data of a secret variable may be a secret
    /// whose mask is already in place; nothing else may hold one.
    pub fn check(&self, line: &str, command: Option<&Command>, masker: &Masker) -> Vec<String> {
        let Some((command, (_, data))) = command.zip(split(line)) else { return self.found_in(line) };
        let mut found = self.found_in(&line[..line.len() - data.len()]);
        let variable =
            (command.is("task.setvariable") || command.is("task.settaskvariable")) && command.flag("issecret");
        if command.is("task.setsecret") {
            return found;
        }
        if !variable {
            found.extend(self.found_in(data));
            found.extend(self.found_in(&command.data));
            found.dedup();
            return found;
        }
        if !masker.knows(&command.data) {
            let event = format!("{}.{}", command.area, command.event);
            found.extend(self.found_in(&command.data).iter().map(|what| format!("{what}, in {event} unmasked")));
        }
        found
    }
}

/// Every form in which a value is looked for, with what to call it: plain and in halves, in base64 whatever stands before
/// it, and as addresses, forms and JSON texts spell it.
pub fn forms(value: &str) -> Vec<(&'static str, String)> {
    // Shorter ones would match by chance.
    if value.len() < 8 {
        return vec![("the value", value.to_owned())];
    }
    let middle = (0..=value.len() / 2).rfind(|at| value.is_char_boundary(*at)).unwrap_or_default();
    let mut forms = if middle >= 12 {
        vec![("the first half", value[..middle].to_owned()), ("the second half", value[middle..].to_owned())]
    } else {
        vec![("the value", value.to_owned())]
    };
    forms.extend((0..3).flat_map(|shift| base64_inside(value, shift)).map(|form| ("base64", form)));
    let json = serde_json::Value::from(value).to_string();
    let form: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let address = masker::uri_escape(value);
    let spelled = [
        ("as JSON", json[1..json.len() - 1].to_owned()),
        ("as a form", with_small_digits(&form)),
        ("as a form", form),
        ("as an address", with_small_digits(&address)),
        ("as an address", address),
    ];
    forms.extend(spelled.into_iter().filter(|(_, spelled)| spelled != value));
    forms
}

/// `%2b` in the place of `%2B`.
fn with_small_digits(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| format!("{text}%{}{}", part[..2].to_lowercase(), &part[2..]))
}

/// The characters of a base64 text that are the value's alone, whatever stands `shift` bytes before it and after it:
/// finds `base64(value)`, `base64(":" + value)` and `base64("anyone:" + value)` alike, in both alphabets.
fn base64_inside(value: &str, shift: usize) -> Vec<String> {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(value.as_bytes());
    let first = (shift * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    let mut forms = vec![STANDARD_NO_PAD.encode(&bytes)[first..end].to_owned()];
    let url_safe = URL_SAFE_NO_PAD.encode(&bytes)[first..end].to_owned();
    if !forms.contains(&url_safe) {
        forms.push(url_safe);
    }
    forms
}
