//! A service connection that signs in to Entra, as the agent hands it over.

use url::Url;

use crate::model::certificate::Certificate;
use crate::model::secret::Secret;

/// A service connection that this program can sign in with.
#[derive(Clone, Debug)]
pub struct ServiceConnection {
    pub id: String,
    /// The login host of its cloud.
    pub authority: Url,
    pub scheme: Scheme,
}

/// How a service connection authenticates.
#[derive(Clone, Debug)]
pub enum Scheme {
    /// An app, registered in a tenant.
    App { tenant: String, client: String, proof: Proof },
    /// The managed identity of the agent's machine. Users cannot sign in to it as an app.
    ManagedIdentity {
        endpoint: IdentityEndpoint,
        /// The client id of a user-assigned identity; `None` means the system-assigned identity.
        client: Option<String>,
    },
}

/// An app's credential.
#[derive(Clone, Debug)]
pub enum Proof {
    /// Workload identity federation: the pipeline asks for an assertion each time.
    WorkloadIdentityFederation,
    /// A client secret, stored in the connection.
    Secret(Secret),
    /// A certificate with its key, stored in the connection.
    Certificate(Certificate),
}

/// Where a machine issues tokens for its managed identity. Reached without a proxy.
#[derive(Clone, Debug)]
pub enum IdentityEndpoint {
    /// The metadata service of a virtual machine.
    Metadata(Url),
    /// App Service and similar, with the header that proves that the caller runs there.
    AppService(Url, Secret),
}

impl ServiceConnection {
    /// The tenant and client id of its app. `None` for a managed identity, to which users cannot sign in.
    pub fn app(&self) -> Option<(&str, &str)> {
        match &self.scheme {
            Scheme::App { tenant, client, .. } => Some((tenant, client)),
            Scheme::ManagedIdentity { .. } => None,
        }
    }
}
