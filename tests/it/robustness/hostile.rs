//! Other people's words: names, scopes, messages, tags. They are shown as text on one short line, and do nothing.

use crate::harness::pipeline::{NAME, Pipeline, REFRESH, VARIABLE, says};
use agent::{Endpoint, Job, StepRun, TaskResult};
use simulator::{Fault, Op, When, World};

/// Commands of the agent, formats of its log, a second line, and what moves a terminal's cursor.
const COMMANDS: &str = "##vso[task.setvariable variable=x]1 ##VSO[task.complete result=Succeeded;]ok ##[error]x";
const CONTROLS: &str = "\r\n##vso[task.setvariable variable=x]2\r\u{1b}[2J\u{7}\u{85}\u{202e}\u{2028}\u{feff}";
/// The agent finds these commands too: its search passes over characters without a weight.
const IGNORED: &str =
    "#\u{ad}#vso[task.setvariable variable=x]3 #\u{640}#vso[task.setvariable variable=x]4 #\u{fe00}#\u{200b}vso[x]";
/// Longer than any line that a person would read.
const LONGEST_LINE: usize = 2000;

fn hostile() -> String {
    format!("{COMMANDS}{CONTROLS}{IGNORED}")
}

fn long() -> String {
    format!("{}{}", hostile(), "x".repeat(100_000))
}

/// As long as the simulator's own table of tokens can show.
fn quite_long() -> String {
    long().chars().take(60_000).collect()
}

/// The main stage; whatever was said in it, the agent was told nothing but what the program itself says.
fn main(pipeline: &Pipeline, job: &mut Job, inputs: &[(&str, &str)]) -> StepRun {
    let run = pipeline.main(job, inputs);
    sanitized(&run);
    run
}

/// No line but the program's own commands is one, or is long, or begins in the middle of other people's words.
#[track_caller]
fn sanitized(run: &StepRun) {
    for line in &run.raw {
        let text = &line.text;
        let data = match text.strip_prefix("##vso[task.").and_then(|rest| rest.split_once(']')) {
            // Values for the next stage are as long as they are, and no person reads them.
            Some((command, _)) if command.starts_with("set") => "",
            Some((_, data)) => data,
            None => text.strip_prefix("##[group]").or(text.strip_prefix("##[endgroup]")).unwrap_or(text),
        };
        assert!(!data.contains("##") && !data.starts_with("**"), "{text}");
        let length = data.chars().count();
        assert!(length < LONGEST_LINE, "{length} characters: {}", data.chars().take(200).collect::<String>());
        let is_harmless =
            |c: char| !c.is_control() && !"\u{202e}\u{2028}\u{2029}\u{feff}\u{ad}\u{200b}\u{fe00}".contains(c);
        assert!(data.chars().all(is_harmless), "{text:?}");
    }
    let set = run.commands.iter().filter_map(|command| command.property("variable"));
    let own = [VARIABLE, "rotated", "authorizationId", "validTo", "daysLeft", "resultFile"];
    let others: Vec<&str> = set.filter(|name| !own.contains(name) && !name.starts_with("rotatePat")).collect();
    assert_eq!(others, Vec::<&str>::new(), "{}", run.log);
    let results = run.commands_named("task.complete").filter_map(|command| command.property("result"));
    assert_eq!(results.collect::<Vec<_>>(), [format!("{:?}", run.result)], "{}", run.log);
}

#[test]
fn a_hostile_name_of_the_token_is_rotated_like_any_other() {
    let pipeline = Pipeline::new();
    let old = pipeline.add(COMMANDS, 5);
    pipeline.add(&hostile(), 5);
    pipeline.consume("the old consumer", &old);
    let mut job = pipeline.job();
    let run = main(&pipeline, &mut job, &[("patName", COMMANDS)]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["rotate \"**vso[task.setvariable variable=x]1 **VSO["]);
    pipeline.consume_variable("the new consumer", &job);
    let post = pipeline.post(&mut job);
    sanitized(&post);
    assert_eq!(post.result, TaskResult::Succeeded, "{}", post.log);
    let names: Vec<String> = pipeline.sim.world().pats.iter().map(|pat| pat.name.clone()).collect();
    assert!(names[0].starts_with(&format!("{COMMANDS} [superseded 101.1-")), "{names:?}");
    assert_eq!(names[1..], [hostile(), COMMANDS.to_owned()]);
}

#[test]
fn hostile_names_and_scopes_in_the_list_are_shown_defused() {
    let held = format!("{NAME} [held {}]", quite_long());
    for (name, scope) in [(NAME, hostile()), (NAME, quite_long()), (&held, hostile())] {
        let pipeline = Pipeline::with_pat(5);
        let mut world = pipeline.sim.world();
        world.pats[0].scope.clone_from(&scope);
        world.add_pat(name).scope(&scope).all_orgs().add();
        drop(world);
        let mut job = pipeline.job();
        let run = main(&pipeline, &mut job, &[]);
        // The service knows no such scope.
        assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
        says(&run, &["invalidScope", "create: one with **vso[task.setvariable variable=x]1"]);
        assert_eq!(pipeline.sim.world().pats.len(), 2);
    }
}

