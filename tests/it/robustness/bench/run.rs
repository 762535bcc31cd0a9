//! The runs that are measured, and how many replies each must wait for one after the other.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::process::{self, Usage};
use crate::harness::gateway::Setup;
use crate::report;
use crate::robustness::matrix::kind::{self, Kind};
use crate::robustness::matrix::scenario::{Outside, Scenario};
use crate::robustness::network::Closed;
use crate::rotation::many;
use agent::{Host, Interruption, Stage, StepRun};
use simulator::{Fault, Simulator, When};

/// A run that is measured.
pub(super) struct Run {
    pub(super) name: &'static str,
    play: Play,
    floors: (u64, u64),
}

/// Which one it is.
enum Play {
    /// A kind of the matrix.
    Kind(Kind),
    /// A rotation by the services' real names, through a proxy, with TLS on each connection.
    OverTls,
    /// A report on an organization of a hundred.
    Report,
    /// So many PATs in one step.
    Many(usize),
}

/// What one of its stages costs.
pub(super) struct Costs {
    pub(super) stage: &'static str,
    pub(super) usage: Usage,
    pub(super) requests: usize,
    pub(super) connections: usize,
    pub(super) bytes: usize,
}

/// The main stage of a rotation, signed in, waits for the list and the proof. The creation, the list after it and the rename
/// are over before the pause is.
const ROTATION: u64 = 2;
/// Milliseconds from sending the creation to the proof: a new token is not tried earlier (`Limits::first_use`).
const PAUSE: u64 = 2000;
/// The settle stage waits for: the list, the mark on the old one, the list again, the commit, the proof, the shorter life of
/// the old one.
const SETTLE: u64 = 6;
/// A vault's older values: the versions, the current one. The older one's token is still active, so it is
/// not disabled.
const TIDIED: u64 = 2;

pub(super) fn runs() -> Vec<Run> {
    let all = kind::all();
    let kind = |kind: &str| {
        let known = all.iter().find(|known| known.name == kind);
        known.unwrap_or_else(|| panic!("no kind {kind:?}")).clone()
    };
    let of = |name, kind, floors| Run { name, play: Play::Kind(kind), floors };
    let signed_in = |name, known, first: u64| {
        of(name, Kind { seldom: false, places: &[], ..kind(known) }, (first + ROTATION, SETTLE))
    };
    let into_the_variable = kind("a rotation into the variable");
    vec![
        of("nothing due", Kind { seldom: true, ..into_the_variable.clone() }, (1, 0)),
        of("rotation into the variable", into_the_variable, (ROTATION, SETTLE)),
        // Beside the list: the OIDC token, the connection's token, the service connection by its name, the whole of it. After
        // the proof, all places at once: read, write, read. At the end of settling, the older value in the vault.
        of(
            "into a vault, a group, a connection and the variable",
            kind("into all places and the variable"),
            (ROTATION - 1 + 4 + 3, SETTLE + TIDIED),
        ),
        // The OIDC token, the vault's token, the vault, another OIDC token, the user's token.
        signed_in("refresh token in a vault, federated", "a refresh token in a vault, federated", 5),
        // The vault's token, the vault, the user's token.
        signed_in("refresh token in a vault, by secret", "a refresh token in a vault, by secret", 3),
        signed_in("refresh token in a vault, by certificate", "a refresh token in a vault, by certificate", 3),
        signed_in("refresh token in a vault, on a machine", "a refresh token in a vault, on a machine", 3),
        // The tenant, the user's token.
        signed_in("refresh token in a variable", "a refresh token in a variable", 2),
        // The tenant, the OIDC token, three exchanges.
        signed_in("agent user", "an agent user", 5),
        signed_in("password", "a password", 2),
        // As in a vault, federated; the new token is written and read. Settling looks for older ones.
        Run { name: "into a vault, over TLS", play: Play::OverTls, floors: (5 + ROTATION + 2, SETTLE + TIDIED) },
        // Waves of eight, so that there is no one chain.
        Run { name: "a manifest of 8, into a vault", play: Play::Many(8), floors: (0, 0) },
        Run { name: "a manifest of 100, into a vault", play: Play::Many(100), floors: (0, 0) },
        // Paced, so that there is no longest chain.
        Run { name: "report on 103 people", play: Play::Report, floors: (0, 0) },
    ]
}

impl Run {
    /// How many replies a stage must wait for one after the other, as each needs what the one before said or an order of
    /// the protocol.
    pub(super) fn floor(&self, stage: &str) -> u64 {
        if stage == "main" { self.floors.0 } else { self.floors.1 }
    }

    /// How many milliseconds a stage pauses, however fast the replies are.
    pub(super) fn pause(&self, stage: &str) -> u64 {
        if stage == "main" && self.floors.0 >= ROTATION { PAUSE } else { 0 }
    }

