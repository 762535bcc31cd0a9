//! What each line does: commands change the job, everything else is text for the log.
//!
//! agent: WorkerCommandManager.cs, TaskCommandExtension.cs, ExecutionContext.cs; the sentences are the agent's.

use super::command::{Command, escape, find, unescape};
use super::masker::Masker;
use super::process::{Line, Observer};
use super::step::{Attachment, StepRun, TaskResult};
use super::variables::{Variable, Variables};
use super::watch::Watch;
use std::path::Path;

const REFERENCE: &str = "Please reference documentation (http://go.microsoft.com/fwlink/?LinkId=817296)";
const READ_ONLY: &str =
    "See https://github.com/microsoft/azure-pipelines-yaml/blob/master/design/readonly-variables.md for details.";

/// The agent's execution context of one step.
pub struct Effects<'a> {
    pub step: &'a str,
    pub variables: &'a mut Variables,
    pub task_variables: &'a mut Variables,
    pub masker: &'a mut Masker,
    pub prepend_path: &'a mut Vec<String>,
    pub watch: &'a Watch,
    pub outputs: Vec<String>,
    /// Of task.json and of the step: all must agree.
    pub commands_restricted: bool,
    pub settable: Vec<Vec<String>>,
    pub run: StepRun,
    pub queue: Vec<Attachment>,
    pub result: Option<TaskResult>,
    pub command_result: Option<TaskResult>,
    pub force_complete: bool,
}

impl Observer for Effects<'_> {
    fn line(&mut self, line: Line) -> bool {
        let text = line.text.clone();
        self.run.raw.push(line);
        let command = Command::parse(&text, self.decode_percents());
        let leaks = self.watch.check(&text, command.as_ref(), self.masker);
        self.run.leaks.extend(leaks.into_iter().map(|what| format!("output: {what}")));
        if !self.process(&text, command) {
            self.write("", &text);
        }
        self.force_complete
    }

    fn cancelling(&mut self) {
        self.error("The Operation will be canceled. The next steps may not contain expected logs.");
    }
}

