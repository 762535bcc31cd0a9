//! A personal access token as the service lists it.

use std::fmt;

use crate::model::scopes::Scopes;
use crate::model::text;
use crate::model::timestamp::Timestamp;

/// The id that the service gives a personal access token; it stays through renames.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AuthorizationId(String);

impl AuthorizationId {
    /// Parses a GUID in its usual form.
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
    pub id: AuthorizationId,
    /// Includes the marker.
    pub display_name: String,
    pub scopes: Scopes,
    pub valid_from: Timestamp,
    pub valid_to: Timestamp,
    pub reach: Reach,
    /// Names the date that could not be read and was replaced by another one.
    pub unreadable: Option<&'static str>,
}

impl Pat {
    /// Whether it reaches this organization and no other.
    pub fn is_only_of(&self, organization: &OrganizationId) -> bool {
        matches!(&self.reach, Reach::Organizations(ids) if ids.iter().all(|id| id == organization))
    }

    /// Whether it reaches all of the user's organizations. Such tokens ended on 2026-12-01 and are never touched.
    pub fn spans_all_organizations(&self) -> bool {
        self.reach == Reach::All
    }
}

/// Which of the user's organizations a personal access token reaches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reach {
    /// All of them.
    All,
    /// These; at least one.
    Organizations(Vec<OrganizationId>),
}

/// The instance id of an organization, which `connectionData` and a token's `targetAccounts` both name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OrganizationId(String);

impl OrganizationId {
    /// Compared without case; an id of zeros names no organization.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let is_named = text.bytes().any(|byte| byte != b'0' && byte != b'-');
        is_named.then_some(Self(text))
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::one_line(&self.0))
    }
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
