//! Where to work and as whom: what every command is told.

use url::Url;

use crate::model::destination::Store;
use crate::model::organization::Organization;
use crate::model::secret::Secret;
use crate::model::service_connection::ServiceConnection;
use crate::model::user::UserName;
use crate::model::vault_secret::VaultSecret;

/// Where to work, and as whom: what every command is told.
#[derive(Debug)]
pub struct Access {
    /// The organization that the personal access tokens belong to.
    pub organization: Organization,
    /// How to get a token that acts for the user.
    pub source: Source,
    /// What the token is for.
    pub purpose: Purpose,
    /// The connection that signs in, where one is given.
    pub connection: Option<ServiceConnection>,
    /// The connection that writes variable groups and service connections, where one is given.
    pub azure_devops_connection: Option<ServiceConnection>,
    /// The client that the user signed in with, where it is not told otherwise.
    pub client: Option<String>,
    /// The tenant of the user, where it is not to be discovered.
    pub tenant: Option<String>,
    /// Who the user must be, where that is told.
    pub user: Option<UserName>,
    /// The scopes to ask for.
    pub requested_scopes: Option<String>,
    /// The pipeline this is a step of.
    pub pipeline: Pipeline,
}

/// What a token is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To list, make, change and revoke the user's own tokens.
    Rotation,
    /// To list them.
    OwnReport,
    /// To list everybody's.
    OrganizationReport,
}

impl Purpose {
    /// The scopes that it takes. Documented, one API each.
    pub fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Rotation => &["vso.pats", "vso.pats_manage"],
            Self::OwnReport => &["vso.pats"],
            Self::OrganizationReport => &["vso.graph", "vso.tokenadministration"],
        }
    }
}

/// The pipeline this is a step of.
#[derive(Debug)]
pub struct Pipeline {
    /// Its organization, which need not be the token's.
    pub organization: Organization,
    /// The id of its project.
    pub project: String,
    /// The job's own token.
    pub job_token: Option<Secret>,
    /// Where the job asks for OIDC tokens.
    pub oidc: Option<Url>,
}

/// Where the token that acts for a user comes from.
#[derive(Debug)]
pub enum Source {
    /// An earlier step made it.
    AccessToken(Secret),
    /// A refresh token, kept in a vault.
    RefreshTokenSecret(VaultSecret),
    /// A refresh token that the job was given, and where the newer one goes.
    RefreshToken(Secret, Option<Store>),
    /// An agent user of Microsoft Entra Agent ID, by the client id of its agent identity.
    AgentUser(String),
    /// A user's password.
    Password(Secret),
    /// The service connection itself: the server decides.
    Connection,
    /// A person, who signs in now: the command `signIn`.
    Person,
}
