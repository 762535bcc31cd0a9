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
        valid_to: Timestamp::parse(valid_to),
        is_revoked: false,
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
}

#[test]
fn leftovers_are_known_by_the_markers_and_superseded_ones_only_when_their_time_is_over() {
    for (name, is_leftover) in [
        ("nuget [pending 101.1-0a1b2c3d]", true),
        ("nuget [held 101.1-0a1b2c3d]", true),
        ("nuget [superseded 101.1-0a1b2c3d ends 2026-11-24T02:59Z]", true),
        ("nuget [superseded 101.1-0a1b2c3d ends 2026-11-25T03:00Z]", false),
        ("nuget [pending something else]", false),
        ("[held 101.1-0a1b2c3d]", false),
    ] {
        let found = findings(&pat(name, "2027-01-24"));
        assert_eq!(found == [Finding::Leftover], is_leftover, "{name}: {found:?}");
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
    pats.push(ListedPat { is_revoked: true, ..pat("revoked", "2026-11-25") });
    let judged = judge(&alice(), &pats, &rules());
    let names: Vec<_> = judged.iter().filter_map(|one| one.pat.display_name.as_deref()).collect();
    assert_eq!(names, ["yesterday", "tomorrow", "in ten days", "long ago", "full", "good"]);
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
