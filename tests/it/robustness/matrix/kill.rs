//! The real process, ended from outside at every request of a whole rotation, or of a check, and between any two lines of its output:
//! SIGKILL before and after the service acts, the agent's ladder of SIGINT, SIGTERM and SIGKILL, and a container that is
//! removed. Nothing is asked of the dead but that the promises hold and that one healthy run brings all together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rotate_pat::app::Stage;

use super::cell::{self, Clean, heal, told};
use super::kind::{self, Kind};
use super::scenario::{Outside, Scenario};
use super::{oracle, sample, tally};
use agent::{Interruption, JobStatus, StepRun, When as Moment};
use simulator::{Fault, Op, When};

/// What ends it.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The program, by SIGKILL.
    Killed,
    /// Node and the program, at once.
    Cut,
    /// The agent's SIGINT; replies go on coming.
    Cancelled,
    /// The whole ladder, while nobody answers any more.
    Ladder,
}

/// Where.
#[derive(Clone, Copy, Debug)]
enum Point {
    Before(Op, usize),
    After(Op, usize),
    Line(usize),
}

struct Death {
    kind: Kind,
    stage: Stage,
    point: Point,
    end: End,
}

/// The kind whose every request is tried: everything that a rotation can write.
fn everything() -> Kind {
    let all = kind::all();
    all.into_iter().find(|kind| kind.has_variable && kind.places.len() == 3).expect("a rotation into all places")
}

/// Settled by a later job, which reads the places again.
fn settled_later() -> Kind {
    kind::all().into_iter().find(|kind| kind.later && !kind.places.is_empty()).expect("a later job that settles")
}

fn check() -> Kind {
    kind::all().into_iter().find(Kind::is_check).expect("a check")
}

/// Every death of this sort in every stage.
fn deaths(ends: &[End]) -> Vec<Death> {
    let (kind, later, check) = (everything(), settled_later(), check());
    let (clean, clean_later, checked) = (Clean::run(&kind), Clean::run(&later), Clean::run(&check));
    let mut deaths = Vec::new();
    for (kind, stage, requests, lines) in [
        (&kind, Stage::Main, &clean.main, clean.main_lines),
        (&kind, Stage::Settle, &clean.settle, clean.settle_lines),
        (&later, Stage::Settle, &clean_later.settle, clean_later.settle_lines),
        (&check, Stage::Main, &checked.main, checked.main_lines),
    ] {
        let at = cell::ordinals(requests).into_iter();
        let points = at.flat_map(|(op, n)| [Point::Before(op, n), Point::After(op, n)]);
        for point in points.chain((1..=lines).map(Point::Line)) {
            deaths.extend(ends.iter().map(|end| Death { kind: kind.clone(), stage, point, end: *end }));
        }
    }
    sample::of(deaths, Death::name, Death::traits)
}

impl Death {
    fn traits(&self) -> Vec<String> {
        let point = match self.point {
            Point::Before(op, _) => format!("before {op:?}"),
            Point::After(op, _) => format!("after {op:?}"),
            Point::Line(_) => "a line".to_owned(),
        };
        vec![format!("{}, {:?}, {point}, {:?}", self.kind.name, self.stage, self.end)]
    }

    fn name(&self) -> String {
        format!("{}, {:?}, {:?}, {:?}", self.kind.name, self.stage, self.point, self.end)
    }

