//! What RotatePat does, as short claims: the packaged task runs under an emulated agent against a simulated Azure DevOps,
//! and the final world is what is asserted. See tests/README.md.

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod check;
mod destinations;
mod harness;
#[path = "../model/mod.rs"]
mod model;
mod packaging;
mod report;
mod robustness;
mod rotation;
mod sign_in;
