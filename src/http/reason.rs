//! Why a service refuses, read from its answer in whatever shape that comes: the code by which the reason is looked up,
//! and the service's own sentence.

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::model::redaction::Redactor;
use crate::model::text;

/// Where Entra's ids begin; some texts have nothing before it.
const TRACE: &str = "Trace ID:";

/// A reason, without hidden values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reason {
    /// The service's most telling code; empty where it gives none.
    pub(super) code: String,
    /// The other codes, the more telling first.
    pub(super) more_codes: Vec<String>,
    /// The service's sentence, as one line without the full stop.
    pub(super) message: String,
    /// Entra's id of the request, where the body tells it.
    pub(super) trace: Option<String>,
}

impl Reason {
    /// Reads an answer's body and its `Content-Type`; `header` is the `X-TFS-ServiceError`, percent-encoded. Hidden
    /// values go first: what is left out or cut later could leave a part of one.
    pub(super) fn of(body: &[u8], kind: &str, header: &str, hidden: &Redactor) -> Self {
        let redacted = |value: &str| hidden.redacted(value);
        let mut reason = match serde_json::from_slice::<Value>(body) {
            Ok(body) => Self::of_json(&body, &redacted),
            Err(_) => Self::of_text(&redacted(&String::from_utf8_lossy(body)), kind),
        };
        if reason.message.is_empty() {
            let said = Self::of_sentence(&redacted(&percent_decode_str(header).decode_utf8_lossy()));
            let code = if reason.code.is_empty() { said.code } else { reason.code };
            reason = Self { code, message: said.message, ..reason };
        }
        let message = reason.message.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty());
        let message = message.collect::<Vec<_>>().join(" ");
        reason.message = text::one_line(message.trim_end_matches('.'));
        reason
    }

    fn of_json(body: &Value, redacted: &dyn Fn(&str) -> String) -> Self {
        let text = |value: &Value| redacted(value.as_str().unwrap_or_default());
        match &body["error"] {
            // Azure Key Vault: the inner code tells one 403 from another.
            Value::Object(error) => {
                let inner = error.get("innererror").map(|inner| text(&inner["code"])).unwrap_or_default();
                let code = if inner.is_empty() { text(&body["error"]["code"]) } else { inner };
                Self { code, message: text(&body["error"]["message"]), ..Self::default() }
            }
            Value::String(word) => Self::of_entra(body, redacted(word), &text(&body["error_description"])),
            _ => Self::of_azure_devops(body, &text),
        }
    }

    /// Microsoft Entra: a number is more specific than the OAuth error word, and there may be several.
    fn of_entra(body: &Value, word: String, description: &str) -> Self {
        let (sentence, ids) = description.split_once(TRACE).unwrap_or((description, ""));
        let in_front = sentence.split_once(':').map(|(number, _)| number).filter(|number| is_entras(number));
        let mut codes: Vec<String> = body["error_codes"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_u64)
            .map(|n| format!("AADSTS{n}"))
            .collect();
        if let Some(number) = in_front.filter(|number| !codes.iter().any(|code| code == number)) {
            codes.push(number.to_owned());
        }
        // These two are not refusals; only the OAuth error word distinguishes them.
        let position = if matches!(word.as_str(), "authorization_pending" | "slow_down") { 0 } else { codes.len() };
        codes.insert(position, word);
        let code = codes.remove(0);
        let message = in_front.map_or(sentence, |number| &sentence[number.len() + 1..]);
        let trace = body["trace_id"].as_str().or_else(|| ids.split_whitespace().next()).and_then(as_id);
        Self { code, more_codes: codes, message: message.trim().to_owned(), trace }
    }

    /// Azure DevOps: an exception, a sentence that is counted like a list (dotnet/docker-tools#2012), or less.
    fn of_azure_devops(body: &Value, text: &dyn Fn(&Value) -> String) -> Self {
        let value = &body["value"];
        let places = [&body["message"], &body["Message"], &value["Message"], &value["message"], value, body];
        let message = places.into_iter().map(text).find(|message| !message.is_empty()).unwrap_or_default();
        let mut reason = Self::of_sentence(&message);
        let kind = [&body["typeKey"], &value["typeKey"]].map(text).into_iter().find(|kind| !kind.is_empty());
        if let Some(kind) = kind {
            match reason.code.is_empty() {
                true => reason.code = kind,
                false => reason.more_codes.push(kind),
            }
        }
        // A refused creation can have one word of the published list for its sentence (azure-devops-intellij#493).
        if !message.is_empty() && message.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            reason.more_codes.push(format!("{}{}", message[..1].to_ascii_lowercase(), &message[1..]));
        }
        reason
    }

    /// A sentence, with the number in front of it that tells more than the exception's name.
    fn of_sentence(sentence: &str) -> Self {
        match sentence.split_once(": ").filter(|(number, _)| is_number(number)) {
            Some((number, rest)) => Self { code: number.to_owned(), message: rest.to_owned(), ..Self::default() },
            None => Self { message: sentence.to_owned(), ..Self::default() },
        }
    }

    /// A body that is not JSON: the title of a page, or plain text.
    fn of_text(body: &str, kind: &str) -> Self {
        let is_page = kind.to_ascii_lowercase().starts_with("text/html") || body.trim_start().starts_with('<');
        match is_page {
            true => Self::of_sentence(&title(body)),
            false => Self::of_sentence(body.trim()),
        }
    }
}

