//! A cell of the matrix: one fault at one request of one kind of run. The requests are those of a clean run of the kind,
//! as the simulator wrote them down, so that a new request is in the matrix without anybody remembering it.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use rotate_pat::app::Stage;

use super::fault::{self, FaultCase};
use super::kind::{Kind, Left};
use super::oracle;
use super::scenario::{Scenario, Seen, SeenPat};
use crate::harness::in_process::Conditions;
use crate::harness::pipeline::NAME;
use agent::{JobStatus, StepRun, TaskResult};
use simulator::{Exchange, Op};

/// A fault that never met its request would prove nothing.
const UNMET: &str = "the fault met no request";

/// What happens to a stage.
#[derive(Clone, Copy)]
pub(crate) enum Happening {
    /// This goes wrong at the nth of these requests.
    At(Op, usize, FaultCase),
    /// The output is closed, or its disk full, after so many lines.
    Unheard(usize),
    /// The agent's clock is that many hours ahead, in both stages.
    Ahead(i64),
}

/// One cell.
#[derive(Clone)]
pub(crate) struct Cell {
    pub(crate) kind: Kind,
    pub(crate) stage: Stage,
    pub(crate) happening: Happening,
}

/// Every cell of a kind of run, from a clean run of it.
pub(crate) fn cells_of(kind: &Kind) -> Vec<Cell> {
    let clean = Clean::run(kind);
    let mut cells = Vec::new();
    for (stage, requests, lines) in
        [(Stage::Main, clean.main, clean.main_lines), (Stage::Settle, clean.settle, clean.settle_lines)]
    {
        if !kind.tried.contains(&stage) {
            continue;
        }
        let cell = |happening| Cell { kind: kind.clone(), stage, happening };
        for (op, n) in ordinals(&requests) {
            cells.extend(fault::ALL.iter().map(|wrong| cell(Happening::At(op, n, *wrong))));
        }
        cells.extend((0..lines).map(|line| cell(Happening::Unheard(line))));
        if stage == Stage::Main {
            cells.extend([-7, 7].map(|hours| cell(Happening::Ahead(hours))));
        }
    }
    cells
}

/// Each request as the nth of its operation.
pub(crate) fn ordinals(requests: &[Exchange]) -> Vec<(Op, usize)> {
    let nth = |at: usize| requests[..=at].iter().filter(|before| before.op == requests[at].op).count();
    (0..requests.len()).map(|at| (requests[at].op, nth(at))).collect()
}

/// A run to which nothing happens.
pub(crate) struct Clean {
    pub(crate) main: Vec<Exchange>,
    pub(crate) main_lines: usize,
    pub(crate) settle: Vec<Exchange>,
    pub(crate) settle_lines: usize,
}

impl Clean {
    pub(crate) fn run(kind: &Kind) -> Self {
        let mut scene = Scenario::new(kind);
        let before = scene.seen();
        let main = scene.main(ordinary(&scene));
        let requests = scene.sim.transcript();
        let after = scene.seen();
        oracle::judge_main(&scene, &before, &after, &main).unwrap_or_else(|why| panic!("{}: {why}", kind.name));
        scene.sim.clear_transcript();
        let settle = scene.settle(kind.status, ordinary(&scene));
        let settled = scene.sim.transcript();
        oracle::judge_settle(&scene, &after, &scene.seen(), &settle)
            .unwrap_or_else(|why| panic!("{}: {why}", kind.name));
        let ends_well = [&main, &settle].map(ended_well);
        assert_eq!(ends_well, [kind.ends_well.0, kind.ends_well.1], "{}\n{}{}", kind.name, main.log, settle.log);
        heal(&mut scene).unwrap_or_else(|why| panic!("{}: {why}", kind.name));
        scene.sim.check();
        Self { main: requests, main_lines: main.raw.len(), settle: settled, settle_lines: settle.raw.len() }
    }
}

fn ordinary(scene: &Scenario) -> Conditions {
    let mut conditions = Conditions::new(&scene.sim);
    conditions.limits = fault::limits();
    conditions
}

impl Cell {
    /// What a failure is told of.
    pub(crate) fn name(&self) -> String {
        let what = match &self.happening {
            Happening::At(op, n, wrong) => format!("{op:?} {n}: {}", wrong.name()),
            Happening::Unheard(lines) => format!("unheard after {lines} lines"),
            Happening::Ahead(hours) => format!("the agent's clock {hours} hours ahead"),
        };
        format!("{}, {:?}, {what}", self.kind.name, self.stage)
    }

