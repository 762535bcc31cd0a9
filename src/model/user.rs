//! Users: as an input names them, and as Azure DevOps returns them.

use std::fmt;

use crate::model::pat::AuthorizationId;
use crate::model::text::quoted;

/// Who a user is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum UserName {
    Name(String),
    ObjectId(String),
}

impl UserName {
    /// A sign-in name such as `rotator@contoso.com`, or an object id.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(id) = AuthorizationId::parse(text) {
            return Ok(Self::ObjectId(id.to_string()));
        }
        let is_name = text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
            && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if is_name {
            return Ok(Self::Name(text.to_owned()));
        }
        Err(format!("a user's sign-in name, such as `rotator@contoso.com`, or object id; got {}", quoted(text)))
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(&crate::model::text::one_line(name)),
            Self::ObjectId(id) => write!(f, "the user with the object id {id}"),
        }
    }
}

/// A user, as Azure DevOps returns it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Azure DevOps' own id, which is not Entra's object id.
    pub id: String,
    /// The sign-in name; may be empty.
    pub account: String,
}
