//! What runs a handler. An agent knows node alone; a test of many thousand runs, or of the program's own death, leaves
//! the launcher out and keeps all else that an agent does.

use super::environment::Stage;
use super::process::{Ending, Exit, Interruption, Line, Observer, Spawn, Stream, run};
use super::watch::Watch;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What a function of the test's own is given, and what it says.
pub type Place = Box<dyn FnMut(Stage, Vec<(OsString, OsString)>) -> (String, i32)>;

/// What runs a handler's stages.
pub enum Host {
    /// Node, with the entry file.
    Node(PathBuf),
    /// A program, with the word that stands for the stage.
    Program(PathBuf, fn(Stage) -> &'static str),
    /// A function: it gets the environment, and returns what was printed and the exit code. Not interrupted from here.
    Here(Place),
}

impl Host {
    /// Runs a stage. `spawn` names neither program nor arguments yet.
    pub(super) fn run(
        &mut self,
        (stage, entry): (Stage, &PathBuf),
        spawn: &mut Spawn,
        interruption: &mut Interruption,
        watch: &Watch,
        observer: &mut dyn Observer,
    ) -> Exit {
        match self {
            Self::Node(node) => {
                spawn.program.clone_from(node);
                spawn.arguments = vec![entry.clone().into()];
                run(spawn, interruption, watch, observer)
            }
            Self::Program(program, word) => {
                spawn.program.clone_from(program);
                spawn.arguments = vec![word(stage).into()];
                run(spawn, interruption, watch, observer)
            }
            Self::Here(run) => {
                let started = Instant::now();
                let (printed, code) = run(stage, spawn.environment.clone());
                let duration = started.elapsed();
                for text in printed.lines() {
                    observer.line(Line { stream: Stream::Stdout, text: text.to_owned(), millis: duration.as_millis() });
                }
                Exit {
                    ending: Ending::Exited,
                    code: Some(code),
                    signals: Vec::new(),
                    duration,
                    argument_leaks: Vec::new(),
                    outlived: Duration::ZERO,
                    orphans: Vec::new(),
                }
            }
        }
    }
}
