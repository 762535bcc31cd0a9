//! How the job ended, read by the settle stage alone.

use crate::agent::environment::Environment;
use crate::agent::trust;
use crate::model::secret::Secret;

#[derive(Debug)]
pub struct JobEnd {
    /// `agent.jobstatus`.
    pub status: JobStatus,
    /// The job variable of `confirmVariable`, if one is named.
    pub confirmed: Option<bool>,
    /// The secret variable that the main stage set, as the job has it now.
    pub variable: Option<Secret>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobStatus {
    Succeeded,
    /// Any other status, as the agent spells it.
    Other(String),
}

/// Whether the job variable of `confirmVariable` is `true`.
pub fn is_confirmed(environment: &Environment, variable: &str) -> bool {
    environment.job_variable(variable).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

pub fn job_end(environment: &Environment, confirm_variable: Option<&str>, variable: Option<&str>) -> JobEnd {
    let status = match trust::job_status(environment).unwrap_or("unknown") {
        status if status.eq_ignore_ascii_case("succeeded") => JobStatus::Succeeded,
        other => JobStatus::Other(crate::model::text::one_line(other)),
    };
    let confirmed = confirm_variable.map(|name| is_confirmed(environment, name));
    let variable = variable.and_then(|name| environment.job_variable(name));
    JobEnd { status, confirmed, variable: variable.map(|value| Secret::new(value.to_owned())) }
}
