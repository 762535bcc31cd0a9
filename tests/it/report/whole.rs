//! A report is whole, or says what it lacks: replies that would make it look whole when it is not.

use rotate_pat::app::StageExit;
use serde_json::{Value, json};

use crate::harness::in_process::LocalJob;
use crate::harness::local::logs;
use crate::harness::pipeline::says;
use crate::report::{Listed, OF_ALL, fails_without_a_report, local, organization, report};
use agent::TaskResult;
use simulator::{Fault, Op, When};

#[track_caller]
fn succeeded(job: &mut LocalJob) -> Listed {
    assert_eq!(job.main(), StageExit::Succeeded, "{}", job.log());
    Listed::read(job.variable("reportFile").unwrap())
}

#[test]
fn not_found_on_a_later_page_drops_nothing_in_silence() {
    let (sim, mut job) = local(0, &[]);
    for name in ["one", "two"] {
        sim.world().add_pat(name).owner("alice").days_left(40).add();
    }
    let alice = sim.world().everybody("contoso").find(|person| person.principal.starts_with("alice")).unwrap();
    sim.inject(Fault::Status(404), When::about(Op::ListPatsOfUser, &alice.descriptor).after(1));
    let listed = succeeded(&mut job);
    assert_eq!((listed.number("ownersGone"), listed.number("ownersNotRead")), (0, 1), "{}", job.log());
    assert_eq!(listed.0["isPartial"], true);
}

#[test]
fn only_the_services_own_404_means_that_a_user_has_left() {
    let (sim, mut job) = local(20, &[]);
    let victim = sim.world().everybody("contoso").nth(9).unwrap().descriptor;
    sim.inject(Fault::Gateway(404), When::about(Op::ListPatsOfUser, &victim));
    let listed = succeeded(&mut job);
    assert_eq!((listed.number("ownersGone"), listed.number("ownersNotRead")), (0, 1), "{}", job.log());
}

#[test]
fn a_continuation_that_is_not_ascii_does_not_end_the_list_of_users() {
    let (sim, mut job) = local(20, &[]);
    (sim.world().directory.page_size, sim.world().directory.repeats) = (10, false);
    sim.inject(Fault::Header("X-MS-ContinuationToken", "n\u{e4}chste".to_owned()), When::nth(Op::ListUsers, 1));
    succeeded(&mut job).is_a_part(&sim.world(), "the list of users could not be read to its end");
}

#[test]
fn a_list_that_names_nobody_is_no_report() {
    let pipeline = organization(3);
    let nobody = |_: &str| json!({"count": 0, "value": []}).to_string();
    pipeline.sim.inject(Fault::Rewritten(nobody), When::every(Op::ListUsers));
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL, ("failOn", "expiring")]);
    fails_without_a_report(&job, &run, &["the list of users names nobody"]);
}

#[test]
fn a_list_without_whoever_asks_for_it_is_not_whole() {
    let (sim, mut job) = local(20, &[]);
    let without_caller = |body: &str| {
        let mut page: Value = serde_json::from_str(body).unwrap();
        page["value"].as_array_mut().unwrap().retain(|user| user["principalName"] != "rotator@contoso.onmicrosoft.com");
        page.to_string()
    };
    sim.inject(Fault::Rewritten(without_caller), When::every(Op::ListUsers));
    succeeded(&mut job).is_a_part(&sim.world(), "the account that signed in is not on the list of users");
}

/// What is done to each page's items.
fn each(body: &str, change: impl Fn(usize, &mut Value)) -> String {
    let mut page: Value = serde_json::from_str(body).unwrap();
    let items = page["value"].as_array_mut().unwrap();
    items.iter_mut().enumerate().for_each(|(at, item)| change(at, item));
    page.to_string()
}

#[test]
fn a_user_without_a_descriptor_is_counted_as_not_read() {
    let (sim, mut job) = local(20, &[]);
    sim.world().directory.page_size = 200;
    let nameless = |body: &str| {
        each(body, |at, user| {
            if at == 1 {
                user["descriptor"] = Value::Null;
            }
        })
    };
    sim.inject(Fault::Rewritten(nameless), When::nth(Op::ListUsers, 1));
    let listed = succeeded(&mut job);
    assert_eq!(listed.number("ownersNotRead"), 1, "{}", job.log());
    logs(&job, &["this report is partial: the tokens of 1 user could not be read", "no descriptor"]);
}

