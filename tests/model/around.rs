//! What happens around the runs: time passes, late requests arrive, agents die, builds complete, others read.

use super::scenario::{Scenario, TICK};
use super::step;
use super::world::{At, Name, Number, World};

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
    if world.runs[run].at != At::Waiting {
        return true;
    }
    let Some(before) = scenario.after[run] else { return true };
    if world.runs[before].at != At::Over || !scenario.settlers.contains(&run) {
        return world.runs[before].at == At::Over;
    }
    // Every stage before it has succeeded, and stored the value.
    let rotating = if scenario.settlers.contains(&before) { scenario.after[before].unwrap_or(before) } else { before };
    let rotating = &world.runs[rotating];
    rotating.awaits && (!scenario.has_store || rotating.own == world.store)
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
    for (index, &(number, name)) in it.renames.iter().enumerate() {
        let mut next = world.clone();
        next.rename(number, name);
        next.runs[run].renames.remove(index);
        add("has a late rename carried out", next);
    }
    if it.is_creation_flying {
        let mut next = world.clone();
        next.create(scenario.known_as(run), scenario.life, true);
        next.runs[run].is_creation_flying = false;
        add("has a late creation arrive", next);
    }
    let is_unproven = it.own.is_some_and(|own| !world.tokens[own].is_proven);
    if it.awaits && scenario.has_store && is_unproven && it.own != world.store {
        let mut next = world.clone();
        next.store = it.own;
        add("has a later stage store the value", next);
    }
    if it.at == At::Waiting && scenario.settlers.contains(&run) {
        let mut next = world.clone();
        next.runs[run].end();
        add("is not approved", next);
    }
    // A build completes once all its jobs are over, and what they sent has arrived or never will.
    if build == run && !world.completed[run] {
        let jobs: Vec<usize> =
            (run..world.runs.len()).filter(|&job| scenario.id(job).run == scenario.id(run).run).collect();
        if jobs.iter().all(|&job| world.runs[job].at == At::Over) {
            let mut next = world.clone();
            for job in jobs {
                next.completed[job] = true;
                next.runs[job].land();
                next.runs[job].awaits = false;
                next.runs[job].end();
            }
            add("has its build completed", next);
        }
    }
}

fn around_all(scenario: &Scenario, world: &World, add: &mut dyn FnMut(&'static str, World)) {
    if world.now < scenario.ticks * TICK {
        let mut next = world.clone();
        next.pass(TICK - world.now.rem_euclid(TICK));
        add("hours pass", next);
    }
    if scenario.has_minutes && world.now % TICK == 0 {
        let mut next = world.clone();
        next.pass(1);
        add("more than half an hour passes", next);
    }
    if world.hands_left > 0 && world.runs.iter().any(|run| matches!(run.at, At::Job { .. })) {
        for number in (0..world.tokens.len())
            .filter(|&number| world.tokens[number].name == Name::Committed && !world.tokens[number].is_proven)
        {
            by_hand(world, number, add);
        }
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

/// During a job, somebody changes a token that nobody is at work on.
fn by_hand(world: &World, number: Number, add: &mut dyn FnMut(&'static str, World)) {
    let mut changed = |what, change: &dyn Fn(&mut World)| {
        let mut next = world.clone();
        next.hands_left -= 1;
        change(&mut next);
        add(what, next);
    };
    changed("a person renames a token out of the family, to keep it", &|world| {
        world.tokens[number].name = Name::Another;
        world.by_hand = Some(number);
    });
    changed("a person shortens the life of a token", &|world| {
        let ends = world.now + 1;
        (world.tokens[number].ends, world.tokens[number].natural) = (ends, ends);
    });
    changed("a person revokes a token", &|world| {
        world.tokens[number].is_revoked = true;
        world.tokens[number].natural = world.now;
    });
}

impl World {
    /// A rename is carried out, if the token is still there.
    pub(super) fn rename(&mut self, number: Number, name: Name) {
        if self.tokens[number].is_active(self.now) {
            self.tokens[number].name = name;
        }
    }

    /// Time passes: looks grow old, jobs elsewhere end, and no request is under way for more than ten minutes.
    pub(super) fn pass(&mut self, ticks: i16) {
        self.now += ticks;
        self.snapshot = self.snapshot.filter(|(_, until)| self.now < *until);
        for run in &mut self.runs {
            run.land();
            if run.at == At::Over {
                run.end();
            }
            if let At::Committing { is_stale } = &mut run.at {
                *is_stale = true;
            }
        }
    }
}
