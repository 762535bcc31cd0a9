//! Everything the task is told, parsed once into types that cannot be wrong. The only reader of `INPUT_*`,
//! `ENDPOINT_*`, `SYSTEM_*` and their like; every fault is found before anything is sent, and all are told together.

mod connection;
mod inputs;
pub mod manifest;
pub mod network;
mod publish_to;
mod reader;
mod report;
mod rotate;
mod sign_in;
mod source;

use std::fmt;

use url::Url;

pub use self::report::{FailOn, ReportScope, ReportSettings};
pub use self::rotate::{Retirement, RotateSettings};
pub use self::sign_in::SignInSettings;
pub use self::source::Source;

use self::network::Network;
use self::reader::Reader;
use crate::agent::environment::Environment;
use crate::model::organization::Organization;
use crate::model::secret::Secret;
use crate::model::service_connection::ServiceConnection;
use crate::model::user::UserName;

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

/// Where to work, and as whom: what every command is told.
#[derive(Debug)]
pub struct Access {
    /// The organization that the personal access tokens belong to.
    pub organization: Organization,
    /// How to get a token that acts for the user.
    pub source: Source,
    /// What the token is for.
    pub purpose: Purpose,
    /// The connection that signs in, where one is given.
    pub connection: Option<ServiceConnection>,
    /// The connection that writes variable groups and service connections, where one is given.
    pub azure_devops_connection: Option<ServiceConnection>,
    /// The client that the user signed in with, where it is not told otherwise.
    pub client: Option<String>,
    /// The tenant of the user, where it is not to be discovered.
    pub tenant: Option<String>,
    /// Who the user must be, where that is told.
    pub user: Option<UserName>,
    /// The scopes to ask for.
    pub requested_scopes: Option<String>,
    /// The pipeline this is a step of.
    pub pipeline: Pipeline,
}

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To list, make, change and revoke the user's own tokens.
    Rotation,
    /// To list them.
    OwnReport,
    /// To list everybody's.
    OrganizationReport,
}

impl Purpose {
    /// The scopes that it takes. Documented, one API each.
    pub fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Rotation => &["vso.pats", "vso.pats_manage"],
            Self::OwnReport => &["vso.pats"],
            Self::OrganizationReport => &["vso.graph", "vso.tokenadministration"],
        }
    }
}

/// The pipeline this is a step of.
#[derive(Debug)]
pub struct Pipeline {
    /// Its organization, which need not be the token's.
    pub organization: Organization,
    /// The id of its project.
    pub project: String,
    /// The job's own token.
    pub job_token: Option<Secret>,
    /// Where the job asks for OIDC tokens.
    pub oidc: Option<Url>,
}

/// What is wrong with one input, or with a variable of the agent's environment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The input, as the manifest spells it, or the variable.
    pub input: &'static str,
    expected: String,
}

impl Fault {
    fn new(input: &'static str, expected: &str) -> Self {
        Self { input, expected: expected.to_owned() }
    }

    /// Whether it is about an input, which the pipeline gives.
    pub fn is_of_an_input(&self) -> bool {
        manifest::input(self.input).is_some()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_of_an_input() { "" } else { "the agent's variable " };
        write!(f, "{what}`{}` needs {}", self.input, self.expected)
    }
}

/// Reads the settings.
///
/// # Errors
/// Every fault there is.
pub fn read(environment: &Environment) -> Result<Settings, Vec<Fault>> {
    let mut faults = Vec::new();
    let Ok(inputs) = inputs::read(environment, &mut faults) else {
        return Err(vec![Fault::new("command", "inputs that can be read")]);
    };
    let spoiled = faults.iter().map(|fault| fault.input).collect();
    let mut reader = Reader { environment, faults, spoiled };
    let settings = reader.settings(inputs);
    let network = network::read(environment, &mut reader.faults);
    match settings {
        Some((access, command)) if reader.faults.is_empty() => Ok(Settings { access, command, network }),
        _ => Err(reader.faults),
    }
}

/// Reads the way to the services alone, where there is no pipeline.
///
/// # Errors
/// Every fault there is.
pub fn read_network(environment: &Environment) -> Result<Network, Vec<Fault>> {
    let mut faults = Vec::new();
    let network = network::read(environment, &mut faults);
    if faults.is_empty() { Ok(network) } else { Err(faults) }
}

/// Whether the agent writes debug lines to the log.
pub fn is_debug(environment: &Environment) -> bool {
    environment.get("SYSTEM_DEBUG").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Every secret value that the environment brought, so that none of them can be printed.
pub fn secrets(environment: &Environment) -> Vec<Secret> {
    let is_secret = |name: &str| {
        let name = name.to_ascii_uppercase();
        name.starts_with("SECRET_")
            || [
                "ACCESSTOKEN",
                "SERVICEPRINCIPALKEY",
                "SERVICEPRINCIPALCERTIFICATE",
                "APITOKEN",
                "PASSWORD",
                "REFRESHTOKEN",
                "IDENTITY_HEADER",
            ]
            .iter()
            .any(|secret| name.ends_with(secret))
    };
    // Shorter values would blot out ordinary words; the agent masks them all the same.
    environment
        .iter()
        .filter(|(name, _)| is_secret(name))
        .map(|(_, value)| Secret::new(value.trim().to_owned()))
        .chain(network::secrets(environment))
        .filter(|secret| secret.reveal().len() >= 8)
        .collect()
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
