//! A job variable cannot pass for what the agent says: where tokens go, which run this is, what to trust, how the job ended.

use agent::{Interruption, Job, JobStatus, Order, Step, StepRun, TaskResult};

use crate::harness::pipeline::{NAME, Pipeline, VARIABLE, ended, says};

/// Every way in which an agent may write its environment.
fn agents() -> [fn(Job) -> Job; 3] {
    [
        |job| job.order(Order::Forward),
        |job| job.order(Order::Backward),
        |job| job.order(Order::Forward).before_july_2026(),
    ]
}

/// Nothing was sent, and each of these is said.
#[track_caller]
fn refused(pipeline: &Pipeline, run: &StepRun, texts: &[&str]) {
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    assert_eq!(pipeline.sim.transcript_text(), "", "nothing is sent");
    says(run, texts);
}

#[test]
fn variable_with_an_agents_name_is_refused_by_name() {
    let pipeline = Pipeline::with_pat(5);
    let id = pipeline.sim.world().service_connection("pat-rotator").id.clone();
    for agent in agents() {
        for (name, read_as) in [
            ("SYSTEM_COLLECTIONURI", "SYSTEM_COLLECTIONURI"),
            ("SYSTEM_TEAMFOUNDATIONCOLLECTIONURI", "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI"),
            ("SYSTEM_OIDCREQUESTURI", "SYSTEM_OIDCREQUESTURI"),
            ("SYSTEM_TEAMPROJECT", "SYSTEM_TEAMPROJECT"),
            ("BUILD_BUILDID", "BUILD_BUILDID"),
            ("system_jobAttempt", "SYSTEM_JOBATTEMPT"),
            ("system stageName", "SYSTEM_STAGENAME"),
            ("AGENT_JOBSTATUS", "AGENT_JOBSTATUS"),
            ("AGENT_PROXYURL", "AGENT_PROXYURL"),
            ("agent_proxyBypassList", "AGENT_PROXYBYPASSLIST"),
            ("AGENT_SKIPCERTVALIDATION", "AGENT_SKIPCERTVALIDATION"),
            ("AGENT_CAINFO", "AGENT_CAINFO"),
            ("SSL_CERT_FILE", "SSL_CERT_FILE"),
            ("ssl.cert.file", "SSL_CERT_FILE"),
            ("IDENTITY_ENDPOINT", "IDENTITY_ENDPOINT"),
            ("AGENT_TEMPDIRECTORY", "AGENT_TEMPDIRECTORY"),
            ("secret.agent.proxyPassword", "SECRET_AGENT_PROXYPASSWORD"),
            ("input.dryRun", "INPUT_DRYRUN"),
            ("endpoint.url.systemVssConnection", "ENDPOINT_URL_SYSTEMVSSCONNECTION"),
            (&format!("endpoint.data.{id}.environmentAuthorityUrl"), "ENVIRONMENTAUTHORITYURL"),
            ("vsts.taskvariable.rotatePatState", "VSTS_TASKVARIABLE_ROTATEPATSTATE"),
        ] {
            let mut job = agent(pipeline.job().variable(name, "true"));
            let run = pipeline.main(&mut job, &[]);
            refused(&pipeline, &run, &[&format!("variable \"{name}\""), read_as, "Nothing was sent"]);
            assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
        }
    }
    let mut job = pipeline.job().secret_variable("agent_proxyPassword", "correct-horse-battery");
    let run = pipeline.main(&mut job, &[]);
    refused(&pipeline, &run, &["variable \"agent_proxyPassword\"", "SECRET_AGENT_PROXYPASSWORD"]);
}

/// Two builds with one such variable would take each other's new token for their own.
#[test]
fn release_id_in_a_build_is_refused() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job().variable("release.releaseId", "7");
    let run = pipeline.main(&mut job, &[]);
    refused(&pipeline, &run, &["variable \"release.releaseId\"", "which run this is"]);
    pipeline.rotate(&mut pipeline.job().release(7), &[]);
}

