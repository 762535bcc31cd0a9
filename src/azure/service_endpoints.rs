//! Service connections that hold a personal access token: found by name in a project, written as a whole at the level
//! of the organization.
//! <https://learn.microsoft.com/rest/api/azure/devops/serviceendpoint/endpoints>
//!
//! docs/assumptions.md: A secret that is left out of a connection's write may be lost.
//! So the new one is always sent, and a connection with a second secret is never written.
//!
//! Which connections hold a personal access token is decided by how they sign in, not by their type: the in-box tasks
//! that authenticate to feeds (`NuGetAuthenticate`, `npmAuthenticate`, `MavenAuthenticate`, `PipAuthenticate`,
//! `TwineAuthenticate`, `CargoAuthenticate`, `UniversalPackages`) have a type each, and extensions bring their own.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use crate::http::{Auth, Body, Call, Http, Method};
use crate::model::address::segment;
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::organization::Organization;
use crate::model::secret::Secret;

const API_VERSION: &str = "7.1";

/// A service connection as read: every field, known or not, to be sent back as it is.
#[derive(Clone, Debug)]
pub struct Endpoint(Value);

impl Endpoint {
    pub fn id(&self) -> Option<&str> {
        let id = self.0["id"].as_str()?;
        crate::model::pat::AuthorizationId::parse(id).map(|_| id)
    }

    /// Whether nobody can use it. The service does so by itself with one that was not used for 100 days (documented).
    pub fn is_disabled(&self) -> bool {
        self.0["isDisabled"] == true
    }

    /// The parameter that holds the personal access token.
    ///
    /// # Errors
    /// Why it holds none, or cannot be written without losing something.
    pub fn parameter(&self) -> Result<&'static str, String> {
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
                "has a second secret, {}, which cannot be read and which a write may lose",
                crate::model::text::quoted(name)
            )),
            None => Ok(parameter),
        }
    }

    fn references(&self) -> impl Iterator<Item = &Value> {
        self.0["serviceEndpointProjectReferences"].as_array().into_iter().flatten()
    }

    /// The projects that it is shared with, by name.
    pub fn projects(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.references().filter_map(|r| r["projectReference"]["name"].as_str()).collect();
        names.sort_unstable();
        names
    }

    /// What it is called in a project, which is named by its name or id. A shared connection has a name of its own in
    /// each project.
    fn name_in(&self, project: &str) -> Option<&str> {
        let is_it = |known: &Value| known.as_str().is_some_and(|known| known.eq_ignore_ascii_case(project));
        let of_project = |r: &&Value| is_it(&r["projectReference"]["name"]) || is_it(&r["projectReference"]["id"]);
        self.references().find(of_project)?["name"].as_str()
    }

    /// The id of one of its projects, which is named by its name or id.
    pub fn project_id(&self, project: &str) -> Option<&str> {
        let is_it = |known: &Value| known.as_str().is_some_and(|known| known.eq_ignore_ascii_case(project));
        let mut projects = self.references().map(|reference| &reference["projectReference"]);
        projects.find(|known| is_it(&known["id"]) || is_it(&known["name"]))?["id"].as_str()
    }

    /// Every address that it leads to, by the field that holds it: its own, and those among the data of its type.
    pub fn addresses(&self) -> Vec<(&str, &str)> {
        let is_address = |text: &str| {
            let text = text.trim_start().to_ascii_lowercase();
            text.starts_with("http:") || text.starts_with("https:")
        };
        let data = self.0["data"].as_object().into_iter().flatten();
        let data = data.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
        let own = [("url", self.0["url"].as_str().unwrap_or_default())];
        own.into_iter().chain(data.filter(|(_, text)| is_address(text))).collect()
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
        const REFERENCES: &str = "serviceEndpointProjectReferences";
        let own = ["operationStatus", "isReady", "modifiedBy", "modificationDate", "authorization", REFERENCES];
        let (was, is) = (self.0.as_object()?, now.0.as_object()?);
        let differs = |(name, value): &(&String, &Value)| {
            !own.contains(&name.as_str()) && is.get(*name).map(unordered) != Some(unordered(value))
        };
        if let Some((name, _)) = was.iter().find(differs) {
            return Some(crate::model::text::quoted(name));
        }
        let names = |endpoint: &Self| -> BTreeMap<String, Option<String>> {
            let id = |r: &Value| r["projectReference"]["id"].as_str().unwrap_or_default().to_ascii_lowercase();
            endpoint.references().map(|r| (id(r), r["name"].as_str().map(str::to_owned))).collect()
        };
        if names(self) != names(now) {
            return Some(crate::model::text::quoted(REFERENCES));
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
            unordered(&authorization)
        };
        (plain(&self.0) != plain(&now.0)).then(|| "\"authorization\"".to_owned())
    }
}

