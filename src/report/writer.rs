//! What a report leaves behind: two files written while the tokens come, and at the end the summary, the table in the
//! log, warnings, outputs and the result. Of the tokens only the worst are kept in memory, so it does not grow with them.

use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::failure::{Failure, StepError, UNCHANGED};
use crate::model::inventory::{ListedPat, Owner};
use crate::report::coverage::{Coverage, missing};
use crate::report::finding::{Finding, Rules, judge};
use crate::report::json::Json;
use crate::report::junit::JUnit;
use crate::report::markdown::{self, Summary};
use crate::report::row::Row;
use crate::report::table::table;
use crate::report::tally::Tally;
use crate::settings::{FailOn, ReportScope, ReportSettings};

/// Rows of the summary. The agent shows it whole, and people do not read on.
const WORST: usize = 100;
/// Rows of the table in the log.
const IN_THE_LOG: usize = 40;
/// Warnings on the run's page, which shows ten of a step.
const WARNINGS: usize = 10;
/// The agent takes the file's name for the heading above the summary.
const SUMMARY: &str = "Personal access tokens.md";

/// The report in the making.
pub(super) struct ReportWriter<'a> {
    context: &'a Context,
    settings: &'a ReportSettings,
    title: String,
    folder: PathBuf,
    json: Json<BufWriter<File>>,
    junit: JUnit<BufWriter<File>>,
    tally: Tally,
    worst: BinaryHeap<Row>,
}

impl<'a> ReportWriter<'a> {
    /// Opens the files, before anything is asked.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(super) fn open(context: &'a Context, settings: &'a ReportSettings) -> Result<Self, Failure> {
        let organization = &context.access.organization.name;
        let title = match settings.scope {
            ReportScope::Own => format!("of one account in {organization}"),
            ReportScope::Organization => format!("in {organization}"),
        };
        let folder = settings.folder.join(format!("rotate-pat-{:08x}", fastrand::u32(..)));
        let opened = || {
            create_folder(&folder)?;
            let json = Json::begin(create(&folder.join("report.json"))?, organization, settings)?;
            let junit = JUnit::begin(create(&folder.join("junit.xml"))?, &format!("Personal access tokens {title}"))?;
            Ok((json, junit))
        };
        let (json, junit) = opened().map_err(|error| unwritten(&folder, &error))?;
        Ok(Self { context, settings, title, folder, json, junit, tally: Tally::default(), worst: BinaryHeap::new() })
    }

    /// Takes all tokens of one owner, once.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub(super) fn add(&mut self, owner: &Owner, pats: &[ListedPat]) -> Result<(), Failure> {
        let rules = Rules {
            now: self.context.clock.now(),
            warn_when_days_left: self.settings.warn_when_days_left,
            knows_mails: self.settings.scope == ReportScope::Organization,
        };
        let hidden = self.context.console.hidden();
        for judged in judge(owner, pats, &rules) {
            let row = Row::new(owner, &judged, &hidden);
            let written = self.json.add(owner, &judged, &hidden).and_then(|()| self.junit.add(&row));
            written.map_err(|error| unwritten(&self.folder, &error))?;
            self.tally.add(&judged);
            self.worst.push(row);
            if self.worst.len() > WORST {
                self.worst.pop();
            }
        }
        Ok(())
    }

    /// How many tokens there are so far, and how many of them have expired or are about to.
    pub(super) fn so_far(&self) -> (usize, usize) {
        (self.tally.tokens, self.tally.of(Finding::Expired) + self.tally.of(Finding::Expiring))
    }

    /// Throws the files away, where there is no report.
    pub(super) fn discard(self) {
        let _leftover = fs::remove_dir_all(&self.folder);
    }

    /// Shows the report.
    ///
    /// # Errors
    /// What could not be written, or what was found where that is to fail the step.
    pub(super) fn finish(self, reach: &Coverage) -> Result<(), Failure> {
        let Self { context, settings, title, folder, json, junit, tally, worst } = self;
        let console = &context.console;
        let hidden = console.hidden();
        let rows = worst.into_sorted_vec();
        let missing = missing(reach);
        let owners = (settings.scope == ReportScope::Organization).then_some(reach.owners);
        let sentence = tally.sentence(owners, settings.warn_when_days_left);
        let page = markdown::page(&Summary {
            title: &title,
            tally: &tally,
            sentence: &sentence,
            missing: &missing,
            rows: &rows,
            total: tally.tokens,
        });
        let write = || {
            json.end(context.clock.now(), reach, &tally, &hidden)?;
            junit.end(reach, &hidden)?;
            let mut summary = create(&folder.join(SUMMARY))?;
            summary.write_all(page.as_bytes())?;
            summary.flush()
        };
        write().map_err(|error: io::Error| unwritten(&folder, &error))?;

        if !rows.is_empty() {
            console.group(&heading(&rows, &tally), &table(&rows[..rows.len().min(IN_THE_LOG)]));
        }
        console.say(&sentence);
        for line in &missing {
            console.warn(&format!("this report is partial: {line}"));
        }
        for row in rows.iter().filter(|row| !row.findings.is_empty()).take(WARNINGS) {
            let mail = row.mail.as_deref().map_or(String::new(), |mail| format!(" ({mail})"));
            console.warn(&format!("\"{}\" of {}{mail} {}", row.name, row.owner, row.sentence));
        }
        let told = || {
            console.upload_summary(&folder.join(SUMMARY).to_string_lossy())?;
            console.set_output("expiredCount", &tally.of(Finding::Expired).to_string())?;
            console.set_output("expiringCount", &tally.of(Finding::Expiring).to_string())?;
            console.set_output("reportFile", &folder.join("report.json").to_string_lossy())?;
            console.set_output("junitFile", &folder.join("junit.xml").to_string_lossy())
        };
        told().map_err(|error: io::Error| StepError::new(error).now(UNCHANGED))?;
        result(settings, &tally, reach, &missing)
    }
}

