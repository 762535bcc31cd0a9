//! How a stage that did not fail ended: the outputs that later steps read, and the last line of the log.

use std::fmt;

use crate::agent::logging_commands::Console;
use crate::model::marker::PatName;
use crate::model::run_id::RunId;
use crate::model::timestamp::Timestamp;

/// Which part of a rotation a run does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Rotate,
    /// After the job's other steps.
    PostJob,
    /// `command: settle`.
    Settle,
}

impl Step {
    /// Its word in the result file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::PostJob => "postJob",
            Self::Settle => "settle",
        }
    }

    /// The heading on the run's page.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Rotate => "PAT rotation",
            Self::PostJob | Self::Settle => "PAT settled",
        }
    }
}

/// What the main stage tells the job, besides the new value.
#[derive(Debug)]
pub struct Outputs {
    pub outcome: Outcome,
    /// The new token, or else the committed one.
    pub current: Option<Current>,
}

/// The token that is in force.
#[derive(Debug)]
pub struct Current {
    pub id: String,
    pub valid_to: Timestamp,
    pub days_left: i64,
}

/// The last line of the log, behind `Result: `. An open set for readers, a closed one here.
#[derive(Debug)]
pub enum Outcome {
    Rotated {
        name: PatName,
        id: String,
        valid_to: Timestamp,
    },
    /// Until the time from which the next rotation is due, where one is known.
    NotDue(Option<Timestamp>),
    /// Not due by itself, and another run is rotating.
    WaitingFor(RunId),
    DryRun {
        is_due: bool,
    },
    /// What a settle step would have done.
    DrySettling,
    Committed {
        name: PatName,
        id: String,
    },
    /// The job has succeeded, and a later job settles.
    AwaitsSettling {
        name: PatName,
        id: String,
    },
    /// A settle step found the token committed.
    Settled {
        name: PatName,
        id: String,
    },
    /// Why the job's end retires nothing.
    Held(String),
    /// The main stage left nothing to settle.
    NothingToSettle,
    /// The tokens of a manifest, of which none failed.
    Many {
        rotated: usize,
        total: usize,
        is_dry: bool,
    },
}

impl Outcome {
    /// Its word in the result file.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Rotated { .. } => "rotated",
            Self::NotDue(_) => "notDue",
            Self::WaitingFor(_) => "waiting",
            Self::DryRun { .. } | Self::DrySettling => "dryRun",
            Self::Committed { .. } => "committed",
            Self::AwaitsSettling { .. } => "pending",
            Self::Settled { .. } => "settled",
            Self::Held(_) => "held",
            Self::NothingToSettle => "nothingToSettle",
            Self::Many { .. } => "many",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rotated { name, id, valid_to } => {
                write!(f, "rotated {name}: the new token {id} works until {valid_to}")
            }
            Self::NotDue(Some(from)) => write!(f, "not due (next rotation from {from})"),
            Self::NotDue(None) => f.write_str("not due"),
            Self::WaitingFor(run) => write!(f, "not due, and run {run} is rotating at this moment"),
            Self::DryRun { is_due: true } => f.write_str("dry run: a rotation is due; nothing was rotated"),
            Self::DryRun { is_due: false } => f.write_str("dry run: not due"),
            Self::DrySettling => f.write_str("dry run: nothing was settled"),
            Self::AwaitsSettling { name, id } => {
                write!(f, "pending {name}: {id} becomes the current token when a later job of this build settles")
            }
            Self::Settled { name, id } => write!(f, "nothing to settle: {id} is the current token of {name} already"),
            Self::Committed { name, id } => write!(f, "committed {name}: {id} is the current token"),
            Self::Held(why) => write!(f, "held: {why}"),
            Self::NothingToSettle => f.write_str("nothing to settle"),
            Self::Many { is_dry: true, total, .. } => write!(f, "dry run: none of {total} tokens was changed"),
            Self::Many { rotated: 0, total, .. } => write!(f, "none of {total} tokens was due"),
            Self::Many { rotated, total, .. } if rotated == total => write!(f, "rotated all of {total} tokens"),
            Self::Many { rotated, total, .. } => {
                write!(f, "rotated {rotated} of {total} tokens; the others were not due")
            }
        }
    }
}

impl Outputs {
    pub fn rotated(&self) -> bool {
        matches!(self.outcome, Outcome::Rotated { .. })
    }

    /// Sets the output variables.
    ///
    /// # Errors
    /// When standard output is closed.
    pub fn set(&self, console: &Console) -> std::io::Result<()> {
        console.set_output("rotated", if self.rotated() { "true" } else { "false" })?;
        if let Some(current) = &self.current {
            console.set_output("authorizationId", &current.id)?;
            console.set_output("validTo", &current.valid_to.to_string())?;
            console.set_output("daysLeft", &current.days_left.to_string())?;
        }
        Ok(())
    }
}
