//! Where the new value goes, one file a kind.

pub(crate) mod service_connections;
pub(crate) mod several;
pub(crate) mod variable_groups;
pub(crate) mod vault;
pub(crate) mod vault_unanswered;
