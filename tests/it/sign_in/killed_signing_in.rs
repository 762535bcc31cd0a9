//! The program itself is killed at each request of a sign-in, as a machine out of memory does: the next run signs in.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::pipeline::{NAME, REFRESH, says};
use crate::sign_in::refresh_store::Grouped;
use crate::sign_in::refresh_token::age;
use agent::{Job, StepRun, TaskResult};
use simulator::{Fault, Op, When};

/// The program in the job of this simulator, found by the address in the environment of its launcher: its own is private.
fn program(origin: &str) -> Option<String> {
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let of = |process: &Path, file: &str| {
            String::from_utf8_lossy(&fs::read(process.join(file)).unwrap_or_default()).into_owned()
        };
        let is_program = of(&process.path(), "cmdline").split('\0').next()?.contains("/rotate-pat-linux");
        let status = of(&process.path(), "status");
        let launcher = status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim();
        let is_ours = || of(&Path::new("/proc").join(launcher), "environ").contains(origin);
        (is_program && is_ours()).then(|| process.file_name().to_string_lossy().into_owned())
    })
}

/// Kills the program itself, as a machine out of memory does. It waits for an answer, and will do nothing any more.
fn sigkill(origin: &str) {
    let id = program(origin).expect("the program runs while it waits for an answer");
    assert!(Command::new("kill").args(["-KILL", &id]).status().expect("the `kill` program").success());
}

/// Kills the run at its k-th request, before or after that was handled, and tries the next run, for every k of the sign-in.
fn killed_at_each_request(before: bool, arranged: fn() -> Grouped, main: fn(&Grouped, &mut Job) -> StepRun) {
    for k in 1.. {
        let grouped = arranged();
        let (sim, origin) = (&grouped.pipeline.sim, grouped.pipeline.sim.origin());
        if before {
            sim.inject(Fault::before(move |_| sigkill(&origin)), When::request(k));
            sim.inject(Fault::ResetBefore, When::request(k));
        } else {
            sim.inject(Fault::after(move |_| sigkill(&origin)), When::request(k));
        }
        let run = main(&grouped, &mut grouped.job());
        assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
        says(&run, &["SIGKILL"]);
        let asked: Vec<Op> = sim.transcript().iter().map(|exchange| exchange.op).collect();
        sim.clear_faults();
        let next = main(&grouped, &mut grouped.next_job());
        assert_eq!(next.result, TaskResult::Succeeded, "killed at the last of {asked:?}\n{}", next.log);
        says(&next, &["signed in as rotator@contoso.onmicrosoft.com with the refresh token"]);
        assert_eq!(grouped.pipeline.active(), [format!("#1 {NAME}")]);
        // Both are asked at once, when the sign-in is over.
        if asked.iter().any(|op| matches!(op, Op::ListPats | Op::ConnectionDataAsUser)) {
            assert!(k > 8, "a sign-in has more than {k} requests: {asked:?}");
            return;
        }
    }
}

fn in_vault() -> Grouped {
    let grouped = Grouped::new();
    {
        let mut world = grouped.world();
        let refresh = world.refresh_token_for("rotator", "pat-rotator");
        world.set_secret(REFRESH, &refresh, &[]);
    }
    age(&grouped.pipeline, 8 * 24);
    grouped
}

fn main_from_vault(grouped: &Grouped, job: &mut Job) -> StepRun {
    grouped.pipeline.main(job, &[("rotateWhenDaysLeft", "3")])
}

#[test]
fn killed_before_any_request_of_a_sign_in_from_a_vault_the_next_run_signs_in() {
    killed_at_each_request(true, in_vault, main_from_vault);
}

#[test]
fn killed_after_any_request_of_a_sign_in_from_a_vault_the_next_run_signs_in() {
    killed_at_each_request(false, in_vault, main_from_vault);
}

#[test]
fn killed_before_any_request_of_a_sign_in_from_a_group_the_next_run_signs_in() {
    killed_at_each_request(true, Grouped::new, Grouped::main);
}

#[test]
fn killed_after_any_request_of_a_sign_in_from_a_group_the_next_run_signs_in() {
    killed_at_each_request(false, Grouped::new, Grouped::main);
}
