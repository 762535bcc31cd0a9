//! Which command and which stage to run, and how the process ends: its exit code tells the launcher whether the agent
//! knows the result.

use crate::agent::{handoff, job_status};
use crate::model::{text, timestamp};
use crate::rotation::outcome::{Outcome, Step};
use crate::rotation::{main_stage, many, result_file, settle_command, settle_stage, summary};
use crate::{check, report, settings, sign_in, workstation};
use std::ffi::OsString;
use std::io;
use std::rc::Rc;

use crate::agent::cancellation::Cancel;
use crate::agent::environment::Environment;
use crate::agent::logging_commands::{Console, StepResult};
use crate::check::Check;
use crate::context::{Context, RotationContext, Runtime};
use crate::failure::{Failure, StepError, UNCHANGED};
use crate::http::Files;
use crate::http::Http;
use crate::runtime::clock::Clock;
use crate::runtime::limits::Limits;
use crate::settings::{CheckSettings, Command, Fault, Settings};
use crate::workstation::Streams;

/// What `--version` says: a release's commit, and the target it was built for.
pub const VERSION: &str = concat!(
    "rotate-pat ",
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("ROTATE_PAT_COMMIT"),
    ", target ",
    env!("ROTATE_PAT_TARGET"),
    ")"
);

/// The two stages that the agent starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// `execution`.
    Main,
    /// `postjobexecution`.
    Settle,
}

impl Stage {
    /// From the launcher's argument.
    pub fn parse(argument: &str) -> Option<Self> {
        match argument {
            "task" => Some(Self::Main),
            "settle" => Some(Self::Settle),
            _ => None,
        }
    }
}

/// How a stage ended, and whether the agent knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StageExit {
    /// It succeeded, and said so.
    Succeeded,
    /// It failed or was cancelled, and said so.
    Failed,
    /// Nobody heard how it ended.
    Nothing,
}

impl StageExit {
    /// The exit code, by which the launcher knows whether the agent has the result. A rare code stands for a reported
    /// failure, so that no other way of ending is mistaken for it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Succeeded => 0,
            Self::Failed => 3,
            Self::Nothing => 2,
        }
    }
}

/// What `main` hands in: the program's whole world.
pub struct Start {
    /// The arguments, without the program's name.
    pub arguments: Vec<OsString>,
    /// Every environment variable.
    pub environment: Environment,
    /// The time.
    pub clock: Clock,
    /// Standard input.
    pub input: Box<dyn io::Read + Send>,
    /// Whether a person types there.
    pub is_terminal: bool,
    /// Standard output.
    pub out: Box<dyn io::Write>,
    /// Standard error, for a person only: a stage says everything on standard output.
    pub err: Box<dyn io::Write>,
    /// Whether the process that started this one is still there.
    pub has_launcher: Rc<dyn Fn() -> bool>,
}

/// Runs what the arguments name, on this thread, listening to signals: a stage for the launcher, or a sign-in for a
/// person. Returns the exit code.
pub fn start(start: Start) -> u8 {
    let Start { arguments, environment, clock, input, is_terminal, out, err, has_launcher } = start;
    let word = arguments.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    if word == "--version" || word == "-V" {
        let console = Console::new(out, false);
        console.say(VERSION);
        return heard(console.check(), StageExit::Succeeded).exit_code();
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return StageExit::Nothing.exit_code();
    };
    runtime.block_on(async {
        let (canceller, cancel) = Cancel::pair();
        if canceller.listen().is_err() {
            return StageExit::Nothing.exit_code();
        }
        match Stage::parse(&word) {
            Some(stage) => {
                let limits = Limits::default();
                run(stage, Runtime { environment, clock, out, cancel, has_launcher, limits }).await.exit_code()
            }
            None => {
                let streams = Streams { input, is_terminal, out, err };
                workstation::run(arguments, environment, clock, streams, cancel).await
            }
        }
    })
}

