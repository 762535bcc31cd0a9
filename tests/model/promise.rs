//! The promises I1 to I3 as properties of a state.

use super::rules::Without;
use super::scenario::{Scenario, TICK};
use super::step;
use super::world::{At, Name, Number, Run, World};

/// The first promise that does not hold in this state.
pub(super) fn broken(scenario: &Scenario, world: &World) -> Option<String> {
    world.broken.map(str::to_owned).or_else(|| lost(scenario, world))
}

/// I1: who held a valid token and holds one that somebody has ended.
fn lost(scenario: &Scenario, world: &World) -> Option<String> {
    let is_ended = |number: Number| world.tokens[number].was_ended(world.now);
    let mut holders: Vec<(&str, Number)> = world.places.iter().map(|&number| ("a place", number)).collect();
    holders.extend(world.store.map(|number| ("what the job stored", number)));
    holders.extend(world.snapshot.map(|(number, _)| ("a job elsewhere", number)));
    holders.extend(world.by_hand.map(|number| ("somebody who was given it by hand", number)));
    for (index, run) in world.runs.iter().enumerate() {
        // A job that counts as dead after six hours must be over by then.
        let is_release = scenario.id(index).build().is_none();
        if let (At::Job { .. }, Some(own)) = (run.at, run.own)
            && !(is_release && world.now >= world.tokens[own].born + 2 * TICK)
        {
            holders.push(("the run's own job", own));
        }
    }
    let lost = holders.into_iter().find(|&(_, number)| is_ended(number));
    lost.map(|(who, number)| format!("I1: {who} holds #{number}, which was ended"))
}

/// The state once every run is over and everything sent has arrived or is lost: what a healthy run finds.
pub(super) fn quiet(scenario: &Scenario, world: &World) -> World {
    let mut quiet = world.clone();
    (quiet.faults_left, quiet.kills_left) = (0, 0);
    quiet.runs = vec![Run::new(); scenario.runs.len() + 1];
    quiet.completed = vec![true; quiet.runs.len()];
    for token in &mut quiet.tokens {
        token.shows = true;
    }
    // Ten minutes after the last sign of life of every run.
    quiet.pass(1);
    let is_judged_by_age = scenario.is_without(Without::AskingForBuilds);
    if is_judged_by_age || scenario.runs.iter().any(|run| run.starts_with('r')) {
        quiet.pass(3 * TICK);
    }
    // The hand that the log asks for comes first.
    if let Some(second) = quiet.by_hand {
        quiet.tokens[second].name = Name::Another;
    }
    quiet
}

/// I3: one healthy run leaves one, which every place holds, and nobody loses by it, not even once the overlaps are over.
pub(super) fn heals(scenario: &Scenario, quiet: &World) -> Result<(), String> {
    let mut world = quiet.clone();
    if scenario.old_is_stubborn {
        // As the log asks for: once without an overlap.
        run_through(&scenario.clone().with(|it| it.overlap = 0), &mut world)?;
    } else {
        run_through(scenario, &mut world)?;
    }
    let number = one_committed(&world)?;
    if world.places.iter().any(|&held| held != number) {
        return Err(format!("I3: the places hold {:?} and not #{number}", world.places));
    }
    is_at_rest(scenario, &mut world)?;
    world.pass(scenario.overlap_of(scenario.runs.len()) + TICK);
    if !world.tokens[number].is_active(world.now) {
        return Ok(()); // It has come to its own end meanwhile.
    }
    is_at_rest(scenario, &mut world)?;
    match members(&world)[..] {
        [(_, Name::Committed)] => Ok(()),
        ref left => Err(format!("I3: after the overlaps there are {left:?}")),
    }
}

fn members(world: &World) -> Vec<(Number, Name)> {
    world.list().into_iter().filter(|(_, name)| *name != Name::Another).collect()
}

/// The one that is committed, where every other is in its overlap.
fn one_committed(world: &World) -> Result<Number, String> {
    let (committed, others): (Vec<_>, Vec<_>) =
        members(world).into_iter().partition(|(_, name)| *name == Name::Committed);
    let in_overlap = |name: &Name| matches!(name, Name::Superseded { ends, .. } if *ends >= world.now);
    match committed[..] {
        [(number, _)] if others.iter().all(|(_, name)| in_overlap(name)) => Ok(number),
        _ => Err(format!("I3: after a healthy run there are {:?}", members(world))),
    }
}

/// A healthy run from its start to its end.
fn run_through(scenario: &Scenario, world: &mut World) -> Result<(), String> {
    let healer = scenario.runs.len();
    world.runs[healer] = Run::new();
    while world.runs[healer].at != At::Over {
        let healthy = step::next(scenario, world, healer).swap_remove(0);
        *world = healthy.1;
        for token in &mut world.tokens {
            token.shows = true;
        }
        if let Some(broken) = broken(scenario, world) {
            return Err(format!("{broken} (as the healing run {})", healthy.0));
        }
    }
    Ok(())
}

/// A run that is due by nothing but what it finds makes nothing new.
fn is_at_rest(scenario: &Scenario, world: &mut World) -> Result<(), String> {
    let before = world.tokens.len();
    run_through(scenario, world)?;
    if world.tokens.len() == before { Ok(()) } else { Err("I3: a healed world is rotated again".to_owned()) }
}
