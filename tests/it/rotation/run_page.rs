//! What stands on the run's page: how a rotation stands, without a look into a log.

use crate::harness::pipeline::{NAME, Pipeline, VARIABLE, ended};
use agent::{JobStatus, StepRun, TaskResult};
use jiff::SignedDuration;
use simulator::{Fault, Op, When};

/// The one page of a stage, with its heading.
#[track_caller]
fn page(run: &StepRun) -> (&str, &str) {
    let [page] = &run.summaries[..] else { panic!("{} pages\n{}", run.summaries.len(), run.log) };
    (page.name.as_str(), page.text.as_str())
}

#[track_caller]
fn shows(run: &StepRun, heading: &str, lines: &[&str]) {
    let (name, text) = page(run);
    assert_eq!(name, format!("{heading}.md"));
    for line in lines {
        assert!(text.contains(line), "the page does not show {line:?}:\n{text}");
    }
}

#[test]
fn a_rotation_shows_both_tokens_who_has_the_new_one_and_when_the_next_is_due() {
    let pipeline = Pipeline::with_pat(10);
    let place = format!("{}/secrets/nuget-pat", pipeline.sim.origin());
    let (main, post) = pipeline.rotate(&mut pipeline.job(), &[("publishTo", &place), ("rotateWhenDaysLeft", "7")]);
    let (old, new) = (pipeline.id(1), pipeline.id(2));
    let next = pipeline.sim.world().pat(&new).valid_to - SignedDuration::from_hours(7 * 24);
    let tomorrow = (pipeline.sim.world().now() + SignedDuration::from_hours(24)).strftime("%Y-%m-%d").to_string();
    shows(
        &main,
        "PAT rotation",
        &[
            "**Result: rotated",
            "| PAT | `nuget-publish` |",
            "| Organization | `contoso` |",
            &format!("| New token | `{new}`, valid until "),
            &format!("| Old token | `{old}`, valid until "),
            &format!("`job variable \"{VARIABLE}\"`"),
            &format!("| Next rotation due | from {}", next.strftime("%Y-%m-%d")),
        ],
    );
    shows(&post, "PAT settled", &[&format!("`{new}`"), &format!("| Old token | `{old}`, valid until {tomorrow}")]);
}

#[test]
fn a_failure_shows_its_three_lines_and_the_other_run_by_its_address() {
    let pipeline = Pipeline::with_pat(10);
    pipeline.sim.world().add_build(77, "inProgress");
    let rival = format!("{NAME} [pending 77.1-0a1b2c3d]");
    pipeline.sim.world().add_pat(&rival).age(SignedDuration::from_hours(1)).add();
    let run = pipeline.main(&mut pipeline.job(), &[]);
    let project = pipeline.sim.world().job.project_id.clone();
    let address = format!("{}/contoso/{project}/_build/results?buildId=77", pipeline.sim.origin());
    shows(
        &run,
        "PAT rotation",
        &[
            "failed**",
            "* `could not rotate \"nuget-publish\": run 77.1-0a1b2c3d is rotating",
            "* `Now: Nothing was changed.`",
            "* `Do: Let build 77 end",
            &format!("| Other run | [build 77]({address}), run `77.1-0a1b2c3d` |"),
        ],
    );
}

#[test]
fn a_held_rotation_says_on_the_page_why_nothing_was_retired() {
    let pipeline = Pipeline::with_pat(10);
    let mut job = pipeline.job();
    assert_eq!(pipeline.main(&mut job, &[]).result, TaskResult::Succeeded);
    ended(&mut job, JobStatus::Failed);
    let post = pipeline.post(&mut job);
    shows(
        &post,
        "PAT settled",
        &["held&#58; the job ended as Failed**", "Both tokens work.", &format!("| New token | `{}`", pipeline.id(2))],
    );
}

#[test]
fn a_run_that_changes_and_refuses_nothing_leaves_the_page_alone() {
    let pipeline = Pipeline::with_pat(20);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[("rotateWhenDaysLeft", "7")]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    assert_eq!((main.summaries.len(), pipeline.post(&mut job).summaries.len()), (0, 0));
}

#[test]
fn what_services_say_is_text_on_the_page_and_nothing_else() {
    let pipeline = Pipeline::with_pat(10);
    let foreign = "<img src=x> | [x](https://evil.example) `y`";
    pipeline.sim.inject(Fault::HostileMessage(foreign.to_owned()), When::every(Op::ListPats));
    let run = pipeline.main(&mut pipeline.job(), &[]);
    assert_eq!(run.result, TaskResult::Failed);
    let (_, text) = page(&run);
    let line = text.lines().find(|line| line.contains("evil.example")).unwrap_or_else(|| panic!("{text}"));
    assert!(line.starts_with("* ``") && line.ends_with("``"), "{line}");
    assert!(line.contains("\\|"), "{line}");
}

#[test]
fn a_page_that_cannot_be_written_changes_nothing_but_the_log() {
    let pipeline = Pipeline::with_pat(10);
    let mut job = pipeline.job().raw_env("AGENT_TEMPDIRECTORY", "/nowhere");
    let main = pipeline.main(&mut job, &[]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    assert!(main.log.contains("note: could not write the summary for the run's page"), "{}", main.log);
}
