//! The settings of a report.

use std::path::PathBuf;

use crate::settings::Fault;
use crate::settings::inputs::Inputs;
use crate::settings::reader::Reader;

/// The settings of a report.
#[derive(Debug)]
pub struct ReportSettings {
    /// Whose tokens.
    pub scope: ReportScope,
    /// One with at most this many days left counts as expiring.
    pub warn_when_days_left: u16,
    /// What makes the step fail.
    pub fail_on: FailOn,
    /// When the report stops and says that it is partial.
    pub max_minutes: u16,
    /// Where its files go: the job's own folder, which the agent clears.
    pub folder: PathBuf,
}

/// Whose tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportScope {
    /// Those of the user signed in.
    Own,
    /// Those of every user of the organization.
    Organization,
}

/// What makes the step fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailOn {
    /// No finding does.
    Nothing,
    /// One that has expired.
    Expired,
    /// One that has expired or is about to.
    Expiring,
}

impl Reader<'_> {
    pub(super) fn report(&mut self, inputs: &Inputs, is_wanted: bool) -> Option<ReportSettings> {
        let scope = self.choice("reportScope", inputs.report_scope.as_deref());
        let fail_on = self.choice("failOn", inputs.fail_on.as_deref());
        let warn_when_days_left = self.number("warnWhenDaysLeft", inputs.warn_when_days_left.as_deref(), 0, 365);
        let max_minutes = self.number("maxMinutes", inputs.max_minutes.as_deref(), 1, u16::MAX);
        let folder = if is_wanted { self.agents_folder() } else { None };
        let scope = if scope? == "organization" { ReportScope::Organization } else { ReportScope::Own };
        let fail_on = match fail_on? {
            "expired" => FailOn::Expired,
            "expiring" => FailOn::Expiring,
            _ => FailOn::Nothing,
        };
        Some(ReportSettings { scope, warn_when_days_left, fail_on, max_minutes, folder: folder? })
    }

    fn agents_folder(&mut self) -> Option<PathBuf> {
        let folder = self.environment.get("AGENT_TEMPDIRECTORY").map(PathBuf::from);
        if folder.is_none() {
            self.faults
                .push(Fault::new("AGENT_TEMPDIRECTORY", "the path of a folder that the report can be written to"));
        }
        folder
    }
}
