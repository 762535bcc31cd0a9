//! What is to be checked, and how.

use std::path::Path;

use crate::context::RotationContext;

/// A check of what one rotation needs.
pub struct Check<'a> {
    pub rotation: &'a RotationContext,
    /// Whether a token is made, measured and revoked.
    pub has_canary: bool,
    /// Where the file with the measured facts goes.
    pub folder: &'a Path,
}
