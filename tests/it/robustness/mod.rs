//! Faults, kills, hostile text, limits on waiting and memory.

pub(crate) mod advice;
pub(crate) mod agreement;
#[cfg(target_os = "linux")]
pub(crate) mod bench;
pub(crate) mod crash;
pub(crate) mod fuzzed_settings;
pub(crate) mod hostile;
pub(crate) mod inputs;
#[cfg(target_os = "linux")]
pub(crate) mod limits;
pub(crate) mod matrix;
#[cfg(target_os = "linux")]
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod stopping;
mod trust;
pub(crate) mod wire;
