//! Sends requests and classifies the responses. The only folder that names the HTTP client and the TLS library.

mod client;
mod connect;
pub mod private_key;
pub mod rate_limit;
mod reason;
mod request;
mod response;
mod tls;

pub use reqwest::Method;

pub use self::client::Http;
pub use self::request::{Auth, Body, Call};
pub use self::response::{Reply, rest_asked_for, word};
pub use self::tls::Files;