fn heading(rows: &[Row], tally: &Tally) -> String {
    let shown = rows.len().min(IN_THE_LOG);
    if shown < tally.tokens {
        format!("The worst {shown} of {} tokens; the summary and the files have more", tally.tokens)
    } else {
        "Tokens, the worst first".to_owned()
    }
}

/// How the step ends: as `failOn` says, and never well where what `failOn` asks for is not known.
fn result(settings: &ReportSettings, tally: &Tally, reach: &Coverage, missing: &[String]) -> Result<(), Failure> {
    if reach.is_cancelled {
        return Err(StepError::cancelled().now("The report was written as far as it had come. Nothing was changed."));
    }
    let pluralize = match settings.fail_on {
        FailOn::Nothing => return Ok(()),
        FailOn::Expired => tally.of(Finding::Expired),
        FailOn::Expiring => tally.of(Finding::Expired) + tally.of(Finding::Expiring),
    };
    if pluralize > 0 {
        let error = anyhow::anyhow!("{}", tally.findings_that_fail(settings.fail_on, settings.warn_when_days_left));
        return Err(StepError::new(error).advise(
            "Renew or revoke the tokens that the summary names, or let `command: rotate` renew them. `failOn` decides \
             what fails the step.",
        ).now("The report was written; nothing was changed."));
    }
    match missing.first() {
        None => Ok(()),
        Some(first) => {
            let error = anyhow::anyhow!("the report is partial, so `failOn` cannot be answered: {first}");
            Err(StepError::new(error)
                .advise("Run again, with a higher `maxMinutes` where time was short.")
                .now("The report was written as far as it had come. Nothing was changed."))
        }
    }
}

/// Only for the account that the agent runs as: names and mails are nobody else's business.
#[cfg(unix)]
fn create_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(folder)
}

/// The agent's own folder is nobody else's there.
#[cfg(not(unix))]
fn create_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)
}

fn create(path: &Path) -> io::Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create_new(path)?))
}

fn unwritten(folder: &Path, error: &io::Error) -> Failure {
    let error = anyhow::anyhow!("could not write the report to {}: {error}", folder.display());
    StepError::new(error)
        .advise("Give the agent's temporary folder room, and the agent's account the right to write there.")
        .now(UNCHANGED)
}
