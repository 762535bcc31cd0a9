//! How many copies of a secret the real program's memory holds at its last request: those that it still needs, and none
//! of those that it made on the way.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex};

use crate::harness::pipeline::{Pipeline, job_in};
use crate::robustness::matrix::say;
use agent::{Host, Stage, TaskResult};
use simulator::{Fault, Op, When, World};

/// The program in the job of this simulator, found by the address in its environment.
fn program(origin: &str) -> Option<u32> {
    let of = |id: u32, file: &str| fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
    let ids = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.into_iter().find(|id| {
        of(*id, "cmdline").starts_with(env!("CARGO_BIN_EXE_rotate-pat").as_bytes())
            && String::from_utf8_lossy(&of(*id, "environ")).contains(origin)
    })
}

/// Everything that a process may write, but for what its system gave it on its stack: arguments and environment.
fn memory(id: u32) -> Vec<u8> {
    let Ok(maps) = fs::read_to_string(format!("/proc/{id}/maps")) else { return Vec::new() };
    let mut file = fs::File::open(format!("/proc/{id}/mem")).unwrap();
    let mut memory = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw") && !line.ends_with("[stack]")) {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        file.seek(SeekFrom::Start(from)).unwrap();
        // Parts of some regions are no memory.
        let _rest = (&mut file).take(to - from).read_to_end(&mut memory);
    }
    memory
}

fn copies(memory: &[u8], value: &str) -> usize {
    memory.windows(value.len()).filter(|window| *window == value.as_bytes()).count()
}

/// How many copies the program needs of a secret, by the beginning of its label.
const NEEDED: [(&str, usize); 6] = [
    // The agent gives it under three names. Another copy is for asking, one is what is never printed: so of all that follow.
    ("job token", 5),
    // One is asked with again if the job is long, or stored.
    ("refresh token", 2),
    // Used up.
    ("OIDC token", 1),
    // Kept for the next request to the vault.
    ("access token 1 of app", 2),
    ("access token 2 of user", 3),
    // The request that is waited for carries it in base64.
    ("PAT secret", 3),
];

#[test]
fn at_its_last_request_the_program_holds_no_copy_of_a_secret_that_it_does_not_need() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return say("NOT RUN: only root looks into the program's memory");
    }
    let pipeline = Pipeline::with_pat(5);
    let origin = pipeline.sim.origin();
    let word = |stage| if stage == Stage::Main { "task" } else { "settle" };
    let mut job = job_in(&pipeline.sim).host(Host::Program(env!("CARGO_BIN_EXE_rotate-pat").into(), word));
    let seen: Arc<Mutex<Vec<(String, usize)>>> = Arc::default();
    let looking = Arc::clone(&seen);
    let look = move |world: &mut World| {
        let memory = memory(program(&origin).expect("it waits for an answer"));
        let counted = world.all_secrets().into_iter().map(|(label, value)| (label, copies(&memory, &value)));
        *looking.lock().unwrap() = counted.collect();
    };
    pipeline.sim.inject(Fault::before(look), When::every(Op::ConnectionDataAsPat));
    let main = pipeline.main(&mut job, &[]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    let seen = seen.lock().unwrap();
    assert!(seen.iter().any(|(_, count)| *count > 0), "nothing was seen: {seen:?}");
    for (label, count) in seen.iter() {
        let needed = NEEDED.iter().find(|(start, _)| label.starts_with(start)).map_or(0, |(_, most)| *most);
        assert!(*count <= needed, "{count} copies of {label}: {seen:#?}");
    }
}
