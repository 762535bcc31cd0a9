//! Waits that a person can see: what takes long is named, and how long it may still take. Ctrl-C ends each of them.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, interval_at, sleep};

use crate::agent::logging_commands::Console;
use crate::model::api_error::CallError;
use crate::model::timestamp::pluralize;

/// After this time the terminal shows what is in progress, and then repeats it.
const SILENCE: Duration = Duration::from_secs(2);
const REMINDER: Duration = Duration::from_secs(10);
/// Between two tries of what is not in effect yet.
const PAUSE: Duration = Duration::from_secs(3);

/// Says now and then what takes so long.
pub(super) async fn waiting<T>(errors: &Console, what: &str, task: impl Future<Output = T>) -> T {
    let mut task = pin!(task);
    let mut reminders = interval_at(Instant::now() + SILENCE, REMINDER);
    loop {
        tokio::select! {
            done = &mut task => return done,
            _ = reminders.tick() => errors.say(&format!("still {what}; Ctrl-C stops it")),
        }
    }
}

/// Something that was set up just now, and that the service does not know yet.
pub(super) struct Fresh<'a> {
    /// What is refused so far.
    pub(super) refused: String,
    /// How long it usually takes, and what to do if it was never set up.
    pub(super) hint: &'a str,
    pub(super) limit: Duration,
    pub(super) is_passing: fn(&CallError) -> bool,
}

impl Fresh<'_> {
    /// Asks again until it is in effect, or the time is over: then the last refusal stands.
    pub(super) async fn wait<T, E>(
        &self,
        errors: &Console,
        ask: impl AsyncFn() -> Result<Result<T, CallError>, E>,
    ) -> Result<Result<T, CallError>, E> {
        let Self { refused, hint, limit, is_passing } = self;
        let started = Instant::now();
        let mut said = None;
        loop {
            let error = match ask().await? {
                Err(error) if is_passing(&error) => error,
                answer => {
                    if said.is_some() && answer.is_ok() {
                        errors.say(&format!("in effect after {}", in_words(started.elapsed())));
                    }
                    return Ok(answer);
                }
            };
            let left = limit.saturating_sub(started.elapsed());
            if left < PAUSE {
                return Ok(Err(error));
            }
            match said {
                None => {
                    let limit = in_words(*limit);
                    errors.say(&format!("{refused}. {hint} Trying for up to {limit}; Ctrl-C stops it."));
                    said = Some(Instant::now());
                }
                Some(last) if last.elapsed() >= REMINDER => {
                    errors.say(&format!("{refused}; trying for {} more", in_words(left)));
                    said = Some(Instant::now());
                }
                Some(_) => {}
            }
            sleep(PAUSE).await;
        }
    }
}

fn in_words(time: Duration) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let is_short = seconds < 90 && seconds != 60;
    if is_short { pluralize(seconds, "second") } else { pluralize((seconds + 59) / 60, "minute") }
}