#[test]
fn hostile_inputs_are_shown_defused() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job();
    let inputs = [
        "patName",
        "scopes",
        "variable",
        "publishTo",
        "organization",
        "validForDays",
        "dryRun",
        "retireOldPat",
        "replaceAuthorizationId",
        "refreshTokenSecret",
        "clientId",
        "tenantId",
        "command",
    ];
    for text in [hostile(), long()] {
        for input in inputs {
            let run = main(&pipeline, &mut job, &[(input, &text)]);
            assert_eq!(run.result, TaskResult::Failed, "{input}\n{}", run.log);
            says(&run, &[&format!("`{input}` must be ")]);
        }
    }
    assert_eq!(pipeline.sim.transcript_text(), "");
}

#[test]
fn a_hostile_message_of_any_service_is_shown_defused() {
    for (op, inputs) in [
        (Op::OidcToken, &[][..]),
        (Op::TokenClientCredentials, &[]),
        (Op::TokenRefresh, &[]),
        (Op::VaultRead, &[]),
        (Op::ListPats, &[]),
        (Op::CreatePat, &[]),
        (Op::UpdatePat, &[]),
        (Op::VaultWrite, &[("publishTo", "nuget-pat")]),
        (Op::ConnectionDataAsUser, &[]),
    ] {
        for message in [hostile(), long()] {
            let pipeline = Pipeline::with_pat(5);
            let place = format!("{}/secrets/nuget-pat", pipeline.sim.origin());
            let inputs: Vec<(&str, &str)> =
                inputs.iter().map(|(name, _): &(&str, &str)| (*name, place.as_str())).collect();
            pipeline.sim.inject(Fault::HostileMessage(message), When::every(op));
            let mut job = pipeline.job();
            let run = main(&pipeline, &mut job, &inputs);
            let is_fatal = op != Op::ConnectionDataAsUser;
            assert_eq!(run.result == TaskResult::Failed, is_fatal, "{op:?}\n{}", run.log);
            says(&run, &["answered 400"]);
            let world = pipeline.sim.world();
            assert!(world.secret_works(&world.pats[0].secret));
            assert_eq!(world.active_pats("rotator").len(), if is_fatal { 1 } else { 2 }, "{op:?}");
        }
    }
}

#[test]
fn a_hostile_error_word_is_no_part_of_the_log() {
    for error in [hostile(), long()] {
        let pipeline = Pipeline::with_pat(5);
        pipeline.sim.world().refuse_next_create(&error);
        let mut job = pipeline.job();
        let run = main(&pipeline, &mut job, &[]);
        assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
        says(&run, &["Azure DevOps refused: an unreadable reason"]);
        assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
    }
}

#[test]
fn a_hostile_tag_of_the_vault_is_shown_defused() {
    let pipeline = Pipeline::with_pat(5);
    let refresh = pipeline.sim.world().vault.value(REFRESH).to_owned();
    pipeline.sim.world().set_secret(REFRESH, &refresh, &[("clientId", &hostile())]);
    let mut job = pipeline.job();
    let run = main(&pipeline, &mut job, &[]);
    assert_eq!(run.result, TaskResult::Failed, "{}", run.log);
    says(&run, &["AADSTS700016", "**vso[task.setvariable variable=x]1"]);

    let pipeline = Pipeline::with_pat(20);
    let tags = [("authorizationId", hostile()), ("validTo", hostile()), ("patName", long())];
    let tags: Vec<(&str, &str)> = tags.iter().map(|(name, value)| (*name, value.as_str())).collect();
    pipeline.sim.world().set_secret("nuget-pat", "whatever", &tags);
    let place = format!("{}/secrets/nuget-pat", pipeline.sim.origin());
    let mut job = pipeline.job();
    let run = main(&pipeline, &mut job, &[("publishTo", &place), ("rotateWhenDaysLeft", "9")]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["has no record of which one it holds"]);
}

#[test]
fn a_hostile_user_name_is_shown_defused() {
    // In the token's claims, as headers cannot carry it.
    for name in [hostile(), long()[..20_000].to_owned()] {
        let pipeline = Pipeline::with_pat(5);
        let upn = pipeline.sim.world().user("rotator").upn.clone();
        pipeline.sim.inject(
            Fault::before(move |world| world.user_mut("rotator").upn.clone_from(&name)),
            When::every(Op::TokenRefresh),
        );
        let restore = Fault::after(move |world| world.user_mut("rotator").upn.clone_from(&upn));
        pipeline.sim.inject(restore, When::every(Op::TokenRefresh));
        let mut job = pipeline.job();
        let run = main(&pipeline, &mut job, &[]);
        assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
        says(&run, &["signed in as **vso[task.setvariable variable=x]1"]);
    }
}

#[test]
fn a_hostile_account_name_is_shown_defused() {
    let pipeline = Pipeline::with_pat(5);
    let account = format!("{COMMANDS}{}", "x".repeat(20_000));
    pipeline.sim.world().user_mut("rotator").upn = account;
    let mut job = pipeline.job();
    let run = main(&pipeline, &mut job, &[]);
    assert_eq!(run.result, TaskResult::Succeeded, "{}", run.log);
    says(&run, &["speaks for **vso[task.setvariable variable=x]1"]);
}