    /// Plays it so many times, each in a world of its own.
    pub(super) fn measure(&self, program: &Path, times: usize, delay: u64) -> Vec<Costs> {
        let mut all: Vec<Vec<Costs>> = vec![Vec::new(), Vec::new()];
        // Half a minute each.
        let times = if matches!(self.play, Play::Many(100..)) { 1 } else { times };
        for _ in 0..times {
            for (stage, costs) in self.once(program.to_owned(), delay).into_iter().enumerate() {
                all[stage].push(costs);
            }
        }
        all.into_iter().filter(|costs| !costs.is_empty()).map(median).collect()
    }

    /// The instructions of each of its stages.
    pub(super) fn instructions(&self, program: &Path) -> Vec<u64> {
        let counted: Rc<RefCell<Vec<u64>>> = Rc::default();
        let (noted, program) = (Rc::clone(&counted), program.to_owned());
        let host = Host::Here(Box::new(move |stage, environment| {
            let (printed, code, instructions) = process::count(&program, word(stage), environment);
            noted.borrow_mut().push(instructions);
            (printed, code)
        }));
        self.stages(host, 0, &mut |_, _| ());
        counted.take()
    }

    fn once(&self, program: PathBuf, delay: u64) -> Vec<Costs> {
        let used: Rc<RefCell<Vec<Usage>>> = Rc::default();
        let noted = Rc::clone(&used);
        let host = Host::Here(Box::new(move |stage, environment| {
            let (printed, code, usage) = process::run(&program, word(stage), environment);
            noted.borrow_mut().push(usage);
            (printed, code)
        }));
        let mut costs = Vec::new();
        self.stages(host, delay, &mut |stage, sim| {
            let (connections, bytes) = sim.take_traffic();
            let requests = sim.transcript().len();
            sim.clear_transcript();
            costs.push(Costs { stage, usage: *used.borrow().last().unwrap(), requests, connections, bytes });
        });
        costs
    }

    /// Plays its stages, each of which succeeds, and says when one is over.
    fn stages(&self, host: Host, delay: u64, over: &mut dyn FnMut(&'static str, &Simulator)) {
        let succeeds = |run: &StepRun| {
            assert_eq!(format!("{:?}", run.result), "Succeeded", "{}: {}", self.name, run.log);
        };
        let begin = |sim: &Simulator| {
            sim.world().new_pats_valid_after = 0;
            if delay > 0 {
                sim.inject(Fault::Delay(Duration::from_millis(delay)), When::always());
            }
            sim.take_traffic();
        };
        match &self.play {
            Play::Kind(kind) => {
                let mut scene = Scenario::outside(kind, Outside::This(host));
                begin(&scene.sim);
                succeeds(&scene.main_interrupted(Interruption::None));
                over("main", &scene.sim);
                if scene.is_handed_over() {
                    succeeds(&scene.settle_interrupted(kind.status, Interruption::None));
                    over("settle", &scene.sim);
                }
            }
            Play::OverTls => {
                let closed = Closed::new(Setup::default());
                let (pipeline, mut job) = (&closed.pipeline, closed.configured().host(host));
                begin(&pipeline.sim);
                succeeds(&pipeline.main(&mut job, &Closed::inputs()));
                over("main", &pipeline.sim);
                succeeds(&pipeline.post(&mut job));
                over("settle", &pipeline.sim);
            }
            Play::Many(count) => {
                let (pipeline, manifest) = many::so_many(*count);
                begin(&pipeline.sim);
                let (run, _) = many::run_in(&pipeline, pipeline.job().host(host), &manifest, &[]);
                succeeds(&run);
                over("main", &pipeline.sim);
            }
            Play::Report => {
                let pipeline = report::organization(100);
                begin(&pipeline.sim);
                succeeds(&report::report(&pipeline, &mut pipeline.job().host(host), &[report::OF_ALL]));
                over("main", &pipeline.sim);
            }
        }
    }
}

fn word(stage: Stage) -> &'static str {
    if stage == Stage::Main { "task" } else { "settle" }
}

fn median(mut costs: Vec<Costs>) -> Costs {
    let middle = costs.len() / 2;
    let mut times = |of: fn(&Costs) -> Duration| {
        costs.sort_by_key(of);
        of(&costs[middle])
    };
    let (wall, cpu) = (times(|costs| costs.usage.wall), times(|costs| costs.usage.cpu));
    let peak = costs.iter().map(|costs| costs.usage.peak).max().unwrap_or_default();
    let first = costs.swap_remove(0);
    Costs { usage: Usage { wall, cpu, peak }, ..first }
}
