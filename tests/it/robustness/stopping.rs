//! Being stopped: cancelled, killed, unheard, tried again. A stopped run undoes what nobody holds, leaves what somebody
//! may hold, and ends by itself before the agent's limits does.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use rotate_pat::app::StageExit::{Failed, Nothing, Succeeded};

use crate::harness::in_process::LocalJob;
use crate::harness::pipeline::{NAME, Pipeline, VARIABLE, ended, says};
use crate::rotation::lost_replies::InProcessJob;
use agent::{Interruption, JobStatus, StepRun, TaskResult, When as Moment};
use simulator::{Fault, Op, When};

/// What the agent gives a cancelled task, less a second.
const LADDER: Duration = Duration::from_secs(9);

fn old() -> Vec<String> {
    vec![format!("#1 {NAME}")]
}

fn old_and(state: &str) -> Vec<String> {
    vec![format!("#1 {NAME}"), format!("#2 {NAME} [{state} 101.1]")]
}

/// Once the world has handled that request; its reply takes a little longer.
fn at(pipeline: &Pipeline, op: Op, n: usize) -> Moment {
    pipeline.sim.inject(Fault::Delay(Duration::from_millis(400)), When::nth(op, n));
    handled(pipeline, op, n)
}

fn handled(pipeline: &Pipeline, op: Op, n: usize) -> Moment {
    let reached = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&reached);
    pipeline.sim.inject(Fault::after(move |_| flag.store(true, Ordering::SeqCst)), When::nth(op, n));
    Moment::Flag(reached)
}

#[track_caller]
fn is_cancelled_in_time(run: &StepRun) {
    assert_eq!(run.result, TaskResult::Canceled, "{}", run.log);
    assert!(run.duration < LADDER && !run.signals.contains(&"KILL"), "{:?} {:?}", run.duration, run.signals);
}

fn changes(pipeline: &Pipeline) -> Vec<Op> {
    let changing = [Op::CreatePat, Op::UpdatePat, Op::RevokePat, Op::VaultWrite, Op::VaultUpdate];
    pipeline.sim.transcript().iter().map(|exchange| exchange.op).filter(|op| changing.contains(op)).collect()
}

#[test]
fn cancelled_before_the_creation_nothing_more_is_sent_and_nothing_is_changed() {
    for op in [Op::OidcToken, Op::VaultRead, Op::TokenRefresh, Op::ListPats] {
        let pipeline = Pipeline::with_pat(5);
        pipeline.sim.inject(Fault::HangBefore, When::nth(op, 1));
        let when = handled(&pipeline, op, 1);
        let run = pipeline.cancelled(&mut pipeline.job(), &[], when);
        is_cancelled_in_time(&run);
        assert_eq!(run.signals, ["INT"]);
        assert!(run.duration < Duration::from_secs(3), "{:?}", run.duration);
        says(&run, &["the run was cancelled\nNow: Nothing was changed."]);
        assert_eq!((changes(&pipeline), pipeline.active()), (vec![], old()), "{op:?}");
    }
}

#[test]
fn cancelled_in_its_first_moments_a_run_changes_nothing() {
    for millis in [0, 20, 40, 60, 80] {
        let pipeline = Pipeline::with_pat(5);
        pipeline.sim.inject(Fault::Delay(Duration::from_millis(500)), When::nth(Op::ListPats, 1));
        let run = pipeline.cancelled(&mut pipeline.job(), &[], Moment::After(Duration::from_millis(millis)));
        is_cancelled_in_time(&run);
        assert_eq!((changes(&pipeline), pipeline.active()), (vec![], old()), "after {millis} ms");
    }
}

#[test]
fn cancelled_during_the_creation_a_run_waits_for_its_reply_and_revokes_what_was_made() {
    let pipeline = Pipeline::with_pat(5);
    let when = at(&pipeline, Op::CreatePat, 1);
    let mut job = pipeline.job();
    let run = pipeline.cancelled(&mut job, &[], when);
    is_cancelled_in_time(&run);
    says(&run, &["which nobody holds", "was revoked"]);
    assert_eq!((changes(&pipeline), pipeline.active()), (vec![Op::CreatePat, Op::RevokePat], old()));
    assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
    assert_eq!(pipeline.active(), old());
}

