//! The settings of a check: those of the rotation that it is about, and whether a canary is made.

use crate::settings::command::{CheckSettings, RotateSettings};
use crate::settings::inputs::Inputs;
use crate::settings::reader::Reader;

impl Reader<'_> {
    /// Reads `canary` whichever the command is, so that a wrong value is named.
    pub(super) fn canary(&mut self, inputs: &Inputs) -> bool {
        self.boolean("canary", inputs.canary.as_deref())
    }

    pub(super) fn check(&mut self, rotation: Option<RotateSettings>, canary: bool) -> Option<CheckSettings> {
        let folder = self.agents_folder("the folder that the measured facts are written to");
        Some(CheckSettings { rotation: rotation?, canary, folder: folder? })
    }
}
