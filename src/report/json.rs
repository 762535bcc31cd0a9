//! The file for programs. Its schema is documented in `docs/report.md`: fields are added, and never change.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::finding::{Finding, Judged};
use super::tally::Tally;
use super::{Reach, scope_word};
use crate::listed::Owner;
use crate::secret::Hidden;
use crate::settings::ReportSettings;
use crate::timestamp::Timestamp;

const SCHEMA_VERSION: u32 = 1;

/// The file, written as the tokens come.
pub(super) struct Json<W> {
    out: W,
    is_first: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Person {
    id: String,
    name: Option<String>,
    principal_name: Option<String>,
    mail: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    authorization_id: String,
    display_name: Option<String>,
    owner: Person,
    scope: Option<String>,
    all_organizations: Option<bool>,
    valid_from: Option<String>,
    valid_to: Option<String>,
    days_left: Option<i64>,
    findings: Vec<&'static str>,
}

#[derive(Serialize)]
struct Unread {
    owner: Person,
    why: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tail {
    made_at: String,
    owners: usize,
    owners_gone: usize,
    is_partial: bool,
    stopped: Option<String>,
    owners_not_asked: usize,
    owners_not_read: usize,
    not_read: Vec<Unread>,
    token_count: usize,
    counts: BTreeMap<&'static str, usize>,
}

impl<W: Write> Json<W> {
    pub(super) fn begin(mut out: W, organization: &str, settings: &ReportSettings) -> io::Result<Self> {
        let organization = serde_json::to_string(organization)?;
        let (scope, warn) = (scope_word(settings.scope), settings.warn_when_days_left);
        write!(
            out,
            "{{\"schemaVersion\":{SCHEMA_VERSION},\"organization\":{organization},\"scope\":\"{scope}\",\
             \"warnWhenDaysLeft\":{warn},\"tokens\":["
        )?;
        Ok(Self { out, is_first: true })
    }

    pub(super) fn add(&mut self, owner: &Owner, judged: &Judged<'_>, hidden: &Hidden) -> io::Result<()> {
        self.out.write_all(if self.is_first { b"\n" } else { b",\n" })?;
        self.is_first = false;
        let pat = judged.pat;
        let clean = |text: &Option<String>| text.as_deref().map(|text| hidden.redacted(text));
        let token = Token {
            authorization_id: hidden.redacted(&pat.authorization_id),
            display_name: clean(&pat.display_name),
            owner: person(owner, hidden),
            scope: clean(&pat.scope),
            all_organizations: pat.is_for_all_organizations,
            valid_from: pat.valid_from.map(|time| time.to_string()),
            valid_to: pat.valid_to.map(|time| time.to_string()),
            days_left: judged.days_left,
            findings: judged.findings.iter().map(|finding| finding.code()).collect(),
        };
        serde_json::to_writer(&mut self.out, &token).map_err(io::Error::from)
    }

    pub(super) fn end(mut self, now: Timestamp, reach: &Reach, tally: &Tally, hidden: &Hidden) -> io::Result<()> {
        let unread =
            |(owner, why): &(Owner, String)| Unread { owner: person(owner, hidden), why: hidden.redacted(why) };
        let tail = Tail {
            made_at: now.to_string(),
            owners: reach.owners,
            owners_gone: reach.gone,
            is_partial: reach.is_partial(),
            stopped: reach.stopped.as_deref().map(|why| hidden.redacted(why)),
            owners_not_asked: reach.not_asked,
            owners_not_read: reach.unread_count,
            not_read: reach.unread.iter().map(unread).collect(),
            token_count: tally.tokens,
            counts: Finding::ALL.into_iter().map(|finding| (finding.code(), tally.of(finding))).collect(),
        };
        // The tail goes on where the list stops: its own brace is left out.
        let tail = serde_json::to_string(&tail)?;
        write!(self.out, "\n],{}\n", tail.trim_start_matches('{'))?;
        self.out.flush()
    }
}

fn person(owner: &Owner, hidden: &Hidden) -> Person {
    let clean = |text: &Option<String>| text.as_deref().map(|text| hidden.redacted(text));
    Person {
        id: hidden.redacted(&owner.id),
        name: clean(&owner.name),
        principal_name: clean(&owner.principal),
        mail: clean(&owner.mail),
    }
}
