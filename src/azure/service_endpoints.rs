//! Service connections that hold a personal access token: found by name in a project, written as a whole at the level
//! of the organization.
//! <https://learn.microsoft.com/rest/api/azure/devops/serviceendpoint/endpoints>
//!
//! Not documented: whether a secret that is left out of a write is kept. So the new one is always sent, and a
//! connection with a second secret is never written.

use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::http::{Auth, Body, Call, Http, Method};
use crate::model::address::segment;
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::organization::Organization;
use crate::model::secret::Secret;

const API_VERSION: &str = "7.1";

/// Types that hold a personal access token. The first four are seen in code (the Terraform provider); the names of the
/// feeds are from memory, and each connection is read before it is written.
const TYPES: [&str; 9] = [
    "externaltfs",
    "azdoapi",
    "generic",
    "git",
    "externalnugetfeed",
    "externalnpmregistry",
    "externalmavenrepository",
    "mavenrepo",
    "externalpythonupload",
];

/// A service connection as read: every field, known or not, to be sent back as it is.
#[derive(Clone, Debug)]
pub struct Endpoint(Value);

impl Endpoint {
    /// Its id.
    pub fn id(&self) -> Option<&str> {
        let id = self.0["id"].as_str()?;
        crate::model::pat::AuthorizationId::parse(id).map(|_| id)
    }

    /// The parameter that holds the personal access token.
    ///
    /// # Errors
    /// Why it holds none, or cannot be written without losing something.
    pub fn parameter(&self) -> Result<&'static str, String> {
        let kind = self.0["type"].as_str().unwrap_or_default();
        let is_known = |known: &&str| kind.to_ascii_lowercase().starts_with(*known);
        if !TYPES.iter().any(is_known) {
            return Err(format!(
                "is of the type {}, which holds no personal access token",
                crate::model::text::quoted(kind)
            ));
        }
        let scheme = self.0["authorization"]["scheme"].as_str().unwrap_or_default();
        let parameter = match scheme.to_ascii_lowercase().as_str() {
            "token" => "apitoken",
            "usernamepassword" => "password",
            _ => {
                let scheme = crate::model::text::quoted(scheme);
                return Err(format!("has the authorization scheme {scheme}, which holds no personal access token"));
            }
        };
        let parameters = &self.0["authorization"]["parameters"];
        if !parameters.is_object() && !parameters.is_null() {
            return Err("has parameters that cannot be read".to_owned());
        }
        let parameters = parameters.as_object();
        let unknown = parameters
            .into_iter()
            .flatten()
            .find(|(name, value)| value.is_null() && !name.eq_ignore_ascii_case(parameter));
        match unknown {
            Some((name, _)) => Err(format!(
                "has a second secret, {}, which a write could lose as it cannot be read",
                crate::model::text::quoted(name)
            )),
            None => Ok(parameter),
        }
    }

    /// The projects that it is shared with, by name.
    pub fn projects(&self) -> Vec<&str> {
        let references = self.0["serviceEndpointProjectReferences"].as_array();
        references.into_iter().flatten().filter_map(|r| r["projectReference"]["name"].as_str()).collect()
    }

    /// The connection with this value in its parameter and everything else as it is.
    fn with(&self, parameter: &str, value: &Secret) -> Value {
        let mut body = self.0.clone();
        let parameters = &mut body["authorization"]["parameters"];
        let known = parameters.as_object().into_iter().flatten().map(|(name, _)| name.clone());
        let name = known.into_iter().find(|name| name.eq_ignore_ascii_case(parameter)).unwrap_or(parameter.to_owned());
        parameters[name.as_str()] = Value::String(value.reveal().to_owned());
        body
    }

    /// The first field that differs from what was read before, but for the secret and what the service itself moves.
    pub fn strayed(&self, now: &Self, parameter: &str) -> Option<String> {
        let own = ["operationStatus", "isReady", "modifiedBy", "modificationDate", "authorization"];
        let (was, is) = (self.0.as_object()?, now.0.as_object()?);
        let differs = was.iter().find(|(name, value)| !own.contains(&name.as_str()) && is.get(*name) != Some(*value));
        if let Some((name, _)) = differs {
            return Some(crate::model::text::quoted(name));
        }
        let plain = |endpoint: &Value| {
            let mut authorization = endpoint["authorization"].clone();
            if let Some(parameters) = authorization["parameters"].as_object_mut() {
                parameters.retain(|name, _| !name.eq_ignore_ascii_case(parameter));
            }
            // One without any may be shown as none, as `null` or as empty.
            if authorization["parameters"].as_object().is_some_and(Map::is_empty) {
                authorization["parameters"] = Value::Null;
            }
            authorization
        };
        (plain(&self.0) != plain(&now.0)).then(|| "\"authorization\"".to_owned())
    }
}

