use super::*;
use crate::model::pat::Reach;
use crate::model::run_id::BuildState;

#[path = "plan_words_tests.rs"]
mod display;
#[path = "plan_properties_tests.rs"]
mod properties;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SECOND: Duration = Duration::from_secs(1);
const VAULT: &str = "secret \"nuget-pat\" in vault \"contoso-kv\"";

fn now() -> Timestamp {
    Timestamp::parse("2026-11-24T03:00:00Z").unwrap()
}

fn id(number: u8) -> AuthorizationId {
    AuthorizationId::parse(&format!("{number:08}-0000-0000-0000-000000000000")).unwrap()
}

fn organization(id: &str) -> OrganizationId {
    OrganizationId::parse(id).unwrap()
}

fn reach(id: &str) -> Reach {
    Reach::Organizations(vec![organization(id)])
}

fn run(text: &str) -> RunId {
    RunId::parse(text).unwrap()
}

/// What a run meets: it is `100.2-aaaaaaaa`, its time is [`now`], and it rotates at 7 days left.
struct Scene {
    request: RotationRequest,
    listed: Vec<Pat>,
    liveness: BTreeMap<String, Liveness>,
    records: Vec<Record>,
}

impl Scene {
    fn empty() -> Self {
        let request = RotationRequest {
            name: PatName::parse("nuget-publish").unwrap(),
            run: run("100.2-aaaaaaaa"),
            rotate_when: RotateWhen::DaysLeft(7),
            replace: None,
            scopes: None,
            valid_for_days: 30,
            create_if_missing: false,
            overlap: DAY,
            places: vec![VAULT.to_owned(), "job variable \"NUGET_PAT\"".to_owned()],
            retire_when: "once the job has succeeded".to_owned(),
        };
        Self { request, listed: Vec::new(), liveness: BTreeMap::new(), records: Vec::new() }
    }

    /// One committed, number 1, with 60 days left: nothing is due.
    fn calm() -> Self {
        Self::empty().has(1, "")
    }

    /// Higher numbers are younger.
    fn has(mut self, number: u8, marker: &str) -> Self {
        self.listed.push(Pat {
            id: id(number),
            display_name: format!("nuget-publish{marker}"),
            scopes: Scopes::as_listed(format!("vso.scope{number}")),
            valid_from: now().minus(30 * DAY).plus(u32::from(number) * HOUR),
            valid_to: now().plus(60 * DAY),
            reach: reach("contoso"),
            unreadable: None,
        });
        self
    }

    fn last(mut self, change: impl FnOnce(&mut Pat)) -> Self {
        change(self.listed.last_mut().unwrap());
        self
    }

    fn with(mut self, change: impl FnOnce(&mut RotationRequest)) -> Self {
        change(&mut self.request);
        self
    }

    fn where_run(mut self, run: &str, is: Liveness) -> Self {
        self.liveness.insert(run.to_owned(), is);
        self
    }

    fn where_vault(mut self, holds: RecordedPat) -> Self {
        self.records.push(Record { destination: VAULT.to_owned(), holds });
        self
    }

    fn plan(&self) -> Plan {
        self.plan_in(Some(&organization("contoso")))
    }

    fn plan_in(&self, organization: Option<&OrganizationId>) -> Plan {
        let Self { request, listed, liveness, records } = self;
        plan(request, &Known { now: now(), listed, organization, liveness, records })
    }

    fn rotation(&self) -> Rotation {
        match self.plan().decision {
            Decision::Rotate(rotation) => rotation,
            other => panic!("no rotation: {other:?}"),
        }
    }

    fn rest(&self) -> UpToDate {
        match self.plan().decision {
            Decision::UpToDate(rest) => rest,
            other => panic!("no rest: {other:?}"),
        }
    }

    fn refusal(&self) -> Refusal {
        match self.plan().decision {
            Decision::Refuse(refusal) => refusal,
            other => panic!("no refusal: {other:?}"),
        }
    }

    fn is_due(&self) -> bool {
        matches!(self.plan().decision, Decision::Rotate(_))
    }
}

