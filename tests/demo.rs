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

use in_process::LocalJob;
use jiff::{SignedDuration, Timestamp};
use rotate_pat::app::StageExit;
use simulator::{Fault, Op, PatState, Simulator, When, World};

const DAY: SignedDuration = SignedDuration::from_hours(24);
const INPUTS: [(&str, &str); 3] =
    [("patName", "nuget-publish"), ("variable", "NUGET_PAT"), ("rotateWhenDaysLeft", "9")];

fn main() {
    let mut world = World::new();
    world.set_now("2026-11-02T03:00:00Z".parse::<Timestamp>().unwrap());
    world.add_pat("nuget-publish").scope("vso.packaging_write").valid_days_ago(22).days_left(8).add();
    let first = world.pats[0].secret.clone();
    let sim = Arc::new(Simulator::start(world));
    let held = Arc::new(Mutex::new(first));
    let consumer = Arc::clone(&held);
    let looks = Arc::new(AtomicU32::new(0));
    let pluralize = Arc::clone(&looks);
    sim.on_each_request(Box::new(move |world, exchange| {
        pluralize.fetch_add(1, Ordering::Relaxed);
        assert!(world.secret_works(&consumer.lock().unwrap()), "the consumer holds a dead token after {exchange}");
    }));
    println!("A pipeline rotates the token \"nuget-publish\" every Monday at 03:00, when it has 9 days left or fewer.");

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
        "{working} of {} work now. After each of the {} requests the one that the job's consumer holds worked.",
        world.pats.len(),
        looks.load(Ordering::Relaxed)
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
    if let Some(value) = job.variable("NUGET_PAT") {
        value.clone_into(&mut held.lock().unwrap());
    }
    let status = if main == StageExit::Succeeded { status } else { "Failed" };
    sim.world().advance(SignedDuration::from_mins(4));
    job.settle(status);
    if !job.log().is_empty() {
        println!("   … 4 minutes later, the job has ended as {status} …");
        print!("{}", job.log());
    }
    let mut world = sim.world();
    world.next_run();
    world.set_now(now + DAY * 7);
}
