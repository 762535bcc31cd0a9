//! The fields of a form, as Entra's endpoints read them.

use super::super::world::EntraRefusal;
use super::request::Request;

/// The fields of a form.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// The body, if it is a form with each field once and nothing is in the query, but for the number of a request where
    /// that is let pass; else a sentence.
    pub(super) fn read(request: &Request, may_be_numbered: bool) -> Result<Self, &'static str> {
        let kind = request.header("content-type").unwrap_or_default();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return Err("The request body must be form-encoded.");
        }
        let is_number = |(name, _): &(String, String)| may_be_numbered && name == "client-request-id";
        if !request.fields().iter().all(is_number) {
            return Err("This endpoint takes no query: secrets would be logged.");
        }
        let fields = request.form();
        let repeated =
            fields.iter().enumerate().any(|(i, (name, _))| fields[..i].iter().any(|(known, _)| known == name));
        if repeated { Err("The request body has a parameter twice.") } else { Ok(Self(fields)) }
    }

    /// The body, whatever it is.
    pub(super) fn peek(request: &Request) -> Self {
        Self(request.form())
    }

    /// A field that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The same, or the refusal that names it.
    pub(super) fn need(&self, name: &str) -> Result<String, EntraRefusal> {
        self.get(name).map(str::to_owned).ok_or_else(|| {
            let text = format!("The request body must contain the following parameter: '{name}'.");
            EntraRefusal::new("invalid_request", 900_144, text)
        })
    }

    /// A field that is none of these.
    pub(super) fn unexpected(&self, known: &[&[&str]]) -> Option<&str> {
        let mut names = self.0.iter().map(|(name, _)| name.as_str());
        names.find(|name| !known.iter().any(|known| known.contains(name)))
    }
}