    fn play(&self) -> Result<(), String> {
        let by_itself = matches!(self.end, End::Killed);
        let mut scene = Scenario::outside(&self.kind, if by_itself { Outside::Program } else { Outside::Node });
        let begun = scene.seen();
        let main = match self.stage {
            Stage::Main => {
                let how = self.arrange(&mut scene);
                scene.main_interrupted(how)
            }
            Stage::Settle => scene.main_interrupted(Interruption::None),
        };
        let mut log = told(&scene, &main);
        let died = if self.stage == Stage::Main {
            self.judge(&scene, &main).and_then(|()| {
                if !has_said_so(&main) {
                    return Ok(());
                }
                oracle::judge_main(&scene, &begun, &scene.seen(), &main)
            })
        } else {
            let before = scene.seen();
            scene.sim.clear_transcript();
            let how = self.arrange(&mut scene);
            let settle = scene.settle_interrupted(JobStatus::Succeeded, how);
            log.push_str(&told(&scene, &settle));
            self.judge(&scene, &settle).and_then(|()| {
                if !has_said_so(&settle) {
                    return Ok(());
                }
                oracle::judge_settle(&scene, &before, &scene.seen(), &settle)
            })
        };
        died.and_then(|()| heal(&mut scene)).map_err(|why| format!("{why}\n{log}"))?;
        scene.sim.check();
        Ok(())
    }

    /// Makes it happen, and says how the stage is interrupted.
    fn arrange(&self, scene: &mut Scenario) -> Interruption {
        let sim = &scene.sim;
        let moment = match self.point {
            Point::Line(count) => Moment::lines(count),
            Point::Before(op, n) | Point::After(op, n) => {
                let is_after = matches!(self.point, Point::After(..));
                let reached = Arc::new(AtomicBool::new(false));
                let flag = Arc::clone(&reached);
                sim.inject(Fault::before(move |_| flag.store(true, Ordering::SeqCst)), When::nth(op, n));
                match self.end {
                    // Its reply comes when the signal has.
                    End::Cancelled => sim.inject(Fault::Delay(Duration::from_millis(60)), When::nth(op, n)),
                    _ if is_after => sim.inject(Fault::HangAfter, When::since(op, n)),
                    _ => sim.inject(Fault::HangBefore, When::since(op, n)),
                }
                Moment::Flag(reached)
            }
        };
        match self.end {
            End::Killed => Interruption::AgentGone(moment),
            End::Cut => Interruption::HardCut(moment),
            End::Cancelled => Interruption::Cancel(moment),
            End::Ladder => {
                scene.job.rescale(0.02);
                Interruption::Cancel(moment)
            }
        }
    }

    fn judge(&self, scene: &Scenario, run: &StepRun) -> Result<(), String> {
        let is_met = match self.point {
            Point::Line(count) => run.raw.len() >= count,
            _ => scene.sim.transcript().iter().any(|exchange| exchange.fault.is_some()),
        };
        if !is_met {
            return Err("it lived on: the point was not reached".to_owned());
        }
        if !run.orphans.is_empty() {
            return Err(format!("left running: {:?}", run.orphans));
        }
        match (self.end, &run.signals[..]) {
            (End::Cancelled, ["INT"]) | (End::Killed | End::Cut, ["KILL"]) => Ok(()),
            // It may have ended well before the signal.
            (End::Cancelled | End::Killed | End::Cut, []) if matches!(self.point, Point::Line(_)) => Ok(()),
            (End::Ladder, ["INT", ..]) => Ok(()),
            (_, signals) => Err(format!("the signals were {signals:?}")),
        }
    }
}

/// Whether it ended by itself, told to stop, and was heard.
fn has_said_so(run: &StepRun) -> bool {
    run.commands_named("task.complete").any(|command| command.property("result") == Some("Canceled"))
}

#[test]
fn killed_at_any_request_or_line_the_next_run_brings_all_together() {
    let deaths = deaths(&[End::Killed]);
    tally::play("SIGKILL of the program at every request and line", &deaths, Death::name, Death::play);
}

#[test]
fn cancelled_at_any_request_or_line_through_the_launcher_the_next_run_brings_all_together() {
    let deaths = deaths(&[End::Cancelled]);
    tally::play("SIGINT through the launcher at every request and line", &deaths, Death::name, Death::play);
}

#[test]
fn cut_off_with_everything_around_it_or_by_the_whole_ladder_the_next_run_brings_all_together() {
    let deaths = deaths(&[End::Cut, End::Ladder]);
    tally::play(
        "the ladder to its end, and hard cuts of all processes, at every request and line",
        &deaths,
        Death::name,
        Death::play,
    );
}