fn title(page: &str) -> String {
    // Upper case only where ASCII has it, so that places in both are the same.
    let upper = page.to_ascii_uppercase();
    let inside = upper.find("<TITLE").and_then(|tag| {
        let start = tag + upper[tag..].find('>')? + 1;
        Some(start..start + upper[start..].find("</TITLE")?)
    });
    let title = inside.map_or("", |inside| &page[inside]);
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a word is one of the numbers that Azure DevOps puts in front of its sentences, such as `TF400813`.
fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix("TF").or_else(|| word.strip_prefix("VS"));
    digits.is_some_and(|digits| (4..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a word is one of Entra's numbers, such as `AADSTS700016`.
fn is_entras(word: &str) -> bool {
    let digits = word.strip_prefix("AADSTS");
    digits.is_some_and(|digits| (4..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An id of a request, if it looks like one.
pub(super) fn as_id(id: &str) -> Option<String> {
    let fits = !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    fits.then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::secret::Secret;

    fn reason(body: &str, kind: &str, header: &str) -> Reason {
        Reason::of(body.as_bytes(), kind, header, &Redactor::default())
    }

    #[test]
    fn a_sentence_is_found_in_every_shape() {
        const JSON: &str = "application/json; charset=utf-8";
        for (body, kind) in [
            (r#"{"$id":"1","innerException":null,"message":"No such group.","typeKey":"X","eventId":3000}"#, JSON),
            (r#"{"count":14,"value":"No such group."}"#, JSON),
            (r#"{"count":1,"value":{"Message":"No such group.\r\n"}}"#, JSON),
            (r#"{"count":1,"value":{"message":"No such group."}}"#, JSON),
            (r#"{"message":"No such group."}"#, JSON),
            (r#"{"Message":"No such group."}"#, JSON),
            (r#"{"statusCode":404,"message":"No such group.","correlationId":"1"}"#, JSON),
            (r#""No such group.""#, JSON),
            (r#"{"error":{"code":"X","message":"No such group."}}"#, JSON),
            (r#"{"error":"x","error_description":"No such group."}"#, JSON),
            ("No such group.\r\n", "text/plain"),
            ("No such group.", ""),
            ("<HTML><HEAD><TITLE>No such\r\n group.</TITLE></HEAD><BODY>…</BODY></HTML>", "text/html"),
            ("<!DOCTYPE html><html><head><title lang=\"en\">No such group.</title>", ""),
        ] {
            assert_eq!(reason(body, kind, "").message, "No such group", "{body}");
        }
        assert_eq!(reason("", "", "No%20such%20group.").message, "No such group");
        for nothing in ["", "{}", "[]", "null", "<html><body>No title</body></html>", r#"{"count":0,"value":[]}"#] {
            assert_eq!(reason(nothing, "", ""), Reason::default(), "{nothing}");
        }
    }

    #[test]
    fn the_most_specific_code_comes_first() {
        let coded = |body: &str| {
            let reason = reason(body, "", "");
            (reason.code, reason.more_codes.join(" "), reason.message)
        };
        let as_text = |code: &str, more: &str, message: &str| (code.to_owned(), more.to_owned(), message.to_owned());
        for (body, code, more, message) in [
            (r#"{"message":"TF400813: Not you.","typeKey":"X"}"#, "TF400813", "X", "Not you"),
            (r#"{"message":"Not you.","typeKey":"X"}"#, "X", "", "Not you"),
            (r#"{"count":1,"value":{"Message":"VS403463: Not there."}}"#, "VS403463", "", "Not there"),
            (
                r#"{"message":"FullScopePatPolicyViolation","typeKey":"SessionTokenCreateException"}"#,
                "SessionTokenCreateException",
                "fullScopePatPolicyViolation",
                "FullScopePatPolicyViolation",
            ),
            (
                r#"{"error":"invalid_client","error_description":"AADSTS7000215: Wrong.","error_codes":[1234567,7000215]}"#,
                "AADSTS1234567",
                "AADSTS7000215 invalid_client",
                "Wrong",
            ),
            (r#"{"error":"invalid_grant","error_description":"Wrong."}"#, "invalid_grant", "", "Wrong"),
            (
                r#"{"error":"invalid_request","error_description":"AADSTS90061: Failed."}"#,
                "AADSTS90061",
                "invalid_request",
                "Failed",
            ),
            (
                r#"{"error":"authorization_pending","error_description":"AADSTS70016: Wait.","error_codes":[70016]}"#,
                "authorization_pending",
                "AADSTS70016",
                "Wait",
            ),
        ] {
            assert_eq!(coded(body), as_text(code, more, message), "{body}");
        }
    }

    #[test]
    fn entras_ids_are_kept_and_not_part_of_the_sentence() {
        for text in [
            "Gone. Trace ID: 1-a Correlation ID: 2",
            "Gone.Trace ID: 1-a Correlation",
            "Gone.\\r\\nTrace ID: 1-a\\r\\nC",
        ] {
            let reason = reason(&format!(r#"{{"error":"x","error_description":"AADSTS50034: {text}"}}"#), "", "");
            assert_eq!((reason.message.as_str(), reason.trace.as_deref()), ("Gone", Some("1-a")), "{text}");
        }
    }

    #[test]
    fn a_secret_is_redacted_in_every_shape_of_a_reason() {
        let hidden = Redactor::default();
        hidden.redact(&Secret::new("8Q~abc".to_owned()));
        for body in ["8Q~abc", "<title>8Q~abc</title>", r#"{"value":"8Q~abc"}"#, r#"{"Message":"TF400813: 8Q~abc"}"#] {
            assert_eq!(Reason::of(body.as_bytes(), "", "", &hidden).message, "***", "{body}");
        }
        assert_eq!(Reason::of(b"", "", "8Q%7Eabc", &hidden).message, "***");
    }
}
