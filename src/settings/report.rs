//! The settings of a report.

use std::path::PathBuf;

use crate::settings::command::{FailOn, ReportScope, ReportSettings};
use crate::settings::fault::Fault;
use crate::settings::inputs::Inputs;
use crate::settings::reader::Reader;
use crate::settings::temporary_folder;

impl Reader<'_> {
    pub(super) fn report(&mut self, inputs: &Inputs, is_wanted: bool) -> Option<ReportSettings> {
        let scope = self.choice("reportScope", inputs.report_scope.as_deref());
        let fail_on = self.choice("failOn", inputs.fail_on.as_deref());
        let warn_when_days_left = self.number("warnWhenDaysLeft", inputs.warn_when_days_left.as_deref(), 0, 365);
        let max_minutes = self.number("maxMinutes", inputs.max_minutes.as_deref(), 1, u16::MAX);
        let folder = if is_wanted { self.agents_folder("the folder that the report is written to") } else { None };
        let scope = if scope? == "organization" { ReportScope::Organization } else { ReportScope::Own };
        let fail_on = match fail_on? {
            "expired" => FailOn::Expired,
            "expiring" => FailOn::Expiring,
            _ => FailOn::Nothing,
        };
        Some(ReportSettings { scope, warn_when_days_left, fail_on, max_minutes, folder: folder? })
    }

    pub(super) fn agents_folder(&mut self, meaning: &str) -> Option<PathBuf> {
        let folder = temporary_folder(self.environment);
        if folder.is_none() {
            self.faults.push(Fault::required("AGENT_TEMPDIRECTORY", meaning));
        }
        folder
    }
}
