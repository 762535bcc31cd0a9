//! What RotatePat does, as sentences: the packaged task runs under an emulated agent against a simulated Azure DevOps,
//! and the final world is what is asserted. See tests/README.md.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

#[path = "../agent/mod.rs"]
mod agent;
#[path = "../simulator/mod.rs"]
mod simulator;

#[path = "../in_process.rs"]
mod in_process;
mod pipeline;

mod inputs;
mod layering;
mod lifetimes;
mod local;
mod refusals;
mod rotation;
mod signing_in;
