//! What is wrong with one input, or with a variable of the agent's environment.

use std::fmt;

use crate::agent::trust::Shadow;
use crate::model::text::{one_line, quoted};
use crate::settings::task_json;

/// What is wrong with one input, or with a variable of the agent's environment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The input, as the manifest spells it, or the variable.
    pub input: &'static str,
    text: Text,
    /// Where it stands, if in a file.
    place: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Text {
    /// What follows the name of the input or variable.
    Predicate(String),
    /// A whole sentence, about a name that only the pipeline knows.
    Sentence(String),
}

/// Stands for an input that the task does not have.
const UNKNOWN: &str = "unknown input";

impl Fault {
    /// The predicate follows the input's name: "is only used with `password`".
    pub(super) fn new(input: &'static str, predicate: &str) -> Self {
        Self { input, text: Text::Predicate(predicate.to_owned()), place: None }
    }

    pub(super) fn must_be(input: &'static str, expected: &str) -> Self {
        Self::new(input, &format!("must be {expected}"))
    }

    pub(super) fn required(input: &'static str, meaning: &str) -> Self {
        Self::new(input, &format!("is required: {meaning}"))
    }

    /// An input that the task does not have; only its name in the environment is known.
    pub(super) fn unknown_input(name: &str, nearest: Option<&str>) -> Self {
        let meant = nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
        let sentence = format!("{} is not an input of this task{meant}", quoted(name));
        Self { input: UNKNOWN, text: Text::Sentence(sentence), place: None }
    }

    /// A variable of the job that replaces a value of the agent.
    pub(super) fn shadow(shadow: &Shadow) -> Self {
        let Shadow { variable, name, decides } = shadow;
        let (variable, name) = (quoted(variable), one_line(name));
        let sentence = format!(
            "the job's variable {variable} becomes `{name}` in the task's environment, which decides {decides}: \
             rename or remove the variable"
        );
        Self { input: "variables", text: Text::Sentence(sentence), place: None }
    }

    /// About a file that an input names.
    pub(super) fn in_file(input: &'static str, sentence: &str) -> Self {
        Self { input, text: Text::Sentence(sentence.to_owned()), place: None }
    }

    /// With where it stands.
    pub(super) fn at(self, place: String) -> Self {
        Self { place: Some(place), ..self }
    }

    /// The variable confirms the new token before there is one.
    pub fn confirmed_before(variable: &str) -> Self {
        let expected = format!(
            "a variable that only the step that stores the new token sets; {} is already `true` before this step, which \
             would confirm a token that is not stored yet",
            quoted(variable)
        );
        Self::must_be("confirmVariable", &expected)
    }

    /// Whether it is about an input, which the pipeline gives.
    pub fn is_of_an_input(&self) -> bool {
        self.input == UNKNOWN || task_json::input(self.input).is_some()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        let predicate = match &self.text {
            Text::Predicate(predicate) => predicate,
            Text::Sentence(sentence) => return f.write_str(sentence),
        };
        let kind = if self.is_of_an_input() { "" } else { "the agent's variable " };
        write!(f, "{kind}`{}` {predicate}", self.input)
    }
}
