//! The destinations that can store a secret value.

use std::fmt;

use crate::model::text::quoted;
use crate::model::vault_secret::VaultSecret;

/// A place that gets the new value, besides the job's variable.
#[derive(Clone, PartialEq, Debug)]
pub enum Destination {
    /// A secret in Azure Key Vault.
    KeyVault(VaultSecret),
    /// A secret variable of a variable group.
    VariableGroup(GroupVariable),
    /// The parameter of a service connection that holds a personal access token.
    ServiceConnection(Connection),
}

/// A service connection, and the host that its line allows besides Azure DevOps.
#[derive(Clone, PartialEq, Debug)]
pub struct Connection {
    pub named: Named,
    /// The host, with its port unless that is the usual one.
    pub host: Option<String>,
}

/// A named object of a project.
#[derive(Clone, Debug)]
pub struct Named {
    /// `None` means the pipeline's own project.
    pub project: Option<String>,
    pub name: String,
}

/// A variable of a variable group.
#[derive(Clone, PartialEq, Debug)]
pub struct GroupVariable {
    pub group: Named,
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
    pub fn in_own_project(mut self, own: &[String]) -> Self {
        let named = match &mut self {
            Self::VariableGroup(variable) => &mut variable.group,
            Self::ServiceConnection(connection) => &mut connection.named,
            Self::KeyVault(_) => return self,
        };
        named.project = named.project.take().filter(|project| !own.contains(&project.to_lowercase()));
        self
    }

    /// Whether one write would overwrite the other.
    pub fn clashes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::VariableGroup(a), Self::VariableGroup(b)) => {
                a.group == b.group && a.written().iter().any(|name| b.written().contains(name))
            }
            (Self::ServiceConnection(a), Self::ServiceConnection(b)) => a.named == b.named,
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
            Self::ServiceConnection(connection) => write!(f, "service connection {}", connection.named),
        }
    }
}

/// Where a refresh token is kept.
#[derive(Clone, PartialEq, Debug)]
pub enum Store {
    /// A secret in Azure Key Vault.
    Vault(VaultSecret),
    /// A secret variable of a variable group.
    Group(GroupVariable),
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault(secret) => secret.fmt(f),
            Self::Group(variable) => variable.fmt(f),
        }
    }
}
