//! Variables of variable groups as destinations: who writes them, what is refused early, what makes a run due, and that
//! nobody's edit and no other variable is lost.

use crate::destinations::service_connections::Unanswered;
use crate::destinations::several::{GROUP, PROD, PUBLISHER, Places, replaced};
use crate::harness::pipeline::{NAME, says};
use agent::TaskResult;
use simulator::world::{BUILD_SERVICE, COLLECTION_BUILD_SERVICE, World};
use simulator::{Fault, Op, When};

type Arrange = fn(&mut World);

fn administrators(world: &mut World, who: &[&str]) {
    world.variable_group_mut(PROD).administrators = who.iter().map(|&name| name.to_owned()).collect();
}

/// Who wrote the group, in order.
fn writers(places: &Places) -> Vec<String> {
    places.world().group_writes.iter().map(|write| write.by.clone()).collect()
}

#[test]
fn the_first_identity_that_may_writes_and_the_jobs_own_with_a_warning() {
    let cases: [(&str, Arrange, bool, &str); 6] = [
        ("the named one", |world| administrators(world, &["pat-publisher", BUILD_SERVICE]), true, "pat-publisher"),
        (
            "the connection's own",
            |world| {
                world.members.push("pat-rotator".to_owned());
                administrators(world, &["pat-rotator", BUILD_SERVICE]);
            },
            false,
            "pat-rotator",
        ),
        (
            "the job's, as the own app is no member",
            |world| administrators(world, &[BUILD_SERVICE]),
            false,
            BUILD_SERVICE,
        ),
        (
            "the job's, as the named one may only read",
            |world| administrators(world, &[BUILD_SERVICE]),
            true,
            BUILD_SERVICE,
        ),
        (
            "the job's, as the named one is no member",
            |world| {
                world.members.clear();
                administrators(world, &["pat-publisher", BUILD_SERVICE]);
            },
            true,
            BUILD_SERVICE,
        ),
        (
            "the job's, of the whole collection",
            |world| {
                world.job_reaches_all_projects = true;
                administrators(world, &[COLLECTION_BUILD_SERVICE]);
            },
            false,
            COLLECTION_BUILD_SERVICE,
        ),
    ];
    for (what, arrange, is_named, writer) in cases {
        let places = Places::new();
        arrange(&mut places.world());
        let named = if is_named { &[PUBLISHER][..] } else { &[] };
        let (run, _) = places.rotate(&mut places.job(), &[GROUP], named);
        assert_eq!(writers(&places), [writer], "{what}");
        let is_job = writer == BUILD_SERVICE || writer == COLLECTION_BUILD_SERVICE;
        assert_eq!(run.log.contains("was written with the job's own token"), is_job, "{what}\n{}", run.log);
        assert_eq!(run.warning_count, usize::from(is_job), "{what}\n{}", run.log);
        assert_eq!((places.held(), places.pipeline.active()), ([1, 2, 1], replaced(2)), "{what}");
        places.wrote_nothing_else();
    }
}

#[test]
fn an_identity_that_does_not_see_the_group_leaves_it_to_the_next_and_is_not_asked_again() {
    let places = Places::new();
    administrators(&mut places.world(), &[BUILD_SERVICE]);
    places.world().variable_group_mut(PROD).readers.clear();
    places.rotate(&mut places.job(), &[GROUP], &[PUBLISHER]);
    assert_eq!((writers(&places), places.held()), (vec![BUILD_SERVICE.to_owned()], [1, 2, 1]));
    let requests = [Op::ListGroups, Op::GetGroup, Op::UpdateGroup].map(|op| places.pipeline.sim.count(op));
    assert_eq!(requests, [3, 2, 1], "one that reads it, one that writes it, and the two before who see none");
}

#[test]
fn when_nobody_may_write_the_message_names_the_role_and_the_first_identity_and_the_new_one_is_revoked() {
    let places = Places::new();
    administrators(&mut places.world(), &["alice"]);
    let before = places.siblings();
    let mut job = places.job();
    let run = places.fails(&mut job, &[GROUP], &[PUBLISHER]);
    says(&run, &["of `azureDevOpsServiceConnection` the role Administrator in the Security of variable group \"Prod"]);
    says(&run, &["was revoked; nothing else was changed"]);
    assert_eq!((places.held(), places.pipeline.active()), ([1; 3], vec![format!("#1 {NAME}")]));
    assert_eq!((places.siblings(), writers(&places)), (before, vec![]));
    assert_eq!(places.pipeline.post(&mut job).result, TaskResult::Succeeded);
}

