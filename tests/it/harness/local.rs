//! What several subjects share beside `pipeline`: a run's requests in words, and the program in this process, in a world
//! whose clock stands still until a test moves it.

use std::sync::{Arc, Mutex};

use jiff::SignedDuration;
use rotate_pat::app::StageExit;

use crate::harness::in_process::LocalJob;
use crate::harness::pipeline::{NAME, VARIABLE};
use simulator::{Exchange, Op, PatState, Simulator, World};

/// What was asked about PATs since the last look, a line each: `list`, `#1 becomes NAME, ends in 24 hours`, `try #2: 401`.
/// Pages of one list are one line.
pub(crate) fn story(sim: &Simulator) -> Vec<String> {
    let mut story: Vec<String> = sim.transcript().iter().filter_map(told).collect();
    sim.clear_transcript();
    story.dedup_by(|line, before| line == "list" && before == "list");
    story
}

fn told(exchange: &Exchange) -> Option<String> {
    let part = |start: &str| exchange.summary.split(", ").find_map(|part| part.strip_prefix(start));
    let name = || without_hash(part("displayName ").unwrap_or_default().trim_matches('"'));
    let ends = || part("validTo ").map(|distance| format!(", ends {distance}")).unwrap_or_default();
    let (line, expected) = match exchange.op {
        Op::ListPats => ("list".to_owned(), 200),
        Op::CreatePat => (format!("create {}{}", name(), ends()), 200),
        Op::UpdatePat => (format!("#{} becomes {}{}", part("#")?, name(), ends()), 200),
        Op::RevokePat => (format!("revoke {}", exchange.target.rsplit_once('=')?.1), 204),
        // Either answer is an ordinary one.
        Op::ConnectionDataAsPat => (format!("try {}", exchange.caller.to_string().trim_start_matches("PAT ")), 0),
        _ => return None,
    };
    Some(match exchange.status {
        Some(status) if status == expected => line,
        Some(status) => format!("{line}: {status}"),
        None => format!("{line}: no answer"),
    })
}

/// A display name without the hash of `K` and without the end of an overlap, which differ from run to run.
fn without_hash(name: &str) -> String {
    match name.split_once(" [") {
        Some((name, marker)) => format!("{name} [{}]", marker.split('-').next().unwrap_or_default()),
        None => name.to_owned(),
    }
}

/// A world of its own, whose consumers are tried after every request.
pub(crate) struct Local {
    pub(crate) sim: Arc<Simulator>,
    consumers: Arc<Mutex<Vec<(String, String)>>>,
}

impl Local {
    pub(crate) fn new() -> Self {
        let consumers: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let sim = Arc::new(Simulator::start(World::new()));
        let watched = Arc::clone(&consumers);
        sim.on_each_request(Box::new(move |world, exchange| {
            // A copy, as a panic must not poison the lock.
            let consumers = watched.lock().unwrap().clone();
            for (name, holds) in consumers {
                let listing = world.listing();
                assert!(world.secret_works(&holds), "I1: {name} holds a dead PAT after {exchange}\n{listing}");
            }
        }));
        Self { sim, consumers }
    }

    /// With one committed PAT of 30 days, held by a consumer, that has this many days left.
    pub(crate) fn with_pat(days_left: i32) -> Self {
        let local = Self::new();
        local.sim.world().add_pat(NAME).valid_days_ago(30 - days_left).days_left(days_left).add();
        local.consume("the old consumer", 1);
        local
    }

    /// From now on this consumer uses the PAT of that number.
    pub(crate) fn consume(&self, name: &str, number: u64) {
        let world = self.sim.world();
        let holds = world.pats.iter().find(|pat| pat.number == number).expect("a PAT of that number").secret.clone();
        self.consumers.lock().unwrap().push((name.to_owned(), holds));
    }

    /// From now on this consumer uses what the job's variable holds.
    pub(crate) fn consume_variable(&self, name: &str, job: &LocalJob) {
        let holds = job.variable(VARIABLE).expect("the variable is set").to_owned();
        self.consumers.lock().unwrap().push((name.to_owned(), holds));
    }

    /// This consumer is no longer there.
    pub(crate) fn forget(&self, name: &str) {
        self.consumers.lock().unwrap().retain(|(known, _)| known != name);
    }

    /// The job of the run that the world is in.
    pub(crate) fn job(&self, more: &[(&str, &str)]) -> LocalJob {
        LocalJob::new(&self.sim, &[&[("patName", NAME), ("variable", VARIABLE)], more].concat())
    }

    /// The same pipeline's next run; the one before has ended.
    pub(crate) fn next_job(&self, more: &[(&str, &str)]) -> LocalJob {
        self.sim.world().next_run();
        self.job(more)
    }

    pub(crate) fn advance(&self, by: SignedDuration) {
        self.sim.world().advance(by);
    }

    /// The main stage, which must succeed, and its value in somebody's hand.
    pub(crate) fn hand_out(&self, job: &mut LocalJob) {
        assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
        self.consume_variable("the new consumer", job);
    }

    /// After a main stage that handed a new PAT to the job, nothing asked since.
    pub(crate) fn handed_out(more: &[(&str, &str)]) -> (Self, LocalJob) {
        let local = Self::with_pat(5);
        let mut job = local.job(more);
        local.hand_out(&mut job);
        local.sim.clear_transcript();
        (local, job)
    }

    /// A whole job that succeeds.
    pub(crate) fn rotate(&self, job: &mut LocalJob) {
        self.hand_out(job);
        assert_eq!(job.settle("Succeeded"), StageExit::Succeeded, "{}", job.log());
    }

    /// The rotator's active PATs, in the words of `Pipeline::active`.
    pub(crate) fn active(&self) -> Vec<String> {
        let world = self.sim.world();
        let now = world.now();
        let named = world.pats.iter().filter(|pat| pat.owner == "rotator" && pat.state(now) == PatState::Active);
        let shown = |name: &str| {
            let ends = name.split_once(" ends ").map(|(_, ends)| ends.trim_end_matches(']').parse().expect("a time"));
            let hours = |ends: jiff::Timestamp| (ends.duration_since(now).as_secs_f64() / 3600.0).round();
            let name = without_hash(name);
            ends.map_or(name.clone(), |ends| format!("{} +{}h]", name.trim_end_matches(']'), hours(ends)))
        };
        named.map(|pat| format!("#{} {}", pat.number, shown(&pat.name))).collect()
    }
}

/// Fails with the log unless it says all of this.
#[track_caller]
pub(crate) fn logs(job: &LocalJob, texts: &[&str]) {
    let log = job.log();
    for text in texts {
        assert!(log.contains(text), "the log does not say {text:?}:\n{log}");
    }
}
