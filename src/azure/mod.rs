//! The services, one file each: what is asked of them and what their answers mean. Only this folder names the HTTP
//! client. What depends on facts that no document states is marked there, with where the fact is from.

pub mod answer;
pub mod builds;
pub mod connection_data;
pub mod entra;
pub mod graph;
pub mod http;
pub mod key_vault;
pub mod managed_identity;
pub mod oidc;
pub mod pats;
pub mod service_endpoints;
pub mod tls;
pub mod token_admin;
mod transport;
pub mod variable_groups;
