//! What the main stage tells the job, besides the new value.

use crate::agent::logging_commands::Console;
use crate::model::timestamp::Timestamp;

/// What the main stage tells the job, besides the new value.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Whether there is a new one.
    pub rotated: bool,
    /// The new one, or else the committed one.
    pub current: Option<Current>,
}

/// The personal access token that is in force.
#[derive(Debug)]
pub struct Current {
    /// Its id.
    pub id: String,
    /// When it expires.
    pub valid_to: Timestamp,
    /// In how many days that is.
    pub days_left: i64,
}

impl Outputs {
    /// Sets the output variables.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn set(&self, console: &Console) -> std::io::Result<()> {
        console.set_output("rotated", if self.rotated { "true" } else { "false" })?;
        if let Some(current) = &self.current {
            console.set_output("authorizationId", &current.id)?;
            console.set_output("validTo", &current.valid_to.to_string())?;
            console.set_output("daysLeft", &current.days_left.to_string())?;
        }
        Ok(())
    }
}
