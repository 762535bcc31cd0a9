//! The numbers of Microsoft Entra, each with its remedy.

use jiff::SignedDuration;
use rotate_pat::advice::Service;

use super::{Scenario, Table};
use crate::harness::pipeline::REFRESH;
use crate::sign_in::refusals::ELSEWHERE;
use simulator::certificates::PemForm;
use simulator::world::DeviceFlowBlock;
use simulator::{Fault, Op, World};

/// The refusals of users and of their refresh tokens, by number, with words of the remedy.
const OF_USERS: &[(&[u32], &str)] = &[
    (
        // The last one is in no list: its word has a row.
        &[700_082, 70008, 50173, 50132, 50133, 99_999],
        "Let the rotating user sign in again: `rotate-pat sign-in` on a workstation",
    ),
    (&[70000], "Let the rotating user sign in again to the app that this pipeline uses"),
    (&[700_084], "Move the app's redirect URI to the platform \"Mobile and desktop applications\""),
    (&[70043], "exclude the rotating user from the sign-in frequency"),
    (&[50072, 50074, 50076, 50078, 50079], "sign in again, with the second factor"),
    (&[53003, 530_032], "let the rotating user in from the agent's address"),
    (&[53000, 53001, 53002, 50097], "exclude the rotating user from that Conditional Access policy"),
    (&[530_035], "Let the rotating user sign in with `rotate-pat sign-in` on a workstation"),
    (&[50034], "Choose another rotating user"),
    (&[50020], "Invite the rotating user into the organization's tenant"),
    (&[50053], "run again only after the lock"),
    (&[50057], "Enable the rotating user's account in Entra"),
    (&[50105], "Assign the rotating user to the app"),
    (&[65001, 90094], "Grant the app the delegated permissions `vso.pats` and `vso.pats_manage`"),
];

/// The refusals of apps, whatever they ask for.
const OF_APPS: &[(&[u32], &str)] = &[
    (&[650_056, 650_057], "Grant the app the delegated permissions"),
    (&[65002], "Register your own app"),
    (&[7_000_112, 70001], "Enable the app in the tenant"),
    (&[700_024], "Correct the clock of the agent's machine."),
    (&[70021], "Copy the issuer and subject of the service connection"),
    (&[700_223, 700_238], "allow federated credentials with the service connection's issuer"),
    (&[700_229], "Use a service connection with workload identity federation or a managed identity."),
    (&[70052], "Register an app in the organization's tenant"),
    (&[900_382, 900_432], "Use an app of the public cloud"),
    (&[700_038], "it must be the app's application (client) id"),
    (&[99_999], "Check the app of the service connection and its credential in Entra."),
    (&[50196], "let fewer jobs sign in at once"),
    (&[90055], "Run again later."),
];