#[test]
fn agents_own_and_ordinary_variables_are_accepted() {
    for agent in agents() {
        let pipeline = Pipeline::with_pat(5);
        let mut job = agent(pipeline.job());
        for (name, value) in [
            ("System.Debug", "true"),
            ("agent.proxyurl", "http://127.0.0.1:9"),
            ("Agent.CAInfo", ""),
            ("input.folder", "src"),
            ("INPUT_FOLDER_TWO", "src"),
            ("endpoint", "https://contoso.com"),
            ("endpoint.url.prod", "https://contoso.com"),
            ("BUILD_CONFIGURATION", "Release"),
            ("buildConfiguration", "Release"),
            ("agent.diagnostic", "false"),
            ("system.prefergitfrompath", "true"),
            ("NO_PROXY", "localhost"),
            ("vsts.taskvariable.of.another", "x"),
        ] {
            job = job.variable(name, value);
        }
        pipeline.rotate(&mut job, &[]);
    }
}

/// The refresh token would go to the local address in clear.
#[test]
fn local_address_is_refused_in_a_pipeline_of_the_cloud() {
    let pipeline = Pipeline::with_pat(5);
    let local = format!("{}/contoso/", pipeline.sim.origin());
    for agent in agents() {
        let cloud = || agent(pipeline.job().collection_uri("https://dev.azure.com/contoso/"));
        let mut job = cloud().variable("SYSTEM_COLLECTIONURI", &local);
        let run = pipeline.main(&mut job, &[]);
        refused(&pipeline, &run, &["variable \"SYSTEM_COLLECTIONURI\""]);
        // In the agent's own spelling nothing tells it from the agent's word, so only the connection's address counts.
        let mut job = cloud().variable("system.collectionUri", &local);
        let run = pipeline.main(&mut job, &[]);
        refused(&pipeline, &run, &["`refreshTokenSecret` must be in the same place as the organization"]);
        let run = pipeline.main(&mut cloud(), &[("organization", &local)]);
        refused(&pipeline, &run, &["`organization` must be"]);
    }
}

#[test]
fn oidc_address_of_another_host_is_refused() {
    let pipeline = Pipeline::with_pat(5);
    for address in ["https://evil.example/contoso/oidctoken", "http://127.0.0.1:9/contoso/oidctoken", "nonsense"] {
        let mut job = pipeline.job().oidc_request_uri(address);
        let run = pipeline.main(&mut job, &[]);
        refused(&pipeline, &run, &["`SYSTEM_OIDCREQUESTURI` must be"]);
    }
}

#[test]
fn forged_job_status_retires_nothing() {
    for agent in agents() {
        let pipeline = Pipeline::with_pat(5);
        let mut job = agent(pipeline.job());
        pipeline.main(&mut job, &[]);
        pipeline.consume_variable("the new consumer", &job);
        job.set_variable("AGENT_JOBSTATUS", "Succeeded");
        ended(&mut job, JobStatus::Failed);
        pipeline.sim.clear_transcript();
        let post = pipeline.post(&mut job);
        refused(&pipeline, &post, &["variable \"AGENT_JOBSTATUS\"", "[pending 101.1"]);
        assert_eq!(pipeline.active(), [format!("#1 {NAME}"), format!("#2 {NAME} [pending 101.1]")]);
    }
}

const LEFT: [&str; 3] = ["rotatePatState", "rotatePatNew", "rotatePatUserToken"];