fn ids(members: &[NamedPat]) -> Vec<AuthorizationId> {
    members.iter().map(|m| m.pat.id.clone()).collect()
}

#[test]
fn one_committed_with_more_days_left_than_the_limit_is_not_due() {
    let rest = Scene::calm().rest();
    assert_eq!(rest.current.pat.id, id(1));
    assert_eq!((rest.clean, rest.waiting_for), (vec![], None));
}

#[test]
fn a_run_is_due_when_the_days_left_are_at_most_the_limit() {
    for (limit, left, is_due) in [
        (7, 7 * DAY + SECOND, false),
        (7, 7 * DAY, true),
        (7, 7 * DAY - SECOND, true),
        (1, DAY + SECOND, false),
        (1, DAY, true),
        (0, SECOND, false),
        (0, Duration::ZERO, true),
        (365, 365 * DAY + SECOND, false),
        (365, 365 * DAY, true),
    ] {
        let scene = Scene::calm().with(|request| request.rotate_when = RotateWhen::DaysLeft(limit));
        assert_eq!(scene.last(|pat| pat.valid_to = now().plus(left)).is_due(), is_due, "{limit} {left:?}");
    }
}

#[test]
fn always_makes_every_run_due() {
    let scene = Scene::calm().with(|request| request.rotate_when = RotateWhen::Always);
    assert_eq!(scene.rotation().reasons, ["every run rotates, as `rotateWhenDaysLeft` is `always`"]);
}

#[test]
fn days_left_are_those_of_the_committed_one_and_never_of_the_longest_lived() {
    for longer in ["", " [held 90.1-bbbbbbbb]", " [superseded 90.1-bbbbbbbb ends 2026-11-25T03:00Z]"] {
        let scene = Scene::empty().has(1, "").last(|pat| pat.valid_to = now().plus(3 * DAY)).has(2, longer);
        let reasons = scene.with(|request| request.replace = Some(id(1))).rotation().reasons;
        assert_eq!(reasons[0], "3 days left, and `rotateWhenDaysLeft` is 7", "{longer}");
    }
}

#[test]
fn a_run_is_due_unless_exactly_one_is_committed() {
    let leftover = " [superseded 90.1-bbbbbbbb ends 2026-11-25T03:00Z]";
    let none = Scene::empty().has(1, leftover).rotation();
    assert_eq!(none.reasons, ["none is committed: an earlier run did not finish"]);
    assert_eq!(none.current, None);
    let two = Scene::calm().has(2, "").with(|request| request.replace = Some(id(2))).rotation();
    assert_eq!(two.reasons, ["2 are committed, and `replaceAuthorizationId` chooses one"]);
    assert!(!Scene::calm().has(2, leftover).is_due());
}

#[test]
fn a_pending_or_held_one_makes_a_run_due_and_a_superseded_one_never_does() {
    for (marker, is_due) in [
        (" [pending 90.1-bbbbbbbb]", true),
        (" [held 90.1-bbbbbbbb]", true),
        (" [held 100.2-aaaaaaaa]", true),
        (" [superseded 90.1-bbbbbbbb ends 2026-11-24T02:59Z]", false),
        (" [superseded 90.1-bbbbbbbb ends 2026-11-25T03:00Z]", false),
        (" [superseded 100.1-aaaaaaaa ends 2026-11-25T03:00Z]", false),
        ("-of-another-name", false),
    ] {
        let scene = Scene::calm().has(2, marker).where_run("90", Liveness::Dead);
        assert_eq!(scene.is_due(), is_due, "{marker}");
    }
}

#[test]
fn another_runs_pending_one_is_alive_as_its_run_is_and_where_that_is_unknown_until_six_hours_old() {
    use Liveness::{Alive, Dead, Unknown};
    for (liveness, age, is_alive) in [
        (Some(Dead), Duration::ZERO, false),
        (Some(Alive), 7 * HOUR, true),
        (Some(Unknown), 6 * HOUR - SECOND, true),
        (Some(Unknown), 6 * HOUR, false),
        (Some(Unknown), 6 * HOUR + SECOND, false),
        (None, 6 * HOUR - SECOND, true),
        (None, 6 * HOUR, false),
    ] {
        let mut scene = Scene::calm().has(2, " [pending 90.1-bbbbbbbb]").last(|pat| pat.valid_from = now().minus(age));
        scene.liveness.extend(liveness.map(|is| ("90".to_owned(), is)));
        assert_eq!(!scene.is_due(), is_alive, "{liveness:?} {age:?}");
    }
}