#[test]
fn each_number_of_entra_prints_its_remedy() {
    let mut table = Table::of(Service::Entra);
    for (of_users, rows) in [(true, OF_USERS), (false, OF_APPS)] {
        for (code, words) in rows.iter().flat_map(|(codes, words)| codes.iter().map(move |code| (*code, words))) {
            let number = format!("AADSTS{code}");
            table.refuse(&number, &[&number, words], |scene| {
                scene.world(|world| match of_users {
                    true => world.break_refresh_tokens("rotator", code),
                    false => world.app_mut("pat-rotator").refused_with = Some(code),
                });
            });
        }
    }
    let mut refuse = |what: &str, said: &[&str], arrange: fn(&mut Scenario)| table.refuse(what, said, arrange);
    refuse("a number behind one that is in no list", &["AADSTS1234567", "Correct the clock of"], |scene| {
        scene.world(|world| {
            world.numbers_in_front.push(1_234_567);
            world.app_mut("pat-rotator").refused_with = Some(700_024);
        });
    });
    refuse(
        "a word and a number that are in no list",
        &["AADSTS99999: Something new", "explains its number"],
        |scene| {
            let body = r#"{"error":"new_word","error_description":"AADSTS99999: Something new."}"#;
            scene.inject(Fault::Recorded(400, Vec::new(), body.into()), Op::TokenRefresh);
        },
    );
    refuse("a word without a sentence", &["answered 400 new_word", "Report it with the activity id"], |scene| {
        scene.inject(Fault::Recorded(400, Vec::new(), br#"{"error":"new_word"}"#.into()), Op::TokenRefresh);
    });

    // What the app proves itself with.
    refuse("AADSTS7000215, a wrong client secret", &["AADSTS7000215", "not its id"], |scene| {
        scene.connect_by_secret();
        scene.world(|world| world.app_mut("pat-rotator").secrets[0].value.push('x'));
    });
    refuse("AADSTS7000222, an expired client secret", &["AADSTS7000222", "Put a new client secret"], |scene| {
        scene.connect_by_secret();
        scene.world(|world| world.app_mut("pat-rotator").secrets[0].expires = Some(world.now()));
    });
    refuse("AADSTS700027, a certificate that is not the app's", &["AADSTS700027", "Put a certificate"], |scene| {
        let pem = scene.pipeline.sim.world().add_certificate("pat-rotator").pem(PemForm::Pkcs8);
        scene.world(|world| world.app_mut("pat-rotator").certificates.clear());
        scene.connect("ServicePrincipal", |endpoint, world| {
            let endpoint = endpoint.parameter("authenticationType", "spnCertificate");
            let endpoint = endpoint.parameter("serviceprincipalid", &world.app("pat-rotator").client_id);
            endpoint.parameter("servicePrincipalCertificate", &pem)
        });
    });
    refuse("AADSTS700025, a public client as the connection's app", &["AADSTS700025", "Turn off"], |scene| {
        scene.world(|world| world.make_public("pat-rotator"));
    });
    refuse(
        "AADSTS7000218, a refresh token of another confidential app",
        &["AADSTS7000218", "public client"],
        |scene| {
            scene.connect_by_secret();
            let mut world = scene.pipeline.sim.world();
            world.add_client_secret("pat-rotator-public");
            let refresh = world.refresh_token_for("rotator", "pat-rotator-public");
            world.set_secret(REFRESH, &refresh, &[]);
            let client = world.app("pat-rotator-public").client_id.clone();
            drop(world);
            scene.input("clientId", &client);
        },
    );
    refuse("AADSTS70025, no federated credential", &["AADSTS70025", "Copy the issuer and subject"], |scene| {
        scene.world(|world| world.app_mut("pat-rotator").federated.clear());
    });
    refuse("AADSTS700211, another issuer", &["AADSTS700211", "Copy the issuer and subject"], |scene| {
        scene.world(|world| world.app_mut("pat-rotator").federated[0].issuer.push('x'));
    });
    refuse("AADSTS700213, another subject", &["AADSTS700213", "Copy the issuer and subject"], |scene| {
        scene.world(|world| world.app_mut("pat-rotator").federated[0].subject.push('x'));
    });

    // What is asked for, and where.
    refuse("AADSTS700016, an app that the tenant does not know", &["AADSTS700016", "Check `clientId`"], |scene| {
        scene.input("clientId", ELSEWHERE);
    });
    refuse("AADSTS90002, no such tenant", &["AADSTS90002", "Correct `tenantId`"], |scene| {
        scene.input("tenantId", ELSEWHERE);
    });
    refuse("AADSTS500011, no such service", &["AADSTS500011", "Correct the service in"], |scene| {
        scene.input("requestedScopes", "https://nowhere.example/.default");
    });
    refuse("AADSTS70011, scopes of two services", &["AADSTS70011", "or leave it empty"], |scene| {
        scene.input("requestedScopes", "vso.pats https://vault.azure.net/.default");
    });
    refuse("429 from Entra", &["Microsoft Entra answered 429", "Run again later."], |scene| {
        scene.inject(Fault::Throttled(300), Op::TokenRefresh);
    });

    // A password.
    for code in [50072, 50074, 50076, 50078, 50079, 530_035] {
        let number = format!("AADSTS{code}");
        let remedy = "Use `refreshTokenSecret` in place of `password`.";
        table.refuse(&format!("{number} with `password`"), &[&number, remedy], |scene| {
            scene.with_password();
            scene.world(|world| world.user_mut("rotator").refused_with = Some(code));
        });
    }
    for (code, words) in [
        (50053, "run again only after the lock"),
        (50055, "put the new password into `password`"),
        (50057, "Enable the rotating user's account"),
        (53003, "let the rotating user in from the agent's address"),
    ] {
        let number = format!("AADSTS{code}");
        table.refuse(&format!("{number} with `password`"), &[&number, words], |scene| {
            scene.with_password();
            scene.world(|world| world.user_mut("rotator").refused_with = Some(code));
        });
    }
    let mut refuse = |what: &str, said: &[&str], arrange: fn(&mut Scenario)| table.refuse(what, said, arrange);
    refuse("AADSTS50126, a wrong password", &["AADSTS50126", "Correct `userName` and `password`"], |scene| {
        scene.with_password();
        scene.world(|world| world.user_mut("rotator").password = Some("another".to_owned()));
    });
    refuse("AADSTS50056, an account without a password", &["AADSTS50056", "in place of `password`"], |scene| {
        scene.with_password();
        scene.world(|world| world.user_mut("rotator").password = None);
    });
    refuse("AADSTS50034 with `password`", &["AADSTS50034", "Correct `userName`"], |scene| {
        scene.with_password();
        scene.input("userName", "nobody@contoso.onmicrosoft.com");
    });
    refuse("AADSTS7000218 with `password`", &["AADSTS7000218", "Turn on \"Allow public client flows\""], |scene| {
        scene.with_password();
        scene.world(|world| drop(world.add_client_secret("pat-rotator-public")));
    });
    refuse("AADSTS50034 with `entraAgentId`", &["AADSTS50034", "Correct `userName`"], |scene| {
        let client = scene.pipeline.sim.world().add_agent_identity("agent", "pat-rotator").client_id.clone();
        scene.input("refreshTokenSecret", "");
        scene.input("entraAgentId", &client);
        scene.input("userName", "nobody@contoso.onmicrosoft.com");
    });

    // A person with a code.
    refuse(
        "AADSTS53003, Conditional Access by flow: `command: signIn`",
        &["AADSTS53003", "Sign in with `rotate-pat sign-in` on a workstation: it uses a browser instead"],
        |scene| {
            scene.with_device_code(|world| world.sign_in_on_device("rotator").unwrap());
            scene.world(|world| world.device_flow_blocked = Some(DeviceFlowBlock::Client));
        },
    );
    refuse("AADSTS65004, the user declined", &["AADSTS65004", "accept the app's request"], |scene| {
        scene.with_device_code(World::decline_on_device);
    });
    refuse("AADSTS70019, the code has ended", &["AADSTS70019", "Run `command: signIn` again"], |scene| {
        scene.with_device_code(|world| world.advance(SignedDuration::from_mins(16)));
    });
    refuse("AADSTS70018, a code that is not known", &["AADSTS70018", "Run `command: signIn` again"], |scene| {
        scene.with_device_code(|world| world.device_codes.clear());
    });
    refuse("AADSTS7000218, `command: signIn`", &["AADSTS7000218", "Turn on \"Allow public client flows\""], |scene| {
        scene.with_device_code(|world| world.sign_in_on_device("rotator").unwrap());
        scene.connect_by_secret();
        scene.world(|world| drop(world.add_client_secret("pat-rotator-public")));
    });
    table.is_complete_but_for(&[
        // The workstation's browser is not driven here.
        "Sign in from a workstation that the Conditional Access policy allows.",
        "Sign in with `--bound`, or move the redirect URI",
        "Move the app's redirect URI to the platform \"Web\"",
    ]);
}
