//! How the report on an organization grows: `cargo run --release --example scale`, or with numbers of users behind `--`.
//!
//! The real binary, built here, asks the simulator, whose every reply takes 20 ms, with and without the services'
//! budget of 200 units in five minutes. That is played fifty times as fast, delays and all, at 0.2 units a request.
//! Each report must name every token of everybody once and none else, or this ends with a panic.

#![allow(clippy::unwrap_used, reason = "a measurement stops where it cannot go on")]
#![allow(clippy::print_stdout, reason = "it is there to be read")]
#![allow(clippy::disallowed_methods, reason = "it starts the program, in whose environment they enter")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use serde_json::Value;
use simulator::world::Budget;
use simulator::{Fault, Simulator, When, World};

const REPLY: Duration = Duration::from_millis(20);
/// Five minutes, fifty times as fast.
const WINDOW: Duration = Duration::from_secs(6);
const COST: f64 = 0.2;
/// Larger pages than the tests', so that it is the users who make the requests.
const USERS_A_PAGE: usize = 200;
const PATS_A_PAGE: usize = 100;

fn main() {
    let asked: Vec<u64> = env::args().skip(1).map(|number| number.parse().expect("numbers of users")).collect();
    let sizes = if asked.is_empty() { vec![100, 1_000, 10_000] } else { asked };
    let program = build();
    println!(
        "Every reply takes {} ms. A budget is 200 units in {} s, at {COST} units a request.\n\
         One by one: that many replies, one after the other. At least: what the budget allows for, if replies took no time.\n",
        REPLY.as_millis(),
        WINDOW.as_secs()
    );
    println!("  users    PATs budget  requests one by one  at least     wall delayed  429      peak");
    for budget in [false, true] {
        for users in &sizes {
            println!("{}", measure(&program, *users, budget));
        }
    }
}

/// One report, and what it took.
fn measure(program: &Path, users: u64, with_budget: bool) -> String {
    let mut world = World::new();
    world.follow_real_clock();
    world.add_pat("of the rotator").add();
    world.add_crowd(users);
    (world.directory.page_size, world.directory.pats_a_page) = (USERS_A_PAGE, PATS_A_PAGE);
    world.budget = with_budget.then(|| Budget::scaled(WINDOW, COST));
    let token = world.user_token("vso.graph vso.tokenadministration");
    let sim = Simulator::start(world);
    sim.inject(Fault::Delay(REPLY), When::always());

    let folder = Folder::new();
    let run = run(program, &sim.origin(), &token, &folder.0);
    let report = run.outputs.get("reportfile").unwrap_or_else(|| panic!("no report:\n{}", run.log));
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    let tokens = compare(&sim.world(), &report);

    let requests = sim.transcript().len();
    let one_by_one = REPLY.as_secs_f64() * requests as f64;
    let budget = sim.world().budget.clone();
    let (delayed, refused) = budget.as_ref().map_or((0, 0), |budget| (budget.delayed, budget.refused));
    let least = budget.map_or(Duration::ZERO, |budget| budget.shortest(requests)).as_secs_f64();
    let (everybody, wall) = (sim.world().everybody("contoso").count(), run.wall.as_secs_f64());
    let (limited, peak) = (if with_budget { "yes" } else { "none" }, run.peak_kib as f64 / 1024.0);
    format!(
        "{everybody:>7} {tokens:>7} {limited:>6} {requests:>9} {one_by_one:>8.1} s {least:>7.1} s {wall:>6.1} s \
         {delayed:>7} {refused:>4} {peak:>5.1} MiB"
    )
}

/// Panics unless the report has each token of each user exactly once, but for those that were revoked. Says how many.
fn compare(world: &World, report: &Value) -> usize {
    let now = world.now();
    let mut expected = BTreeMap::new();
    for person in world.everybody("contoso") {
        for pat in world.pats_of("contoso", &person) {
            if pat.is_valid || pat.valid_to <= now {
                expected.insert(pat.id, person.descriptor.clone());
            }
        }
    }
    let count = expected.len();
    for token in report["tokens"].as_array().expect("a list of tokens") {
        let (id, owner) = (token["authorizationId"].as_str().unwrap(), &token["owner"]["id"]);
        let expected = expected.remove(id).unwrap_or_else(|| panic!("{id} of {owner} is there twice, or is nobody's"));
        assert_eq!(*owner, expected, "the owner of {id}");
    }
    assert!(expected.is_empty(), "missing: {expected:?}");
    assert_eq!(report["isPartial"], false, "{}", report["stopped"]);
    assert_eq!(report["tokenCount"], count);
    assert_eq!(report["owners"], world.everybody("contoso").count());
    count
}

/// What a run of the program left.
struct Run {
    outputs: BTreeMap<String, String>,
    log: String,
    wall: Duration,
    peak_kib: u64,
}

/// Runs the program as the launcher would, with the environment that the agent gives it.
fn run(program: &Path, origin: &str, token: &str, folder: &Path) -> Run {
    let started = Instant::now();
    let mut child = Command::new(program)
        .arg("task")
        .env_clear()
        .env("ENDPOINT_URL_SYSTEMVSSCONNECTION", format!("{origin}/contoso/"))
        .env("VSTS_PUBLIC_VARIABLES", "[]")
        .env("VSTS_SECRET_VARIABLES", "[]")
        .env("SYSTEM_TEAMPROJECTID", "6c1f2c1e-0000-4000-8000-000000000002")
        .env("SYSTEM_DEFINITIONID", "12")
        .env("SYSTEM_JOBATTEMPT", "1")
        .env("BUILD_BUILDID", "101")
        .env("AGENT_TEMPDIRECTORY", folder)
        .env("INPUT_ACCESSTOKEN", token)
        .env("INPUT_COMMAND", "report")
        .env("INPUT_REPORTSCOPE", "organization")
        .env("INPUT_FAILON", "nothing")
        .env("INPUT_MAXMINUTES", "60")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let memory = PathBuf::from(format!("/proc/{}/status", child.id()));
    let (peak, ended) = (AtomicU64::new(0), AtomicBool::new(false));
    let look = || peak.fetch_max(high_water_mark(&memory).unwrap_or_default(), Ordering::Relaxed);
    let mut outputs = BTreeMap::new();
    let mut log = String::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                look();
                thread::sleep(Duration::from_millis(5));
            }
        });
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            look();
            if let Some(command) = agent::Command::parse(&line, true).filter(|one| one.is("task.setvariable")) {
                outputs.insert(command.property("variable").unwrap_or_default().to_lowercase(), command.data);
            }
            log.push_str(&line);
            log.push('\n');
        }
        ended.store(true, Ordering::Relaxed);
    });
    child.wait().unwrap();
    Run { outputs, log, wall: started.elapsed(), peak_kib: peak.into_inner() }
}

/// The most memory that a process ever had at once, in KiB, as the kernel has it.
fn high_water_mark(status: &Path) -> Option<u64> {
    let mut text = String::new();
    fs::File::open(status).ok()?.read_to_string(&mut text).ok()?;
    text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

/// Builds the program in the profile of this example and says where it is.
fn build() -> PathBuf {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--bin", "rotate-pat"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "the program does not build");
    let examples = env::current_exe().unwrap();
    examples.ancestors().nth(2).unwrap().join(format!("rotate-pat{}", env::consts::EXE_SUFFIX))
}

/// The agent's temporary folder, gone when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = env::temp_dir().join(format!("rotate-pat-scale-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
