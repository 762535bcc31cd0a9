//! A personal access token as the service lists it.

use std::fmt;

use crate::model::scopes::Scopes;
use crate::model::timestamp::Timestamp;

/// The id that the service gives a personal access token; it stays through renames.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AuthorizationId(String);

impl AuthorizationId {
    /// Takes a GUID in its usual form.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let parts: Vec<&str> = text.split('-').collect();
        let lengths = [8, 4, 4, 4, 12];
        let fits = parts.len() == lengths.len()
            && parts
                .iter()
                .zip(lengths)
                .all(|(part, length)| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
        fits.then_some(Self(text))
    }

    /// The id as the API wants it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AuthorizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An active personal access token of the signed-in user, as listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pat {
    /// The service's id of it.
    pub id: AuthorizationId,
    /// Its name, marker included.
    pub display_name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// When it was created.
    pub valid_from: Timestamp,
    /// When it expires.
    pub valid_to: Timestamp,
    /// Whether it spans all of the user's organizations. Such ones end on 2026-12-01 and are never touched.
    pub all_organizations: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authorization_id_is_a_guid_in_its_usual_form() {
        let id = AuthorizationId::parse(" 01234567-89ab-CDEF-0123-456789abcdef\n").unwrap();
        assert_eq!(id.as_str(), "01234567-89ab-cdef-0123-456789abcdef");
        for wrong in [
            "",
            "0123456789abcdef0123456789abcdef",
            "01234567-89ab-cdef-0123",
            "01234567-89ab-cdef-0123-456789abcdef-0",
            "01234567-89ab-cdef-0123-456789abcde",
            "0123456-789ab-cdef-0123-456789abcdef",
            "g1234567-89ab-cdef-0123-456789abcdef",
        ] {
            assert_eq!(AuthorizationId::parse(wrong), None, "{wrong}");
        }
    }
}
