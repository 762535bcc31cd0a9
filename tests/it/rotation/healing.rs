//! What one healthy run makes of everything that a run which died can leave behind, with every consumer alive
//! throughout.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::SignedDuration;

use crate::harness::pipeline::{NAME, Pipeline, says};
use agent::{Interruption, Job, TaskResult, When as Moment};
use simulator::{Fault, Op, When};

use Left::{Committed, Held, Pending, Superseded};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// The run that left what is arranged; its build has completed.
const DEAD: u32 = 100;
/// So that only what is found can make a run due.
const SELDOM: (&str, &str) = ("rotateWhenDaysLeft", "7");

/// What a dead run left of one PAT.
#[derive(Clone, Copy, Debug)]
enum Left {
    Committed,
    Pending,
    Held,
    /// With its end that many hours from now.
    Superseded(i32),
}

impl Left {
    fn add(self, pipeline: &Pipeline) -> String {
        let run = format!("{DEAD}.1-0a1b2c3d");
        let name = match self {
            Self::Committed => NAME.to_owned(),
            Self::Pending => format!("{NAME} [pending {run}]"),
            Self::Held => format!("{NAME} [held {run}]"),
            Self::Superseded(hours) => {
                let ends = pipeline.sim.world().now() + HOUR * hours;
                format!("{NAME} [superseded {run} ends {}]", ends.strftime("%Y-%m-%dT%H:%MZ"))
            }
        };
        pipeline.add(&name, 20)
    }
}

/// A pipeline whose last run died with these left, oldest first, each with somebody who holds it, unless nobody may
/// any more.
fn after_a_dead_run(left: &[Left]) -> Pipeline {
    let pipeline = Pipeline::new();
    pipeline.sim.world().add_build(DEAD, "completed");
    pipeline.sim.world().new_pats_valid_after = 0;
    for (number, one) in left.iter().enumerate() {
        let id = one.add(&pipeline);
        if !matches!(one, Superseded(hours) if *hours < 0) {
            pipeline.consume(&format!("the consumer of #{}", number + 1), &id);
        }
    }
    pipeline
}

/// What `active` says of `#1 superseded 101.1 +24h`.
fn spelled(short: &[&str]) -> Vec<String> {
    let long = |one: &&str| match one.split_once(' ') {
        None => format!("{one} {NAME}"),
        Some((number, marker)) => format!("{number} {NAME} [{marker}]"),
    };
    short.iter().map(long).collect()
}

#[test]
fn a_pending_one_of_a_dead_run_is_replaced_with_all_that_it_left() {
    let cases: [(&[Left], &[&str]); 4] = [
        (&[Committed, Pending], &["#1 superseded 101.1 +24h", "#2 superseded 101.1 +24h", "#3"]),
        (&[Superseded(23), Pending], &["#1 superseded 100.1 +23h", "#2 superseded 101.1 +24h", "#3"]),
        (&[Pending, Pending], &["#1 superseded 101.1 +24h", "#2 superseded 101.1 +24h", "#3"]),
        (&[Pending], &["#1 superseded 101.1 +24h", "#2"]),
    ];
    heals_each(&cases);
}

#[test]
fn a_held_one_and_leftovers_without_a_committed_one_are_replaced() {
    let cases: [(&[Left], &[&str]); 4] = [
        (&[Committed, Held], &["#1 superseded 101.1 +24h", "#2 superseded 101.1 +24h", "#3"]),
        (&[Held], &["#1 superseded 101.1 +24h", "#2"]),
        (&[Superseded(2)], &["#1 superseded 100.1 +2h", "#2"]),
        (&[Superseded(-30), Superseded(2), Held], &["#2 superseded 100.1 +2h", "#3 superseded 101.1 +24h", "#4"]),
    ];
    heals_each(&cases);
}

