use super::*;
use crate::model::pat::{OrganizationId, Reach};
use crate::model::scopes::Scopes;
use crate::model::timestamp::Timestamp;

const OWN: u8 = 50;

fn name() -> PatName {
    PatName::parse("nuget-publish").unwrap()
}

fn own_run() -> RunId {
    RunId::parse("100.2-aaaaaaaa").unwrap()
}

fn id(number: u8) -> AuthorizationId {
    AuthorizationId::parse(&format!("{number:08}-0000-0000-0000-000000000000")).unwrap()
}

fn reach(organization: &str) -> Reach {
    Reach::Organizations(vec![OrganizationId::parse(organization).unwrap()])
}

/// Higher numbers are younger.
fn pat(number: u8, marker: &str) -> Pat {
    Pat {
        id: id(number),
        display_name: format!("nuget-publish{marker}"),
        scopes: Scopes::as_listed("vso.code".to_owned()),
        valid_from: Timestamp::from_unix(1_800_000_000 + i64::from(number)).unwrap(),
        valid_to: Timestamp::from_unix(1_900_000_000).unwrap(),
        reach: reach("contoso"),
        unreadable: None,
    }
}

/// What the plan saw: the current one, a dead run's and an older one that is superseded.
fn planned() -> Vec<Pat> {
    vec![
        pat(1, " [superseded 80.1-bbbbbbbb ends 2026-11-25T03:00Z]"),
        pat(2, ""),
        pat(3, " [pending 90.1-bbbbbbbb]"),
        pat(4, " [pending 100.1-aaaaaaaa]"),
    ]
}

fn own() -> Pat {
    pat(OWN, " [pending 100.2-aaaaaaaa]")
}

/// The plan's list and the own one, with these in the place of those with the same id or beside them.
fn listed(changes: impl IntoIterator<Item = Pat>) -> Vec<Pat> {
    let mut listed = planned();
    listed.push(own());
    for change in changes {
        listed.retain(|pat| pat.id != change.id);
        listed.push(change);
    }
    listed
}

fn after(listed: &[Pat]) -> AfterCreate {
    after_create(&name(), &own_run(), &id(OWN), &family(&name(), &planned()), listed)
}

fn before(listed: &[Pat]) -> BeforeCommit {
    before_commit(&name(), &own_run(), &id(OWN), &family(&name(), &planned()), listed)
}

/// Who took over, and what was seen.
fn taken_over(listed: &[Pat]) -> (Option<String>, String) {
    match before(listed) {
        BeforeCommit::TakenOver { seen, by } => (by.map(|run| run.to_string()), seen),
        other => panic!("not taken over: {other:?}"),
    }
}

#[test]
fn after_the_creation_the_plans_list_and_the_own_one_are_clear() {
    assert_eq!(after(&listed([])), AfterCreate::Clear);
}

#[test]
fn the_own_one_may_not_be_listed_yet() {
    assert_eq!(after(&planned()), AfterCreate::NotListedYet);
}

#[test]
fn a_predecessor_merely_gone_is_no_change_after_the_creation() {
    for gone in 1..=4 {
        let mut listed = listed([]);
        listed.retain(|pat| pat.id != id(gone));
        assert_eq!(after(&listed), AfterCreate::Clear, "{gone}");
    }
}

#[test]
fn of_two_pending_ones_the_earlier_wins_and_of_the_same_time_the_lower_id() {
    let same_time = |number| Pat { valid_from: own().valid_from, ..pat(number, " [pending 101.1-bbbbbbbb]") };
    let rival = || AfterCreate::Yield(RunId::parse("101.1-bbbbbbbb").unwrap());
    for (other, expected) in [
        (pat(OWN - 1, " [pending 101.1-bbbbbbbb]"), rival()),
        (pat(OWN + 1, " [pending 101.1-bbbbbbbb]"), AfterCreate::Clear),
        (same_time(OWN - 1), rival()),
        (same_time(OWN + 1), AfterCreate::Clear),
    ] {
        let shown = other.id.clone();
        assert_eq!(after(&listed([other])), expected, "{shown}");
    }
}

