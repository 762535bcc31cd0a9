//! The settings of a run: where to work and as whom, what to do, and the way to the services.

use std::path::PathBuf;

use crate::model::destination::{Destination, Store};
use crate::plan::RotationRequest;
use crate::settings::access::Access;
use crate::settings::network::Network;

/// What the task is told.
#[derive(Debug)]
pub struct Settings {
    /// Where to work, and as whom.
    pub access: Access,
    /// What to do.
    pub command: Command,
    /// The way to the services.
    pub network: Network,
}

/// What to do.
#[derive(Debug)]
pub enum Command {
    /// Replace a personal access token.
    Rotate(Box<RotateSettings>),
    /// Say which ones are about to expire, and whose they are.
    Report(ReportSettings),
    /// Let a person sign in once.
    SignIn(SignInSettings),
}

/// The settings of a rotation.
#[derive(Debug)]
pub struct RotateSettings {
    /// What to do.
    pub request: RotationRequest,
    /// Whether to do nothing but say what would be done.
    pub dry_run: bool,
    /// The job variable that gets the new value.
    pub variable: Option<String>,
    /// The other places that get it.
    pub publish_to: Vec<Destination>,
    /// The job variable by which the job says that it has stored the new value.
    pub confirm_variable: Option<String>,
    /// When the old ones are retired.
    pub retirement: Retirement,
}

/// When the old ones are retired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retirement {
    /// After the job's other steps have succeeded.
    AfterJob,
    /// In the same step, once every destination holds the new one.
    Immediately,
}

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

/// The settings of a sign-in by a person.
#[derive(Debug)]
pub struct SignInSettings {
    /// Where the refresh token goes.
    pub store: Store,
}
