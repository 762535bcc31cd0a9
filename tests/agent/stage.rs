//! One stage of a step, from its environment to its result (agent: TaskRunner.cs, NodeHandler.cs, StepsRunner.cs).

use super::effects::Effects;
use super::environment::{Environment, SYSTEM_CONNECTION, Stage, env_name};
use super::process::{Ending, Exit, Interruption, Spawn};
use super::step::{JobStatus, Step, StepRun, TaskResult};
use super::{Job, defaults};
use std::path::PathBuf;
use std::time::Duration;

impl Job {
    pub(super) fn run_stage(&mut self, step: &Step, stage: Stage, mut interruption: Interruption) -> StepRun {
        let Some((entry, directory)) = self.manifest.handler(stage) else {
            panic!("task.json has no node handler for {stage:?}");
        };
        let agent = self.agent_environment();
        self.variables.load("agent.jobstatus", &format!("{:?}", self.status), false);
        defaults::load_step(&mut self.variables, &step.name);
        self.variables.expand(&mut self.masker);
        let (inputs, endpoints) = self.manifest.resolve_inputs(step, &self.variables, &agent, &self.endpoints);
        // agent: NodeHandler.cs, `RunAsync`. It starts nothing in a folder that a step has deleted.
        let directory = directory.map(|given| self.variables.expand_text(&given));
        let directory = directory.or_else(|| self.variables.value("system.defaultWorkingDirectory").map(str::to_owned));
        let directory = directory.map_or_else(|| self.workspace.root().to_owned(), PathBuf::from);

        let mut task_variables = self.task_variables.remove(&step.name).unwrap_or_default();
        let (commands_restricted, allowed) = self.manifest.restrictions();
        let mut effects = Effects {
            step: &step.name,
            variables: &mut self.variables,
            task_variables: &mut task_variables,
            masker: &mut self.masker,
            prepend_path: &mut self.prepend_path,
            watch: &self.watch,
            outputs: self.manifest.output_variables(),
            commands_restricted: commands_restricted || step.commands_restricted,
            settable: allowed.into_iter().chain(step.settable_variables.clone()).collect(),
            run: StepRun { result: TaskResult::Succeeded, ..StepRun::skipped() },
            queue: Vec::new(),
            result: None,
            command_result: None,
            force_complete: false,
        };
        let title = if stage == Stage::Main { step.name.clone() } else { format!("Post-job: {}", step.name) };
        effects.write("##[section]", &format!("Starting: {title}"));
        let mut cancelled = false;
        loop {
            // The inputs of the first attempt, the variables as they are now (agent: TaskRunner.cs).
            let mut environment = agent.clone();
            let expand = |text: &String| effects.variables.expand_text(text.trim());
            step.env.iter().for_each(|(name, value)| environment.set(name, expand(value)));
            if !self.is_before_july_2026 {
                environment.add_variables(effects.variables, self.order);
            }
            inputs.iter().for_each(|(name, value)| environment.set(format!("INPUT_{}", env_name(name)), value));
            self.system_connection.add_to(SYSTEM_CONNECTION, &mut environment);
            endpoints.iter().for_each(|endpoint| endpoint.add_to(&endpoint.id, &mut environment));
            if self.is_before_july_2026 {
                environment.add_variables(effects.variables, self.order);
            }
            environment.add_task_variables(effects.task_variables);
            defaults::prepend(&mut environment, effects.prepend_path);
            self.raw_env.iter().for_each(|(name, value)| environment.set(name, value));
            let mut spawn = Spawn {
                program: PathBuf::new(),
                arguments: Vec::new(),
                environment: environment.into_vec(),
                directory: directory.clone(),
                timeout: step.timeout,
                bound: self.bound,
                patience: self.patience,
                scale: self.scale,
            };
            effects.force_complete = false;
            let is_tried_again = if directory.is_dir() {
                let host = &mut self.host;
                let exit = host.run((stage, &entry), &mut spawn, &mut interruption, &self.watch, &mut effects);
                cancelled |= exit.ending == Ending::Cancelled;
                ended(&mut effects, exit, &spawn, step.retries)
            } else {
                // .NET's words, in an exception like any other (agent: ProcessInvoker.cs starts the process with them).
                let thrown = format!(
                    "An error occurred trying to start process 'node' with working directory '{}'. No such file or directory",
                    directory.display()
                );
                effects.run.attempts += 1;
                failed(&mut effects, Some(&thrown), step.retries)
            };
            if !is_tried_again {
                break;
            }
            let wait = Duration::from_secs(u64::from(effects.run.attempts).pow(2)).mul_f64(self.retry_scale);
            std::thread::sleep(wait);
            // The next attempt has a new pipe.
            if matches!(interruption, Interruption::CloseStdout(_)) {
                interruption = Interruption::None;
            }
        }
        let mut result = effects.result;
        if let Some(of_commands) = effects.command_result {
            result = Some(TaskResult::merge(result, of_commands));
        }
        let mut result = result.unwrap_or(TaskResult::Succeeded);
        if result == TaskResult::Failed && step.continue_on_error {
            result = TaskResult::SucceededWithIssues;
        }
        effects.write("##[section]", &format!("Finishing: {title}"));
        effects.upload();
        let run = StepRun { result, ..effects.run };
        self.task_variables.insert(step.name.clone(), task_variables);
        for file in &self.uploaded {
            let now = std::fs::read(&file.path).unwrap_or_default();
            let is_same = String::from_utf8_lossy(&now) == file.text;
            assert!(is_same, "{} has changed, and the agent may not have read it yet", file.path.display());
        }
        self.uploaded.extend(run.summaries.iter().chain(&run.attachments).cloned());
        // agent: StepsRunner.cs: only these change the job's status.
        self.status = self.status.max(match result {
            _ if cancelled => JobStatus::Canceled,
            TaskResult::SucceededWithIssues => JobStatus::SucceededWithIssues,
            TaskResult::Failed => JobStatus::Failed,
            _ => JobStatus::Succeeded,
        });
        run
    }

