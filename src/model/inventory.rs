//! What a report is about: whose personal access tokens, and which.

use crate::model::timestamp::Timestamp;

/// A user of the organization.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Owner {
    /// The subject descriptor, or the id of the user signed in: tells two owners of one name apart.
    pub id: String,
    /// As people call them.
    pub name: Option<String>,
    /// The name they sign in with.
    pub principal: Option<String>,
    /// Where they can be reached.
    pub mail: Option<String>,
}

/// A personal access token as listed, whichever API listed it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListedPat {
    /// Its id.
    pub authorization_id: String,
    /// Its name; it may have none.
    pub display_name: Option<String>,
    /// What it may do, as listed.
    pub scope: Option<String>,
    /// Whether it spans all organizations of its owner; `None` where the list does not tell.
    pub is_for_all_organizations: Option<bool>,
    /// From when.
    pub valid_from: Option<Timestamp>,
    /// Until when; `None` where it cannot be read.
    pub valid_to: Option<Timestamp>,
    /// Whether it was revoked, where the list shows such ones too.
    pub is_revoked: bool,
}
