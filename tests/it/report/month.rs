//! The shipped samples side by side, as a team has them that copied them: a month, day by day.

use jiff::SignedDuration;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::destinations::several::{self, PUBLISHER};
use crate::harness::pipeline::{Pipeline, REFRESH, VARIABLE};
use crate::report::{ADMINISTRATION, report};
use agent::{Interruption, Job, Step, TaskResult};

const ROTATE: &str = include_str!("../../../pipelines/rotate.yml");
const PUBLISH: &str = include_str!("../../../pipelines/publish.yml");
const MATRIX: &str = include_str!("../../../pipelines/matrix.yml");
const STAGES: &str = include_str!("../../../pipelines/stages.yml");
const REPORT: &str = include_str!("../../../pipelines/report.yml");

/// The vault of the samples.
const VAULT: &str = "contoso-kv/";

/// The inputs of a sample's step as written, but for where the simulator has the vaults and the connections.
fn inputs(pipeline: &Pipeline, sample: &'static str, step: usize) -> Vec<(&'static str, String)> {
    let step = sample.split("- task: RotatePat@1").nth(step).expect("a step");
    let lines = step.split_once("inputs:\n").expect("inputs").1.lines();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let deep = lines.clone().next().map(indent).expect("an input");
    let lines = lines.take_while(|line| indent(line) >= deep).filter(|line| !line.trim_start().starts_with('#'));
    let mut inputs: Vec<(&str, String)> = Vec::new();
    for line in lines {
        let plain = line.split(" #").next().unwrap_or_default().trim();
        match inputs.last_mut() {
            Some((_, value)) if indent(line) > deep => *value = format!("{value}{plain}\n"),
            _ => {
                let (name, value) = plain.split_once(": ").expect("a name and a value");
                inputs.push((name, value.trim_start_matches('|').to_owned()));
            }
        }
    }
    inputs.retain(|(name, _)| !["azureSubscription", "refreshTokenSecret"].contains(name));
    let secrets = format!("{}/secrets/", pipeline.sim.origin());
    for (_, value) in &mut inputs {
        *value = value.replace(&format!("keyVault: {VAULT}"), &secrets).replace(VAULT, &secrets);
    }
    inputs
}

/// These inputs, and no others that the harness would add.
fn alone<'a>(inputs: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    let none = [("variable", ""), ("rotateWhenDaysLeft", "")];
    let given = inputs.iter().map(|(name, value)| (*name, value.as_str()));
    none.into_iter().filter(|(name, _)| !inputs.iter().any(|(known, _)| known == name)).chain(given).collect()
}

/// A pipeline whose first Monday, 03:00 UTC, is now.
fn monday() -> Pipeline {
    let pipeline = Pipeline::new();
    let mut world = pipeline.sim.world();
    let now = world.now().to_zoned(TimeZone::UTC);
    let days = (0..8).map(|day| now.date().saturating_add(SignedDuration::from_hours(24 * day)).at(3, 0, 0, 0));
    let monday = days
        .filter_map(|day| day.to_zoned(TimeZone::UTC).ok())
        .find(|day| day.weekday() == Weekday::Monday && *day > now)
        .expect("a Monday");
    world.advance(monday.duration_since(&now));
    let token = world.refresh_token_for("rotator", "pat-rotator");
    world.set_secret(REFRESH, &token, &[]);
    world.app_mut("pat-rotator").delegated.extend(ADMINISTRATION.split(' ').map(str::to_owned));
    drop(world);
    pipeline
}

/// Five weeks of a sample, and of the daily report beside it.
#[expect(clippy::print_stdout, reason = "the table is there to be read")]
fn month(sample: &str, pipeline: &Pipeline, rotate: impl Fn() -> String) {
    let daily = inputs(pipeline, REPORT, 1);
    let daily: Vec<(&str, &str)> = daily.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut table = Vec::new();
    for day in 0..35 {
        let began = pipeline.sim.world().now();
        let rotated = if day % 7 == 0 { rotate() } else { String::new() };
        let until = |hours| (began + SignedDuration::from_hours(hours)).duration_since(pipeline.sim.world().now());
        let rest = until(3);
        pipeline.sim.world().advance(rest);
        let run = report(pipeline, &mut pipeline.next_job(), &daily);
        let said = run.log.lines().find(|line| line.contains(" users: ")).unwrap_or_default();
        let findings: Vec<&str> = run.warnings.iter().map(String::as_str).collect();
        table.push((day, rotated, said.to_owned(), findings.join("; "), run.result));
        let rest = until(24);
        pipeline.sim.world().advance(rest);
    }
    println!("| day | {sample}, 03:00 | report.yml, 06:00 | warnings | result |\n|---:|---|---|---|---|");
    for (day, rotated, said, findings, result) in &table {
        println!("| {} | {rotated} | {said} | {findings} | {result:?} |", day + 1);
    }
    assert!(table.iter().all(|(.., result)| *result == TaskResult::Succeeded), "a report failed");
    assert!(table.iter().all(|(.., findings, _)| findings.is_empty()), "a report warns of a healthy rotation");
    let weeks: Vec<&str> = table.iter().map(|row| row.1.as_str()).filter(|said| !said.is_empty()).collect();
    assert!(weeks.iter().all(|said| said.ends_with("Succeeded")), "{weeks:?}");
    assert!(weeks.iter().any(|said| said.starts_with("rotated")), "{weeks:?}");
}

