//! How the program ends when it should not: without a picture of its memory, and without a word that a panic was given.
//! Both could hold a token.

use std::io::Write;
use std::panic::{Location, set_hook};

use crate::agent::logging_commands::Console;

/// Leaves nothing behind that could hold a secret, however this process ends. Must come before it holds one; `out` gives
/// standard output.
pub fn leave_nothing(out: fn() -> Box<dyn Write>) {
    keep_memory_private();
    set_hook(Box::new(move |panic| tell(&Console::new(out(), false), panic.location())));
}

/// Only the place: what a panic says may quote what it met.
fn tell(console: &Console, place: Option<&Location<'_>>) {
    let place =
        place.map_or_else(|| "an unknown place".to_owned(), |place| format!("{}:{}", place.file(), place.line()));
    console.say(&format!(
        "RotatePat has met a defect of its own at {place} and cannot go on. Report this line; the rest is withheld, as it may hold a secret."
    ));
}

/// No core dump, and on Linux no look into the memory or the environment by other processes of the same user. A system
/// that refuses loses nothing else.
#[cfg(unix)]
#[expect(unsafe_code, reason = "the system offers these settings as C functions only")]
fn keep_memory_private() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit outlives the call, which only reads it.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    // The limit means nothing where a program of the system takes the dump.
    #[cfg(target_os = "linux")]
    // SAFETY: this option reads one number and touches no memory.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0)
    };
}

/// No report of the crash, which holds a picture of the memory.
#[cfg(windows)]
#[expect(unsafe_code, reason = "the system offers this setting as a C function only")]
fn keep_memory_private() {
    const FAIL_CRITICAL_ERRORS: u32 = 0x1;
    const NO_FAULT_ERROR_BOX: u32 = 0x2;
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn SetErrorMode(mode: u32) -> u32;
    }
    // SAFETY: this call reads one number and touches no memory.
    unsafe { SetErrorMode(FAIL_CRITICAL_ERRORS | NO_FAULT_ERROR_BOX) };
}
