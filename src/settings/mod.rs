//! The inputs and the agent's variables, parsed once into types that cannot be wrong. Nothing else reads `INPUT_*`,
//! `ENDPOINT_*` or `SYSTEM_*`. Every fault is found before anything is sent, and all are reported together.

mod access;
mod check;
mod command;
mod connection;
mod fault;
mod inputs;
mod many;
pub mod network;
mod publish_to;
mod reader;
mod report;
mod rotate;
mod sign_in;
mod source;
pub mod task_json;
mod yaml;

pub use self::access::{Access, Pipeline, Purpose, Source};
pub use self::command::{
    CheckSettings, Command, Entry, FailOn, ManySettings, ReportScope, ReportSettings, Retirement, RotateSettings,
    Settings, SignInSettings,
};
pub use self::fault::Fault;
pub use self::many::{DEFAULT_KEYS, ENTRY_KEYS};

use std::path::PathBuf;

use self::network::Network;
use self::reader::Reader;
use crate::agent::environment::Environment;
use crate::agent::trust;
use crate::model::secret::Secret;

/// Reads the settings, or finds every fault in them.
pub fn read(environment: &Environment) -> Result<Settings, Vec<Fault>> {
    // If one value may be forged, faults in the others mean nothing.
    let shadows = trust::shadows(environment, inputs::is_declared).map_err(|list| {
        vec![Fault::must_be(list, "a JSON list of the names of the job's variables, as every agent sets it")]
    })?;
    if !shadows.is_empty() {
        return Err(shadows.iter().map(Fault::shadow).collect());
    }
    let mut faults = Vec::new();
    let Ok(inputs) = inputs::read(environment, &mut faults) else {
        return Err(vec![Fault::new("command", "could not be read, nor any other input")]);
    };
    let rejected = faults.iter().map(|fault| fault.input).collect();
    let mut reader = Reader { environment, faults, rejected };
    let settings = reader.settings(inputs);
    let network = network::read(environment, &mut reader.faults);
    match settings {
        Some((access, command)) if reader.faults.is_empty() => Ok(Settings { access, command, network }),
        _ => Err(reader.faults),
    }
}

/// Reads the proxy and certificate settings alone, for use outside a pipeline.
pub fn read_network(environment: &Environment) -> Result<Network, Vec<Fault>> {
    let mut faults = Vec::new();
    let network = network::read(environment, &mut faults);
    if faults.is_empty() { Ok(network) } else { Err(faults) }
}

/// Whether the agent writes debug lines to the log.
pub fn is_debug(environment: &Environment) -> bool {
    environment.get("SYSTEM_DEBUG").is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// The job's temporary folder, which the agent clears.
pub fn temporary_folder(environment: &Environment) -> Option<PathBuf> {
    environment.get("AGENT_TEMPDIRECTORY").map(PathBuf::from)
}

/// Every secret value in the environment, for redaction.
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
    // Redacting shorter values would hide ordinary words. The agent masks them anyway.
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