#[test]
fn an_app_that_is_no_member_of_the_organization_is_named_with_what_it_needs() {
    for (inputs, input) in [(&[][..], "serviceConnection"), (&[PUBLISHER], "azureDevOpsServiceConnection")] {
        let places = Places::new();
        places.world().members.clear();
        administrators(&mut places.world(), &["alice"]);
        let run = places.fails(&mut places.job(), &[GROUP], inputs);
        says(&run, &["401", &format!("of `{input}`"), "a member of the", "role Administrator"]);
        assert_eq!((places.held(), places.pipeline.active()), ([1; 3], vec![format!("#1 {NAME}")]));
    }
}

#[test]
fn a_write_that_got_no_answer_and_was_then_refused_is_done_by_the_next_identity() {
    let places = Places::new();
    administrators(&mut places.world(), &["pat-publisher", BUILD_SERVICE]);
    places.pipeline.sim.inject(Fault::ResetAfter, When::nth(Op::UpdateGroup, 1));
    places.pipeline.sim.inject(Fault::Status(403), When::nth(Op::UpdateGroup, 2));
    places.rotate(&mut places.job(), &[GROUP], &[PUBLISHER]);
    assert_eq!(writers(&places), ["pat-publisher", BUILD_SERVICE]);
    assert_eq!((places.held(), places.pipeline.active()), ([1, 2, 1], replaced(2)));
    places.wrote_nothing_else();
}

#[test]
fn a_write_without_an_answer_counts_as_delivered() {
    for fault in [Fault::ResetAfter, Fault::CutReply, Fault::HangAfter, Fault::StatusAfter(500), Fault::WrongShape] {
        Unanswered::new(GROUP).leaves_it_pending_and_heals(vec![(fault, When::every(Op::UpdateGroup))], true);
    }
}

#[test]
fn a_write_without_an_answer_counts_as_delivered_whatever_follows() {
    for (fault, op) in [
        (Fault::Status(403), Op::UpdateGroup),
        (Fault::Status(401), Op::UpdateGroup),
        (Fault::SignInPage, Op::UpdateGroup),
        (Fault::Status(403), Op::GetGroup),
        (Fault::Status(404), Op::GetGroup),
    ] {
        let lost = (Fault::ResetAfter, When::nth(Op::UpdateGroup, 1));
        Unanswered::new(GROUP).leaves_it_pending_and_heals(vec![lost, (fault, When::from(op, 2))], true);
    }
}

#[test]
fn a_write_that_cannot_be_read_back_counts_as_delivered() {
    for fault in [Fault::Status(403), Fault::ResetBefore, Fault::WrongShape] {
        Unanswered::new(GROUP).leaves_it_pending_and_heals(vec![(fault, When::from(Op::GetGroup, 2))], true);
    }
}

#[test]
fn a_group_that_others_write_all_the_time_counts_as_delivered() {
    let mut edits = 0;
    let edit = Fault::after(move |world: &mut World| {
        edits += 1;
        world.set_group_variable(PROD, "REGION", &format!("region {edits}"));
    });
    Unanswered::new(GROUP).leaves_it_pending_and_heals(vec![(edit, When::every(Op::UpdateGroup))], true);
}

#[test]
fn a_write_that_never_reached_the_service_delivers_nothing_for_certain_and_is_pending_all_the_same() {
    Unanswered::new(GROUP).leaves_it_pending_and_heals(vec![(Fault::ResetBefore, When::every(Op::UpdateGroup))], false);
}

