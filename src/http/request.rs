//! A request as a value: where it goes, who it speaks for and what it carries.

use reqwest::Method;
use serde_json::Value;
use url::Url;

use crate::model::api_error::Service;
use crate::model::secret::Secret;

/// Who a request speaks for.
#[derive(Clone, Copy, Debug)]
pub enum Auth<'a> {
    /// Nobody.
    Nobody,
    /// A bearer token.
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
    /// Nothing.
    Empty,
    /// Nothing, declared as JSON.
    EmptyJson,
    /// A JSON text; secret, as it may hold one.
    Json(Secret),
    /// A form; secret, as it may hold one.
    Form(Secret),
}

impl Body {
    /// A JSON body.
    pub fn json(value: &Value) -> Self {
        Self::Json(Secret::new(value.to_string()))
    }

    /// A form body.
    pub fn form(fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        Self::Form(Secret::new(form.finish()))
    }
}

/// One request.
#[derive(Debug)]
pub struct Call<'a> {
    /// Where it goes.
    pub service: Service,
    /// Its verb.
    pub method: Method,
    /// Its address.
    pub url: Url,
    /// Who it speaks for.
    pub auth: Auth<'a>,
    /// What it carries.
    pub body: Body,
    /// Whether the answer may hold a new secret, so that no word of it is ever quoted.
    pub sensitive_response: bool,
    /// Whether a definite no is an answer like any other, because its headers tell something.
    pub accept_any_status: bool,
}

impl<'a> Call<'a> {
    /// A read.
    pub fn get(service: Service, url: Url, auth: Auth<'a>) -> Self {
        Self::new(service, Method::GET, url, auth, Body::Empty)
    }

    /// Something else.
    pub fn new(service: Service, method: Method, url: Url, auth: Auth<'a>, body: Body) -> Self {
        Self { service, method, url, auth, body, sensitive_response: false, accept_any_status: false }
    }
}
