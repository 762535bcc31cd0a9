//! A run with a manifest of three entries, each with a place of another kind: every request meets every fault. After each
//! request the promises hold for every entry, what the table says is true of the world, and one healthy run brings all
//! three together.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use rotate_pat::app::{Stage, StageExit};

use super::cell::{ordinals, said};
use super::fault::{self, FaultCase};
use super::{sample, tally};
use crate::destinations::several::{self, PUBLISHER};
use crate::harness::in_process::Conditions;
use crate::harness::pipeline::{job_in, leaks_nothing};
use agent::{Host, Interruption, Job, Step, StepRun, TaskResult};
use simulator::{Exchange, Op, PatState, Simulator, World};

const NAMES: [&str; 3] = ["packages", "agents", "feed"];
const GROUP: &str = "Prod secrets";
const CONNECTION: &str = "contoso-feed";
/// Such a fault would prove nothing.
const UNMET: &str = "the fault met no request";
/// The fault is at what one entry alone asks for.
const OF_ONE_ENTRY: [Op; 4] = [Op::CreatePat, Op::UpdatePat, Op::RevokePat, Op::VaultWrite];

static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// A world with the three, and a repository with the manifest.
struct Scene {
    sim: Arc<Simulator>,
    conditions: Rc<RefCell<Option<Conditions>>>,
    repository: PathBuf,
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.repository);
    }
}

/// What the places hold, in the order of the names.
fn held(world: &World) -> [String; 3] {
    let group = world.groups.iter().find(|group| group.name == GROUP).expect("it was arranged");
    let endpoint = world.endpoints.iter().find(|endpoint| endpoint.name == CONNECTION).expect("it was arranged");
    [
        world.vault.value(NAMES[0]).to_owned(),
        group.variables["AGENT_PAT"].value.clone(),
        world.endpoint_secret(&endpoint.id).to_owned(),
    ]
}

impl Scene {
    fn new() -> Self {
        let mut world = World::new();
        world.assertions_by_own_clock = true;
        world.new_pats_valid_after = 0;
        // As the service has it: lists of several pages are the other kinds' matter.
        world.page_size = 100;
        let ids = NAMES.map(|name| world.add_pat(name).valid_days_ago(25).days_left(5).add());
        let values = ids.each_ref().map(|id| world.pat(id).secret.clone());
        world.set_secret(NAMES[0], &values[0], &[("authorizationId", &ids[0])]);
        world.add_variable_group(GROUP).secret("AGENT_PAT", &values[1]).plain("REGION", "westeurope").add();
        world.add_endpoint(CONNECTION, "externaltfs").holding(&values[2]).add();
        let ends: BTreeMap<u64, Timestamp> = world.pats.iter().map(|pat| (pat.number, pat.valid_to)).collect();
        let sim = Arc::new(Simulator::start(world));
        sim.on_each_request(Box::new(move |world, exchange| {
            let held = held(world);
            for value in values.iter().chain(&held) {
                assert!(world.secret_works(value), "I1: a dead PAT is in use after {exchange}\n{}", world.listing());
            }
            for pat in &world.pats {
                let is_whole = ends.get(&pat.number).is_none_or(|end| pat.revoked.is_none() && pat.valid_to >= *end);
                let is_held =
                    held.iter().any(|value| world.pat_of_secret(value).is_some_and(|h| h.number == pat.number));
                assert!(is_whole || !is_held, "I2: #{} is retired and a place holds it, after {exchange}", pat.number);
            }
        }));
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let repository = std::env::temp_dir().join(format!("rotate-pat-three-{}-{number}", std::process::id()));
        fs::create_dir_all(&repository).unwrap();
        let vault = format!("{}/secrets", sim.origin());
        let manifest = format!(
            "tokens:\n- patName: packages\n  publishTo: [{vault}/packages]\n\
             - patName: agents\n  publishTo: ['variableGroup: {GROUP}/AGENT_PAT']\n\
             - patName: feed\n  publishTo: ['serviceConnection: {CONNECTION}']\n"
        );
        fs::write(repository.join("pats.yml"), manifest).unwrap();
        Self { sim, conditions: Rc::default(), repository }
    }

    fn job(&self) -> Job {
        let job = job_in(&self.sim).endpoint(several::publisher(&self.sim.world()));
        let mut world = self.sim.world();
        let token = world.user_token("vso.pats vso.pats_manage");
        let mut job = job.secret_variable("userToken", &token);
        job.watch_secret("the user's token", &token);
        drop(world);
        let job = job.variable("system.defaultWorkingDirectory", &self.repository.to_string_lossy());
        let (sim, conditions) = (Arc::clone(&self.sim), Rc::clone(&self.conditions));
        job.host(Host::Here(Box::new(move |_, environment| {
            let conditions = conditions.borrow_mut().take().unwrap_or_else(|| Conditions::new(&sim));
            let environment = environment
                .into_iter()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
            let (told, printed) = conditions.run(Stage::Main, environment);
            let code = match told {
                Some(StageExit::Succeeded | StageExit::Failed) => 0,
                Some(StageExit::Nothing) => 2,
                None => 137,
            };
            (printed, code)
        })))
    }

    fn run(&self, conditions: Conditions) -> (StepRun, Job) {
        *self.conditions.borrow_mut() = Some(conditions);
        let inputs = [
            ("manifest", "pats.yml"),
            ("azureSubscription", "pat-rotator"),
            ("accessToken", "$(userToken)"),
            PUBLISHER,
        ];
        let mut job = self.job();
        let run = job.run(&Step::new("rotate").inputs(&inputs), Interruption::None);
        leaks_nothing(&self.sim.world(), run.raw.iter().map(|line| line.text.as_str()));
        assert_eq!(run.leaks, Vec::<String>::new(), "I4\n{}", run.log);
        (run, job)
    }

