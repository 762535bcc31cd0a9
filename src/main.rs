//! The program that the launcher starts. The environment, the clocks and standard output enter here and nowhere else.

use std::process::ExitCode;
use std::time::Instant;

use rotate_pat::cancel::launcher_watch;
use rotate_pat::clock::Clock;
use rotate_pat::settings::environment::Environment;
use rotate_pat::timestamp::Timestamp;

mod name_services;

#[expect(clippy::disallowed_methods, reason = "here they enter")]
fn main() -> ExitCode {
    name_services::pin();
    let has_launcher = launcher_watch();
    let started = Instant::now();
    let clock = Clock::new(Timestamp::now, move || started.elapsed());
    let stage = std::env::args_os().nth(1).unwrap_or_default();
    let environment = Environment::from_os(std::env::vars_os());
    let told = rotate_pat::start(&stage.to_string_lossy(), environment, clock, std::io::stdout(), has_launcher);
    ExitCode::from(told.exit_code())
}
