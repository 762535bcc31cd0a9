//! RotatePat rotates an Azure DevOps personal access token from a pipeline, and never leaves anybody without a valid one.
//!
//! A run has two stages. The main stage ([`rotate`]) signs in, looks at what exists, makes a [`plan`], and where that
//! says so creates a new token, proves it and hands it to the job. The settle stage ([`settle`]), after the job's other
//! steps, commits it and retires the old one where the job has succeeded.
//!
//! # Layout
//!
//! | module | what |
//! |---|---|
//! | [`secret`], [`timestamp`], [`text`], [`pat`], [`listed`], [`allowance`] | values; know nothing of each other's users |
//! | [`certificate`], [`private_key`] | what signs for an app, and what a passphrase protects |
//! | [`plan`], [`look`] | what to do and whether it may be committed: pure |
//! | [`advice`] | what a refusal means, and the one thing to do about it: pure |
//! | [`settings`] | the task's inputs and the agent's environment, read once |
//! | [`azure`] | the services, one file each; the only place that names the HTTP client |
//! | [`sign_in`] | a token that acts for a user, one file a source |
//! | [`destinations`] | where the new value goes, one file a kind |
//! | [`workstation`] | the sign-in of a person, done once |
//! | [`rotate`], [`settle`], [`hand_over`] | the two stages that act, and what one leaves for the other |
//! | [`report`] | which tokens are about to expire, and whose they are |
//! | [`commands`], [`outcome`] | what the agent reads, and how a stage ends in words |
//! | [`work`], [`clock`], [`patience`], [`cancel`] | what an acting part is given |
//! | [`crash`] | how the program ends when it should not |

pub mod advice;
pub mod allowance;
pub mod azure;
pub mod cancel;
pub mod certificate;
pub mod clock;
pub mod commands;
pub mod crash;
pub mod destinations;
pub mod hand_over;
pub mod listed;
pub mod look;
pub mod outcome;
pub mod pat;
pub mod patience;
pub mod plan;
pub mod private_key;
pub mod report;
pub mod rotate;
pub mod secret;
pub mod settings;
pub mod settle;
pub mod sign_in;
pub mod text;
pub mod timestamp;
pub mod work;
pub mod workstation;

use std::ffi::OsString;
use std::io;
use std::rc::Rc;

use crate::azure::http::Http;
use crate::azure::tls::Files;
use crate::cancel::Cancel;
use crate::clock::Clock;
use crate::commands::{Console, StepResult};
use crate::outcome::Failure;
use crate::patience::Patience;
use crate::settings::environment::Environment;
use crate::settings::{Command, Fault, Settings};
use crate::work::{Rotating, Surroundings, Work};

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

/// How a stage ended, and whether the agent was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// It succeeded, and said so.
    Succeeded,
    /// It failed or was cancelled, and said so.
    Failed,
    /// Nobody heard how it ended.
    Nothing,
}

impl Told {
    /// The exit code, by which the launcher knows whether the agent was told. A rare one for a failure that was told,
    /// so that no other way of ending is taken for it.
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
    pub input: Box<dyn io::Read>,
    /// Standard output.
    pub out: Box<dyn io::Write>,
    /// Whether the process that started this one is still there.
    pub has_launcher: Rc<dyn Fn() -> bool>,
}

/// Runs what the arguments name, on this thread, listening to signals: a stage for the launcher, or a sign-in for a
/// person. Returns the exit code.
pub fn start(start: Start) -> u8 {
    let Start { mut arguments, environment, clock, input, out, has_launcher } = start;
    let word = if arguments.is_empty() { OsString::new() } else { arguments.remove(0) };
    let word = word.to_string_lossy();
    let stage = Stage::parse(&word);
    if stage.is_none() && word != "sign-in" {
        let console = Console::new(out, false);
        if word == "--version" {
            console.say(VERSION);
            return told(console.check(), Told::Succeeded).exit_code();
        }
        console.say("This program is started by the pipeline task RotatePat, with `task` or `settle`; see its README.");
        console.say("A person signs in once with:");
        console.say(workstation::USAGE);
        return Told::Nothing.exit_code();
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Told::Nothing.exit_code();
    };
    runtime.block_on(async {
        let (canceller, cancel) = Cancel::pair();
        if canceller.listen().is_err() {
            return Told::Nothing.exit_code();
        }
        match stage {
            Some(stage) => {
                let patience = Patience::default();
                run(stage, Surroundings { environment, clock, out, cancel, has_launcher, patience }).await.exit_code()
            }
            None => workstation::run(arguments, environment, clock, input, out, cancel).await,
        }
    })
}