#[test]
fn exactly_one_of_any_number_of_overlapping_runs_goes_on() {
    let runs = [(60, "100.2-aaaaaaaa"), (61, "101.1-bbbbbbbb"), (62, "102.1-cccccccc")];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut everything = planned();
        for (place, index) in (1_i64..).zip(order) {
            let (number, run) = runs[index];
            let valid_from = Timestamp::from_unix(1_800_001_000 + place).unwrap();
            everything.push(Pat { valid_from, ..pat(number, &format!(" [pending {run}]")) });
        }
        let winners = runs.iter().filter(|(number, run)| {
            let run = RunId::parse(run).unwrap();
            let verdict = after_create(&name(), &run, &id(*number), &family(&name(), &planned()), &everything);
            verdict == AfterCreate::Clear
        });
        assert_eq!(winners.map(|(number, _)| *number).collect::<Vec<_>>(), [runs[order[0]].0], "{order:?}");
    }
}

#[test]
fn the_same_run_with_another_hash_or_a_later_attempt_is_another_run() {
    for rival in ["100.2-bbbbbbbb", "100.3-aaaaaaaa", "r100.2-aaaaaaaa"] {
        let other = pat(OWN - 1, &format!(" [pending {rival}]"));
        assert_eq!(after(&listed([other])), AfterCreate::Yield(RunId::parse(rival).unwrap()), "{rival}");
    }
}

#[test]
fn any_other_change_since_the_plan_stops_the_run_after_the_creation() {
    for (what, change) in [
        ("a new committed one", pat(60, "")),
        ("a committed one that is older than the own one", pat(40, "")),
        ("a new held one", pat(60, " [held 101.1-bbbbbbbb]")),
        ("a new superseded one", pat(60, " [superseded 101.1-bbbbbbbb ends 2026-11-25T03:00Z]")),
        ("an orphan of this attempt", pat(60, " [pending 100.2-aaaaaaaa]")),
        ("an orphan of an earlier attempt", pat(49, " [pending 100.1-aaaaaaaa]")),
        ("the current one superseded by another run", pat(2, " [superseded 101.1-bbbbbbbb ends 2026-11-25T03:00Z]")),
        ("a dead run's one committed after all", pat(3, "")),
        ("a dead run's one held", pat(3, " [held 90.1-bbbbbbbb]")),
        ("a predecessor renamed out of the name", pat(2, "-in-use")),
    ] {
        let verdict = after(&listed([change]));
        assert!(matches!(verdict, AfterCreate::Changed(_)), "{what}: {verdict:?}");
    }
}

#[test]
fn a_change_outweighs_a_rival() {
    let verdict = after(&listed([pat(OWN - 1, " [pending 101.1-bbbbbbbb]"), pat(60, "")]));
    assert_eq!(verdict, AfterCreate::Changed(format!("\"nuget-publish\" ({}) appeared", id(60))));
}

#[test]
fn other_names_and_those_that_span_all_organizations_are_nobodys_business() {
    let spanning = Pat { reach: Reach::All, ..pat(60, "") };
    let others = [spanning, pat(61, "-other"), pat(62, "-other [pending 101.1-bbbbbbbb]")];
    assert_eq!(after(&listed(others.clone())), AfterCreate::Clear);
    assert_eq!(before(&listed(others)), BeforeCommit::Clear);
}

#[test]
fn before_the_commit_only_what_this_run_superseded_may_differ() {
    let superseded = " [superseded 100.2-aaaaaaaa ends 2026-11-25T03:00Z]";
    assert_eq!(before(&listed([])), BeforeCommit::Clear);
    let all = listed([pat(2, superseded), pat(3, superseded), pat(4, superseded)]);
    assert_eq!(before(&all), BeforeCommit::Clear);
}

#[test]
fn a_predecessor_gone_is_no_change_before_the_commit() {
    for gone in 1..=4 {
        let mut listed = listed([]);
        listed.retain(|pat| pat.id != id(gone));
        assert_eq!(before(&listed), BeforeCommit::Clear, "{gone}");
    }
}

#[test]
fn found_already_committed_the_commit_is_done() {
    let superseded = pat(2, " [superseded 100.2-aaaaaaaa ends 2026-11-25T03:00Z]");
    assert_eq!(before(&listed([superseded, pat(OWN, "")])), BeforeCommit::Done);
}

