//! Several runs at one PAT: alive, dead and unknown ones, the jobs of one build, and what changes between a run's look
//! and its act. At most one of them wins, and nobody's PAT dies of it.

use jiff::SignedDuration;

use crate::harness::pipeline::{NAME, Pipeline, VARIABLE, ended, says};
use agent::{Interruption, Job, JobStatus, Step, StepRun, TaskResult};
use simulator::{Fault, Op, When, World};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const SIX_HOURS: SignedDuration = SignedDuration::from_hours(6);
/// Another run of this pipeline.
const OTHER: u32 = 77;

fn pending_of(run: &str) -> String {
    format!("{NAME} [pending {run}-0a1b2c3d]")
}

/// A PAT that a run has made that long ago.
fn made(world: &mut World, run: &str, age: SignedDuration) -> String {
    world.add_pat(&pending_of(run)).age(age).add()
}

/// With one committed PAT of 20 days, and another run's pending one, made an hour ago.
fn with_rival(run: &str, status: &str) -> Pipeline {
    let pipeline = Pipeline::with_pat(20);
    let mut world = pipeline.sim.world();
    world.new_pats_valid_after = 0;
    if !status.is_empty() {
        world.add_build(OTHER, status);
    }
    let id = made(&mut world, run, SignedDuration::from_hours(1));
    drop(world);
    pipeline.consume("the rival's consumer", &id);
    pipeline
}

#[track_caller]
fn is_refused(pipeline: &Pipeline, run: &StepRun, words: &[&str]) {
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(run, words);
    says(run, &["Nothing was changed."]);
    assert_eq!(pipeline.sim.count(Op::CreatePat), 0);
}