impl Effects<'_> {
    pub fn write(&mut self, tag: &str, message: &str) {
        let line = self.masker.mask(&format!("{tag}{message}"));
        self.run.log.push_str(&line);
        self.run.log.push('\n');
    }

    pub fn error(&mut self, message: &str) {
        self.write("##[error]", message);
        self.run.error_count += 1;
        if self.run.errors.len() < 10 {
            self.run.errors.push(self.masker.mask(message));
        }
    }

    pub fn warning(&mut self, message: &str) {
        self.write("##[warning]", message);
        self.run.warning_count += 1;
        if self.run.warnings.len() < 10 {
            self.run.warnings.push(self.masker.mask(message));
        }
    }

    fn debug(&mut self, message: &str) {
        if self.variable_is_true("system.debug") {
            self.write("##[debug]", message);
        }
    }

    fn variable_is_true(&self, name: &str) -> bool {
        self.variables.value(name).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
    }

    fn decode_percents(&self) -> bool {
        !self.variables.value("DECODE_PERCENTS").is_some_and(|value| value.eq_ignore_ascii_case("false"))
    }

    /// agent: WorkerCommandManager.cs, `TryProcessCommand`. False: the line is printed as text.
    fn process(&mut self, line: &str, command: Option<Command>) -> bool {
        let Some(command) = command else {
            if find(line, "##vso").is_some() {
                self.warning(&format!(
                    "'{line}' contains logging command keyword '##vso', but it's not a legal command. Please see the \
                     list of accepted commands: https://go.microsoft.com/fwlink/?LinkId=817296"
                ));
            }
            return false;
        };
        self.run.commands.push(command.clone());
        let host = self.variables.value("system.hosttype").unwrap_or("build").to_owned();
        let Some((hosts, _)) = area(&command.area) else {
            self.warning(&format!("Cannot find command extension for ##vso[{}.command]. {REFERENCE}", command.area));
            return true;
        };
        if !hosts.is_empty() && !hosts.contains(&host.as_str()) {
            self.error(&format!("{} commands are not supported for {host} flow. {REFERENCE}", command.area));
            self.command_result = Some(TaskResult::Failed);
            return false;
        }
        if let Err(error) = self.execute(&command) {
            self.error(&format!("Unable to process command '{line}' successfully. {REFERENCE}"));
            self.error(&error);
            self.command_result = Some(TaskResult::Failed);
        }
        if !command.is("task.debug") {
            self.debug(&format!("Processed: {}", unescape(line, self.decode_percents())));
        }
        true
    }

    fn execute(&mut self, command: &Command) -> Result<(), String> {
        let (area_name, event) = (command.area.as_str(), command.event.as_str());
        if !area(area_name).is_some_and(|(_, events)| events.contains(&event)) {
            return Err(format!(
                "##vso[{area_name}.{event}] is not a recognized command for {area_name} command extension. {REFERENCE}."
            ));
        }
        if self.commands_restricted && !ALLOWED_WHEN_RESTRICTED.contains(&format!("{area_name}.{event}").as_str()) {
            self.warning(&format!(
                "##vso[{area_name}.{event}] is not allowed in this step due to policy restrictions. {REFERENCE}"
            ));
            return Ok(());
        }
        if area_name != "task" {
            return Ok(());
        }
        match event {
            "logissue" | "issue" => self.log_issue(command),
            "complete" => self.complete(command),
            "setsecret" => {
                self.add_secret(&command.data);
                Ok(())
            }
            "setvariable" => self.set_variable(command),
            "settaskvariable" => self.set_task_variable(command),
            "setprogress" => {
                let value = command.property("value").and_then(|value| value.trim().parse::<i64>().ok()).unwrap_or(0);
                self.progress(u32::try_from(value.clamp(0, 100)).unwrap_or(0), &command.data);
                Ok(())
            }
            "debug" => {
                self.debug(&command.data);
                Ok(())
            }
            "uploadsummary" if command.data.is_empty() => {
                Err("Cannot upload summary file, summary file location is not specified.".into())
            }
            "uploadsummary" => self.attach("Distributedtask.Core.Summary", None, &command.data),
            "uploadfile" if command.data.is_empty() => {
                Err("Cannot upload task file, file location is not specified.".into())
            }
            "uploadfile" => self.attach("DistributedTask.Core.FileAttachment", None, &command.data),
            "addattachment" => {
                let kind =
                    command.property("type").ok_or("Can't add task attachment, attachment type is not provided.");
                let name =
                    command.property("name").ok_or("Can't add task attachment, attachment name is not provided.");
                self.attach(kind?, Some(name?), &command.data)
            }
            "prependpath" => {
                if self.settable("PATH") {
                    self.prepend_path.retain(|path| *path != command.data);
                    self.prepend_path.push(command.data.clone());
                }
                Ok(())
            }
            // logdetail, setendpoint: nothing that a later step or a person would see.
            _ => Ok(()),
        }
    }

    fn add_secret(&mut self, value: &str) {
        self.masker.add(value);
        if !self.decode_percents() {
            self.masker.add(&unescape(value, true));
        }
    }

    fn log_issue(&mut self, command: &Command) -> Result<(), String> {
        match command.property("type").map(str::to_lowercase).as_deref() {
            Some("error") => self.error(&command.data),
            Some("warning") => self.warning(&command.data),
            Some(other) => return Err(format!("issue type {other} is not an expected issue type.")),
            None => self.warning("Can't create TaskIssue from logging event."),
        }
        Ok(())
    }

    fn complete(&mut self, command: &Command) -> Result<(), String> {
        let result = command.property("result").and_then(TaskResult::parse);
        let result = result.ok_or("Command doesn't have valid result value.")?;
        self.result = Some(TaskResult::merge(self.result, result));
        self.progress(100, &command.data);
        self.force_complete |= command.flag("done") || command.property("done") == Some("1");
        Ok(())
    }

    fn progress(&mut self, percent: u32, operation: &str) {
        let highest = self.run.progress.last().map_or(0, |(percent, _)| *percent);
        self.run.progress.push((percent.max(highest), self.masker.mask(operation)));
    }

    /// The order matters: read-only, lines, mask, restriction (agent: TaskCommandExtension.cs).
    fn set_variable(&mut self, command: &Command) -> Result<(), String> {
        let (name, secret) = named(command)?;
        if self.variables.is_read_only(&name) {
            self.overwrites(&format!("variable '{name}'"))?;
        }
        if secret {
            self.one_line(&command.data)?;
            // The value itself is masked where the variable is set; of a blocked one only this form is.
            self.add_secret(&escape(&command.data, self.decode_percents()));
        }
        if !self.settable(&name) {
            return Ok(());
        }
        let output = command.flag("isoutput");
        let read_only = command.flag("isreadonly");
        // A declared or marked output exists only under the step's name.
        let (name, read_only) = if output || self.outputs.contains(&name.to_lowercase()) {
            (format!("{}.{name}", self.step), output || read_only)
        } else {
            (name, read_only)
        };
        let preserve_case = command.flag("preservecase");
        let variable = Variable { name, value: command.data.clone(), secret, read_only, preserve_case };
        self.variables.set(variable, self.masker);
        Ok(())
    }

    fn set_task_variable(&mut self, command: &Command) -> Result<(), String> {
        let (name, secret) = named(command)?;
        if self.task_variables.is_read_only(&name) {
            self.overwrites(&format!("task variable '{name}'"))?;
        }
        if secret {
            self.one_line(&command.data)?;
        }
        let read_only = command.flag("isreadonly");
        let preserve_case = command.flag("preservecase");
        let variable = Variable { name, value: command.data.clone(), secret, read_only, preserve_case };
        self.task_variables.set(variable, self.masker);
        Ok(())
    }

    fn overwrites(&mut self, what: &str) -> Result<(), String> {
        if self.variable_is_true("agent.readOnlyVariables") {
            return Err(format!("Overwriting readonly {what} is not permitted. {READ_ONLY}"));
        }
        self.warning(&format!(
            "Overwriting readonly {what}. This behavior will be disabled in the future. {READ_ONLY}"
        ));
        Ok(())
    }

    fn one_line(&self, value: &str) -> Result<(), String> {
        let newline = if cfg!(windows) { "\r\n" } else { "\n" };
        if value.contains(newline) && !self.variable_is_true("SYSTEM_UNSAFEALLOWMULTILINESECRET") {
            return Err("Secrets cannot contain multiple lines".into());
        }
        Ok(())
    }

    fn settable(&mut self, name: &str) -> bool {
        let matches = |patterns: &Vec<String>| {
            patterns.iter().any(|pattern| matches_glob(&pattern.to_lowercase(), &name.to_lowercase()))
        };
        let allowed = self.settable.iter().all(matches);
        if !allowed {
            self.warning(&format!("Setting variable '{name}' has been disabled by the task or build definition."));
        }
        allowed
    }

    /// agent: JobServerQueue.cs, `QueueFileUpload`: the file must be there, and is read some time later.
    fn attach(&mut self, kind: &str, name: Option<&str>, path: &str) -> Result<(), String> {
        let file = Path::new(path);
        if !file.is_file() {
            return Err("Cannot upload task attachment file, attachment file location is not specified or attachment \
                        file does not exist on disk."
                .into());
        }
        let own = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.map_or(own, str::to_owned);
        self.queue.push(Attachment { kind: kind.into(), name, path: file.into(), text: String::new() });
        Ok(())
    }

    /// The queued files as they are now. Of one that is gone nobody hears but the agent's own diagnostics.
    pub fn upload(&mut self) {
        for file in std::mem::take(&mut self.queue) {
            let Ok(bytes) = std::fs::read(&file.path) else { continue };
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let leaks = self.watch.found_in(&text).into_iter().map(|what| format!("uploaded file: {what}"));
            self.run.leaks.extend(leaks);
            let summary = file.kind == "Distributedtask.Core.Summary";
            let uploaded = if summary { &mut self.run.summaries } else { &mut self.run.attachments };
            uploaded.push(Attachment { text, ..file });
        }
    }
}

