//! The services, one file each: what is asked of them and what their answers mean. What depends on facts that no document states is marked there, with where the fact is from.

pub mod builds;
pub mod connection_data;
pub mod entra;
pub mod graph;
pub mod key_vault;
pub mod managed_identity;
pub mod oidc;
pub mod pats;
pub mod service_endpoints;
pub mod token_admin;
pub mod variable_groups;