/// Runs a stage to its end.
pub async fn run(stage: Stage, surroundings: Surroundings) -> Told {
    let Surroundings { environment, clock, out, cancel, has_launcher, patience } = surroundings;
    let console = Console::new(out, settings::is_debug(&environment));
    for secret in settings::secrets(&environment) {
        console.hide(&secret);
    }
    let handed = match stage {
        Stage::Main => None,
        Stage::Settle => match hand_over::take(&environment) {
            Ok(Some(handed)) => {
                console.hide(&handed.new_pat);
                console.hide(&handed.user_token);
                Some(handed)
            }
            // The main stage was skipped, failed or had nothing to rotate.
            Ok(None) => return told(console.complete(StepResult::Succeeded, ""), Told::Succeeded),
            Err(hand_over::Unusable) => {
                let error = anyhow::anyhow!("could not read what the main step left in its task variables");
                let now = "Nothing was changed; what the main step made, the next run finds.";
                return told(Failure::new(error, now).advise("Run again.").tell(&console), Told::Failed);
            }
        },
    };
    let ready = settings::read(&environment).and_then(|settings| {
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
            return told(tell_faults(&console, &faults), Told::Failed);
        }
    };
    for remark in network.remarks() {
        console.warn(&remark);
    }
    let http = match Http::new(network, files, Rc::new(patience), cancel, has_launcher, console.hidden()) {
        Ok(http) => http,
        Err(error) => return told(Failure::new(error, "Nothing was changed.").tell(&console), Told::Failed),
    };
    let work = Work { access, http, console, clock, tokens: <_>::default() };
    let version = env!("CARGO_PKG_VERSION");
    let organization = work.access.organization.clone();
    let (ended, work) = match (command, handed) {
        (Command::Rotate(settings), None) => {
            let (name, run) = (&settings.wish.name, &settings.wish.run);
            work.console.say(&format!("RotatePat {version}: rotate {name} in {organization}, run {run}"));
            let rotating = Rotating { work, settings: *settings };
            (rotate(&rotating).await, rotating.work)
        }
        (Command::Rotate(settings), Some(handed)) => {
            let (name, run) = (&settings.wish.name, &handed.state.run);
            work.console.say(&format!("RotatePat: settle {name} in {organization}, run {run}"));
            let job = settings::job_end(&environment, &settings);
            let rotating = Rotating { work, settings: *settings };
            (settle::run(&rotating, handed, &job).await, rotating.work)
        }
        (Command::Report(settings), _) => {
            work.console.say(&format!("RotatePat {version}: report on {organization}"));
            (report::run(&work, &settings).await, work)
        }
        (Command::SignIn(settings), _) => {
            work.console.say(&format!("RotatePat {version}: sign in for {organization}"));
            (sign_in::person::run(&work, &settings).await, work)
        }
    };
    match ended {
        Ok(()) => told(work.console.complete(StepResult::Succeeded, ""), Told::Succeeded),
        Err(failure) => told(failure.tell(&work.console), Told::Failed),
    }
}

/// The main stage; where it made nothing new, its outputs are set here.
async fn rotate(work: &Rotating) -> Result<(), Failure> {
    let outputs = rotate::run(work).await?;
    if !outputs.rotated {
        outputs.set(&work.console).map_err(|error| Failure::new(error, "Nothing was changed."))?;
    }
    Ok(())
}

/// Every fault of the inputs and of the agent's own settings, each an issue of its own.
fn tell_faults(console: &Console, faults: &[Fault]) -> io::Result<()> {
    for fault in faults {
        console.error(&fault.to_string());
    }
    let what = if faults.iter().all(Fault::is_of_an_input) { "input" } else { "setting" };
    console.say(&format!("nothing was sent and nothing was changed; correct the {what}s and run again"));
    let count = timestamp::counted(i64::try_from(faults.len()).unwrap_or(i64::MAX), what);
    console.complete(StepResult::Failed, &format!("{count} cannot be used as given"))
}

fn told(written: io::Result<()>, told: Told) -> Told {
    if written.is_ok() { told } else { Told::Nothing }
}
