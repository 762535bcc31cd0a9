//! What goes over the wire to the real services, and what they answer where documents are silent.

use std::collections::BTreeSet;
use std::sync::Arc;

use rotate_pat::app::StageExit;
use serde_json::Value;

use crate::harness::front::{Front, Sent};
use crate::harness::in_process::LocalJob;
use crate::harness::pipeline::{NAME, Pipeline, REFRESH, lines_with, says};
use crate::robustness::advice::azure::by_connection;
use agent::TaskResult;
use simulator::world::{AccessDenial, BUILD_SERVICE, ErrorShape, Marks, ScopeRefusal};
use simulator::{Fault, Op, Simulator, When, World};

/// A world with a PAT that is due, and a job in this process.
fn due(change: impl FnOnce(&mut World)) -> (Arc<Simulator>, LocalJob) {
    let mut world = World::new();
    world.add_pat(NAME).days_left(5).add();
    change(&mut world);
    let sim = Arc::new(Simulator::start(world));
    let job = LocalJob::new(&sim, &[("patName", NAME), ("variable", "PAT")]);
    (sim, job)
}

/// The main stage ends like this, and its log says all of these words.
#[track_caller]
fn ends(job: &mut LocalJob, exit: StageExit, words: &[&str]) {
    let ended = job.main();
    let log = job.log();
    assert_eq!(format!("{ended:?}"), format!("{exit:?}"), "{log}");
    for words in words {
        assert!(log.contains(words), "no {words:?} in\n{log}");
    }
}

/// An answer of the live service, with its name.
fn recorded() -> Vec<(String, u16, impl Fn() -> Fault)> {
    recorded_in(include_str!("../fixtures/recorded/answers.json"))
}

/// An answer of the services beside the PAT API, by its name.
fn recorded_as(wanted: &str) -> Fault {
    let answers = recorded_in(include_str!("../fixtures/recorded/services.json"));
    let (_, _, fault) = answers.into_iter().find(|(name, ..)| name == wanted).expect("a recorded answer");
    fault()
}

fn recorded_in(file: &str) -> Vec<(String, u16, impl Fn() -> Fault)> {
    let answers: Vec<Value> = serde_json::from_str(file).unwrap();
    let as_fault = |answer: Value| {
        let name = answer["name"].as_str().unwrap().to_owned();
        let status = u16::try_from(answer["status"].as_u64().unwrap()).unwrap();
        let fault = move || {
            let headers = answer["headers"].as_object().unwrap().iter();
            let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
            let text = match &answer["body"] {
                Value::String(text) => text.clone(),
                json => json.to_string(),
            };
            let mark = if answer["bom"] == true { "\u{feff}" } else { "" };
            Fault::Recorded(status, headers, format!("{mark}{text}").into_bytes())
        };
        (name, status, fault)
    };
    answers.into_iter().map(as_fault).collect()
}

#[test]
fn every_request_that_may_have_a_body_says_its_length() {
    let pipeline = Pipeline::with_pat(5);
    let front = Front::start(pipeline.sim.origin().trim_start_matches("http://").parse().unwrap());
    let origin = front.origin();
    let (refresh, place) = (format!("{origin}/secrets/{REFRESH}"), format!("keyVault: {origin}/secrets/nuget-pat"));
    let inputs = [("refreshTokenSecret", refresh.as_str()), ("publishTo", &place), ("overlapHours", "0")];
    // The second rotation also disables the vault's older version.
    for run in 0..2 {
        let job = if run == 0 { pipeline.job() } else { pipeline.next_job() };
        pipeline.forget("the old consumer");
        pipeline.forget("the new consumer");
        let mut job = job.collection_uri(&format!("{origin}/contoso/"));
        pipeline.rotate(&mut job, &[&inputs[..], &[("rotateWhenDaysLeft", "365")]].concat());
        pipeline.forget("the new consumer");
    }
    assert_eq!(pipeline.active(), [format!("#3 {NAME}")]);

    let sent = front.sent();
    let count = |method: &str| sent.iter().filter(|sent| sent.method == method).count();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert!(count(method) > 0, "no {method} among {sent:#?}");
    }
    for request in &sent {
        let is_bare = matches!(request.method.as_str(), "GET" | "HEAD");
        assert_eq!(request.lengths.len(), usize::from(!is_bare), "{request:?}");
        assert!(!request.is_chunked, "{request:?}");
    }
    let is_empty = |sent: &&Sent| sent.lengths == ["0"];
    let empty: BTreeSet<&str> = sent.iter().filter(is_empty).map(|sent| sent.method.as_str()).collect();
    assert_eq!(empty, BTreeSet::from(["DELETE", "POST"]), "{sent:#?}");
}