    /// What it shows, for a sample: the operation with the fault, and the kind of run in the stage. What a check does to its
    /// canary is something else than what a rotation does to its token.
    pub(crate) fn traits(&self) -> Vec<String> {
        let what = match &self.happening {
            Happening::At(op @ (Op::CreatePat | Op::UpdatePat | Op::RevokePat), _, wrong) if self.kind.is_check() => {
                format!("{op:?} of a canary, {}", wrong.name())
            }
            Happening::At(op, _, wrong) => format!("{op:?}, {}", wrong.name()),
            Happening::Unheard(_) => format!("unheard, {:?}", self.stage),
            Happening::Ahead(hours) => format!("the agent's clock {hours} hours ahead"),
        };
        vec![what, format!("{}, {:?}", self.kind.name, self.stage)]
    }

    /// Plays it, heals it, and says what was not as promised.
    pub(crate) fn play(&self) -> Result<(), String> {
        match self.play_with(fault::SILENCE) {
            Err(why) if why.starts_with(UNMET) => self.play_with(fault::LONG_SILENCE),
            played => played,
        }
    }

    fn play_with(&self, silence: Duration) -> Result<(), String> {
        let mut scene = Scenario::new(&self.kind);
        let mut logs = String::new();
        let done = self.play_in(&mut scene, silence, &mut logs);
        let promised = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| scene.sim.check()));
        done.and(promised.map_err(|panic| said(&panic))).map_err(|why| format!("{why}\n{logs}"))
    }

    fn play_in(&self, scene: &mut Scenario, silence: Duration, logs: &mut String) -> Result<(), String> {
        let begun = scene.seen();
        let is_main = self.stage == Stage::Main;
        let conditions = if is_main { self.arrange(scene, silence) } else { ordinary(scene) };
        let started = Instant::now();
        let main = scene.main(conditions);
        logs.push_str(&told(scene, &main));
        if is_main {
            self.has_happened(scene, started)?;
        }
        let after = scene.seen();
        if !self.is_deaf(is_main) {
            oracle::judge_main(scene, &begun, &after, &main)?;
        }
        if is_main && self.passes() && !keeps_from_commit(scene) && !is_left_unsure(scene) {
            same_end(&main, self.kind.ends_well.0)?;
        }
        scene.sim.clear_faults();
        scene.sim.clear_transcript();
        if !is_main || self.is_agent_alive() {
            let status = match main.result {
                TaskResult::Succeeded => self.kind.status,
                TaskResult::Canceled => JobStatus::Canceled,
                _ => JobStatus::Failed,
            };
            let is_ahead = matches!(self.happening, Happening::Ahead(_));
            let conditions = if is_main && !is_ahead { ordinary(scene) } else { self.arrange(scene, silence) };
            let started = Instant::now();
            let settle = scene.settle(status, conditions);
            logs.push_str(&told(scene, &settle));
            if !is_main {
                self.has_happened(scene, started)?;
            }
            if !self.is_deaf(!is_main) {
                oracle::judge_settle(scene, &after, &scene.seen(), &settle)?;
            }
            if !is_main && self.passes() && !keeps_from_commit(scene) {
                same_end(&settle, self.kind.ends_well.1)?;
            }
        }
        heal(scene).map_err(|why| format!("afterwards: {why}"))
    }

    fn arrange(&self, scene: &Scenario, silence: Duration) -> Conditions {
        match self.happening {
            Happening::At(op, n, wrong) => {
                scene.believes(wrong.lie());
                wrong.arrange(&scene.sim, op, n, silence)
            }
            Happening::Unheard(lines) => {
                let mut conditions = ordinary(scene);
                conditions.closes_after = Some(lines);
                conditions
            }
            Happening::Ahead(hours) => {
                let mut conditions = ordinary(scene);
                conditions.ahead = SignedDuration::from_hours(hours);
                conditions
            }
        }
    }

    /// Whether the fault met its request, and a cancelled stage ended in time.
    fn has_happened(&self, scene: &Scenario, started: Instant) -> Result<(), String> {
        let Happening::At(_, _, wrong) = self.happening else { return Ok(()) };
        if !scene.sim.transcript().iter().any(|exchange| exchange.fault.is_some()) {
            return Err(UNMET.to_owned());
        }
        // Far beyond every limit, for a machine that is busy.
        let took = started.elapsed();
        if wrong.cancels() && took > Duration::from_secs(9) {
            return Err(format!("it took {took:?} to end after it was told to"));
        }
        Ok(())
    }

    /// Whether nobody hears how this stage ends.
    fn is_deaf(&self, is_this_stage: bool) -> bool {
        is_this_stage
            && match self.happening {
                Happening::At(_, _, wrong) => wrong.kills(),
                Happening::Unheard(_) => true,
                Happening::Ahead(_) => false,
            }
    }

    fn passes(&self) -> bool {
        match self.happening {
            Happening::At(_, _, wrong) => wrong.passes(),
            Happening::Unheard(_) => false,
            Happening::Ahead(_) => true,
        }
    }

    fn is_agent_alive(&self) -> bool {
        match self.happening {
            Happening::At(_, _, wrong) => wrong.is_agent_alive(),
            _ => true,
        }
    }
}