/// One healthy run each, due by nothing but what it finds.
fn heals_each(cases: &[(&[Left], &[&str])]) {
    for (left, healed) in cases {
        let pipeline = after_a_dead_run(left);
        let mut job = pipeline.job();
        pipeline.rotate(&mut job, &[SELDOM]);
        assert_eq!(pipeline.active(), spelled(healed), "{left:?}");
        ends_with_its_overlaps(&pipeline);
    }
}

/// A day later a run that finds nothing due leaves nothing but the committed one.
fn ends_with_its_overlaps(pipeline: &Pipeline) {
    for number in 1..=3 {
        pipeline.forget(&format!("the consumer of #{number}"));
    }
    pipeline.sim.world().advance(HOUR * 25);
    assert_eq!(pipeline.main(&mut pipeline.next_job(), &[SELDOM]).result, TaskResult::Succeeded);
    let active = pipeline.active();
    assert!(active.len() == 1 && active[0].ends_with(NAME), "a day later: {active:?}");
}

#[test]
fn a_crash_after_the_commit_leaves_nothing_to_do_but_the_retirement() {
    let cases: [(&[Left], &[&str]); 2] =
        [(&[Superseded(23), Committed], &["#1 superseded 100.1 +23h", "#2"]), (&[Superseded(-1), Committed], &["#2"])];
    for (left, healed) in cases {
        let pipeline = after_a_dead_run(left);
        let mut job = pipeline.job();
        let run = pipeline.main(&mut job, &[SELDOM]);
        assert_eq!((run.result, job.variable_value("rotate.rotated")), (TaskResult::Succeeded, Some("false")));
        assert_eq!(pipeline.active(), spelled(healed), "{left:?}");
        assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
    }
}

#[test]
fn without_an_overlap_leftovers_are_revoked_only_after_the_commit_and_its_proof() {
    let pipeline = after_a_dead_run(&[Committed, Pending, Held, Superseded(5), Superseded(-1)]);
    let mut job = pipeline.job();
    let overlap = ("overlapHours", "0");
    assert_eq!(pipeline.main(&mut job, &[overlap]).result, TaskResult::Succeeded);
    for number in 1..=3 {
        pipeline.forget(&format!("the consumer of #{number}"));
    }
    pipeline.consume_variable("every consumer", &job);
    pipeline.operations();
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    assert_eq!(pipeline.active(), spelled(&["#4 superseded 100.1 +5h", "#6"]));

    let operations = pipeline.operations();
    let first = operations.iter().position(|op| op == "RevokePat").unwrap();
    let (before, after) = operations.split_at(first);
    assert_eq!(before.last().map(String::as_str), Some("ConnectionDataAsPat"), "{operations:?}");
    assert_eq!(before.iter().filter(|op| *op == "UpdatePat").count(), 4, "three superseded, one committed");
    assert_eq!(after, ["RevokePat"; 4]);
}

/// The agent dies once that request has been handled, before its reply arrives.
fn agent_gone_at(pipeline: &Pipeline, op: Op, n: usize) -> Interruption {
    let gone = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&gone);
    pipeline.sim.inject(Fault::after(move |_| flag.store(true, Ordering::SeqCst)), When::nth(op, n));
    pipeline.sim.inject(Fault::Delay(Duration::from_millis(400)), When::nth(op, n));
    Interruption::AgentGone(Moment::Flag(gone))
}

/// A settle stage that the agent's death cuts off.
fn post_killed(job: &mut Job, how: Interruption) {
    let run = job.run_post_interrupted("rotate", how);
    assert_eq!((run.result, &run.leaks, run.orphans.len()), (TaskResult::Abandoned, &Vec::new(), 0));
}

/// A pipeline with one PAT whose job has come to its end.
fn with_a_finished_job() -> (Pipeline, Job) {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().new_pats_valid_after = 0;
    let mut job = pipeline.job();
    assert_eq!(pipeline.main(&mut job, &[]).result, TaskResult::Succeeded);
    pipeline.consume_variable("the new consumer", &job);
    (pipeline, job)
}