/// A whole job of a sample's rotating step, in words.
fn rotated(pipeline: &Pipeline, mut job: Job, inputs: &[(&'static str, String)]) -> String {
    let main = pipeline.main(&mut job, &alone(inputs));
    if job.variable_value(VARIABLE).is_some() {
        pipeline.consume_variable("the new consumer", &job);
    }
    pipeline.sim.world().advance(SignedDuration::from_mins(5));
    let post = pipeline.post(&mut job);
    let left = job.variable_value("rotate.daysLeft").unwrap_or("?");
    let did = if job.variable_value("rotate.rotated") == Some("true") { "rotated" } else { "not due" };
    format!("{did}, {left} days left: {:?}", main.result.max(post.result))
}

#[test]
fn a_month_of_rotate_yml_is_green() {
    let pipeline = monday();
    let id = pipeline.add("nuget-publish", 20);
    pipeline.consume("the new consumer", &id);
    let inputs = inputs(&pipeline, ROTATE, 1);
    month("rotate.yml", &pipeline, || rotated(&pipeline, pipeline.next_job(), &inputs));
}

#[test]
fn a_month_of_publish_yml_is_green() {
    let pipeline = monday();
    let id = pipeline.add("nuget-publish", 20);
    several::arrange(&mut pipeline.sim.world(), &id);
    let mut inputs = inputs(&pipeline, PUBLISH, 1);
    for (name, value) in &mut inputs {
        match *name {
            "azureDevOpsServiceConnection" => PUBLISHER.1.clone_into(value),
            // The simulator's second project has no such group.
            "publishTo" => {
                *value = value.lines().filter(|line| !line.contains("Gadgets")).collect::<Vec<_>>().join("\n")
            }
            _ => {}
        }
    }
    month("publish.yml", &pipeline, || {
        let job = pipeline.next_job();
        let publisher = several::publisher(&pipeline.sim.world());
        rotated(&pipeline, job.endpoint(publisher), &inputs)
    });
}

#[test]
fn a_month_of_matrix_yml_is_green() {
    let pipeline = monday();
    let written = inputs(&pipeline, MATRIX, 1);
    // The simulator has one organization whose PAT API answers.
    let legs = [("nuget-publish", "contoso-nuget-pat"), ("agent-registration", "contoso-agent-pat")];
    for (name, secret) in legs {
        assert!(MATRIX.contains(&format!("{{ organization: contoso, patName: {name}, secret: {secret} }}")));
        pipeline.add(name, 20);
    }
    month("matrix.yml", &pipeline, || {
        let legs = legs.map(|(name, secret)| {
            let leg = |value: &str| {
                let value = value.replace("$(organization)", "contoso").replace("$(patName)", name);
                value.replace("$(secret)", secret)
            };
            let inputs: Vec<(&str, String)> = written.iter().map(|(name, value)| (*name, leg(value))).collect();
            rotated(&pipeline, pipeline.next_job().variable("system.jobName", name), &inputs)
        });
        legs.join("; ")
    });
}

#[test]
fn a_month_of_stages_yml_is_green() {
    let pipeline = monday();
    let id = pipeline.add("nuget-publish", 20);
    pipeline.consume("the deployed service", &id);
    let (first, last) = (inputs(&pipeline, STAGES, 1), inputs(&pipeline, STAGES, 2));
    month("stages.yml", &pipeline, || {
        let said = rotated(&pipeline, pipeline.next_job(), &first);
        if !said.starts_with("rotated") {
            return said;
        }
        // An hour of approval, and the deployment.
        pipeline.sim.world().advance(SignedDuration::from_hours(1));
        let deployed = pipeline.sim.world().vault.value("nuget-pat").to_owned();
        let id = pipeline.sim.world().pat_of_secret(&deployed).expect("the vault has it").id.clone();
        pipeline.consume("the deployed service", &id);
        let inputs = pipeline.inputs(&alone(&last));
        let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut job = pipeline.job().variable("system.stageName", "settle").variable("system.jobName", "settle");
        let settled = pipeline.step(&mut job, &Step::new("settle").inputs(&inputs), Interruption::None);
        format!("{said}; settled: {:?}", settled.result)
    });
}
