//! Two and three real processes of the built program at one PAT at the same time: a gate before the simulator lets their
//! requests through in a seeded order, and some of them are killed on the way. The processes take their own time, so what
//! a run does that was taken for dead is left to `interleaved.rs`, which plays the same in one process with a clock of its own.

mod ledger;
mod report;
mod story;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use jiff::SignedDuration;

use self::ledger::Ledger;
use self::story::{Part, Story};
use super::cell::said;
use super::scenario::word;
use super::turns::{Death, Schedule, Turns};
use super::{sample, tally};
use crate::destinations::several::{self, FEED, GROUP, PLACE, PUBLISHER, VAULT};
use crate::harness::pipeline::{NAME, VARIABLE, job_of, leaks_nothing, of_this_machine};
use crate::report::ADMINISTRATION;
use crate::sign_in::schemes::{BY_SCHEME, Scheme, connection};
use agent::{Endpoint, Host, Interruption, Job, JobStatus, Step, StepRun, TaskResult, When};
use simulator::world::Job as RunningJob;
use simulator::{Simulator, World};

/// Names the seed of the one story to play, which is then told whole.
const ALONE: &str = "ROTATE_PAT_SEED";
/// The gate plays so many.
const STORIES: u64 = 63;
/// A process waits for two seconds before it tries a new PAT, so many stories at once cost little.
const AT_ONCE: usize = 16;
/// Far beyond what a process takes on a busy machine: a story that hangs ends here, and says so.
const BOUND: Duration = Duration::from_secs(100);

/// A run whose build ended that long ago is dead.
const LONG_AGO: SignedDuration = SignedDuration::from_mins(11);

/// What a part's job is made of. A job itself stays in its thread.
struct Arranged {
    run: RunningJob,
    /// The part's own address of the world, whose requests wait for their turn.
    origin: String,
    token: String,
    connections: Vec<Endpoint>,
}

struct Scene {
    story: Story,
    sim: Arc<Simulator>,
    turns: Turns,
    ledger: Arc<Mutex<Ledger>>,
    /// The processes that were killed.
    killed: AtomicUsize,
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a part's turns, also when its thread panics: the others go on.
struct Ended<'a>(&'a Turns, usize);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.end(self.1);
    }
}