/// Whether a commit got no answer and was not carried out: it is sent once, so the stage fails.
fn keeps_from_commit(scene: &Scenario) -> bool {
    let name = format!("displayName \"{NAME}\"");
    scene.sim.transcript().iter().any(|exchange| {
        exchange.op == Op::UpdatePat
            && exchange.summary.split(", ").any(|part| part == name)
            && exchange.fault.is_some()
            && !exchange.handled
            && exchange.status != Some(429)
    })
}

/// Whether a check does not know if it has made its canary: the list shows none, so there may be one, and it says so.
fn is_left_unsure(scene: &Scenario) -> bool {
    let is_unsure = |exchange: &Exchange| {
        exchange.op == Op::CreatePat && exchange.fault.is_some() && !exchange.handled && exchange.status != Some(429)
    };
    scene.kind.is_check() && scene.sim.transcript().iter().any(is_unsure)
}

/// A held rotation ends with issues, so that the run is not green.
pub(crate) fn ended_well(run: &StepRun) -> bool {
    matches!(run.result, TaskResult::Succeeded | TaskResult::SucceededWithIssues)
}

fn same_end(run: &StepRun, well: bool) -> Result<(), String> {
    if ended_well(run) == well { Ok(()) } else { Err(format!("ended as {:?}", run.result)) }
}

pub(crate) fn told(scene: &Scenario, run: &StepRun) -> String {
    format!("--- {:?}\n{}{}", run.result, run.log, scene.sim.transcript_text())
}

/// One healthy run, after which one PAT is committed, every other is in its overlap, and every place holds the one.
pub(crate) fn heal(scene: &mut Scenario) -> Result<(), String> {
    scene.next_run();
    if scene.kind.refused_rename.is_some() {
        // As the log asks for: once without an overlap.
        scene.kind.overlap = 0;
    }
    let main = scene.main(ordinary(scene));
    same_end(&main, true).map_err(|why| format!("{why}\n{}", main.log))?;
    let settle = scene.settle(JobStatus::Succeeded, ordinary(scene));
    same_end(&settle, true).map_err(|why| format!("{why}\n{}{}", main.log, settle.log))?;
    if scene.kind.dry {
        return Ok(());
    }
    let now = scene.sim.world().now();
    let Seen { pats, places, variable } = scene.seen();
    let active: Vec<&SeenPat> = pats.iter().filter(|pat| pat.is_active).collect();
    let (committed, others): (Vec<&SeenPat>, Vec<&SeenPat>) = active.iter().partition(|pat| pat.name == NAME);
    let [committed] = committed[..] else { return Err(format!("I3: {} are committed: {active:#?}", committed.len())) };
    for other in others {
        let ends = other.name.split_once(" ends ").and_then(|(_, ends)| ends.trim_end_matches(']').parse().ok());
        if ends.is_none_or(|ends: jiff::Timestamp| ends <= now) {
            return Err(format!("I3: {other:?} is in no overlap"));
        }
    }
    let wanted = |place: &String| scene.kind.places.contains(&place.as_str());
    if let Some((place, number)) = places.iter().find(|(place, number)| wanted(place) && **number != committed.number) {
        return Err(format!("I3: {place} holds #{number}, and #{} is committed", committed.number));
    }
    if variable.is_some_and(|number| number != committed.number) {
        return Err(format!("I3: the job got {variable:?}, and #{} is committed", committed.number));
    }
    let is_one = |left: &Left| matches!(left, Left::Committed | Left::Canary);
    if scene.kind.left.iter().all(is_one) && scene.kind.seldom && active.len() != 1 {
        return Err(format!("I3: nothing was due, and these are active: {active:#?}"));
    }
    Ok(())
}

/// The words of a panic.
pub(crate) fn said(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "a panic".to_owned())
}
