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

mod advice;
mod agreement;
#[cfg(target_os = "linux")]
mod bench;
mod crash;
mod destinations;
mod device_code;
mod gateway;
mod healing;
mod hostile;
mod inputs;
#[cfg(target_os = "linux")]
mod killed_signing_in;
mod late;
mod launcher;
mod layering;
mod lifetimes;
#[cfg(target_os = "linux")]
mod limits;
mod local;
mod lost_replies;
mod matrix;
#[cfg(target_os = "linux")]
mod memory;
#[path = "../model/mod.rs"]
mod model;
mod network;
mod packaging;
mod program;
mod refresh_store;
mod refusals;
mod refused_renames;
mod report;
mod rivals;
mod rotation;
mod schemes;
mod second_look;
mod service_connections;
mod settling;
mod signing_in;
mod sources;
mod stopping;
mod tenants;
mod users;
mod variable_groups;
mod vault;
mod vault_unanswered;
mod workstation;
