//! The program that the launcher starts. The environment, the clocks and the standard streams enter here and nowhere else.

use std::alloc::System;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use rotate_pat::agent::cancellation::launcher_watch;
use rotate_pat::agent::crash;
use rotate_pat::agent::environment::Environment;
use rotate_pat::app::{Start, start};
use rotate_pat::model::timestamp::Timestamp;
use rotate_pat::runtime::clock::Clock;
use zeroizing_alloc::ZeroAlloc;

/// Overwrites what is freed: HTTP and TLS copy what they send, and no type of ours could clear that.
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

#[expect(clippy::disallowed_methods, reason = "here they enter")]
fn main() -> ExitCode {
    crash::leave_nothing(|| Box::new(std::io::stdout()));
    let has_launcher = launcher_watch();
    let started = Instant::now();
    ExitCode::from(start(Start {
        arguments: std::env::args_os().skip(1).collect(),
        environment: Environment::from_os(std::env::vars_os()),
        clock: Clock::new(Timestamp::now, move || started.elapsed()),
        input: Box::new(std::io::stdin()),
        is_terminal: std::io::stdin().is_terminal(),
        out: Box::new(std::io::stdout()),
        err: Box::new(std::io::stderr()),
        has_launcher: Rc::new(has_launcher),
    }))
}
