//! The interface to the pipeline agent: environment, logging commands, handoff between the stages, job status,
//! cancellation.

pub mod cancellation;
pub mod crash;
pub mod environment;
pub mod handoff;
pub mod job_status;
pub mod logging_commands;
pub mod run_summary;
pub mod trust;
