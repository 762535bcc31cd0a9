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
    /// The id in the directory that they come from.
    pub object_id: Option<String>,
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
    /// Until when.
    pub valid_to: End,
    /// Whether the list calls it valid, where the list says so.
    pub is_valid: Option<bool>,
}

/// When a token ends, as a list says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum End {
    At(Timestamp),
    /// The date is beyond any calendar, such as `9999-12-31T23:59:59.9999999Z`.
    Never,
    #[default]
    Unreadable,
}

impl End {
    pub fn read(text: Option<&str>) -> Self {
        let Some(text) = text.map(str::trim) else { return Self::Unreadable };
        // The last day of the .NET calendar has times that ours does not have.
        if text.starts_with("9999-12-3") {
            return Self::Never;
        }
        Timestamp::parse(text).map_or(Self::Unreadable, Self::At)
    }

    pub fn time(self) -> Option<Timestamp> {
        match self {
            Self::At(time) => Some(time),
            Self::Never | Self::Unreadable => None,
        }
    }

    pub fn is_past(self, now: Timestamp) -> bool {
        self.time().is_some_and(|end| end <= now)
    }
}
