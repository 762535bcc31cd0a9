use super::*;
use crate::model::pat::Reach;
use crate::model::scopes::Scopes;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MINUTE: Duration = Duration::from_secs(60);
const OWN: &str = " [pending 100.1-aaaaaaaa]";

fn now() -> Timestamp {
    Timestamp::parse("2026-11-24T03:00:00Z").unwrap()
}

fn id(number: u8) -> AuthorizationId {
    AuthorizationId::parse(&format!("{number:08}-0000-0000-0000-000000000000")).unwrap()
}

/// Higher numbers are younger.
fn pat(number: u8, marker: &str) -> Pat {
    Pat {
        id: id(number),
        display_name: format!("nuget-publish{marker}"),
        scopes: Scopes::as_listed("vso.packaging".to_owned()),
        valid_from: now().minus(10 * DAY).plus(u32::from(number) * MINUTE),
        valid_to: now().plus(20 * DAY),
        reach: Reach::Organizations(vec![OrganizationId::parse("contoso").unwrap()]),
        unreadable: None,
    }
}

fn superseded(by: &str, ends: Timestamp) -> String {
    format!(" [superseded {by} ends {}]", ends.to_minute())
}

fn holds(holds: RecordedPat) -> Record {
    Record { destination: "a place".to_owned(), holds }
}

fn decide(markers: &[&str], records: &[Record]) -> SettleDecision {
    let listed: Vec<Pat> = (1..).zip(markers).map(|(number, marker)| pat(number, marker)).collect();
    let (name, run) = (PatName::parse("nuget-publish").unwrap(), RunId::parse("100.1-55555555").unwrap());
    let request = SettleRequest { name: &name, run: &run, replace: None, overlap: DAY };
    plan_settling(&request, &SettleKnown { now: now(), listed: &listed, organization: None, records })
}

fn predecessors(decision: &SettleDecision) -> Vec<&AuthorizationId> {
    match decision {
        SettleDecision::Settle(it) => it.predecessors.iter().map(|m| &m.pat.id).collect(),
        other => panic!("{other}"),
    }
}

fn refusal(decision: SettleDecision) -> SettleRefusal {
    match decision {
        SettleDecision::Refuse(refusal) => refusal,
        other => panic!("{other}"),
    }
}

#[test]
fn everything_older_than_what_the_build_made_is_replaced() {
    let over = superseded("90.1-aaaaaaaa", now());
    let decision = decide(&["", " [held 98.1-aaaaaaaa]", " [pending 99.1-aaaaaaaa]", &over, OWN], &[]);
    assert_eq!(predecessors(&decision), [&id(1), &id(2), &id(3), &id(4)]);
}

#[test]
fn a_later_attempt_of_the_rotating_job_replaces_what_its_earlier_one_left() {
    let decision = decide(&["", OWN, " [pending 100.2-aaaaaaaa]"], &[]);
    assert_eq!(predecessors(&decision), [&id(1), &id(2)]);
    assert!(decision.to_string().starts_with("settle what run 100.2-aaaaaaaa rotated"), "{decision}");
}

#[test]
fn two_of_one_attempt_or_of_two_jobs_are_refused() {
    for second in [OWN, " [pending 100.1-bbbbbbbb]"] {
        assert!(matches!(refusal(decide(&["", OWN, second], &[])), SettleRefusal::SeveralPending(_)), "{second}");
    }
}

#[test]
fn a_newer_one_has_taken_over() {
    let late = superseded("101.1-aaaaaaaa", now().plus(DAY));
    for newer in ["", " [pending 101.1-aaaaaaaa]", " [held 101.1-aaaaaaaa]", &late] {
        assert!(matches!(refusal(decide(&["", OWN, newer], &[])), SettleRefusal::TakenOver(_)), "{newer}");
    }
}

#[test]
fn a_place_must_hold_what_the_build_made_and_it_must_work() {
    for (record, is_fine) in [
        (RecordedPat::Unrecorded, true),
        (RecordedPat::Pat(id(2)), true),
        (RecordedPat::Pat(id(1)), false),
        (RecordedPat::Nothing, false),
        (RecordedPat::NoLongerValid(id(2)), false),
    ] {
        let decision = decide(&["", OWN], &[holds(record.clone())]);
        assert_eq!(matches!(decision, SettleDecision::Settle(_)), is_fine, "{record:?}: {decision}");
    }
}

#[test]
fn what_an_earlier_try_superseded_is_left_alone_until_its_commit_can_no_longer_arrive() {
    for (ago, is_early) in [(MINUTE, true), (14 * MINUTE, true), (16 * MINUTE, false)] {
        let by_own = superseded("100.1-aaaaaaaa", now().minus(ago).plus(DAY));
        let decision = decide(&[&by_own, OWN], &[]);
        let is_refused = matches!(decision, SettleDecision::Refuse(SettleRefusal::EarlierTry(..)));
        assert_eq!(is_refused, is_early, "{ago:?}: {decision}");
    }
}

#[test]
fn nothing_is_left_to_do_only_where_a_mark_or_every_record_shows_it() {
    let by_own = superseded("100.1-aaaaaaaa", now());
    let of_another = superseded("99.1-aaaaaaaa", now());
    let recorded = [holds(RecordedPat::Unrecorded), holds(RecordedPat::Pat(id(2)))];
    let unrecorded = [holds(RecordedPat::Unrecorded)];
    let elsewhere = [holds(RecordedPat::Pat(id(1)))];
    for (markers, records, is_settled) in [
        ([by_own.as_str(), ""], &[][..], true),
        ([&of_another, ""], &[], false),
        ([&of_another, ""], &recorded, true),
        ([&of_another, ""], &unrecorded, false),
        ([&of_another, ""], &elsewhere, false),
        // The mark is on a newer one than the committed: it was brought back by hand.
        (["", by_own.as_str()], &[], false),
    ] {
        let decision = decide(&markers, records);
        assert_eq!(matches!(decision, SettleDecision::Settled { .. }), is_settled, "{markers:?}: {decision}");
    }
}

#[test]
fn a_second_committed_one_needs_a_choice() {
    let refused = refusal(decide(&["", "", OWN], &[]));
    assert_eq!(refused, SettleRefusal::Rotation(Refusal::SeveralCommitted(vec![id(1), id(2)])));
    let gone = refusal(decide(&["", " [held 100.1-aaaaaaaa]"], &[]));
    assert!(matches!(gone, SettleRefusal::Held(_)));
    assert!(matches!(refusal(decide(&[""], &[])), SettleRefusal::NothingPending(..)));
}
