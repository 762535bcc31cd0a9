//! The kinds of run, as values: what is arranged, what the inputs are, how the job ends. A new way of rotating or of
//! signing in is one more value here, and all its requests are in the matrix.

use rotate_pat::app::Stage;

use crate::destinations::several::{FEED, GROUP, VAULT};
use crate::sign_in::schemes::Scheme;
use agent::JobStatus;
use simulator::RenameRefusal;
use simulator::certificates::PemForm;

/// What a dead run left beside the committed one, or in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Committed,
    Pending,
    Held,
    /// With its end that many hours from now.
    Superseded(i32),
    /// That of a check, two hours ago.
    Canary,
}

/// What the step does, and what the run after it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commands {
    Rotations,
    Checks,
    CheckThenRotation,
}

/// Where the user's token comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    AccessToken,
    /// A refresh token in a vault, two days old, so that the newer one is stored.
    Vault,
    /// One in a variable, without a place for the newer one.
    Variable,
    VariableStoredInVault,
    VariableStoredInGroup,
    AgentUser,
    Password,
    /// The service connection alone, which Azure DevOps refuses.
    Connection,
}

/// How the job confirms, where `confirmVariable` is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmed {
    NotAsked,
    True,
    Missing,
}

/// A kind of run.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) commands: Commands,
    pub(crate) left: &'static [Left],
    pub(crate) places: &'static [&'static str],
    pub(crate) has_variable: bool,
    pub(crate) overlap: u32,
    pub(crate) immediately: bool,
    /// A later job of the build settles.
    pub(crate) later: bool,
    pub(crate) creates_if_missing: bool,
    pub(crate) dry: bool,
    /// Only what is found makes it due.
    pub(crate) seldom: bool,
    pub(crate) source: Source,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) status: JobStatus,
    pub(crate) confirmed: Confirmed,
    /// The user's token ends before the job does.
    pub(crate) is_long: bool,
    pub(crate) refused_rename: Option<RenameRefusal>,
    /// The stages whose requests are tried; the others are those of another kind.
    pub(crate) tried: &'static [Stage],
    /// Whether each stage ends well when nothing goes wrong.
    pub(crate) ends_well: (bool, bool),
}

const BOTH: &[Stage] = &[Stage::Main, Stage::Settle];
const MAIN: &[Stage] = &[Stage::Main];
const SETTLE: &[Stage] = &[Stage::Settle];

impl Kind {
    /// A rotation of the committed one into the job's variable.
    fn rotation(name: &'static str) -> Self {
        Self {
            name,
            commands: Commands::Rotations,
            left: &[Left::Committed],
            places: &[],
            has_variable: true,
            overlap: 24,
            immediately: false,
            later: false,
            creates_if_missing: false,
            dry: false,
            seldom: false,
            source: Source::AccessToken,
            scheme: None,
            status: JobStatus::Succeeded,
            confirmed: Confirmed::NotAsked,
            is_long: false,
            refused_rename: None,
            tried: BOTH,
            ends_well: (true, true),
        }
    }

