//! Variable groups: found by name in a project, written as a whole at the level of the organization.
//! <https://learn.microsoft.com/rest/api/azure/devops/distributedtask/variablegroups>
//!
//! Documented by sample: a secret reads as `null` and a `null` written keeps it. Reported (vsts-rest-api-specs#235): a
//! variable left out of the body is deleted. There is no revision to write against.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::Url;

use crate::http::{Auth, Body, Call, Http, Method};
use crate::model::address::segment;
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::organization::Organization;
use crate::model::secret::Secret;

const API_VERSION: &str = "7.1";

/// A variable group as read: every field, known or not, to be sent back as it is.
#[derive(Clone, Debug)]
pub struct Group(Map<String, Value>);

/// A variable of a group, as it should be.
#[derive(Debug)]
pub struct Variable<'a> {
    pub name: &'a str,
    pub value: &'a str,
    /// Whether it is one that reads as `null`.
    pub is_secret: bool,
}

impl Group {
    /// Accepts only a group whose variables can be read.
    fn read(group: Map<String, Value>) -> Result<Self, CallError> {
        let is_readable = match group.get("variables") {
            None | Some(Value::Null) => true,
            Some(Value::Object(variables)) => variables.values().all(Value::is_object),
            Some(_) => false,
        };
        if is_readable { Ok(Self(group)) } else { Err(unreadable("a variable group whose variables cannot be read")) }
    }

    pub fn id(&self) -> Option<u64> {
        self.0.get("id")?.as_u64()
    }

    /// The id of one of its projects, which is named by its name or id.
    pub fn project_id(&self, project: &str) -> Option<&str> {
        let references = self.0.get("variableGroupProjectReferences").and_then(Value::as_array).into_iter().flatten();
        let projects = references.map(|reference| &reference["projectReference"]);
        let is_it = |known: &Value| known.as_str().is_some_and(|known| known.eq_ignore_ascii_case(project));
        let mut found = projects.filter(|known| is_it(&known["id"]) || is_it(&known["name"]));
        found.next()?["id"].as_str()
    }

    /// Whether its values come from a key vault, at run time.
    pub fn is_linked(&self) -> bool {
        self.0.get("type").and_then(Value::as_str).is_some_and(|kind| !kind.eq_ignore_ascii_case("Vsts"))
    }

    fn variables(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.get("variables").and_then(Value::as_object).into_iter().flatten()
    }

    /// A variable, whatever the case of its name, and whether it is secret.
    pub fn variable(&self, name: &str) -> Option<(&Value, bool)> {
        let (_, variable) = self.variables().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some((&variable["value"], variable["isSecret"].as_bool().unwrap_or_default()))
    }

    /// The group with these variables set and every other one as it is.
    fn with(&self, set: &[Variable<'_>]) -> Value {
        let mut variables = self.0.get("variables").cloned().unwrap_or_else(|| json!({}));
        for new in set {
            let known = self.variables().map(|(name, _)| name).find(|known| known.eq_ignore_ascii_case(new.name));
            let name = known.map_or(new.name, String::as_str);
            variables[name]["value"] = Value::String(new.value.to_owned());
            if new.is_secret {
                variables[name]["isSecret"] = Value::Bool(true);
            }
        }
        let mut body = self.0.clone();
        // Read-only: the service rejects these on a write.
        for read_only in ["id", "createdBy", "createdOn", "modifiedBy", "modifiedOn", "isShared"] {
            body.remove(read_only);
        }
        body.insert("variables".to_owned(), variables);
        Value::Object(body)
    }

    /// What differs in the variables that were not to be set: a lost one, a new one, another value.
    pub fn strayed(&self, now: &Self, set: &[&str]) -> Option<String> {
        let is_set = |name: &str| set.iter().any(|set| set.eq_ignore_ascii_case(name));
        for (name, was) in self.variables().filter(|(name, _)| !is_set(name)) {
            match now.0.get("variables").and_then(|variables| variables.get(name)) {
                None => return Some(format!("variable {} is gone", crate::model::text::quoted(name))),
                Some(is) if is["value"] != was["value"] || is["isSecret"] != was["isSecret"] => {
                    return Some(format!("variable {} has changed", crate::model::text::quoted(name)));
                }
                Some(_) => {}
            }
        }
        None
    }

    /// When it was last written.
    pub fn modified_on(&self) -> Option<&str> {
        self.0.get("modifiedOn")?.as_str()
    }
}

/// Who asks, and where.
#[derive(Clone, Copy)]
pub struct Library<'a> {
    pub http: &'a Http,
    /// The pipeline's organization.
    pub organization: &'a Organization,
    pub token: &'a Secret,
}

impl Library<'_> {
    /// The group of this name in a project; `None` when the caller sees none.
    ///
    /// # Errors
    /// What became of the request; a project that the caller does not see is a 404.
    pub async fn find(&self, project: &str, name: &str) -> Result<Option<Group>, CallError> {
        #[derive(Deserialize)]
        struct Groups {
            value: Vec<Map<String, Value>>,
        }
        let mut url = self.organization.core(&format!("{}/_apis/distributedtask/variablegroups", segment(project)));
        url.query_pairs_mut().append_pair("groupName", name).append_pair("api-version", API_VERSION);
        let groups: Groups = self.http.send_with_retry(&self.get(url)).await?.json()?;
        let is_it = |group: &Map<String, Value>| {
            group.get("name").and_then(Value::as_str).is_some_and(|known| known.eq_ignore_ascii_case(name))
        };
        groups.value.into_iter().find(is_it).map(Group::read).transpose()
    }

    /// The group as it is now.
    pub async fn read(&self, project: &str, id: u64) -> Result<Group, CallError> {
        let path = format!("{}/_apis/distributedtask/variablegroups/{id}", segment(project));
        Group::read(self.http.send_with_retry(&self.get(versioned(self.organization.core(&path)))).await?.json()?)
    }

    /// Writes the group as it was read, with these variables set. Sent once: whether it may be sent again depends on
    /// what the group is by then.
    pub async fn write(&self, group: &Group, id: u64, set: &[Variable<'_>]) -> Result<Group, CallError> {
        let body = group.with(set);
        if body["variableGroupProjectReferences"].as_array().is_none_or(Vec::is_empty) {
            let error =
                unreadable("a variable group without its list of projects, so that a write would remove it from them");
            return Err(CallError { maybe_applied: false, ..error });
        }
        let url = versioned(self.organization.core(&format!("_apis/distributedtask/variablegroups/{id}")));
        let auth = Auth::Bearer(self.token);
        let call = Call::new(Service::AzureDevOps, Method::PUT, url, auth, Body::json(&body));
        Group::read(self.http.send_once(&call, self.http.limits().reply).await?.json()?)
    }

    fn get(&self, url: Url) -> Call<'_> {
        Call::get(Service::AzureDevOps, url, Auth::Bearer(self.token))
    }
}

fn unreadable(seen: &str) -> CallError {
    CallError::new(Service::AzureDevOps, Kind::Unreadable { status: 200, seen: seen.to_owned() })
}

fn versioned(mut url: Url) -> Url {
    url.query_pairs_mut().append_pair("api-version", API_VERSION);
    url
}
