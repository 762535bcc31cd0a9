//! The inputs as `task.json` declares them, read at build time: names, defaults and help have this one source.

/// One input of the task.
#[derive(Debug)]
pub struct Input {
    /// Its name, as in YAML.
    pub name: &'static str,
    /// Its other names in YAML.
    pub aliases: &'static [&'static str],
    /// What the form calls it.
    pub label: &'static str,
    /// Its default; empty when there is none.
    pub default: &'static str,
    /// What the form explains.
    pub help: &'static str,
    /// The values it can have; none when it is open.
    pub options: &'static [&'static str],
}

include!(concat!(env!("OUT_DIR"), "/manifest.rs"));

/// The input of this name.
pub fn input(name: &str) -> Option<&'static Input> {
    INPUTS.iter().find(|input| input.name == name)
}
