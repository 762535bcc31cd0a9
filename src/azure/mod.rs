//! The services, one file each: requests and responses. Undocumented facts are marked there with their source.

pub mod builds;
pub mod connection_data;
pub mod entra;
pub mod graph;
pub mod key_vault;
pub mod managed_identity;
pub mod oidc;
pub mod pats;
pub mod permissions;
pub mod projects;
pub mod service_endpoints;
pub mod token_admin;
pub mod variable_groups;
