//! How much of an organization a report covers, and what is missing.

use crate::model::inventory::Owner;
use crate::model::timestamp::pluralize;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Coverage {
    /// Owners whose tokens were listed, including owners without tokens.
    pub owners: usize,
    /// Owners who left between the two lists; nothing is missing.
    pub gone: usize,
    /// The first hundred owners whose tokens could not be listed, with the reason.
    pub unread: Vec<(Owner, String)>,
    /// The number of all such owners.
    pub unread_count: usize,
    /// Items on lists of tokens that were not tokens.
    pub unread_tokens: usize,
    /// Tokens whose expiry date could not be read.
    pub unread_ends: usize,
    /// Known owners whose tokens were not requested before the report stopped.
    pub not_asked: usize,
    /// Why the report stopped early.
    pub stopped: Option<String>,
    /// Whether it stopped because the run was cancelled.
    pub is_cancelled: bool,
}

/// Limit on the owners kept in `unread`.
const NAMED: usize = 100;

impl Coverage {
    pub(super) fn add_unread(&mut self, owner: Owner, why: String) {
        self.unread_count += 1;
        if self.unread.len() < NAMED {
            self.unread.push((owner, why));
        }
    }

    /// Whether something is missing.
    pub fn is_partial(&self) -> bool {
        let unread = self.unread_count + self.unread_tokens + self.unread_ends;
        self.stopped.is_some() || unread > 0 || self.not_asked > 0
    }
}

/// What is missing, a sentence each.
pub(super) fn missing(coverage: &Coverage) -> Vec<String> {
    let count = |count: usize, noun: &str| pluralize(i64::try_from(count).unwrap_or(i64::MAX), noun);
    let mut missing = Vec::new();
    if let Some(why) = &coverage.stopped {
        let rest = match coverage.not_asked {
            0 => "users not reached by then are missing".to_owned(),
            users => format!("at least {} not asked for", count(users, "user")),
        };
        missing.push(format!("{}; {rest}.", why.trim_end_matches('.')));
    }
    if let Some((_, why)) = coverage.unread.first() {
        let users = count(coverage.unread_count, "user");
        let why = why.trim_end_matches('.');
        missing.push(format!("the tokens of {users} could not be read, the first because {why}."));
    }
    if coverage.unread_tokens > 0 {
        missing.push(format!("{} on the lists could not be read.", count(coverage.unread_tokens, "token")));
    }
    if coverage.unread_ends > 0 {
        let tokens = count(coverage.unread_ends, "token");
        missing.push(format!(
            "the expiry date of {tokens} could not be read, so the report cannot say whether they work."
        ));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sentence_ends_in_one_full_stop() {
        let mut coverage = Coverage { stopped: Some("the service said: wait.".to_owned()), ..Coverage::default() };
        coverage.add_unread(Owner::default(), "Azure DevOps answered 500: no.".to_owned());
        let said = missing(&coverage);
        assert_eq!(
            said,
            [
                "the service said: wait; users not reached by then are missing.",
                "the tokens of 1 user could not be read, the first because Azure DevOps answered 500: no.",
            ]
        );
    }
}
