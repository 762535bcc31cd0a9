//! What happens around the runs: time passes, late requests arrive, agents die, builds complete, others read.

use super::scenario::Scenario;
use super::step;
use super::world::{At, World};

/// What was done, and by which run.
pub(super) type Action = (Option<usize>, &'static str);

/// Every state that can follow.
pub(super) fn successors(scenario: &Scenario, world: &World) -> Vec<(Action, World)> {
    let mut all = Vec::new();
    for run in 0..world.runs.len() {
        if may_step(scenario, world, run) {
            all.extend(step::next(scenario, world, run).into_iter().map(|(what, next)| ((Some(run), what), next)));
        }
        around_a_run(scenario, world, run, &mut |what, next| all.push(((Some(run), what), next)));
    }
    around_all(scenario, world, &mut |what, next| all.push(((None, what), next)));
    all
}

fn may_step(scenario: &Scenario, world: &World, run: usize) -> bool {
    world.runs[run].at != At::Waiting || scenario.after[run].is_none_or(|before| world.runs[before].at == At::Over)
}

fn around_a_run(scenario: &Scenario, world: &World, run: usize, add: &mut dyn FnMut(&'static str, World)) {
    let it = &world.runs[run];
    let build = (0..run).find(|&other| scenario.id(other).run == scenario.id(run).run).unwrap_or(run);
    if it.is_at_work() && world.kills_left > 0 {
        let mut next = world.clone();
        next.kills_left -= 1;
        next.runs[run].end();
        add("is killed", next);
    }
    for (index, &place) in it.flying.iter().enumerate() {
        let mut next = world.clone();
        next.publish(run, place);
        next.runs[run].flying.remove(index);
        if next.runs[run].at == At::Over {
            next.runs[run].end();
        }
        add("has a late write arrive", next);
    }
    if it.is_creation_flying {
        let mut next = world.clone();
        next.create(scenario.known_as(run), scenario.life, true);
        next.runs[run].is_creation_flying = false;
        add("has a late creation arrive", next);
    }
    // A build completes once all its jobs are over, and what they sent has arrived or never will.
    if build == run && !world.completed[run] {
        let jobs: Vec<usize> =
            (run..world.runs.len()).filter(|&job| scenario.id(job).run == scenario.id(run).run).collect();
        if jobs.iter().all(|&job| world.runs[job].at == At::Over) {
            let mut next = world.clone();
            for job in jobs {
                next.completed[job] = true;
                next.runs[job].flying.clear();
                next.runs[job].is_creation_flying = false;
                next.runs[job].end();
            }
            add("has its build completed", next);
        }
    }
}

fn around_all(scenario: &Scenario, world: &World, add: &mut dyn FnMut(&'static str, World)) {
    if world.now < scenario.ticks {
        let mut next = world.clone();
        next.pass(1);
        add("three hours pass", next);
    }
    if scenario.has_snapshots && world.snapshot.is_none() {
        for number in world.places.iter().copied().chain(world.store) {
            let mut next = world.clone();
            next.snapshot = Some((number, world.now + scenario.overlap));
            add("a job elsewhere starts with a value", next);
        }
    }
    for number in (0..world.tokens.len()).filter(|&number| !world.tokens[number].shows) {
        let mut next = world.clone();
        next.tokens[number].shows = true;
        add("a new token shows in lists", next);
    }
}

impl World {
    /// Time passes: looks grow old, jobs elsewhere end, and no request is under way for hours.
    pub(super) fn pass(&mut self, ticks: i16) {
        self.now += ticks;
        self.snapshot = self.snapshot.filter(|(_, until)| self.now < *until);
        for run in &mut self.runs {
            run.flying.clear();
            run.is_creation_flying = false;
            if run.at == At::Over {
                run.end();
            }
            if let At::Committing { is_stale } = &mut run.at {
                *is_stale = true;
            }
        }
    }
}
