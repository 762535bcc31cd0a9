//! The lines of `publishTo`: `kind: place`, or the address of a Key Vault secret.

use crate::model::destination::{Connection, Destination, GroupVariable, Named};
use crate::model::secret::is_like_a_secret;
use crate::model::text::quoted;
use crate::model::vault_secret::VaultSecret;

const EXAMPLES: &str = "lines such as `keyVault: contoso-kv/nuget-pat`, `variableGroup: Prod secrets/NUGET_PAT` or `serviceConnection: contoso-feed`";

/// Reads the lines into destinations and faults. `own_project` holds the names of the pipeline's project, which a line may
/// leave out.
pub(super) fn read(lines: &str, own_project: &[String]) -> (Vec<Destination>, Vec<String>) {
    let (mut destinations, mut faults) = (Vec::<Destination>::new(), Vec::new());
    // A YAML list that was pasted as text has `- ` before each line.
    let lines = lines.lines().map(str::trim).map(|line| line.strip_prefix("- ").unwrap_or(line).trim_start());
    for line in lines.filter(|line| !line.is_empty()) {
        match parse(line).map(|new| new.in_own_project(own_project)) {
            Ok(new) => match destinations.iter().find(|known| known.clashes(&new)) {
                Some(known) => {
                    faults.push(format!("different destinations; {new} and {known} write to the same place"))
                }
                None => destinations.push(new),
            },
            Err(fault) => faults.push(fault),
        }
    }
    (destinations, faults)
}

fn parse(line: &str) -> Result<Destination, String> {
    if line.split([':', '/', ' ']).any(is_like_a_secret) {
        return Err(format!("{EXAMPLES}; one line looks like a secret"));
    }
    let (kind, place) = line.split_once(':').unwrap_or((line, ""));
    let place = place.trim();
    match kind.trim().to_ascii_lowercase().as_str() {
        "keyvault" => VaultSecret::parse(place).map(Destination::KeyVault),
        "variablegroup" => match &parts(place)[..] {
            [group, variable] => group_variable(None, group, variable),
            [project, group, variable] => group_variable(Some(project), group, variable),
            _ => Err(format!(
                "{EXAMPLES}; got {} without group or variable (write `/` in a name as `%2F`)",
                quoted(line)
            )),
        },
        "serviceconnection" => {
            let (place, host) = with_host(place);
            let (project, name) = match &parts(place)[..] {
                [name] => (None, name.clone()),
                [project, name] => (Some(project.clone()), name.clone()),
                _ => {
                    return Err(format!(
                        "{EXAMPLES}; got {} without a connection (write `/` in a name as `%2F`)",
                        quoted(line)
                    ));
                }
            };
            Ok(Destination::ServiceConnection(Connection { named: Named { project, name }, host }))
        }
        "https" | "http" => VaultSecret::parse(line).map(Destination::KeyVault),
        _ => Err(format!("{EXAMPLES}; got {}, an unknown kind", quoted(line))),
    }
}

/// A connection and the host after ` at `. If no host follows, ` at ` is part of the connection's name.
fn with_host(place: &str) -> (&str, Option<String>) {
    let is_host = |host: &str| {
        let (name, port) = host.split_once(':').unwrap_or((host, "443"));
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
        is_name && (name.contains('.') || name == "localhost") && port.parse::<u16>().is_ok()
    };
    match place.rsplit_once(" at ") {
        Some((place, host)) if is_host(host.trim()) => (place.trim(), Some(host.trim().to_ascii_lowercase())),
        _ => (place, None),
    }
}

fn group_variable(project: Option<&String>, group: &str, variable: &str) -> Result<Destination, String> {
    let is_name = variable.chars().all(|c| c.is_alphanumeric() || "._-".contains(c));
    if !is_name {
        return Err(format!(
            "lines whose variable has only letters, digits, `.`, `_` and `-`; got {}",
            quoted(variable)
        ));
    }
    let group = Named { project: project.cloned(), name: group.to_owned() };
    Ok(Destination::VariableGroup(GroupVariable { group, variable: variable.to_owned() }))
}

/// The names between the slashes; empty if any name is empty.
fn parts(place: &str) -> Vec<String> {
    let parts: Vec<String> = place.split('/').map(|part| part.trim().replace("%2F", "/").replace("%2f", "/")).collect();
    if parts.iter().any(String::is_empty) { Vec::new() } else { parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_names_its_place() {
        for (line, shown) in [
            ("keyVault: contoso-kv/a", "secret \"a\" in vault \"contoso-kv\""),
            ("keyvault:https://contoso-kv.vault.azure.net/secrets/a", "secret \"a\" in vault \"contoso-kv\""),
            ("https://contoso-kv.vault.azure.net/secrets/a", "secret \"a\" in vault \"contoso-kv\""),
            ("- keyVault: contoso-kv/a", "secret \"a\" in vault \"contoso-kv\""),
            ("https://contoso-kv.vault.azure.net/secrets/a/0123", "secret \"a\" in vault \"contoso-kv\""),
            ("- variableGroup: Prod/A", "variable \"A\" in variable group \"Prod\""),
            ("variableGroup: Prod secrets/NUGET_PAT", "variable \"NUGET_PAT\" in variable group \"Prod secrets\""),
            ("variableGroup: Web/Prod/PAT", "variable \"PAT\" in variable group \"Prod\" of project \"Web\""),
            ("variableGroup: a%2Fb/PAT", "variable \"PAT\" in variable group \"a/b\""),
            ("serviceConnection: contoso-feed", "service connection \"contoso-feed\""),
            ("serviceConnection: Web/a%2fb", "service connection \"a/b\" of project \"Web\""),
            ("serviceConnection: feed at NuGet.contoso.com:8443", "service connection \"feed\""),
            ("serviceConnection: feed at home", "service connection \"feed at home\""),
        ] {
            let (destinations, faults) = read(line, &[]);
            assert_eq!(faults, Vec::<String>::new(), "{line}");
            assert_eq!(destinations[0].to_string(), shown);
        }
    }

    #[test]
    fn every_wrong_line_is_named() {
        for line in [
            "keyVault: contoso-kv",
            "keyVault: a.b/c",
            "vault: x/y",
            "x/y",
            "variableGroup: Prod",
            "variableGroup: Prod/",
            "variableGroup: a/b/c/d",
            "variableGroup: Prod/my pat",
            "serviceConnection:",
            "serviceConnection: a/b/c",
            "https://evil.example/secrets/a",
        ] {
            let (destinations, faults) = read(line, &[]);
            assert_eq!((destinations.len(), faults.len()), (0, 1), "{line}: {faults:?}");
        }
    }

    #[test]
    fn no_two_lines_write_to_the_same_place() {
        for lines in [
            "keyVault: kv/a\nkeyVault: KV/A",
            "variableGroup: Prod/PAT\nvariableGroup: prod/pat",
            "variableGroup: Prod/PAT\nvariableGroup: Prod/PAT_VALID_TO",
            "serviceConnection: feed\nserviceConnection: Feed",
        ] {
            assert_eq!(read(lines, &[]).1.len(), 1, "{lines}");
        }
        let own = ["web".to_owned(), "0123".to_owned()];
        for project in ["Web", "0123"] {
            let lines = format!("serviceConnection: feed\nserviceConnection: {project}/feed");
            assert_eq!(read(&lines, &own).1.len(), 1, "{lines}");
        }
        assert_eq!(read("variableGroup: Prod/A\nvariableGroup: Prod/B\nvariableGroup: Web/Prod/A", &[]).1.len(), 0);
    }
}
