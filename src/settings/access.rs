//! The organization, the sign-in and the pipeline: the settings that every command has.

use std::path::PathBuf;

use url::Url;

use crate::model::destination::Store;
use crate::model::organization::Organization;
use crate::model::secret::Secret;
use crate::model::service_connection::ServiceConnection;
use crate::model::user::UserName;
use crate::model::vault_secret::VaultSecret;

/// The settings that every command has.
#[derive(Clone, Debug)]
pub struct Access {
    /// The organization that the personal access tokens belong to.
    pub organization: Organization,
    pub source: Source,
    pub purpose: Purpose,
    pub connection: Option<ServiceConnection>,
    /// Writes variable groups and service connections.
    pub azure_devops_connection: Option<ServiceConnection>,
    /// The client id of the app that the user signed in with; `None` means the connection's app.
    pub client: Option<String>,
    /// The user's tenant id; `None` means it is discovered.
    pub tenant: Option<String>,
    /// The expected user, if `userName` is set.
    pub user: Option<UserName>,
    pub requested_scopes: Option<String>,
    pub pipeline: Pipeline,
}

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// List, create, change and revoke the user's own tokens.
    Rotation,
    /// List the user's own tokens.
    OwnReport,
    /// List the tokens of all users.
    OrganizationReport,
}

impl Purpose {
    /// The scopes that its API requires, as documented.
    pub fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Rotation => &["vso.pats", "vso.pats_manage"],
            Self::OwnReport => &["vso.pats"],
            Self::OrganizationReport => &["vso.graph", "vso.tokenadministration"],
        }
    }
}

/// The pipeline this is a step of.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Not necessarily the organization of the token.
    pub organization: Organization,
    /// The project's id.
    pub project: String,
    pub job_token: Option<Secret>,
    /// The URL that issues the job's OIDC tokens.
    pub oidc: Option<Url>,
    /// The agent's version.
    pub agent: Option<String>,
    /// The version of Node that started the program.
    pub node: Option<String>,
    /// The agent's, cleared after the job.
    pub temporary_folder: Option<PathBuf>,
}

/// Where the token that acts for a user comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// An earlier step got the token.
    AccessToken(Secret),
    /// A refresh token in a vault.
    RefreshTokenSecret(VaultSecret),
    /// A refresh token from a variable of the job, and where a newer refresh token is stored.
    RefreshToken(Secret, Option<Store>),
    /// An agent user of Microsoft Entra Agent ID, by the client id of its agent identity.
    AgentUser(String),
    /// A user's password.
    Password(Secret),
    /// The service connection itself: the server decides.
    Connection,
    /// A person signs in now: the command `signIn`.
    Person,
}
