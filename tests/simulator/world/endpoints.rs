//! Service connections as the service that keeps them sees them, here called endpoints as on the wire. Those that a job
//! signs in with are `ServiceConnection`s.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    World, ids,
    projects::{EVERYBODY, LibraryRefusal, Sharing, lets_in},
};

/// A service connection.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its GUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its type: `externaltfs`, `generic` …
    pub kind: String,
    /// The address that it leads to.
    pub url: String,
    /// How it signs in: `Token`, `UsernamePassword` …
    pub scheme: String,
    /// The parameters of that which everybody may read.
    pub parameters: BTreeMap<String, String>,
    /// Names of the parameters that nobody reads back, with a secret or without.
    pub confidential: Vec<String>,
    /// The secrets, by the name of their parameter.
    pub secrets: BTreeMap<String, String>,
    /// What belongs to its type.
    pub data: BTreeMap<String, String>,
    /// Everything else that the service keeps for clients, as text that means nothing here.
    pub fields: BTreeMap<String, String>,
    /// The projects that it belongs to; the first is where it was made.
    pub sharing: Vec<Sharing>,
    /// Who may change it, at the organization's level.
    pub administrators: Vec<String>,
    /// Who may see it; administrators do anyway. `EVERYBODY` unless a test says else.
    pub readers: Vec<String>,
    /// Who made it.
    pub created_by: String,
}

/// What a client sends for a service connection: all of it, since what is left out is gone.
#[derive(Clone, Debug)]
pub struct EndpointUpdate {
    /// The name.
    pub name: String,
    /// The type.
    pub kind: String,
    /// The address.
    pub url: String,
    /// The scheme.
    pub scheme: String,
    /// All parameters, secret or not. None is one that was sent without a value.
    pub parameters: BTreeMap<String, Option<String>>,
    /// What belongs to the type.
    pub data: BTreeMap<String, String>,
    /// Everything else.
    pub fields: BTreeMap<String, String>,
    /// The projects.
    pub sharing: Vec<Sharing>,
}

/// What one update did, as far as it did anything. `data.X` and `parameters.X` name a part, `X` a field.
#[derive(Clone, Debug)]
pub struct EndpointWrite {
    /// Which one, by id.
    pub endpoint: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What is new or has another value, secrets too.
    pub changed: Vec<String>,
    /// What was there and was left out; secrets are not among these.
    pub lost: Vec<String>,
    /// Names of the secret parameters that were left out or sent as null: the connection no longer works.
    pub wiped: Vec<String>,
    /// Names of projects that it is no longer shared with.
    pub unshared: Vec<String>,
}

impl Endpoint {
    /// What an answer about it shows as its name: what it is called where it was made, or in the project that is asked.
    pub fn shown_name(&self, project: Option<&str>, is_projects_own: bool) -> &str {
        project.filter(|_| is_projects_own).and_then(|project| self.name_in(project)).unwrap_or(&self.name)
    }

    /// What it is called in a project, if it belongs to it.
    pub fn name_in(&self, project: &str) -> Option<&str> {
        self.sharing.iter().find(|one| one.project == project).map(|one| one.name.as_str())
    }

    /// Whether this identity may see it.
    pub fn is_seen_by(&self, who: &str) -> bool {
        lets_in(&[&self.readers, &self.administrators], who)
    }

    /// Whether this identity may change it.
    pub fn is_changed_by(&self, who: &str) -> bool {
        lets_in(&[&self.administrators], who)
    }

    /// Whether its creation went through.
    pub fn is_ready(&self) -> bool {
        self.fields.get("isReady").is_some_and(|text| text == "true")
    }

    /// Everything that can be read, by path.
    fn readable(&self) -> BTreeMap<String, String> {
        let part = |kind: &str, of: &BTreeMap<String, String>| -> Vec<(String, String)> {
            of.iter().map(|(name, value)| (format!("{kind}{name}"), value.clone())).collect()
        };
        let mut all: BTreeMap<String, String> = part("", &self.fields).into_iter().collect();
        all.extend(part("data.", &self.data));
        all.extend(part("parameters.", &self.parameters));
        all.extend([("name".to_owned(), self.name.clone()), ("url".to_owned(), self.url.clone())]);
        all.extend(self.sharing.iter().map(|one| (format!("sharing.{}", one.project), format!("{one:?}"))));
        all
    }
}

/// What the service does.
impl World {
    /// The connections of a project that this identity may see, oldest first; names in any case of letters.
    pub fn endpoints_named(&self, who: &str, project: &str, names: Option<&[String]>) -> Vec<&Endpoint> {
        let fits = |known: &str| names.is_none_or(|names| names.iter().any(|name| name.eq_ignore_ascii_case(known)));
        let seen = self.endpoints.iter().filter(|endpoint| endpoint.is_seen_by(who));
        let is_own = self.endpoint_shows_own_name;
        let here = seen.filter(|endpoint| endpoint.name_in(project).is_some());
        here.filter(|endpoint| fits(endpoint.shown_name(Some(project), is_own))).collect()
    }

