//! The tokens of everybody in the organization.

use std::collections::BTreeSet;

use crate::harness::pipeline::says;
use crate::report::{Listed, OF_ALL, asked_for, fails_without_a_report, organization, report, tokens_of_all, whole};
use agent::TaskResult;
use simulator::world::Who;
use simulator::{Fault, Op, When, World};

#[test]
fn every_token_of_everybody_is_listed_once_whatever_the_pages_are_like() {
    let pipeline = organization(60);
    let (run, listed) = whole(&pipeline);
    let asked = asked_for(&pipeline.sim);
    assert_eq!(BTreeSet::from_iter(&asked).len(), asked.len(), "somebody was asked for twice");
    assert_eq!(run.error_count, 0, "{}", run.log);

    let world = pipeline.sim.world();
    for person in world.everybody("contoso") {
        for pat in world.pats_of("contoso", &person).iter().filter(|pat| pat.is_valid) {
            let token = listed.token(&pat.id);
            let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
            let whole_second = |time: jiff::Timestamp| time.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            assert_eq!(token["displayName"].as_str().map(str::to_owned), given(&pat.name));
            assert_eq!(token["owner"]["name"].as_str().map(str::to_owned), given(&person.display_name));
            assert_eq!(token["owner"]["mail"].as_str().map(str::to_owned), given(&person.mail));
            assert_eq!(token["owner"]["principalName"], person.principal.as_str());
            assert_eq!(token["scope"], pat.scope.as_str());
            let reaches_all = pat.accounts.as_ref().is_none_or(Vec::is_empty);
            assert_eq!(token["allOrganizations"], reaches_all, "{pat:?}");
            for (field, time) in [("validFrom", pat.valid_from), ("validTo", pat.valid_to)] {
                let told = token[field].as_str().unwrap();
                assert!(told.starts_with(&whole_second(time)) && told.ends_with('Z'), "{field} {told}");
            }
        }
    }
}

#[test]
fn names_that_are_commands_markup_or_nothing_at_all_do_no_harm() {
    let pipeline = organization(90);
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL, ("warnWhenDaysLeft", "365")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    Listed::of(&job).is_whole(&pipeline.sim.world());
    says(&run, &["(no name)"]);
    assert!(!run.log.contains("contains logging command keyword"), "{}", run.log);
    assert!(job.variable_value("PATH").is_none_or(|path| !path.contains("evil")));
    assert!(!run.log.contains('\u{1b}') && !run.log.contains('\u{202e}'), "{}", run.log);
    assert!(run.errors.is_empty(), "{:?}", run.errors);
}

#[test]
fn whoever_leaves_between_the_two_lists_is_counted_and_missing_nowhere() {
    let pipeline = organization(20);
    let leaves = |world: &mut World| {
        for number in [1, 7, 19] {
            world.leave(&Who::Number(number));
        }
    };
    pipeline.sim.inject(Fault::after(leaves), When::nth(Op::ListUsers, 1));
    let (_, listed) = whole(&pipeline);
    assert_eq!(listed.number("ownersGone"), 1, "one of them was on the first page");
}

#[test]
fn an_organization_without_people_is_no_report_for_the_connections_app_either() {
    let pipeline = organization(0);
    {
        let mut world = pipeline.sim.world();
        for user in ["rotator", "alice"] {
            world.user_mut(user).member_of.clear();
        }
        world.members.push("pat-rotator".to_owned());
        world.directory.administrators = vec!["pat-rotator".to_owned()];
        assert!(tokens_of_all(&world).is_empty());
    }
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL, ("refreshTokenSecret", ""), ("failOn", "expiring")]);
    fails_without_a_report(&job, &run, &["the list of users names nobody in"]);
}

#[test]
fn the_connections_app_may_make_the_report_where_it_is_an_administrator() {
    let pipeline = organization(10);
    {
        let mut world = pipeline.sim.world();
        world.members.push("pat-rotator".to_owned());
        world.directory.administrators = vec!["pat-rotator".to_owned()];
    }
    let mut job = pipeline.job();
    let run = report(&pipeline, &mut job, &[OF_ALL, ("refreshTokenSecret", "")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    Listed::of(&job).is_whole(&pipeline.sim.world());
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 0);
}

#[test]
fn a_token_that_has_expired_is_reported_whether_the_list_calls_it_valid_or_not() {
    for expired_are_valid in [false, true] {
        let pipeline = organization(12);
        pipeline.sim.world().directory.expired_are_valid = expired_are_valid;
        let (run, listed) = whole(&pipeline);
        assert!(listed.0["counts"]["expired"].as_u64().unwrap() > 0, "{}", run.log);
    }
}
