//! The task's inputs as the agent hands them over, still as text: one field for each input of `task.json`.

use serde::Deserialize;

use crate::agent::environment::{Environment, format_name, unexpanded_macro};
use crate::model::secret::{Secret, is_like_a_secret};
use crate::settings::fault::Fault;
use crate::settings::task_json::INPUTS;

/// `INPUT_*`, trimmed; `None` where nothing is given and the manifest has no default.
#[derive(Deserialize, Debug)]
pub(super) struct Inputs {
    pub(super) command: Option<String>,
    #[serde(rename = "serviceconnection")]
    pub(super) service_connection: Option<String>,
    pub(super) organization: Option<String>,
    pub(super) manifest: Option<String>,
    #[serde(rename = "refreshtokensecret")]
    pub(super) refresh_token_secret: Option<String>,
    #[serde(rename = "refreshtoken")]
    pub(super) refresh_token: Option<Secret>,
    #[serde(rename = "refreshtokenstore")]
    pub(super) refresh_token_store: Option<String>,
    #[serde(rename = "entraagentid")]
    pub(super) entra_agent_id: Option<String>,
    #[serde(rename = "username")]
    pub(super) user_name: Option<String>,
    pub(super) password: Option<Secret>,
    #[serde(rename = "accesstoken")]
    pub(super) access_token: Option<Secret>,
    #[serde(rename = "clientid")]
    pub(super) client_id: Option<String>,
    #[serde(rename = "tenantid")]
    pub(super) tenant_id: Option<String>,
    #[serde(rename = "requestedscopes")]
    pub(super) requested_scopes: Option<String>,
    #[serde(rename = "patname")]
    pub(super) pat_name: Option<String>,
    #[serde(rename = "replaceauthorizationid")]
    pub(super) replace_authorization_id: Option<String>,
    pub(super) scopes: Option<String>,
    #[serde(rename = "validfordays")]
    pub(super) valid_for_days: Option<String>,
    #[serde(rename = "rotatewhendaysleft")]
    pub(super) rotate_when_days_left: Option<String>,
    #[serde(rename = "createifmissing")]
    pub(super) create_if_missing: Option<String>,
    #[serde(rename = "dryrun")]
    pub(super) dry_run: Option<String>,
    pub(super) canary: Option<String>,
    pub(super) variable: Option<String>,
    #[serde(rename = "publishto")]
    pub(super) publish_to: Option<String>,
    #[serde(rename = "azuredevopsserviceconnection")]
    pub(super) azure_dev_ops_service_connection: Option<String>,
    #[serde(rename = "confirmvariable")]
    pub(super) confirm_variable: Option<String>,
    #[serde(rename = "retireoldpat")]
    pub(super) retire_old_pat: Option<String>,
    #[serde(rename = "overlaphours")]
    pub(super) overlap_hours: Option<String>,
    #[serde(rename = "reportscope")]
    pub(super) report_scope: Option<String>,
    #[serde(rename = "warnwhendaysleft")]
    pub(super) warn_when_days_left: Option<String>,
    #[serde(rename = "failon")]
    pub(super) fail_on: Option<String>,
    #[serde(rename = "maxminutes")]
    pub(super) max_minutes: Option<String>,
}

/// Inputs whose value must never be shown, not even in part.
const SECRETS: [&str; 3] = ["refreshToken", "password", "accessToken"];

/// Reads the inputs. An input that is invalid for every command is a fault and is left out of the result. No value can
/// cause an error: every field is optional text.
pub(super) fn read(environment: &Environment, faults: &mut Vec<Fault>) -> Result<Inputs, envy::Error> {
    faults.extend(unknown(environment));
    let mut values = Vec::new();
    for input in INPUTS {
        let variable = format!("INPUT_{}", input.name.to_uppercase());
        if environment.unreadable().any(|name| name == variable) {
            faults.push(Fault::must_be(input.name, "UTF-8 text"));
            continue;
        }
        let default = Some(input.default).filter(|default| !default.is_empty());
        let Some(value) = environment.get(&variable).or(default) else { continue };
        if !SECRETS.contains(&input.name) && is_like_a_secret(value) {
            faults.push(Fault::new(input.name, "must not be a secret; the given value looks like a secret"));
            continue;
        }
        match unexpanded_macro(value) {
            None => values.push((input.name.to_owned(), value.to_owned())),
            Some(unexpanded) => {
                let shown =
                    if SECRETS.contains(&input.name) && unexpanded != value { "a `$(…)`" } else { unexpanded };
                let message = format!("uses {shown}, but the job has no such variable");
                faults.push(Fault::new(input.name, &message));
            }
        }
    }
    envy::from_iter(values)
}

