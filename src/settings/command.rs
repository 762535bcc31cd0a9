//! The settings of a run.

use std::path::PathBuf;

use crate::model::destination::{Destination, Store};
use crate::model::organization::Organization;
use crate::model::run_id::RunId;
use crate::plan::RotationRequest;
use crate::settings::access::Access;
use crate::settings::network::Network;

#[derive(Debug)]
pub struct Settings {
    pub access: Access,
    pub command: Command,
    pub network: Network,
}

#[derive(Debug)]
pub enum Command {
    /// Replace a personal access token.
    Rotate(Box<RotateSettings>),
    /// Replace those that a manifest lists.
    RotateMany(Box<ManySettings>),
    /// In a later job of the build that rotated: retire what was replaced.
    Settle(Box<RotateSettings>),
    /// List tokens that expire soon, and their owners.
    Report(ReportSettings),
    /// Go through everything that a rotation needs.
    Check(Box<CheckSettings>),
    /// Let a person sign in once, and store the refresh token.
    SignIn(SignInSettings),
}

#[derive(Debug)]
pub struct ManySettings {
    /// The manifest, as the input names it.
    pub file: String,
    pub entries: Vec<Entry>,
    /// The run that all of them are of.
    pub run: RunId,
}

/// One of a manifest's tokens.
#[derive(Debug)]
pub struct Entry {
    /// What the log calls it.
    pub shown: String,
    pub organization: Organization,
    pub rotation: RotateSettings,
}

#[derive(Debug)]
pub struct RotateSettings {
    pub request: RotationRequest,
    /// Only log what would be done.
    pub dry_run: bool,
    /// The job variable that gets the new value.
    pub variable: Option<String>,
    /// The other destinations that get the new value.
    pub publish_to: Vec<Destination>,
    /// The job sets this variable to `true` once it has stored the new value.
    pub confirm_variable: Option<String>,
    pub retirement: Retirement,
}

/// When the old tokens are retired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retirement {
    /// After the job's other steps have succeeded.
    AfterJob,
    /// In the same step, once every destination has the new token.
    Immediately,
    /// In a later job of the same build, by `command: settle`.
    Later,
}

#[derive(Debug)]
pub struct ReportSettings {
    pub scope: ReportScope,
    /// A token with at most this many days left counts as expiring.
    pub warn_when_days_left: u16,
    pub fail_on: FailOn,
    /// After this time the report stops and is marked as partial.
    pub max_minutes: u16,
    /// The job's temporary folder, which the agent clears.
    pub folder: PathBuf,
}

/// Whose tokens are listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReportScope {
    /// The signed-in user's.
    Own,
    /// Those of all users of the organization.
    Organization,
}

/// Which finding makes the step fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailOn {
    Nothing,
    /// A token that has expired.
    Expired,
    /// A token that has expired or is expiring.
    Expiring,
}

#[derive(Debug)]
pub struct CheckSettings {
    /// The rotation that it is about.
    pub rotation: RotateSettings,
    /// Whether a token is made, measured and revoked.
    pub canary: bool,
    /// The job's temporary folder, which the agent clears.
    pub folder: PathBuf,
}

#[derive(Debug)]
pub struct SignInSettings {
    /// Where the refresh token is stored.
    pub store: Store,
}