/// Secrets that a server may echo, and in the answer to which request.
const ECHOES: [(&str, Op); 9] = [
    ("refresh token", Op::TokenRefresh),
    ("refresh token", Op::ListPats),
    ("job token", Op::OidcToken),
    ("client secret", Op::TokenClientCredentials),
    ("access token", Op::ListPats),
    ("access token", Op::ConnectionDataAsUser),
    ("stored PAT", Op::ConnectionDataAsPat),
    ("new PAT", Op::ConnectionDataAsPat),
    ("new PAT", Op::VaultWrite),
];

/// The log of a run in which a server's message holds a secret, after this many other characters; and that secret.
fn echoed(secret: &str, op: Op, after: usize) -> (StepRun, String) {
    let pipeline = Pipeline::with_pat(5);
    let place = format!("{}/secrets/nuget-pat", pipeline.sim.origin());
    let mut world = pipeline.sim.world();
    let app = world.app("pat-rotator").clone();
    let by_secret =
        Endpoint::new("5ec00000-0000-4000-8000-000000000001", "by-secret", "AzureRM", "ServicePrincipal", "")
            .parameter("tenantid", &app.tenant)
            .parameter("serviceprincipalid", &app.client_id)
            .parameter("serviceprincipalkey", &app.secrets[0].value);
    let old = world.pats[0].clone();
    let tags = [("authorizationId", old.id.as_str())];
    let mut inputs = vec![("publishTo", place)];
    let value = match secret {
        "refresh token" => world.vault.value(REFRESH).to_owned(),
        "job token" => world.job_token(),
        "client secret" => {
            inputs.push(("azureSubscription", "by-secret".to_owned()));
            app.secrets[0].value.clone()
        }
        "access token" => {
            let token = world.user_token("vso.pats vso.pats_manage");
            inputs = vec![("azureSubscription", String::new()), ("refreshTokenSecret", String::new())];
            inputs.push(("accessToken", token.clone()));
            token
        }
        "stored PAT" => {
            world.set_secret("nuget-pat", &old.secret, &tags);
            old.secret
        }
        _ => {
            let mut twin = World::new();
            twin.add_pat("the first").add();
            let second = twin.add_pat("the second").add();
            twin.pat(&second).secret.clone()
        }
    };
    drop(world);
    pipeline.sim.inject(Fault::HostileMessage(format!("{}{value} was seen", "x".repeat(after))), When::every(op));
    let mut job = pipeline.job().endpoint(by_secret);
    let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let run = pipeline.main(&mut job, &inputs);
    says(&run, &["answered 400"]);
    (run, value)
}

/// The first line, other than the commands that are for secrets, that holds sixteen characters of it.
fn leak(run: &StepRun, secret: &str) -> Option<String> {
    let pieces: Vec<&str> = (0..=secret.len() - 16).map(|at| &secret[at..at + 16]).collect();
    let lines = run.raw.iter().map(|line| &line.text).filter(|text| !text.starts_with("##vso[task.set"));
    lines.into_iter().find(|text| pieces.iter().any(|piece| text.contains(piece))).cloned()
}

#[test]
fn a_secret_that_a_server_echoes_is_struck_out() {
    for (secret, op) in ECHOES {
        let (run, value) = echoed(secret, op, 0);
        assert_eq!(leak(&run, &value), None, "{secret} in the answer to {op:?}");
        says(&run, &["*** was seen"]);
    }
}

#[test]
fn a_secret_that_is_echoed_where_a_long_message_is_cut_is_struck_out() {
    for (secret, op) in ECHOES {
        let (run, value) = echoed(secret, op, 270);
        assert_eq!(leak(&run, &value), None, "{secret} in the answer to {op:?}");
    }
}

#[test]
fn an_assertion_that_the_token_endpoint_echoes_is_struck_out() {
    let pipeline = Pipeline::with_pat(5);
    // The refusal of a subject quotes it.
    let echo = Fault::before(|world| {
        if let Some(token) = world.oidc_tokens.last_mut() {
            token.subject = token.value.clone();
        }
    });
    pipeline.sim.inject(echo, When::every(Op::TokenClientCredentials));
    let mut job = pipeline.job();
    let run = pipeline.main(&mut job, &[]);
    says(&run, &["AADSTS700213"]);
    let value = pipeline.sim.world().oidc_tokens[0].value.clone();
    assert_eq!(leak(&run, &value), None);
}

#[test]
fn with_diagnostics_on_no_secret_is_printed_or_left_in_a_file() {
    let pipeline = Pipeline::with_pat(5);
    let mut job = pipeline.job().debug();
    pipeline.rotate(&mut job, &[("publishTo", &format!("{}/secrets/nuget-pat", pipeline.sim.origin()))]);
    for (label, value) in pipeline.sim.world().all_secrets() {
        job.watch_secret(&label, &value);
    }
    assert_eq!(job.secrets_on_disk(), Vec::<String>::new());
}
