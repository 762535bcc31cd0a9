//! The JSON file. Its schema is documented in `docs/report.md`: fields may be added but never change.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::model::inventory::Owner;
use crate::model::redaction::Redactor;
use crate::model::timestamp::Timestamp;
use crate::report::coverage::Coverage;
use crate::report::finding::{Finding, Judged};
use crate::report::tally::Tally;
use crate::settings::{ReportScope, ReportSettings};

const SCHEMA_VERSION: u32 = 2;

/// The JSON file, written while the tokens are listed.
pub(super) struct Json<W> {
    out: W,
    is_first: bool,
}

impl<W: Write> Json<W> {
    pub(super) fn begin(mut out: W, organization: &str, settings: &ReportSettings) -> io::Result<Self> {
        let organization = Value::from(organization);
        let (scope, warn) = (scope_word(settings.scope), settings.warn_when_days_left);
        write!(
            out,
            "{{\"schemaVersion\":{SCHEMA_VERSION},\"organization\":{organization},\"scope\":\"{scope}\",\
             \"warnWhenDaysLeft\":{warn},\"tokens\":["
        )?;
        Ok(Self { out, is_first: true })
    }

    pub(super) fn add(&mut self, owner: &Owner, judged: &Judged<'_>, hidden: &Redactor) -> io::Result<()> {
        self.out.write_all(if self.is_first { b"\n" } else { b",\n" })?;
        self.is_first = false;
        let pat = judged.pat;
        let token = json!({
            "authorizationId": hidden.redacted(&pat.authorization_id),
            "displayName": redacted(&pat.display_name, hidden),
            "owner": person(owner, hidden),
            "scope": redacted(&pat.scope, hidden),
            "allOrganizations": pat.is_for_all_organizations,
            "validFrom": pat.valid_from.map(|time| time.to_string()),
            "validTo": pat.valid_to.time().map(|time| time.to_string()),
            "daysLeft": judged.days_left,
            "findings": judged.findings.iter().map(|finding| finding.code()).collect::<Vec<_>>(),
        });
        self.out.write_all(token.to_string().as_bytes())
    }

    pub(super) fn end(mut self, now: Timestamp, reach: &Coverage, tally: &Tally, hidden: &Redactor) -> io::Result<()> {
        let unread =
            |(owner, why): &(Owner, String)| json!({"owner": person(owner, hidden), "why": hidden.redacted(why)});
        let mut counts = Map::new();
        for finding in Finding::ALL {
            counts.insert(finding.code().to_owned(), tally.of(finding).into());
        }
        let tail = json!({
            "madeAt": now.to_string(),
            "owners": reach.owners,
            "ownersGone": reach.gone,
            "isPartial": reach.is_partial(),
            "stopped": redacted(&reach.stopped, hidden),
            "ownersNotAsked": reach.not_asked,
            "ownersNotRead": reach.unread_count,
            "tokensNotRead": reach.unread_tokens,
            "endsNotRead": reach.unread_ends,
            "notRead": reach.unread.iter().map(unread).collect::<Vec<_>>(),
            "tokenCount": tally.tokens,
            "counts": counts,
        });
        // The tail goes on where the list stops: its own brace is left out.
        let tail = tail.to_string();
        writeln!(self.out, "\n],{}", tail.trim_start_matches('{'))?;
        self.out.flush()
    }
}

fn person(owner: &Owner, hidden: &Redactor) -> Value {
    json!({
        "id": hidden.redacted(&owner.id),
        "name": redacted(&owner.name, hidden),
        "principalName": redacted(&owner.principal, hidden),
        "mail": redacted(&owner.mail, hidden),
    })
}

fn redacted(text: &Option<String>, hidden: &Redactor) -> Option<String> {
    text.as_deref().map(|text| hidden.redacted(text))
}

fn scope_word(scope: ReportScope) -> &'static str {
    match scope {
        ReportScope::Own => "own",
        ReportScope::Organization => "organization",
    }
}
