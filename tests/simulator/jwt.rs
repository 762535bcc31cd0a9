//! Tokens that look like real ones: three parts, the third of which says that it is simulated.
//!
//! Nothing here is signed: the world knows every token it issued by its value, which is stricter than a signature. Only
//! what an app signs itself, with the key of a certificate, is read here to be verified.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// The value of one claim.
pub enum Claim {
    /// A string.
    Text(String),
    /// A number, as all times are.
    Number(i64),
}

/// A token with these claims; `label` stands where the signature would.
pub fn encode(claims: Vec<(&str, Claim)>, label: &str) -> String {
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
pub fn looks_like_one(token: &str) -> bool {
    let parts: Vec<&str> = token.split('.').collect();
    parts.len() == 3
        && parts[..2].iter().all(|part| {
            URL_SAFE_NO_PAD
                .decode(part)
                .is_ok_and(|bytes| serde_json::from_slice::<Value>(&bytes).is_ok_and(|value| value.is_object()))
        })
}

/// What an app said of itself and signed.
pub struct Assertion {
    pub kind: Option<String>,
    pub algorithm: Option<String>,
    pub thumbprint: Option<String>,
    pub old_thumbprint: Option<String>,
    pub issuer: Option<String>,
    pub subject: Option<String>,
    pub audience: Option<String>,
    pub id: Option<String>,
    pub not_before: Option<i64>,
    pub issued: Option<i64>,
    pub expires: Option<i64>,
    /// What the signature is over.
    pub message: Vec<u8>,
    pub signature: Vec<u8>,
}

/// Reads a token that may be such an assertion.
pub fn assertion(token: &str) -> Option<Assertion> {
    let (message, signature) = token.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let object = |part: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    let (header, claims) = (object(header)?, object(claims)?);
    let text = |value: &Value, name: &str| value[name].as_str().map(str::to_owned);
    // A date may have a fraction (RFC 7519), and has one in msal for Python.
    let date = |name: &str| claims[name].as_f64().map(|seconds| seconds.floor() as i64);
    Some(Assertion {
        kind: text(&header, "typ"),
        algorithm: text(&header, "alg"),
        thumbprint: text(&header, "x5t#S256"),
        old_thumbprint: text(&header, "x5t"),
        issuer: text(&claims, "iss"),
        subject: text(&claims, "sub"),
        audience: text(&claims, "aud"),
        id: text(&claims, "jti"),
        not_before: date("nbf"),
        issued: date("iat"),
        expires: date("exp"),
        message: message.as_bytes().to_vec(),
        signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
    })
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
