//! One world with one kind of run in it, its stages in this process under the emulated agent. After each request
//! [`Watched`] says whether the promises hold.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use rotate_pat::app::{Stage, StageExit};

use super::kind::{Commands, Confirmed, Kind, Left, Source};
use super::watched::{Watched, held};
use crate::destinations::several::{self, FEED, GROUP, PLACE, PUBLISHER, VAULT};
use crate::harness::in_process::Conditions;
use crate::harness::pipeline::{NAME, REFRESH, VARIABLE, job_in, leaks_nothing};
use crate::sign_in::schemes::{self, BY_SCHEME};
use agent::{Endpoint, Host, Interruption, Job, JobStatus, Stage as AgentStage, Step, StepRun};
use simulator::{PatState, Simulator, World};

const UPN: &str = "rotator@contoso.onmicrosoft.com";
/// The run that left what is found; its build has completed.
const DEAD: &str = "100.1-0a1b2c3d";
const REFRESH_VARIABLE: &str = "ROTATOR_REFRESH";

/// A PAT of the name, as the world has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenPat {
    pub(crate) number: u64,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) is_active: bool,
    pub(crate) ends: Timestamp,
}

/// What a message is held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) pats: Vec<SeenPat>,
    /// The number of the PAT in each place; 0 is none.
    pub(crate) places: BTreeMap<String, u64>,
    /// That in the job's variable.
    pub(crate) variable: Option<u64>,
}

/// A world with a kind of run in it.
pub(crate) struct Scenario {
    pub(crate) kind: Kind,
    pub(crate) sim: Arc<Simulator>,
    pub(crate) job: Job,
    watched: Arc<Mutex<Watched>>,
    conditions: Rc<RefCell<Option<Conditions>>>,
    connection: Option<Connection>,
    outside: Outside,
}

/// Where the stages run.
pub(crate) enum Outside {
    /// In this process.
    Nowhere,
    /// The program by itself.
    Program,
    /// As packaged, under node.
    Node,
    /// A program of the test's choice.
    This(Host),
}

impl Outside {
    fn place(&self, job: Job) -> Job {
        match self {
            Self::Nowhere | Self::This(_) => job,
            Self::Program => job.host(Host::Program(env!("CARGO_BIN_EXE_rotate-pat").into(), word)),
            Self::Node => job.on_path().installed(),
        }
    }
}

pub(crate) fn word(stage: AgentStage) -> &'static str {
    if stage == AgentStage::Main { "task" } else { "settle" }
}

