//! A service connection that signs in to Entra, as the agent hands it over.

use url::Url;

use crate::model::certificate::Certificate;
use crate::model::secret::Secret;

/// A service connection that this program can sign in with.
#[derive(Debug)]
pub struct ServiceConnection {
    /// Its id.
    pub id: String,
    /// The login host of its cloud.
    pub authority: Url,
    /// How it proves what it is.
    pub scheme: Scheme,
}

/// How a service connection proves what it is.
#[derive(Debug)]
pub enum Scheme {
    /// An app, registered in a tenant.
    App {
        /// The tenant's id.
        tenant: String,
        /// The app's client id.
        client: String,
        /// What the app proves itself with.
        proof: Proof,
    },
    /// The managed identity of the machine that the agent runs on, which no sign-in can name as its app.
    ManagedIdentity {
        /// Where the machine hands out tokens.
        endpoint: IdentityEndpoint,
        /// The client id of a user-assigned one; the machine's own where none is named.
        client: Option<String>,
    },
}

/// What an app proves itself with.
#[derive(Debug)]
pub enum Proof {
    /// Workload identity federation: the pipeline asks for an assertion each time.
    WorkloadIdentityFederation,
    /// A client secret, stored in the connection.
    Secret(Secret),
    /// A certificate with its key, stored in the connection.
    Certificate(Certificate),
}

/// Where a machine hands out tokens of its managed identity. Reached without a proxy.
#[derive(Debug)]
pub enum IdentityEndpoint {
    /// The metadata service of a virtual machine.
    Metadata(Url),
    /// App Service and its like, with the header that proves that the caller runs there.
    AppService(Url, Secret),
}

impl ServiceConnection {
    /// Its app: its tenant and client id. A managed identity is none that a user can sign in to.
    pub fn app(&self) -> Option<(&str, &str)> {
        match &self.scheme {
            Scheme::App { tenant, client, .. } => Some((tenant, client)),
            Scheme::ManagedIdentity { .. } => None,
        }
    }
}
