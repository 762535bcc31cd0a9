//! What the task is given: the manifest's defaults, inputs after macros, and the variables a Node handler adds.

use super::step::Step;
use super::variables::Variables;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Dots and blanks become underscores, letters upper case, nothing else changes (agent: VarUtil.cs).
pub fn env_name(name: &str) -> String {
    let upper = |c: char| {
        // `ToUpperInvariant` maps one character to one.
        let mut mapped = c.to_uppercase();
        if mapped.len() == 1 { mapped.next().unwrap_or(c) } else { c }
    };
    name.chars().map(|c| if c == '.' || c == ' ' { '_' } else { upper(c) }).collect()
}

/// A service connection of the job.
#[derive(Clone, Debug, Default)]
pub struct Endpoint {
    pub id: String,
    /// What YAML says; the server turns it into the id.
    pub name: String,
    /// `AzureRM`, `WorkloadIdentityUser`, …: must be that of the input's `connectedService:` type.
    pub kind: String,
    pub scheme: String,
    pub url: String,
    pub parameters: BTreeMap<String, String>,
    pub data: BTreeMap<String, String>,
}

impl Endpoint {
    pub fn new(id: &str, name: &str, kind: &str, scheme: &str, url: &str) -> Self {
        let [id, name, kind, scheme, url] = [id, name, kind, scheme, url].map(str::to_owned);
        Self { id: id.to_lowercase(), name, kind, scheme, url, ..Self::default() }
    }

    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    pub fn data(mut self, name: &str, value: &str) -> Self {
        self.data.insert(name.into(), value.into());
        self
    }

    /// agent: Handler.cs, `AddEndpointsToEnvironment`. The system connection has no data.
    pub fn add_to(&self, key: &str, environment: &mut Environment) {
        environment.set(format!("ENDPOINT_URL_{key}"), &self.url);
        let authorization = serde_json::json!({ "parameters": self.parameters, "scheme": self.scheme });
        environment.set(format!("ENDPOINT_AUTH_{key}"), authorization.to_string());
        environment.set(format!("ENDPOINT_AUTH_SCHEME_{key}"), &self.scheme);
        for (name, value) in &self.parameters {
            environment.set(format!("ENDPOINT_AUTH_PARAMETER_{key}_{}", env_name(name)), value);
        }
        if key == SYSTEM_CONNECTION {
            return;
        }
        environment.set(format!("ENDPOINT_DATA_{key}"), serde_json::json!(self.data).to_string());
        for (name, value) in &self.data {
            environment.set(format!("ENDPOINT_DATA_{key}_{}", env_name(name)), value);
        }
    }
}

pub const SYSTEM_CONNECTION: &str = "SYSTEMVSSCONNECTION";

/// The order in which the agent happens to write its variables: the last of two spellings of one name wins. Forward, a
/// name with `_` is written after the same one with `.`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Forward,
    Backward,
}

