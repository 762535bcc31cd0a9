//! How much of an organization a report saw, and what is missing from it.

use crate::model::inventory::Owner;
use crate::model::timestamp::pluralize;

/// How far a report goes, known when it ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Coverage {
    /// Owners whose tokens were listed, those without any among them.
    pub owners: usize,
    /// Owners gone between the two lists; nothing is missing.
    pub gone: usize,
    /// Owners whose tokens could not be listed, each with why; the first hundred of them.
    pub unread: Vec<(Owner, String)>,
    /// How many such owners there are.
    pub unread_count: usize,
    /// Owners known but not asked for, as the report stopped before.
    pub not_asked: usize,
    /// Why the report stopped before its end; `None` when it did not.
    pub stopped: Option<String>,
    /// Whether that was because the run was told to stop.
    pub is_cancelled: bool,
}

impl Coverage {
    /// Whether something is missing.
    pub fn is_partial(&self) -> bool {
        self.stopped.is_some() || self.unread_count > 0 || self.not_asked > 0
    }
}

/// What is missing, a sentence each.
pub(super) fn missing(reach: &Coverage) -> Vec<String> {
    let users = |count: usize| pluralize(i64::try_from(count).unwrap_or(i64::MAX), "user");
    let mut missing = Vec::new();
    if let Some(why) = &reach.stopped {
        let rest = match reach.not_asked {
            0 => "users not reached by then are missing".to_owned(),
            count => format!("at least {} not asked for", users(count)),
        };
        missing.push(format!("{why}; {rest}."));
    }
    if let Some((_, why)) = reach.unread.first() {
        missing
            .push(format!("the tokens of {} could not be read, the first because {why}.", users(reach.unread_count)));
    }
    missing
}
