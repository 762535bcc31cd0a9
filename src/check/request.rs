//! What is to be checked, and how.

use std::path::Path;

use crate::context::RotationContext;

/// A check of what one rotation needs.
pub struct Check<'a> {
    pub rotation: &'a RotationContext,
    /// Whether a token is made, measured and revoked.
    pub has_canary: bool,
    /// Where the file with the measured facts goes.
    pub folder: &'a Path,
    /// The agent's version.
    pub agent: Option<&'a str>,
    /// The version of Node that started the program.
    pub node: Option<&'a str>,
    pub network: &'a Reached,
}

/// How the services are reached.
pub struct Reached {
    /// The proxy, and the variable that names it.
    pub proxy: Option<(String, &'static str)>,
    /// Which certificates are trusted; `None` where every one is.
    pub trusted: Option<String>,
}