#[test]
fn a_run_that_is_due_is_refused_while_another_is_at_work() {
    for status in ["inProgress", "cancelling", "postponed", "notStarted", "none", "aStatusOfTomorrow"] {
        let pipeline = with_rival("77.1", status);
        let run = pipeline.main(&mut pipeline.job(), &[]);
        is_refused(&pipeline, &run, &["run 77.1-0a1b2c3d is rotating the same token", "Let build 77 end"]);
        assert_eq!(pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [pending 77.1]")], "{status}");
    }
}

#[test]
fn a_run_that_is_not_due_leaves_another_at_work_alone_and_succeeds() {
    let pipeline = with_rival("77.1", "inProgress");
    let ended = pipeline.sim.world().now() - MINUTE;
    let name = format!("{NAME} [superseded 76.1-0a1b2c3d ends {}]", ended.strftime("%Y-%m-%dT%H:%MZ"));
    pipeline.add(&name, 5);
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[("rotateWhenDaysLeft", "7")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["run 77.1-0a1b2c3d is rotating it at this moment"]);
    assert_eq!(job.variable_value("rotate.rotated"), Some("false"));
    assert_eq!(job.variable_value("rotate.authorizationId"), Some(pipeline.id(1).as_str()));
    assert_eq!(job.variable_value(VARIABLE), None);
    assert_eq!(pipeline.sim.count(Op::RevokePat), 0, "what the other plans with is left alone");
}

#[test]
fn a_dead_run_is_succeeded_by_the_next() {
    let pipeline = with_rival("77.1", "completed");
    pipeline.rotate(&mut pipeline.job(), &[("rotateWhenDaysLeft", "7")]);
    let healed = [
        format!("#1 {NAME} [superseded 101.1 +24h]"),
        format!("#2 {NAME} [superseded 101.1 +24h]"),
        format!("#3 {NAME}"),
    ];
    assert_eq!(pipeline.active(), healed);
}

#[test]
fn a_run_that_cannot_be_asked_for_counts_as_alive_for_six_hours() {
    for (run, advice) in [("77.1", "Let build 77 end"), ("r77.1", "after 6 hours it counts as dead")] {
        for (age, is_alive) in [(SIX_HOURS - MINUTE, true), (SIX_HOURS + MINUTE, false)] {
            let pipeline = Pipeline::with_pat(20);
            made(&mut pipeline.sim.world(), run, age);
            let found = pipeline.main(&mut pipeline.job(), &[]);
            if is_alive {
                is_refused(&pipeline, &found, &[&format!("run {run}-0a1b2c3d is rotating"), advice]);
            } else {
                assert_eq!(found.result, TaskResult::Succeeded, "{run}\n{}", found.log);
                assert_eq!(pipeline.active().last(), Some(&format!("#3 {NAME} [pending 101.1]")), "{run}");
            }
        }
    }
}

#[test]
fn the_age_of_another_run_is_told_by_the_server_and_not_by_the_agents_clock() {
    let pipeline = Pipeline::with_pat(20);
    // The agent's clock is six hours ahead.
    pipeline.sim.world().advance(-SIX_HOURS);
    made(&mut pipeline.sim.world(), "r77.1", SIX_HOURS - MINUTE);
    let run = pipeline.main(&mut pipeline.job(), &[]);
    is_refused(&pipeline, &run, &["run r77.1-0a1b2c3d is rotating"]);
}

#[test]
fn a_build_that_the_job_may_not_read_is_judged_by_age_and_one_that_does_not_answer_by_nothing() {
    for (fault, words) in [
        (Fault::Status(403), "run 77.1-0a1b2c3d is rotating"),
        (Fault::SignInPage, "run 77.1-0a1b2c3d is rotating"),
        (Fault::WrongShape, "could not learn whether run 77.1-0a1b2c3d"),
        (Fault::Throttled(3600), "could not learn whether run 77.1-0a1b2c3d"),
    ] {
        let pipeline = with_rival("77.1", "completed");
        pipeline.sim.inject(fault, When::every(Op::GetBuild));
        let run = pipeline.main(&mut pipeline.job(), &[]);
        is_refused(&pipeline, &run, &[words]);
    }
}

#[test]
fn a_release_rotates_under_its_own_name_and_has_its_own_leftovers_replaced() {
    let pipeline = Pipeline::with_pat(20);
    let mut first = pipeline.job().release(9);
    assert_eq!(pipeline.main(&mut first, &[]).result, TaskResult::Succeeded);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [pending r9.1]")]);
    pipeline.sim.world().advance(SignedDuration::from_mins(11));
    let mut again = pipeline.job().release(9).attempt(2);
    pipeline.rotate(&mut again, &[]);
    let healed = [
        format!("#1 {NAME} [superseded r9.2 +24h]"),
        format!("#2 {NAME} [superseded r9.2 +24h]"),
        format!("#3 {NAME}"),
    ];
    assert_eq!(pipeline.active(), healed);
}

#[test]
fn a_second_attempt_of_a_job_takes_over_from_its_first_although_the_build_goes_on() {
    let pipeline = Pipeline::with_pat(20);
    let mut first = pipeline.job();
    assert_eq!(pipeline.main(&mut first, &[]).result, TaskResult::Succeeded);
    pipeline.consume_variable("a consumer of the first attempt", &first);
    pipeline.sim.clear_transcript();
    let early = pipeline.main(&mut pipeline.job().attempt(2), &[("rotateWhenDaysLeft", "7")]);
    is_refused(
        &pipeline,
        &early,
        &["run 101.1-", "a request of that run may still arrive until", "Run the job again after"],
    );
    pipeline.sim.world().advance(SignedDuration::from_mins(11));
    pipeline.rotate(&mut pipeline.job().attempt(2), &[("rotateWhenDaysLeft", "7")]);
    let healed = [
        format!("#1 {NAME} [superseded 101.2 +24h]"),
        format!("#2 {NAME} [superseded 101.2 +24h]"),
        format!("#3 {NAME}"),
    ];
    assert_eq!(pipeline.active(), healed);
}

#[test]
fn a_later_attempt_is_a_rival_of_an_earlier_one() {
    let pipeline = Pipeline::with_pat(20);
    assert_eq!(pipeline.main(&mut pipeline.job().attempt(2), &[]).result, TaskResult::Succeeded);
    pipeline.sim.clear_transcript();
    let run = pipeline.main(&mut pipeline.job().attempt(1), &[]);
    is_refused(&pipeline, &run, &["run 101.2-", "is rotating the same token"]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.2]")]);
}

/// A job of the same build.
fn leg(pipeline: &Pipeline, name: &str) -> Job {
    pipeline.job().variable("system.jobName", name)
}

#[test]
fn two_jobs_of_one_build_do_not_rotate_the_same_pat_at_once() {
    for (stage, phase, job) in
        [("stage", "Job", "__default"), ("__default", "second", "__default"), ("__default", "Job", "leg_2")]
    {
        let pipeline = Pipeline::with_pat(20);
        let mut first = pipeline.job();
        assert_eq!(pipeline.main(&mut first, &[]).result, TaskResult::Succeeded);
        pipeline.consume_variable("the first job's consumer", &first);
        pipeline.sim.clear_transcript();
        let second = pipeline.job().variable("system.stageName", stage).variable("system.phaseName", phase);
        let mut second = second.variable("system.jobName", job);
        let run = pipeline.main(&mut second, &[]);
        is_refused(&pipeline, &run, &["is rotating the same token", "Let build 101 end"]);

        assert_eq!(pipeline.post(&mut second).result, TaskResult::Succeeded);
        let post = pipeline.post(&mut first);
        assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
        assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
    }
}

#[test]
fn two_steps_of_one_job_do_not_rotate_the_same_pat_at_once() {
    let pipeline = Pipeline::with_pat(20);
    let mut job = pipeline.job();
    assert_eq!(pipeline.main(&mut job, &[]).result, TaskResult::Succeeded);
    pipeline.sim.clear_transcript();
    let another = Step { name: "rotate_again".into(), ..pipeline.step_of(&[]) };
    let run = pipeline.step(&mut job, &another, Interruption::None);
    is_refused(&pipeline, &run, &["is rotating the same token"]);
}

#[test]
fn two_stages_of_one_release_do_not_rotate_the_same_pat_at_once() {
    let pipeline = Pipeline::with_pat(20);
    assert_eq!(pipeline.main(&mut pipeline.job().release(9), &[]).result, TaskResult::Succeeded);
    pipeline.sim.clear_transcript();
    let mut another = pipeline.job().release(9).variable("release.environmentId", "4");
    let run = pipeline.main(&mut another, &[]);
    is_refused(&pipeline, &run, &["is rotating the same token"]);
}

#[test]
fn the_second_job_of_a_build_rotates_once_the_first_has_settled() {
    let pipeline = Pipeline::with_pat(20);
    pipeline.rotate(&mut leg(&pipeline, "first"), &[]);
    pipeline.forget("the old consumer");
    pipeline.rotate(&mut leg(&pipeline, "second"), &[("overlapHours", "0")]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#3 {NAME}")]);
}

#[test]
fn matrix_legs_with_a_pat_each_do_not_see_one_another() {
    let pipeline = Pipeline::with_pat(20);
    let other = format!("{NAME} 2");
    let id = pipeline.add(&other, 20);
    pipeline.consume("the other leg's consumer", &id);
    let (mut one, mut two) = (leg(&pipeline, "leg_1"), leg(&pipeline, "leg_2"));
    assert_eq!(pipeline.main(&mut one, &[]).result, TaskResult::Succeeded);
    assert_eq!(pipeline.main(&mut two, &[("patName", &other)]).result, TaskResult::Succeeded);
    for job in [&mut two, &mut one] {
        let post = pipeline.post(job);
        assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    }
    let rotated = [
        format!("#1 {NAME} [superseded 101.1 +24h]"),
        format!("#2 {other} [superseded 101.1 +24h]"),
        format!("#3 {NAME}"),
        format!("#4 {other}"),
    ];
    assert_eq!(pipeline.active(), rotated);
}

/// A run that meets this on its way.
fn met_with(fault: Fault, when: When) -> (Pipeline, Job, StepRun) {
    let pipeline = Pipeline::with_pat(20);
    {
        let mut world = pipeline.sim.world();
        world.new_pats_valid_after = 0;
        world.add_build(OTHER, "inProgress");
    }
    pipeline.sim.inject(fault, when);
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[]);
    (pipeline, job, run)
}

#[test]
fn of_two_runs_that_create_at_once_the_later_revokes_its_own() {
    let earlier = |world: &mut World| drop(made(world, "77.1", SignedDuration::from_secs(1)));
    for when in [When::nth(Op::CreatePat, 1), When::nth(Op::ListPats, 2)] {
        let (pipeline, job, run) = met_with(Fault::before(earlier), when);
        assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
        says(
            &run,
            &["run 77.1-0a1b2c3d began to rotate", "so this run yields", "was revoked; nothing else was changed"],
        );
        assert_eq!(job.variable_value(VARIABLE), None);
        let rival = pipeline.active().into_iter().filter(|name| !name.contains("101.1")).count();
        assert_eq!((rival, pipeline.active().len()), (2, 2), "{:?}", pipeline.active());
    }
}

#[test]
fn of_two_runs_that_create_at_once_the_earlier_goes_on() {
    let later = |world: &mut World| drop(made(world, "77.1", SignedDuration::from_secs(-1)));
    let (pipeline, mut job, run) = met_with(Fault::before(later), When::nth(Op::ListPats, 2));
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    pipeline.consume_variable("the new consumer", &job);
    // The later one has yielded meanwhile.
    let rival = pipeline.id(3);
    pipeline.sim.world().revoke(&rival);
    let post = pipeline.post(&mut job);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
}

#[test]
fn of_two_created_in_the_same_instant_the_one_with_the_lower_id_goes_on() {
    for (rival, result) in [("00000000", TaskResult::Failed), ("ffffffff", TaskResult::Succeeded)] {
        let twin = move |world: &mut World| {
            let id = made(world, "77.1", SignedDuration::ZERO);
            let mine = world.pats.iter().find(|pat| pat.name.contains("101.1")).unwrap().valid_from;
            let twin = world.pat_mut(&id);
            twin.valid_from = mine;
            twin.id.replace_range(..8, rival);
        };
        let (pipeline, _, run) = met_with(Fault::after(twin), When::nth(Op::CreatePat, 1));
        assert_eq!(run.result, result, "{rival}\n{}", run.log);
        let mine = pipeline.active().iter().any(|name| name.starts_with("#2 "));
        assert_eq!(mine, result == TaskResult::Succeeded, "{rival}");
    }
}

#[test]
fn a_change_between_the_plan_and_the_creation_stops_the_run() {
    type Change = fn(&mut World);
    let changes: [(&str, Change, &str); 3] = [
        ("a new committed one", |world| drop(world.add_pat(NAME).age(SignedDuration::ZERO).add()), "appeared"),
        ("a renamed predecessor", |world| rename_first(world, "kept by hand"), "was renamed to \"kept by hand\""),
        (
            "one superseded by another run",
            |world| rename_first(world, &format!("{NAME} [superseded 77.1-0a1b2c3d ends 2036-11-25T03:00Z]")),
            "was renamed to",
        ),
    ];
    for (what, change, words) in changes {
        for when in [When::nth(Op::CreatePat, 1), When::nth(Op::ListPats, 2)] {
            let (pipeline, job, run) = met_with(Fault::before(change), when);
            assert_eq!(run.result, TaskResult::Failed, "{what}\n{}", run.log);
            says(
                &run,
                &["changed while this run was at work", words, "was revoked; nothing else was changed", "Run again."],
            );
            assert_eq!(job.variable_value(VARIABLE), None, "{what}");
            assert!(!pipeline.active().iter().any(|name| name.contains("101.1")), "{what}: {:?}", pipeline.active());
        }
    }
}

fn rename_first(world: &mut World, name: &str) {
    let id = world.pats[0].id.clone();
    world.rename(&id, name);
}

#[test]
fn a_predecessor_that_vanishes_is_no_change() {
    let pipeline = Pipeline::new();
    let id = pipeline.add(NAME, 5);
    pipeline.sim.inject(Fault::before(move |world| world.revoke(&id)), When::nth(Op::CreatePat, 1));
    let mut job = pipeline.job();
    let (_, post) = pipeline.rotate(&mut job, &[]);
    says(&post, &["is gone already"]);
    assert_eq!(pipeline.active(), [format!("#2 {NAME}")]);
}

/// Run A at work with a new PAT, and run B started beside it.
fn two_runs() -> (Pipeline, Job, Job) {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().new_pats_valid_after = 0;
    let mut a = pipeline.job();
    assert_eq!(pipeline.main(&mut a, &[]).result, TaskResult::Succeeded);
    pipeline.consume_variable("the service", &a);
    pipeline.sim.world().start_run(102);
    let b = pipeline.job();
    (pipeline, a, b)
}

#[test]
fn a_run_beside_one_at_work_is_refused_and_the_first_settles() {
    let (pipeline, mut a, mut b) = two_runs();
    pipeline.sim.clear_transcript();
    let run = pipeline.main(&mut b, &[]);
    is_refused(&pipeline, &run, &["run 101.1-", "is rotating the same token", "Let build 101 end"]);
    assert_eq!(pipeline.post(&mut b).result, TaskResult::Succeeded);
    let post = pipeline.post(&mut a);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
}

/// Run A's build is over without a settle stage, and run B rotates and settles.
fn taken_over(overlap: &str) -> (Pipeline, Job) {
    let (pipeline, a, mut b) = two_runs();
    pipeline.sim.world().add_build(101, "completed");
    pipeline.sim.world().advance(MINUTE * 11);
    assert_eq!(pipeline.main(&mut b, &[("overlapHours", overlap)]).result, TaskResult::Succeeded);
    if overlap == "0" {
        pipeline.forget("the old consumer");
    }
    pipeline.consume_variable("the service", &b);
    let post = pipeline.post(&mut b);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    (pipeline, a)
}

#[test]
fn a_late_settle_stage_finds_that_another_run_has_taken_over_and_commits_nothing() {
    let (pipeline, mut a) = taken_over("24");
    let before = pipeline.active();
    let late = pipeline.post(&mut a);
    assert_eq!(late.result, TaskResult::Failed, "{}", late.log);
    says(&late, &["run 102.1-", "has taken over", "Nothing was committed or revoked", "Run again."]);
    assert_eq!(before[1..], [format!("#2 {NAME} [superseded 102.1 +24h]"), format!("#3 {NAME}")]);
    assert_eq!(pipeline.active()[1..], before[1..]);
    assert!(!late.log.contains("[pending"), "its new one is superseded:\n{}", late.log);
}

#[test]
fn a_late_settle_stage_does_not_say_that_what_another_run_has_revoked_works() {
    let (pipeline, mut a) = taken_over("0");
    let late = pipeline.post(&mut a);
    assert_eq!(late.result, TaskResult::Failed, "{}", late.log);
    assert_eq!(pipeline.active(), [format!("#3 {NAME}")]);
    assert!(!late.log.contains("work. "), "both of its own are revoked:\n{}", late.log);
}

#[test]
fn a_late_settle_stage_of_a_failed_job_does_not_hold_what_another_run_has_superseded() {
    let (pipeline, mut a) = taken_over("24");
    let before = pipeline.active();
    ended(&mut a, JobStatus::Failed);
    let late = pipeline.post(&mut a);
    assert_eq!(pipeline.active(), before, "{}", late.log);
}

/// The rival's PAT is an hour old; its build was completed that many minutes ago, or at a time that nobody is told.
fn with_completed_rival(minutes: Option<i64>) -> Pipeline {
    let pipeline = with_rival("77.1", "");
    let mut world = pipeline.sim.world();
    let finished = minutes.map(|minutes| world.now() - MINUTE * i32::try_from(minutes).unwrap());
    world.add_completed_build(OTHER, finished);
    drop(world);
    pipeline
}

#[test]
fn a_build_that_ended_before_the_pat_was_made_does_not_speak_for_it() {
    for finished in [Some(61), Some(60 * 24 * 700), None] {
        let pipeline = with_completed_rival(finished);
        let run = pipeline.main(&mut pipeline.job(), &[]);
        is_refused(&pipeline, &run, &["run 77.1-0a1b2c3d is rotating the same token"]);
        assert_eq!(pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [pending 77.1]")], "{finished:?}");
    }
}

#[test]
fn a_build_is_dead_ten_minutes_after_its_end() {
    let pipeline = with_completed_rival(Some(9));
    let run = pipeline.main(&mut pipeline.job(), &[]);
    is_refused(&pipeline, &run, &["run 77.1-0a1b2c3d is rotating the same token", "run again ten minutes later"]);

    let pipeline = with_completed_rival(Some(11));
    pipeline.rotate(&mut pipeline.job(), &[]);
    let replaced = |number: u32| format!("#{number} {NAME} [superseded 101.1 +24h]");
    assert_eq!(pipeline.active(), [replaced(1), replaced(2), format!("#3 {NAME}")]);
}
