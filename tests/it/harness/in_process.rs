//! Runs both stages in this process, with the agent's environment as a map: for the demo, and for tests that need the
//! program's clock or its limits in their hand. Everything else is tested through the packaged task.

#![allow(dead_code, reason = "the demo and the tests use different parts of it")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use rotate_pat::agent::cancellation::{Cancel, Canceller};
use rotate_pat::agent::environment::format_name;
use rotate_pat::app::{Stage, StageExit, run};
use rotate_pat::context::Runtime;
use rotate_pat::model::timestamp::Timestamp;
use rotate_pat::runtime::clock::Clock;
use rotate_pat::runtime::limits::Limits;
use tokio::sync::Notify;

use agent::Command;
use simulator::Simulator;

/// Limits of milliseconds, in the proportions of the real ones.
pub(crate) fn brief() -> Limits {
    Limits {
        connect: Duration::from_secs(5),
        read: Duration::from_millis(400),
        reply: Duration::from_millis(500),
        create_reply: Duration::from_millis(600),
        create_reply_when_cancelled: Duration::from_millis(100),
        first_pause: Duration::from_millis(2),
        longest_pause: Duration::from_millis(20),
        repeat_within: Duration::from_millis(400),
        metadata_update: Duration::from_millis(600),
        first_use: Duration::from_millis(2),
        first_propagation_pause: Duration::from_millis(2),
        longest_propagation_pause: Duration::from_millis(20),
        propagation: Duration::from_millis(400),
        ..Limits::default()
    }
}

/// A job whose one task runs in this process.
pub(crate) struct LocalJob {
    sim: Arc<Simulator>,
    environment: BTreeMap<String, String>,
    /// Added to the steady clock, in milliseconds: a machine that sleeps.
    pub(crate) slept: Arc<AtomicU64>,
    pub(crate) limits: Limits,
    /// The lines of the last stage, as printed.
    pub(crate) raw: Vec<String>,
    /// Handed to the next stage: lets a test cancel it.
    cancel: Option<Cancel>,
    /// The output breaks after so many lines.
    pub(crate) closes_after: Option<usize>,
}

