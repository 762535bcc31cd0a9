//! Signing in: each source of a user token, each kind of service connection, each refusal.

pub(crate) mod bound;
pub(crate) mod device_code;
#[cfg(target_os = "linux")]
pub(crate) mod killed_signing_in;
pub(crate) mod refresh_store;
pub(crate) mod refresh_token;
pub(crate) mod refusals;
pub(crate) mod schemes;
pub(crate) mod sources;
pub(crate) mod station;
pub(crate) mod tenants;
pub(crate) mod users;
pub(crate) mod workstation;