#[test]
fn a_pending_one_from_a_clock_that_is_ahead_counts_as_young() {
    let scene = Scene::calm().has(2, " [pending r90.1-bbbbbbbb]").last(|pat| pat.valid_from = now().plus(HOUR));
    assert_eq!(scene.rest().waiting_for, Some(run("r90.1-bbbbbbbb")));
}

#[test]
fn own_is_only_the_same_run_and_hash_at_no_later_attempt() {
    for (pending, is_own) in [
        ("100.1-aaaaaaaa", true),
        ("100.2-aaaaaaaa", true),
        ("100.3-aaaaaaaa", false),
        ("100.2-bbbbbbbb", false),
        ("99.2-aaaaaaaa", false),
        ("r100.2-aaaaaaaa", false),
    ] {
        let mut scene = Scene::calm().has(2, &format!(" [pending {pending}]"));
        scene.liveness.insert(run(pending).run, Liveness::Alive);
        assert_eq!(scene.is_due(), is_own, "{pending}");
        assert_eq!(runs_to_ask(&scene.request, &scene.listed).is_empty(), is_own, "{pending}");
        if is_own {
            assert_eq!(ids(&scene.rotation().predecessors), [id(1), id(2)], "{pending}");
        }
    }
}

#[test]
fn each_other_run_with_a_pending_one_is_asked_for_once() {
    let scene = Scene::calm()
        .has(2, " [pending 90.1-bbbbbbbb]")
        .has(3, " [pending 90.1-cccccccc]")
        .has(4, " [pending r7.1-dddddddd]")
        .has(5, " [pending 100.1-aaaaaaaa]")
        .has(6, " [held 91.1-bbbbbbbb]")
        .has(7, "2 [pending 92.1-bbbbbbbb]");
    let asked: Vec<String> = runs_to_ask(&scene.request, &scene.listed).into_iter().map(|run| run.run).collect();
    assert_eq!(asked, ["90", "r7"]);
}

#[test]
fn beside_a_run_at_work_a_run_with_nothing_else_due_rests_and_any_other_refuses() {
    let scene = || Scene::calm().has(2, " [pending 90.1-bbbbbbbb]").where_run("90", Liveness::Alive);
    let rival = run("90.1-bbbbbbbb");
    assert_eq!(scene().rest().waiting_for, Some(rival.clone()));
    for (otherwise_due, scene) in [
        ("no limit", scene().with(|request| request.rotate_when = RotateWhen::Always)),
        ("days left", scene().with(|request| request.rotate_when = RotateWhen::DaysLeft(60))),
        ("held", scene().has(3, " [held 80.1-bbbbbbbb]")),
        ("own pending", scene().has(3, " [pending 100.1-aaaaaaaa]")),
        ("dead pending", scene().has(3, " [pending 80.1-bbbbbbbb]").where_run("80", Liveness::Dead)),
        ("record", scene().where_vault(RecordedPat::Pat(id(3)))),
        ("several committed", scene().has(3, "").with(|request| request.replace = Some(id(1)))),
    ] {
        assert_eq!(scene.refusal(), Refusal::RivalAlive(rival.clone(), Some(60)), "{otherwise_due}");
    }
    let first = Scene::empty().has(2, " [pending 90.1-bbbbbbbb]").where_run("90", Liveness::Alive);
    assert_eq!(first.with(|request| request.create_if_missing = true).refusal(), Refusal::RivalAlive(rival, None));
}

