//! The run that created a personal access token, and whether that run is still at work.

use std::fmt;

use crate::model::timestamp::Timestamp;

/// `K`: the run of one task in one job, `RUN.ATTEMPT-HHHHHHHH`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunId {
    /// The build's id, or `r` and the release's.
    pub run: String,
    /// The job's attempt, from 1.
    pub attempt: u32,
    /// Eight hexadecimal digits that tell the jobs, matrix legs and pipelines of one run apart.
    pub hash: String,
}

impl RunId {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (run, rest) = text.split_once('.')?;
        let (attempt, hash) = rest.split_once('-')?;
        let digits = run.strip_prefix('r').unwrap_or(run);
        let is_run = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let is_hash = hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_run || !is_hash || !attempt.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self { run: run.to_owned(), attempt: attempt.parse().ok()?, hash: hash.to_owned() })
    }

    /// Whether `other` is this same task of this same job, now or at an earlier attempt.
    pub fn is_own(&self, other: &Self) -> bool {
        self.run == other.run && self.hash == other.hash && other.attempt <= self.attempt
    }

    /// The build's id; a release has none.
    pub fn build(&self) -> Option<u64> {
        self.run.parse().ok()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}-{}", self.run, self.attempt, self.hash)
    }
}

/// The status of a build, according to the service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BuildState {
    /// Every status but `completed`, known or new.
    NotCompleted,
    /// `completed`, with its `finishTime` if that is readable.
    Completed(Option<Timestamp>),
    /// The build cannot be seen.
    Unknown,
}

/// Whether a run is still at work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Liveness {
    /// The service says it has not completed.
    Alive,
    /// The service says it has completed.
    Dead,
    /// The status cannot be looked up (a release, another project, deleted): the age of the token decides.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_is_the_same_task_of_the_same_run_and_no_later_attempt() {
        let own = RunId::parse("7.2-0a1b2c3d").unwrap();
        for (other, is_own) in [
            ("7.1-0a1b2c3d", true),
            ("7.2-0a1b2c3d", true),
            ("7.3-0a1b2c3d", false),
            ("7.1-ffffffff", false),
            ("8.1-0a1b2c3d", false),
            ("r7.1-0a1b2c3d", false),
        ] {
            assert_eq!(own.is_own(&RunId::parse(other).unwrap()), is_own, "{other}");
        }
    }
}