#[test]
fn what_cannot_be_written_is_found_before_anything_is_made() {
    let nothing: Arrange = |_| {};
    let cases: [(&str, Arrange, &[&str]); 8] = [
        ("variableGroup: Nowhere/PAT", nothing, &["sees no variable group \"Nowhere\"", "Check its name and project"]),
        ("variableGroup: Gadgets/Theirs/PAT", nothing, &["sees no variable group \"Theirs\" of project \"Gadgets\""]),
        (
            "variableGroup: Linked/PAT",
            |world| {
                world.add_variable_group("Linked").secret("PAT", "").key_vault_linked().add();
            },
            &["takes its values from a key vault", "`keyVault: VAULT/SECRET`"],
        ),
        ("variableGroup: Prod secrets/region", nothing, &["it is there, but not secret", "Make it a secret variable"]),
        (
            GROUP,
            |world| {
                let id = world.variable_group(PROD).variables["NUGET_PAT_AUTHORIZATION_ID"].clone();
                let secret = simulator::world::GroupVariable { is_secret: true, ..id };
                world.variable_group_mut(PROD).variables.insert("NUGET_PAT_AUTHORIZATION_ID".to_owned(), secret);
            },
            &["NUGET_PAT_AUTHORIZATION_ID, which should hold the record, is a secret variable", "Delete that variable"],
        ),
        ("variableGroup: Atlantis/Prod/PAT", nothing, &["404", "Check the project's name", "must be a member of it"]),
        (
            "variableGroup: Gadgets/Prod secrets/NUGET_PAT",
            |world| world.members.clear(),
            &["could not read variable group \"Prod secrets\" of project \"Gadgets\""],
        ),
        (
            "variableGroup: Gadgets/Prod secrets/NUGET_PAT",
            |world| world.project_mut("Gadgets").hidden_from.push("pat-publisher".to_owned()),
            &["404", "Limit job authorization scope to current project"],
        ),
    ];
    for (line, arrange, said) in cases {
        let places = Places::new();
        arrange(&mut places.world());
        places.refuses(&[line], &[PUBLISHER], said);
    }
}

#[test]
fn a_group_is_judged_by_its_record() {
    let cases: [(&str, Arrange, Option<&str>); 5] = [
        ("it is right", |_| {}, None),
        (
            "another id",
            |world| {
                let other = world.add_pat("somebody-elses").add();
                world.set_group_variable(PROD, "NUGET_PAT_AUTHORIZATION_ID", &other);
            },
            Some("which is not the committed one"),
        ),
        (
            "no id",
            |world| world.set_group_variable(PROD, "NUGET_PAT_AUTHORIZATION_ID", "the one of May"),
            Some("has no record of which one it holds"),
        ),
        (
            "no record",
            |world| world.delete_group_variable(PROD, "NUGET_PAT_AUTHORIZATION_ID"),
            Some("has no record of which one it holds"),
        ),
        (
            "no variable at all",
            |world| {
                for name in ["NUGET_PAT", "NUGET_PAT_AUTHORIZATION_ID", "NUGET_PAT_VALID_TO"] {
                    world.delete_group_variable(PROD, name);
                }
            },
            Some("has no record of which one it holds"),
        ),
    ];
    for (what, arrange, reason) in cases {
        let places = Places::new();
        arrange(&mut places.world());
        let before = places.siblings();
        let (due, run) = places.is_due(&[GROUP]);
        assert_eq!(due, reason.is_some(), "{what}\n{}", run.log);
        if let Some(reason) = reason {
            says(&run, &["because: variable \"NUGET_PAT\" in variable group \"Prod secrets\"", reason]);
        }
        let newest = places.world().pats.len() as u64;
        assert_eq!(places.held()[1], newest, "{what}");
        places.has_right_record();
        assert_eq!(places.siblings(), before, "{what}");
        assert!(!places.is_due(&[GROUP]).0, "{what}: healed");
    }
}

