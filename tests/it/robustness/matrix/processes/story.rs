//! Which processes meet, in which order their requests are let through, and which of them is killed: all of it follows
//! from a seed.

use std::fmt;

/// One run of the program, or two of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A whole job that rotates and stores the new value.
    Rotation,
    /// The same, and the step itself publishes to a vault, a variable group and a service connection.
    Publication,
    /// The post-job step of a job that has rotated before the others begin.
    SettleStage,
    /// `command: settle` in a later job of a build that has rotated before the others begin.
    SettleStep,
    /// `command: report`, of the own tokens or of everybody's.
    Report { everybody: bool },
    /// `command: check`, which makes and revokes a canary.
    Check,
}

impl Part {
    /// Whether its job has rotated before the others begin.
    pub(super) fn has_begun(self) -> bool {
        matches!(self, Self::SettleStage | Self::SettleStep)
    }
}

/// A process that dies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Killing {
    pub(super) part: usize,
    /// The number of the arrival or reply at which it dies.
    pub(super) boundary: usize,
    /// Whether its agent lives on and runs the post-job step.
    pub(super) has_agent: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) seed: u64,
    pub(super) parts: Vec<Part>,
    /// The parts are jobs of one build, not builds of their own.
    pub(super) is_one_build: bool,
    pub(super) overlap: &'static str,
    /// The part whose job fails after its rotation.
    pub(super) fails: Option<usize>,
    pub(super) killing: Option<Killing>,
}

/// How many sorts of meetings there are.
const SORTS: u64 = 7;

impl Story {
    pub(super) fn of(seed: u64) -> Self {
        let mut die = fastrand::Rng::with_seed(seed);
        let first = match seed % SORTS {
            0 | 1 => Part::Rotation,
            2 => Part::SettleStage,
            3 => Part::SettleStep,
            4 => Part::Report { everybody: die.bool() },
            5 => Part::Publication,
            _ => Part::Check,
        };
        let other = if first == Part::Publication { Part::Publication } else { Part::Rotation };
        let mut parts = vec![other; die.usize(2..4)];
        parts[0] = first;
        // About half of them: a process that has fewer boundaries than this lives.
        let killing = die.bool().then(|| Killing {
            part: die.usize(..parts.len()),
            boundary: die.usize(1..22),
            has_agent: die.bool(),
        });
        Self {
            seed,
            is_one_build: seed % SORTS == 1,
            overlap: if die.u8(..3) == 0 { "0" } else { "24" },
            fails: (die.u8(..4) == 0).then(|| die.usize(..parts.len())),
            parts,
            killing,
        }
    }

    /// The die that says whose turn it is.
    pub(super) fn schedule(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(self.seed ^ 0x7475_726e)
    }

    pub(super) fn publishes(&self) -> bool {
        self.parts.contains(&Part::Publication)
    }

    /// What a sample has one of.
    pub(super) fn traits(&self) -> Vec<String> {
        let (first, count) = (self.parts[0], self.parts.len());
        vec![
            format!("{first:?}, one build: {}, killed: {}", self.is_one_build, self.killing.is_some()),
            format!("{count} processes"),
            format!("overlap {}", self.overlap),
            format!("a job fails: {}", self.fails.is_some()),
        ]
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, parts, is_one_build, overlap, fails, killing } = self;
        write!(f, "seed {seed}: {parts:?}, of one build: {is_one_build}, overlap {overlap} h")?;
        if let Some(part) = fails {
            write!(f, ", the job of {part} fails")?;
        }
        if let Some(Killing { part, boundary, has_agent }) = killing {
            write!(f, ", {part} is killed at its boundary {boundary}, and its agent lives on: {has_agent}")?;
        }
        write!(f, "\nalone: ROTATE_PAT_SEED={seed} cargo test --test it real_processes -- --nocapture")
    }
}
