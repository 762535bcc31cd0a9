//! An emulator of the pipeline agent: runs ONE task folder as the agent would, and tells what a person, the server and
//! later steps would see.
//!
//! It knows the task only through `task.json` and the node entry files, never through the crate, so a test that passes
//! here has passed through the same doors as in production. Blocking: a server in the same test needs its own thread.
//!
//! ```text
//! let mut job = Job::new(&folder).collection_uri(&simulator.uri()).job_token("…").endpoint(…);
//! let main = job.run_task("rotate", &[("patName", "nuget-publish")]);   // execution
//! job.set_variable("confirmed", "true");                               // a later step
//! let post = job.run_post("rotate");                                   // postjobexecution, with the job's status
//! ```

#![allow(clippy::unwrap_used, reason = "a test's panic is its report")]

mod command;
pub mod defaults;
mod descendants;
mod effects;
mod environment;
mod host;
mod ignored;
mod instance_id;
mod masker;
mod process;
#[cfg(test)]
mod selftest;
mod stage;
mod step;
mod variables;
mod watch;

pub use command::{Command, escape, unescape};
pub use descendants::Orphan;
pub use environment::{Endpoint, Environment, Order, Stage, env_name};
pub use host::{Host, Place};
pub use process::{CancelWhen, Interruption, Line, Stream, When};
pub use step::{Attachment, JobStatus, Step, StepRun, TaskResult};
pub use variables::{Variable, Variables};
pub use watch::forms;

use defaults::Workspace;
use environment::Manifest;
use masker::Masker;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use watch::Watch;

/// One job on one agent, until dropped.
pub struct Job {
    manifest: Manifest,
    workspace: Workspace,
    variables: Variables,
    /// By step: each task instance sees its own.
    task_variables: BTreeMap<String, Variables>,
    steps: BTreeMap<String, Step>,
    endpoints: Vec<Endpoint>,
    system_connection: Endpoint,
    masker: Masker,
    watch: Watch,
    prepend_path: Vec<String>,
    /// Files that earlier stages had uploaded.
    uploaded: Vec<Attachment>,
    raw_env: Vec<(OsString, OsString)>,
    order: Order,
    is_before_july_2026: bool,
    status: JobStatus,
    host: Host,
    scale: f64,
    retry_scale: f64,
    bound: Duration,
    patience: Duration,
}

/// The job message.
impl Job {
    /// A hosted build of an Azure Repos project, with the variables such a job has; everything can be overridden.
    pub fn new(task_folder: &Path) -> Self {
        let workspace = Workspace::create();
        let mut variables = Variables::default();
        defaults::load(&mut variables, &workspace);
        let job = Self {
            manifest: Manifest::read(task_folder),
            workspace,
            variables,
            task_variables: BTreeMap::new(),
            steps: BTreeMap::new(),
            endpoints: Vec::new(),
            system_connection: Endpoint::new("", "SystemVssConnection", "", "OAuth", ""),
            masker: Masker::default(),
            watch: Watch::default(),
            prepend_path: Vec::new(),
            uploaded: Vec::new(),
            raw_env: Vec::new(),
            order: Order::Forward,
            is_before_july_2026: false,
            status: JobStatus::Succeeded,
            host: Host::Node(defaults::find_on_path("node").expect("node is on PATH")),
            scale: 1.0,
            // 1 s, 4 s, 9 s become milliseconds.
            retry_scale: 0.001,
            bound: Duration::from_secs(120),
            patience: Duration::from_secs(10),
        };
        job.collection_uri("https://dev.azure.com/contoso/").job_token("emulated-job-token")
    }

    /// Runs a copy under `_tasks`, unpacked as a .vsix is: without the execute bit.
    pub fn installed(mut self) -> Self {
        let to = self.workspace.root().join("_tasks").join(self.manifest.installed_path());
        defaults::copy_without_modes(self.manifest.folder(), &to);
        self.manifest = Manifest::read(&to);
        self
    }