#[test]
fn a_run_killed_in_its_main_stage_leaves_the_old_and_a_pending_one_for_the_next_run_to_heal() {
    for (op, n) in [(Op::CreatePat, 1), (Op::UpdatePat, 1), (Op::ConnectionDataAsPat, 1)] {
        let pipeline = Pipeline::with_pat(5);
        pipeline.sim.world().new_pats_valid_after = 0;
        let mut job = pipeline.job();
        let how = agent_gone_at(&pipeline, op, n);
        let run = pipeline.main_interrupted(&mut job, &[], how);
        assert_eq!(run.result, TaskResult::Abandoned);
        assert_eq!(pipeline.active(), spelled(&["#1", "#2 pending 101.1"]), "{op:?} {n}");

        pipeline.rotate(&mut pipeline.next_job(), &[SELDOM]);
        let healed = ["#1 superseded 102.1 +24h", "#2 superseded 102.1 +24h", "#3"];
        assert_eq!(pipeline.active(), spelled(&healed), "{op:?} {n}");
    }
}

/// *Rerun failed jobs*: the build goes on, and the engine gives the step another id.
#[test]
fn a_rerun_of_the_job_finishes_what_a_dead_agent_left() {
    let pipeline = Pipeline::with_pat(20);
    pipeline.sim.world().new_pats_valid_after = 0;
    let mut job = pipeline.job();
    let how = Interruption::AgentGone(Moment::line_containing("variable=NUGET_PAT"));
    assert_eq!(pipeline.main_interrupted(&mut job, &[], how).result, TaskResult::Abandoned);
    assert_eq!(pipeline.active(), spelled(&["#1", "#2 pending 101.1"]));

    pipeline.sim.world().advance(SignedDuration::from_mins(11));
    pipeline.rotate(&mut pipeline.job().attempt(2), &[SELDOM]);
    assert_eq!(pipeline.active(), spelled(&["#1 superseded 101.2 +24h", "#2 superseded 101.2 +24h", "#3"]));
}

#[test]
fn a_run_killed_after_it_wrote_the_vault_is_healed_and_the_vault_holds_the_committed_one() {
    let pipeline = Pipeline::with_pat(5);
    let old = pipeline.id(1);
    {
        let mut world = pipeline.sim.world();
        let value = world.pat(&old).secret.clone();
        world.set_secret("nuget-pat", &value, &[("authorizationId", &old)]);
    }
    let vault = format!("{}/secrets/nuget-pat", pipeline.sim.origin());
    let places = [("publishTo", vault.as_str()), ("variable", "")];
    let mut job = pipeline.job();
    let how = agent_gone_at(&pipeline, Op::VaultWrite, 1);
    pipeline.main_interrupted(&mut job, &places, how);
    assert_eq!(pipeline.active(), spelled(&["#1", "#2 pending 101.1"]));
    pipeline.consume("a reader of the vault", &pipeline.id(2));

    let mut next = pipeline.next_job();
    assert_eq!(pipeline.main(&mut next, &places).result, TaskResult::Succeeded);
    assert_eq!(pipeline.post(&mut next).result, TaskResult::Succeeded);
    assert_eq!(pipeline.active(), spelled(&["#1 superseded 102.1 +24h", "#2 superseded 102.1 +24h", "#3"]));
    let world = pipeline.sim.world();
    assert_eq!(world.pat_of_secret(world.vault.value("nuget-pat")).map(|pat| pat.number), Some(3));
}

#[test]
fn a_run_killed_before_its_commit_leaves_a_superseded_and_a_pending_one_for_the_next_run_to_heal() {
    for (op, n) in [(Op::UpdatePat, 1), (Op::ListPats, 2)] {
        let (pipeline, mut job) = with_a_finished_job();
        let how = agent_gone_at(&pipeline, op, n);
        post_killed(&mut job, how);
        assert_eq!(pipeline.active(), spelled(&["#1 superseded 101.1 +24h", "#2 pending 101.1"]), "{op:?} {n}");

        pipeline.rotate(&mut pipeline.next_job(), &[SELDOM]);
        let healed = ["#1 superseded 101.1 +24h", "#2 superseded 102.1 +24h", "#3"];
        assert_eq!(pipeline.active(), spelled(&healed), "{op:?} {n}");
    }
}