fn named(command: &Command) -> Result<(String, bool), String> {
    let missing = || {
        format!(
            "Value cannot be null. (Parameter 'Required field 'variable' is missing in ##vso[task.{}] command.')",
            command.event
        )
    };
    Ok((command.property("variable").ok_or_else(missing)?.to_owned(), command.flag("issecret")))
}

/// The host types that an area is for (none: all), and its commands.
fn area(name: &str) -> Option<(&'static [&'static str], &'static [&'static str])> {
    Some(match name {
        "task" => (&[], &TASK),
        "telemetry" | "results" => (&[], &["publish"]),
        "artifact" => (&["build", "release"], &["upload", "associate"]),
        "build" => (&["build"], &["uploadlog", "updatebuildnumber", "addbuildtag"]),
        "codecoverage" => (&["build"], &["publish", "enable"]),
        "release" => (&["release", "deployment"], &["updatereleasename"]),
        _ => return None,
    })
}

const TASK: [&str; 14] = [
    "logissue",
    "issue",
    "logdetail",
    "complete",
    "setprogress",
    "setsecret",
    "setvariable",
    "settaskvariable",
    "addattachment",
    "uploadsummary",
    "uploadfile",
    "debug",
    "prependpath",
    "setendpoint",
];

const ALLOWED_WHEN_RESTRICTED: [&str; 11] = [
    "task.logdetail",
    "task.logissue",
    "task.issue",
    "task.complete",
    "task.setprogress",
    "task.setsecret",
    "task.setvariable",
    "task.debug",
    "task.settaskvariable",
    "task.prependpath",
    "telemetry.publish",
];

/// `*` and `?` of minimatch; names of variables have no slashes.
fn matches_glob(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '*' => text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches_glob(rest, &text[at..])),
        _ => text
            .chars()
            .next()
            .is_some_and(|c| (first == '?' || c == first) && matches_glob(rest, &text[c.len_utf8()..])),
    }
}