/// A service connection, and what its machine adds to the environment.
type Connection = (Endpoint, Vec<(&'static str, String)>);

impl Scenario {
    pub(crate) fn new(kind: &Kind) -> Self {
        Self::begun(kind, World::new(), Outside::Nowhere)
    }

    /// One whose stages are processes of their own, in real time.
    pub(crate) fn outside(kind: &Kind, outside: Outside) -> Self {
        let mut world = World::new();
        world.follow_real_clock();
        Self::begun(kind, world, outside)
    }

    fn begun(kind: &Kind, mut world: World, outside: Outside) -> Self {
        arrange(&mut world, kind);
        let watched = Arc::new(Mutex::new(Watched::of(&world, kind)));
        let sim = Arc::new(Simulator::start(world));
        let watching = Arc::clone(&watched);
        sim.on_each_request(Box::new(move |world, exchange| {
            // Not poisoned by a broken promise, so that the requests after it are watched too.
            let mut watched = watching.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            watched.check(world, &exchange.to_string());
        }));
        let conditions: Rc<RefCell<Option<Conditions>>> = Rc::default();
        let connection = kind.scheme.map(|scheme| schemes::connection(&sim, scheme));
        let job = job(&sim, kind, connection.as_ref(), &conditions);
        let (job, outside) = match outside {
            Outside::This(host) => (job.host(host), Outside::Nowhere),
            outside => (outside.place(job), outside),
        };
        Self { kind: kind.clone(), sim, job, watched, conditions, connection, outside }
    }

    /// From now on a service may say that it is that much later.
    pub(crate) fn believes(&self, lie: SignedDuration) {
        self.watched(|watched| watched.lie = lie);
    }

    /// The main stage; what it set in the job's variable is in somebody's hand at once.
    pub(crate) fn main(&mut self, conditions: Conditions) -> StepRun {
        *self.conditions.borrow_mut() = Some(conditions);
        self.main_interrupted(Interruption::None)
    }

    /// The main stage, interrupted from outside.
    pub(crate) fn main_interrupted(&mut self, how: Interruption) -> StepRun {
        let inputs = self.inputs();
        let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let step = Step::new("rotate").inputs(&inputs);
        let immediately = self.kind.immediately;
        self.watched(|watched| watched.may_retire |= immediately);
        let run = self.job.run(&step, how);
        if let Some(value) = self.job.variable_value(VARIABLE).map(str::to_owned) {
            self.watched(|watched| drop(watched.consumers.insert("the service", value)));
        }
        self.leaks_nothing(&run);
        run
    }

    /// The settle stage of a job that ended like this, or the later job that settles.
    pub(crate) fn settle(&mut self, status: JobStatus, conditions: Conditions) -> StepRun {
        *self.conditions.borrow_mut() = Some(conditions);
        self.settle_interrupted(status, Interruption::None)
    }

    /// The same, interrupted from outside.
    pub(crate) fn settle_interrupted(&mut self, status: JobStatus, how: Interruption) -> StepRun {
        if self.kind.confirmed == Confirmed::True {
            self.job.set_variable("stored", "true");
        }
        self.job.set_status(status);
        if status == JobStatus::Succeeded || self.kind.confirmed == Confirmed::True {
            let keeps_old = self.kind.overlap > 0;
            self.watched(|watched| {
                watched.may_retire = true;
                if !keeps_old {
                    watched.consumers.remove("the old consumer");
                }
            });
        }
        if self.kind.is_long {
            self.sim.world().advance(SignedDuration::from_hours(3));
        }
        let run = if self.kind.later && status == JobStatus::Succeeded {
            let inputs = self.inputs();
            let mut inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
            inputs.push(("command", "settle"));
            let job = job(&self.sim, &self.kind, self.connection.as_ref(), &self.conditions);
            let job = job.variable("system.stageName", "settle").variable("system.jobName", "settle");
            let mut job = self.outside.place(job);
            job.run(&Step::new("settle").inputs(&inputs), how)
        } else {
            self.job.run_post_interrupted("rotate", how)
        };
        self.leaks_nothing(&run);
        run
    }

    /// The next run of the pipeline, by which all is well again.
    pub(crate) fn next_run(&mut self) {
        self.sim.clear_faults();
        self.sim.world().next_run();
        let mut healthy = Kind {
            status: JobStatus::Succeeded,
            confirmed: if self.kind.confirmed == Confirmed::NotAsked { Confirmed::NotAsked } else { Confirmed::True },
            source: if self.kind.source == Source::Connection { Source::AccessToken } else { self.kind.source },
            is_long: false,
            ..self.kind.clone()
        };
        if healthy.is_check() {
            // Only then can no check that made a canary be at work.
            self.sim.world().advance(SignedDuration::from_hours(1));
        }
        if healthy.commands == Commands::CheckThenRotation {
            healthy.commands = Commands::Rotations;
        }
        (self.kind, self.outside) = (healthy, Outside::Nowhere);
        // Whoever could not do without the old one has had its overlap; a refused rename knows none.
        let has_none = self.kind.overlap == 0 || self.kind.refused_rename.is_some();
        self.watched(|watched| {
            watched.may_retire = false;
            watched.lie = SignedDuration::ZERO;
            if has_none {
                watched.consumers.remove("the old consumer");
            }
        });
        let world = self.sim.world();
        let fresh = Watched::of(&world, &self.kind);
        drop(world);
        self.watched(|watched| watched.ends = fresh.ends);
        self.job = job(&self.sim, &self.kind, self.connection.as_ref(), &self.conditions);
    }

    /// Whether the main stage has left something to settle.
    pub(crate) fn is_handed_over(&self) -> bool {
        self.job.task_variables("rotate").value("rotatePatState").is_some()
    }

    pub(crate) fn seen(&self) -> Seen {
        let world = self.sim.world();
        let now = world.now();
        let number = |value: &str| world.pat_of_secret(value).map_or(0, |pat| pat.number);
        let of_name = world.pats.iter().filter(|pat| pat.name == NAME || pat.name.starts_with(&format!("{NAME} [")));
        Seen {
            pats: of_name
                .map(|pat| SeenPat {
                    number: pat.number,
                    id: pat.id.clone(),
                    name: pat.name.clone(),
                    is_active: pat.state(now) == PatState::Active,
                    ends: pat.valid_to,
                })
                .collect(),
            places: held(&world).into_iter().map(|(place, value)| (place, number(&value))).collect(),
            variable: self.job.variable_value(VARIABLE).map(number),
        }
    }

    fn watched<T>(&self, change: impl FnOnce(&mut Watched) -> T) -> T {
        change(&mut self.watched.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    fn leaks_nothing(&self, run: &StepRun) {
        leaks_nothing(&self.sim.world(), run.raw.iter().map(|line| line.text.as_str()));
        assert_eq!(run.leaks, Vec::<String>::new(), "I4\n{}", run.log);
    }

    fn inputs(&self) -> Vec<(&'static str, String)> {
        let kind = &self.kind;
        let origin = self.sim.origin();
        let mut inputs = vec![("patName", NAME.to_owned()), ("overlapHours", kind.overlap.to_string())];
        let mut give = |name: &'static str, value: &str| inputs.push((name, value.to_owned()));
        let vault_line = format!("{origin}/secrets/{REFRESH}");
        if kind.has_variable {
            give("variable", VARIABLE);
        }
        if kind.scheme.is_some() {
            give(BY_SCHEME.0, BY_SCHEME.1);
        }
        if !kind.places.is_empty() {
            give("publishTo", &kind.places.join("\n").replace(VAULT, &format!("{origin}/secrets/{PLACE}")));
            give(PUBLISHER.0, PUBLISHER.1);
        }
        for (is_so, name, value) in [
            (kind.immediately, "retireOldPat", "immediately"),
            (kind.later, "retireOldPat", "later"),
            (kind.creates_if_missing, "createIfMissing", "true"),
            (kind.creates_if_missing, "scopes", "vso.packaging_write"),
            (kind.is_check(), "command", "check"),
            (kind.dry, "dryRun", "true"),
            (true, "rotateWhenDaysLeft", if kind.seldom { "3" } else { "always" }),
            (kind.confirmed != Confirmed::NotAsked, "confirmVariable", "stored"),
        ] {
            if is_so {
                give(name, value);
            }
        }
        let world = self.sim.world();
        match kind.source {
            Source::AccessToken => give("accessToken", "$(userToken)"),
            Source::Vault => give("refreshTokenSecret", &vault_line),
            Source::Variable => give("refreshToken", &format!("$({REFRESH_VARIABLE})")),
            Source::VariableStoredInVault => {
                give("refreshToken", &format!("$({REFRESH_VARIABLE})"));
                give("refreshTokenStore", &vault_line);
            }
            Source::VariableStoredInGroup => {
                give("refreshToken", &format!("$({REFRESH_VARIABLE})"));
                give("refreshTokenStore", &format!("variableGroup: Rotation/{REFRESH_VARIABLE}"));
            }
            Source::AgentUser => {
                give("entraAgentId", &world.app("agent").client_id);
                give("userName", UPN);
            }
            Source::Password => {
                give("userName", UPN);
                give("password", "$(rotatorPassword)");
            }
            Source::Connection => {}
        }
        inputs
    }
}

fn arrange(world: &mut World, kind: &Kind) {
    world.assertions_by_own_clock = true;
    world.add_build(100, "completed");
    for left in kind.left {
        let name = match left {
            Left::Committed => NAME.to_owned(),
            Left::Pending => format!("{NAME} [pending {DEAD}]"),
            Left::Held => format!("{NAME} [held {DEAD}]"),
            Left::Canary => {
                world.add_pat(&format!("{NAME} [check {DEAD}]")).age(SignedDuration::from_hours(2)).days_left(30).add();
                continue;
            }
            Left::Superseded(hours) => {
                let ends = world.now() + SignedDuration::from_hours(i64::from(*hours));
                format!("{NAME} [superseded {DEAD} ends {}]", ends.strftime("%Y-%m-%dT%H:%MZ"))
            }
        };
        let id = world.add_pat(&name).valid_days_ago(10).days_left(20).add();
        if let Some(how) = kind.refused_rename.clone() {
            world.refuse_rename(&id, how);
        }
    }
    if let Some(id) = world.pats.first().map(|pat| pat.id.clone()).filter(|_| !kind.places.is_empty()) {
        several::arrange(world, &id);
        if !kind.places.contains(&VAULT) {
            world.vault.secrets.clear();
        }
        if !kind.places.contains(&GROUP) {
            world.groups.clear();
        }
        if !kind.places.contains(&FEED) {
            world.endpoints.clear();
        }
    }
    let client = if kind.scheme.is_some_and(|scheme| schemes::Scheme::MACHINES.contains(&scheme)) {
        "pat-rotator-public"
    } else {
        "pat-rotator"
    };
    match kind.source {
        Source::Vault | Source::VariableStoredInVault => {
            let refresh = world.refresh_token_for("rotator", client);
            let id = world.app(client).client_id.clone();
            world.set_secret(REFRESH, &refresh, &[("clientId", &id)]);
            let age = SignedDuration::from_hours(48);
            world.age_refresh_token(&refresh, age);
            world.vault.current_mut(REFRESH).unwrap().created -= age;
        }
        Source::VariableStoredInGroup => {
            world.members.push("pat-rotator".to_owned());
            let refresh = world.refresh_token_for("rotator", client);
            world
                .add_variable_group("Rotation")
                .secret(REFRESH_VARIABLE, &refresh)
                .plain("REGION", "westeurope")
                .administrator("pat-rotator")
                .add();
        }
        Source::AgentUser => {
            world.add_agent_identity("agent", "pat-rotator");
            world.user_mut("rotator").agent_identity = Some("agent".to_owned());
        }
        _ => {}
    }
}

/// The job of the world's run, with the connections and the secrets that the kind needs.
fn job(
    sim: &Arc<Simulator>,
    kind: &Kind,
    connection: Option<&Connection>,
    conditions: &Rc<RefCell<Option<Conditions>>>,
) -> Job {
    let known = sim.world().all_secrets().len();
    // With diagnostics, which only add to what is said.
    let mut job = job_in(sim).debug();
    if let Some((endpoint, environment)) = connection.cloned() {
        job = environment.into_iter().fold(job, |job, (name, value)| job.raw_env(name, value)).endpoint(endpoint);
    }
    if !kind.places.is_empty() {
        job = job.endpoint(several::publisher(&sim.world()));
    }
    let mut world = sim.world();
    job = match kind.source {
        Source::AccessToken => {
            let token = world.user_token("vso.pats vso.pats_manage");
            job.secret_variable("userToken", &token)
        }
        Source::Variable => {
            let token = world.refresh_token_for("rotator", "pat-rotator");
            job.secret_variable(REFRESH_VARIABLE, &token)
        }
        Source::VariableStoredInVault => job.secret_variable(REFRESH_VARIABLE, world.vault.value(REFRESH)),
        Source::VariableStoredInGroup => {
            let group = world.groups.iter().find(|group| group.name == "Rotation").expect("it was arranged").id;
            job.secret_variable(REFRESH_VARIABLE, world.secret_value(group, REFRESH_VARIABLE))
        }
        Source::Password => {
            let password = world.add_password("rotator");
            job.secret_variable("rotatorPassword", &password)
        }
        _ => job,
    };
    for (label, value) in world.all_secrets().split_off(known) {
        job.watch_secret(&label, &value);
    }
    drop(world);
    let (sim, conditions) = (Arc::clone(sim), Rc::clone(conditions));
    job.host(Host::Here(Box::new(move |stage, environment| {
        let conditions = conditions.borrow_mut().take().unwrap_or_else(|| Conditions::new(&sim));
        let stage = if stage == AgentStage::Main { Stage::Main } else { Stage::Settle };
        let environment = environment
            .into_iter()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let (told, printed) = conditions.run(stage, environment);
        // The launcher ends well where the agent was told.
        let code = match told {
            Some(StageExit::Succeeded | StageExit::Failed) => 0,
            Some(StageExit::Nothing) => 2,
            None => 137,
        };
        (printed, code)
    })))
}