/// What a main stage left that rotates the PAT of this name, and its pipeline.
fn hand_over(name: &str) -> (Pipeline, [String; 3]) {
    let pipeline = Pipeline::with_pat(5);
    pipeline.add("deploy", 5);
    let mut job = pipeline.job();
    let main = pipeline.main(&mut job, &[("patName", name)]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    let left = job.task_variables("rotate");
    let left = LEFT.map(|name| left.value(name).expect("a hand-over").to_owned());
    pipeline.sim.clear_transcript();
    (pipeline, left)
}

#[test]
fn forged_hand_over_changes_nothing() {
    for agent in agents() {
        for name in [NAME, "deploy"] {
            let (pipeline, left) = hand_over(name);
            let active = pipeline.active();
            let mut job = agent(pipeline.job());
            for (name, value) in LEFT.iter().zip(&left) {
                job = job.variable(&format!("vsts.taskvariable.{name}"), value);
            }
            job.skip_task("rotate", &[("patName", NAME), ("azureSubscription", "pat-rotator")]);
            let post = pipeline.post(&mut job);
            refused(&pipeline, &post, &["variable \"vsts.taskvariable.rotatePat", "nothing was changed"]);
            assert_eq!(pipeline.active(), active);
        }
    }
}

#[test]
fn hand_over_of_another_token_or_run_changes_nothing() {
    for (name, is_next) in [("deploy", false), (NAME, true), ("deploy", true)] {
        let (pipeline, left) = hand_over(name);
        let active = pipeline.active();
        let mut job = if is_next { pipeline.next_job() } else { pipeline.job() };
        for (name, value) in LEFT.iter().zip(&left) {
            job = job.raw_env(format!("VSTS_TASKVARIABLE_{}", name.to_uppercase()), value);
        }
        let inputs = pipeline.inputs(&[]);
        let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        job.skip_task("rotate", &inputs);
        let post = pipeline.post(&mut job);
        refused(&pipeline, &post, &["is not this job's", name, "nothing was changed"]);
        assert_eq!(pipeline.active(), active);
    }
}

#[test]
fn confirmation_before_the_run_is_refused() {
    let pipeline = Pipeline::with_pat(5);
    for (name, value) in [("stored", "true"), ("STORED", " True ")] {
        let mut job = pipeline.job().variable(name, value);
        let run = pipeline.main(&mut job, &[("confirmVariable", "stored")]);
        refused(&pipeline, &run, &["`confirmVariable` must be", "\"stored\" is already `true`"]);
    }
    let mut job = pipeline.job().secret_variable("stored", "true");
    refused(&pipeline, &pipeline.main(&mut job, &[("confirmVariable", "stored")]), &["`confirmVariable` must be"]);
    // Two variables, one name in the environment: which of them the task sees is chance.
    let mut job = pipeline.job().variable("is.stored", "false").variable("IS_STORED", "false");
    refused(&pipeline, &pipeline.main(&mut job, &[("confirmVariable", "is.stored")]), &["\"IS_STORED\""]);

    let mut job = pipeline.job().variable("stored", "false");
    let main = pipeline.main(&mut job, &[("confirmVariable", "stored")]);
    assert_eq!(main.result, TaskResult::Succeeded, "{}", main.log);
    job.set_variable("stored", "true");
    pipeline.consume_variable("the new consumer", &job);
    assert_eq!(pipeline.post(&mut job).result, TaskResult::Succeeded);
    assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")]);
}

#[test]
fn unknown_input_is_refused_with_the_nearest_known_one() {
    let pipeline = Pipeline::with_pat(5);
    for (given, shown, meant) in [
        ("dryRuns", "DRYRUNS", "did you mean `dryRun`?"),
        ("dry run", "DRY_RUN", "did you mean `dryRun`?"),
        ("azureSubscriptions", "AZURESUBSCRIPTIONS", "did you mean `azureSubscription`?"),
        ("overlapHour", "OVERLAPHOUR", "did you mean `overlapHours`?"),
        ("xyz", "XYZ", "is not an input of this task"),
    ] {
        let step = pipeline.step_of(&[]).input(given, "true");
        let run = pipeline.step(&mut pipeline.job(), &step, Interruption::None);
        refused(&pipeline, &run, &[&format!("\"{shown}\" is not an input of this task"), meant, "Correct the input"]);
    }
    // Empty is how a form says that nothing is given, and INPUT_METHOD belongs to desktops.
    let step = pipeline.step_of(&[]).input("dryRuns", "").env("INPUT_METHOD", "fcitx");
    let run = pipeline.step(&mut pipeline.job(), &step, Interruption::None);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    assert!(run.commands_named("task.setvariable").any(|command| command.property("variable") == Some(VARIABLE)));
}

/// Without the lists nothing tells a variable from the agent's word.
#[test]
fn launch_without_the_lists_of_variables_is_refused() {
    let pipeline = Pipeline::with_pat(5);
    for list in ["VSTS_PUBLIC_VARIABLES", "VSTS_SECRET_VARIABLES"] {
        let mut job = pipeline.job().raw_env(list, "");
        let run = job.run(&Step::new("rotate").input("patName", NAME), Interruption::None);
        refused(&pipeline, &run, &[&format!("`{list}` must be")]);
    }
}
