//! The tokens of the account that signs in.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use rotate_pat::app::StageExit;
use serde_json::{Value, json};

use crate::harness::in_process::LocalJob;
use crate::harness::local::logs;
use crate::harness::pipeline::{Pipeline, says};
use crate::report::{Listed, fails_without_a_report, own_ids, report, reports_folder};
use agent::TaskResult;
use simulator::{Fault, Op, PatState, Simulator, When, World};

#[test]
fn those_that_work_and_those_that_have_expired_are_listed_and_nobody_elses() {
    let pipeline = Pipeline::with_pat(5);
    {
        let mut world = pipeline.sim.world();
        world.lists_show_other_organizations = false;
        world.add_pat("old").days_left(-3).add();
        world.add_pat("older").days_left(-40).add();
        let revoked = world.add_pat("revoked").days_left(20).add();
        world.revoke(&revoked);
        world.add_pat("of alice").owner("alice").add();
        world.add_pat("elsewhere").organization("fabrikam").add();
        world.add_pat("everywhere").all_orgs().days_left(60).add();
    }
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let listed = Listed::of(&job);
    let world = pipeline.sim.world();
    let mut expected = [own_ids(&world, PatState::Active), own_ids(&world, PatState::Expired)].concat();
    expected.retain(|id| world.pat(id).organization.as_deref() != Some("fabrikam"));
    let ids: Vec<String> = listed.tokens().into_iter().map(|(_, id)| id).collect();
    assert_eq!(ids.len(), 4);
    assert_eq!(BTreeSet::from_iter(&ids), BTreeSet::from_iter(&expected));
    let names: BTreeSet<&str> =
        listed.0["tokens"].as_array().unwrap().iter().map(|token| token["displayName"].as_str().unwrap()).collect();
    assert_eq!(names, BTreeSet::from(["nuget-publish", "old", "older", "everywhere"]));
    assert_eq!(listed.0["tokens"][0]["owner"]["id"], world.user("rotator").identity.as_str());
    assert_eq!(listed.0["tokens"][0]["owner"]["principalName"], world.user("rotator").upn.as_str());
    assert_eq!((listed.number("owners"), listed.0["isPartial"].as_bool()), (1, Some(false)));
    says(&run, &["4 tokens: 1 expired within the last week, 1 expires within 14 days."]);
}

#[test]
fn nothing_is_changed_and_nobody_else_is_asked_for() {
    let pipeline = Pipeline::with_pat(5);
    let before = pipeline.active();
    let run = report(&pipeline, &mut pipeline.job(), &[("warnWhenDaysLeft", "4")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert_eq!(pipeline.active(), before);
    let asked: BTreeSet<Op> = pipeline.sim.transcript().iter().map(|exchange| exchange.op).collect();
    for op in [Op::CreatePat, Op::UpdatePat, Op::RevokePat, Op::ListUsers, Op::ListPatsOfUser] {
        assert!(!asked.contains(&op), "{op:?}");
    }
}

#[test]
fn an_account_without_tokens_is_a_report_without_tokens() {
    let pipeline = Pipeline::new();
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[("failOn", "expiring")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert_eq!(Listed::of(&job).tokens(), []);
    says(&run, &["0 tokens: 0 expired within the last week, 0 expire within 14 days."]);
}

#[test]
fn the_connections_own_token_is_tried_and_its_refusal_explained() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[("refreshTokenSecret", "")]);
    fails_without_a_report(&job, &run, &["could not list the tokens in", "`refreshTokenSecret`"]);
}

#[test]
fn a_run_right_after_the_report_has_nothing_to_settle() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    assert_eq!(report(&pipeline, &mut job, &[]).result, TaskResult::Succeeded);
    pipeline.sim.clear_transcript();
    assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
    assert!(pipeline.sim.transcript().is_empty());
}

#[test]
fn max_minutes_ends_this_report_too() {
    let mut world = World::new();
    world.add_pat("nuget-publish").days_left(5).add();
    let sim = Arc::new(Simulator::start(world));
    sim.inject(Fault::HangBefore, When::every(Op::ListPats));
    let mut job = LocalJob::new(&sim, &[("command", "report"), ("maxMinutes", "1")]);
    job.set("AGENT_TEMPDIRECTORY", reports_folder().to_str().unwrap());
    job.limits.minute = Duration::from_millis(100);
    job.limits.reply = Duration::from_secs(5);
    job.limits.read = Duration::from_secs(5);
    let started = Instant::now();
    assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    logs(&job, &["`maxMinutes`", "Nothing was changed."]);
}

#[test]
fn a_list_that_takes_minutes_is_no_fault_of_the_agents_clock() {
    let mut world = World::new();
    for name in ["one", "two", "three"] {
        world.add_pat(name).days_left(20).add();
        world.add_pat(name).days_left(-2).add();
    }
    let sim = Arc::new(Simulator::start(world));
    let slow = |world: &mut World| world.advance(SignedDuration::from_mins(5));
    sim.inject(Fault::before(slow), When::from(Op::ListPats, 2));
    let mut job = LocalJob::new(&sim, &[("command", "report")]);
    job.set("AGENT_TEMPDIRECTORY", reports_folder().to_str().unwrap());
    assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
    assert!(!job.log().contains("clock"), "{}", job.log());
}

#[test]
fn odd_items_cost_only_themselves_and_are_counted() {
    let mut world = World::new();
    let ids = ["one", "two"].map(|name| world.add_pat(name).days_left(40).add());
    let sim = Arc::new(Simulator::start(world));
    let odd = |body: &str| {
        let mut page: Value = serde_json::from_str(body).unwrap();
        let items = page["patTokens"].as_array_mut().unwrap();
        items.extend([Value::Null, json!([1]), json!({"displayName": 7}), json!({"authorizationId": null})]);
        items.push(json!({"authorizationId": "LONE"}));
        page.to_string().replace("\"LONE\"", "\"\\ud83d\"")
    };
    sim.inject(Fault::Rewritten(odd), When::nth(Op::ListPats, 1));
    let mut job = LocalJob::new(&sim, &[("command", "report"), ("failOn", "expired")]);
    job.set("AGENT_TEMPDIRECTORY", reports_folder().to_str().unwrap());
    assert_eq!(job.main(), StageExit::Failed, "{}", job.log());
    logs(&job, &["this report is partial: 5 tokens on the lists could not be read"]);
    let listed = Listed::read(job.variable("reportFile").unwrap());
    let listed_ids: BTreeSet<String> = listed.tokens().into_iter().map(|(_, id)| id).collect();
    assert_eq!(listed_ids, BTreeSet::from(ids));
    assert_eq!((listed.number("tokensNotRead"), listed.0["isPartial"].as_bool()), (5, Some(true)));
}
