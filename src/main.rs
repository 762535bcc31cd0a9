//! The program that the launcher starts. The environment, the clocks and standard output enter here and nowhere else.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Instant;

use rotate_pat::Stage;
use rotate_pat::cancel::{Cancel, launcher_watch};
use rotate_pat::clock::Clock;
use rotate_pat::patience::Patience;
use rotate_pat::settings::environment::Environment;
use rotate_pat::timestamp::Timestamp;
use rotate_pat::work::Surroundings;

mod name_services;

#[expect(clippy::disallowed_methods, reason = "here they enter")]
fn main() -> ExitCode {
    name_services::pin();
    let Some(stage) = std::env::args().nth(1).as_deref().and_then(Stage::parse) else { return ExitCode::from(2) };
    let started = Instant::now();
    let has_launcher = Rc::new(launcher_watch());
    let environment = Environment::from_os(std::env::vars_os());
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::from(2);
    };
    let told = runtime.block_on(async {
        let (canceller, cancel) = Cancel::pair();
        if canceller.listen().is_err() {
            return rotate_pat::Told::Nothing;
        }
        let clock = Clock::new(Timestamp::now, move || started.elapsed());
        let out = Box::new(std::io::stdout());
        let patience = Patience::default();
        rotate_pat::run(stage, Surroundings { environment, clock, out, cancel, has_launcher, patience }).await
    });
    ExitCode::from(told.exit_code())
}
