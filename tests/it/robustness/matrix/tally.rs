//! Plays many cases on every core, counts them, and prints the totals past the capture of the test harness, which shows
//! what a passing test prints to nobody.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::cell::said;

/// More threads than cores: a case spends a part of its time waiting.
const THREADS: usize = 6;
/// Failures told in full.
const TOLD: usize = 8;

/// Prints a line that is seen although the test passes. One of its own, as the harness may have begun one.
pub(crate) fn say(line: &str) {
    let _unheard = std::io::stderr().write_all(format!("\n{line}\n").as_bytes());
}

/// Plays every case. Fails with the first failures if there is one; prints the totals in any case.
pub(crate) fn play<T: Sync>(
    what: &str,
    cases: &[T],
    name: impl Fn(&T) -> String + Sync,
    case: impl Fn(&T) -> Result<(), String> + Sync,
) {
    play_at_once(THREADS, what, cases, name, case);
}

/// The same, so many at once.
pub(crate) fn play_at_once<T: Sync>(
    threads: usize,
    what: &str,
    cases: &[T],
    name: impl Fn(&T) -> String + Sync,
    case: impl Fn(&T) -> Result<(), String> + Sync,
) {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(one) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let played = catch_unwind(AssertUnwindSafe(|| case(one)));
                    if let Err(why) = played.unwrap_or_else(|panic| Err(said(&panic))) {
                        failures.lock().unwrap().push(format!("{}\n{why}", name(one)));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    let (count, failed, seconds) = (cases.len(), failures.len(), started.elapsed().as_secs());
    say(&format!("{what}: {count} cases, {failed} failed, {seconds} s"));
    let whole: Vec<&str> = failures.iter().take(TOLD).map(String::as_str).collect();
    let shortly = failures.iter().skip(TOLD).map(|told| told.lines().take(2).collect::<Vec<_>>().join(": "));
    let shortly: Vec<String> = shortly.collect();
    assert!(
        failures.is_empty(),
        "{failed} of {count} failed; the first:\n\n{}\n\nand\n{}",
        whole.join("\n\n"),
        shortly.join("\n")
    );
}
