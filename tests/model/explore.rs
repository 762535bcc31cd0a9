//! Every state that can be reached, nearest first, each seen once.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher as _};

use super::around::{Action, successors};
use super::promise;
use super::scenario::Scenario;
use super::world::World;

/// Beyond this a scenario is not bounded enough.
const MOST: usize = 5_000_000;

/// What was seen.
pub(super) struct Explored {
    pub(super) states: usize,
    /// A promise that can be broken, and a shortest way to it.
    pub(super) violation: Option<String>,
}

struct Reached {
    world: World,
    from: usize,
    by: Action,
}

/// Explores a scenario until a promise is broken or nothing is left.
pub(super) fn explore(scenario: &Scenario) -> Explored {
    let mut reached = vec![Reached { world: scenario.start(), from: 0, by: (None, "starts") }];
    let mut seen = HashSet::from([hash(&reached[0].world)]);
    let mut healed = HashSet::new();
    let mut index = 0;
    while index < reached.len() {
        assert!(reached.len() < MOST, "{}: more than {MOST} states", scenario.name);
        let world = reached[index].world.clone();
        if let Err(broken) = holds(scenario, &world, &mut healed) {
            return Explored { states: reached.len(), violation: Some(told(scenario, &reached, index, &broken)) };
        }
        for (by, next) in successors(scenario, &world) {
            if seen.insert(hash(&next)) {
                reached.push(Reached { world: next, from: index, by });
            }
        }
        index += 1;
    }
    Explored { states: reached.len(), violation: None }
}

/// I1 and I2 now, and I3 from here; many states are one once all is quiet.
fn holds(scenario: &Scenario, world: &World, healed: &mut HashSet<u64>) -> Result<(), String> {
    if let Some(broken) = promise::broken(scenario, world) {
        return Err(broken);
    }
    let quiet = promise::quiet(scenario, world);
    if healed.insert(hash(&quiet)) { promise::heals(scenario, &quiet) } else { Ok(()) }
}

fn hash(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

/// The way to a state, one action a line.
fn told(scenario: &Scenario, reached: &[Reached], at: usize, broken: &str) -> String {
    let mut lines = vec![broken.to_owned()];
    let mut index = at;
    while index != 0 {
        let (run, what) = reached[index].by;
        let who = run.map_or(String::new(), |run| format!("run {} ", scenario.runs[run]));
        lines.push(format!("  {who}{what}"));
        index = reached[index].from;
    }
    lines.push(format!("{}, without {:?}:", scenario.name, scenario.without));
    lines.reverse();
    lines.join("\n")
}