    /// A rotation into places alone.
    fn into(name: &'static str, places: &'static [&'static str]) -> Self {
        Self { places, has_variable: false, scheme: Some(Scheme::Secret), ..Self::rotation(name) }
    }

    /// A job that ended like this.
    fn settled(name: &'static str, status: JobStatus) -> Self {
        Self { status, tried: SETTLE, ..Self::rotation(name) }
    }

    /// A run that signs in in this way and finds nothing due.
    fn signed_in(name: &'static str, source: Source, scheme: Scheme) -> Self {
        Self { source, scheme: Some(scheme), seldom: true, tried: MAIN, ..Self::rotation(name) }
    }

    /// A check of what a rotation of the committed one needs.
    fn check(name: &'static str, source: Source, scheme: Scheme, places: &'static [&'static str]) -> Self {
        let commands = Commands::Checks;
        Self { commands, places, has_variable: false, ..Self::signed_in(name, source, scheme) }
    }

    pub(crate) fn is_check(&self) -> bool {
        self.commands != Commands::Rotations
    }

    /// After dead runs.
    fn healing(name: &'static str, left: &'static [Left]) -> Self {
        Self { left, seldom: true, ..Self::rotation(name) }
    }
}

/// All of them.
pub(crate) fn all() -> Vec<Kind> {
    [rotations(), job_ends(), found(), sign_ins(), checks()].concat()
}

fn rotations() -> Vec<Kind> {
    let everything: &[Left] = &[Left::Committed, Left::Pending, Left::Held, Left::Superseded(-1)];
    vec![
        Kind::rotation("a rotation into the variable"),
        Kind { overlap: 0, left: everything, ..Kind::rotation("without an overlap, after dead runs") },
        Kind::into("into a vault", &[VAULT]),
        Kind { overlap: 0, tried: SETTLE, ..Kind::into("into a vault, without an overlap", &[VAULT]) },
        Kind::into("into a variable group", &[GROUP]),
        Kind::into("into a service connection", &[FEED]),
        Kind { has_variable: true, ..Kind::into("into all places and the variable", &[VAULT, GROUP, FEED]) },
        Kind { immediately: true, tried: MAIN, ..Kind::into("retired immediately", &[VAULT, GROUP]) },
        Kind {
            immediately: true,
            overlap: 0,
            tried: MAIN,
            ..Kind::into("retired immediately, without an overlap", &[VAULT, FEED])
        },
        Kind { later: true, ..Kind::into("settled by a later job", &[VAULT, GROUP]) },
        Kind {
            later: true,
            overlap: 0,
            tried: SETTLE,
            left: everything,
            ..Kind::rotation("settled by a later job, without an overlap, after dead runs")
        },
        Kind { left: &[], creates_if_missing: true, ..Kind::into("the first one of its name", &[VAULT]) },
    ]
}

fn job_ends() -> Vec<Kind> {
    let confirmed = |name, status, confirmed| Kind { confirmed, ..Kind::settled(name, status) };
    let refused = |name, overlap, how| Kind {
        overlap,
        refused_rename: Some(how),
        ends_well: (true, overlap == 0),
        ..Kind::settled(name, JobStatus::Succeeded)
    };
    vec![
        Kind::settled("a job with issues", JobStatus::SucceededWithIssues),
        Kind::settled("a failed job", JobStatus::Failed),
        Kind::settled("a cancelled job", JobStatus::Canceled),
        confirmed("a failed job that confirms", JobStatus::Failed, Confirmed::True),
        confirmed("a job that does not confirm", JobStatus::Succeeded, Confirmed::Missing),
        refused(
            "a refused rename, without an overlap",
            0,
            RenameRefusal::Error("fullScopePatPolicyViolation".to_owned()),
        ),
        refused("a refused rename", 24, RenameRefusal::Error("invalidDisplayName".to_owned())),
        Kind {
            is_long: true,
            source: Source::Vault,
            scheme: Some(Scheme::Federated),
            ..Kind::settled("a job that outlives the user's token", JobStatus::Succeeded)
        },
    ]
}

fn found() -> Vec<Kind> {
    let cleaned = &[Left::Superseded(-30), Left::Superseded(-1), Left::Superseded(5), Left::Committed];
    vec![
        Kind::healing("after a pending one", &[Left::Committed, Left::Pending]),
        Kind { tried: MAIN, ..Kind::healing("after a held one", &[Left::Committed, Left::Held]) },
        Kind::healing("after a run that died before its commit", &[Left::Superseded(20), Left::Pending]),
        Kind { tried: MAIN, ..Kind::healing("nothing due, and two to clean", cleaned) },
        Kind { tried: MAIN, dry: true, ..Kind::into("a dry run", &[VAULT, GROUP, FEED]) },
    ]
}

fn sign_ins() -> Vec<Kind> {
    let certificate = Scheme::Certificate(PemForm::Pkcs8);
    vec![
        Kind::signed_in("a refresh token in a vault, federated", Source::Vault, Scheme::Federated),
        Kind::signed_in("a refresh token in a vault, by secret", Source::Vault, Scheme::Secret),
        Kind::signed_in("a refresh token in a vault, by certificate", Source::Vault, certificate),
        Kind::signed_in("a refresh token in a vault, on a machine", Source::Vault, Scheme::Machine),
        Kind::signed_in("a refresh token in a vault, in an App Service", Source::Vault, Scheme::AppServiceLent),
        Kind::signed_in("a refresh token in a variable", Source::Variable, Scheme::Secret),
        Kind::signed_in("a refresh token stored in a vault", Source::VariableStoredInVault, Scheme::Secret),
        Kind::signed_in("a refresh token stored in a group", Source::VariableStoredInGroup, Scheme::Secret),
        Kind::signed_in("an agent user", Source::AgentUser, Scheme::Federated),
        Kind::signed_in("a password", Source::Password, Scheme::Secret),
        Kind {
            ends_well: (false, true),
            ..Kind::signed_in("the connection alone", Source::Connection, Scheme::Secret)
        },
    ]
}

fn checks() -> Vec<Kind> {
    let left: &[Left] = &[Left::Committed, Left::Canary];
    vec![
        Kind { left, ..Kind::check("a check", Source::Vault, Scheme::Federated, &[VAULT, GROUP, FEED]) },
        Kind {
            commands: Commands::CheckThenRotation,
            ..Kind::check("a check before a rotation", Source::AccessToken, Scheme::Secret, &[GROUP])
        },
    ]
}
