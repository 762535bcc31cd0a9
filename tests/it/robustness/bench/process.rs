//! One process from its start to its end, and what the system says that it has used.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a process has used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    /// Bytes of memory at the most.
    pub(super) peak: u64,
}

/// Runs a program to its end: what it printed, its exit code, and what it has used.
#[expect(unsafe_code, clippy::zombie_processes, reason = "it is waited for by the system's own call")]
pub(super) fn run(program: &Path, word: &str, environment: Vec<(OsString, OsString)>) -> (String, i32, Usage) {
    let mut command = Command::new(program);
    command.arg(word).env_clear().envs(environment).stdin(Stdio::null()).stdout(Stdio::piped());
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let peak = watch(child.id());
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: both pointers are valid for the call, and a zeroed `rusage` is one.
    let (ended, usage) = unsafe { (libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()), usage.assume_init()) };
    let wall = started.elapsed();
    assert_eq!(ended, pid);
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) };
    (printed, code, Usage { wall, cpu: time(usage.ru_utime) + time(usage.ru_stime), peak: peak.join().unwrap() })
}

/// Looks at a process every millisecond until it has ended, and says how much memory it had at the most. What the system
/// says afterwards counts that of the test as well, from which the process was forked.
fn watch(pid: u32) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut peak = 0;
        let status = format!("/proc/{pid}/status");
        while let Ok(status) = std::fs::read_to_string(&status) {
            let name = status.lines().next().unwrap_or_default();
            let Some(kilobytes) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { break };
            // Before it has become the program it is still a copy of the test.
            if name.contains("rotate-pat") {
                peak = peak.max(kilobytes.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        peak
    })
}

/// Runs a program under valgrind: what it printed, its exit code, and how many instructions it took. The same program with
/// the same input takes nearly the same number of them, however busy the machine is.
pub(super) fn count(program: &Path, word: &str, environment: Vec<(OsString, OsString)>) -> (String, i32, u64) {
    // Debian's `valgrind` is a shell script, and a shell drops variables whose names have a hyphen.
    let names = ["valgrind.bin", "valgrind"];
    let valgrind = names.into_iter().find_map(agent::defaults::find_on_path).expect("valgrind is on PATH");
    let mut command = Command::new(valgrind);
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).arg(word);
    let output = command.env_clear().envs(environment).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let instructions = said.lines().find_map(|line| line.split_once("Collected : "));
    let instructions = instructions.unwrap_or_else(|| panic!("valgrind counted nothing: {said}")).1;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    (printed, output.status.code().unwrap_or(-1), instructions.trim().parse().unwrap())
}