#[test]
fn somebody_elses_edit_beside_a_publication_is_not_lost() {
    let edit = || {
        Fault::after(|world: &mut World| {
            world.set_group_variable(PROD, "REGION", "northeurope");
            world.set_group_variable(PROD, "DB_PASSWORD", "simulated-newer-password");
            world.set_group_variable(PROD, "ADDED", "by hand");
        })
    };
    let moments = [(Op::ListGroups, 1), (Op::CreatePat, 1), (Op::UpdateGroup, 1), (Op::GetGroup, 2)];
    for (op, nth) in moments {
        let places = Places::new();
        places.pipeline.sim.inject(edit(), When::nth(op, nth));
        places.rotate(&mut places.job(), &[GROUP], &[PUBLISHER]);
        let (variables, _) = places.siblings();
        let value = |name: &str| variables.get(name).cloned();
        let plain = |value: &str| Some((value.to_owned(), false, false));
        assert_eq!((value("REGION"), value("ADDED")), (plain("northeurope"), plain("by hand")), "{op:?} {nth}");
        assert_eq!(value("DB_PASSWORD"), Some(("simulated-newer-password".to_owned(), true, false)), "{op:?} {nth}");
        assert_eq!(value("TIER"), Some(("gold".to_owned(), false, true)), "{op:?} {nth}");
        assert_eq!((places.held(), places.pipeline.active()), ([1, 2, 1], replaced(2)), "{op:?} {nth}");
        places.has_right_record();
        places.wrote_nothing_else();
    }
}

#[test]
fn a_value_that_somebody_writes_over_right_after_the_write_is_written_again() {
    let places = Places::new();
    let first = places.world().pats[0].clone();
    let undo = Fault::after(move |world| {
        world.set_group_variable(PROD, "NUGET_PAT", &first.secret);
        world.set_group_variable(PROD, "NUGET_PAT_AUTHORIZATION_ID", &first.id);
    });
    places.pipeline.sim.inject(undo, When::nth(Op::UpdateGroup, 1));
    places.rotate(&mut places.job(), &[GROUP], &[PUBLISHER]);
    assert_eq!((places.held(), writers(&places).len()), ([1, 2, 1], 2));
    places.has_right_record();
    assert_eq!(places.pipeline.active(), replaced(2));
}

#[test]
fn a_refusal_of_a_repeated_write_does_not_undo_the_first_one() {
    for (fault, op, nth) in [(Fault::Status(403), Op::UpdateGroup, 2), (Fault::Status(403), Op::GetGroup, 3)] {
        let places = Places::new();
        let edit = Fault::after(|world: &mut World| world.set_group_variable(PROD, "REGION", "northeurope"));
        places.pipeline.sim.inject(edit, When::nth(Op::UpdateGroup, 1));
        places.pipeline.sim.inject(fault, When::from(op, nth));
        let run = places.fails(&mut places.job(), &[GROUP], &[PUBLISHER]);
        assert_eq!(places.held(), [1, 2, 1], "the first write went through");
        let active = places.pipeline.active();
        assert_eq!(active, [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1]")], "{op:?}\n{}", run.log);
    }
}

#[test]
fn two_variables_of_one_group_and_one_of_another_project_are_all_right() {
    let places = Places::new();
    let other = {
        let mut world = places.world();
        world.add_variable_group("a/b, c").project("Gadgets").plain("REGION", "eastus").add()
    };
    let lines = [GROUP, "variableGroup: prod secrets/SECOND", "variableGroup: gadgets/a%2Fb, c/Third.Pat-1"];
    let before = places.siblings();
    places.rotate(&mut places.job(), &lines, &[PUBLISHER]);
    assert_eq!(places.pipeline.active(), replaced(2));
    places.has_right_record();
    {
        let world = places.world();
        let (new, id) = (world.pats[1].secret.as_str(), world.pats[1].id.as_str());
        for (group, name) in [(PROD, "NUGET_PAT"), (PROD, "SECOND"), (other, "Third.Pat-1")] {
            assert_eq!(world.secret_value(group, name), new, "{name}");
            assert_eq!(world.secret_value(group, &format!("{name}_AUTHORIZATION_ID")), id, "{name}");
            assert!(world.variable_group(group).variable(name).unwrap().is_secret, "{name}");
        }
        assert_eq!(world.secret_value(other, "REGION"), "eastus");
        assert!(world.group_writes.iter().all(|write| write.removed.is_empty() && write.unshared.is_empty()));
    }
    let after = places.siblings();
    assert!(before.0.iter().all(|(name, value)| after.0.get(name) == Some(value)));
    assert_eq!(after.1, before.1);
    assert!(!places.is_due(&lines).0);
}
