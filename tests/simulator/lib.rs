//! A simulator of Azure DevOps (the PAT lifecycle API, the organization's users, the administration of tokens, connection
//! data, builds, variable groups, service connections), Entra's endpoints and sign-in page, managed identities, Azure Key
//! Vault and the job's OIDC endpoint, all on one loopback address. Which service is meant is told by the path alone, so that
//! a front may call it by the real host names.
//!
//! Strict, deterministic and nastier than the real services: whatever is undocumented about them is a switch of the
//! world, so that a client can be tried against both readings. It never imports the program that it tests, and has wire
//! types of its own, so that a misunderstanding cannot be on both sides of a test.
//!
//! # Layout
//!
//! * `world`: plain state and verbs in domain words. No HTTP, no JSON, no status codes.
//! * `wire`: one file a service; routes, JSON shapes and status codes are known only there.
//! * `faults`: what goes wrong, and at which request.
//! * `state`: one request from its arrival to the transcript. `server`: sockets.
//!
//! # Limits
//!
//! Tokens are not signed but known by value; what an app signs itself is verified. A list is a snapshot: what is created between two pages is not shown.
//! There is one vault and one pipeline, and only the first organization has projects. It must never be run anywhere but on loopback.

#![allow(clippy::unwrap_used, reason = "a broken test must stop at once")]
#![allow(clippy::new_without_default, reason = "a world or a job is arranged from a start that the name says")]

pub mod certificates;
pub mod exchange;
pub mod faults;
mod jwt;
#[cfg(test)]
mod selftest;
mod server;
mod state;
pub mod wire;
pub mod world;

use std::{
    panic::resume_unwind,
    sync::{Arc, MutexGuard, atomic::Ordering},
};

pub use self::{
    exchange::{Caller, Exchange, Op},
    faults::{Fault, When},
    world::{PatState, RenameRefusal, UnknownIdReply, World},
};
use self::{
    server::Server,
    state::{Gate, Shared, Watcher},
};

/// A running simulator. It stops when dropped, and a problem that no `check` has seen is then a panic.
pub struct Simulator {
    shared: Arc<Shared>,
    server: Server,
}

impl Simulator {
    /// Starts it with this world.
    pub fn start(world: World) -> Self {
        let shared = Arc::new(Shared::new(world));
        let server = Server::start(Arc::clone(&shared), 0);
        Self { shared, server }
    }

    /// `http://127.0.0.1:PORT`, without a slash.
    pub fn origin(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// Another address of the same world. Requests that come through it are told apart by its number.
    pub fn open_door(&self, number: usize) -> Door {
        Door(Server::start(Arc::clone(&self.shared), number))
    }

    /// From now on every request passes this gate when it arrives, and again before its reply leaves.
    pub fn keep_gate(&self, gate: Gate) {
        self.shared.keep_gate(gate);
    }

    /// The world, to arrange and to look at. No request is handled while the guard lives.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    /// Every request so far, in the order of handling.
    pub fn transcript(&self) -> Vec<Exchange> {
        self.shared.journal().transcript.clone()
    }

    /// The transcript as text, one line a request.
    pub fn transcript_text(&self) -> String {
        self.transcript().iter().map(|exchange| format!("{exchange}\n")).collect()
    }

    /// How many requests of this kind were handled or kept away by a fault.
    pub fn count(&self, op: Op) -> usize {
        self.shared.journal().transcript.iter().filter(|exchange| exchange.op == op).count()
    }

    /// Connections accepted, and bytes in both directions, since the last look.
    pub fn take_traffic(&self) -> (usize, usize) {
        let traffic = &self.shared.traffic;
        (traffic.connections.swap(0, Ordering::Relaxed), traffic.bytes.swap(0, Ordering::Relaxed))
    }

    /// Forgets the requests so far; the faults count from here again.
    pub fn clear_transcript(&self) {
        let mut journal = self.shared.journal();
        journal.transcript.clear();
        journal.rules.restart();
    }

    /// Makes something go wrong. Several faults may meet one request: the first that answers does so.
    pub fn inject(&self, fault: Fault, when: When) {
        self.shared.journal().rules.add(fault, when);
    }

    /// No more faults.
    pub fn clear_faults(&self) {
        self.shared.journal().rules.clear();
    }

    /// Calls this after every request, with the world as the request left it. A panic inside is kept for `check`.
    /// It must not call the simulator: both locks are held.
    pub fn on_each_request(&self, watcher: Watcher) {
        self.shared.journal().watcher = Some(watcher);
    }

    /// What clients did against the rules so far; after this it counts as seen.
    pub fn take_problems(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.journal().problems)
    }

    /// Panics with what was wrong: an invariant's own panic first, else requests that no client may send.
    pub fn check(&self) {
        let mut journal = self.shared.journal();
        let (panic, problems) = (journal.panic.take(), std::mem::take(&mut journal.problems));
        drop(journal);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        assert!(problems.is_empty(), "against the rules of the services:\n{}", problems.join("\n"));
    }
}

/// One more address of a running simulator, until dropped.
pub struct Door(Server);

impl Door {
    /// `http://127.0.0.1:PORT`, without a slash.
    pub fn origin(&self) -> String {
        format!("http://{}", self.0.address)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
    }
}
