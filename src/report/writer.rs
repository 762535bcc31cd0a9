//! The output of a report: two files written while the tokens are listed, and at the end the summary, the table in the
//! log, warnings, outputs and the result. Only the worst tokens are kept in memory.

use std::collections::BinaryHeap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::agent::run_summary::create_folder;
use crate::context::Context;
use crate::failure::{Failure, StepError, UNCHANGED};
use crate::model::inventory::{ListedPat, Owner};
use crate::model::text;
use crate::model::timestamp::Timestamp;
use crate::report::coverage::{Coverage, missing};
use crate::report::finding::{Finding, Rules, judge};
use crate::report::json::Json;
use crate::report::junit::JUnit;
use crate::report::markdown::{self, Summary};
use crate::report::row::Row;
use crate::report::table::table;
use crate::report::tally::Tally;
use crate::settings::{FailOn, ReportScope, ReportSettings};

/// Rows of the summary. The agent would show more, but nobody reads them.
const WORST: usize = 100;
/// Rows of the table in the log.
const IN_THE_LOG: usize = 40;
/// Warnings on the run's page, which shows ten of a step.
const WARNINGS: usize = 10;
/// A little more than the days for which a token counts as expired.
const UNCERTAIN: Duration = Duration::from_secs(9 * 24 * 60 * 60);
/// One that ended this long ago had done so when the list was made.
const CERTAINLY: Duration = Duration::from_secs(60 * 60);
/// The agent takes the file's name for the heading above the summary.
const SUMMARY: &str = "Personal access tokens.md";

pub(super) struct ReportWriter<'a> {
    context: &'a Context,
    settings: &'a ReportSettings,
    title: String,
    folder: PathBuf,
    json: Json<BufWriter<File>>,
    junit: JUnit<BufWriter<File>>,
    tally: Tally,
    worst: BinaryHeap<Row>,
    /// Tokens that are said to be invalid and have just ended: revoked, or expired. Which of them it is, is not documented.
    uncertain: Vec<(Owner, ListedPat)>,
    /// Whether a token that has expired is listed as valid: then an invalid one was revoked.
    invalid_means_revoked: bool,
}

impl<'a> ReportWriter<'a> {
    /// Opens the files, before any request is sent.
    pub(super) fn open(context: &'a Context, settings: &'a ReportSettings) -> Result<Self, Failure> {
        let organization = &context.access.organization.name;
        let title = match settings.scope {
            ReportScope::Own => format!("of one account in {organization}"),
            ReportScope::Organization => format!("in {organization}"),
        };
        let folder = settings.folder.join(format!("rotate-pat-{:08x}", fastrand::u32(..)));
        // The paths are output variables: what the log would show otherwise names no file.
        if !folder.to_str().is_some_and(|path| context.console.shows_exactly(path)) {
            let folder = text::one_line(&settings.folder.to_string_lossy());
            let error =
                anyhow::anyhow!("an output variable cannot hold the path of the agent's temporary folder: {folder}");
            return Err(StepError::new(error).advise("Give the agent a work folder with a plain name.").now(UNCHANGED));
        }
        let opened = || {
            create_folder(&folder)?;
            let json = Json::begin(create(&folder.join("report.json"))?, organization, settings)?;
            let junit = JUnit::begin(create(&folder.join("junit.xml"))?, &format!("Personal access tokens {title}"))?;
            Ok((json, junit))
        };
        let (json, junit) = opened().map_err(|error| unwritten(&folder, &error))?;
        Ok(Self {
            context,
            settings,
            title,
            folder,
            json,
            junit,
            tally: Tally::default(),
            worst: BinaryHeap::new(),
            uncertain: Vec::new(),
            invalid_means_revoked: false,
        })
    }