/// Runs a stage to its end.
pub async fn run(stage: Stage, surroundings: Runtime) -> StageExit {
    let Runtime { environment, clock, out, cancel, has_launcher, limits } = surroundings;
    let console = Console::new(out, settings::is_debug(&environment));
    for secret in settings::secrets(&environment) {
        console.redact(&secret);
    }
    let handed = match stage {
        Stage::Main => None,
        Stage::Settle => match handoff::take(&environment) {
            Ok(Some(handed)) => {
                console.redact(&handed.new_pat);
                console.redact(&handed.user_token);
                Some(handed)
            }
            // The main stage was skipped, failed or had nothing to rotate.
            Ok(None) => return heard(complete(&console, Some(&Outcome::NothingToSettle)), StageExit::Succeeded),
            Err(handoff::Unusable::Unreadable) => {
                let error = anyhow::anyhow!("could not read what the main step left in its task variables");
                let now = "Nothing was changed; what the main step made, the next run finds.";
                return heard(StepError::new(error).advise("Run again.").now(now).tell(&console), StageExit::Failed);
            }
            Err(handoff::Unusable::Forged(variable)) => {
                let variable = text::quoted(&variable);
                let error = anyhow::anyhow!("the job's variable {variable} can pass for what the main step left");
                let advice = "Remove the variable, and find out who set it; then run again.";
                let now = "Nothing was sent and nothing was changed.";
                return heard(StepError::new(error).advise(advice).now(now).tell(&console), StageExit::Failed);
            }
        },
    };
    let ready = settings::read(&environment).and_then(|settings| {
        if stage == Stage::Main
            && let Command::Rotate(rotate) = &settings.command
            && let Some(variable) = rotate.confirm_variable.as_deref()
            && job_status::is_confirmed(&environment, variable)
        {
            return Err(vec![Fault::confirmed_before(variable)]);
        }
        let files = Files::read(&settings.network)?;
        Ok((settings, files))
    });
    let (Settings { access, command, network }, files) = match ready {
        Ok(ready) => ready,
        Err(faults) => {
            if let Some(handed) = &handed {
                let name = text::quoted(&handed.state.own.display_name);
                console.say(&format!("every token works; the new one stays {name}, and the next run retires it"));
            }
            return heard(report_faults(&console, &environment, &faults), StageExit::Failed);
        }
    };
    if let Some(handed) = &handed
        && let Some(whose) = not_of(&command, handed)
    {
        let error = anyhow::anyhow!("what the main step left is not this job's: {whose}");
        let advice = "Find out what set this step's task variables; then run again.";
        let now = "Nothing was sent and nothing was changed.";
        return heard(StepError::new(error).advise(advice).now(now).tell(&console), StageExit::Failed);
    }
    for remark in network.remarks().iter().chain(files.warnings()) {
        console.warn(remark);
    }
    if !network.skip_validation {
        console.say(files.trusted());
    }
    let http = match Http::new(network, files, Rc::new(limits), cancel, has_launcher, console.hidden()) {
        Ok(http) => http,
        Err(error) => return heard(StepError::new(error).now(UNCHANGED).tell(&console), StageExit::Failed),
    };
    let context = Context { access, http, console, clock, shared: <_>::default() };
    let version = env!("CARGO_PKG_VERSION");
    let organization = context.access.organization.clone();
    let (ended, context) = match (command, handed) {
        (Command::Rotate(settings), None) => {
            let (name, run) = (&settings.request.name, &settings.request.run);
            context.console.say(&format!("RotatePat {version}: rotate {name} in {organization}, run {run}"));
            let rotating = RotationContext::new(context, *settings);
            (told(&rotating, Step::Rotate, rotate(&rotating).await), rotating.context)
        }
        (Command::Rotate(settings), Some(handed)) => {
            let (name, run) = (&settings.request.name, &handed.state.run);
            context.console.say(&format!("RotatePat: settle {name} in {organization}, run {run}"));
            let job =
                job_status::job_end(&environment, settings.confirm_variable.as_deref(), settings.variable.as_deref());
            let rotating = RotationContext::new(context, *settings);
            (told(&rotating, Step::PostJob, settle_stage::run(&rotating, handed, &job).await), rotating.context)
        }
        (Command::RotateMany(settings), _) => {
            let (count, file, run) = (settings.entries.len(), &settings.file, &settings.run);
            let tokens = timestamp::pluralize(i64::try_from(count).unwrap_or(i64::MAX), "token");
            context.console.say(&format!("RotatePat {version}: rotate the {tokens} of {file}, run {run}"));
            (many::run(&context, *settings).await.map(Some), context)
        }
        (Command::Settle(settings), _) => {
            let request = &settings.request;
            context.console.say(&format!(
                "RotatePat {version}: settle {} in {organization}, for build {}",
                request.name, request.run.run
            ));
            let job = job_status::job_end(&environment, None, None);
            let rotating = RotationContext::new(context, *settings);
            (told(&rotating, Step::Settle, settle_command::run(&rotating, &job.status).await), rotating.context)
        }
        (Command::Check(settings), _) => {
            let CheckSettings { rotation, canary: has_canary, folder } = *settings;
            let (name, run) = (&rotation.request.name, &rotation.request.run);
            context.console.say(&format!("RotatePat {version}: check {name} in {organization}, run {run}"));
            let rotating = RotationContext::new(context, rotation);
            let check = Check { rotation: &rotating, has_canary, folder: &folder };
            (check::run(&check).await.map(|()| None), rotating.context)
        }
        (Command::Report(settings), _) => {
            context.console.say(&format!("RotatePat {version}: report on {organization}"));
            (report::run(&context, &settings).await.map(|()| None), context)
        }
        (Command::SignIn(settings), _) => {
            context.console.say(&format!("RotatePat {version}: sign in for {organization}"));
            (sign_in::person::run(&context, &settings).await.map(|()| None), context)
        }
    };
    match ended {
        Ok(outcome) => heard(complete(&context.console, outcome.as_ref()), StageExit::Succeeded),
        Err(failure) => heard(failure.tell(&context.console), StageExit::Failed),
    }
}

