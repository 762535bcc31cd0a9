//! What a run costs: `pipelines/bench.sh`, which builds the shipped program and plays this with it.
//!
//! The whole process is measured, started with the environment that the agent gives it, over the simulator: wall time,
//! processor time and peak memory from the system, connections, bytes and requests from the simulator. Each figure is the
//! median of many runs but the memory, which is the highest.

#![allow(clippy::print_stdout, reason = "its tables are to be read")]

mod process;
mod run;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use self::process::Usage;
use self::run::{Costs, Run, runs};
use crate::harness::pipeline::{of_this_machine, package};

/// What a reply takes longer, in the second half of the tables.
const DELAY: u64 = 50;

#[test]
#[ignore = "minutes, and only a figure with the shipped program"]
fn what_a_run_costs() {
    let program: PathBuf =
        of_this_machine("ROTATE_PAT_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_rotate-pat").into());
    let times: usize = of_this_machine("ROTATE_PAT_RUNS").map_or(15, |times| times.to_str().unwrap().parse().unwrap());
    println!("{}, {} bytes; {times} runs each", file_name(&program), std::fs::metadata(&program).unwrap().len());
    println!();
    println!(
        "| run | stage | requests | connections | bytes | wall, ms | CPU, ms | peak, MB | wall + {DELAY} ms | round trips waited for | floor | ratio |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for run in runs() {
        let plain = run.measure(&program, times, 0);
        let delayed = run.measure(&program, times.div_ceil(3), DELAY);
        for (plain, delayed) in plain.iter().zip(&delayed) {
            println!("{}", row(&run, plain, delayed));
        }
    }
    println!();
    println!("{}", start(&program, times));
}

/// Thousands of instructions that a stage may take, a tenth above what was measured. More is a regression, or a decision:
/// then this says the new number, and the commit says why.
const INSTRUCTIONS: [(&str, &[u64]); 3] = [
    ("nothing due", &[4_070]),
    ("rotation into the variable", &[8_400, 7_760]),
    ("refresh token in a vault, federated", &[12_800, 7_860]),
];

#[test]
#[ignore = "needs valgrind, and the shipped program"]
fn no_stage_takes_more_instructions_than_it_did() {
    let program = of_this_machine("ROTATE_PAT_PROGRAM").expect("ROTATE_PAT_PROGRAM names the shipped program");
    let mut wrong = Vec::new();
    for run in runs() {
        let Some((name, limits)) = INSTRUCTIONS.iter().find(|(name, _)| *name == run.name) else { continue };
        let counted = run.instructions(&program);
        assert_eq!(counted.len(), limits.len(), "{name}");
        for ((stage, instructions), limit) in ["main", "settle"].iter().zip(counted).zip(*limits) {
            println!("{name}, {stage}: {} thousand instructions of {limit} thousand", instructions / 1000);
            if instructions / 1000 > *limit {
                wrong.push(format!("{name}, {stage}"));
            }
        }
    }
    assert!(wrong.is_empty(), "more instructions than before: {wrong:?}");
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn row(run: &Run, plain: &Costs, delayed: &Costs) -> String {
    let Usage { wall, cpu, peak } = plain.usage;
    let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1000.0;
    let waited = milliseconds(delayed.usage.wall.saturating_sub(wall)) / DELAY as f64;
    let floor = run.floor(plain.stage);
    let ratio = milliseconds(delayed.usage.wall) / (floor * DELAY + run.pause(plain.stage)) as f64;
    let (floor, ratio) =
        if floor == 0 { ("–".to_owned(), "–".to_owned()) } else { (floor.to_string(), format!("{ratio:.2}")) };
    format!(
        "| {} | {} | {} | {} | {} | {:.1} | {:.1} | {:.1} | {:.0} | {waited:.1} | {floor} | {ratio} |",
        run.name,
        plain.stage,
        plain.requests,
        plain.connections,
        plain.bytes,
        milliseconds(wall),
        milliseconds(cpu),
        peak as f64 / 1e6,
        milliseconds(delayed.usage.wall),
    )
}

/// What the launcher adds to Node's own start, and how much of that is Node's for starting any program at all. Taken in
/// turn, so that a busy moment meets each of them.
fn start(program: &Path, times: usize) -> String {
    let smallest =
        format!("require('child_process').spawn({:?}, ['settle'], {{ stdio: 'inherit' }})", program.display());
    let launcher = package().join("settle.js");
    let node = |arguments: &[&OsStr]| {
        let mut command = Command::new("node");
        command.args(arguments).env_remove("VSTS_TASKVARIABLE_ROTATEPATSTATE");
        command
    };
    let commands: [&dyn Fn() -> Command; 4] = [
        &|| {
            let mut command = Command::new(program);
            command.arg("settle").env_clear();
            command
        },
        &|| node(&["-e".as_ref(), "0".as_ref()]),
        &|| node(&["-e".as_ref(), smallest.as_ref()]),
        &|| node(&[launcher.as_ref()]),
    ];
    let mut walls = commands.map(|_| Vec::new());
    for _ in 0..times * 2 {
        for (walls, command) in walls.iter_mut().zip(commands) {
            let started = Instant::now();
            assert!(command().output().unwrap().status.success());
            walls.push(started.elapsed().as_secs_f64() * 1000.0);
        }
    }
    let [alone, node, smallest, launched] = walls.map(|mut walls| {
        walls.sort_by(f64::total_cmp);
        walls[walls.len() / 2]
    });
    format!(
        "A settle stage with nothing to settle: the program alone {alone:.1} ms, `node -e 0` {node:.1} ms, Node starting the \
         program in one line {smallest:.1} ms, the launcher {launched:.1} ms. The launcher adds {:.1} ms to Node's own start, \
         of which {:.1} ms are its own and the rest is what Node takes to start any program.",
        launched - node,
        launched - smallest,
    )
}