#[test]
fn odd_users_cost_only_themselves() {
    let (sim, mut job) = local(20, &[]);
    sim.world().directory.page_size = 200;
    let odd = |body: &str| {
        let page = each(body, |at, user| match at {
            0 => *user = Value::Null,
            1 => user["displayName"] = json!(7),
            _ => user["displayName"] = json!("LONE"),
        });
        page.replace("\"LONE\"", "\"\\ud83d\"")
    };
    sim.inject(Fault::Rewritten(odd), When::nth(Op::ListUsers, 1));
    let listed = succeeded(&mut job);
    assert_eq!((listed.number("owners"), listed.number("ownersNotRead")), (21, 1), "{}", job.log());
}

#[test]
fn odd_tokens_cost_only_themselves_and_are_counted() {
    let (sim, mut job) = local(0, &[]);
    for name in ["one", "two"] {
        sim.world().add_pat(name).owner("alice").days_left(40).add();
    }
    let odd = |body: &str| {
        let page = each(body, |at, token| match at {
            0 => *token = json!([1]),
            _ => {
                token["displayName"] = json!("LONE");
                token["authorizationId"] = Value::Null;
            }
        });
        page.replace("\"LONE\"", "\"\\ud83d\"")
    };
    let alice = sim.world().everybody("contoso").find(|person| person.principal.starts_with("alice")).unwrap();
    sim.inject(Fault::Rewritten(odd), When::about(Op::ListPatsOfUser, &alice.descriptor));
    let listed = succeeded(&mut job);
    assert_eq!((listed.number("ownersNotRead"), listed.number("tokensNotRead")), (0, 2), "{}", job.log());
    assert_eq!(listed.number("tokenCount"), 2, "the rotator's and one of alice");
    assert_eq!(listed.0["isPartial"], true);
    logs(&job, &["this report is partial: 2 tokens on the lists could not be read"]);
}

#[test]
fn an_end_that_cannot_be_read_leaves_fail_on_unanswered() {
    let pipeline = organization(3);
    let odd = |body: &str| each(body, |_, token| token["validTo"] = json!("tomorrow"));
    pipeline.sim.inject(Fault::Rewritten(odd), When::every(Op::ListPatsOfUser));
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL, ("failOn", "expired"), ("warnWhenDaysLeft", "0")]);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(&run, &["this report is partial", "could not be read"]);
    assert_eq!(Listed::of(&job).0["isPartial"], true);
}

#[test]
fn a_token_dated_beyond_any_calendar_never_expires() {
    let (sim, mut job) = local(0, &[("failOn", "expiring"), ("warnWhenDaysLeft", "2")]);
    let forever = |body: &str| each(body, |_, token| token["validTo"] = json!("9999-12-31T23:59:59.9999999"));
    sim.inject(Fault::Rewritten(forever), When::every(Op::ListPatsOfUser));
    let listed = succeeded(&mut job);
    for token in listed.0["tokens"].as_array().unwrap() {
        assert_eq!((&token["validTo"], &token["daysLeft"]), (&Value::Null, &Value::Null));
        assert_eq!(token["findings"], json!(["longLived"]));
    }
    logs(&job, &["never"]);
}

#[test]
fn a_revoked_token_is_left_out_also_after_its_end() {
    let (sim, mut job) = local(0, &[]);
    {
        let mut world = sim.world();
        world.directory.expired_are_valid = true;
        let revoked = world.add_pat("revoked").owner("alice").valid_days_ago(33).days_left(-3).add();
        world.revoke(&revoked);
        world.add_pat("over").owner("alice").valid_days_ago(33).days_left(-3).add();
    }
    let listed = succeeded(&mut job);
    let names: Vec<&str> =
        listed.0["tokens"].as_array().unwrap().iter().filter_map(|token| token["displayName"].as_str()).collect();
    assert!(names.contains(&"over") && !names.contains(&"revoked"), "{names:?}");
    assert_eq!(job.variable("expiredCount"), Some("1"));
}

#[test]
fn a_pending_token_is_left_over_after_six_hours_and_not_before() {
    for (hours, findings) in [(1, json!([])), (7, json!(["leftover"]))] {
        let (sim, mut job) = local(0, &[("warnWhenDaysLeft", "60")]);
        let id = {
            let mut world = sim.world();
            let id = world.add_pat("x [pending 101.1-0a1b2c3d]").valid_days_ago(0).days_left(30).add();
            world.pat_mut(&id).valid_from -= jiff::SignedDuration::from_hours(hours);
            id
        };
        let listed = succeeded(&mut job);
        let found = &listed.token(&id)["findings"];
        assert!(found == &findings || hours == 7 && found == &json!(["expiring", "leftover"]), "{hours}: {found}");
    }
}