#[test]
fn of_two_with_one_name_the_one_not_chosen_is_left_alone_by_the_run_after_a_killed_one_as_well() {
    for is_repeated in [true, false] {
        let pipeline = Pipeline::with_pat(20);
        pipeline.sim.world().new_pats_valid_after = 0;
        let other = pipeline.add(NAME, 25);
        pipeline.consume("the other consumer", &other);
        let (chosen, mut job) = (pipeline.id(1), pipeline.job());
        let choice = ("replaceAuthorizationId", chosen.as_str());
        assert_eq!(pipeline.main(&mut job, &[choice]).result, TaskResult::Succeeded);
        pipeline.consume_variable("the new consumer", &job);
        let how = agent_gone_at(&pipeline, Op::UpdatePat, 1);
        post_killed(&mut job, how);
        assert_eq!(pipeline.active(), spelled(&["#1 superseded 101.1 +24h", "#2", "#3 pending 101.1"]));

        let inputs = if is_repeated { vec![choice, SELDOM] } else { vec![SELDOM] };
        let (main, _) = pipeline.rotate(&mut pipeline.next_job(), &inputs);
        says(&main, &[&format!("{other}) is left alone: rename or revoke it by hand before the next run")]);
        let healed = ["#1 superseded 101.1 +24h", "#2", "#3 superseded 102.1 +24h", "#4"];
        assert_eq!(pipeline.active(), spelled(&healed), "{is_repeated}");
    }
}

#[test]
fn a_run_killed_after_its_commit_leaves_nothing_that_the_next_run_must_replace() {
    for (op, n) in [(Op::UpdatePat, 2), (Op::ConnectionDataAsPat, 1), (Op::UpdatePat, 3)] {
        let (pipeline, mut job) = with_a_finished_job();
        let how = agent_gone_at(&pipeline, op, n);
        post_killed(&mut job, how);
        let left = spelled(&["#1 superseded 101.1 +24h", "#2"]);
        assert_eq!(pipeline.active(), left, "{op:?} {n}");

        let mut next = pipeline.next_job();
        assert_eq!(pipeline.main(&mut next, &[SELDOM]).result, TaskResult::Succeeded);
        assert_eq!(pipeline.active(), left, "{op:?} {n}");
        pipeline.forget("the old consumer");
        ends_with_its_overlaps(&pipeline);
    }
}

#[test]
fn a_run_killed_at_any_line_of_its_main_stage_is_healed_by_the_next() {
    for line in ["created ", "task.setsecret", "rotatePatNew", "variable=NUGET_PAT"] {
        let pipeline = Pipeline::with_pat(5);
        pipeline.sim.world().new_pats_valid_after = 0;
        let mut job = pipeline.job();
        let how = Interruption::AgentGone(Moment::line_containing(line));
        assert_eq!(pipeline.main_interrupted(&mut job, &[], how).result, TaskResult::Abandoned, "{line}");
        pipeline.rotate(&mut pipeline.next_job(), &[]);
        is_healed(&pipeline, line);
    }
}

#[test]
fn a_run_killed_at_any_line_of_its_settle_stage_is_healed_by_the_next() {
    for line in ["settle ", "superseded ", "committed ", "shortened "] {
        let (pipeline, mut job) = with_a_finished_job();
        post_killed(&mut job, Interruption::AgentGone(Moment::line_containing(line)));
        pipeline.rotate(&mut pipeline.next_job(), &[]);
        is_healed(&pipeline, line);
    }
}

/// The newest is committed, and every other has an end.
fn is_healed(pipeline: &Pipeline, after: &str) {
    let active = pipeline.active();
    let (newest, others) = active.split_last().unwrap();
    let all_end = others.iter().all(|name| name.contains("[superseded "));
    assert!(newest.ends_with(NAME) && all_end, "killed at {after:?}: {active:?}");
}
