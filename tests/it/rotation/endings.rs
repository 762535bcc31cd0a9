//! How each stage can end: what its last line says, the step's result, what is on the run's page and what the result file
//! says. The table in `docs/results.md` is made of these runs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread;

use serde_json::Value;

use crate::harness::pipeline::{NAME, Pipeline, ended, says};
use crate::report::files::mismatch;
use agent::{CancelWhen, Job, JobStatus, StepRun, TaskResult};
use jiff::SignedDuration;
use simulator::{Fault, Op, When};

use super::later_stage::{place, settle, with_pat};

const LATER: (&str, &str) = ("retireOldPat", "later");

/// The result file of a step of this job, which the schema must allow.
fn result_file(job: &Job, step: &str) -> Value {
    let path = job.variable_value(&format!("{step}.resultFile")).expect("the output is set");
    read(&fs::read_to_string(path).unwrap())
}

fn read(text: &str) -> Value {
    let file: Value = serde_json::from_str(text).unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/result.schema.json");
    let schema: Value = serde_json::from_str(&fs::read_to_string(schema).unwrap()).unwrap();
    assert_eq!(mismatch(&schema, &schema, &file, ""), None);
    file
}

/// The result file that a stage attached to the run.
fn attached(run: &StepRun) -> Value {
    let [file] = &run.attachments[..] else { panic!("{} attachments\n{}", run.attachments.len(), run.log) };
    assert_eq!(file.name, "result.json");
    read(&file.text)
}

/// The effects of the one rotation of a file, each as `effect #number or place`.
fn effects(pipeline: &Pipeline, file: &Value) -> Vec<String> {
    let effects = file["rotations"][0]["effects"].as_array().unwrap().iter();
    let told = effects.map(|effect| {
        let number = effect["authorizationId"].as_str().map_or(0, |id| pipeline.sim.world().pat(id).number);
        let place = effect["place"].as_str().map(|place| format!(" in {place}")).unwrap_or_default();
        let perhaps = if effect["isCertain"] == true { "" } else { "perhaps " };
        format!("{perhaps}{} #{number}{place}", effect["effect"].as_str().unwrap())
    });
    told.collect()
}

#[test]
fn the_result_files_of_both_stages_tell_every_change_in_its_order() {
    let pipeline = Pipeline::with_pat(10);
    let mut job = pipeline.job();
    let (main, post) = pipeline.rotate(&mut job, &[("publishTo", &place(&pipeline))]);
    let file = result_file(&job, "rotate");
    assert_eq!(file, attached(&main));
    let seen = effects(&pipeline, &file);
    assert_eq!(seen[0], "created #2");
    assert!(seen[1].starts_with("published #2 in secret \"nuget-pat\""), "{seen:?}");
    assert_eq!(seen[2..], ["published #2 in job variable \"NUGET_PAT\""]);
    let rotation = &file["rotations"][0];
    assert_eq!((&rotation["result"], &rotation["patName"]), (&"rotated".into(), &NAME.into()));
    assert_eq!(rotation["new"]["authorizationId"], pipeline.id(2));
    assert_eq!(rotation["old"]["authorizationId"], pipeline.id(1));
    let file = attached(&post);
    assert_eq!(file["step"], "postJob");
    assert_eq!(effects(&pipeline, &file), ["superseded #1", "committed #2", "shortened #1"]);
    assert!(file["rotations"][0]["overlapEnds"].is_string(), "{file:#}");
    let new = pipeline.id(2);
    let secret = pipeline.sim.world().pat(&new).secret.clone();
    assert!(!file.to_string().contains(&secret));
}

#[test]
fn what_got_no_answer_is_not_certain_in_the_result_file() {
    let pipeline = Pipeline::with_pat(10);
    pipeline.sim.inject(Fault::ResetAfter, When::nth(Op::CreatePat, 1));
    let mut job = pipeline.job();
    pipeline.main(&mut job, &[]);
    let seen = effects(&pipeline, &result_file(&job, "rotate"));
    let published = "published #3 in job variable \"NUGET_PAT\"";
    assert_eq!(seen, ["perhaps created #0", "revoked #2", "created #3", published]);
}

#[test]
fn a_run_that_does_nothing_leaves_a_result_file_and_attaches_none() {
    let pipeline = Pipeline::with_pat(20);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[("rotateWhenDaysLeft", "7")]);
    assert_eq!(main.attachments.len(), 0, "{}", main.log);
    let file = result_file(&job, "rotate");
    assert_eq!(file["rotations"][0]["result"], "notDue");
    assert!(file["rotations"][0]["nextRotationFrom"].is_string(), "{file:#}");
    assert_eq!(effects(&pipeline, &file), [""; 0]);
}

