//! The owners and personal access tokens that a report lists.

use crate::model::timestamp::Timestamp;

/// A user of the organization.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Owner {
    /// The subject descriptor, or the id of the user signed in: tells two owners of one name apart.
    pub id: String,
    /// The display name.
    pub name: Option<String>,
    /// The sign-in name.
    pub principal: Option<String>,
    pub mail: Option<String>,
    /// The id in the directory, such as the object id in Entra.
    pub object_id: Option<String>,
}

/// A personal access token as listed, whichever API listed it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListedPat {
    pub authorization_id: String,
    pub display_name: Option<String>,
    pub scope: Option<String>,
    /// Whether it is valid in all organizations of its owner; `None` if the list does not say.
    pub is_for_all_organizations: Option<bool>,
    pub valid_from: Option<Timestamp>,
    pub valid_to: End,
    /// `None` if the list does not say whether the token is valid.
    pub is_valid: Option<bool>,
}

/// When a token expires, according to a list.
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
