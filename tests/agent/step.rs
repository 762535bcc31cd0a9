//! One step of the job: what YAML says about it, and what came of it.

use super::command::Command;
use super::descendants::Orphan;
use super::process::{Line, Stream};
use std::path::PathBuf;
use std::time::Duration;

/// In the agent's order: a later one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskResult {
    Succeeded,
    SucceededWithIssues,
    Failed,
    Canceled,
    Skipped,
    Abandoned,
}

impl TaskResult {
    /// .NET's `Enum.TryParse`: case-sensitive, numbers too (agent: TaskCommandExtension.cs).
    pub fn parse(text: &str) -> Option<Self> {
        let all =
            [Self::Succeeded, Self::SucceededWithIssues, Self::Failed, Self::Canceled, Self::Skipped, Self::Abandoned];
        let text = text.trim();
        all.into_iter()
            .enumerate()
            .find(|(at, one)| format!("{one:?}") == text || at.to_string() == text)
            .map(|it| it.1)
    }

    /// agent: TaskResultUtil.cs: the worse one, but what is beyond Failed stays.
    pub fn merge(current: Option<Self>, coming: Self) -> Self {
        match current {
            Some(current) if current > Self::Failed || current > coming => current,
            _ => coming,
        }
    }
}

/// `agent.jobstatus`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum JobStatus {
    Succeeded,
    SucceededWithIssues,
    Failed,
    Canceled,
}

/// A `- task:` entry.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub name: String,
    pub inputs: Vec<(String, String)>,
    pub settable_variables: Option<Vec<String>>,
    pub commands_restricted: bool,
    pub retries: u32,
    pub continue_on_error: bool,
    pub env: Vec<(String, String)>,
    pub timeout: Option<Duration>,
}

impl Step {
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// By name or alias, in any case; a later one replaces an earlier one.
    pub fn input(mut self, name: &str, value: &str) -> Self {
        self.inputs.push((name.into(), value.into()));
        self
    }

    pub fn inputs(self, inputs: &[(&str, &str)]) -> Self {
        inputs.iter().fold(self, |step, (name, value)| step.input(name, value))
    }

    /// `target: settableVariables:`; `Some(vec![])` is `none`.
    pub fn settable_variables(mut self, allowed: Option<Vec<String>>) -> Self {
        self.settable_variables = allowed;
        self
    }

    /// `target: commands: restricted`
    pub fn commands_restricted(mut self) -> Self {
        self.commands_restricted = true;
        self
    }

    /// `retryCountOnTaskFailure`; the agent allows ten.
    pub fn retry_count_on_task_failure(mut self, count: u32) -> Self {
        self.retries = count.min(10);
        self
    }

    pub fn continue_on_error(mut self) -> Self {
        self.continue_on_error = true;
        self
    }

    /// `env:`
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// `timeoutInMinutes`
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

#[derive(Clone, Debug)]
pub struct Attachment {
    pub kind: String,
    pub name: String,
    pub path: PathBuf,
    /// As it was at the end of the stage: the agent reads the file some time after the command.
    pub text: String,
}

/// What one stage of a step did, as a person and as the server see it.
#[derive(Clone, Debug)]
pub struct StepRun {
    pub result: TaskResult,
    /// Of the last attempt, 128 + signal if killed; None if the stage did not run or nobody waited.
    pub exit_code: Option<i32>,
    /// Masked line by line with the masks known at that time.
    pub log: String,
    pub raw: Vec<Line>,
    pub commands: Vec<Command>,
    /// Error and warning issues: the first ten of each; all of them are in the log.
    pub errors: Vec<String>,
    pub warnings: Vec<String>,
    pub error_count: usize,
    pub warning_count: usize,
    /// The Markdown files of the run's summary page.
    pub summaries: Vec<Attachment>,
    pub attachments: Vec<Attachment>,
    pub progress: Vec<(u32, String)>,
    /// Where a watched value could be seen. Never holds the value.
    pub leaks: Vec<String>,
    pub attempts: u32,
    /// Signals the agent sent to node, in order.
    pub signals: Vec<&'static str>,
    pub duration: Duration,
    /// How long descendants lived after node's end; those that had to be killed are the orphans.
    pub outlived: Duration,
    pub orphans: Vec<Orphan>,
}

impl StepRun {
    pub fn skipped() -> Self {
        Self {
            result: TaskResult::Skipped,
            exit_code: None,
            log: String::new(),
            raw: Vec::new(),
            commands: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            error_count: 0,
            warning_count: 0,
            summaries: Vec::new(),
            attachments: Vec::new(),
            progress: Vec::new(),
            leaks: Vec::new(),
            attempts: 0,
            signals: Vec::new(),
            duration: Duration::ZERO,
            outlived: Duration::ZERO,
            orphans: Vec::new(),
        }
    }

    pub fn stderr_lines(&self) -> Vec<&str> {
        self.raw.iter().filter(|line| line.stream == Stream::Stderr).map(|line| line.text.as_str()).collect()
    }

    /// The raw lines, for a failing test's message.
    pub fn raw_text(&self) -> String {
        self.raw.iter().map(|line| format!("{}\n", line.text)).collect()
    }

    pub fn commands_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Command> {
        self.commands.iter().filter(move |command| command.is(name))
    }
}