/// The environment of one process; later settings win, as in the agent.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(std::ffi::OsStr::new(name))?.to_str()
    }

    pub fn remove(&mut self, name: &str) {
        self.0.remove(std::ffi::OsStr::new(name));
    }

    pub fn into_vec(self) -> Vec<(OsString, OsString)> {
        self.0.into_iter().collect()
    }

    /// Public ones plainly, then secret ones as `SECRET_*`, each with the list of their names (agent: Handler.cs). Two
    /// spellings of one name become one: which value stays depends on the order of a hash table in the agent.
    pub fn add_variables(&mut self, variables: &Variables, order: Order) {
        for (secret, list) in [(false, "VSTS_PUBLIC_VARIABLES"), (true, "VSTS_SECRET_VARIABLES")] {
            let mut all: Vec<_> = variables.iter().filter(|variable| variable.secret == secret).collect();
            if order == Order::Backward {
                all.reverse();
            }
            for variable in &all {
                if !secret && variable.name.eq_ignore_ascii_case("agent.jobstatus") {
                    self.set(variable.name.as_str(), variable.value.as_str());
                }
                let name = if variable.preserve_case {
                    variable.name.replace(['.', ' '], "_")
                } else {
                    env_name(&variable.name)
                };
                let name = if secret { format!("SECRET_{name}") } else { name };
                self.set(name, variable.value.as_str());
            }
            let names: Vec<&str> = all.iter().map(|variable| variable.name.as_str()).collect();
            self.set(list, serde_json::json!(names).to_string());
        }
    }

    /// Public and secret alike, under one prefix.
    pub fn add_task_variables(&mut self, variables: &Variables) {
        for variable in variables.iter() {
            self.set(format!("VSTS_TASKVARIABLE_{}", env_name(&variable.name)), variable.value.as_str());
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Main,
    Post,
}

/// task.json, as far as the agent and the server look at it.
#[derive(Clone, Debug)]
pub struct Manifest {
    folder: PathBuf,
    json: Value,
}

impl Manifest {
    pub fn read(folder: &Path) -> Self {
        let path = folder.join("task.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // Absolute: the handler runs in another directory.
        Self { folder: folder.canonicalize().unwrap_or_else(|_| folder.into()), json }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn name(&self) -> &str {
        self.json["name"].as_str().unwrap_or("Task")
    }

    /// `<Name>_<guid>/<version>`, where the agent unpacks it.
    pub fn installed_path(&self) -> PathBuf {
        let part = |name: &str| self.json["version"][name].to_string().replace('"', "");
        let version = ["Major", "Minor", "Patch"].map(part).join(".");
        Path::new(&format!("{}_{}", self.name(), self.json["id"].as_str().unwrap_or("0"))).join(version)
    }

    pub fn output_variables(&self) -> Vec<String> {
        let list = self.json["outputVariables"].as_array().cloned().unwrap_or_default();
        list.iter().filter_map(|output| Some(output["name"].as_str()?.to_lowercase())).collect()
    }

    /// `(commands restricted, patterns of settable variables)`
    pub fn restrictions(&self) -> (bool, Option<Vec<String>>) {
        let restrictions = &self.json["restrictions"];
        let allowed = restrictions["settableVariables"]["allowed"].as_array();
        let allowed = allowed.map(|list| list.iter().filter_map(|item| Some(item.as_str()?.to_owned())).collect());
        (restrictions["commands"]["mode"].as_str().is_some_and(|mode| mode.eq_ignore_ascii_case("restricted")), allowed)
    }

    /// The newest Node handler (agent: TaskManager.cs): entry file and working directory. None: no such stage.
    pub fn handler(&self, stage: Stage) -> Option<(PathBuf, Option<String>)> {
        let key = match stage {
            Stage::Main => "execution",
            Stage::Post => "postjobexecution",
        };
        let handlers = self.json[key].as_object()?;
        let handler = ["Node24", "Node20_1", "Node16", "Node10", "Node"].iter().find_map(|name| handlers.get(*name))?;
        let target = handler["target"].as_str().expect("a handler has a target");
        let folder = self.folder.display().to_string();
        // For the main stage alone (agent: TaskManager.cs).
        let target =
            if stage == Stage::Main { target.replace("$(currentDirectory)", &folder) } else { target.to_owned() };
        Some((self.folder.join(target), handler["workingDirectory"].as_str().map(str::to_owned)))
    }

    fn inputs(&self) -> &[Value] {
        self.json["inputs"].as_array().map_or(&[], Vec::as_slice)
    }

    fn input(&self, name: &str) -> Option<&Map<String, Value>> {
        let is = |text: &Value| text.as_str().is_some_and(|text| text.eq_ignore_ascii_case(name));
        let mut matching = self.inputs().iter().filter(|input| {
            is(&input["name"]) || input["aliases"].as_array().is_some_and(|aliases| aliases.iter().any(is))
        });
        matching.next()?.as_object()
    }

    /// Defaults, then the step's, then macros of the job, then those of the agent's own environment; every declared
    /// input is present (agent: TaskRunner.cs). Also the connections that the inputs name.
    pub fn resolve_inputs(
        &self,
        step: &Step,
        variables: &Variables,
        agent: &Environment,
        endpoints: &[Endpoint],
    ) -> (BTreeMap<String, String>, Vec<Endpoint>) {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned());
        let mut inputs = BTreeMap::new();
        for input in self.inputs() {
            let default = input.get("defaultValue").filter(|value| !value.is_null()).map(text).unwrap_or_default();
            inputs.insert(input["name"].as_str().expect("an input has a name").to_owned(), default);
        }
        for (name, value) in &step.inputs {
            // One that task.json does not have is handed over all the same.
            let declared = self.input(name).and_then(|input| input["name"].as_str());
            inputs.insert(declared.unwrap_or(name).to_owned(), value.trim().to_owned());
        }
        let mut referenced: Vec<Endpoint> = Vec::new();
        for (name, value) in &mut inputs {
            *value = variables.expand_text(value);
            *value = super::variables::expand_macros(value, &mut |name| agent.get(name).map(str::to_owned));
            let kind = self.input(name).and_then(|input| input["type"].as_str()).unwrap_or_default();
            let Some(kind) = kind.strip_prefix("connectedService:").filter(|_| !value.is_empty()) else { continue };
            let ids = value.split(',').map(|one| find(endpoints, one.trim(), kind, name));
            let ids: Vec<&Endpoint> = ids.collect();
            *value = ids.iter().map(|endpoint| endpoint.id.as_str()).collect::<Vec<_>>().join(",");
            referenced.extend(ids.into_iter().cloned());
        }
        (inputs, referenced)
    }
}

/// The server refuses a pipeline that names a connection it does not have.
fn find<'a>(endpoints: &'a [Endpoint], name: &str, kind: &str, input: &str) -> &'a Endpoint {
    let is = |endpoint: &&Endpoint| {
        (endpoint.name.eq_ignore_ascii_case(name) || endpoint.id.eq_ignore_ascii_case(name))
            && endpoint.kind.eq_ignore_ascii_case(kind)
    };
    endpoints.iter().find(is).unwrap_or_else(|| panic!("no service connection `{name}` of kind {kind} for `{input}`"))
}
