//! What every test is built on: a pipeline that runs the packaged task, and the stages in this process.

pub(crate) mod front;
pub(crate) mod gateway;
pub(crate) mod in_process;
pub(crate) mod local;
pub(crate) mod pipeline;