/// The inputs of one entry of a manifest, with the defaults of the others.
pub(super) fn of_entry(given: &[(&'static str, String)]) -> Result<Inputs, envy::Error> {
    let values = INPUTS.iter().filter_map(|input| {
        let given = given.iter().find(|(name, _)| *name == input.name).map(|(_, value)| value.clone());
        let value = given.or_else(|| (!input.default.is_empty()).then(|| input.default.to_owned()))?;
        Some((input.name.to_owned(), value))
    });
    envy::from_iter(values)
}

pub(super) fn is_declared(name: &str) -> bool {
    name.strip_prefix("INPUT_").is_some_and(|name| INPUTS.iter().any(|input| input.name.to_uppercase() == name))
}

/// Inputs that the task does not have: the agent hands over every input that the step names. A job's variable may have
/// such a name too, which is no mistake; desktops set `INPUT_METHOD`.
fn unknown(environment: &Environment) -> Vec<Fault> {
    let public = environment.public_variables().unwrap_or_default();
    let is_variable = |name: &str| name == "INPUT_METHOD" || public.iter().any(|own| format_name(own) == name);
    let names = environment.iter().map(|(name, _)| name).filter(|name| environment.get(name).is_some());
    names
        // First, as comparing each name with all of the job's variables costs more than the rest of a stage.
        .filter_map(|name| Some((name, name.strip_prefix("INPUT_")?)))
        .filter(|(name, _)| !is_declared(name) && !is_variable(name))
        .map(|(_, input)| Fault::unknown_input(input, nearest(input)))
        .collect()
}

/// The input or alias that was probably meant.
fn nearest(name: &str) -> Option<&'static str> {
    let spellings = INPUTS.iter().flat_map(|input| {
        std::iter::once((input.name, input.name)).chain(
            // An alias reaches a task only under the input's own name.
            input
                .aliases
                .iter()
                .map(|alias| (*alias, if alias.eq_ignore_ascii_case(name) { input.name } else { alias })),
        )
    });
    nearest_of(name, spellings)
}

/// Of words and what is shown for them, what was probably meant.
pub(super) fn nearest_of<'a>(name: &str, words: impl Iterator<Item = (&'a str, &'a str)>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let distances = words.map(|(word, shown)| (distance(&name, &word.to_lowercase()), shown));
    let (distance, shown) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= 2.max(name.chars().count() / 3)).then_some(shown)
}

/// The Levenshtein distance of two words.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, wanted) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *wanted);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use serde::de::value::Error;
    use serde::de::{Deserializer, Error as _, Visitor};

    use super::*;

    /// Asks serde itself which fields the struct has.
    struct FieldNames<'a>(&'a mut Vec<&'static str>);

    impl<'de> Deserializer<'de> for FieldNames<'_> {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(Error::custom("not a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            self.0.extend(fields);
            Err(Error::custom("seen"))
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    #[test]
    fn misspelled_input_is_near_to_the_right_one() {
        for (given, meant) in [
            ("DRYRUNS", Some("dryRun")),
            ("PATNAMES", Some("patName")),
            ("AZURESUBSCRIPTON", Some("azureSubscription")),
            ("AZURESUBSCRIPTION", Some("serviceConnection")),
            ("RETIREOLD", Some("retireOldPat")),
            ("COMMENT", Some("command")),
            ("XYZ", None),
            ("", None),
        ] {
            assert_eq!(nearest(given), meant, "{given}");
        }
    }

    #[test]
    fn the_manifest_and_the_settings_name_the_same_inputs() {
        let mut fields = Vec::new();
        let _seen = Inputs::deserialize(FieldNames(&mut fields));
        fields.sort_unstable();
        let mut declared: Vec<String> = INPUTS.iter().map(|input| input.name.to_lowercase()).collect();
        declared.sort_unstable();
        assert_eq!(fields, declared);
    }
}
