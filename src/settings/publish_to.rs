//! The lines of `publishTo`: `kind: place`, or the address of a vault's secret alone.

use std::fmt;

use super::address::VaultSecret;
use crate::secret::is_like_a_secret;
use crate::text::quoted;

/// A place that gets the new value, besides the job's variable.
#[derive(Clone, PartialEq, Debug)]
pub enum Destination {
    /// A secret in Azure Key Vault.
    KeyVault(VaultSecret),
    /// A secret variable of a variable group.
    VariableGroup(GroupVariable),
    /// The parameter of a service connection that holds a personal access token.
    ServiceConnection(Named),
}

/// Something that a project calls by a name.
#[derive(Clone, Debug)]
pub struct Named {
    /// The project; the pipeline's own where none is named.
    pub project: Option<String>,
    /// The name.
    pub name: String,
}

/// A variable of a variable group.
#[derive(Clone, PartialEq, Debug)]
pub struct GroupVariable {
    /// The group.
    pub group: Named,
    /// The variable.
    pub variable: String,
}

/// Azure DevOps compares these names without case.
impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        let lower = |named: &Self| (named.project.as_ref().map(|p| p.to_lowercase()), named.name.to_lowercase());
        lower(self) == lower(other)
    }
}

impl GroupVariable {
    /// The plain variable beside it that says which personal access token it holds.
    pub fn id_variable(&self) -> String {
        format!("{}_AUTHORIZATION_ID", self.variable)
    }

    /// The plain variable beside it that says when that one expires.
    pub fn expiry_variable(&self) -> String {
        format!("{}_VALID_TO", self.variable)
    }

    /// Every variable that is written.
    fn written(&self) -> [String; 3] {
        [self.variable.clone(), self.id_variable(), self.expiry_variable()].map(|name| name.to_lowercase())
    }
}

impl Destination {
    fn in_own_project(mut self, own: &[String]) -> Self {
        let named = match &mut self {
            Self::VariableGroup(variable) => &mut variable.group,
            Self::ServiceConnection(named) => named,
            Self::KeyVault(_) => return self,
        };
        named.project = named.project.take().filter(|project| !own.contains(&project.to_lowercase()));
        self
    }

    /// Whether writing the one would write over the other.
    pub(super) fn clashes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::VariableGroup(a), Self::VariableGroup(b)) => {
                a.group == b.group && a.written().iter().any(|name| b.written().contains(name))
            }
            _ => self == other,
        }
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(&self.name))?;
        match &self.project {
            Some(project) => write!(f, " of project {}", quoted(project)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for GroupVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "variable {} in variable group {}", quoted(&self.variable), self.group)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyVault(secret) => secret.fmt(f),
            Self::VariableGroup(variable) => variable.fmt(f),
            Self::ServiceConnection(connection) => write!(f, "service connection {connection}"),
        }
    }
}

const EXAMPLES: &str = "lines such as `keyVault: contoso-kv/nuget-pat`, `variableGroup: Prod secrets/NUGET_PAT` or `serviceConnection: contoso-feed`";

/// Reads the lines; what is wrong with them comes beside what is right. The pipeline's own project, by these names,
/// goes without saying.
pub(super) fn read(lines: &str, own_project: &[String]) -> (Vec<Destination>, Vec<String>) {
    let (mut destinations, mut faults) = (Vec::<Destination>::new(), Vec::new());
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match parse(line).map(|new| new.in_own_project(own_project)) {
            Ok(new) => match destinations.iter().find(|known| known.clashes(&new)) {
                Some(known) => faults.push(format!("each place once: {new} and {known} write to the same")),
                None => destinations.push(new),
            },
            Err(fault) => faults.push(fault),
        }
    }
    (destinations, faults)
}

fn parse(line: &str) -> Result<Destination, String> {
    if line.split([':', '/', ' ']).any(is_like_a_secret) {
        return Err(format!("{EXAMPLES}: one line holds what looks like a secret"));
    }
    let (kind, place) = line.split_once(':').unwrap_or((line, ""));
    let place = place.trim();
    match kind.trim().to_ascii_lowercase().as_str() {
        "keyvault" if place.contains("://") => VaultSecret::parse(place).map(Destination::KeyVault),
        "keyvault" => {
            let (vault, name) = place.split_once('/').unwrap_or((place, ""));
            let is_vault = !vault.is_empty() && vault.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            if !is_vault || name.is_empty() {
                return Err(format!("{EXAMPLES}: {} names no vault and secret", quoted(line)));
            }
            VaultSecret::parse(&format!("https://{vault}.vault.azure.net/secrets/{name}")).map(Destination::KeyVault)
        }
        "variablegroup" => match &parts(place)[..] {
            [group, variable] => group_variable(None, group, variable),
            [project, group, variable] => group_variable(Some(project), group, variable),
            _ => Err(format!("{EXAMPLES}: {} names no group and variable; write `/` in a name as `%2F`", quoted(line))),
        },
        "serviceconnection" => match &parts(place)[..] {
            [name] => Ok(Destination::ServiceConnection(Named { project: None, name: name.clone() })),
            [project, name] => {
                Ok(Destination::ServiceConnection(Named { project: Some(project.clone()), name: name.clone() }))
            }
            _ => Err(format!("{EXAMPLES}: {} names no connection; write `/` in a name as `%2F`", quoted(line))),
        },
        "https" | "http" => VaultSecret::parse(line).map(Destination::KeyVault),
        _ => Err(format!("{EXAMPLES}: {} is of no known kind", quoted(line))),
    }
}

fn group_variable(project: Option<&String>, group: &str, variable: &str) -> Result<Destination, String> {
    let is_name = variable.chars().all(|c| c.is_alphanumeric() || "._-".contains(c));
    if !is_name {
        return Err(format!("a variable's name of letters, digits, `.`, `_` and `-`: {} is none", quoted(variable)));
    }
    let group = Named { project: project.cloned(), name: group.to_owned() };
    Ok(Destination::VariableGroup(GroupVariable { group, variable: variable.to_owned() }))
}

/// The names between the slashes; nothing where one is empty.
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
            ("variableGroup: Prod secrets/NUGET_PAT", "variable \"NUGET_PAT\" in variable group \"Prod secrets\""),
            ("variableGroup: Web/Prod/PAT", "variable \"PAT\" in variable group \"Prod\" of project \"Web\""),
            ("variableGroup: a%2Fb/PAT", "variable \"PAT\" in variable group \"a/b\""),
            ("serviceConnection: contoso-feed", "service connection \"contoso-feed\""),
            ("serviceConnection: Web/a%2fb", "service connection \"a/b\" of project \"Web\""),
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
