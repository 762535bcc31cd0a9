use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn rules() -> Rules {
    Rules { now: at("2026-11-24T03:00:00Z"), warn_when_days_left: 30, knows_mails: true }
}

fn alice() -> Owner {
    Owner { id: "aad.a".to_owned(), mail: Some("alice@contoso.com".to_owned()), ..Owner::default() }
}

fn pat(name: &str, valid_to: &str) -> ListedPat {
    ListedPat {
        authorization_id: name.to_owned(),
        display_name: Some(name.to_owned()),
        scope: Some("vso.code".to_owned()),
        is_for_all_organizations: Some(false),
        valid_from: Some(at("2026-11-20T00:00:00Z")),
        valid_to: End::read(Some(valid_to)),
        is_valid: Some(true),
    }
}

fn findings(pat: &ListedPat) -> Vec<Finding> {
    judge(&alice(), std::slice::from_ref(pat), &rules()).remove(0).findings
}

#[test]
fn each_finding_has_its_case_and_a_good_token_has_none() {
    assert_eq!(findings(&pat("good", "2027-01-24T03:00:00Z")), []);
    assert_eq!(findings(&pat("over", "2026-11-24T03:00:00Z")), [Finding::Expired], "the very moment counts");
    assert_eq!(findings(&pat("soon", "2026-12-24T03:00:00Z")), [Finding::Expiring], "the last day counts");
    assert_eq!(findings(&pat("later", "2026-12-24T03:00:01Z")), [], "and a second more is a day more");
    assert_eq!(findings(&pat("unreadable", "tomorrow")), [Finding::NoReadableEnd]);
    let full = ListedPat { scope: Some("app_token".to_owned()), ..pat("full", "2027-01-24") };
    assert_eq!(findings(&full), [Finding::FullScope]);
    let everywhere = ListedPat { is_for_all_organizations: Some(true), ..pat("all", "2027-01-24") };
    assert_eq!(findings(&everywhere), [Finding::AllOrganizations]);
    let untold = ListedPat { is_for_all_organizations: None, scope: None, ..pat("untold", "2027-01-24") };
    assert_eq!(findings(&untold), [], "what a list does not tell is not held against anybody");
    assert_eq!(findings(&pat("ninety", "2027-02-18T00:00:00Z")), []);
    assert_eq!(findings(&pat("more", "2027-02-19T00:00:00Z")), [Finding::LongLived]);
    assert_eq!(findings(&pat("for ever", "9999-12-31T23:59:59.9999999Z")), [Finding::LongLived]);
}

#[test]
fn only_tokens_that_expired_within_a_week_count_as_expired() {
    assert_eq!(findings(&pat("a week ago", "2026-11-17T03:00:00Z")), [Finding::Expired]);
    assert_eq!(findings(&pat("earlier", "2026-11-16T03:00:00Z")), [Finding::ExpiredEarlier]);
    assert!(!Finding::ExpiredEarlier.needs_action());
}

#[test]
fn markers_in_names_tell_replaced_tokens_from_leftovers() {
    let far = "2027-01-24";
    for (name, made, valid_to, expected) in [
        ("x [pending 101.1-0a1b2c3d]", "2026-11-23T21:00:01Z", far, &[][..]),
        ("x [pending 101.1-0a1b2c3d]", "2026-11-23T21:00:01Z", "2026-11-25", &[]),
        ("x [pending 101.1-0a1b2c3d]", "2026-11-23T21:00:00Z", far, &[Finding::Leftover]),
        ("x [held 101.1-0a1b2c3d]", "2026-11-24T02:59:00Z", far, &[Finding::Leftover]),
        ("x [superseded 101.1-0a1b2c3d ends 2026-11-25T03:00Z]", "2026-11-01", "2026-11-25", &[Finding::Replaced]),
        ("x [superseded 101.1-0a1b2c3d ends 2026-11-23T03:00Z]", "2026-11-01", "2026-11-23", &[Finding::Replaced]),
        ("x [superseded 101.1-0a1b2c3d ends 2026-09-23T03:00Z]", "2026-09-01", "2026-09-23", &[Finding::Replaced]),
        ("x [superseded 101.1-0a1b2c3d ends 2026-11-17T03:01Z]", "2026-11-01", far, &[Finding::Replaced]),
        ("x [superseded 101.1-0a1b2c3d ends 2026-11-17T03:00Z]", "2026-11-01", far, &[Finding::Leftover]),
        ("x [pending something else]", "2026-11-01", far, &[]),
        ("[held 101.1-0a1b2c3d]", "2026-11-01", far, &[]),
    ] {
        let pat = ListedPat { valid_from: Timestamp::parse(made), ..pat(name, valid_to) };
        assert_eq!(findings(&pat), expected, "{name}, made {made}, ends {valid_to}");
    }
}

#[test]
fn names_are_duplicates_among_the_valid_ones_of_one_owner_alone() {
    let mut pats =
        vec![pat("ci", "2027-01-24"), pat("ci", "2027-01-23"), pat("ci", "2026-01-01"), pat("cd", "2027-01-24")];
    pats.push(ListedPat { display_name: None, ..pat("", "2027-01-24") });
    pats.push(ListedPat { display_name: None, ..pat("", "2027-01-24") });
    let judged = judge(&alice(), &pats, &rules());
    let duplicates = judged.iter().filter(|one| one.is(Finding::DuplicateName));
    assert_eq!(duplicates.map(|one| one.pat.display_name.as_deref()).collect::<Vec<_>>(), [Some("ci"); 2]);
}

#[test]
fn an_owner_without_mail_is_one_only_where_mails_are_told() {
    let nobody = Owner { mail: None, ..alice() };
    let pats = [pat("ci", "2027-01-24")];
    assert!(judge(&nobody, &pats, &rules())[0].is(Finding::OwnerWithoutMail));
    assert!(!judge(&nobody, &pats, &Rules { knows_mails: false, ..rules() })[0].is(Finding::OwnerWithoutMail));
}

#[test]
fn the_worst_stand_first_and_revoked_ones_nowhere() {
    let mut pats = vec![
        pat("good", "2027-01-24"),
        pat("in ten days", "2026-12-04"),
        pat("long ago", "2026-01-01"),
        pat("tomorrow", "2026-11-25"),
        ListedPat { scope: Some("app_token".to_owned()), ..pat("full", "2027-01-24") },
        pat("yesterday", "2026-11-23"),
    ];
    pats.push(ListedPat { is_valid: Some(false), ..pat("revoked", "2026-11-25") });
    let judged = judge(&alice(), &pats, &rules());
    let names: Vec<_> = judged.iter().filter_map(|one| one.pat.display_name.as_deref()).collect();
    assert_eq!(names, ["yesterday", "tomorrow", "in ten days", "full", "long ago", "good"]);
}

#[test]
fn what_has_ended_is_only_that() {
    let over = ListedPat {
        scope: Some("app_token".to_owned()),
        is_for_all_organizations: Some(true),
        ..pat("x [held 101.1-0a1b2c3d]", "2026-11-23")
    };
    assert_eq!(findings(&over), [Finding::Expired]);
}
