//! What is wrong with one input, or with a variable of the agent's environment.

use std::fmt;

use crate::settings::manifest;

/// What is wrong with one input, or with a variable of the agent's environment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The input, as the manifest spells it, or the variable.
    pub input: &'static str,
    expected: String,
}

impl Fault {
    pub(super) fn new(input: &'static str, expected: &str) -> Self {
        Self { input, expected: expected.to_owned() }
    }

    /// Whether it is about an input, which the pipeline gives.
    pub fn is_of_an_input(&self) -> bool {
        manifest::input(self.input).is_some()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_of_an_input() { "" } else { "the agent's variable " };
        write!(f, "{what}`{}` needs {}", self.input, self.expected)
    }
}
