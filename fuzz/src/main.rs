//! Every fuzz target in one program, so that there is one link. `FUZZ_TARGET` names the one that runs; `fuzz/run` sets it.

#![no_main]

#[path = "../../tests/agent/command.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod command;
#[path = "../../tests/agent/ignored.rs"]
mod ignored;
mod service;
mod targets;

/// The agent's grammar, as the tests have it.
mod agent {
    pub(crate) use crate::command::Command;
}

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fn chosen() -> fn(&[u8]) {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = targets::ALL.iter().find(|(known, _)| *known == name);
    found.map(|(_, target)| *target).unwrap_or_else(|| panic!("FUZZ_TARGET names none of the targets: {name:?}"))
}

fuzz_target!(|data: &[u8]| TARGET.get_or_init(chosen)(data));