#[test]
fn of_two_rivals_one_alive_is_enough_and_the_older_is_named() {
    let scene = || Scene::calm().has(3, " [pending 91.1-bbbbbbbb]").has(2, " [pending 90.1-bbbbbbbb]");
    for (older, younger, named) in [
        (Liveness::Alive, Liveness::Alive, "90.1-bbbbbbbb"),
        (Liveness::Alive, Liveness::Dead, "90.1-bbbbbbbb"),
        (Liveness::Dead, Liveness::Alive, "91.1-bbbbbbbb"),
    ] {
        let scene = scene().where_run("90", older).where_run("91", younger);
        let scene = scene.with(|request| request.rotate_when = RotateWhen::Always);
        assert_eq!(scene.refusal(), Refusal::RivalAlive(run(named), Some(60)));
    }
    let dead = scene().where_run("90", Liveness::Dead).where_run("91", Liveness::Dead);
    assert_eq!(ids(&dead.rotation().predecessors), [id(1), id(2), id(3)]);
}

#[test]
fn several_committed_are_refused_until_one_is_chosen() {
    let scene = Scene::calm().has(2, "").has(3, " [held 90.1-bbbbbbbb]");
    assert_eq!(scene.refusal(), Refusal::SeveralCommitted(vec![id(1), id(2)]));
    let scene = scene.with(|request| request.replace = Some(id(2)));
    let rotation = scene.rotation();
    assert_eq!(rotation.current.map(|m| m.pat.id), Some(id(2)));
    assert_eq!(rotation.scopes.as_str(), "vso.scope2");
    assert_eq!(ids(&rotation.predecessors), [id(2), id(3)]);
    assert_eq!(ids(&rotation.listed), [id(1), id(2), id(3)]);
    assert!(scene.plan().notes[0].contains("rename or revoke it by hand"), "{:?}", scene.plan().notes);
}

#[test]
fn the_one_not_chosen_by_a_run_that_was_cut_off_before_its_commit_is_not_replaced_by_the_next() {
    let superseded = " [superseded 90.1-bbbbbbbb ends 2026-11-25T03:00Z]";
    for left in [" [pending 90.1-bbbbbbbb]", " [held 90.1-bbbbbbbb]"] {
        let scene = || Scene::empty().has(1, superseded).has(2, "").has(3, left).where_run("90", Liveness::Dead);
        let rotation = scene().rotation();
        assert_eq!((rotation.current, rotation.scopes.as_str()), (None, "vso.scope3"), "{left}");
        assert_eq!(
            (ids(&rotation.predecessors), ids(&rotation.listed)),
            (vec![id(1), id(3)], vec![id(1), id(2), id(3)])
        );
        assert!(scene().plan().notes[0].contains("rename or revoke it by hand"), "{:?}", scene().plan().notes);
        let chosen = scene().with(|request| request.replace = Some(id(2))).rotation();
        assert_eq!(ids(&chosen.predecessors), [id(2), id(1), id(3)], "{left}");
    }
}

#[test]
fn one_that_is_committed_after_all_is_replaced() {
    let by = |run: &str| format!(" [superseded {run} ends 2026-11-25T03:00Z]");
    let committed = |left: &str| Scene::empty().has(1, &by("90.1-bbbbbbbb")).has(2, "").has(3, left);
    let of_a_later_run = committed(" [held 91.1-bbbbbbbb]");
    assert_eq!(of_a_later_run.rotation().current.map(|m| m.pat.id), Some(id(2)));
    let minutes = |count: u64| Duration::from_secs(60 * count);
    for after in [Duration::ZERO, minutes(8)] {
        let made = |pat: &mut Pat| pat.valid_from = now().minus(minutes(2));
        let arrived = Scene::empty().has(1, &by("90.1-bbbbbbbb")).has(2, "").last(made);
        let arrived = arrived.has(3, " [pending 90.1-bbbbbbbb]").where_run("90", Liveness::Dead);
        let arrived = arrived.last(|pat| pat.valid_from = now().plus(after));
        let current = arrived.rotation().current.map(|m| m.pat.id);
        assert_eq!(current, Some(id(2)), "a creation that arrives {after:?} after the marking");
    }
}

#[test]
fn what_a_lost_reply_left_and_no_list_showed_until_the_commit_is_replaced_with_the_committed_one() {
    let scene = Scene::empty().has(1, " [superseded 90.1-bbbbbbbb ends 2026-11-25T03:00Z]");
    let scene = scene.has(2, " [pending 90.1-bbbbbbbb]").has(3, "").where_run("90", Liveness::Dead);
    assert_eq!(ids(&scene.rotation().predecessors), [id(3), id(1), id(2)]);
}

