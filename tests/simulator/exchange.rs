//! One request and what came of it, in a form that is the same in every run: no port, no ids, no secrets.

use std::fmt;

/// What a request wants, as faults and tests name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// List the caller's PATs.
    ListPats,
    /// Get one of them.
    GetPat,
    /// Create one.
    CreatePat,
    /// Rename, shorten or otherwise change one.
    UpdatePat,
    /// Revoke one.
    RevokePat,
    /// Who am I, asked with a bearer token.
    ConnectionDataAsUser,
    /// Who am I, asked with a PAT.
    ConnectionDataAsPat,
    /// Which projects are there, asked with a PAT.
    ListProjects,
    /// Which tenant is this, asked by nobody.
    DiscoverTenant,
    /// Is that run still alive.
    GetBuild,
    /// Find variable groups by name.
    ListGroups,
    /// Read one of them.
    GetGroup,
    /// Write all of one.
    UpdateGroup,
    /// Find service connections by name.
    ListEndpoints,
    /// Read one of them.
    GetEndpoint,
    /// Write all of one.
    UpdateEndpoint,
    /// May the caller do that.
    HasPermission,
    /// List the users of the organization.
    ListUsers,
    /// List the PATs of one of them, as an administrator.
    ListPatsOfUser,
    /// A token of the job for a service connection.
    OidcToken,
    /// An app's own access token.
    TokenClientCredentials,
    /// A managed identity's access token, from the machine's metadata.
    ManagedIdentity,
    /// A managed identity's access token, from the App Service's endpoint.
    AppServiceIdentity,
    /// A user's access token for a refresh token.
    TokenRefresh,
    /// A user's access token for name and password.
    TokenPassword,
    /// The start of a sign-in on another device.
    DeviceCode,
    /// A poll for a user's access token, while somebody signs in on another device.
    TokenDeviceCode,
    /// Show the sign-in page.
    Authorize,
    /// What a person did on the sign-in page.
    SignIn,
    /// A user's access token for the code that a browser brought.
    TokenAuthorizationCode,
    /// A blueprint's token for one of its agent identities: the first of three exchanges.
    TokenBlueprint,
    /// An agent identity's own token, for the blueprint's: the second.
    TokenAgentIdentity,
    /// A user's access token for both: the third.
    TokenAgentUser,
    /// Read a vault secret.
    VaultRead,
    /// Write a new version.
    VaultWrite,
    /// Change a version's attributes or tags.
    VaultUpdate,
    /// List a secret's versions.
    VaultVersions,
    /// Which routes an organization has.
    FindRoutes,
    /// At which address each area is.
    FindAreas,
    /// What the endpoints of a tenant are.
    FindEndpoints,
    /// Which names the cloud has.
    FindCloud,
    /// Anything else: also what the simulator doesn't know.
    Other,
}

impl Op {
    /// Whether it is a request to Entra's token endpoint.
    pub fn is_token(self) -> bool {
        matches!(
            self,
            Self::TokenClientCredentials
                | Self::TokenRefresh
                | Self::TokenPassword
                | Self::TokenDeviceCode
                | Self::TokenAuthorizationCode
                | Self::TokenBlueprint
                | Self::TokenAgentIdentity
                | Self::TokenAgentUser
        )
    }
}

/// Who sent a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// No credentials.
    Nobody,
    /// A user's access token.
    User(String),
    /// An app's own access token.
    App(String),
    /// A PAT, by number.
    Pat(u64),
    /// The job's token.
    JobToken,
    /// A client of the token endpoint, by the app's name.
    Client(String),
    /// Credentials that this world never issued.
    Unknown,
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("nobody"),
            Self::User(name) => write!(f, "{name} (user token)"),
            Self::App(name) => write!(f, "{name} (app token)"),
            Self::Pat(number) => write!(f, "PAT #{number}"),
            Self::JobToken => f.write_str("job token"),
            Self::Client(name) => write!(f, "client {name}"),
            Self::Unknown => f.write_str("unknown credentials"),
        }
    }
}

/// One request and what came of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its number since the start or the last `clear_transcript`, from 1.
    pub number: usize,
    /// What it wanted.
    pub op: Op,
    /// The HTTP method.
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// Path and query with names in the place of ids.
    pub target: String,
    /// Who sent it.
    pub caller: Caller,
    /// `Content-Type` as sent.
    pub content_type: Option<String>,
    /// Whether it said how long its body is.
    pub has_length: bool,
    /// What the body said, without secrets.
    pub summary: String,
    /// The status answered; none when the client got no answer.
    pub status: Option<u16>,
    /// Whether the world was asked at all.
    pub handled: bool,
    /// The faults applied.
    pub fault: Option<String>,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} as {}", self.method, self.target, self.caller)?;
        if !self.summary.is_empty() {
            write!(f, " [{}]", self.summary)?;
        }
        match self.status {
            Some(status) => write!(f, " -> {status}")?,
            None => f.write_str(" -> no answer")?,
        }
        match &self.fault {
            Some(fault) => write!(f, " (fault: {fault})"),
            None => Ok(()),
        }
    }
}
