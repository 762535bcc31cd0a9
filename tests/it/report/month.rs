//! The shipped samples side by side, as a team has them that copied them: a month, day by day.

use jiff::SignedDuration;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::harness::pipeline::{Pipeline, REFRESH};
use crate::report::{ADMINISTRATION, report};
use agent::TaskResult;

const ROTATE: &str = include_str!("../../../pipelines/rotate.yml");
const REPORT: &str = include_str!("../../../pipelines/report.yml");

/// The inputs of a sample's step as written, but for where the simulator has the vault and the connection.
fn inputs(sample: &'static str) -> Vec<(&'static str, &'static str)> {
    let step = sample.split_once("- task: RotatePat@1").expect("a step").1;
    let lines = step.split_once("inputs:\n").expect("inputs").1.lines();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let deep = lines.clone().next().map(indent).expect("an input");
    let lines = lines.take_while(|line| indent(line) >= deep).filter(|line| !line.trim_start().starts_with('#'));
    let pairs = lines.map(|line| line.trim().split_once(": ").expect("a name and a value"));
    let plain = pairs.map(|(name, value)| (name, value.split(" #").next().unwrap_or_default().trim()));
    plain.filter(|(name, _)| !["azureSubscription", "refreshTokenSecret"].contains(name)).collect()
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is there to be read")]
fn a_month_of_the_shipped_samples_is_green() {
    let pipeline = Pipeline::new();
    // The first Monday at 03:00 UTC from now, when the sample rotates.
    {
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
    }
    let id = pipeline.add("nuget-publish", 20);
    pipeline.consume("the new consumer", &id);
    let (rotate, daily) = (inputs(ROTATE), inputs(REPORT));

    let mut table = Vec::new();
    for day in 0..35 {
        let mut rotated = String::new();
        if day % 7 == 0 {
            let mut job = pipeline.next_job();
            let main = pipeline.main(&mut job, &rotate);
            if job.variable_value("rotate.rotated") == Some("true") {
                pipeline.consume_variable("the new consumer", &job);
            }
            pipeline.sim.world().advance(SignedDuration::from_mins(5));
            let post = pipeline.post(&mut job);
            let left = job.variable_value("rotate.daysLeft").unwrap_or("?");
            let did = if job.variable_value("rotate.rotated") == Some("true") { "rotated" } else { "not due" };
            rotated = format!("{did}, {left} days left: {:?}", main.result.max(post.result));
        }
        pipeline.sim.world().advance(SignedDuration::from_mins(if day % 7 == 0 { 175 } else { 180 }));
        let mut job = pipeline.next_job();
        let run = report(&pipeline, &mut job, &daily);
        let said = run.log.lines().find(|line| line.contains(" users: ")).unwrap_or_default();
        let findings: Vec<&str> = run.warnings.iter().map(String::as_str).collect();
        table.push((day, rotated, said.to_owned(), findings.join("; "), run.result));
        pipeline.sim.world().advance(SignedDuration::from_hours(21));
    }
    println!("| day | rotate.yml, 03:00 | report.yml, 06:00 | warnings | result |\n|---:|---|---|---|---|");
    for (day, rotated, said, findings, result) in &table {
        println!("| {} | {rotated} | {said} | {findings} | {result:?} |", day + 1);
    }
    assert!(table.iter().all(|(.., result)| *result == TaskResult::Succeeded), "a report failed");
    assert!(table.iter().all(|(.., findings, _)| findings.is_empty()), "a report warns of a healthy rotation");
    let weeks: Vec<&str> = table.iter().map(|row| row.1.as_str()).filter(|said| !said.is_empty()).collect();
    assert!(weeks.iter().all(|said| said.ends_with("Succeeded")), "{weeks:?}");
    assert!(weeks.iter().any(|said| said.starts_with("rotated")), "{weeks:?}");
}