/// Who asks, and where.
#[derive(Clone, Copy)]
pub struct Endpoints<'a> {
    /// How to send.
    pub http: &'a Http,
    /// The pipeline's organization.
    pub organization: &'a Organization,
    /// For whom.
    pub token: &'a Secret,
}

impl Endpoints<'_> {
    /// The connection of this name in a project, with every parameter; `None` when the caller sees none.
    ///
    /// # Errors
    /// What became of the request; a project that the caller does not see is a 404.
    pub async fn find(&self, project: &str, name: &str) -> Result<Option<Endpoint>, CallError> {
        #[derive(Deserialize)]
        struct Found {
            value: Vec<Map<String, Value>>,
        }
        let mut url = self.organization.core(&format!("{}/_apis/serviceendpoint/endpoints", segment(project)));
        // Several names are separated by commas, so one with a comma is looked for among all.
        if !name.contains(',') {
            url.query_pairs_mut().append_pair("endpointNames", name);
        }
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        let found: Found = self.send(url).await?.json()?;
        let is_it = |endpoint: &Map<String, Value>| {
            endpoint.get("name").and_then(Value::as_str).is_some_and(|known| known.eq_ignore_ascii_case(name))
        };
        let Some(listed) = found.value.into_iter().find(is_it).map(|endpoint| Endpoint(Value::Object(endpoint))) else {
            return Ok(None);
        };
        // The list leaves out which parameters are secret; the connection itself shows them as `null`.
        let Some(id) = listed.id() else { return Ok(Some(listed)) };
        self.read(project, id).await
    }

    /// The connection with this id as it is now, with every parameter; `None` when the caller sees none.
    ///
    /// # Errors
    /// What became of the request.
    pub async fn read(&self, project: &str, id: &str) -> Result<Option<Endpoint>, CallError> {
        let path = format!("{}/_apis/serviceendpoint/endpoints/{}", segment(project), segment(id));
        let mut url = self.organization.core(&path);
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        let whole: Value = self.send(url).await?.json()?;
        Ok(whole.is_object().then_some(Endpoint(whole)))
    }

    /// Writes the connection as it was read, with this value in its parameter. Repeated as need be: it sets a value.
    ///
    /// # Errors
    /// What became of the request.
    pub async fn write(&self, endpoint: &Endpoint, id: &str, parameter: &str, value: &Secret) -> Result<(), CallError> {
        let mut url = self.organization.core(&format!("_apis/serviceendpoint/endpoints/{}", segment(id)));
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        let body = Body::json(&endpoint.with(parameter, value));
        let call = Call::new(Service::AzureDevOps, Method::PUT, url, Auth::Bearer(self.token), body);
        let answer = self.http.send_with_retry(&Call { sensitive_response: true, ..call }).await?.json::<Value>()?;
        if answer["id"].as_str().is_some_and(|answered| answered.eq_ignore_ascii_case(id)) {
            return Ok(());
        }
        let seen = "something that is not the service connection".to_owned();
        Err(CallError::new(Service::AzureDevOps, Kind::Unreadable { status: 200, seen }))
    }

    async fn send(&self, url: Url) -> Result<crate::http::Reply, CallError> {
        self.http.send_with_retry(&Call::get(Service::AzureDevOps, url, Auth::Bearer(self.token))).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn connection(authorization: Value) -> Endpoint {
        Endpoint(json!({"id": "1", "type": "externaltfs", "authorization": authorization}))
    }

    #[test]
    fn parameters_that_are_empty_or_absent_are_the_same_before_and_after_a_write() {
        let without = [json!({"scheme": "Token"}), json!({"scheme": "Token", "parameters": null})];
        let empty = [json!({"scheme": "Token", "parameters": {}})];
        let written = [json!({"scheme": "Token", "parameters": {"apitoken": null}})];
        let all: Vec<Endpoint> = without.into_iter().chain(empty).chain(written).map(connection).collect();
        for before in &all {
            for after in &all {
                assert_eq!(before.strayed(after, "apitoken"), None, "{before:?} {after:?}");
            }
        }
        let other = connection(json!({"scheme": "Token", "parameters": {"apitoken": null, "username": "x"}}));
        for known in &all {
            assert_eq!(known.strayed(&other, "apitoken").as_deref(), Some("\"authorization\""), "{known:?}");
            assert_eq!(other.strayed(known, "apitoken").as_deref(), Some("\"authorization\""), "{known:?}");
        }
    }
}