#[test]
fn recorded_refusals_are_quoted_with_their_sentence() {
    let refusals = recorded().into_iter().filter(|(_, status, _)| *status != 200);
    let said: Vec<(String, String)> = refusals
        .map(|(name, _, fault)| {
            let (sim, mut job) = due(|_| {});
            sim.inject(fault(), When::every(Op::ListPats));
            ends(&mut job, StageExit::Failed, &["Nothing was changed."]);
            assert_eq!(sim.count(Op::ListPats), 1, "{name}");
            let log = job.log();
            let (_, said) = log.split_once("Azure DevOps answered ").unwrap();
            (name, said.lines().next().unwrap().to_owned())
        })
        .collect();
    let said: Vec<(&str, &str)> = said.iter().map(|(name, said)| (name.as_str(), said.as_str())).collect();
    assert_eq!(
        said,
        [
            (
                "a message without a number",
                "400 TeamFieldArgumentNullException: DefaultValue (activity 79d2d051-b208-4d6b-b865-cfd6b741cd66)"
            ),
            (
                "a number in front of the sentence",
                "400 TF400497: The backlog iteration path that you specified is no longer valid (activity \
                 cdcd8f5d-a28f-49c0-b318-3af94c44af4a)"
            ),
            ("no body and a Basic challenge alone", "401 (activity fd0eb47f-23fc-47ff-a5df-de33f14c77a8)"),
            (
                "letters beyond ASCII",
                "404 WikiPageNotFoundException: Wiki page ‘/abc’ could not be found. Ensure that the path of the page is \
                 correct and the page exists (activity 1354df49-8baf-40d7-932b-d68ed21219c9)"
            ),
            (
                "a project that does not exist",
                "404 TF200016: The following project does not exist: WorkItemCreateShowUpdateDeleteTests. Verify that the \
                 name of the project is correct and that the project exists on the specified Azure DevOps Server \
                 (activity cdcb179c-a28f-49c0-b318-3af94c44af4a)"
            ),
            (
                "an organization that was stopped",
                "503 TF24668: The following team project collection is stopped: Contoso. Start the collection and then try \
                 again. Administrator Reason: This Azure DevOps organization has been deactivated due to inactivity. For \
                 more information please visit aka.ms/adofootprintreduction (activity \
                 0ac70000-0000-4000-8000-000000000000)"
            ),
        ]
    );
}

#[test]
fn a_recorded_identity_is_read_for_user_and_token() {
    let (_, _, fault) = recorded().into_iter().find(|(_, status, _)| *status == 200).unwrap();
    let (sim, mut job) = due(|world| {
        // The recording is of another organization than the simulator's.
        "2ad38d1e-3eaf-4769-931c-3a2da67bbb01".clone_into(&mut world.organizations[0].id);
    });
    sim.inject(fault(), When::every(Op::ConnectionDataAsUser));
    sim.inject(fault(), When::every(Op::ConnectionDataAsPat));
    ends(&mut job, StageExit::Succeeded, &["and speaks for user@contoso.test"]);
}

#[test]
fn recorded_builds_that_have_not_ended_are_runs_at_work() {
    for answer in ["a build that waits", "a build that is being cancelled"] {
        let (sim, mut job) = due(|world| {
            world.add_pat(&format!("{NAME} [pending 77.1-0a1b2c3d]")).days_left(20).add();
        });
        sim.inject(recorded_as(answer), When::every(Op::GetBuild));
        ends(&mut job, StageExit::Failed, &["run 77.1-0a1b2c3d is rotating the same token", "Nothing was changed."]);
        assert!(sim.count(Op::GetBuild) > 0, "{answer}");
    }
}

#[test]
fn recorded_variable_groups_keep_every_other_variable() {
    // Where the list was recorded, and where only the group itself was.
    for (name, number, list, group) in [
        ("group1", 47, Some("variable groups"), "a variable group"),
        ("newGroup", 48, None, "a variable group with a secret"),
    ] {
        let (sim, mut job) = due(|world| {
            // The recordings are of another project than the simulator's.
            for id in [&mut world.projects[0].id, &mut world.job.project_id] {
                "2c2bf6e8-cba2-4dcb-80d6-86eaf14998f6".clone_into(id);
            }
            let group = world.add_variable_group(name).plain("var1", "value1").plain("var2", "value2");
            let id = group.plain("NewVar1", "NewVal1").secret("NewVar2", "NewVal2").administrator(BUILD_SERVICE).add();
            let group = world.variable_group_mut(id);
            group.id = number;
            if list.is_some() {
                group.variables.retain(|name, _| !name.starts_with("New"));
            }
        });
        if let Some(list) = list {
            sim.inject(recorded_as(list), When::every(Op::ListGroups));
        }
        // The first look: what is read after the write is to show the write.
        sim.inject(recorded_as(group), When::nth(Op::GetGroup, 1));
        let before = sim.world().variable_group(number).variables.clone();
        job.set("INPUT_PUBLISHTO", &format!("variableGroup: {name}/NUGET_PAT"));
        ends(&mut job, StageExit::Succeeded, &[name]);
        let after = sim.world().variable_group(number).variables.clone();
        for (name, variable) in before {
            let kept = &after[&name];
            assert_eq!((&kept.value, kept.is_secret), (&variable.value, variable.is_secret), "{name}");
        }
        assert!(after["NUGET_PAT"].is_secret && sim.world().secret_works(&after["NUGET_PAT"].value));
    }
}