#[test]
fn the_own_one_must_still_be_pending_by_this_attempt() {
    let mut gone = listed([]);
    gone.retain(|pat| pat.id != id(OWN));
    assert_eq!(taken_over(&gone).0, None);
    for (marker, by) in [
        (" [superseded 101.1-bbbbbbbb ends 2026-11-25T03:00Z]", Some("101.1-bbbbbbbb")),
        (" [held 100.2-aaaaaaaa]", Some("100.2-aaaaaaaa")),
        (" [pending 100.1-aaaaaaaa]", Some("100.1-aaaaaaaa")),
        (" [pending 101.1-bbbbbbbb]", Some("101.1-bbbbbbbb")),
        ("-renamed-by-hand", None),
    ] {
        assert_eq!(taken_over(&listed([pat(OWN, marker)])).0.as_deref(), by, "{marker}");
    }
}

#[test]
fn whatever_bears_the_name_and_was_not_in_the_plan_has_taken_over() {
    for (marker, by) in [
        ("", None),
        (" [pending 101.1-bbbbbbbb]", Some("101.1-bbbbbbbb")),
        (" [pending 100.2-aaaaaaaa]", Some("100.2-aaaaaaaa")),
        (" [held 101.1-bbbbbbbb]", Some("101.1-bbbbbbbb")),
        (" [superseded 100.2-aaaaaaaa ends 2026-11-25T03:00Z]", Some("100.2-aaaaaaaa")),
    ] {
        let (run, seen) = taken_over(&listed([pat(60, marker)]));
        assert_eq!(run.as_deref(), by, "{marker}");
        assert_eq!(seen, format!("\"nuget-publish{marker}\" ({}) appeared since the plan", id(60)));
    }
}

#[test]
fn a_predecessor_that_another_run_renamed_tells_which_run_took_over() {
    for (change, by) in [
        (pat(2, " [superseded 101.1-bbbbbbbb ends 2026-11-25T03:00Z]"), Some("101.1-bbbbbbbb")),
        (pat(2, " [superseded 100.1-aaaaaaaa ends 2026-11-25T03:00Z]"), Some("100.1-aaaaaaaa")),
        (pat(1, " [superseded 80.1-bbbbbbbb ends 2026-11-26T03:00Z]"), Some("80.1-bbbbbbbb")),
        (pat(3, " [held 90.1-bbbbbbbb]"), Some("90.1-bbbbbbbb")),
        (pat(2, " [held 100.2-aaaaaaaa]"), Some("100.2-aaaaaaaa")),
        (pat(3, ""), None),
        (pat(1, ""), None),
    ] {
        let what = change.display_name.clone();
        assert_eq!(taken_over(&listed([change])).0.as_deref(), by, "{what}");
    }
}

#[test]
fn what_was_seen_names_both_the_old_name_and_the_new_one() {
    let (_, seen) = taken_over(&listed([pat(2, " [held 101.1-bbbbbbbb]")]));
    assert_eq!(seen, format!("\"nuget-publish\" is now \"nuget-publish [held 101.1-bbbbbbbb]\" ({})", id(2)));
    let AfterCreate::Changed(seen) = after(&listed([pat(2, "-in-use")])) else { panic!("no change") };
    assert_eq!(seen, format!("\"nuget-publish\" ({}) was renamed to \"nuget-publish-in-use\"", id(2)));
}

#[test]
fn another_organizations_tokens_do_not_stop_a_run() {
    let elsewhere = |marker: &str| Pat { reach: reach("fabrikam"), ..pat(60, marker) };
    for marker in ["", " [pending 70.1-bbbbbbbb]", " [held 70.1-bbbbbbbb]"] {
        assert_eq!(after(&listed([elsewhere(marker)])), AfterCreate::Clear, "{marker}");
        assert_eq!(before(&listed([elsewhere(marker)])), BeforeCommit::Clear, "{marker}");
    }
}

#[test]
fn what_is_replaced_must_be_of_the_new_tokens_organization() {
    let contoso = OrganizationId::parse("contoso").unwrap();
    let fabrikam = OrganizationId::parse("fabrikam").unwrap();
    let planned = family(&name(), &planned());
    for asked in [None, Some(&contoso)] {
        assert_eq!(one_organization(&own(), asked, &planned), Ok(()));
        let spanning = Pat { reach: Reach::All, ..own() };
        assert!(one_organization(&spanning, asked, &planned).is_err());
        let elsewhere = Pat { reach: reach("fabrikam"), ..own() };
        assert!(one_organization(&elsewhere, asked, &planned).is_err());
    }
    assert!(one_organization(&own(), Some(&fabrikam), &planned).is_err());
}
