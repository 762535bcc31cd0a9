//! What a check leaves beside the log: the summary on the run's page, and a file with the measured facts. Its schema is
//! `docs/check.schema.json`.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::agent::run_summary::{code, create_folder, escaped, upload};
use crate::check::request::Check;
use crate::check::row::{Outcome, Row, sentence};
use crate::context::Context;

const SCHEMA_VERSION: u32 = 1;
/// Above the summary.
const HEADING: &str = "PAT check";

/// Writes both, and hands them to the agent.
pub(super) fn show(check: &Check<'_>, rows: &[Row]) -> io::Result<()> {
    let context = &check.rotation.context;
    let folder = check.folder.join(format!("rotate-pat-{:08x}", fastrand::u32(..)));
    create_folder(&folder)?;
    let hidden = context.console.hidden();
    let rows_json: Vec<Value> = rows.iter().map(Row::to_json).collect();
    let all = json!({
        "schemaVersion": SCHEMA_VERSION,
        "program": env!("CARGO_PKG_VERSION"),
        "madeAt": context.clock.now().to_string(),
        "rows": rows_json,
    });
    let file = folder.join("check.json");
    fs::write(&file, hidden.redacted(&format!("{all:#}\n")))?;
    show_page(context, check.folder, HEADING, rows)?;
    context.console.set_output("checkFile", &file.to_string_lossy())
}

/// The summary alone.
pub(super) fn show_page(context: &Context, folder: &Path, heading: &str, rows: &[Row]) -> io::Result<()> {
    upload(&context.console, folder, heading, &page(rows))
}

/// What is to be done comes first; what could not be known comes last, together where it has one reason.
fn page(rows: &[Row]) -> String {
    let mut page = format!("**{}**\n", escaped(&sentence(rows)));
    let of = |outcome| rows.iter().filter(move |row| row.outcome == outcome);
    if of(Outcome::NotOk).count() > 0 {
        page.push_str("\n### To do\n\n| what | seen | do |\n|---|---|---|\n");
    }
    for row in of(Outcome::NotOk) {
        let remedy = row.remedy.as_deref().map(with_code).unwrap_or_default();
        page.push_str(&format!("| {} | {} | {remedy} |\n", escaped(&row.name), code(&row.sentence())));
    }
    page.push_str("\n### Ok\n\n| what | seen | expected |\n|---|---|---|\n");
    for row in of(Outcome::Ok) {
        let expected = row.expected.as_deref().map(escaped).unwrap_or_default();
        page.push_str(&format!("| {} | {} | {expected} |\n", escaped(&row.name), code(&row.seen)));
    }
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for row in of(Outcome::Unknown) {
        let name = escaped(&row.name);
        match reasons.iter_mut().find(|(reason, _)| *reason == row.seen) {
            Some((_, names)) => names.push(name),
            None => reasons.push((&row.seen, vec![name])),
        }
    }
    if !reasons.is_empty() {
        page.push_str("\n### Cannot be known\n\n");
    }
    for (reason, names) in reasons {
        page.push_str(&format!("* {}: {}\n", code(reason), names.join(", ")));
    }
    page
}

/// Our own words, in which names of inputs stand between backquotes.
fn with_code(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escaped(text);
    }
    let part = |(at, part): (usize, &&str)| if at.is_multiple_of(2) { escaped(part) } else { code(part) };
    parts.iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_stands_first_and_what_has_one_reason_together() {
        let rows = [
            Row::ok("works", "canary in use", "accepted after 3 s").expecting("within seconds"),
            Row::not_ok("signIn", "sign-in", "refused", "Grant `vso.pats`.".to_owned()),
            Row::depends("list", "list of tokens", "\"sign-in\""),
            Row::depends("plan", "plan", "\"sign-in\""),
        ];
        let expected = "**1 of 4 rows are ok, 1 not ok, 2 cannot be known**\n\n\
                        ### To do\n\n| what | seen | do |\n|---|---|---|\n| sign-in | `refused` | Grant `vso.pats`. |\n\n\
                        ### Ok\n\n| what | seen | expected |\n|---|---|---|\n\
                        | canary in use | `accepted after 3 s` | within seconds |\n\n\
                        ### Cannot be known\n\n\
                        * `not tried: it depends on \"sign-in\"`: list of tokens, plan\n";
        assert_eq!(page(&rows), expected);
    }

    #[test]
    fn a_name_with_a_backquote_opens_no_code() {
        assert_eq!(with_code("Check `scopes` of \"a`b|c\"."), escaped("Check `scopes` of \"a`b|c\"."));
    }
}
