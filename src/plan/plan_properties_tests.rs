//! What is true of every plan, over many worlds that chance has made: the same ones in every run.

use std::collections::BTreeSet;

use super::*;

const WORLDS: u64 = 20_000;
const RUNS: [&str; 6] =
    ["100.1-aaaaaaaa", "100.2-aaaaaaaa", "100.3-aaaaaaaa", "100.2-bbbbbbbb", "90.1-bbbbbbbb", "r90.1-cccccccc"];

fn marker(chance: &mut fastrand::Rng) -> String {
    let run = RUNS[chance.usize(..RUNS.len())];
    match chance.u8(..7) {
        0 => format!(" [pending {run}]"),
        1 => format!(" [held {run}]"),
        2 | 3 => {
            let ends = now().minus(2 * HOUR).plus(u32::from(chance.u8(..5)) * HOUR);
            format!(" [superseded {run} ends {}]", ends.to_minute())
        }
        4 => "-of-another-name".to_owned(),
        _ => String::new(),
    }
}

fn scene(seed: u64) -> Scene {
    let chance = &mut fastrand::Rng::with_seed(seed);
    let mut scene = Scene::empty();
    for number in 1..=chance.u8(..7) {
        let (left, spans) = (chance.u32(..20), chance.u8(..8) == 0);
        scene = scene.has(number, &marker(chance)).last(|pat| {
            pat.valid_from = now().minus(chance.u32(1..12) * HOUR + u32::from(number) * SECOND);
            pat.valid_to = now().plus(left * DAY);
            if spans {
                pat.reach = Reach::All;
            }
        });
    }
    for run in ["100", "90", "r90"] {
        let liveness = [Liveness::Alive, Liveness::Dead, Liveness::Dead, Liveness::Unknown][chance.usize(..4)];
        scene = scene.where_run(run, liveness);
    }
    let (chosen, creates, limit) = (chance.u8(..8), chance.bool(), chance.u16(..15));
    scene.with(|request| {
        request.replace = (1..=6).contains(&chosen).then(|| id(chosen));
        request.create_if_missing = creates;
        request.rotate_when = if limit > 0 { RotateWhen::DaysLeft(limit) } else { RotateWhen::Always };
    })
}

/// Another's pending one whose run may still be at work.
fn is_alive(scene: &Scene, member: &NamedPat) -> bool {
    let known = Known { now: now(), listed: &[], organization: None, liveness: &scene.liveness, records: &[] };
    alive_rival(&scene.request, &known, member).is_some()
}

#[test]
fn a_rotation_retires_what_bears_the_name_and_nothing_that_it_was_not_told_to() {
    let mut rotations = 0;
    for seed in 0..WORLDS {
        let scene = scene(seed);
        let Decision::Rotate(rotation) = scene.plan().decision else { continue };
        rotations += 1;
        let family = family(&scene.request.name, &scene.listed);
        assert!(!rotation.reasons.is_empty(), "{seed}");
        assert!(!family.iter().any(|m| is_alive(&scene, m)), "{seed}: another run is at work");
        let current = rotation.current.as_ref().map(|m| m.pat.id.clone());
        assert!(rotation.current.iter().all(|m| m.generation == Generation::Committed), "{seed}");
        for retired in &rotation.predecessors {
            assert!(family.contains(retired) && !retired.pat.spans_all_organizations(), "{seed}: {retired}");
            let is_replaced = current.as_ref() == Some(&retired.pat.id);
            assert!(retired.generation != Generation::Committed || is_replaced, "{seed}: {retired}");
        }
        let distinct: BTreeSet<_> = ids(&rotation.predecessors).into_iter().collect();
        assert_eq!(distinct.len(), rotation.predecessors.len(), "{seed}");
    }
    assert!(rotations > WORLDS / 10, "{rotations}");
}

#[test]
fn a_run_that_rests_revokes_only_what_its_own_name_says_is_over() {
    let mut cleaned = 0;
    for seed in 0..WORLDS {
        let scene = scene(seed);
        let Decision::UpToDate(rest) = scene.plan().decision else { continue };
        assert_eq!(rest.current.generation, Generation::Committed, "{seed}");
        cleaned += rest.clean.len();
        for member in &rest.clean {
            assert!(!member.pat.spans_all_organizations(), "{seed}");
            let is_over = matches!(member.generation, Generation::Superseded { ends, .. } if ends <= now());
            assert!(is_over, "{seed}: {member}");
        }
    }
    assert!(cleaned > 100, "{cleaned}");
}

#[test]
fn a_plan_depends_neither_on_the_order_of_the_list_nor_on_tokens_of_other_names() {
    for seed in 0..WORLDS {
        let mut scene = scene(seed);
        let before = format!("{:?}", scene.plan().decision);
        fastrand::Rng::with_seed(seed).shuffle(&mut scene.listed);
        let shuffled = scene.has(90, "-of-another-name").has(91, " [held by nobody]");
        assert_eq!(format!("{:?}", shuffled.plan().decision), before, "{seed}");
    }
}
