//! The basic types of the program. They import only each other.

pub mod address;
pub mod api_error;
pub mod certificate;
pub mod cloud;
pub mod destination;
pub mod effect;
pub mod html;
pub mod inventory;
pub mod marker;
pub mod organization;
pub mod pat;
pub mod redaction;
pub mod run_id;
pub mod scopes;
pub mod secret;
pub mod service_connection;
pub mod text;
pub mod timestamp;
pub mod user;
pub mod vault_secret;