#[test]
fn a_choice_that_is_gone_or_not_committed_is_ignored_with_a_note() {
    for gone in [9, 2] {
        let scene = Scene::calm().has(2, " [superseded 90.1-bbbbbbbb ends 2026-11-25T03:00Z]");
        let scene = scene.with(|request| request.replace = Some(id(gone)));
        assert_eq!(scene.rest().current.pat.id, id(1));
        let note = format!("`replaceAuthorizationId` {} is not a committed \"nuget-publish\": ignored", id(gone));
        assert_eq!(scene.plan().notes, [note]);
    }
    let several = Scene::calm().has(2, "").with(|request| request.replace = Some(id(9)));
    assert_eq!(several.refusal(), Refusal::SeveralCommitted(vec![id(1), id(2)]));
    assert_eq!(several.plan().notes.len(), 1);
}

#[test]
fn with_none_committed_the_newest_leftover_lends_its_scopes() {
    let leftovers =
        [" [superseded 90.1-bbbbbbbb ends 2026-11-25T03:00Z]", " [held 90.1-bbbbbbbb]", " [pending 90.1-bbbbbbbb]"];
    for newest in leftovers {
        let [older, oldest] = leftovers.into_iter().filter(|marker| *marker != newest).collect::<Vec<_>>()[..] else {
            panic!("three leftovers");
        };
        let scene = Scene::empty().has(3, newest).has(1, oldest).has(2, older).where_run("90", Liveness::Dead);
        let rotation = scene.rotation();
        assert_eq!(rotation.scopes.as_str(), "vso.scope3", "{newest}");
        assert_eq!(ids(&rotation.predecessors), [id(1), id(2), id(3)]);
    }
}

#[test]
fn scopes_are_those_asked_for_and_else_those_of_the_one_replaced() {
    let scene = Scene::calm().has(2, " [held 90.1-bbbbbbbb]");
    assert_eq!(scene.rotation().scopes.as_str(), "vso.scope1");
    let asked = Scopes::parse("vso.code").unwrap();
    assert_eq!(scene.with(|request| request.scopes = Some(asked.clone())).rotation().scopes, asked);
}

#[test]
fn those_that_span_all_organizations_are_reported_and_neither_counted_nor_replaced() {
    for marker in ["", " [pending 90.1-bbbbbbbb]", " [held 90.1-bbbbbbbb]"] {
        let scene = Scene::calm().has(2, marker).last(|pat| pat.reach = Reach::All);
        assert_eq!(scene.rest().current.pat.id, id(1), "{marker}");
        assert!(scene.plan().notes[0].contains("2026-12-01"), "{marker}");
        assert_eq!(runs_to_ask(&scene.request, &scene.listed), []);
        let due = scene.with(|request| request.rotate_when = RotateWhen::Always).rotation();
        assert_eq!((ids(&due.predecessors), ids(&due.listed)), (vec![id(1)], vec![id(1)]), "{marker}");
    }
}

#[test]
fn those_that_span_all_organizations_lend_their_scopes_only_where_nothing_else_can() {
    let spanning = || Scene::empty().has(2, "").last(|pat| pat.reach = Reach::All);
    assert_eq!(spanning().refusal(), Refusal::Missing);
    let first = spanning().with(|request| request.create_if_missing = true).rotation();
    assert_eq!((first.scopes.as_str(), first.current, first.predecessors), ("vso.scope2", None, vec![]));
    assert_eq!(spanning().has(1, " [held 90.1-bbbbbbbb]").rotation().scopes.as_str(), "vso.scope1");
}