/// Shows the result on the run's page, and leaves the result file.
fn told(rotating: &RotationContext, step: Step, ended: Result<Outcome, Failure>) -> Result<Option<Outcome>, Failure> {
    summary::show(rotating, step, &ended);
    let (run, is_worth_it) = (&rotating.settings.request.run, summary::is_worth_it(&ended));
    let rotations = [result_file::rotation(rotating, &ended)];
    result_file::leave(&rotating.context, step, run, rotating.began, &rotations, is_worth_it);
    ended.map(Some)
}

/// Whose hand-over it is, where it is not that of this job's own rotation.
fn not_of(command: &Command, handed: &handoff::Handoff) -> Option<String> {
    let (name, run) = (&handed.state.name, &handed.state.run);
    match command {
        Command::Rotate(own) if own.request.name == *name && own.request.run == *run => None,
        Command::Rotate(own) => Some(format!(
            "it is of {name} and run {run}, and this step rotates {} as run {}",
            own.request.name, own.request.run
        )),
        _ => Some(format!("it is of {name} and run {run}, and this step does not rotate")),
    }
}

/// The main stage; where it made nothing new, its outputs are set here.
async fn rotate(rotation: &RotationContext) -> Result<Outcome, Failure> {
    let outputs = main_stage::run(rotation).await?;
    if !outputs.rotated() {
        outputs.set(&rotation.context.console).map_err(|error| StepError::new(error).now(UNCHANGED))?;
    }
    if matches!(outputs.outcome, Outcome::DryRun { .. }) {
        check::after_dry_run(rotation).await?;
    }
    Ok(outputs.outcome)
}

/// Says how a stage ended that did not fail. A held rotation must not be green: the next run makes another token, and after
/// a few of those rotation stops.
fn complete(console: &Console, outcome: Option<&Outcome>) -> io::Result<()> {
    let Some(outcome) = outcome else { return console.complete(StepResult::Succeeded, "") };
    console.say(&format!("Result: {outcome}"));
    let is_held = matches!(outcome, Outcome::Held(_));
    console.complete(if is_held { StepResult::SucceededWithIssues } else { StepResult::Succeeded }, "")
}

/// Every fault of the inputs and of the agent's own settings, each an issue of its own.
fn report_faults(console: &Console, environment: &Environment, faults: &[Fault]) -> io::Result<()> {
    for fault in faults {
        console.error(&fault.to_string());
    }
    let are_inputs = faults.iter().all(Fault::is_of_an_input);
    let what = if are_inputs { "input" } else { "setting" };
    let now = format!("Nothing was sent and nothing was changed. Correct the {what}s and run again.");
    console.say(&now);
    let count = timestamp::pluralize(i64::try_from(faults.len()).unwrap_or(i64::MAX), what);
    let (number, what) = count.split_once(' ').unwrap_or_default();
    let result = format!("{number} invalid {what}");
    // Where the agent's own settings are at fault, its folder may be too.
    if are_inputs
        && let Some(folder) = settings::temporary_folder(environment)
        && let Err(error) = summary::show_faults(console, &folder, &result, faults, &now)
    {
        console.say(&summary::not_written(&error));
    }
    console.say(&format!("Result: failed: {result}"));
    console.complete(StepResult::Failed, &result)
}

/// The exit of a stage, unless standard output was closed before the agent could read it.
fn heard(written: io::Result<()>, exit: StageExit) -> StageExit {
    if written.is_ok() { exit } else { StageExit::Nothing }
}