    /// What the table says is rotated, which must be so.
    fn rotated(&self, run: &StepRun) -> Result<usize, String> {
        let world = self.sim.world();
        let mut count = 0;
        for (name, value) in NAMES.iter().zip(held(&world)) {
            if !run.log.contains(&format!("\nrotated   {name}: ")) {
                continue;
            }
            count += 1;
            let pat = world
                .pat_of_secret(&value)
                .ok_or_else(|| format!("I5: {name} is rotated, and its place holds none"))?;
            if pat.name != *name || !run.log.contains(&pat.id) {
                return Err(format!("I5: {name} is rotated, and its place holds {:?}", pat.name));
            }
        }
        Ok(count)
    }

    /// One healthy run, after which each name has one committed PAT, which its place holds, and the others have an overlap.
    fn heal(&self) -> Result<(), String> {
        self.sim.clear_faults();
        self.sim.world().next_run();
        let (run, _) = self.run(ordinary(&self.sim));
        if run.result != TaskResult::Succeeded {
            return Err(format!("the healthy run ended as {:?}\n{}", run.result, run.log));
        }
        let world = self.sim.world();
        let now = world.now();
        for (name, value) in NAMES.iter().zip(held(&world)) {
            let prefix = format!("{name} [");
            let family = world.pats.iter().filter(|pat| pat.name == *name || pat.name.starts_with(&prefix));
            let active: Vec<_> = family.filter(|pat| pat.state(now) == PatState::Active).collect();
            let committed: Vec<u64> = active.iter().filter(|pat| pat.name == *name).map(|pat| pat.number).collect();
            let holds = world.pat_of_secret(&value).map_or(0, |pat| pat.number);
            if committed != [holds] {
                return Err(format!(
                    "I3: {name}: its place holds #{holds}, and {committed:?} are committed\n{}",
                    run.log
                ));
            }
            if let Some(other) = active.iter().find(|pat| pat.name != *name && !pat.name.contains(" [superseded ")) {
                return Err(format!("I3: {:?} is in no overlap\n{}", other.name, run.log));
            }
        }
        Ok(())
    }
}

fn ordinary(sim: &Arc<Simulator>) -> Conditions {
    let mut conditions = Conditions::new(sim);
    conditions.limits = fault::limits();
    conditions
}

/// The requests of a run to which nothing happens.
fn clean() -> Vec<Exchange> {
    let scene = Scene::new();
    let (run, _) = scene.run(ordinary(&scene.sim));
    assert_eq!((run.result, scene.rotated(&run)), (TaskResult::Succeeded, Ok(3)), "{}", run.log);
    let requests = scene.sim.transcript();
    scene.heal().unwrap();
    scene.sim.check();
    requests
}

type Cell = (Op, usize, FaultCase);

fn name((op, n, wrong): &Cell) -> String {
    format!("three entries, {op:?} {n}: {}", wrong.name())
}

fn play(cell: &Cell) -> Result<(), String> {
    let is_unmet = |played: &Result<(), String>| played.as_ref().is_err_and(|why| why.starts_with(UNMET));
    let mut played = play_with(cell, fault::SILENCE);
    if is_unmet(&played) {
        played = play_with(cell, fault::LONG_SILENCE);
    }
    // Entries share lists, so that their number differs from run to run.
    let (op, n, wrong) = *cell;
    for fewer in (1..n).rev().take_while(|_| op == Op::ListPats) {
        if !is_unmet(&played) {
            break;
        }
        played = play_with(&(op, fewer, wrong), fault::LONG_SILENCE);
    }
    played
}

fn play_with((op, n, wrong): &Cell, silence: Duration) -> Result<(), String> {
    let scene = Scene::new();
    let conditions = wrong.arrange(&scene.sim, *op, *n, silence);
    let (run, _) = scene.run(conditions);
    let judged = || {
        if !scene.sim.transcript().iter().any(|exchange| exchange.fault.is_some()) {
            return Err(UNMET.to_owned());
        }
        let rotated = scene.rotated(&run)?;
        let is_alone = OF_ONE_ENTRY.contains(op) && wrong.is_once() && !wrong.kills() && !wrong.cancels();
        if is_alone && rotated < 2 {
            return Err(format!("a fault of one entry let {rotated} be rotated"));
        }
        if wrong.passes() && *op != Op::UpdatePat && rotated < 3 {
            return Err(format!("what passes let {rotated} be rotated"));
        }
        Ok(())
    };
    let requests = scene.sim.transcript_text();
    let done = judged().and_then(|()| scene.heal());
    let promised = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scene.sim.check()));
    done.and(promised.map_err(|panic| said(&panic))).map_err(|why| format!("{why}\n{}\n{requests}", run.log))
}

#[test]
fn no_fault_at_any_request_of_three_entries_breaks_a_promise() {
    let mut cells: Vec<Cell> = Vec::new();
    for (op, n) in ordinals(&clean()) {
        cells.extend(fault::ALL.iter().map(|wrong| (op, n, *wrong)));
    }
    let cells = sample::of(cells, name, |(op, _, wrong)| vec![format!("{op:?}"), wrong.name()]);
    tally::play("three entries", &cells, name, play);
}
