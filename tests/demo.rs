//! Weeks of scheduled rotation against the embedded simulator, in a second: `cargo run --example demo`.
//!
//! Every run is the real program, both stages, with the environment that the agent would give it. Only the services
//! and the calendar are simulated.

#![allow(clippy::unwrap_used, reason = "a demonstration stops where it cannot go on")]
#![allow(clippy::print_stdout, reason = "it is there to be read")]

#[path = "it/harness/in_process.rs"]
mod in_process;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use agent::Command;
use in_process::LocalJob;
use jiff::{SignedDuration, Timestamp};
use rotate_pat::app::StageExit;
use simulator::{Fault, Op, PatState, Simulator, When, World};

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Left empty, `rotateWhenDaysLeft` stands for a third of the life that the token was granted.
const INPUTS: [(&str, &str); 3] = [("patName", "nuget-publish"), ("variable", "NUGET_PAT"), ("rotateWhenDaysLeft", "")];

fn main() {
    let mut world = World::new();
    world.set_now("2026-11-02T03:00:00Z".parse::<Timestamp>().unwrap());
    world.add_pat("nuget-publish").scope("vso.packaging_write").valid_days_ago(22).days_left(8).add();
    let first = world.pats[0].secret.clone();
    let sim = Arc::new(Simulator::start(world));
    let held = Arc::new(Mutex::new(first));
    let consumer = Arc::clone(&held);
    let requests = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&requests);
    sim.on_each_request(Box::new(move |world, exchange| {
        seen.fetch_add(1, Ordering::Relaxed);
        assert!(world.secret_works(&consumer.lock().unwrap()), "the consumer holds a dead token after {exchange}");
    }));
    println!(
        "A pipeline runs every Monday at 03:00. It replaces the token \"nuget-publish\", which is valid for 30 days,"
    );
    println!("as soon as at most a third of that life is left. A later step of the job uses the token.");

    week(&sim, &held, "The first run: 8 days are left", "Succeeded");
    week(&sim, &held, "Nothing is due; the old one's overlap has ended", "Succeeded");
    week(&sim, &held, "Nothing is due", "Succeeded");
    week(&sim, &held, "Due again, but a step after the rotation fails", "Failed");
    week(&sim, &held, "The next run rotates, and retires what the failed job may hold", "Succeeded");
    week(&sim, &held, "A quiet week", "Succeeded");
    week(&sim, &held, "Another", "Succeeded");
    sim.inject(Fault::ResetAfter, When::nth(Op::CreatePat, 1));
    week(&sim, &held, "The reply to the creation is lost: the token it made is found and revoked", "Succeeded");
    week(&sim, &held, "A quiet week", "Succeeded");
    week(&sim, &held, "Another", "Succeeded");
    sim.inject(Fault::ResetAfter, When::nth(Op::CreatePat, 1));
    sim.inject(Fault::Status(500), When::from(Op::ListPats, 2));
    week(&sim, &held, "The reply is lost and the service fails at once: the run cannot clean up", "Succeeded");
    sim.clear_faults();
    week(&sim, &held, "The healing run", "Succeeded");

    println!("\n━━ Every token there ever was ━━\n{}", sim.world().listing());
    let world = sim.world();
    let now = world.now();
    let working = world.pats.iter().filter(|pat| pat.state(now) == PatState::Active).count();
    println!(
        "{working} of {} tokens works now. After each of the {} requests, the token that the later step held still worked.",
        world.pats.len(),
        requests.load(Ordering::Relaxed)
    );
}

/// A scheduled run, its job's end, and six days and more until the next.
fn week(sim: &Arc<Simulator>, held: &Mutex<String>, title: &str, status: &str) {
    sim.clear_transcript();
    let now = sim.world().now();
    println!("\n━━ {}  {title} ━━", now.strftime("%a %Y-%m-%d"));
    let mut job = LocalJob::new(sim, &INPUTS);
    let main = job.main();
    print!("{}", job.log());
    println!("   … the task has ended as {} …", result(&job));
    if let Some(value) = job.variable("NUGET_PAT") {
        value.clone_into(&mut held.lock().unwrap());
    }
    let status = if main == StageExit::Succeeded { status } else { "Failed" };
    sim.world().advance(SignedDuration::from_mins(4));
    job.settle(status);
    if !job.log().is_empty() {
        println!("   … 4 minutes later, the other steps have ended as {status}; now the task's post-job step …");
        print!("{}", job.log());
        println!("   … the post-job step has ended as {} …", result(&job));
    }
    let mut world = sim.world();
    world.next_run();
    world.set_now(now + DAY * 7);
}

/// What the last stage told the agent about itself, by a command that the log does not show.
fn result(job: &LocalJob) -> String {
    let mut commands = job.raw.iter().filter_map(|line| Command::parse(line, true));
    let complete = commands.rfind(|command| command.event == "complete");
    complete.and_then(|command| command.property("result").map(str::to_owned)).unwrap_or_else(|| "Succeeded".to_owned())
}
