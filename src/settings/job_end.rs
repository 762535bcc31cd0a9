//! What the job says at its end, read by the settle stage alone.

use super::RotateSettings;
use super::environment::Environment;
use crate::secret::Secret;

/// How the job ended.
#[derive(Debug)]
pub struct JobEnd {
    /// `agent.jobstatus`.
    pub status: JobStatus,
    /// The job variable of `confirmVariable`, if one is named.
    pub confirmed: Option<bool>,
    /// The secret variable that the main stage set, as the job has it now.
    pub variable: Option<Secret>,
}

/// How the job's steps ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobStatus {
    /// All of them well.
    Succeeded,
    /// Anything else, in the agent's word.
    Other(String),
}

/// Reads how the job ended.
pub fn job_end(environment: &Environment, settings: &RotateSettings) -> JobEnd {
    let status = match environment.get("AGENT_JOBSTATUS").unwrap_or("unknown") {
        status if status.eq_ignore_ascii_case("succeeded") => JobStatus::Succeeded,
        other => JobStatus::Other(crate::text::one_line(other)),
    };
    let confirmed = settings
        .confirm_variable
        .as_deref()
        .map(|name| environment.job_variable(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true")));
    let variable = settings.variable.as_deref().and_then(|name| environment.job_variable(name));
    JobEnd { status, confirmed, variable: variable.map(|value| Secret::new(value.to_owned())) }
}