#[test]
fn cancelled_during_a_creation_that_is_never_answered_a_run_finds_and_revokes_what_was_made() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.inject(Fault::HangAfter, When::nth(Op::CreatePat, 1));
    let when = handled(&pipeline, Op::CreatePat, 1);
    let run = pipeline.cancelled(&mut pipeline.job(), &[], when);
    is_cancelled_in_time(&run);
    says(&run, &["the reply with its secret was lost", "Every new token without a known value was revoked"]);
    assert_eq!((changes(&pipeline), pipeline.active()), (vec![Op::CreatePat, Op::RevokePat], old()));
}

#[test]
fn cancelled_before_anybody_holds_the_new_one_a_run_revokes_it() {
    for (op, n) in [(Op::ListPats, 2), (Op::UpdatePat, 1), (Op::ConnectionDataAsPat, 3)] {
        let pipeline = Pipeline::with_pat(5);
        // Not valid for long enough that only the cancellation can end the wait.
        pipeline.sim.world().new_pats_valid_after = 1000;
        let when = at(&pipeline, op, n);
        let mut job = pipeline.job();
        let run = pipeline.cancelled(&mut job, &[], when);
        is_cancelled_in_time(&run);
        says(&run, &["which nobody holds", "was revoked"]);
        assert_eq!(pipeline.active(), old(), "{op:?}");
        assert_eq!((changes(&pipeline).last(), job.variable_value(VARIABLE)), (Some(&Op::RevokePat), None), "{op:?}");
    }
}

#[test]
fn cancelled_while_a_vault_is_written_a_run_holds_what_the_vault_has() {
    let pipeline = Pipeline::with_pat(5);
    let vault = format!("{}/secrets/nuget-pat", pipeline.sim.origin());
    let when = at(&pipeline, Op::VaultWrite, 1);
    let mut job = pipeline.job();
    let run = pipeline.cancelled(&mut job, &[("publishTo", &vault)], when);
    is_cancelled_in_time(&run);
    says(&run, &["The new token is in secret \"nuget-pat\"", "It is now", "[held 101.1-"]);
    assert_eq!((pipeline.active(), job.variable_value(VARIABLE)), (old_and("held"), None));
}

#[test]
fn cancelled_once_the_variable_is_set_the_new_one_is_held() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    let run = pipeline.cancelled(&mut job, &[], Moment::line_containing("variable=NUGET_PAT"));
    is_cancelled_in_time(&run);
    assert_eq!((job.status(), pipeline.active()), (JobStatus::Canceled, old_and("pending")));
    pipeline.consume_variable("a step that was fast", &job);
    let post = pipeline.post(&mut job);
    assert_eq!((post.result, pipeline.active()), (TaskResult::SucceededWithIssues, old_and("held")), "{}", post.log);
    says(&post, &["the job ended as Canceled, so nothing was retired"]);
}

/// A job that has ended like this, and whose settle stage is cancelled once that request is handled.
fn settle_cancelled(status: JobStatus, op: Op, n: usize) -> (Pipeline, StepRun) {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().new_pats_valid_after = 0;
    let mut job = pipeline.job();
    assert_eq!(pipeline.main(&mut job, &[]).result, TaskResult::Succeeded);
    pipeline.consume_variable("the new consumer", &job);
    ended(&mut job, status);
    let how = Interruption::Cancel(at(&pipeline, op, n));
    let run = job.run_post_interrupted("rotate", how);
    is_cancelled_in_time(&run);
    assert_eq!(run.leaks, Vec::<String>::new());
    (pipeline, run)
}

#[test]
fn a_cancelled_settle_stage_stops_at_a_state_that_the_next_run_heals() {
    let superseded = format!("#1 {NAME} [superseded 101.1 +24h]");
    let pending = vec![superseded.clone(), format!("#2 {NAME} [pending 101.1]")];
    let committed = vec![superseded, format!("#2 {NAME}")];
    let untouched = vec![format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1]")];
    for (op, n, left) in [
        (Op::ListPats, 1, &untouched),
        (Op::UpdatePat, 1, &pending),
        (Op::ListPats, 2, &pending),
        (Op::UpdatePat, 2, &committed),
        (Op::ConnectionDataAsPat, 1, &committed),
    ] {
        let (pipeline, run) = settle_cancelled(JobStatus::Succeeded, op, n);
        assert_eq!(pipeline.active(), *left, "{op:?} {n}\n{}", run.log);
        pipeline.rotate(&mut pipeline.next_job(), &[]);
        assert_eq!(pipeline.active().last(), Some(&format!("#3 {NAME}")), "{op:?} {n}");
    }
}

