//! Who may act: of several runs at one world one goes on and the others wait, each at a boundary, which is the arrival
//! of a request or its reply. A schedule says at which boundary whose turn ends, so that the same schedule is the same
//! story in every run. One of the runs may be a process that dies at one of its boundaries.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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

/// A process that is to die.
pub(crate) struct Death {
    pub(crate) run: usize,
    /// At that one of its boundaries, counted from 1: a request that the world never sees, or a reply that nobody gets.
    pub(crate) boundary: usize,
    /// Whoever kills it waits for this.
    pub(crate) is_due: Arc<AtomicBool>,
}

struct State {
    whose: usize,
    passed: Vec<usize>,
    has_ended: Vec<bool>,
    /// Who waits, and since when.
    waiting: Vec<Vec<(oneshot::Sender<bool>, u64)>>,
    clock: Arc<AtomicU64>,
    schedule: Schedule,
    meanwhile: Option<Meanwhile>,
    death: Option<Death>,
    /// What the dead wait for.
    never: Vec<oneshot::Sender<bool>>,
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
            death: None,
            never: Vec::new(),
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

    /// That process is killed there. Nothing more that it sends arrives, and until `stopped` its turn does not end.
    pub(crate) fn kill(&self, death: Death) {
        self.state().death = Some(death);
    }

    /// The run's process is no more, and none of the run is killed any more. Says whether this one was.
    pub(crate) fn stopped(&self, run: usize) -> bool {
        let death = self.state().death.take_if(|death| death.run == run);
        death.is_some_and(|death| death.is_due.load(Ordering::SeqCst))
    }

    /// Who may act.
    pub(crate) fn whose(&self) -> usize {
        self.state().whose
    }

    /// How many boundaries the run has passed.
    pub(crate) fn passed(&self, run: usize) -> usize {
        self.state().passed[run]
    }

    fn at_boundary(&self, run: usize) -> Option<oneshot::Receiver<bool>> {
        let mut state = self.state();
        state.passed[run] += 1;
        if state.dies(run) {
            let (open, never) = oneshot::channel();
            state.never.push(open);
            return Some(never);
        }
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
    fn dies(&mut self, run: usize) -> bool {
        let passed = self.passed[run];
        let Some(death) = self.death.as_ref().filter(|death| death.run == run && passed >= death.boundary) else {
            return false;
        };
        death.is_due.store(true, Ordering::SeqCst);
        for (open, _) in self.waiting[run].drain(..) {
            let _gone = open.send(false);
        }
        true
    }

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
