//! All that the pipeline agent is: its environment, its logging commands, the variables that one stage leaves for the
//! other, how the job ended, and being told to stop.

pub mod cancellation;
pub mod crash;
pub mod environment;
pub mod handoff;
pub mod job_status;
pub mod logging_commands;
pub mod trust;