#[test]
fn a_hold_that_is_cancelled_while_it_is_carried_out_is_carried_out() {
    let (pipeline, run) = settle_cancelled(JobStatus::Failed, Op::UpdatePat, 1);
    assert_eq!(pipeline.active(), old_and("held"), "{}", run.log);
}

#[test]
fn a_cancelled_run_that_cannot_undo_ends_in_time_and_says_what_is_left() {
    let brief = InProcessJob::with_pat("24");
    let mut job = brief.job();
    let canceller = job.canceller();
    let stop = move |_: &mut _| canceller.stop_within(Duration::from_millis(300));
    brief.sim.inject(Fault::after(stop), When::nth(Op::UpdatePat, 1));
    brief.sim.inject(Fault::HangBefore, When::every(Op::RevokePat));
    assert_eq!(job.main(), Failed);
    let log = job.log();
    assert!(log.contains("may not be revoked") && log.contains("the next run retires it"), "{log}");
    assert!(job.raw.last().unwrap().starts_with("##vso[task.complete result=Canceled;]"), "{log}");
    brief.heals("an undo that hangs");
}

#[test]
fn a_cancelled_settle_stage_that_gets_no_answer_ends_in_time() {
    for fault in [Fault::HangBefore, Fault::Status(500), Fault::Unavailable(3)] {
        let name = fault.name();
        let brief = InProcessJob::with_pat("24");
        let mut job = brief.job();
        assert_eq!(job.main(), Succeeded);
        job.limits.reply = Duration::from_secs(30);
        job.limits.read = Duration::from_secs(30);
        job.limits.repeat_within = Duration::from_secs(30);
        let canceller = job.canceller();
        let stop = move |_: &mut _| canceller.stop_within(Duration::from_millis(200));
        brief.sim.inject(Fault::after(stop), When::nth(Op::UpdatePat, 1));
        brief.sim.inject(fault, When::every(Op::UpdatePat));
        let started = std::time::Instant::now();
        assert_eq!(job.settle("Succeeded"), Failed, "{name}");
        assert!(started.elapsed() < Duration::from_secs(2), "{name}: {:?}", started.elapsed());
        assert!(job.raw.last().unwrap().starts_with("##vso[task.complete result=Canceled;]"), "{name}:\n{}", job.log());
        brief.heals(&name);
    }
}

#[test]
fn a_run_whose_agent_is_gone_changes_nothing_more_and_ends_by_itself() {
    let rehearsed = vec![Op::CreatePat, Op::UpdatePat];
    for (op, n, changed) in [
        (Op::ListPats, 1, vec![]),
        (Op::CreatePat, 1, vec![Op::CreatePat]),
        (Op::ListPats, 2, vec![Op::CreatePat]),
        (Op::UpdatePat, 1, rehearsed.clone()),
        (Op::ConnectionDataAsPat, 2, rehearsed),
    ] {
        let pipeline = Pipeline::with_pat(5);
        let how = Interruption::AgentGone(at(&pipeline, op, n));
        let run = pipeline.main_interrupted(&mut pipeline.job(), &[], how);
        assert!(run.outlived < Duration::from_secs(5), "{:?}", run.outlived);
        assert_eq!(changes(&pipeline), changed, "{op:?} {n}");
    }
}

#[test]
fn a_run_that_outlives_the_agents_patience_leaves_the_undoing_to_the_next() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.inject(Fault::HangAfter, When::nth(Op::CreatePat, 1));
    let when = handled(&pipeline, Op::CreatePat, 1);
    // The whole ladder in a second: the launcher is killed while the program still waits for the reply.
    let run = pipeline.cancelled(&mut pipeline.job().scale(0.1), &[], when);
    assert_eq!((run.result, &run.signals[..]), (TaskResult::Canceled, &["INT", "TERM", "KILL"][..]));
    assert_eq!((changes(&pipeline), pipeline.active()), (vec![Op::CreatePat], old_and("pending")));
    pipeline.rotate(&mut pipeline.next_job(), &[]);
    assert_eq!(pipeline.active().last(), Some(&format!("#3 {NAME}")));
}

