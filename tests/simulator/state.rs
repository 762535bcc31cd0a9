//! What the server's thread and the tests share: the world, the faults, the transcript, and what went wrong.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError, atomic::AtomicUsize},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    exchange::{Exchange, Op},
    faults::{Delivery, Fault, Rules},
    wire::{self, Reply, Request},
    world::World,
};

/// Called after every request was handled.
pub type Watcher = Box<dyn FnMut(&World, &Exchange) + Send>;

/// Asked when a request arrives and before its reply leaves, with the number of the door that it came through: it waits
/// for what is returned, which says whether it goes on or is lost. No lock is held.
pub type Gate = Arc<dyn Fn(usize) -> Option<oneshot::Receiver<bool>> + Send + Sync>;

/// How long to wait for the world.
const PATIENCE: Duration = Duration::from_secs(5);

/// The shared state. Locks are taken in the order of the fields and never held across an await.
pub struct Shared {
    world: Mutex<World>,
    journal: Mutex<Journal>,
    gate: OnceLock<Gate>,
    pub traffic: Traffic,
}

/// What went over the sockets.
#[derive(Default)]
pub struct Traffic {
    /// Connections accepted.
    pub connections: AtomicUsize,
    /// Bytes in both directions.
    pub bytes: AtomicUsize,
}

/// All that is not the world.
#[derive(Default)]
pub struct Journal {
    pub rules: Rules,
    pub transcript: Vec<Exchange>,
    pub watcher: Option<Watcher>,
    /// What a client did against the rules, and the simulator's own faults.
    pub problems: Vec<String>,
    /// The first panic of the watcher.
    pub panic: Option<Box<dyn Any + Send>>,
}

/// What was decided when a request arrived.
pub struct Ticket {
    op: Op,
    met: Vec<usize>,
    pub late: Option<Duration>,
    pub delay: Option<Duration>,
}

/// What goes back.
pub struct Outcome {
    pub reply: Reply,
    pub delivery: Delivery,
}

impl Shared {
    pub fn new(world: World) -> Self {
        Self { world: Mutex::new(world), journal: Mutex::default(), gate: OnceLock::new(), traffic: Traffic::default() }
    }

    /// From now on every request passes this gate twice.
    pub fn keep_gate(&self, gate: Gate) {
        assert!(self.gate.set(gate).is_ok(), "there is one gate");
    }

    /// Waits at the gate, if there is one. Says whether it let pass.
    pub async fn pass_gate(&self, door: usize) -> bool {
        match self.gate.get().and_then(|gate| gate(door)) {
            Some(wait) => wait.await.unwrap_or(true),
            None => true,
        }
    }

    /// A guard that lives on in the same statement, or while a client waits, would be a deadlock: it becomes a panic.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let started = Instant::now();
        loop {
            match self.world.try_lock() {
                Ok(world) => return world,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
            assert!(started.elapsed() < PATIENCE, "the world is locked: another guard lives in this statement or test");
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a request and looks up its faults.
    pub fn arrive(&self, request: &Request) -> Ticket {
        let op = wire::operation(request);
        let mut journal = self.journal();
        let met = journal.rules.meet(op, &request.path);
        let (mut late, mut delay) = (None, None);
        for fault in journal.rules.faults(&met) {
            match fault {
                Fault::Late(by) => late = Some(*by),
                Fault::Delay(by) => delay = Some(*by),
                _ => {}
            }
        }
        Ticket { op, met, late, delay }
    }

    /// Handles a request, faults and all, and writes it down.
    pub fn handle(&self, request: &Request, ticket: &Ticket) -> Outcome {
        let (mut world, mut journal) = (self.world(), self.journal());
        let (world, journal) = (&mut *world, &mut *journal);
        let done = catch_unwind(AssertUnwindSafe(|| apply(world, &mut journal.rules, request, ticket)));
        let (outcome, exchange) = done.unwrap_or_else(|_| {
            journal.problems.push(format!("the simulator panicked at {} {}", request.method, request.path));
            let reply = Reply::empty(500);
            (Outcome { reply, delivery: Delivery::Whole }, blank(request, ticket.op))
        });
        journal.problems.extend(outcome.reply.violation.iter().map(|what| format!("{exchange}: {what}")));
        let exchange = Exchange { number: journal.transcript.len() + 1, ..exchange };
        journal.transcript.push(exchange.clone());
        if let Some(watcher) = &mut journal.watcher
            && let Err(panic) = catch_unwind(AssertUnwindSafe(|| watcher(world, &exchange)))
        {
            journal.panic.get_or_insert(panic);
        }
        outcome
    }
}

fn apply(world: &mut World, rules: &mut Rules, request: &Request, ticket: &Ticket) -> (Outcome, Exchange) {
    let op = ticket.op;
    // Before the request is handled, because it may end what its words refer to.
    let caller = wire::caller(world, request);
    let summary = wire::summary(world, request);
    let mut instead = None;
    let mut kept = false;
    let mut names = Vec::new();
    for fault in rules.faults(&ticket.met) {
        names.push(fault.name());
        if let Fault::Before(action) = fault {
            action(world);
        }
        kept |= fault.keeps_from_world();
        instead = instead.or_else(|| wire::instead(fault, op, world, request));
    }
    let mut reply = match instead {
        Some(reply) => reply,
        None if kept => Reply::empty(500),
        None => wire::answer(op, world, request),
    };
    let mut delivery = Delivery::Whole;
    let mut date = world.now();
    for fault in rules.faults(&ticket.met) {
        wire::over(fault, op, world, &mut reply);
        match fault {
            Fault::After(action) => action(world),
            Fault::ClockSkew(by) => date += *by,
            _ => {}
        }
        if delivery == Delivery::Whole {
            delivery = fault.delivery();
        }
    }
    reply.headers.push(("Date".to_owned(), wire::http_date(date)));
    reply.headers.push(("X-VSS-E2EID".to_owned(), "0e2e0000-0000-4000-8000-000000000000".to_owned()));
    reply.headers.push(("ActivityId".to_owned(), "0ac70000-0000-4000-8000-000000000000".to_owned()));
    wire::dressed(world, &mut reply);
    let answered = matches!(delivery, Delivery::Whole | Delivery::Cut);
    let exchange = Exchange {
        target: wire::stable_target(world, request),
        caller,
        summary,
        status: answered.then_some(reply.status),
        handled: !kept,
        fault: (!names.is_empty()).then(|| names.join(", ")),
        ..blank(request, op)
    };
    (Outcome { reply, delivery }, exchange)
}

fn blank(request: &Request, op: Op) -> Exchange {
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    Exchange {
        number: 0,
        op,
        method: request.method.clone(),
        path: format!("{}{query}", request.path),
        target: request.path.clone(),
        content_type: request.header("content-type").map(str::to_owned),
        has_length: request.header("content-length").is_some(),
        caller: super::exchange::Caller::Nobody,
        summary: String::new(),
        status: Some(500),
        handled: false,
        fault: None,
    }
}