    /// The agent's own: PATH and nothing else of this process.
    fn agent_environment(&self) -> Environment {
        let mut environment = Environment::default();
        for name in ["PATH", "SystemRoot"] {
            if let Some(value) = defaults::inherited(name) {
                environment.set(name, value);
            }
        }
        environment.set("HOME", self.workspace.root());
        environment.set("LANG", "C.UTF-8");
        environment.set("TF_BUILD", "True");
        environment.set("VSTS_PROCESS_LOOKUP_ID", format!("vsts_{}", defaults::guid("lookup")));
        environment
    }
}

/// Takes in how the process ended. True: the agent tries again (agent: RetryHelper.cs, StepsRunner.cs).
fn ended(effects: &mut Effects<'_>, exit: Exit, spawn: &Spawn, retries: u32) -> bool {
    let run = &mut effects.run;
    run.attempts += 1;
    run.exit_code = exit.code;
    run.signals.extend(exit.signals);
    run.duration += exit.duration;
    run.outlived = run.outlived.max(exit.outlived);
    run.orphans.extend(exit.orphans);
    run.leaks.extend(exit.argument_leaks);
    match exit.ending {
        Ending::Bound => panic!("a run exceeded {:?} and was killed; its log:\n{}", spawn.bound, run.log),
        Ending::Cancelled => {
            effects.error("The operation was canceled.");
            effects.result = Some(TaskResult::Canceled);
            return false;
        }
        Ending::TimedOut => {
            effects.error("The task has timed out.");
            effects.result = Some(TaskResult::Failed);
            return false;
        }
        Ending::AgentGone => {
            effects.result = Some(TaskResult::Abandoned);
            return false;
        }
        Ending::ForcedComplete | Ending::Exited => {}
    }
    let code = exit.code.unwrap_or(0);
    if code == 137 {
        effects.error("The process exited with code 137, which means it ran out of memory.");
    }
    if code != 0 {
        let arguments = spawn.arguments.iter().map(|argument| format!("\"{}\"", argument.display()));
        let arguments = arguments.collect::<Vec<_>>().join(" ");
        let thrown = format!(
            "Exit code {code} returned from process: file name '{}', arguments '{arguments}'.",
            spawn.program.display()
        );
        return failed(effects, Some(&thrown), retries);
    }
    failed(effects, None, retries)
}

/// Whether the agent tries again after an exception, or after a result that is Failed. An exception leaves the result of
/// the attempt as it is, so that it weighs on the next one (agent: RetryHelper.cs, `RetryStep`).
fn failed(effects: &mut Effects<'_>, thrown: Option<&str>, retries: u32) -> bool {
    let (attempt, is_exhausted) = (effects.run.attempts, effects.run.attempts > retries);
    let wait = attempt.pow(2) * 1000;
    match thrown {
        Some(thrown) if is_exhausted => {
            effects.error(thrown);
            effects.result = Some(TaskResult::Failed);
            false
        }
        Some(thrown) => {
            effects.warning(&format!(
                "RetryHelper encountered exception, will retry (attempt #: {attempt} {thrown}) afer {wait} ms"
            ));
            true
        }
        None if effects.result != Some(TaskResult::Failed) || is_exhausted => false,
        None => {
            effects.warning(&format!(
                "RetryHelper encountered task failure, will retry (attempt #: {attempt} out of {retries}) after {wait} ms"
            ));
            effects.result = None;
            true
        }
    }
}
