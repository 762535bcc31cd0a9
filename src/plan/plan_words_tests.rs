use super::*;

#[test]
fn a_rotation_that_is_due_reads_so() {
    let scene = Scene::calm().last(|pat| pat.valid_to = now().plus(5 * DAY));
    assert_eq!(
        scene.plan().to_string(),
        r#"rotate "nuget-publish" as run 100.2-aaaaaaaa
  because: 5 days left, and `rotateWhenDaysLeft` is 7
  replace: "nuget-publish" (00000001-0000-0000-0000-000000000000), valid until 2026-11-29T03:00:00Z (in 5 days)
  create: one with vso.scope1, for 30 days
  hand it to: secret "nuget-pat" in vault "contoso-kv", then job variable "NUGET_PAT"
  retire: once the job has succeeded, after an overlap of 24 hours"#
    );
}

#[test]
fn a_rotation_after_failures_reads_so() {
    let scene = Scene::calm()
        .has(2, " [superseded 80.1-bbbbbbbb ends 2026-11-25T03:00Z]")
        .has(3, " [held 90.1-bbbbbbbb]")
        .has(4, "")
        .has(5, "")
        .last(|pat| pat.reach = Reach::All)
        .where_vault(RecordedPat::Nothing)
        .with(|request| (request.replace, request.overlap) = (Some(id(4)), Duration::ZERO));
    assert_eq!(
        scene.plan().to_string(),
        r#"note: "nuget-publish" (00000005-0000-0000-0000-000000000000) spans all organizations: such tokens stop working on 2026-12-01; it is left alone
note: "nuget-publish" (00000001-0000-0000-0000-000000000000) is left alone: rename or revoke it by hand before the next run
rotate "nuget-publish" as run 100.2-aaaaaaaa
  because: 2 are committed, and `replaceAuthorizationId` chooses one
  because: the job of run 90.1-bbbbbbbb did not succeed and left "nuget-publish [held 90.1-bbbbbbbb]" (00000003-0000-0000-0000-000000000000)
  because: secret "nuget-pat" in vault "contoso-kv" has no record of which one it holds
  replace: "nuget-publish" (00000004-0000-0000-0000-000000000000), valid until 2027-01-23T03:00:00Z (in 60 days)
  superseded before: "nuget-publish [superseded 80.1-bbbbbbbb ends 2026-11-25T03:00Z]" (00000002-0000-0000-0000-000000000000)
  retire too: "nuget-publish [held 90.1-bbbbbbbb]" (00000003-0000-0000-0000-000000000000)
  leave alone: "nuget-publish" (00000001-0000-0000-0000-000000000000)
  create: one with vso.scope4, for 30 days
  hand it to: secret "nuget-pat" in vault "contoso-kv", then job variable "NUGET_PAT"
  retire: once the job has succeeded, without an overlap"#
    );
}

#[test]
fn a_first_creation_reads_so() {
    let scene = Scene::empty().with(|request| {
        request.create_if_missing = true;
        request.scopes = Some(Scopes::parse("vso.code vso.packaging_write").unwrap());
        request.valid_for_days = 1;
        request.overlap = HOUR;
        request.places.truncate(1);
    });
    assert_eq!(
        scene.plan().to_string(),
        r#"rotate "nuget-publish" as run 100.2-aaaaaaaa
  because: there is no such token yet, and `createIfMissing` is true
  replace: nothing, as none is committed
  create: one with vso.code vso.packaging_write, for 1 day
  hand it to: secret "nuget-pat" in vault "contoso-kv"
  retire: nothing"#
    );
}

