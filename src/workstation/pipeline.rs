//! The pipeline to copy, with the names of this sign-in: what to do next is on the screen, and not in another window.

use std::fmt::Write as _;

use crate::model::address::origin;
use crate::model::text::one_line;

use super::arguments::{Arguments, Input};

/// A weekly rotation that only shows its plan at first. Where a name was not given, a comment says what belongs there.
pub(super) fn yaml(arguments: &Arguments) -> String {
    let Arguments { secret, client, connection, pat, input, .. } = arguments;
    let connection = connection.as_deref().map(scalar).unwrap_or_else(|| match input {
        Input::AppCredential => format!("NAME  # the service connection of the app {client}"),
        _ => "NAME  # a service connection whose app may read and write the vault".to_owned(),
    });
    let name = pat.as_deref().map_or_else(|| "NAME  # the token to rotate".to_owned(), scalar);
    let url = secret.url();
    let is_plain = |c: char| c.is_ascii_alphanumeric();
    let stored: String = pat.as_deref().unwrap_or("NAME").chars().map(|c| if is_plain(c) { c } else { '-' }).collect();
    let vault = url.host_str().and_then(|host| host.strip_suffix(".vault.azure.net"));
    let destination = match vault {
        Some(vault) => format!("{vault}/{stored}"),
        None => format!("{}secrets/{stored}", origin(url)),
    };
    let mut yaml = String::new();
    let _infallible = write!(
        yaml,
        "trigger: none
pr: none
schedules:
- cron: '0 3 * * 1'
  displayName: weekly rotation
  branches: {{ include: [main] }}
  always: true
pool: {{ vmImage: ubuntu-latest }}
steps:
- task: RotatePat@1
  name: rotate
  inputs:
    azureSubscription: {connection}
    refreshTokenSecret: {url}
    patName: {name}
    rotateWhenDaysLeft: 21
    publishTo: |
      keyVault: {destination}
    dryRun: true  # shows the plan and changes nothing; remove it after the first run"
    );
    yaml
}

/// A text as one YAML value: plain where nothing in it could mean something else.
fn scalar(text: &str) -> String {
    let text = one_line(text);
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" ._-".contains(&byte));
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.ends_with(' ');
    let is_other = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    if is_plain && is_word && !is_other { text } else { format!("'{}'", text.replace('\'', "''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_what_they_are_in_yaml() {
        for (name, value) in [
            ("pat-rotator", "pat-rotator"),
            ("Prod vault 2", "Prod vault 2"),
            ("Prod: it's", "'Prod: it''s'"),
            ("# x", "'# x'"),
            ("007", "'007'"),
            ("Off", "'Off'"),
            ("a\nb: c", "'a\u{fffd}b: c'"),
        ] {
            assert_eq!(scalar(name), value, "{name:?}");
        }
    }
}