#[test]
fn an_agent_without_a_folder_rotates_without_a_result_file() {
    let pipeline = Pipeline::with_pat(10);
    let mut job = pipeline.job().raw_env("AGENT_TEMPDIRECTORY", "/nowhere");
    let main = pipeline.main(&mut job, &[]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    says(&main, &["note: could not leave the result file"]);
}

/// A situation, and the run that it ends in.
type Situation = (&'static str, fn() -> StepRun);

const SITUATIONS: [Situation; 24] = [
    ("due, and everything goes well", || main_of(&Pipeline::with_pat(10), &[])),
    ("not due", || main_of(&Pipeline::with_pat(20), &[("rotateWhenDaysLeft", "7")])),
    ("not due, and another run is rotating", || {
        let pipeline = Pipeline::with_pat(20);
        rival(&pipeline);
        main_of(&pipeline, &[("rotateWhenDaysLeft", "7")])
    }),
    ("due, and another run is rotating", || {
        let pipeline = Pipeline::with_pat(10);
        rival(&pipeline);
        main_of(&pipeline, &[])
    }),
    ("a dry run when a rotation is due", || main_of(&Pipeline::with_pat(10), &[("dryRun", "true")])),
    ("a dry run when none is due", || {
        main_of(&Pipeline::with_pat(20), &[("dryRun", "true"), ("rotateWhenDaysLeft", "7")])
    }),
    ("`retireOldPat: immediately`", || {
        let pipeline = with_pat();
        pipeline.forget("the old consumer");
        let place = place(&pipeline);
        main_of(&pipeline, &[("retireOldPat", "immediately"), ("publishTo", &place), ("variable", "")])
    }),
    ("invalid inputs", || main_of(&Pipeline::with_pat(10), &[("overlapHours", "x"), ("validForDays", "0")])),
    ("the service refuses the sign-in", || {
        let pipeline = Pipeline::with_pat(10);
        pipeline.sim.world().app_mut("pat-rotator").delegated.clear();
        main_of(&pipeline, &[])
    }),
    ("a policy refuses the new PAT", || {
        let pipeline = Pipeline::with_pat(10);
        let refusal = Fault::RefusedIn200("patLifespanPolicyViolation".to_owned());
        pipeline.sim.inject(refusal, When::every(Op::CreatePat));
        main_of(&pipeline, &[])
    }),
    ("a place cannot be written", || {
        let pipeline = Pipeline::with_pat(10);
        pipeline.sim.inject(Fault::Status(403), When::every(Op::VaultWrite));
        let place = place(&pipeline);
        main_of(&pipeline, &[("publishTo", &place)])
    }),
    ("cancelled before the first change", || {
        let pipeline = Pipeline::with_pat(10);
        pipeline.sim.inject(Fault::HangBefore, When::every(Op::ListPats));
        pipeline.cancelled(&mut pipeline.job(), &[], CancelWhen::line_containing("RotatePat"))
    }),
    ("post-job: the job succeeded", || after(&Pipeline::with_pat(10), &[], JobStatus::Succeeded)),
    ("post-job: the job failed", || after(&Pipeline::with_pat(10), &[], JobStatus::Failed)),
    ("post-job: the confirming variable is not set", || {
        after(&Pipeline::with_pat(10), &[("confirmVariable", "stored")], JobStatus::Succeeded)
    }),
    ("post-job: the main step had nothing to rotate", || {
        after(&Pipeline::with_pat(20), &[("rotateWhenDaysLeft", "7")], JobStatus::Succeeded)
    }),
    ("post-job: somebody revoked the new PAT during the job", || {
        let pipeline = Pipeline::with_pat(10);
        let mut job = pipeline.job();
        pipeline.main(&mut job, &[]);
        let id = pipeline.id(2);
        pipeline.sim.world().revoke(&id);
        pipeline.post(&mut job)
    }),
    ("post-job: the commit is refused", || {
        let pipeline = Pipeline::with_pat(10);
        let mut job = pipeline.job();
        pipeline.main(&mut job, &[]);
        pipeline.sim.inject(Fault::Status(403), When::nth(Op::UpdatePat, 2));
        pipeline.post(&mut job)
    }),
    ("post-job: a later job settles", || after(&with_pat(), &[LATER], JobStatus::Succeeded)),
    ("settle: the rotating job succeeded", || settle(&rotated_for_later(), &[("publishTo", "")])),
    ("settle: a second time", || {
        let pipeline = rotated_for_later();
        settle(&pipeline, &[("publishTo", "")]);
        settle(&pipeline, &[("publishTo", "")])
    }),
    ("settle: a dry run", || settle(&rotated_for_later(), &[("publishTo", ""), ("dryRun", "true")])),
    ("settle: the rotating job failed", || {
        let pipeline = with_pat();
        after(&pipeline, &[LATER], JobStatus::Failed);
        settle(&pipeline, &[("publishTo", "")])
    }),
    ("settle: nothing was rotated", || settle(&with_pat(), &[("publishTo", "")])),
];

fn main_of(pipeline: &Pipeline, more: &[(&str, &str)]) -> StepRun {
    pipeline.main(&mut pipeline.job(), more)
}

/// Another build that is at work has a pending PAT.
fn rival(pipeline: &Pipeline) {
    pipeline.sim.world().add_build(77, "inProgress");
    let rival = format!("{NAME} [pending 77.1-0a1b2c3d]");
    pipeline.sim.world().add_pat(&rival).age(SignedDuration::from_hours(1)).add();
}

/// The post-job stage of a job that ended like this.
fn after(pipeline: &Pipeline, more: &[(&str, &str)], status: JobStatus) -> StepRun {
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, more);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    ended(&mut job, status);
    pipeline.post(&mut job)
}

fn rotated_for_later() -> Pipeline {
    let pipeline = with_pat();
    after(&pipeline, &[LATER], JobStatus::Succeeded);
    pipeline
}

/// Without what differs from run to run.
fn plain(line: &str) -> String {
    let times = regex_lite::Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+Z").unwrap();
    let ids = regex_lite::Regex::new(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap();
    let runs = regex_lite::Regex::new(r"(\d+\.\d+)-[0-9a-f]{8}").unwrap();
    let days = regex_lite::Regex::new(r" \d{4}-\d\d-\d\d( \d\d:\d\d)?").unwrap();
    let line = times.replace_all(line, "TIME");
    let line = ids.replace_all(&line, "ID");
    let line = runs.replace_all(&line, "$1-HASH");
    days.replace_all(&line, " TIME").into_owned()
}

#[test]
fn the_documented_table_of_endings_is_what_happens() {
    let mut table =
        "| situation | last line | step | on the run's page | `result` |\n|---|---|---|---|---|\n".to_owned();
    // Most of a run is waiting.
    let runs = thread::scope(|scope| {
        let running = SITUATIONS.map(|(_, happen)| scope.spawn(happen));
        running.map(|run| run.join().unwrap())
    });
    for ((situation, _), run) in SITUATIONS.into_iter().zip(runs) {
        let lines: Vec<&str> = run.log.lines().filter(|line| line.contains("Result: ")).collect();
        let [line] = lines[..] else { panic!("{situation}: {lines:?}\n{}", run.log) };
        let (_, line) = line.split_once("Result: ").unwrap();
        let page = match &run.summaries[..] {
            [] => "–".to_owned(),
            [page] => {
                let result = page.text.lines().next().unwrap_or_default();
                let rows = page.text.lines().filter(|line| line.starts_with("| ")).skip(2);
                let rows: Vec<&str> = rows.filter_map(|row| row.split(" | ").next()).map(|row| &row[2..]).collect();
                let bullets = page.text.lines().filter(|line| line.starts_with("* ")).count();
                let lines = (bullets > 0).then(|| format!("{bullets} lines of the error"));
                let shown: Vec<&str> = if result.starts_with("**Result: ") {
                    lines.as_deref().into_iter().chain(rows).collect()
                } else {
                    vec!["what a rotation needs, as by `command: check`"]
                };
                format!("{}: {}", page.name.trim_end_matches(".md"), shown.join(", "))
            }
            pages => panic!("{situation}: {} pages", pages.len()),
        };
        let file = run.attachments.first().map(|file| read(&file.text));
        let result =
            file.map_or("–".to_owned(), |file| format!("`{}`", file["rotations"][0]["result"].as_str().unwrap()));
        writeln!(table, "| {situation} | `{}` | {:?} | {page} | {result} |", plain(line), run.result).unwrap();
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/results.md");
    let docs = fs::read_to_string(docs).unwrap();
    let (_, rest) = docs.split_once("<!-- the table of endings -->\n").expect("where the table stands");
    let (inside, _) = rest.split_once("<!-- its end -->").unwrap();
    assert!(inside.trim() == table.trim(), "Put this into docs/results.md:\n\n{table}");
}
