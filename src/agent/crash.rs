//! Crashes: no core dump, and no panic message in the log. Both could contain a token.

use std::io::Write;
use std::panic::{Location, set_hook};

use crate::agent::logging_commands::Console;

/// Makes sure that a crash leaves nothing behind that could hold a secret. Must run before any secret is read; `out`
/// opens standard output.
pub fn leave_nothing(out: fn() -> Box<dyn Write>) {
    keep_memory_private();
    set_hook(Box::new(move |panic| tell(&Console::new(out(), false), panic.location())));
}

/// Logs only the location: the message of a panic may contain a secret.
fn tell(console: &Console, place: Option<&Location<'_>>) {
    let place =
        place.map_or_else(|| "an unknown place".to_owned(), |place| format!("{}:{}", place.file(), place.line()));
    console.say(&format!(
        "internal error in RotatePat at {place}; please report this line. The details are withheld because they may contain a secret."
    ));
}

/// No core dump, and on Linux no access to the memory or the environment for other processes of the same user. If the
/// system refuses, the program continues.
#[cfg(unix)]
#[expect(unsafe_code, reason = "the system offers these settings as C functions only")]
fn keep_memory_private() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit outlives the call, which only reads it.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    // The limit has no effect if a system service collects the dump.
    #[cfg(target_os = "linux")]
    // SAFETY: this option reads one number and touches no memory.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0)
    };
}

/// No crash report, which would contain the memory.
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
