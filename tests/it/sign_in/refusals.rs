//! Every way in which a sign-in can be refused: what the server said, the remedy, and a world that nothing happened to.

use jiff::SignedDuration;

use crate::harness::pipeline::{NAME, Pipeline, REFRESH};
use agent::{Endpoint, TaskResult};
use simulator::world::{AZURE_DEVOPS, KEY_VAULT, NO_TENANT, Tenant};
use simulator::{Fault, Op, When, World};

pub(crate) const ELSEWHERE: &str = "e15e0000-0000-4000-8000-000000000001";

/// One way to be refused.
struct Row {
    what: &'static str,
    /// Arranges it, and returns inputs beside those of a rotation.
    arrange: fn(&Pipeline) -> Inputs,
    /// Words of the server's refusal, and of the remedy.
    said: &'static [&'static str],
}

type Inputs = Vec<(&'static str, String)>;

/// Gives the step an access token that an earlier step made like this.
fn given(pipeline: &Pipeline, make: impl FnOnce(&mut World) -> String) -> Inputs {
    let token = make(&mut pipeline.sim.world());
    vec![("azureSubscription", String::new()), ("refreshTokenSecret", String::new()), ("accessToken", token)]
}

/// A good access token, refused by this fault of every request of the kind.
fn met_by(pipeline: &Pipeline, fault: Fault, op: Op) -> Inputs {
    pipeline.sim.inject(fault, When::every(op));
    given(pipeline, |world| world.user_token("vso.pats vso.pats_manage"))
}

/// The refresh token is refused with this number.
fn broken(pipeline: &Pipeline, code: u32) -> Inputs {
    pipeline.sim.world().break_refresh_tokens("rotator", code);
    Vec::new()
}

/// Every row; each is a pipeline of its own. With `--nocapture`, the table of what was printed.
#[expect(clippy::print_stdout, reason = "the table is there to be read")]
#[track_caller]
fn refuse(rows: &[Row]) {
    let mut unsaid = Vec::new();
    for Row { what, arrange, said } in rows {
        let pipeline = Pipeline::with_pat(5);
        let inputs = arrange(&pipeline);
        let mut job = pipeline.job();
        let app = pipeline.sim.world().app("pat-rotator").clone();
        let wrong =
            Endpoint::new("5ec00000-0000-4000-8000-000000000001", "by-secret", "AzureRM", "ServicePrincipal", "");
        job = job.endpoint(
            wrong
                .parameter("authenticationType", "spnKey")
                .parameter("tenantid", &app.tenant)
                .parameter("serviceprincipalid", &app.client_id)
                .parameter("serviceprincipalkey", "the-wrong-client-secret"),
        );
        let before = world(&pipeline);
        let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let run = pipeline.main(&mut job, &inputs);
        assert_eq!(run.result, TaskResult::Failed, "{what}\n{}", run.log);
        let [line] = &run.errors[..] else { panic!("{what}: not one error\n{}", run.log) };
        println!("| {what} | {line} |");
        let missing = said.iter().chain(&["Nothing was changed."]).filter(|words| !line.contains(**words));
        unsaid.extend(missing.map(|words| format!("{what}: no {words:?} in\n    {line}")));
        assert_eq!(world(&pipeline), before, "{what}");
        assert_eq!(job.variable_value("rotate.rotated"), None, "{what}");
        pipeline.sim.clear_transcript();
        let post = pipeline.post(&mut job);
        assert_eq!((post.result, pipeline.sim.transcript().len()), (TaskResult::Succeeded, 0), "{what}\n{}", post.log);
    }
    assert!(unsaid.is_empty(), "{}", unsaid.join("\n"));
}

/// Everything that a run could have changed.
pub(crate) fn world(pipeline: &Pipeline) -> String {
    let world = pipeline.sim.world();
    let vault: Vec<String> =
        world.vault.secrets.iter().map(|secret| format!("{} {:?}", secret.name, secret.versions)).collect();
    format!("{}{}", world.listing(), vault.join("\n"))
}

#[test]
fn an_access_token_that_is_not_the_rotating_users_own_is_explained() {
    refuse(&[
        Row {
            what: "an app's own token",
            arrange: |pipeline| given(pipeline, |world| world.app_token("pat-rotator", AZURE_DEVOPS)),
            said: &[
                "answered 403",
                "Service principals are not allowed",
                "accepts only tokens that act for a user",
                "give `refreshTokenSecret`",
            ],
        },
        Row {
            what: "a personal access token in place of an access token",
            arrange: |pipeline| given(pipeline, |world| world.pats[0].secret.clone()),
            said: &[
                "answered 401",
                "Set `accessToken` to an Entra access token of a user: the current value looks like a personal access token",
            ],
        },
        Row {
            what: "something that is no token at all",
            arrange: |pipeline| given(pipeline, |_| "correct-horse-battery-staple".to_owned()),
            said: &["answered 401", "Set `accessToken` to an Entra access token"],
        },
        Row {
            what: "a token for another audience",
            arrange: |pipeline| {
                given(pipeline, |world| {
                    world.token_of_user("rotator", "pat-rotator-public", KEY_VAULT, "user_impersonation")
                })
            },
            said: &["answered 401", "The token is for \"https://vault.azure.net\", not for Azure DevOps", "/.default`"],
        },
        Row {
            what: "a token from another tenant",
            arrange: |pipeline| {
                given(pipeline, |world| {
                    let home = std::mem::replace(&mut world.user_mut("rotator").tenant, ELSEWHERE.to_owned());
                    let token = world.user_token("vso.pats vso.pats_manage");
                    world.user_mut("rotator").tenant = home;
                    token
                })
            },
            said: &[
                "answered 401",
                "The token is from tenant e15e0000-0000-4000-8000-000000000001, and the organization belongs to tenant",
            ],
        },
        Row {
            what: "an expired token",
            arrange: |pipeline| {
                given(pipeline, |world| {
                    world.user_token_minutes = -5;
                    world.user_token("vso.pats vso.pats_manage")
                })
            },
            said: &["answered 401", "The token expired at 20", "request it right before this step"],
        },
        Row {
            what: "a token revoked before its time",
            arrange: |pipeline| {
                given(pipeline, |world| {
                    let token = world.user_token("vso.pats vso.pats_manage");
                    world.expire_token(&token);
                    token
                })
            },
            said: &["answered 401 TF400813", "Open the organization in a browser as the rotating user rotator@contoso"],
        },
        Row {
            what: "an organization backed by Microsoft accounts",
            arrange: |pipeline| {
                pipeline.sim.world().organizations[0].tenant = NO_TENANT.to_owned();
                given(pipeline, |world| world.user_token("vso.pats vso.pats_manage"))
            },
            said: &["answered 401", "backed by Microsoft accounts"],
        },
    ]);
}

#[test]
fn a_user_or_a_token_that_may_not_manage_tokens_is_explained() {
    refuse(&[
        Row {
            what: "a token without the scopes for tokens",
            arrange: |pipeline| given(pipeline, |world| world.user_token("vso.code vso.profile")),
            said: &[
                "TF400813",
                "has the scopes \"vso.code vso.profile\"",
                "grant the app the delegated permissions `vso.pats` and `vso.pats_manage`",
            ],
        },
        Row {
            what: "a token that may only read tokens",
            arrange: |pipeline| given(pipeline, |world| world.user_token("vso.pats")),
            said: &["could not create", "answered 401", "has the scopes \"vso.pats\"", "`vso.pats_manage`"],
        },
        Row {
            what: "an app that was granted too little",
            arrange: |pipeline| {
                pipeline.sim.world().app_mut("pat-rotator").delegated = vec!["vso.code".to_owned()];
                Vec::new()
            },
            said: &["TF400813", "has the scopes \"vso.code\"", "`vso.pats_manage`, with admin consent"],
        },
        Row {
            what: "a user who is not in the organization",
            arrange: |pipeline| {
                pipeline.sim.world().user_mut("alice").member_of.clear();
                given(pipeline, |world| {
                    world.token_of_user("alice", "pat-rotator-public", AZURE_DEVOPS, "vso.pats vso.pats_manage")
                })
            },
            said: &[
                "TF401444",
                "Let the rotating user alice@contoso.onmicrosoft.com sign in to the organization once with a browser",
            ],
        },
        Row {
            what: "a policy's 403",
            arrange: |pipeline| met_by(pipeline, Fault::Status(403), Op::ListPats),
            said: &[
                "answered 403 InvalidAccessException",
                "which policy blocks the rotating user rotator@contoso.onmicrosoft.com",
            ],
        },
        Row {
            what: "a sign-in page (203)",
            arrange: |pipeline| met_by(pipeline, Fault::SignInPage, Op::ListPats),
            said: &["answered 203 with its sign-in page", "Open the organization in a browser as the rotating user"],
        },
        Row {
            what: "a redirect to a sign-in page (302)",
            arrange: |pipeline| met_by(pipeline, Fault::SignInRedirect, Op::ListPats),
            said: &["answered 302 with its sign-in page", "Open the organization in a browser as the rotating user"],
        },
        Row {
            what: "a sign-in page in place of the new token",
            arrange: |pipeline| met_by(pipeline, Fault::SignInPage, Op::CreatePat),
            said: &[
                "could not create",
                "answered 203 with its sign-in page",
                "Open the organization in a browser as the rotating user",
            ],
        },
        Row {
            what: "an organization that is not there",
            arrange: |_| vec![("organization", "fabrikam".to_owned())],
            said: &["fabrikam", "answered 404 TF400814", "Check `organization`"],
        },
    ]);
}

#[test]
fn a_refresh_token_that_entra_does_not_take_is_explained() {
    refuse(&[
        Row {
            what: "a refresh token that nobody used for 90 days",
            arrange: |pipeline| {
                let mut world = pipeline.sim.world();
                let value = world.vault.value(REFRESH).to_owned();
                world.age_refresh_token(&value, SignedDuration::from_hours(91 * 24));
                Vec::new()
            },
            said: &[
                "AADSTS700082",
                "inactive for 90.00:00:00",
                "Let the rotating user sign in again: `rotate-pat sign-in`",
            ],
        },
        Row {
            what: "a changed password",
            arrange: |pipeline| broken(pipeline, 50173),
            said: &["AADSTS50173", "changed or reset their password", "Let the rotating user sign in again"],
        },
        Row {
            what: "a sign-in frequency policy",
            arrange: |pipeline| broken(pipeline, 70043),
            said: &["AADSTS70043", "exclude the rotating user from the sign-in frequency"],
        },
        Row {
            what: "a second factor asked for anew",
            arrange: |pipeline| broken(pipeline, 50076),
            said: &["AADSTS50076", "sign in again, with the second factor"],
        },
        Row {
            what: "Conditional Access",
            arrange: |pipeline| broken(pipeline, 53003),
            said: &["AADSTS53003", "let the rotating user in from the agent's address"],
        },
        Row {
            what: "a disabled account",
            arrange: |pipeline| broken(pipeline, 50057),
            said: &["AADSTS50057", "Enable the rotating user's account"],
        },
        Row {
            what: "a consent that was withdrawn",
            arrange: |pipeline| {
                pipeline.sim.world().app_mut("pat-rotator").delegated.clear();
                Vec::new()
            },
            said: &["AADSTS65001", "Grant the app the delegated permissions `vso.pats` and `vso.pats_manage`"],
        },
        Row {
            what: "a scope that the app does not have",
            arrange: |_| vec![("requestedScopes", "vso.pats vso.nonsense".to_owned())],
            said: &["AADSTS65001", "Grant the app the delegated permissions"],
        },
        Row {
            what: "a resource that is not there",
            arrange: |_| vec![("requestedScopes", "https://nowhere.example/.default".to_owned())],
            said: &["AADSTS500011", "Correct the service in `requestedScopes`"],
        },
        Row {
            what: "a refresh token of another app",
            arrange: |pipeline| {
                let mut world = pipeline.sim.world();
                let other = world.refresh_token_for("rotator", "pat-rotator-public");
                world.set_secret(REFRESH, &other, &[]);
                Vec::new()
            },
            said: &["AADSTS70000", "sign in again to the app that this pipeline uses"],
        },
        Row {
            what: "something in the vault that is no refresh token",
            arrange: |pipeline| {
                pipeline.sim.world().set_secret(REFRESH, "correct-horse-battery-staple", &[]);
                Vec::new()
            },
            said: &["AADSTS70000", "Let the rotating user sign in again"],
        },
    ]);
}

#[test]
fn an_app_that_entra_rejects_is_explained() {
    refuse(&[
        Row {
            what: "a wrong client secret",
            arrange: |_| vec![("azureSubscription", "by-secret".to_owned())],
            said: &[
                "AADSTS7000215",
                "Invalid client secret",
                "Put the value of a client secret, not its id, into the service connection",
            ],
        },
        Row {
            what: "a client that is not known in the tenant",
            arrange: |_| vec![("clientId", ELSEWHERE.to_owned())],
            said: &["AADSTS700016", "Check `clientId` and `tenantId`"],
        },
        Row {
            what: "a tenant that is not there",
            arrange: |_| vec![("tenantId", ELSEWHERE.to_owned())],
            said: &["AADSTS90002", "Correct `tenantId`"],
        },
        Row {
            what: "a tenant that does not know the app",
            arrange: |pipeline| {
                let tenant = Tenant { id: ELSEWHERE.to_owned(), domain: "fabrikam.onmicrosoft.com".to_owned() };
                pipeline.sim.world().tenants.push(tenant);
                vec![("tenantId", ELSEWHERE.to_owned())]
            },
            said: &["AADSTS700016", "Check `clientId` and `tenantId`"],
        },
        Row {
            what: "another confidential client",
            arrange: |pipeline| {
                let mut world = pipeline.sim.world();
                world.add_client_secret("pat-rotator-public");
                let refresh = world.refresh_token_for("rotator", "pat-rotator-public");
                world.set_secret(REFRESH, &refresh, &[]);
                vec![("clientId", world.app("pat-rotator-public").client_id.clone())]
            },
            said: &["AADSTS7000218", "Set `clientId` to a public client, or to the service connection's own app"],
        },
        Row {
            what: "a federated credential for another subject",
            arrange: |pipeline| {
                pipeline.sim.world().app_mut("pat-rotator").federated[0].subject.push_str("-renamed");
                Vec::new()
            },
            said: &[
                "AADSTS700213",
                "presented assertion subject",
                "Copy the issuer and subject of the service connection into a federated credential of the app",
            ],
        },
        Row {
            what: "no federated credential",
            arrange: |pipeline| {
                pipeline.sim.world().app_mut("pat-rotator").federated.clear();
                Vec::new()
            },
            said: &[
                "AADSTS70025",
                "Copy the issuer and subject of the service connection into a federated credential of the app",
            ],
        },
        Row {
            what: "a service connection that was disabled",
            arrange: |pipeline| {
                pipeline.sim.world().connections[0].disabled = true;
                Vec::new()
            },
            said: &[
                "could not get an OIDC token",
                "answered 404",
                "Enable the service connection (Project settings > Service connections), or name another one",
            ],
        },
    ]);
}

#[test]
fn a_refused_sign_in_is_never_repeated() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().break_refresh_tokens("rotator", 50173);
    let mut job = pipeline.job();
    assert_eq!(pipeline.main(&mut job, &[]).result, TaskResult::Failed);
    assert_eq!(pipeline.sim.count(Op::TokenRefresh), 1);
    let pipeline = Pipeline::with_pat(5);
    let token = pipeline.sim.world().user_token("vso.code");
    let mut job = pipeline.job();
    let inputs = [("azureSubscription", ""), ("refreshTokenSecret", ""), ("accessToken", token.as_str())];
    assert_eq!(pipeline.main(&mut job, &inputs).result, TaskResult::Failed);
    assert_eq!(pipeline.sim.count(Op::ListPats), 1);
    assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
}