    /// With a slash at the end. The OIDC address follows it.
    pub fn collection_uri(mut self, uri: &str) -> Self {
        let names = ["system.collectionUri", "system.teamFoundationCollectionUri", "system.teamFoundationServerUri"];
        names.iter().for_each(|name| self.variables.load(name, uri, false));
        self.variables.load("system.taskDefinitionsUri", uri, false);
        self.system_connection.url = uri.into();
        let oidc = defaults::oidc_request_uri(&self.variables);
        self.oidc_request_uri(&oidc)
    }

    /// The system connection's own address, where it is not that of the collection: a classic release has
    /// `https://vsrm.dev.azure.com/ORG/` there.
    pub fn system_connection_uri(mut self, uri: &str) -> Self {
        self.system_connection.url = uri.into();
        self
    }

    pub fn oidc_request_uri(self, uri: &str) -> Self {
        self.variable("system.oidcRequestUri", uri)
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.load(name, value, false);
        self
    }

    /// Masked from the start, with base64.
    pub fn secret_variable(mut self, name: &str, value: &str) -> Self {
        self.masker.add_job_secret(value);
        self.variables.load(name, value, true);
        self
    }

    pub fn without_variable(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    /// `System.AccessToken`, the secret variable and the system connection's parameter.
    pub fn job_token(mut self, token: &str) -> Self {
        self.masker.add(token);
        self.system_connection.parameters.insert("AccessToken".into(), token.into());
        self.secret_variable("system.accessToken", token)
    }

    /// A service connection of the job: masked at once, given to a task only if one of its inputs names it.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        endpoint.parameters.iter().for_each(|(name, value)| self.masker.add_endpoint_parameter(name, value));
        self.endpoints.push(endpoint);
        self
    }

    pub fn build(self, id: u32) -> Self {
        let uri = format!("vstfs:///Build/Build/{id}");
        self.variable("build.buildId", &id.to_string()).variable("build.buildUri", &uri)
    }

    /// The job's attempt ("rerun failed jobs"). After `release`, if both are called.
    pub fn attempt(self, attempt: u32) -> Self {
        let names: &[&str] = if self.variables.get("release.releaseId").is_some() {
            &["release.attemptNumber"]
        } else {
            &["system.stageAttempt", "system.phaseAttempt", "system.jobAttempt"]
        };
        names.iter().fold(self, |job, name| job.variable(name, &attempt.to_string()))
    }

    /// A classic release instead of a build.
    pub fn release(mut self, id: u32) -> Self {
        defaults::load_release(&mut self.variables, id);
        let oidc = defaults::oidc_request_uri(&self.variables);
        self.oidc_request_uri(&oidc)
    }

    pub fn debug(self) -> Self {
        self.variable("system.debug", "true")
    }

    /// Set last, over everything the agent sets; may be anything the system allows.
    pub fn raw_env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.raw_env.push((name.into(), value.into()));
        self
    }

    /// Which of two spellings of one variable's name wins.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    /// An agent from before agent pull request 5606 (2026-07-16), which writes variables after inputs and connections, so
    /// that a variable overwrites them.
    pub fn before_july_2026(mut self) -> Self {
        self.is_before_july_2026 = true;
        self
    }

    /// Scales the agent's own waits (7.5 s, 2.5 s, 5 s).
    pub fn scale(mut self, factor: f64) -> Self {
        self.scale = factor;
        self
    }

    /// Scales the waits of `retryCountOnTaskFailure`.
    pub fn retry_scale(mut self, factor: f64) -> Self {
        self.retry_scale = factor;
        self
    }

    /// After which a run is killed and the test fails.
    pub fn time_bound(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self
    }

    /// How long descendants may live on after a run before they are killed and called orphans.
    pub fn orphan_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub fn node(self, path: &Path) -> Self {
        self.host(Host::Node(path.into()))
    }

    /// Node again, as found on the path.
    pub fn on_path(self) -> Self {
        self.host(Host::Node(defaults::find_on_path("node").expect("node is on PATH")))
    }

    /// What runs the handlers from now on, in the place of node.
    pub fn host(mut self, host: Host) -> Self {
        self.host = host;
        self
    }
}