    /// Adds all tokens of one owner. Called once for each owner.
    pub(super) fn add(&mut self, owner: &Owner, pats: &[ListedPat]) -> Result<(), Failure> {
        let now = self.context.clock.now();
        let (sure, uncertain) = pats.iter().cloned().partition::<Vec<_>, _>(|pat| !may_be_revoked(pat, now));
        let long_past = now.minus(CERTAINLY);
        self.invalid_means_revoked |=
            pats.iter().any(|pat| pat.is_valid == Some(true) && pat.valid_to.is_past(long_past));
        self.uncertain.extend(uncertain.into_iter().map(|pat| (owner.clone(), pat)));
        self.write(owner, &sure)
    }

    fn write(&mut self, owner: &Owner, pats: &[ListedPat]) -> Result<(), Failure> {
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

    /// The number of tokens so far, and of those expired or expiring.
    pub(super) fn so_far(&self) -> (usize, usize) {
        (self.tally.tokens, self.tally.of(Finding::Expired) + self.tally.of(Finding::Expiring))
    }

    /// Deletes the files if the report failed.
    pub(super) fn discard(self) {
        let _leftover = fs::remove_dir_all(&self.folder);
    }

    /// Shows the report.
    ///
    /// # Errors
    /// What could not be written, or what was found where that is to fail the step.
    pub(super) fn finish(mut self, mut reach: Coverage) -> Result<(), Failure> {
        if !self.invalid_means_revoked {
            for (owner, pat) in std::mem::take(&mut self.uncertain) {
                self.write(&owner, &[pat])?;
            }
        }
        let Self { context, settings, title, folder, json, junit, tally, worst, .. } = self;
        reach.unread_ends = tally.of(Finding::NoReadableEnd);
        let reach = &reach;
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
        for row in rows.iter().filter(|row| row.needs_action()).take(WARNINGS) {
            let mail = row.mail.as_deref().map_or(String::new(), |mail| format!(" ({mail})"));
            console.warn(&format!("\"{}\" of {}{mail} {}", row.name, row.owner, row.sentence));
        }
        let shown = || {
            console.upload_summary(&folder.join(SUMMARY).to_string_lossy())?;
            console.set_output("expiredCount", &tally.of(Finding::Expired).to_string())?;
            console.set_output("expiringCount", &tally.of(Finding::Expiring).to_string())?;
            console.set_output("reportFile", &folder.join("report.json").to_string_lossy())?;
            console.set_output("junitFile", &folder.join("junit.xml").to_string_lossy())
        };
        shown().map_err(|error: io::Error| StepError::new(error).now(UNCHANGED))?;
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
    let failing = match settings.fail_on {
        FailOn::Nothing => return Ok(()),
        FailOn::Expired => tally.of(Finding::Expired),
        FailOn::Expiring => tally.of(Finding::Expired) + tally.of(Finding::Expiring),
    };
    if failing > 0 {
        let error = anyhow::anyhow!("{}", tally.findings_that_fail(settings.fail_on, settings.warn_when_days_left));
        return Err(StepError::new(error).advise(
            "Renew or revoke the tokens that the summary names, or let `command: rotate` renew them. `failOn` decides \
             what fails the step.",
        ).now("The report was written; nothing was changed."));
    }
    match missing.first() {
        None => Ok(()),
        Some(first) => {
            let first = first.trim_end_matches('.');
            let error = anyhow::anyhow!("the report is partial, so `failOn` cannot be answered: {first}");
            Err(StepError::new(error)
                .advise(
                    "Run again, with a higher `maxMinutes` if time was short, and look by hand at what cannot be read.",
                )
                .now("The report was written as far as it had come. Nothing was changed."))
        }
    }
}

/// Whether a token may have been revoked, or have expired just now. Longer ago, neither needs anybody.
fn may_be_revoked(pat: &ListedPat, now: Timestamp) -> bool {
    let is_recent = pat.valid_to.time().is_some_and(|end| end <= now && now.since(end) < UNCERTAIN);
    pat.is_valid == Some(false) && is_recent
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