#[test]
fn a_run_whose_output_is_closed_early_revokes_the_new_one_and_does_not_end_well() {
    // Each with requests to send before the next line, so that it is noticed before the variable is set.
    for line in ["RotatePat 1", "##[group]Plan", "created ", "task.setsecret"] {
        let pipeline = Pipeline::with_pat(5);
        let mut job = pipeline.job();
        let how = Interruption::CloseStdout(Moment::line_containing(line));
        let run = pipeline.main_interrupted(&mut job, &[], how);
        assert_eq!(run.result, TaskResult::Failed, "{line}\n{}", run.log);
        assert_ne!(run.exit_code, Some(0), "{line}");
        assert_eq!((pipeline.active(), job.variable_value(VARIABLE)), (old(), None), "{line}");
        assert_eq!((pipeline.post(&mut job).result, pipeline.active()), (TaskResult::Succeeded, old()), "{line}");
    }
}

/// The number of lines that a rotation prints before the one that sets the variable, and in all.
fn lines_of_a_rotation() -> (usize, usize) {
    let brief = InProcessJob::with_pat("24");
    let mut job = brief.job();
    assert_eq!(job.main(), Succeeded);
    let sets = |line: &String| line.starts_with("##vso[task.setvariable variable=NUGET_PAT;");
    (job.raw.iter().position(sets).unwrap(), job.raw.len())
}

/// A run whose output is closed after so many lines.
fn heard_for(lines: usize) -> (InProcessJob, LocalJob) {
    let brief = InProcessJob::with_pat("24");
    let mut job = brief.job();
    job.closes_after = Some(lines);
    assert_eq!(job.main(), Nothing, "closed after {lines} lines");
    job.closes_after = None;
    (brief, job)
}

#[test]
fn whenever_the_output_closes_before_the_variable_the_new_one_is_revoked() {
    let (before, _) = lines_of_a_rotation();
    for lines in 0..before {
        let (brief, mut job) = heard_for(lines);
        assert_eq!(brief.active(), [NAME], "closed after {lines} lines");
        job.settle("Failed");
        assert_eq!(brief.active(), [NAME], "closed after {lines} lines");
    }
}

#[test]
fn half_a_hand_over_is_none() {
    let (before, _) = lines_of_a_rotation();
    for lines in [before - 2, before - 1] {
        let (brief, mut job) = heard_for(lines);
        assert_eq!((brief.active(), job.settle("Failed")), (vec![NAME.to_owned()], Succeeded), "after {lines} lines");
        assert_eq!(job.log(), "Result: nothing to settle\n");
    }
}

#[test]
fn whenever_the_output_closes_from_the_variable_on_both_live_and_the_next_run_heals() {
    let (before, all) = lines_of_a_rotation();
    for lines in before..all {
        let (brief, mut job) = heard_for(lines);
        let new = brief.active().pop().unwrap();
        assert!(new.contains("[pending 101.1-"), "closed after {lines} lines: {new}");
        assert_eq!(job.variable(VARIABLE).is_some(), lines > before, "closed after {lines} lines");
        assert_eq!(job.settle("Failed"), Succeeded, "closed after {lines} lines\n{}", job.log());
        assert_eq!(brief.active(), [NAME.to_owned(), new.replace("pending", "held")], "closed after {lines} lines");
        brief.heals("a closed output");
    }
}

#[test]
fn whenever_the_output_of_the_settle_stage_closes_the_next_run_heals() {
    let mut lines = 0;
    loop {
        let brief = InProcessJob::with_pat("0");
        let mut job = brief.job();
        assert_eq!(job.main(), Succeeded);
        brief.hold(&job);
        job.closes_after = Some(lines);
        let told = job.settle("Succeeded");
        brief.heals("a settle stage that nobody heard");
        if told == Succeeded {
            break;
        }
        assert_eq!(told, Nothing, "closed after {lines} lines");
        lines += 1;
    }
    assert!(lines >= 4, "{lines}");
}