#[test]
fn a_recorded_refusal_without_a_sentence_is_a_refusal() {
    let (sim, mut job) = due(|_| {});
    sim.inject(recorded_as("a refusal that says nothing"), When::every(Op::ListPats));
    ends(&mut job, StageExit::Failed, &["Azure DevOps answered 401", "Nothing was changed."]);
}

#[test]
fn a_refusal_of_any_shape_is_quoted_and_has_its_remedy() {
    for shape in [
        ErrorShape::Exception,
        ErrorShape::Counted,
        ErrorShape::CountedMessage,
        ErrorShape::Message,
        ErrorShape::Text,
        ErrorShape::Html,
    ] {
        for marks in [Marks::Always, Marks::Never] {
            let (_sim, mut job) = due(|world| {
                (world.error_shape, world.marks) = (shape, marks);
                world.access_denied = Some(AccessDenial::ServicePrincipal);
            });
            let sentence = "Service principals are not allowed to perform this action";
            ends(&mut job, StageExit::Failed, &[sentence, "Give `refreshTokenSecret`"]);
        }
    }
}

#[test]
fn a_policy_named_by_an_exception_has_its_remedy() {
    // As microsoft/azure-devops-intellij#493 shows it, where others saw a 200 with `patTokenError`.
    let body =
        r#"{"$id":"1","message":"FullScopePatPolicyViolation","typeKey":"SessionTokenCreateException","eventId":3000}"#;
    let (sim, mut job) = due(|_| {});
    sim.inject(Fault::Recorded(400, Vec::new(), body.into()), When::every(Op::CreatePat));
    let words = ["400 SessionTokenCreateException: the tenant forbids full scope", "Replace `app_token` in `scopes`"];
    ends(&mut job, StageExit::Failed, &words);
}

