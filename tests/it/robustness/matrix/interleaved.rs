//! Two and three runs at one PAT, interleaved at every boundary of every request: both alive, jobs of one build, a run
//! that sleeps until another takes over, a job that is settled after a takeover. There are never two committed ones, no
//! PAT that somebody holds is retired, and one healthy run brings all together.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use jiff::SignedDuration;
use rotate_pat::app::StageExit::{self, Succeeded};

use super::fault::limits;
use super::turns::{Meanwhile, Schedule, Turns};
use super::{sample, tally};
use crate::harness::in_process::LocalJob;
use crate::harness::pipeline::{NAME, VARIABLE};
use simulator::{PatState, Simulator, World};

/// Beyond the age at which a run that cannot be asked for counts as dead.
const LONG: SignedDuration = SignedDuration::from_mins(6 * 60 + 5);

/// What a job takes at least, in milliseconds: more than the half minute that may lie between a run's last look and its
/// commit, and than any request is on its way. Were a whole run of another build faster than that, its commit and the
/// one of a run that it has taken for dead could both stand.
const JOB: u64 = 31_000;

/// How the runs stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rivalry {
    /// Builds of one pipeline, all of them alive until they have ended.
    Builds,
    /// The same, without an overlap.
    BuildsWithoutOverlap,
    /// The same, and the job of the first fails.
    BuildsOfWhichOneFails,
    /// Two jobs of one build.
    Jobs,
    /// The first is a release's and sleeps at its first boundary for longer than another waits for it.
    Asleep,
    /// The first is a release's whose job takes that long, and is settled only then.
    SettledLate,
    /// The same, and that job fails.
    HeldLate,
}

impl Rivalry {
    const ALL: [Self; 7] = [
        Self::Builds,
        Self::BuildsWithoutOverlap,
        Self::BuildsOfWhichOneFails,
        Self::Jobs,
        Self::Asleep,
        Self::SettledLate,
        Self::HeldLate,
    ];

    fn overlap(self) -> &'static str {
        if self == Self::BuildsWithoutOverlap { "0" } else { "24" }
    }

    fn is_of_a_release(self) -> bool {
        matches!(self, Self::Asleep | Self::SettledLate | Self::HeldLate)
    }

    fn status(self, run: usize) -> &'static str {
        let fails = matches!(self, Self::BuildsOfWhichOneFails | Self::HeldLate);
        if fails && run == 0 { "Failed" } else { "Succeeded" }
    }
}

/// Who holds which value.
type Held = Arc<Mutex<BTreeMap<String, String>>>;

struct Rivals {
    rivalry: Rivalry,
    sim: Arc<Simulator>,
    held: Held,
    /// Added to every run's steady clock, in milliseconds.
    passed: Arc<AtomicU64>,
}