    /// The connection of that id, if it belongs to the project and this identity may see it.
    pub fn endpoint_in(&self, who: &str, project: &str, id: &str) -> Option<&Endpoint> {
        let found = self.endpoints.iter().find(|endpoint| endpoint.id.eq_ignore_ascii_case(id));
        found.filter(|endpoint| endpoint.is_seen_by(who) && endpoint.name_in(project).is_some())
    }

    /// Puts what was sent in the place of the connection. The last one wins.
    pub fn update_endpoint(&mut self, who: &str, id: &str, update: EndpointUpdate) -> Result<(), LibraryRefusal> {
        let old = self.endpoints.iter().find(|known| known.id.eq_ignore_ascii_case(id) && known.is_seen_by(who));
        let old = old.ok_or(LibraryRefusal::Unknown)?.clone();
        if !old.is_changed_by(who) {
            return Err(LibraryRefusal::NotAdministrator);
        }
        self.check_sharing(who, &old.sharing, &update.sharing)?;
        let keeps = |one: &Sharing| update.sharing.iter().all(|new| new.project != one.project || new.name == one.name);
        let is_a_name = update.name == old.name || old.sharing.iter().any(|one| one.name == update.name);
        if !is_a_name || !old.sharing.iter().all(keeps) {
            return Err(LibraryRefusal::Renamed);
        }
        if !update.kind.eq_ignore_ascii_case(&old.kind) || update.scheme != old.scheme {
            return Err(LibraryRefusal::OtherKind);
        }
        let (mut parameters, mut secrets) = (BTreeMap::new(), BTreeMap::new());
        for (name, value) in update.parameters {
            match (old.confidential.iter().find(|known| known.eq_ignore_ascii_case(&name)), value) {
                (Some(known), Some(value)) if !value.is_empty() => {
                    secrets.insert(known.clone(), value);
                }
                (None, Some(value)) => {
                    parameters.insert(name, value);
                }
                _ => {}
            }
        }
        let EndpointUpdate { url, data, fields, sharing, .. } = update;
        let sharing = Self::as_kept(&old.sharing, sharing);
        let new = Endpoint { url, parameters, secrets, data, fields, sharing, ..old.clone() };
        let write = self.endpoint_write(who, &old, &new);
        self.endpoint_writes.push(write);
        for (parameter, value) in &new.secrets {
            self.remember_brought(format!("{parameter} of service connection {}", new.name), value);
        }
        *self.endpoint_mut(id) = new;
        Ok(())
    }

    fn endpoint_write(&self, who: &str, old: &Endpoint, new: &Endpoint) -> EndpointWrite {
        let (before, after) = (old.readable(), new.readable());
        let names: BTreeSet<&String> = after.keys().filter(|name| before.get(*name) != after.get(*name)).collect();
        let mut changed: Vec<String> = names.into_iter().cloned().collect();
        let secrets = new.secrets.iter().filter(|(name, value)| old.secrets.get(*name) != Some(value));
        changed.extend(secrets.map(|(name, _)| format!("parameters.{name}")));
        let is_lost = |name: &&String| !after.contains_key(*name) && !name.starts_with("sharing.");
        EndpointWrite {
            endpoint: old.id.clone(),
            by: who.to_owned(),
            at: self.now(),
            changed,
            lost: before.keys().filter(is_lost).cloned().collect(),
            wiped: old.secrets.keys().filter(|name| !new.secrets.contains_key(*name)).cloned().collect(),
            unshared: self.unshared(&old.sharing, &new.sharing),
        }
    }
}

