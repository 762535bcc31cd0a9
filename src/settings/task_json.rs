//! The inputs as `task.json` declares them, read at build time: names, defaults and help have this one source.

#[derive(Debug)]
pub struct Input {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub label: &'static str,
    /// Empty when the input has no default.
    pub default: &'static str,
    pub help: &'static str,
    /// The values of a pick list; empty when any text is allowed.
    pub options: &'static [&'static str],
}

include!(concat!(env!("OUT_DIR"), "/manifest.rs"));

pub fn input(name: &str) -> Option<&'static Input> {
    INPUTS.iter().find(|input| input.name == name)
}
