//! A row of a table. It owns its text, so that the worst rows can be kept while the tokens are listed.

use crate::model::inventory::{End, Owner};
use crate::model::redaction::Redactor;
use crate::model::text::one_line;
use crate::report::finding::{Finding, Judged, Rank};

/// A token with its owner, in words fit for one line. Ordered from the worst to the best.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Row {
    order: (bool, Option<Rank>, i64),
    pub(super) owner: String,
    pub(super) name: String,
    /// The owner's mail address.
    pub(super) mail: Option<String>,
    pub(super) scope: String,
    /// The expiry date, `never`, or `?`.
    pub(super) ends: String,
    /// The expiry date in words.
    pub(super) end: String,
    pub(super) days_left: Option<i64>,
    pub(super) findings: Vec<Finding>,
    /// The expiry date and the other findings in words.
    pub(super) sentence: String,
}

impl Row {
    pub(super) fn new(owner: &Owner, judged: &Judged<'_>, hidden: &Redactor) -> Self {
        let plain = |text: &str| one_line(&hidden.redacted(text));
        let pat = judged.pat;
        Self {
            order: (judged.rank().is_none(), judged.rank(), judged.days_left.unwrap_or_default()),
            owner: label(owner, hidden),
            name: pat.display_name.as_deref().map_or("(no name)".to_owned(), plain),
            mail: owner.mail.as_deref().map(plain),
            scope: pat.scope.as_deref().map_or("(unknown)".to_owned(), plain),
            ends: match pat.valid_to {
                End::At(end) => end.to_string(),
                End::Never => "never".to_owned(),
                End::Unreadable => "?".to_owned(),
            },
            end: judged.end(),
            sentence: {
                let more: Vec<&str> = judged.more().map(Finding::words).collect();
                let more = if more.is_empty() { String::new() } else { format!("; {}", more.join(", ")) };
                format!("{}{more}", judged.end())
            },
            days_left: judged.days_left,
            findings: judged.findings.clone(),
        }
    }

    /// All findings, for one cell.
    pub(super) fn findings(&self) -> String {
        self.findings.iter().map(|finding| finding.words()).collect::<Vec<_>>().join(", ")
    }

    /// The day of the expiry date.
    pub(super) fn day(&self) -> &str {
        self.ends.get(..10).unwrap_or(&self.ends)
    }

    pub(super) fn days(&self) -> String {
        self.days_left.map_or(String::new(), |days| days.to_string())
    }

    pub(super) fn needs_action(&self) -> bool {
        self.findings.iter().any(|finding| finding.needs_action())
    }
}

/// The owner's display name, else the sign-in name, the mail address or the id.
pub(super) fn label(owner: &Owner, hidden: &Redactor) -> String {
    let names = [&owner.name, &owner.principal, &owner.mail];
    let name = names.into_iter().find_map(Option::as_deref).unwrap_or(&owner.id);
    one_line(&hidden.redacted(name))
}
