//! The environment as a value, and how the agent spells names in it.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The environment variables of the process, passed in by `main` or a test.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    unreadable: Vec<String>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Environment {
    /// Of variables that are not UTF-8, only the name is kept.
    pub fn from_os(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let mut environment = Self::default();
        for (name, value) in variables {
            let name = name.to_string_lossy().into_owned();
            match value.into_string() {
                Ok(value) => drop(environment.variables.insert(name, value)),
                Err(_) => environment.unreadable.push(name),
            }
        }
        environment
    }

    /// A variable by its exact name. Empty counts as absent: the agent sets absent inputs to the empty string.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// A job variable by its name in the pipeline, as public (`NAME`) or secret (`SECRET_NAME`) one. Not trimmed.
    pub fn job_variable(&self, name: &str) -> Option<&str> {
        let name = format_name(name);
        let secret = self.variables.get(&format!("SECRET_{name}"));
        secret.or_else(|| self.variables.get(&name)).map(String::as_str)
    }

    /// The job's public variables, as the pipeline spells them. The error is the name of the list that the agent did not set.
    pub fn public_variables(&self) -> Result<Vec<String>, &'static str> {
        self.names("VSTS_PUBLIC_VARIABLES")
    }

    /// The job's secret variables; the error is as for the public variables.
    pub fn secret_variables(&self) -> Result<Vec<String>, &'static str> {
        self.names("VSTS_SECRET_VARIABLES")
    }

    fn names(&self, list: &'static str) -> Result<Vec<String>, &'static str> {
        self.get(list).and_then(|names| serde_json::from_str(names).ok()).ok_or(list)
    }

    /// The job's variables with this name in the environment, including this one. The task sees only one of their values.
    pub fn spellings(&self, variable: &str) -> Vec<String> {
        let lists = [self.public_variables(), self.secret_variables()];
        let all = lists.into_iter().flatten().flatten();
        all.filter(|name| format_name(name) == format_name(variable)).collect()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Names of the variables that are not UTF-8.
    pub fn unreadable(&self) -> impl Iterator<Item = &str> {
        self.unreadable.iter().map(String::as_str)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { variables, unreadable: Vec::new() }
    }
}

/// The agent's spelling of a name in the environment (seen in code: `VarUtil.cs`).
pub fn format_name(name: &str) -> String {
    name.replace(['.', ' '], "_").to_uppercase()
}

/// The first `$(NAME)` in a value: the agent leaves macros of undefined variables unchanged.
pub fn unexpanded_macro(value: &str) -> Option<&str> {
    let start = value.find("$(")?;
    let length = value[start..].find(')')?;
    let name = &value[start + 2..start + length];
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "._- ".contains(c));
    if is_name { Some(&value[start..=start + length]) } else { unexpanded_macro(&value[start + 2..]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_a_variable_is_an_unexpanded_macro() {
        assert_eq!(unexpanded_macro("x$(My.Pat)y"), Some("$(My.Pat)"));
        assert_eq!(unexpanded_macro("$($(A)"), Some("$(A)"));
        for plain in ["", "$", "$()", "a)b$(", "$(a/b)", "(A)"] {
            assert_eq!(unexpanded_macro(plain), None, "{plain}");
        }
    }

    #[test]
    fn empty_is_absent_and_secret_comes_before_public() {
        let environment: Environment =
            [("INPUT_A", " "), ("SECRET_MY_PAT", "s"), ("MY_PAT", "p"), ("B", " b ")].into_iter().collect();
        assert_eq!(environment.get("INPUT_A"), None);
        assert_eq!(environment.get("B"), Some("b"));
        assert_eq!(environment.job_variable("my.pat"), Some("s"));
        assert_eq!(environment.job_variable("none"), None);
    }
}
