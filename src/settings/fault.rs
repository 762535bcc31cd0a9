//! What is wrong with one input, or with a variable of the agent's environment.

use std::fmt;

use crate::agent::trust::Shadow;
use crate::model::text::{one_line, quoted};
use crate::settings::manifest;

/// What is wrong with one input, or with a variable of the agent's environment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The input, as the manifest spells it, or the variable.
    pub input: &'static str,
    text: Text,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Text {
    /// What the input or variable needs.
    Needs(String),
    /// A whole sentence, about a name that only the pipeline knows.
    Sentence(String),
}

/// Stands for an input that the task does not have.
const UNKNOWN: &str = "unknown input";

impl Fault {
    pub(super) fn new(input: &'static str, expected: &str) -> Self {
        Self { input, text: Text::Needs(expected.to_owned()) }
    }

    /// An input that the task does not have; only its name in the environment is known.
    pub(super) fn unknown_input(name: &str, nearest: Option<&str>) -> Self {
        let meant = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
        let sentence = format!("{} is not an input of this task{meant}", quoted(name));
        Self { input: UNKNOWN, text: Text::Sentence(sentence) }
    }

    /// A variable of the job that takes the place of the agent's own word.
    pub(super) fn shadow(shadow: &Shadow) -> Self {
        let Shadow { variable, name, decides } = shadow;
        let (variable, name) = (quoted(variable), one_line(name));
        let sentence = format!(
            "the job's variable {variable} becomes `{name}` in the task's environment, which decides {decides}: \
             rename or remove the variable"
        );
        Self { input: "variables", text: Text::Sentence(sentence) }
    }

    /// The job was confirmed before it began.
    pub fn confirmed_before(variable: &str) -> Self {
        let needed = format!(
            "a variable that only the step that stored the new token sets: {} is already `true` before this step, which \
             would confirm a token that nobody has stored",
            quoted(variable)
        );
        Self::new("confirmVariable", &needed)
    }

    /// Whether it is about an input, which the pipeline gives.
    pub fn is_of_an_input(&self) -> bool {
        self.input == UNKNOWN || manifest::input(self.input).is_some()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = match &self.text {
            Text::Needs(expected) => expected,
            Text::Sentence(sentence) => return f.write_str(sentence),
        };
        let what = if self.is_of_an_input() { "" } else { "the agent's variable " };
        write!(f, "{what}`{}` needs {expected}", self.input)
    }
}
