//! Who may act: of several runs at one world one goes on and the others wait, each at a boundary, which is the arrival
//! of a request or its reply. A schedule says at which boundary whose turn ends, so that the same schedule is the same
//! story in every run.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use simulator::Simulator;

/// What a client waits for an answer, in milliseconds.
const LIMIT: u64 = 30_000;

/// When turns end.
pub(crate) enum Schedule {
    /// This run's turn ends at that one of its boundaries, counted from 1, and that run's begins.
    Switches(VecDeque<(usize, usize, usize)>),
    /// At each boundary the die is cast.
    Seeded(fastrand::Rng),
}

/// Done once, when the first turn ends.
pub(crate) type Meanwhile = Box<dyn FnOnce() + Send>;

struct State {
    whose: usize,
    passed: Vec<usize>,
    has_ended: Vec<bool>,
    /// Who waits, and since when.
    waiting: Vec<Vec<(oneshot::Sender<bool>, u64)>>,
    clock: Arc<AtomicU64>,
    schedule: Schedule,
    meanwhile: Option<Meanwhile>,
}

/// The turns of several runs, by number.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Mutex<State>>);

impl Turns {
    /// Run 0 begins. Every request of the simulator's doors waits for its run's turn.
    ///
    /// What has waited for longer than a client does, by this clock of milliseconds, is lost.
    pub(crate) fn new(
        sim: &Simulator,
        runs: usize,
        schedule: Schedule,
        clock: &Arc<AtomicU64>,
        meanwhile: Option<Meanwhile>,
    ) -> Self {
        let turns = Self(Arc::new(Mutex::new(State {
            whose: 0,
            passed: vec![0; runs],
            has_ended: vec![false; runs],
            waiting: (0..runs).map(|_| Vec::new()).collect(),
            clock: Arc::clone(clock),
            schedule,
            meanwhile,
        })));
        let gate = turns.clone();
        // The simulator's own door is for runs that nobody disturbs.
        sim.keep_gate(Arc::new(move |door| door.checked_sub(1).and_then(|run| gate.at_boundary(run))));
        turns
    }

    /// A boundary that is no request's: a step of the job.
    pub(crate) fn step(&self, run: usize) {
        if let Some(wait) = self.at_boundary(run) {
            let _opened = wait.blocking_recv();
        }
    }

    /// The run is over.
    pub(crate) fn end(&self, run: usize) {
        let mut state = self.state();
        state.has_ended[run] = true;
        if state.whose == run {
            let next = (0..state.has_ended.len()).find(|other| !state.has_ended[*other]).unwrap_or(run);
            state.give(next);
        }
    }

    /// How many boundaries the run has passed.
    pub(crate) fn passed(&self, run: usize) -> usize {
        self.state().passed[run]
    }

    fn at_boundary(&self, run: usize) -> Option<oneshot::Receiver<bool>> {
        let mut state = self.state();
        state.passed[run] += 1;
        if state.whose == run {
            let next = state.next_after(run);
            if next != run {
                state.give(next);
            }
        }
        (state.whose != run).then(|| {
            let (open, wait) = oneshot::channel();
            let since = state.clock.load(Ordering::SeqCst);
            state.waiting[run].push((open, since));
            wait
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_after(&mut self, run: usize) -> usize {
        let passed = self.passed[run];
        let next = match &mut self.schedule {
            Schedule::Switches(switches) => match switches.front() {
                Some((from, at, to)) if (*from, *at) == (run, passed) => {
                    let to = *to;
                    switches.pop_front();
                    to
                }
                _ => run,
            },
            // Turns of some length, so that runs also get far before they are interrupted.
            Schedule::Seeded(die) => {
                if die.u8(..4) == 0 {
                    die.usize(..self.has_ended.len())
                } else {
                    run
                }
            }
        };
        if self.has_ended[next] { run } else { next }
    }

    fn give(&mut self, next: usize) {
        if let Some(meanwhile) = self.meanwhile.take() {
            meanwhile();
        }
        self.whose = next;
        let now = self.clock.load(Ordering::SeqCst);
        for (open, since) in self.waiting[next].drain(..) {
            let _gone = open.send(now - since < LIMIT);
        }
    }
}