/// The job as it runs.
impl Job {
    pub fn run_task(&mut self, step: &str, inputs: &[(&str, &str)]) -> StepRun {
        self.run(&Step::new(step).inputs(inputs), Interruption::None)
    }

    pub fn run_task_cancelled(&mut self, step: &str, inputs: &[(&str, &str)], when: CancelWhen) -> StepRun {
        self.run(&Step::new(step).inputs(inputs), Interruption::Cancel(when))
    }

    /// The agent is gone: `kill -9` for node, nobody at the other end of the pipes.
    pub fn run_task_killed(&mut self, step: &str, inputs: &[(&str, &str)], when: CancelWhen) -> StepRun {
        self.run(&Step::new(step).inputs(inputs), Interruption::AgentGone(when))
    }

    /// `When::lines(n)` or `When::line_containing(text)`.
    pub fn run_task_with_stdout_closed_after(&mut self, step: &str, inputs: &[(&str, &str)], line: When) -> StepRun {
        self.run(&Step::new(step).inputs(inputs), Interruption::CloseStdout(line))
    }

    pub fn run(&mut self, step: &Step, interruption: Interruption) -> StepRun {
        self.steps.insert(step.name.clone(), step.clone());
        self.run_stage(step, Stage::Main, interruption)
    }

    /// The main stage's `condition` was false: only the post stage will run.
    pub fn skip_task(&mut self, step: &str, inputs: &[(&str, &str)]) -> StepRun {
        self.steps.insert(step.into(), Step::new(step).inputs(inputs));
        StepRun::skipped()
    }

    pub fn run_post(&mut self, step: &str) -> StepRun {
        self.run_post_interrupted(step, Interruption::None)
    }

    pub fn run_post_interrupted(&mut self, step: &str, interruption: Interruption) -> StepRun {
        let step = self.steps.get(step).cloned().unwrap_or_else(|| panic!("no step `{step}` was run or skipped"));
        self.run_stage(&step, Stage::Post, interruption)
    }

    pub fn status(&self) -> JobStatus {
        self.status
    }

    /// The same as `scale`, once the job runs.
    pub fn rescale(&mut self, factor: f64) {
        self.scale = factor;
    }

    pub fn set_status(&mut self, status: JobStatus) {
        self.status = status;
    }

    pub fn later_step_failed(&mut self) {
        self.status = self.status.max(JobStatus::Failed);
    }

    /// A later script step prints `##vso[task.setvariable variable=…]`.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        self.variables
            .set(Variable { name: name.into(), value: value.into(), ..Variable::default() }, &mut self.masker);
    }

    pub fn set_secret_variable(&mut self, name: &str, value: &str) {
        let variable = Variable { name: name.into(), value: value.into(), secret: true, ..Variable::default() };
        self.variables.set(variable, &mut self.masker);
    }

    /// Names as set; outputs as `step.name`.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    pub fn variable_value(&self, name: &str) -> Option<&str> {
        self.variables.value(name)
    }

    pub fn task_variables(&self, step: &str) -> Variables {
        self.task_variables.get(step).cloned().unwrap_or_default()
    }

    /// What a later step's output would look like in the log.
    pub fn mask(&self, text: &str) -> String {
        self.masker.mask(text)
    }

    /// From now on no run may show this value. Reports name the label.
    pub fn watch_secret(&mut self, label: &str, value: &str) {
        self.watch.add(label, value);
    }

    /// Files below the agent's folders (temp, work, installed task) that hold a watched value.
    pub fn secrets_on_disk(&self) -> Vec<String> {
        let files = defaults::files_below(self.workspace.root());
        let check = |path: &PathBuf| self.watch.found_in(&String::from_utf8_lossy(&fs::read(path).unwrap_or_default()));
        files
            .iter()
            .flat_map(|path| check(path).into_iter().map(move |what| format!("{}: {what}", path.display())))
            .collect()
    }

    /// Where a job's steps work unless they say otherwise.
    pub fn sources_directory(&self) -> PathBuf {
        self.workspace.sources()
    }

    pub fn temp_directory(&self) -> PathBuf {
        self.workspace.temp()
    }

    pub fn task_folder(&self) -> &Path {
        self.manifest.folder()
    }
}