impl LocalJob {
    /// A job of the run that the world is in, signed in by an access token of the rotator.
    pub(crate) fn new(sim: &Arc<Simulator>, inputs: &[(&str, &str)]) -> Self {
        let mut world = sim.world();
        let token = world.user_token("vso.pats vso.pats_manage");
        let job = world.job.clone();
        let origin = sim.origin();
        let mut environment: BTreeMap<String, String> = [
            ("ENDPOINT_URL_SYSTEMVSSCONNECTION", format!("{origin}/contoso/")),
            ("VSTS_PUBLIC_VARIABLES", "[]".to_owned()),
            ("VSTS_SECRET_VARIABLES", "[]".to_owned()),
            ("SYSTEM_TEAMPROJECTID", job.project_id),
            ("SYSTEM_DEFINITIONID", job.definition_id.to_string()),
            ("SYSTEM_JOBATTEMPT", "1".to_owned()),
            ("BUILD_BUILDID", job.build_id.to_string()),
            ("ENDPOINT_AUTH_PARAMETER_SYSTEMVSSCONNECTION_ACCESSTOKEN", job.token),
            ("INPUT_ACCESSTOKEN", token),
            ("INPUT_ROTATEWHENDAYSLEFT", "always".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        for (name, value) in inputs {
            environment.insert(format!("INPUT_{}", name.to_uppercase()), (*value).to_owned());
        }
        Self {
            sim: Arc::clone(sim),
            environment,
            slept: Arc::default(),
            limits: brief(),
            raw: Vec::new(),
            cancel: None,
            closes_after: None,
        }
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// The next stage can be told to stop.
    pub(crate) fn canceller(&mut self) -> Canceller {
        let (canceller, cancel) = Cancel::pair();
        self.cancel = Some(cancel);
        canceller
    }

    /// A job variable, as a later step would see it.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let name = format_name(name);
        let value = self.environment.get(&format!("SECRET_{name}")).or_else(|| self.environment.get(&name));
        value.map(String::as_str)
    }

    pub(crate) fn main(&mut self) -> StageExit {
        self.stage(Stage::Main)
    }

    /// The settle stage, after a job that ended like this.
    pub(crate) fn settle(&mut self, status: &str) -> StageExit {
        self.set("agent.jobstatus", status);
        self.stage(Stage::Settle)
    }

    fn stage(&mut self, stage: Stage) -> StageExit {
        let slept = Arc::clone(&self.slept);
        let conditions = Conditions {
            limits: self.limits.clone(),
            cancel: self.cancel.take().unwrap_or_else(|| Cancel::pair().1),
            closes_after: self.closes_after,
            slept,
            ..Conditions::new(&self.sim)
        };
        let (told, printed) = conditions.run(stage, self.environment.clone());
        self.raw = printed.lines().map(str::to_owned).collect();
        for command in self.raw.clone().iter().filter_map(|line| Command::parse(line, true)) {
            self.obey(&command);
        }
        told.expect("nobody kills it")
    }

    fn obey(&mut self, command: &Command) {
        let Some(name) = command.property("variable").map(format_name) else { return };
        let name = match (command.event.as_str(), command.flag("issecret")) {
            ("settaskvariable", _) => format!("VSTS_TASKVARIABLE_{name}"),
            ("setvariable", true) => format!("SECRET_{name}"),
            _ => name,
        };
        self.environment.insert(name, command.data.clone());
    }

    /// What a person sees of the last stage.
    pub(crate) fn log(&self) -> String {
        let mut log = String::new();
        for line in &self.raw {
            let shown = match Command::parse(line, true) {
                None => line.clone(),
                Some(command) if command.is("task.logissue") => {
                    format!("##[{}]{}", command.property("type").unwrap_or_default(), command.data)
                }
                Some(_) => continue,
            };
            log.push_str(&shown);
            log.push('\n');
        }
        log
    }
}

/// What a stage in this process is given besides its environment.
pub(crate) struct Conditions {
    sim: Arc<Simulator>,
    pub(crate) limits: Limits,
    pub(crate) cancel: Cancel,
    /// The output breaks after so many lines.
    pub(crate) closes_after: Option<usize>,
    /// Added to the steady clock, in milliseconds.
    pub(crate) slept: Arc<AtomicU64>,
    /// By how much the agent's clock is ahead of the world's.
    pub(crate) ahead: SignedDuration,
    /// Notified, the stage is no more, whatever it was about to do.
    pub(crate) death: Arc<Notify>,
    /// Whether the launcher has gone.
    pub(crate) abandoned: Arc<AtomicBool>,
}

impl Conditions {
    /// Ordinary ones.
    pub(crate) fn new(sim: &Arc<Simulator>) -> Self {
        Self {
            sim: Arc::clone(sim),
            limits: brief(),
            cancel: Cancel::pair().1,
            closes_after: None,
            slept: Arc::default(),
            ahead: SignedDuration::ZERO,
            death: Arc::default(),
            abandoned: Arc::default(),
        }
    }

    /// Runs a stage to its end, or to its death. Says how it ended and what it printed.
    pub(crate) fn run<N: Into<String>, V: Into<String>>(
        self,
        stage: Stage,
        environment: impl IntoIterator<Item = (N, V)>,
    ) -> (Option<StageExit>, String) {
        let Self { sim, limits, cancel, closes_after, slept, ahead, death, abandoned } = self;
        let page = Page { lines: Rc::default(), closes_after };
        let started = Instant::now();
        let wall = move || Timestamp::parse(&(sim.world().clients_now() + ahead).to_string()).unwrap();
        let steady = move || started.elapsed() + Duration::from_millis(slept.load(Ordering::SeqCst));
        let surroundings = Runtime {
            environment: environment.into_iter().collect(),
            clock: Clock::new(wall, steady),
            out: Box::new(page.clone()),
            cancel,
            has_launcher: Rc::new(move || !abandoned.load(Ordering::SeqCst)),
            limits,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let told = runtime.block_on(async {
            tokio::select! {
                told = run(stage, surroundings) => Some(told),
                () = death.notified() => None,
            }
        });
        let printed = String::from_utf8(page.lines.borrow().concat()).unwrap();
        (told, printed)
    }
}

#[derive(Clone)]
struct Page {
    lines: Rc<RefCell<Vec<Vec<u8>>>>,
    closes_after: Option<usize>,
}

impl Write for Page {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let mut lines = self.lines.borrow_mut();
        if self.closes_after.is_some_and(|limit| lines.len() >= limit) {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        lines.push(buffer.to_vec());
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