/// A value with its lists sorted: the service returns them in any order (terraform-provider-azuredevops#1248).
fn unordered(value: &Value) -> Value {
    match value {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(unordered).collect();
            items.sort_by_cached_key(Value::to_string);
            Value::Array(items)
        }
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), unordered(value))).collect(),
        _ => value.clone(),
    }
}

/// Who asks, and where.
#[derive(Clone, Copy)]
pub struct Endpoints<'a> {
    pub http: &'a Http,
    /// The pipeline's organization.
    pub organization: &'a Organization,
    pub token: &'a Secret,
}

impl Endpoints<'_> {
    /// The connection of this name in a project, with every parameter; `None` when the caller sees none.
    ///
    /// # Errors
    /// What became of the request; a project that the caller does not see is a 404.
    pub async fn find(&self, project: &str, name: &str) -> Result<Option<Endpoint>, CallError> {
        // Several names are separated by commas, so one with a comma is looked for among all.
        let mut found = if name.contains(',') { None } else { self.find_among(project, name, Some(name)).await? };
        // By which of its names the service filters a shared connection is not documented.
        if found.is_none() {
            found = self.find_among(project, name, None).await?;
        }
        let Some(listed) = found else { return Ok(None) };
        // The list leaves out which parameters are secret; the connection itself shows them as `null`.
        let Some(id) = listed.id() else { return Ok(Some(listed)) };
        self.read(project, id).await
    }

    async fn find_among(&self, project: &str, name: &str, filter: Option<&str>) -> Result<Option<Endpoint>, CallError> {
        #[derive(Deserialize)]
        struct Found {
            value: Vec<Map<String, Value>>,
        }
        let mut url = self.organization.core(&format!("{}/_apis/serviceendpoint/endpoints", segment(project)));
        if let Some(filter) = filter {
            url.query_pairs_mut().append_pair("endpointNames", filter);
        }
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        let found: Found = self.send(url).await?.json()?;
        let mut listed: Vec<Endpoint> = found.value.into_iter().map(|e| Endpoint(Value::Object(e))).collect();
        let is_it = |known: Option<&str>| known.is_some_and(|known| known.eq_ignore_ascii_case(name));
        let by_reference = listed.iter().position(|endpoint| is_it(endpoint.name_in(project)));
        let without_reference = |e: &Endpoint| e.name_in(project).is_none() && is_it(e.0["name"].as_str());
        let at = by_reference.or_else(|| listed.iter().position(without_reference));
        Ok(at.map(|at| listed.swap_remove(at)))
    }

    /// The connection with this id as it is now, with every parameter; `None` when the caller sees none.
    pub async fn read(&self, project: &str, id: &str) -> Result<Option<Endpoint>, CallError> {
        let path = format!("{}/_apis/serviceendpoint/endpoints/{}", segment(project), segment(id));
        let mut url = self.organization.core(&path);
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        let whole: Value = self.send(url).await?.json()?;
        Ok(whole.is_object().then_some(Endpoint(whole)))
    }

    /// Writes the connection as it was read, with this value in its parameter. Repeated as need be: it sets a value.
    pub async fn write(&self, endpoint: &Endpoint, id: &str, parameter: &str, value: &Secret) -> Result<(), CallError> {
        let mut url = self.organization.core(&format!("_apis/serviceendpoint/endpoints/{}", segment(id)));
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        let body = Body::json(&endpoint.with(parameter, value));
        let call = Call::new(Service::AzureDevOps, Method::PUT, url, Auth::Bearer(self.token), body);
        let answer = self.http.send_with_retry(&call).await?.json::<Value>()?;
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
    fn lists_are_compared_without_their_order_and_references_by_project() {
        let reference = |id: &str, name: &str| json!({"projectReference": {"id": id, "name": name}, "name": name});
        let shared = |references: Value, tags: Value| {
            Endpoint(json!({"id": "1", "serviceEndpointProjectReferences": references, "data": {"tags": tags}}))
        };
        let before = shared(json!([reference("A", "x"), reference("b", "y")]), json!([1, 2]));
        let after = shared(json!([reference("b", "y"), reference("a", "x")]), json!([2, 1]));
        assert_eq!(before.strayed(&after, "apitoken"), None);
        for (references, tags, field) in [
            (json!([reference("a", "x")]), json!([1, 2]), "serviceEndpointProjectReferences"),
            (json!([reference("a", "y"), reference("b", "x")]), json!([1, 2]), "serviceEndpointProjectReferences"),
            (json!([reference("a", "x"), reference("b", "y")]), json!([1, 1]), "data"),
        ] {
            let strayed = before.strayed(&shared(references, tags), "apitoken");
            assert_eq!(strayed, Some(crate::model::text::quoted(field)));
        }
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