#[test]
fn a_first_one_is_created_only_where_that_is_asked_for_and_its_scopes_are_known() {
    let scopes = Some(Scopes::parse("vso.code").unwrap());
    let scene = |create, scopes: &Option<Scopes>| {
        let others = Scene::empty().has(1, "-of-another-name");
        others.with(|request| (request.create_if_missing, request.scopes) = (create, scopes.clone()))
    };
    assert_eq!(scene(false, &None).refusal(), Refusal::Missing);
    assert_eq!(scene(false, &scopes).refusal(), Refusal::Missing);
    assert_eq!(scene(true, &None).refusal(), Refusal::NoScopes);
    let rotation = scene(true, &scopes).rotation();
    assert_eq!(rotation.reasons, ["there is no such token yet, and `createIfMissing` is true"]);
    assert_eq!((rotation.current, rotation.predecessors, rotation.listed), (None, vec![], vec![]));
}

#[test]
fn four_leftovers_are_retired_and_five_are_refused() {
    let held =
        |count: u8| (2..2 + count).fold(Scene::calm(), |scene, n| scene.has(n, &format!(" [held {n}.1-bbbbbbbb]")));
    assert_eq!(held(4).rotation().predecessors.len(), 5);
    let runs: Vec<RunId> = (2..7).map(|n| run(&format!("{n}.1-bbbbbbbb"))).collect();
    assert_eq!(held(5).refusal(), Refusal::ManyLeftovers(runs));
    let dead = |scene: Scene| scene.has(9, " [pending 90.1-bbbbbbbb]").where_run("90", Liveness::Dead);
    assert_eq!(dead(held(3)).rotation().predecessors.len(), 5);
    assert!(matches!(dead(held(4)).refusal(), Refusal::ManyLeftovers(runs) if runs.len() == 5));
}

#[test]
fn a_run_that_is_not_due_revokes_superseded_ones_whose_end_is_past() {
    let scene = Scene::calm()
        .has(2, " [superseded 90.1-bbbbbbbb ends 2026-11-24T02:59Z]")
        .has(3, " [superseded 91.1-bbbbbbbb ends 2026-11-24T03:00Z]")
        .has(4, " [superseded 92.1-bbbbbbbb ends 2026-11-24T03:01Z]");
    assert_eq!(ids(&scene.rest().clean), [id(2), id(3)]);
    let due = scene.with(|request| request.rotate_when = RotateWhen::Always).rotation();
    assert_eq!(ids(&due.predecessors), [id(1), id(2), id(3), id(4)]);
}

#[test]
fn a_run_that_waits_for_another_leaves_the_cleaning_to_its_settle() {
    let scene = Scene::calm()
        .has(2, " [superseded 80.1-bbbbbbbb ends 2026-11-24T02:59Z]")
        .has(3, " [pending 90.1-bbbbbbbb]")
        .where_run("90", Liveness::Alive);
    assert_eq!(ids(&scene.rest().clean), []);
}

#[test]
fn a_destination_makes_a_run_due_when_its_record_is_missing_wrong_or_dead() {
    for (holds, reason) in [
        (RecordedPat::Unrecorded, None),
        (RecordedPat::Pat(id(1)), None),
        (RecordedPat::Nothing, Some("has no record of which one it holds".to_owned())),
        (RecordedPat::Pat(id(2)), Some(format!("holds {}, which is not the committed one", id(2)))),
        (RecordedPat::Pat(id(9)), Some(format!("holds {}, which is not the committed one", id(9)))),
        (RecordedPat::NoLongerValid(id(1)), Some(format!("holds {}, which no longer works", id(1)))),
    ] {
        let superseded = " [superseded 90.1-bbbbbbbb ends 2026-11-25T03:00Z]";
        let scene = Scene::calm().has(2, superseded).where_vault(RecordedPat::Pat(id(1))).where_vault(holds.clone());
        match reason {
            None => assert!(!scene.is_due(), "{holds:?}"),
            Some(reason) => assert_eq!(scene.rotation().reasons, [format!("{VAULT} {reason}")]),
        }
    }
}

#[test]
fn every_reason_is_told_and_not_only_the_first() {
    let none_committed = Scene::empty().has(1, " [held 90.1-bbbbbbbb]");
    assert_eq!(none_committed.where_vault(RecordedPat::Pat(id(1))).rotation().reasons.len(), 3);
    let scene = Scene::calm().has(2, " [held 90.1-bbbbbbbb]").has(3, " [pending 100.1-aaaaaaaa]");
    let rotation = scene
        .where_vault(RecordedPat::Nothing)
        .with(|request| request.rotate_when = RotateWhen::DaysLeft(60))
        .rotation();
    assert_eq!(rotation.reasons.len(), 4, "{:?}", rotation.reasons);
}

