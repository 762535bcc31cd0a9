//! A request as a value: where it goes, who it speaks for and what it carries.

use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::model::api_error::Service;
use crate::model::secret::Secret;

/// Who a request speaks for.
#[derive(Clone, Copy, Debug)]
pub enum Auth<'a> {
    Nobody,
    Bearer(&'a Secret),
    /// A personal access token, as the password of an empty user name.
    Pat(&'a Secret),
    /// A program on this virtual machine.
    Metadata,
    /// A program in this App Service, which alone knows this value.
    AppService(&'a Secret),
}

/// What a request carries.
#[derive(Debug)]
pub enum Body {
    Empty,
    /// Nothing, declared as JSON.
    EmptyJson,
    /// A JSON text; secret, as it may hold one.
    Json(Secret),
    /// A form; secret, as it may hold one.
    Form(Secret),
}

impl Body {
    pub fn json(value: &Value) -> Self {
        Self::Json(Secret::new(value.to_string()))
    }

    pub fn form(fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        Self::Form(Secret::new(form.finish()))
    }
}

#[derive(Debug)]
pub struct Call<'a> {
    pub service: Service,
    pub method: Method,
    pub url: Url,
    pub auth: Auth<'a>,
    pub body: Body,
    /// Whether the response may contain a new secret, so that it is never quoted.
    pub sensitive_response: bool,
    /// Whether a refusal is returned like any other response, because its headers are needed.
    pub accept_any_status: bool,
}

impl<'a> Call<'a> {
    pub fn get(service: Service, url: Url, auth: Auth<'a>) -> Self {
        Self::new(service, Method::GET, url, auth, Body::Empty)
    }

    pub fn new(service: Service, method: Method, url: Url, auth: Auth<'a>, body: Body) -> Self {
        Self { service, method, url, auth, body, sensitive_response: false, accept_any_status: false }
    }
}
