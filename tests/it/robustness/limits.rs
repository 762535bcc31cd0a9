//! Replies without measure: larger than any, slower than any, lists of more than anybody has. They end in bounded time and
//! memory, with words that say so, and nothing is changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rotate_pat::app::StageExit;

use crate::harness::pipeline::{NAME, Pipeline, VARIABLE, job_in, leaks_nothing, says};
use crate::rotation::lost_replies::InProcessJob;
use agent::{Host, Stage, TaskResult};
use simulator::{Fault, Op, When};

/// What the program may map in all, code and libraries of a debug build included.
const KIBIBYTES: u32 = 60_000;

/// A main stage under these limits, with this fault at these requests; it must fail without a change, and say this.
fn fails_within(limit: Duration, fault: Fault, op: Op, words: &[&str]) {
    let name = fault.name();
    let brief = InProcessJob::with_pat("24");
    brief.sim.inject(fault, When::every(op));
    let mut job = brief.job();
    job.limits.list = Duration::from_millis(300);
    let started = Instant::now();
    assert_eq!(job.main(), StageExit::Failed, "{name} at {op:?}\n{}", job.log());
    let took = started.elapsed();
    assert!(took < limit, "{name} at {op:?}: {took:?}");
    let log = job.log();
    assert!(words.iter().all(|text| log.contains(text)), "{name} at {op:?}\n{log}");
    brief.heals(&name);
}

#[test]
fn a_reply_that_drips_for_ever_ends_by_the_limit_for_a_whole_reply() {
    // Each byte is in time for the next one: only the total ends it.
    for op in [Op::ListPats, Op::CreatePat, Op::UpdatePat, Op::ConnectionDataAsPat] {
        let drip = Fault::Drip(Duration::from_millis(20));
        fails_within(Duration::from_secs(20), drip, op, &["gave no whole answer"]);
    }
}

#[test]
fn a_list_that_never_ends_is_given_up() {
    let limit = Duration::from_secs(20);
    let untouched = "Nothing was changed.";
    let same = "a list whose next page is the same page";
    fails_within(limit, Fault::EndlessList(3, false), Op::ListPats, &[same, untouched]);
    fails_within(limit, Fault::EndlessList(0, true), Op::ListPats, &["a list that was not complete", untouched]);
}

#[test]
fn a_list_whose_pages_are_slow_is_given_up_as_a_whole() {
    let brief = InProcessJob::with_pat("24");
    brief.sim.inject(Fault::EndlessList(1, true), When::every(Op::ListPats));
    brief.sim.inject(Fault::Delay(Duration::from_millis(50)), When::every(Op::ListPats));
    let mut job = brief.job();
    job.limits.list = Duration::from_millis(400);
    let started = Instant::now();
    assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(job.log().contains("a list that was not complete after"), "{}", job.log());
    assert!(brief.sim.count(Op::ListPats) < 20);
}

/// The program under a limit on what it may map: more is a failed allocation, which ends it.
fn under_a_limit(pipeline: &Pipeline) -> (Host, PathBuf) {
    let script =
        std::env::temp_dir().join(format!("rotate-pat-limited-{}", pipeline.sim.origin().rsplit(':').next().unwrap()));
    let program = env!("CARGO_BIN_EXE_rotate-pat");
    fs::write(&script, format!("#!/usr/bin/env bash\nulimit -v {KIBIBYTES}\nexec '{program}' \"$1\"\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let word = |stage| if stage == Stage::Main { "task" } else { "settle" };
    (Host::Program(script.clone(), word), script)
}

#[test]
fn the_real_program_meets_enormous_replies_and_lists_in_little_memory() {
    type Make = fn() -> Fault;
    let cases: [(Make, Op, &str); 4] = [
        // A million entries would be ten thousand such pages.
        (|| Fault::EndlessList(100, true), Op::ListPats, "a list of more than 20000 tokens"),
        (|| Fault::EndlessList(9_000, true), Op::ListPats, "a list of more than 20000 tokens"),
        (|| Fault::HugeBody(64 << 20), Op::ListPats, "more than 4 MiB"),
        (|| Fault::HugeBody(64 << 20), Op::ConnectionDataAsUser, "more than 4 MiB"),
    ];
    for (make, op, words) in cases {
        let pipeline = Pipeline::with_pat(5);
        let name = make().name();
        pipeline.sim.inject(make(), When::every(op));
        let (host, script) = under_a_limit(&pipeline);
        let token = pipeline.sim.world().user_token("vso.pats vso.pats_manage");
        let mut job = job_in(&pipeline.sim).secret_variable("userToken", &token).host(host);
        let run = job.run_task("rotate", &[("patName", NAME), ("variable", VARIABLE), ("accessToken", "$(userToken)")]);
        fs::remove_file(script).unwrap();
        leaks_nothing(&pipeline.sim.world(), run.raw.iter().map(|line| line.text.as_str()));
        assert_eq!(run.result, TaskResult::Failed, "{name}\n{}", run.log);
        says(&run, &[words, "Nothing was changed."]);
        assert_eq!(pipeline.active(), [format!("#1 {NAME}")], "{name}");
    }
}