#[test]
fn the_family_is_in_the_order_of_creation_and_then_of_ids() {
    let scene = Scene::empty().has(3, "").has(1, " [held 90.1-bbbbbbbb]").has(2, "-of-another-name");
    let scene = scene.has(4, "").last(|pat| pat.valid_from = now().minus(30 * DAY).plus(3 * HOUR));
    assert_eq!(ids(&family(&scene.request.name, &scene.listed)), [id(1), id(3), id(4)]);
}

#[test]
fn a_life_is_shortened_only_where_a_cap_on_lifetimes_cannot_end_it_before_the_overlap() {
    let pat = Scene::calm().last(|pat| pat.valid_from = now().minus(10 * DAY)).listed.remove(0);
    let overlap_ends = now().plus(DAY);
    for (valid_to, granted, is_shortened) in [
        (overlap_ends.plus(SECOND), 30 * DAY, true),
        (overlap_ends, 30 * DAY, false),
        (overlap_ends.minus(SECOND), 30 * DAY, false),
        (overlap_ends.plus(DAY), 11 * DAY, true),
        (overlap_ends.plus(DAY), 11 * DAY - SECOND, false),
        (overlap_ends.plus(DAY), Duration::ZERO, false),
    ] {
        let pat = Pat { valid_to, ..pat.clone() };
        let expected = is_shortened.then_some(overlap_ends);
        assert_eq!(shortened(&pat, granted, overlap_ends), expected, "{valid_to} {granted:?}");
    }
}

#[test]
fn the_one_that_is_replaced_is_the_first_to_be_superseded() {
    // A run that ends between the two renames must not make the next one take the committed one for not chosen.
    for leftover in [" [pending 90.1-bbbbbbbb]", " [held 90.1-bbbbbbbb]"] {
        let scene = Scene::empty().has(1, leftover).has(2, "").where_run("90", Liveness::Dead);
        assert_eq!(ids(&scene.rotation().predecessors), [id(2), id(1)], "{leftover}");
    }
}

#[test]
fn another_organizations_tokens_are_neither_counted_nor_touched_but_noted() {
    let elsewhere = |scene: Scene| scene.last(|pat| pat.reach = reach("fabrikam"));
    for marker in ["", " [pending 90.1-bbbbbbbb]", " [held 90.1-bbbbbbbb]"] {
        let plan = elsewhere(Scene::calm().has(2, marker)).plan();
        assert!(matches!(&plan.decision, Decision::UpToDate(_)), "{marker}: {plan}");
        assert_eq!(plan.notes.len(), 1, "{plan}");
        assert!(plan.notes[0].contains(&id(2).to_string()), "{plan}");
    }
    assert_eq!(elsewhere(Scene::calm()).refusal(), Refusal::Missing);
    let in_both = Scene::calm().has(2, "").last(|pat| {
        pat.reach = Reach::Organizations(vec![organization("contoso"), organization("fabrikam")]);
    });
    assert!(matches!(in_both.plan().decision, Decision::UpToDate(_)), "one that reaches others too is left alone");
}

#[test]
fn where_the_organization_is_unknown_nothing_is_cleaned_up() {
    let scene = Scene::calm().has(2, " [superseded 90.1-bbbbbbbb ends 2026-11-23T03:00Z]");
    let Decision::UpToDate(rest) = scene.plan_in(None).decision else { panic!() };
    assert_eq!(rest.clean, []);
    assert_eq!(scene.rest().clean.len(), 1);
    assert!(scene.plan_in(None).notes[0].contains("does not say its id"));
}

