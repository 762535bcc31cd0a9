//! One rotation, from the plan to the retirement.

use crate::agent::TaskResult;
use crate::pipeline::{NAME, Pipeline, VARIABLE};

#[test]
fn the_first_rotation_hands_the_new_pat_to_the_job_and_retires_the_old_one_after_the_job() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[]);
    println!("{}\n{}", main.log, pipeline.sim.transcript_text());
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1]")]);
    assert_eq!(job.variable_value("rotate.rotated"), Some("true"));
    assert_eq!(job.variable_value("rotate.daysLeft"), Some("30"));
    assert!(job.variables().secret(VARIABLE));
    pipeline.consume_variable("the new consumer", &job);

    let post = pipeline.post(&mut job);
    println!("{}\n{}", post.log, pipeline.sim.transcript_text());
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
    pipeline.sim.check();
}
