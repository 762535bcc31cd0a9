//! What a report is about: whose tokens, which, and how far the list goes.

use crate::timestamp::Timestamp;

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
}

/// How far a report goes, told when it ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reach {
    /// Owners whose tokens were listed, those without any among them.
    pub owners: usize,
    /// Owners gone between the two lists; nothing is missing.
    pub gone: usize,
    /// Owners whose tokens could not be listed, each with why; at most a hundred of them.
    pub unread: Vec<(Owner, String)>,
    /// How many such owners there are.
    pub unread_count: usize,
    /// Owners known but not asked for, as the report stopped before.
    pub not_asked: usize,
    /// Why the report stopped before its end; `None` when it did not.
    pub stopped: Option<String>,
}

impl Reach {
    /// Whether something is missing.
    pub fn is_partial(&self) -> bool {
        self.stopped.is_some() || self.unread_count > 0 || self.not_asked > 0
    }
}