#[test]
fn a_build_speaks_only_of_older_pats_and_is_dead_ten_minutes_after_its_end() {
    let scene = Scene::calm().has(2, " [pending 90.1-bbbbbbbb]").has(3, " [pending 90.2-bbbbbbbb]");
    let made = scene.listed[2].valid_from;
    let judged = |build| liveness(&scene.request, &scene.listed, &run("90.1-bbbbbbbb"), build, now());
    let minutes_ago = |minutes: u32| Some(now().minus(minutes * 60 * SECOND));
    for (build, expected) in [
        (BuildState::NotCompleted, Liveness::Alive),
        (BuildState::Unknown, Liveness::Unknown),
        (BuildState::Completed(None), Liveness::Unknown),
        (BuildState::Completed(Some(made)), Liveness::Unknown),
        (BuildState::Completed(Some(made.minus(SECOND))), Liveness::Unknown),
        (BuildState::Completed(Some(made.plus(SECOND))), Liveness::Dead),
        (BuildState::Completed(minutes_ago(10)), Liveness::Dead),
        (BuildState::Completed(minutes_ago(9)), Liveness::Alive),
        (BuildState::Completed(Some(now().plus(SECOND))), Liveness::Alive),
    ] {
        assert_eq!(judged(build), expected, "{build:?}");
    }
}

#[test]
fn a_third_of_the_life_granted_makes_a_run_due() {
    for (granted, left, is_due) in [
        (30 * DAY, 10 * DAY + SECOND, false),
        (30 * DAY, 10 * DAY, true),
        (7 * DAY, 3 * DAY, false),
        (7 * DAY, 2 * DAY, true),
        (DAY, 9 * HOUR, false),
        (DAY, 8 * HOUR, true),
    ] {
        let scene = Scene::calm().with(|request| request.rotate_when = RotateWhen::ThirdOfLife);
        let scene = scene.last(|pat| {
            pat.valid_to = now().plus(left);
            pat.valid_from = pat.valid_to.minus(granted);
        });
        assert_eq!(scene.is_due(), is_due, "{granted:?} {left:?}");
    }
}

#[test]
fn run_that_never_ends_is_an_error_once_few_days_are_left() {
    for (left, is_refused) in [(3 * DAY + SECOND, false), (3 * DAY, true)] {
        let scene = Scene::calm().with(|request| request.rotate_when = RotateWhen::DaysLeft(0));
        let scene = scene.last(|pat| pat.valid_to = now().plus(left)).has(2, " [pending 90.1-bbbbbbbb]");
        let scene = scene.where_run("90", Liveness::Alive);
        if is_refused {
            assert_eq!(scene.refusal(), Refusal::RivalAlive(run("90.1-bbbbbbbb"), Some(3)));
        } else {
            assert!(scene.rest().waiting_for.is_some());
        }
    }
}

#[test]
fn own_earlier_attempt_is_left_alone_for_ten_minutes() {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    for attempt in ["100.1-aaaaaaaa", "100.2-aaaaaaaa"] {
        let pending = |age: Duration| {
            let scene = Scene::calm().has(2, &format!(" [pending {attempt}]"));
            scene.last(|pat| pat.valid_from = now().minus(age))
        };
        let refusal = Refusal::EarlierAttempt(run(attempt), now().plus(SECOND));
        assert_eq!(pending(minutes(10) - SECOND).refusal(), refusal);
        assert_eq!(pending(minutes(10)).rotation().predecessors.len(), 2);
        // It superseded another five minutes ago, with an overlap of a day.
        let superseded = format!(" [superseded {attempt} ends 2026-11-25T02:55Z]");
        let refusal = Refusal::EarlierAttempt(run(attempt), now().plus(minutes(10)));
        assert_eq!(pending(minutes(120)).has(3, &superseded).refusal(), refusal);
    }
}

#[test]
fn raised_overlap_does_not_make_the_token_not_chosen_current() {
    let scene = Scene::empty()
        .has(1, " [superseded 90.1-bbbbbbbb ends 2026-11-24T04:00Z]")
        .has(2, "")
        .has(5, " [pending 90.1-bbbbbbbb]")
        .where_run("90", Liveness::Dead)
        .with(|request| request.overlap = 30 * DAY);
    let rotation = scene.rotation();
    assert_eq!((rotation.current.is_none(), ids(&rotation.predecessors)), (true, vec![id(1), id(5)]));
}
