//! The job's variables: names without case, "once secret, always secret", recursive expansion before each step.

use super::masker::Masker;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Variable {
    pub name: String,
    pub value: String,
    pub secret: bool,
    pub read_only: bool,
    pub preserve_case: bool,
}

/// agent: Variables.cs keeps the values as given beside the expanded ones; a value set during a step is in both.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    given: BTreeMap<String, Variable>,
    expanded: BTreeMap<String, Variable>,
}

impl Variables {
    pub fn get(&self, name: &str) -> Option<&Variable> {
        self.expanded.get(&name.to_lowercase())
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(|variable| variable.value.as_str())
    }

    pub fn secret(&self, name: &str) -> bool {
        self.get(name).is_some_and(|variable| variable.secret)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.expanded.values().map(|variable| variable.name.as_str())
    }

    pub fn iter(&self) -> impl Iterator<Item = &Variable> {
        self.expanded.values()
    }

    /// Without masking, for the job message: its secrets are masked by the worker with more forms.
    pub fn load(&mut self, name: &str, value: &str, secret: bool) {
        let variable = Variable { name: name.into(), value: value.into(), secret, ..Variable::default() };
        self.given.insert(name.to_lowercase(), variable.clone());
        self.expanded.insert(name.to_lowercase(), variable);
    }

    pub fn set(&mut self, mut variable: Variable, masker: &mut Masker) {
        variable.secret = variable.secret || self.secret(&variable.name);
        variable.read_only = variable.read_only || self.get(&variable.name).is_some_and(|before| before.read_only);
        if variable.secret {
            masker.add(&variable.value);
        }
        let key = variable.name.to_lowercase();
        self.given.insert(key.clone(), variable.clone());
        self.expanded.insert(key, variable);
    }

    pub fn remove(&mut self, name: &str) {
        self.given.remove(&name.to_lowercase());
        self.expanded.remove(&name.to_lowercase());
    }

    /// agent: Variables.cs, `IsReadOnly`: only a variable that exists can be protected.
    pub fn is_read_only(&self, name: &str) -> bool {
        self.get(name).is_some_and(|variable| variable.read_only || PROTECTED.contains(&name.to_lowercase().as_str()))
    }

    /// agent: `RecalculateExpanded`, before each step. A value with a secret inside becomes secret.
    pub fn expand(&mut self, masker: &mut Masker) {
        let mut expanded = BTreeMap::new();
        for (key, variable) in &self.given {
            let mut secret = variable.secret;
            let value = self.resolve(&variable.value, &mut secret, &mut vec![key.clone()]);
            if secret && value != variable.value {
                masker.add(&value);
            }
            expanded.insert(key.clone(), Variable { value, secret, ..variable.clone() });
        }
        self.expanded = expanded;
    }

    fn resolve(&self, text: &str, secret: &mut bool, path: &mut Vec<String>) -> String {
        expand_macros(text, &mut |name| {
            let key = name.to_lowercase();
            let inner = self.given.get(&key)?;
            // The agent's depth, and its way with cycles: the macro stays as it is.
            if path.contains(&key) || path.len() > 50 {
                return None;
            }
            *secret |= inner.secret;
            path.push(key);
            let value = self.resolve(&inner.value, secret, path);
            path.pop();
            Some(value)
        })
    }

    /// Macros of an input: once, not recursively, unknown ones stay.
    pub fn expand_text(&self, text: &str) -> String {
        expand_macros(text, &mut |name| self.value(name).map(str::to_owned))
    }
}

/// agent: VarUtil.cs, `ExpandValues`.
pub fn expand_macros(text: &str, lookup: &mut dyn FnMut(&str) -> Option<String>) -> String {
    let mut text = text.to_owned();
    let mut from = 0;
    while let Some(start) = text.get(from..).and_then(|rest| rest.find("$(")).map(|at| from + at) {
        let Some(end) = text[start + 2..].find(')').map(|at| start + 2 + at) else { break };
        let name = &text[start + 2..end];
        match if name.is_empty() { None } else { lookup(name) } {
            Some(value) => {
                from = start + value.len();
                text.replace_range(start..=end, &value);
            }
            None => from = start + 1,
        }
    }
    text
}

/// agent: Constants.cs, `ReadOnlyVariables`, in lower case (those a task could think of setting).
const PROTECTED: [&str; 62] = [
    "agent.builddirectory",
    "agent.cainfo",
    "agent.clientcert",
    "agent.clientcertarchive",
    "agent.clientcertkey",
    "agent.clientcertpassword",
    "agent.diagnostic",
    "agent.homedirectory",
    "agent.id",
    "agent.jobname",
    "agent.jobstatus",
    "agent.machinename",
    "agent.name",
    "agent.os",
    "agent.osarchitecture",
    "agent.osversion",
    "agent.proxybypasslist",
    "agent.proxypassword",
    "agent.proxyurl",
    "agent.proxyusername",
    "agent.readonlyvariables",
    "agent.retaindefaultencoding",
    "agent.rootdirectory",
    "agent.serveromdirectory",
    "agent.skipcertvalidation",
    "agent.tempdirectory",
    "agent.toolsdirectory",
    "agent.version",
    "agent.workfolder",
    "agent.workingdirectory",
    "build.artifactstagingdirectory",
    "build.binariesdirectory",
    "build.buildnumber",
    "build.definitionname",
    "build.repository.id",
    "build.repository.localpath",
    "build.repository.name",
    "build.repository.provider",
    "build.repository.uri",
    "build.sourcebranch",
    "build.sourcesdirectory",
    "build.sourceversion",
    "build.stagingdirectory",
    "common.testresultsdirectory",
    "pipeline.workspace",
    "release.attemptnumber",
    "release.releaseid",
    "release.releasename",
    "system.accesstoken",
    "system.collectionid",
    "system.culture",
    "system.debug",
    "system.defaultworkingdirectory",
    "system.definitionid",
    "system.enableaccesstoken",
    "system.hosttype",
    "system.jobattempt",
    "system.jobid",
    "system.jobname",
    "system.teamfoundationserveruri",
    "system.teamproject",
    "system.teamprojectid",
];
