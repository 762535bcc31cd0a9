//! Settings from an arbitrary environment: read, or refused with sentences, and no secret in either.

use rotate_pat::agent::environment::Environment;
use rotate_pat::agent::job_status::job_end;
use rotate_pat::settings::{self, Command, Fault, Settings};

pub(crate) const CONNECTION: &str = "11111111-1111-1111-1111-111111111111";
const SECRET: &str = "hunter2hunter2";

/// A job that rotates.
pub(crate) const JOB: [(&str, &str); 12] = [
    ("ENDPOINT_URL_SYSTEMVSSCONNECTION", "https://dev.azure.com/contoso/"),
    ("VSTS_PUBLIC_VARIABLES", "[]"),
    ("VSTS_SECRET_VARIABLES", "[]"),
    ("SYSTEM_TEAMPROJECTID", "22222222-2222-2222-2222-222222222222"),
    ("SYSTEM_TEAMPROJECT", "Web"),
    ("SYSTEM_DEFINITIONID", "7"),
    ("SYSTEM_JOBATTEMPT", "1"),
    ("BUILD_BUILDID", "101"),
    ("INPUT_PATNAME", "nuget-publish"),
    ("ENDPOINT_AUTH_SCHEME_11111111-1111-1111-1111-111111111111", "WorkloadIdentityFederation"),
    ("ENDPOINT_AUTH_PARAMETER_11111111-1111-1111-1111-111111111111_TENANTID", "22222222-2222-2222-2222-222222222222"),
    (
        "ENDPOINT_AUTH_PARAMETER_11111111-1111-1111-1111-111111111111_SERVICEPRINCIPALID",
        "33333333-3333-3333-3333-333333333333",
    ),
];

pub(crate) fn read<'a>(variables: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Settings, Vec<Fault>> {
    settings::read(&variables.collect())
}

/// `NAME=VALUE` lines over the job's own; `NAME=@` is a secret.
pub(crate) fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let given = text.split('\n').filter_map(|line| line.split_once('='));
    let given = given.map(|(name, value)| (name, if value == "@" { SECRET } else { value }));
    let environment: Environment = JOB.into_iter().chain(given).collect();
    let _hidden = (settings::secrets(&environment), settings::is_debug(&environment));
    let shown = match settings::read(&environment) {
        Ok(settings) => {
            if let Command::Rotate(rotate) = &settings.command {
                let _end = job_end(&environment, rotate.confirm_variable.as_deref(), rotate.variable.as_deref());
            }
            format!("{settings:?}")
        }
        Err(faults) => {
            let told = faults.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert!(!told.is_empty() && told.iter().all(|fault| fault.chars().count() < 3000), "{told:?}");
            assert!(!told.concat().chars().any(char::is_control), "{told:?}");
            told.concat()
        }
    };
    // Only where the agent or a person puts secrets: elsewhere the text is nobody's.
    let is_misplaced = text.split('\n').any(|line| {
        let name = line.split('=').next().unwrap_or_default().to_uppercase();
        line.ends_with("=@") && !is_for_secrets(&name)
    });
    assert!(is_misplaced || text.contains(SECRET) || !shown.contains(SECRET), "{shown}");
}

fn is_for_secrets(name: &str) -> bool {
    ["INPUT_REFRESHTOKEN", "INPUT_PASSWORD", "INPUT_ACCESSTOKEN", "SYSTEM_ACCESSTOKEN"].contains(&name)
        || name.starts_with("SECRET_")
        || name.ends_with("_SERVICEPRINCIPALKEY")
}
