//! What a check leaves beside the log: the summary on the run's page, and a file with the measured facts. Its schema is
//! `docs/check.schema.json`.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::agent::run_summary::{code, create_folder, escaped, upload};
use crate::check::request::Check;
use crate::check::row::{Row, sentence};
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

fn page(rows: &[Row]) -> String {
    let mut page = format!("## What a rotation needs\n\n{}\n\n", escaped(&sentence(rows)));
    page.push_str("| | what | seen | do |\n|---|---|---|---|\n");
    for row in rows {
        let remedy = row.remedy.as_deref().map(escaped).unwrap_or_default();
        page.push_str(&format!(
            "| {} | {} | {} | {remedy} |\n",
            row.outcome.words(),
            escaped(&row.name),
            code(&row.sentence())
        ));
    }
    page
}
