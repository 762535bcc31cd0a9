//! The agent's secret masker: what a person reads in the log is what this leaves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;

const MASK: &str = "***";

/// Endpoint authorization parameters the agent knows not to be secret (agent: MaskingUtil.cs).
const PUBLIC_PARAMETERS: [&str; 15] = [
    "acceptuntrustedcertificates",
    "accesstokenfetchingmethod",
    "accesstokentype",
    "audience",
    "authenticationtype",
    "authorizationtype",
    "completecallbackpayload",
    "expiresat",
    "issuedat",
    "oauthaccesstokenissupplied",
    "role",
    "scope",
    "tenantid",
    "unsecured",
    "usewindowssecurity",
];

/// Values with their encoded forms. There is no way to forget one, as in the agent.
#[derive(Clone, Debug, Default)]
pub struct Masker {
    values: BTreeSet<String>,
}

impl Masker {
    /// A value made known during the job: itself and three encodings, but no base64 (agent: HostContext.cs).
    pub fn add(&mut self, value: &str) {
        if value.is_empty() {
            return;
        }
        self.values.extend([value.to_owned(), json_escape(value), uri_escape(value), backslash_unescape(value)]);
    }

    /// A secret variable of the job message: also its escaped forms and its base64 (agent: Worker.cs).
    pub fn add_job_secret(&mut self, value: &str) {
        if value.trim().is_empty() {
            return;
        }
        let newlines = value.replace('\r', "%0D").replace('\n', "%0A");
        let escaped = value.replace('%', "%AZP25").replace('\r', "%0D").replace('\n', "%0A");
        for form in [value.to_owned(), escaped, newlines, STANDARD.encode(value)] {
            self.add(&form);
            self.add(form.trim_matches(['\r', '\n', ' ']));
            // A shell would strip the quotes.
            for quote in ['\'', '"'] {
                if form.starts_with(quote) && form.ends_with(quote) {
                    self.add(form.trim_matches(quote));
                }
            }
        }
    }

    pub fn add_endpoint_parameter(&mut self, name: &str, value: &str) {
        if !PUBLIC_PARAMETERS.contains(&name.to_lowercase().as_str()) {
            self.add(value);
        }
    }

    /// Overlapping and touching hits become one mask, as in the agent (SecretMasker.cs).
    pub fn mask(&self, text: &str) -> String {
        let mut hits: Vec<(usize, usize)> = Vec::new();
        for value in self.values.iter().filter(|value| !value.is_empty()) {
            let mut from = 0;
            while let Some(at) = text.get(from..).and_then(|rest| rest.find(value.as_str())) {
                let start = from + at;
                hits.push((start, start + value.len()));
                from = start + text[start..].chars().next().map_or(1, char::len_utf8);
            }
        }
        hits.extend(passwords_in_addresses(text));
        hits.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::new();
        for (start, end) in hits {
            match merged.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        let mut masked = String::with_capacity(text.len());
        let mut from = 0;
        for (start, end) in merged {
            masked.push_str(&text[from..start]);
            masked.push_str(MASK);
            from = end;
        }
        masked.push_str(&text[from..]);
        masked
    }

    /// Whether this very value is known, so that a line with it alone would show nothing.
    pub fn knows(&self, value: &str) -> bool {
        self.values.contains(value)
    }
}

/// agent: AdditionalMaskingRegexes.cs: what stands between `//USER:` and `@`.
fn passwords_in_addresses(text: &str) -> Vec<(usize, usize)> {
    let password = |at: usize| {
        let user = text[at..].find([':', '/', '?', '#', '\n']).filter(|length| *length > 0)?;
        let start = at + user + 1;
        let rest = text[at + user..].strip_prefix(':')?;
        let may_be = |c: char| c.is_alphanumeric() || "_.~-!$&'()*+,;=:%".contains(c);
        let length = rest.find(|c| !may_be(c)).filter(|length| *length > 0 && rest[*length..].starts_with('@'))?;
        Some((start, start + length))
    };
    text.match_indices("//").filter_map(|(at, slashes)| password(at + slashes.len())).collect()
}

/// Newtonsoft's, which escapes three characters more than Rust's does.
fn json_escape(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    let more = [("\u{85}", "\\u0085"), ("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029")];
    more.iter().fold(quoted[1..quoted.len() - 1].to_owned(), |text, (from, to)| text.replace(from, to))
}

/// .NET's `Uri.EscapeDataString`.
pub(super) fn uri_escape(value: &str) -> String {
    let mut escaped = String::new();
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// Called "escape" by the agent, but it resolves escapes (agent: LiteralEncoders.cs).
fn backslash_unescape(value: &str) -> String {
    value.replace(r"\\", r"\").replace(r"\'", "'").replace("\\\"", "\"").replace(r"\t", "\t")
}