impl Scene {
    fn new(story: &Story) -> Self {
        let mut world = World::new();
        world.follow_real_clock();
        world.new_pats_valid_after = 0;
        world.user_token_minutes = 24 * 60;
        let id = world.add_pat(NAME).valid_days_ago(10).days_left(20).add();
        let old = world.pats[0].secret.clone();
        if story.publishes() {
            several::arrange(&mut world, &id);
        }
        let mut ledger = Ledger::of(&world);
        ledger.give(&world, &old);
        if story.overlap != "0" {
            ledger.consumers.insert("the old consumer".to_owned(), old);
        }
        let (sim, ledger) = (Arc::new(Simulator::start(world)), Arc::new(Mutex::new(ledger)));
        let turns = Turns::new(&sim, story.parts.len(), Schedule::Seeded(story.schedule()), &Arc::default(), None);
        let (watching, whose) = (Arc::clone(&ledger), turns.clone());
        sim.on_each_request(Box::new(move |world, exchange| lock(&watching).check(world, exchange, whose.whose())));
        Self { story: story.clone(), sim, turns, ledger, killed: AtomicUsize::new(0) }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.ledger)
    }

    /// The run that the world is in, for a part that comes through this address.
    fn arrange(&self, part: Part, origin: String) -> Arranged {
        let mut connections = Vec::new();
        if self.story.publishes() {
            connections.push(connection(&self.sim, Scheme::Secret).0);
            connections.push(several::publisher(&self.sim.world()));
        }
        let mut world = self.sim.world();
        let is_of_all = part == Part::Report { everybody: true };
        let token = world.user_token(if is_of_all { ADMINISTRATION } else { "vso.pats vso.pats_manage" });
        Arranged { run: world.job.clone(), origin, token, connections }
    }

    fn job(&self, arranged: &Arranged, name: &str) -> Job {
        let mut job = job_of(&self.sim, &arranged.run, &arranged.origin).variable("system.jobName", name);
        job = job.secret_variable("userToken", &arranged.token).time_bound(BOUND);
        job = arranged.connections.iter().cloned().fold(job, Job::endpoint);
        job.watch_secret("the user's token", &arranged.token);
        job.host(Host::Program(env!("CARGO_BIN_EXE_rotate-pat").into(), word))
    }

    fn inputs(&self, arranged: &Arranged, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let mut inputs = vec![
            ("patName", NAME.to_owned()),
            ("variable", VARIABLE.to_owned()),
            ("overlapHours", self.story.overlap.to_owned()),
            ("rotateWhenDaysLeft", "always".to_owned()),
            ("accessToken", "$(userToken)".to_owned()),
        ];
        if self.story.publishes() {
            let vault = format!("{}/secrets/{PLACE}", arranged.origin);
            let places = [BY_SCHEME, PUBLISHER].map(|(name, value)| (name, value.to_owned()));
            inputs.extend(places);
            inputs.push(("publishTo", [&vault, GROUP, FEED].join("\n")));
        }
        for (name, value) in more {
            inputs.retain(|(known, _)| known != name);
            if !value.is_empty() {
                inputs.push((name, (*value).to_owned()));
            }
        }
        inputs
    }

    /// A stage as a process of its own, which may be killed on the way.
    fn stage(&self, part: usize, stage: impl FnOnce(Interruption) -> StepRun) -> StepRun {
        let is_due = Arc::new(AtomicBool::new(false));
        if let Some(killing) = self.story.killing.filter(|killing| killing.part == part) {
            let death = Death { run: part, boundary: killing.boundary, is_due: Arc::clone(&is_due) };
            // Who was killed once lives on in another process.
            if self.killed.load(Ordering::SeqCst) == 0 {
                self.turns.kill(death);
            }
        }
        let run = stage(Interruption::AgentGone(When::Flag(is_due)));
        if self.turns.stopped(part) {
            self.killed.fetch_add(1, Ordering::SeqCst);
        }
        self.leaks_nothing(&run);
        run
    }

    fn leaks_nothing(&self, run: &StepRun) {
        leaks_nothing(&self.sim.world(), run.raw.iter().map(|line| line.text.as_str()));
        assert_eq!(run.leaks, Vec::<String>::new(), "I4\n{}", run.log);
        assert!(run.stderr_lines().is_empty() && run.orphans.is_empty(), "{:?}", run.stderr_lines());
    }

    /// Plays the story, and then a healthy run. Says how many processes were killed.
    fn play(&self) -> Result<usize, String> {
        let doors: Vec<_> = (0..self.story.parts.len()).map(|part| self.sim.open_door(part + 1)).collect();
        let mut arranged = Vec::new();
        for (number, (part, door)) in self.story.parts.iter().zip(&doors).enumerate() {
            if number > 0 && !self.story.is_one_build {
                let id = self.sim.world().job.build_id + 1;
                self.sim.world().start_run(id);
            }
            arranged.push(self.arrange(*part, door.origin()));
        }
        let (ready, is_ready) = mpsc::channel();
        let told: Vec<(String, Result<(), String>)> = thread::scope(|scope| {
            let mut threads = Vec::new();
            for (number, arranged) in arranged.iter().enumerate() {
                let ready = ready.clone();
                threads.push(scope.spawn(move || {
                    let _ended = Ended(&self.turns, number);
                    let mut log = String::new();
                    let played = catch_unwind(AssertUnwindSafe(|| self.part(number, arranged, &ready, &mut log)));
                    self.complete(&arranged.run);
                    (log, played.unwrap_or_else(|panic| Err(said(&panic))))
                }));
                // The others come when the first has got as far as its part wants it; a part that fails says nothing.
                if number == 0 {
                    let _begun_or_failed = is_ready.recv_timeout(BOUND);
                }
            }
            threads.into_iter().map(|thread| thread.join().expect("panics are caught")).collect()
        });
        let mut log = String::new();
        for (number, (part, verdict)) in told.iter().enumerate() {
            log.push_str(&format!("--- part {number}: {verdict:?}\n{part}"));
        }
        let healed = catch_unwind(AssertUnwindSafe(|| self.heal())).unwrap_or_else(|panic| Err(said(&panic)));
        let checked = catch_unwind(AssertUnwindSafe(|| self.sim.check())).map_err(|panic| said(&panic));
        let verdicts = told.into_iter().map(|(_, verdict)| verdict);
        if of_this_machine(ALONE).is_some() {
            tally::say(&format!("{log}\n{}", self.sim.transcript_text()));
        }
        let why: Vec<String> = verdicts.chain([healed, checked]).filter_map(Result::err).collect();
        if why.is_empty() {
            return Ok(self.killed.load(Ordering::SeqCst));
        }
        let transcript = self.sim.transcript_text();
        Err(format!("{}\n{}\n{log}\n{transcript}", why.join("\n"), self.sim.world().listing()))
    }

    /// A build is over, and has been for so long that what it left counts as a dead run's. The others are at work.
    fn complete(&self, run: &RunningJob) {
        if !self.story.is_one_build {
            let mut world = self.sim.world();
            world.add_build(run.build_id, "completed");
            world.advance(LONG_AGO);
        }
    }

    fn part(
        &self,
        number: usize,
        arranged: &Arranged,
        ready: &mpsc::Sender<()>,
        log: &mut String,
    ) -> Result<(), String> {
        let part = self.story.parts[number];
        let _begins = if part.has_begun() { Ok(()) } else { ready.send(()) };
        match part {
            Part::Rotation | Part::Publication => self.rotation(number, arranged, log),
            Part::SettleStage => {
                let mut job = self.begun(arranged, "", ready, log)?;
                self.settle_stage(number, &mut job, true, log)
            }
            Part::SettleStep => self.settle_step(number, arranged, ready, log),
            Part::Report { everybody } => self.report(number, arranged, everybody, log),
            Part::Check => self.check(number, arranged, log),
        }
    }

    /// A job that has rotated before the others begin.
    fn begun(
        &self,
        arranged: &Arranged,
        retires: &str,
        ready: &mpsc::Sender<()>,
        log: &mut String,
    ) -> Result<Job, String> {
        let undisturbed = Arranged {
            run: arranged.run.clone(),
            origin: self.sim.origin(),
            token: arranged.token.clone(),
            connections: arranged.connections.clone(),
        };
        let mut job = self.job(&undisturbed, "rotating");
        let main =
            job.run(&step("rotate", &self.inputs(&undisturbed, &[("retireOldPat", retires)])), Interruption::None);
        log.push_str(&main.log);
        self.store(&job);
        if main.result != TaskResult::Succeeded {
            return Err("the job that begins did not rotate".to_owned());
        }
        if !retires.is_empty() {
            log.push_str(&job.run_post("rotate").log);
        }
        let _begins = ready.send(());
        Ok(job.collection_uri(&format!("{}/contoso/", arranged.origin)))
    }

    /// A whole job.
    fn rotation(&self, number: usize, arranged: &Arranged, log: &mut String) -> Result<(), String> {
        let mut job = self.job(arranged, &format!("leg {number}"));
        let rotate = step("rotate", &self.inputs(arranged, &[]));
        let main = self.stage(number, |how| job.run(&rotate, how));
        log.push_str(&main.log);
        if main.result == TaskResult::Abandoned {
            return if self.story.killing.is_some_and(|killing| killing.has_agent) {
                self.settle_stage(number, &mut job, false, log)
            } else {
                Ok(())
            };
        }
        let places: Vec<String> =
            if self.story.publishes() { [VAULT, GROUP, FEED].map(str::to_owned).to_vec() } else { Vec::new() };
        let world = self.sim.world();
        self.ledger().judge_main(
            &world,
            number,
            &main,
            job.variable_value("rotate.rotated"),
            job.variable_value(VARIABLE),
            &places,
        )?;
        drop(world);
        let has_succeeded = main.result == TaskResult::Succeeded;
        if has_succeeded {
            self.turns.step(number);
            self.store(&job);
        }
        self.settle_stage(number, &mut job, has_succeeded, log)
    }

    /// A later step gives the new value to the service.
    fn store(&self, job: &Job) {
        if let Some(value) = job.variable_value(VARIABLE) {
            let world = self.sim.world();
            self.ledger().give(&world, value);
        }
    }

    /// The post-job step.
    fn settle_stage(&self, number: usize, job: &mut Job, has_rotated: bool, log: &mut String) -> Result<(), String> {
        let has_succeeded = has_rotated && self.story.fails != Some(number);
        job.set_status(if has_succeeded { JobStatus::Succeeded } else { JobStatus::Failed });
        let is_handed_over = job.task_variables("rotate").value("rotatePatState").is_some();
        self.ledger().has_succeeded |= has_succeeded && is_handed_over;
        let run = self.stage(number, |how| job.run_post_interrupted("rotate", how));
        log.push_str(&run.log);
        if run.result == TaskResult::Abandoned {
            return Ok(());
        }
        let world = self.sim.world();
        self.ledger().judge_settle(&world, number, &run, has_succeeded, is_handed_over)
    }

    fn settle_step(
        &self,
        number: usize,
        arranged: &Arranged,
        ready: &mpsc::Sender<()>,
        log: &mut String,
    ) -> Result<(), String> {
        drop(self.begun(arranged, "later", ready, log)?);
        let mut job = self.job(arranged, "settling").variable("system.stageName", "settling");
        let settle = step("settle", &self.inputs(arranged, &[("command", "settle"), ("retireOldPat", "later")]));
        self.ledger().has_succeeded = true;
        let run = self.stage(number, |how| job.run(&settle, how));
        log.push_str(&run.log);
        if run.result == TaskResult::Abandoned {
            return Ok(());
        }
        let world = self.sim.world();
        self.ledger().judge_settle(&world, number, &run, true, true)
    }

    fn check(&self, number: usize, arranged: &Arranged, log: &mut String) -> Result<(), String> {
        let mut job = self.job(arranged, "checking");
        let check = step("check", &self.inputs(arranged, &[("command", "check")]));
        let run = self.stage(number, |how| job.run(&check, how));
        log.push_str(&run.log);
        if run.result == TaskResult::Abandoned {
            return Ok(());
        }
        let world = self.sim.world();
        self.ledger().judge_check(&world, number, &run)
    }

    /// The next run of the pipeline, whose process nobody disturbs.
    fn heal(&self) -> Result<(), String> {
        {
            let mut world = self.sim.world();
            let builds: Vec<u32> = world.builds.iter().map(|build| build.id).collect();
            for id in builds {
                world.add_build(id, "completed");
            }
            world.next_run();
            let mut ledger = self.ledger();
            ledger.has_succeeded = false;
            ledger.given =
                world.pats.iter().filter(|pat| pat.revoked.is_none()).map(|pat| (pat.number, pat.valid_to)).collect();
        }
        let arranged = self.arrange(Part::Rotation, self.sim.origin());
        let mut job = self.job(&arranged, "healing");
        let main = job.run(&step("rotate", &self.inputs(&arranged, &[])), Interruption::None);
        self.leaks_nothing(&main);
        self.store(&job);
        self.ledger().has_succeeded = true;
        let settle = job.run_post("rotate");
        self.leaks_nothing(&settle);
        let world = self.sim.world();
        let healed = if (main.result, settle.result) == (TaskResult::Succeeded, TaskResult::Succeeded) {
            self.ledger().judge_healed(&world)
        } else {
            Err(format!("I3: the healthy run ended as {:?}, {:?}", main.result, settle.result))
        };
        healed.map_err(|why| format!("{why}\n{}{}", main.log, settle.log))
    }
}

fn step(name: &str, inputs: &[(&'static str, String)]) -> Step {
    let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Step::new(name).inputs(&inputs)
}

#[test]
fn real_processes_in_any_order_never_hurt_a_consumer() {
    let alone = of_this_machine(ALONE).map(|seed| seed.to_str().and_then(|seed| seed.parse().ok()).expect("a seed"));
    let stories = match alone {
        Some(seed) => vec![Story::of(seed)],
        None => sample::of((0..STORIES).map(Story::of).collect(), Story::to_string, Story::traits),
    };
    let (killed, met) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    tally::play_at_once(AT_ONCE, "real processes, seeded orders", &stories, Story::to_string, |story| {
        killed.fetch_add(Scene::new(story).play()?, Ordering::Relaxed);
        *met.lock().unwrap().entry(story.parts.len()).or_insert(0) += 1;
        Ok(())
    });
    let (killed, met) = (killed.into_inner(), met.into_inner().unwrap());
    tally::say(&format!("real processes: by number in a story {met:?}, {killed} killed"));
    assert!(alone.is_some() || killed > 0, "nobody was killed");
}