#[test]
fn a_rotation_survives_bare_refusals_and_answers_without_a_token() {
    let pipeline = Pipeline::with_pat(5);
    {
        let mut world = pipeline.sim.world();
        world.bare_401 = true;
        world.oidc_answers.extend(["null", "{}", r#"{"oidcToken":null}"#, ""]);
    }
    // Entra does not reach the issuer for a moment.
    for op in [Op::TokenClientCredentials, Op::TokenRefresh] {
        let refuse = |code| move |world: &mut World| world.app_mut("pat-rotator").refused_with = code;
        pipeline.sim.inject(Fault::before(refuse(Some(50166))), When::nth(op, 1));
        pipeline.sim.inject(Fault::after(refuse(None)), When::nth(op, 1));
    }
    let mut job = pipeline.job();
    let (main, _) = pipeline.rotate(&mut job, &[]);
    assert_eq!(main.warnings, Vec::<String>::new());
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
    let counts = [Op::OidcToken, Op::TokenClientCredentials, Op::TokenRefresh].map(|op| pipeline.sim.count(op));
    assert_eq!(counts, [6, 2, 2], "{}", pipeline.sim.transcript_text());
}

#[test]
fn an_oidc_endpoint_that_never_has_a_token_is_given_up() {
    let (sim, mut job) = due(|world| world.oidc_answers.extend(["null"; 1000]));
    by_connection(&sim, &mut job, "WorkloadIdentityFederation");
    let run = sim.world().job.clone();
    let hub = format!("{}/contoso/{}", sim.origin(), run.project_id);
    let (plan, id) = (run.plan_id, run.job_id);
    let uri = format!("{hub}/_apis/distributedtask/hubs/build/plans/{plan}/jobs/{id}/oidctoken");
    job.set("SYSTEM_OIDCREQUESTURI", &uri);
    ends(&mut job, StageExit::Failed, &["the pipeline's OIDC endpoint", "200 without a token", "Run again."]);
    assert!((2..100).contains(&sim.count(Op::OidcToken)), "{}", sim.count(Op::OidcToken));
}

#[test]
fn entra_that_cannot_is_asked_again_but_never_with_a_password() {
    for code in [50166, 90061, 90033] {
        let (sim, mut job) = due(|world| world.app_mut("pat-rotator").refused_with = Some(code));
        by_connection(&sim, &mut job, "ServicePrincipal");
        ends(&mut job, StageExit::Failed, &[&format!("answered 400 AADSTS{code}: "), "Run again later."]);
        assert!(sim.count(Op::TokenClientCredentials) > 2, "{code}");
    }
    let (sim, mut job) = due(|_| {});
    let client = sim.world().app("pat-rotator-public").client_id.clone();
    let password = sim.world().add_password("rotator");
    for (name, value) in [
        ("INPUT_ACCESSTOKEN", ""),
        ("INPUT_USERNAME", "rotator@contoso.onmicrosoft.com"),
        ("INPUT_PASSWORD", &password),
        ("INPUT_CLIENTID", &client),
    ] {
        job.set(name, value);
    }
    let body =
        r#"{"error":"temporarily_unavailable","error_description":"AADSTS90033: A transient error has occurred."}"#;
    sim.inject(Fault::Recorded(400, Vec::new(), body.into()), When::every(Op::TokenPassword));
    ends(&mut job, StageExit::Failed, &["answered 400 AADSTS90033: A transient", "Run again later."]);
    assert_eq!(sim.count(Op::TokenPassword), 1);
}

#[test]
fn a_metadata_service_that_is_updated_is_asked_again() {
    for status in [404, 410] {
        let (sim, mut job) = due(|world| {
            world.add_managed_identity("machine", simulator::world::Managed::System);
        });
        by_connection(&sim, &mut job, "ManagedServiceIdentity");
        sim.inject(Fault::Status(status), When::first(Op::ManagedIdentity, 4));
        // The identity's own token is refused by the list, as expected.
        ends(&mut job, StageExit::Failed, &["could not list the tokens"]);
        assert_eq!(sim.count(Op::ManagedIdentity), 5, "{status}");
    }
}

#[test]
fn a_policy_that_refuses_the_new_token_verifies_nothing() {
    for is_id in [false, true] {
        let (sim, mut job) = due(|world| (world.pats_fenced, world.user_data_is_id) = (true, is_id));
        let words = ["403 VS403463: The conditional access policy", "Ask an Entra administrator"];
        ends(&mut job, StageExit::Failed, &words);
        let world = sim.world();
        let active: Vec<&str> =
            world.pats.iter().filter(|pat| pat.works_in("contoso", world.now())).map(|pat| &*pat.name).collect();
        assert_eq!(active, [NAME], "{}", world.listing());
    }
}

#[test]
fn a_token_whose_scopes_do_not_reach_the_page_is_verified_by_its_name() {
    for is_id in [false, true] {
        let (_sim, mut job) = due(|world| {
            world.connection_data_refuses_scope = Some(ScopeRefusal::Forbidden);
            world.user_data_is_id = is_id;
        });
        ends(&mut job, StageExit::Succeeded, &["verified it"]);
    }
    let (_sim, mut job) = due(|world| world.connection_data_refuses_scope = Some(ScopeRefusal::Unauthorized));
    let words = ["it does not work, or its scopes do not reach", "add a scope such as `vso.profile`"];
    ends(&mut job, StageExit::Failed, &words);
}

#[test]
fn an_organization_without_a_tenant_is_asked_twice() {
    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().zero_tenants = 1;
    let mut job = pipeline.job();
    pipeline.rotate(&mut job, &[]);

    let pipeline = Pipeline::with_pat(5);
    pipeline.sim.world().zero_tenants = 2;
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[]);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(&run, &["is backed by Microsoft accounts, or there is no organization of that name"]);

    let run = pipeline.main(&mut pipeline.job(), &[("organization", "nobodys")]);
    says(&run, &["answered 404 TF400814: The organization 'nobodys' could not be found", "Check `organization`"]);
}

#[test]
fn the_retiring_issuer_of_a_connection_is_warned_about_once() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[]);
    assert_eq!(lines_with(&run, "vstoken"), Vec::<&str>::new());
    pipeline.post(&mut job);

    pipeline.sim.world().use_old_issuer("pat-rotator");
    let mut job = pipeline.next_job();
    let run = pipeline.main(&mut job, &[("rotateWhenDaysLeft", "365")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    let [line] = &lines_with(&run, "vstoken.dev.azure.com")[..] else { panic!("{}", run.log) };
    assert!(line.starts_with("##[warning]") && line.contains("retires on 2027-07-01"), "{line}");
}