fn lock(held: &Held) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Rivals {
    fn new(rivalry: Rivalry) -> Self {
        let mut world = World::new();
        world.new_pats_valid_after = 0;
        world.user_token_minutes = 24 * 60;
        world.add_pat(NAME).add();
        let old = world.pats[0].secret.clone();
        let held: Held = Arc::default();
        lock(&held).insert("the service".to_owned(), old.clone());
        if rivalry.overlap() != "0" {
            lock(&held).insert("the old consumer".to_owned(), old);
        }
        let sim = Arc::new(Simulator::start(world));
        let watched = Arc::clone(&held);
        sim.on_each_request(Box::new(move |world, exchange| {
            let listing = || world.listing();
            for (who, value) in lock(&watched).iter() {
                assert!(world.secret_works(value), "I1: {who} holds a dead PAT after {exchange}\n{}", listing());
            }
            let committed = active(world).filter(|name| *name == NAME).count();
            assert!(committed < 2, "{committed} are committed after {exchange}\n{}", listing());
        }));
        Self { rivalry, sim, held, passed: Arc::default() }
    }

    /// Run `number`, through its own door.
    fn job(&self, number: usize, origin: &str) -> LocalJob {
        if number > 0 && self.rivalry != Rivalry::Jobs {
            let id = self.sim.world().job.build_id + 1;
            self.sim.world().start_run(id);
        }
        let inputs = [("patName", NAME), ("variable", VARIABLE), ("overlapHours", self.rivalry.overlap())];
        let mut job = LocalJob::new(&self.sim, &inputs);
        job.limits = limits();
        job.slept = Arc::clone(&self.passed);
        job.set("ENDPOINT_URL_SYSTEMVSSCONNECTION", &format!("{origin}/contoso/"));
        if self.rivalry == Rivalry::Jobs {
            job.set("SYSTEM_JOBNAME", &format!("leg {number}"));
        }
        if self.rivalry.is_of_a_release() && number == 0 {
            for (name, value) in [("BUILD_BUILDID", ""), ("RELEASE_RELEASEID", "9"), ("RELEASE_ATTEMPTNUMBER", "1")] {
                job.set(name, value);
            }
        }
        job
    }

    /// Plays the runs by this schedule, then a healthy one. Says how many boundaries each has passed.
    fn play(&self, runs: usize, schedule: Schedule) -> Result<Vec<usize>, String> {
        let doors: Vec<_> = (0..runs).map(|run| self.sim.open_door(run + 1)).collect();
        let mut jobs: Vec<LocalJob> = doors.iter().enumerate().map(|(n, door)| self.job(n, &door.origin())).collect();
        let is_late = matches!(self.rivalry, Rivalry::SettledLate | Rivalry::HeldLate);
        if is_late {
            // Undisturbed, as nobody has a turn yet.
            jobs[0].set("ENDPOINT_URL_SYSTEMVSSCONNECTION", &format!("{}/contoso/", self.sim.origin()));
            if jobs[0].main() != Succeeded {
                return Err(jobs[0].log());
            }
            self.store(&jobs[0]);
            self.sim.world().advance(LONG);
            jobs[0].set("ENDPOINT_URL_SYSTEMVSSCONNECTION", &format!("{}/contoso/", doors[0].origin()));
        }
        let (sim, passed) = (Arc::clone(&self.sim), Arc::clone(&self.passed));
        let sleeps: Meanwhile = Box::new(move || {
            sim.world().advance(LONG);
            passed.fetch_add(u64::try_from(LONG.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
        });
        let turns =
            Turns::new(&self.sim, runs, schedule, &self.passed, (self.rivalry == Rivalry::Asleep).then_some(sleeps));
        let logs: Vec<String> = thread::scope(|scope| {
            let threads: Vec<_> = jobs
                .into_iter()
                .enumerate()
                .map(|(run, mut job)| {
                    let turns = turns.clone();
                    scope.spawn(move || {
                        let log = self.whole_job(run, &mut job, &turns, is_late && run == 0);
                        turns.end(run);
                        log
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_default()).collect()
        });
        let told = |why: String| format!("{why}\n{}\n{}", logs.join("\n---\n"), self.sim.transcript_text());
        self.heals().map_err(&told)?;
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.sim.check()));
        checked.map_err(|panic| told(super::cell::said(&panic)))?;
        Ok((0..runs).map(|run| turns.passed(run)).collect())
    }

    /// A run from its main stage to the end of its build.
    fn whole_job(&self, run: usize, job: &mut LocalJob, turns: &Turns, is_settled_only: bool) -> String {
        let mut log = String::new();
        let mut status = self.rivalry.status(run);
        if !is_settled_only {
            let main = job.main();
            log.push_str(&job.log());
            if main == Succeeded {
                // A job that sleeps has stored what it got before: later than six hours it must not.
                if self.rivalry != Rivalry::Asleep {
                    turns.step(run);
                }
                self.store(job);
                self.passed.fetch_add(JOB, Ordering::SeqCst);
            } else {
                status = "Failed";
            }
        }
        let told: StageExit = job.settle(status);
        log.push_str(&format!("settled: {told:?}\n{}", job.log()));
        if self.rivalry != Rivalry::Jobs {
            let id = job.variable("BUILD_BUILDID").and_then(|id| id.parse().ok());
            if let Some(id) = id {
                self.sim.world().add_build(id, "completed");
            }
        }
        log
    }

    /// A step of the job stores the new value for the service, which uses no other from then on.
    fn store(&self, job: &LocalJob) {
        if let Some(value) = job.variable(VARIABLE) {
            lock(&self.held).insert("the service".to_owned(), value.to_owned());
        }
    }

    fn heals(&self) -> Result<(), String> {
        if self.rivalry.is_of_a_release() {
            // Until then it counts as alive, and the healthy run would be refused.
            self.sim.world().advance(LONG);
        }
        self.sim.world().next_run();
        let mut job = LocalJob::new(&self.sim, &[("patName", NAME), ("variable", VARIABLE), ("overlapHours", "24")]);
        job.limits = limits();
        let main = job.main();
        let mut log = job.log();
        self.store(&job);
        let settled = job.settle("Succeeded");
        log.push_str(&job.log());
        if (main, settled) != (Succeeded, Succeeded) {
            return Err(format!("the healthy run ended as {main:?}, {settled:?}\n{log}"));
        }
        let world = self.sim.world();
        let (committed, others): (Vec<&str>, Vec<&str>) = active(&world).partition(|name| *name == NAME);
        let are_over = others.iter().all(|name| name.contains(" [superseded "));
        let holds = world.pat_of_secret(&lock(&self.held)["the service"]).map(|pat| pat.name.clone());
        if committed.len() == 1 && are_over && holds.as_deref() == Some(NAME) {
            Ok(())
        } else {
            Err(format!("I3: the service holds {holds:?}\n{}", world.listing()))
        }
    }
}

fn active(world: &World) -> impl Iterator<Item = &str> {
    let now = world.now();
    world.pats.iter().filter(move |pat| pat.state(now) == PatState::Active).map(|pat| pat.name.as_str())
}

#[test]
fn two_runs_interleaved_at_every_pair_of_boundaries_never_hurt_a_consumer() {
    // How far the first comes before the second begins; then how far the second, before the first goes on.
    let firsts: Vec<(Rivalry, usize)> = Rivalry::ALL
        .into_iter()
        .flat_map(|rivalry| {
            let alone = Rivals::new(rivalry).play(2, Schedule::Switches(VecDeque::new())).expect("one after the other");
            (1..=alone[0]).map(move |first| (rivalry, first))
        })
        .collect();
    let name =
        |(rivalry, first): &(Rivalry, usize)| format!("{rivalry:?}, the first interrupted at its boundary {first}");
    let firsts = sample::of(firsts, name, |(rivalry, first)| vec![format!("{rivalry:?}, {}", first / 6)]);
    let schedules = AtomicUsize::new(0);
    tally::play("two runs, each start of the second", &firsts, name, |(rivalry, first)| {
        for second in 1.. {
            schedules.fetch_add(1, Ordering::Relaxed);
            let switches = VecDeque::from([(0, *first, 1), (1, second, 0)]);
            let passed = Rivals::new(*rivalry).play(2, Schedule::Switches(switches));
            let passed = passed.map_err(|why| format!("the second at its boundary {second}: {why}"))?;
            if second > passed[1] {
                return Ok(());
            }
        }
        Ok(())
    });
    tally::say(&format!("two runs: {} schedules", schedules.into_inner()));
}

#[test]
fn three_runs_in_seeded_orders_never_hurt_a_consumer() {
    let seeds: Vec<(Rivalry, u64)> =
        Rivalry::ALL.into_iter().flat_map(|rivalry| (0..60).map(move |seed| (rivalry, seed))).collect();
    let name = |(rivalry, seed): &(Rivalry, u64)| format!("{rivalry:?}, seed {seed}");
    let seeds = sample::of(seeds, name, |(rivalry, seed)| vec![format!("{rivalry:?}, {}", seed % 6)]);
    tally::play("three runs, seeded schedules", &seeds, name, |(rivalry, seed)| {
        Rivals::new(*rivalry).play(3, Schedule::Seeded(fastrand::Rng::with_seed(*seed))).map(|_| ())
    });
}
