//! Tokens that look like real ones: three parts, the third of which says that it is simulated.
//!
//! Nothing is signed. The world knows every token it issued by its value, which is stricter than a signature.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// The value of one claim.
pub(crate) enum Claim {
    /// A string.
    Text(String),
    /// A number, as all times are.
    Number(i64),
}

/// A token with these claims; `label` stands where the signature would.
pub(crate) fn encode(claims: Vec<(&str, Claim)>, label: &str) -> String {
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": "simulated"});
    let claims: Map<String, Value> = claims
        .into_iter()
        .map(|(name, claim)| {
            let value = match claim {
                Claim::Text(text) => Value::from(text),
                Claim::Number(number) => Value::from(number),
            };
            (name.to_owned(), value)
        })
        .collect();
    format!("{}.{}.{label}", part(&header), part(&Value::from(claims)))
}

/// Whether this could be a token at all: three parts, the first two of them JSON objects.
pub(crate) fn looks_like_one(token: &str) -> bool {
    let parts: Vec<&str> = token.split('.').collect();
    parts.len() == 3
        && parts[..2].iter().all(|part| {
            URL_SAFE_NO_PAD
                .decode(part)
                .is_ok_and(|bytes| serde_json::from_slice::<Value>(&bytes).is_ok_and(|value| value.is_object()))
        })
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