/// What people do by hand, and what tests look at.
impl World {
    /// Arranges a service connection of `Widgets`, which everybody may see and `pat-publisher` may change. The kind says
    /// how it signs in: `generic` and `git` with a user name and `password`, `azurerm` by federation and without any
    /// secret, all others with `apitoken`.
    pub fn add_endpoint(&mut self, name: &str, kind: &str) -> EndpointBuilder<'_> {
        let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let (scheme, parameters, secret) = match kind {
            "azurerm" => ("WorkloadIdentityFederation", text(&[("tenantid", &self.tenants[0].id)]), None),
            "generic" | "git" => ("UsernamePassword", text(&[("username", "rotator")]), Some("password")),
            _ => ("Token", BTreeMap::new(), Some("apitoken")),
        };
        let data = if kind == "azdoapi" {
            text(&[("releaseUrl", "https://vsrm.dev.azure.com/contoso")])
        } else {
            BTreeMap::new()
        };
        let n = self.endpoints.len() as u64 + 1;
        let confidential: Vec<String> = secret.into_iter().map(str::to_owned).collect();
        let endpoint = Endpoint {
            id: ids::guid("endpoint", n),
            name: name.to_owned(),
            kind: kind.to_owned(),
            url: "https://dev.azure.com/contoso".to_owned(),
            scheme: scheme.to_owned(),
            parameters,
            confidential,
            secrets: BTreeMap::new(),
            data,
            fields: text(&[("description", "\"\""), ("isReady", "true"), ("owner", "\"library\"")]),
            sharing: Vec::new(),
            administrators: Vec::new(),
            readers: vec![EVERYBODY.to_owned()],
            created_by: "alice".to_owned(),
        };
        EndpointBuilder { endpoint, holds: None, projects: vec!["Widgets".to_owned()], world: self }
    }

    /// The service connection of that id.
    pub fn endpoint(&self, id: &str) -> &Endpoint {
        let found = self.endpoints.iter().find(|endpoint| endpoint.id.eq_ignore_ascii_case(id));
        found.unwrap_or_else(|| panic!("no service connection {id:?} in this world"))
    }

    /// The same, to change it.
    pub fn endpoint_mut(&mut self, id: &str) -> &mut Endpoint {
        let found = self.endpoints.iter_mut().find(|endpoint| endpoint.id.eq_ignore_ascii_case(id));
        found.unwrap_or_else(|| panic!("no service connection {id:?} in this world"))
    }

    /// What its users sign in with: the first secret; empty when it was wiped or there never was one.
    pub fn endpoint_secret(&self, id: &str) -> &str {
        let endpoint = self.endpoint(id);
        let first = endpoint.confidential.first().and_then(|name| endpoint.secrets.get(name));
        first.map_or("", String::as_str)
    }
}

/// Arranges a service connection; `add` puts it into the world.
pub struct EndpointBuilder<'a> {
    world: &'a mut World,
    endpoint: Endpoint,
    holds: Option<String>,
    projects: Vec<String>,
}

impl EndpointBuilder<'_> {
    /// Made in another project.
    pub fn project(mut self, name: &str) -> Self {
        name.clone_into(&mut self.projects[0]);
        self
    }

    /// Shared with one more project, where the service gives it a name that ends in the project's
    /// (azure-pipelines-tasks#13094).
    pub fn shared_with(mut self, project: &str) -> Self {
        self.projects.push(project.to_owned());
        self
    }

    /// Another address.
    pub fn url(mut self, url: &str) -> Self {
        url.clone_into(&mut self.endpoint.url);
        self
    }

    /// Signs in with a user name and `password`, as feeds may.
    pub fn user_name(mut self, name: &str) -> Self {
        "UsernamePassword".clone_into(&mut self.endpoint.scheme);
        self.endpoint.parameters.insert("username".to_owned(), name.to_owned());
        self.endpoint.confidential = vec!["password".to_owned()];
        self
    }

    /// Holds this secret, a PAT's for instance, and not one of its own.
    pub fn holding(mut self, secret: &str) -> Self {
        self.holds = Some(secret.to_owned());
        self
    }

    /// One more secret parameter, which no client knows.
    pub fn second_secret(mut self, parameter: &str) -> Self {
        self.endpoint.confidential.push(parameter.to_owned());
        self
    }

    /// One more thing that belongs to its type.
    pub fn data(mut self, name: &str, value: &str) -> Self {
        self.endpoint.data.insert(name.to_owned(), value.to_owned());
        self
    }

    /// One more field that the service keeps, or another value of one, as JSON.
    pub fn field(mut self, name: &str, text: &str) -> Self {
        self.endpoint.fields.insert(name.to_owned(), text.to_owned());
        self
    }

    /// One who may change it; the first one named takes the place of `pat-publisher`.
    pub fn administrator(mut self, who: &str) -> Self {
        self.endpoint.administrators.push(who.to_owned());
        self
    }

    /// Puts it into the world and returns its id.
    pub fn add(self) -> String {
        let Self { world, mut endpoint, mut holds, projects } = self;
        endpoint.sharing = world.sharing_of(&projects, &endpoint.name, "");
        for shared in endpoint.sharing.iter_mut().skip(1) {
            shared.name = format!("{}-{}", endpoint.name, world.project(&shared.project).name);
        }
        if endpoint.administrators.is_empty() {
            endpoint.administrators.push("pat-publisher".to_owned());
        }
        for parameter in &endpoint.confidential {
            let secret = holds.take().unwrap_or_else(|| {
                let n = world.count("connection secret");
                ids::secret("simulatedconnectionsecret", n, 52)
            });
            world.remember_brought(format!("{parameter} of service connection {}", endpoint.name), &secret);
            endpoint.secrets.insert(parameter.clone(), secret);
        }
        let id = endpoint.id.clone();
        world.endpoints.push(endpoint);
        id
    }
}
