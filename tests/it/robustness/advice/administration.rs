//! What Azure DevOps answers to those who want a report of the organization and may not have it.

use rotate_pat::advice::Service;

use super::{Scenario, Table};
use crate::report::{ADMINISTRATION, AZURE_DEVOPS, reports_folder};
use simulator::world::AccessDenial;
use simulator::{Fault, Op, When};

/// Asks for the report with an access token of this user.
fn as_user(scene: &mut Scenario, user: &str) {
    scene.with_access_token();
    let mut world = scene.pipeline.sim.world();
    let token = world.token_of_user(user, "pat-rotator", AZURE_DEVOPS, ADMINISTRATION);
    drop(world);
    for (name, value) in [
        ("command", "report"),
        ("reportScope", "organization"),
        ("patName", ""),
        ("variable", ""),
        ("accessToken", &token),
    ] {
        scene.input(name, value);
    }
}

#[test]
fn each_refusal_of_the_report_prints_its_remedy() {
    let mut table = Table::of(Service::Administration);
    for (what, denial, said) in [
        ("TF401444, for a report", AccessDenial::NeverSignedIn, ["401 TF401444", "Let the account sign in"]),
        (
            "the service-principal refusal, for a report",
            AccessDenial::ServicePrincipal,
            ["403 InvalidAccessException: Service principals", "a user who is a Project Collection Administrator"],
        ),
        ("a sign-in page, for a report", AccessDenial::SignInPage, ["answered 203", "Sign in as a Project Collection"]),
    ] {
        table.refuse(what, &said, |scene| {
            as_user(scene, "rotator");
            scene.world(|world| world.access_denied = Some(denial));
        });
    }
    for (is_403, said) in [
        (false, ["401 TF400813", "Sign in as a Project Collection Administrator"]),
        (true, ["403 TF400813", "Make the account a member of Project Collection Administrators"]),
    ] {
        table.refuse("not an administrator", &said, |scene| {
            as_user(scene, "alice");
            scene.world(|world| world.directory.not_administrator_is_403 = is_403);
        });
    }
    table.refuse("no such organization, for a report", &["404 TF400814", "Check `organization`"], |scene| {
        as_user(scene, "rotator");
        scene.input("organization", "fabrikam");
    });
    table.refuse_in_process("429, for a report", &["answered 429", "Run again later"], |sim, job| {
        let token = sim.world().user_token(ADMINISTRATION);
        for (name, value) in [
            ("INPUT_COMMAND", "report"),
            ("INPUT_REPORTSCOPE", "organization"),
            ("INPUT_ACCESSTOKEN", token.as_str()),
            ("AGENT_TEMPDIRECTORY", reports_folder().to_str().unwrap()),
        ] {
            job.set(name, value);
        }
        sim.inject(Fault::Status(429), When::every(Op::ListUsers));
    });
    table.is_complete_but_for(&[]);
}