#[test]
fn a_run_with_nothing_due_reads_so() {
    assert_eq!(
        Scene::calm().has(2, " [superseded 80.1-bbbbbbbb ends 2026-11-24T02:59Z]").plan().to_string(),
        r#"nothing is due for "nuget-publish"
  "nuget-publish" (00000001-0000-0000-0000-000000000000) is valid until 2027-01-23T03:00:00Z (in 60 days), and `rotateWhenDaysLeft` is 7
  revoke: "nuget-publish [superseded 80.1-bbbbbbbb ends 2026-11-24T02:59Z]" (00000002-0000-0000-0000-000000000000), whose overlap has ended"#
    );
    assert_eq!(
        Scene::calm().has(2, " [pending r80.1-bbbbbbbb]").where_run("r80", Liveness::Alive).plan().to_string(),
        r#"nothing else is due for "nuget-publish"
  "nuget-publish" (00000001-0000-0000-0000-000000000000) is valid until 2027-01-23T03:00:00Z (in 60 days), and `rotateWhenDaysLeft` is 7
  run r80.1-bbbbbbbb is rotating it at this moment"#
    );
}

#[test]
fn each_refusal_says_what_is_so_and_one_thing_to_do() {
    let runs = || vec![run("7.1-bbbbbbbb"), run("8.1-bbbbbbbb")];
    for (refusal, text, advice) in [
        (
            Refusal::Missing,
            "no active token has the name",
            "Check `patName` (case counts) and whose tokens these are. If it has expired, set `createIfMissing` to `true` with \
             `scopes`.",
        ),
        (
            Refusal::NoScopes,
            "nothing says which scopes a first token should have",
            "Name `scopes`, such as `vso.packaging_write`.",
        ),
        (
            Refusal::SeveralCommitted(vec![id(1), id(2)]),
            "2 tokens are committed under the name: 00000001-0000-0000-0000-000000000000, 00000002-0000-0000-0000-000000000000",
            "Give `replaceAuthorizationId` the id of the one in use, once; rename or revoke the others by hand.",
        ),
        (
            Refusal::RivalAlive(run("7.1-bbbbbbbb"), Some(2)),
            "run 7.1-bbbbbbbb is rotating the same token at this moment, and the current token has 2 days left",
            "Let build 7 end, or cancel it, then run again ten minutes later; if it is this build, rotate in one of its jobs only. One that \
             cannot be asked for counts as dead after 6 hours.",
        ),
        (
            Refusal::RivalAlive(run("r7.1-bbbbbbbb"), None),
            "run r7.1-bbbbbbbb is rotating the same token at this moment",
            "Let that release end, then run again; after 6 hours it counts as dead.",
        ),
        (
            Refusal::EarlierAttempt(run("7.1-bbbbbbbb"), now()),
            "run 7.1-bbbbbbbb left a pending token, and a request of that run may still arrive until 2026-11-24T03:00:00Z",
            "Run the job again after 2026-11-24T03:00:00Z.",
        ),
        (
            Refusal::ManyLeftovers(runs()),
            "2 tokens are left by runs that did not end well: 7.1-bbbbbbbb, 8.1-bbbbbbbb",
            "Find out why these runs fail: a step of the job after the rotation, or a place that cannot be written. Fix \
             that, revoke the tokens with `[held` or `[pending` in their names that nobody uses, then run again.",
        ),
    ] {
        assert_eq!((refusal.to_string().as_str(), refusal.advice().as_str()), (text, advice));
    }
}

#[test]
fn a_refused_plan_prints_its_notes_and_the_refusal() {
    let scene = Scene::empty().has(1, "").last(|pat| pat.reach = Reach::All);
    assert_eq!(
        scene.plan().to_string(),
        r#"note: "nuget-publish" (00000001-0000-0000-0000-000000000000) spans all organizations: such tokens stop working on 2026-12-01; it is left alone
refuse: no active token has the name"#
    );
}

#[test]
fn foreign_words_cannot_add_a_line_to_a_plan() {
    let scene = Scene::calm()
        .last(|pat| pat.scopes = Scopes::as_listed("vso.code\n#\u{23}vso[task.complete]\u{1b}".to_owned()));
    let text = scene.with(|request| request.rotate_when = RotateWhen::Always).plan().to_string();
    assert_eq!(text.lines().count(), 6, "{text}");
    assert!(!text.lines().any(|line| line.trim_start().starts_with('#') || line.contains('\u{1b}')), "{text}");
}
