//! The runs that are measured, and how many replies each must wait for one after the other.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::process::{self, Usage};
use crate::agent::{Host, Interruption, Stage};
use crate::matrix::kind::{self, Kind};
use crate::matrix::scene::{Outside, Scene};
use crate::simulator::{Fault, When};

/// A run, by the kind of the matrix that it is.
pub(super) struct Run {
    pub(super) name: &'static str,
    kind: Kind,
    floors: (u64, u64),
}

/// What one of its stages costs.
pub(super) struct Costs {
    pub(super) stage: &'static str,
    pub(super) usage: Usage,
    pub(super) requests: usize,
    pub(super) connections: usize,
    pub(super) bytes: usize,
}

/// The main stage of a rotation, signed in, waits for: the list, the creation, the list after it, the rename, the proof.
const ROTATION: u64 = 5;
/// The settle stage waits for: the mark on the old one, the look, the commit, the proof, the shorter life of the old one.
const SETTLE: u64 = 5;
/// A vault's older values: the versions, the current one, the disabling.
const DISABLED: u64 = 3;
/// A newer refresh token is stored before anything else is done: the write, and the older one disabled.
const STORED: u64 = 1 + DISABLED;

pub(super) fn runs() -> Vec<Run> {
    let all = kind::all();
    let of = |name: &'static str, kind: &str, floors| {
        let kind = all.iter().find(|known| known.name == kind).unwrap_or_else(|| panic!("no kind {kind:?}"));
        Run { name, kind: kind.clone(), floors }
    };
    let signed_in = |name, kind, first: u64| {
        let mut run = of(name, kind, (first + ROTATION, SETTLE));
        run.kind.seldom = false;
        run.kind.places = &[];
        run
    };
    let idle = |mut run: Run| {
        (run.kind.seldom, run.floors) = (true, (1, 0));
        run
    };
    vec![
        idle(of("nothing due", "a rotation into the variable", (1, 0))),
        of("rotation into the variable", "a rotation into the variable", (ROTATION, SETTLE)),
        // Beside the list: a token of the connection, what each place holds, whether the vault's PAT works. After the proof,
        // all places at once: read, write, read. At the end of settling, the older value in the vault.
        of(
            "into a vault, a group, a connection and the variable",
            "into all places and the variable",
            (ROTATION - 1 + 3 + 3, SETTLE + DISABLED),
        ),
        // The OIDC token, the vault's token, the vault, another OIDC token, the user's token.
        signed_in("refresh token in a vault, federated", "a refresh token in a vault, federated", 5 + STORED),
        // The vault's token, the vault, the user's token.
        signed_in("refresh token in a vault, by secret", "a refresh token in a vault, by secret", 3 + STORED),
        signed_in("refresh token in a vault, by certificate", "a refresh token in a vault, by certificate", 3 + STORED),
        signed_in("refresh token in a vault, on a machine", "a refresh token in a vault, on a machine", 3 + STORED),
        // The tenant, the user's token.
        signed_in("refresh token in a variable", "a refresh token in a variable", 2),
        // The tenant, the OIDC token, three exchanges.
        signed_in("agent user", "an agent user", 5),
        signed_in("password", "a password", 2),
    ]
}

impl Run {
    /// How many replies a stage must wait for one after the other, as each needs what the one before said or an order of
    /// the protocol.
    pub(super) fn floor(&self, stage: &str) -> u64 {
        if stage == "main" { self.floors.0 } else { self.floors.1 }
    }

    /// Plays it so many times, each in a world of its own.
    pub(super) fn measure(&self, program: &Path, times: usize, delay: u64) -> Vec<Costs> {
        let mut all: Vec<Vec<Costs>> = vec![Vec::new(), Vec::new()];
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
            let word = if stage == Stage::Main { "task" } else { "settle" };
            let (printed, code, instructions) = process::count(&program, word, environment);
            noted.borrow_mut().push(instructions);
            (printed, code)
        }));
        let mut scene = Scene::outside(&self.kind, Outside::This(host));
        scene.sim.world().new_pats_valid_after = 0;
        let run = scene.main_interrupted(Interruption::None);
        assert_eq!(format!("{:?}", run.result), "Succeeded", "{}: {}", self.name, run.log);
        if scene.is_handed_over() {
            let run = scene.settle_interrupted(self.kind.status, Interruption::None);
            assert_eq!(format!("{:?}", run.result), "Succeeded", "{}: {}", self.name, run.log);
        }
        counted.take()
    }

    fn once(&self, program: PathBuf, delay: u64) -> Vec<Costs> {
        let used: Rc<RefCell<Vec<Usage>>> = Rc::default();
        let noted = Rc::clone(&used);
        let host = Host::Here(Box::new(move |stage, environment| {
            let word = if stage == Stage::Main { "task" } else { "settle" };
            let (printed, code, usage) = process::run(&program, word, environment);
            noted.borrow_mut().push(usage);
            (printed, code)
        }));
        let mut scene = Scene::outside(&self.kind, Outside::This(host));
        scene.sim.world().new_pats_valid_after = 0;
        if delay > 0 {
            scene.sim.inject(Fault::Delay(Duration::from_millis(delay)), When::always());
        }
        let mut costs = Vec::new();
        for stage in ["main", "settle"] {
            scene.sim.clear_transcript();
            scene.sim.take_traffic();
            let run = match stage {
                "main" => scene.main_interrupted(Interruption::None),
                _ => scene.settle_interrupted(self.kind.status, Interruption::None),
            };
            assert_eq!(format!("{:?}", run.result), "Succeeded", "{}: {}", self.name, run.log);
            let (connections, bytes) = scene.sim.take_traffic();
            let requests = scene.sim.transcript().len();
            let usage = *used.borrow().last().unwrap();
            costs.push(Costs { stage, usage, requests, connections, bytes });
            if !scene.is_handed_over() {
                break;
            }
        }
        costs
    }
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