#[test]
fn second_try_of_the_step_leaves_the_token_of_the_first_alone() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.inject(Fault::WrongShape, When::nth(Op::UpdatePat, 1));
    pipeline.sim.inject(Fault::Status(400), When::nth(Op::RevokePat, 1));
    let mut job = pipeline.job();
    let step = pipeline.step_of(&[]).retry_count_on_task_failure(2);
    let run = pipeline.step(&mut job, &step, Interruption::None);
    // What the first try sent may still arrive.
    assert_eq!((run.result, run.attempts), (TaskResult::Failed, 3), "{}", run.log);
    says(&run, &["a request of that run may still arrive until"]);
    assert_eq!(pipeline.active(), old_and("pending"));
    pipeline.rotate(&mut pipeline.next_job(), &[]);
    let healed = [
        format!("#1 {NAME} [superseded 102.1 +24h]"),
        format!("#2 {NAME} [superseded 102.1 +24h]"),
        format!("#3 {NAME}"),
    ];
    assert_eq!(pipeline.active(), healed);
}

/// A step whose first try set the variable and was heard no further.
fn tried_once() -> (InProcessJob, LocalJob) {
    let (before, _) = lines_of_a_rotation();
    let (brief, job) = heard_for(before + 1);
    assert!(job.variable(VARIABLE).is_some());
    // What it sent has arrived by now, or never will.
    brief.sim.world().advance(SignedDuration::from_mins(11));
    (brief, job)
}

#[test]
fn a_second_try_after_the_first_has_set_the_variable_replaces_that_value_too() {
    let (brief, mut job) = tried_once();
    let first = job.variable(VARIABLE).map(str::to_owned);
    let (main, settle) = brief.run(&mut job);
    assert_eq!((main, settle), (Succeeded, Succeeded), "{}", job.log());
    assert_ne!(job.variable(VARIABLE).map(str::to_owned), first);
    let active = brief.active();
    let superseded = active.iter().filter(|name| name.contains("[superseded 101.1-")).count();
    assert_eq!((superseded, active.len(), active.last().unwrap().as_str()), (2, 3, NAME), "{active:?}");
}

#[test]
fn a_second_try_that_fails_leaves_what_the_first_handed_out_to_be_held() {
    let (brief, mut job) = tried_once();
    brief.sim.inject(Fault::RefusedIn200("failedToIssueAccessToken".to_owned()), When::every(Op::CreatePat));
    assert_eq!(job.main(), Failed, "{}", job.log());
    assert_eq!(job.settle("Failed"), Succeeded, "{}", job.log());
    let active = brief.active();
    assert!(active.len() == 2 && active[0] == NAME && active[1].contains("[held 101.1-"), "{active:?}");
    brief.heals("a second try that failed");
}

#[test]
fn an_environment_that_is_no_text_does_not_disturb() {
    let pipeline = Pipeline::with_pat(5);
    let wild = || OsString::from_vec(vec![0xff, b'x', 0xc3, 0x28]);
    let mut job = pipeline.job().raw_env("WILD", wild()).raw_env("SECRET_WILD", wild()).raw_env(wild(), "value");
    pipeline.rotate(&mut job, &[]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);

    // Without node, which makes text of it.
    let mut program = Command::new(env!("CARGO_BIN_EXE_rotate-pat"));
    program.arg("task").env_clear().env("INPUT_PATNAME", wild()).env("SECRET_WILD", wild()).env(wild(), "value");
    let output = program.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "a failure that was told: {output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("##vso[task.complete result=Failed;]"), "{output:?}");
}

#[test]
fn a_task_folder_that_cannot_be_changed_is_run_from_a_copy_that_is_removed() {
    let pipeline = Pipeline::with_pat(5);
    let job = pipeline.job();
    let temp = job.temp_directory();
    // As on a file system that is mounted read-only, whoever runs this.
    let hook = temp.join("read-only.js");
    let refuse = "const fs = require('fs'), real = fs.chmodSync;\n\
        fs.chmodSync = (file, mode) => {\n\
        if (file.includes('_tasks')) throw Object.assign(new Error('EROFS'), {code: 'EROFS'});\n\
        return real(file, mode);\n};\n";
    fs::write(&hook, refuse).unwrap();
    let mut job = job.raw_env("NODE_OPTIONS", format!("--require={}", hook.display()));
    pipeline.rotate(&mut job, &[]);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
    let program = job.task_folder().join("bin").read_dir().unwrap().next().unwrap().unwrap();
    assert_eq!(program.metadata().unwrap().permissions().mode() & 0o111, 0, "it was run from elsewhere");
    let names = fs::read_dir(&temp).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let copies: Vec<String> = names.filter(|name| name.starts_with("rotate-pat-")).collect();
    assert_eq!(copies, Vec::<String>::new());
}
