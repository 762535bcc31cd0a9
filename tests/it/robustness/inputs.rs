//! Every input that cannot be used is named before anything is sent: one sentence a fault, all of them in one run.

use crate::harness::pipeline::{NAME, Pipeline, REFRESH, VARIABLE, says};
use agent::{Endpoint, Interruption, Job, Step, StepRun, TaskResult};
use simulator::Op;

/// A pipeline whose inputs are wrong, run after run.
struct Refusing {
    pipeline: Pipeline,
    job: Job,
}

impl Refusing {
    fn new() -> Self {
        Self::with(|job| job)
    }

    fn with(arranged: impl FnOnce(Job) -> Job) -> Self {
        let pipeline = Pipeline::with_pat(20);
        let job = arranged(pipeline.job());
        Self { pipeline, job }
    }

    /// These inputs, in the place of the usual ones, give exactly this fault.
    #[track_caller]
    fn one(&mut self, inputs: &[(&str, &str)], fault: &str) {
        self.all(inputs, &[fault]);
    }

    /// These inputs give exactly these faults, and nothing happens.
    #[track_caller]
    fn all(&mut self, inputs: &[(&str, &str)], faults: &[&str]) -> StepRun {
        let run = self.pipeline.main(&mut self.job, inputs);
        assert_eq!(run.result, TaskResult::Failed, "{inputs:?}\n{}", run.log);
        assert_eq!(self.pipeline.sim.transcript_text(), "", "nothing is sent: {inputs:?}");
        for fault in faults {
            let named = run.errors.iter().filter(|error| error.contains(fault)).count();
            assert_eq!(named, 1, "{fault:?} is named {named} times:\n{}", run.log);
        }
        assert_eq!(run.error_count, faults.len(), "{inputs:?}\n{}", run.log);
        says(&run, &["Nothing was sent and nothing was changed"]);
        assert_eq!(self.pipeline.active(), [format!("#1 {NAME}")]);
        run
    }
}

#[test]
fn what_no_token_can_be_called_or_may_do_is_refused() {
    let mut refusing = Refusing::new();
    for name in ["", "  "] {
        refusing.one(&[("patName", name)], "`patName` is required: the name of the personal access token to rotate");
    }
    refusing.one(&[("patName", &"n".repeat(191))], "`patName` must be a name of at most 190 characters");
    for name in ["nuget\u{7}publish", "nuget\npublish", "nuget\u{202e}hsilbup"] {
        refusing.one(&[("patName", name)], "`patName` must be a name without control characters");
    }
    for name in ["x [held 7.1-0a1b2c3d]", "x [pending ]", "x [superseded 7.1-0a1b2c3d ends 2026-11-25T03:00Z]"] {
        refusing.one(&[("patName", name)], &format!("`patName` must be the plain name; \"{name}\" ends in a marker"));
    }
    refusing.one(&[("replaceAuthorizationId", "4711")], "`replaceAuthorizationId` must be a GUID; got \"4711\"");
    for (scopes, wrong) in [("vso.code; DROP", "vso.code;"), ("vso.code,packaging", "packaging"), ("vso.", "vso.")] {
        let fault = format!(
            "`scopes` must be scopes such as `vso.packaging_write`, separated by spaces, or `app_token`; got \"{wrong}\""
        );
        refusing.one(&[("scopes", scopes)], &fault);
    }
    refusing.one(&[("scopes", ",")], "`scopes` must be at least one scope");
}

#[test]
fn a_number_must_be_one_and_within_its_bounds() {
    let mut refusing = Refusing::new();
    for (input, least, most) in
        [("validForDays", 1, 365), ("overlapHours", 0, 720), ("warnWhenDaysLeft", 0, 365), ("maxMinutes", 1, 65535)]
    {
        for number in [(least - 1).to_string(), (most + 1).to_string()] {
            let fault = format!("`{input}` must be a whole number from {least} to {most}; got \"{number}\"");
            refusing.one(&[(input, &number)], &fault);
        }
    }
    for days in ["-1", "366", "ever"] {
        let fault = format!("`rotateWhenDaysLeft` must be `always` or a whole number from 0 to 365; got \"{days}\"");
        refusing.one(&[("rotateWhenDaysLeft", days)], &fault);
    }
    for text in ["+5", "1.5", "0x10", "ten", "30 days", "３０", "99999999999999999999"] {
        let fault = format!("`validForDays` must be a whole number from 1 to 365; got \"{text}\"");
        refusing.one(&[("validForDays", text)], &fault);
    }
}

#[test]
fn a_choice_must_be_one_of_those_offered() {
    let mut refusing = Refusing::new();
    for (input, offered) in [
        ("retireOldPat", "`afterJob`, `immediately`"),
        ("reportScope", "`organization`, `own`"),
        ("failOn", "`expired`, `expiring`, `nothing`"),
        ("createIfMissing", "`true` or `false`"),
        ("dryRun", "`true` or `false`"),
    ] {
        let run = refusing.all(&[(input, "perhaps")], &[&format!("`{input}` must be ")]);
        for option in offered.split([',', ' ']).filter(|word| word.starts_with('`')) {
            says(&run, &[option, "\"perhaps\""]);
        }
    }
    refusing.one(&[("command", "rotat")], "`command` must be one of ");
}

#[test]
fn a_variable_that_the_job_could_not_use_is_refused() {
    let mut refusing = Refusing::new();
    for name in ["rotated", "AUTHORIZATIONID", "validTo", "reportFile"] {
        refusing.one(
            &[("variable", name)],
            &format!("`variable` must be a different name: \"{name}\" is an output variable"),
        );
    }
    for name in ["System.AccessToken", "agent.jobstatus", "PATH", "Build.BuildId", "SECRET_X", "Input.PatName"] {
        refusing.one(&[("variable", name)], &format!("`variable` must be a different name: \"{name}\" is reserved"));
    }
    for name in ["a b", "a=b", "a;issecret=false", "a]b", "größe", &"a".repeat(201)] {
        refusing.one(&[("variable", name)], "`variable` must be at most 200 letters a to z, digits, `.`, `_` and `-`");
    }
    let both = [("variable", "nuget.pat"), ("confirmVariable", "NUGET PAT")];
    refusing.one(&both, "`confirmVariable` must be a different variable from `variable`");
}

#[test]
fn a_line_that_names_no_destination_is_refused() {
    let mut refusing = Refusing::new();
    let origin = refusing.pipeline.sim.origin();
    let pat = format!("{origin}/secrets/nuget-pat");
    for (lines, fault) in [
        ("vault: contoso-kv/nuget-pat".to_owned(), "; got \"vault: contoso-kv/nuget-pat\", an unknown kind"),
        ("keyVault: contoso-kv".to_owned(), "got \"contoso-kv\""),
        ("keyVault: contoso.kv/nuget-pat".to_owned(), "got \"contoso.kv/nuget-pat\""),
        ("https://evil.example/secrets/nuget-pat".to_owned(), "\"evil.example\" is not a vault's"),
        ("http://contoso-kv.vault.azure.net/secrets/a".to_owned(), "\"contoso-kv.vault.azure.net\" is not a vault's"),
        (format!("{origin}/keys/nuget-pat"), "the address of a secret"),
        (format!("{pat}\nkeyVault: {pat}/"), "`publishTo` must be different destinations"),
        (format!("{pat}\n{origin}/secrets/{REFRESH}"), "`publishTo` must not name the refresh token's store"),
    ] {
        let run = refusing.all(&[("publishTo", &lines)], &["`publishTo` must "]);
        says(&run, &[fault]);
    }
}

#[test]
fn two_ways_of_signing_in_or_none_are_refused() {
    let mut refusing = Refusing::new();
    let pat = format!("{}/secrets/nuget-pat", refusing.pipeline.sim.origin());
    refusing.one(
        &[("accessToken", "an-access-token"), ("password", "correct horse")],
        "`refreshTokenSecret` must be the only sign-in input; `password` and `accessToken` are also set",
    );
    let (no_connection, no_secret) = (("azureSubscription", ""), ("refreshTokenSecret", ""));
    refusing.one(&[no_connection], "`serviceConnection` is required: the Azure Resource Manager service connection");
    refusing.one(
        &[no_connection, no_secret],
        "`serviceConnection` is required: the Azure Resource Manager service connection",
    );
    refusing.one(
        &[no_connection, no_secret, ("accessToken", "an-access-token"), ("publishTo", &pat)],
        "`serviceConnection` is required: the service connection whose app may write the vaults of `publishTo`",
    );
    for secret in ["contoso-kv", "https://evil.example/secrets/a", &format!("{pat}/a version")] {
        refusing.one(&[("refreshTokenSecret", secret)], "`refreshTokenSecret` must be the address of a secret");
    }
    for (input, value) in [("tenantId", "contoso"), ("clientId", "499b84ac-1321-427f-aa17")] {
        refusing.one(&[(input, value)], &format!("`{input}` must be a GUID"));
    }
}

#[test]
fn an_input_that_would_have_no_effect_is_refused() {
    let mut refusing = Refusing::new();
    let store = format!("{}/secrets/nuget-pat", refusing.pipeline.sim.origin());
    refusing.one(&[("refreshTokenStore", &store)], "`refreshTokenStore` is only used with `refreshToken`");
    let without = ("refreshTokenSecret", "");
    refusing.one(&[without, ("userName", "rotator@contoso.com")], "`userName` is only used with `password`");
}

#[test]
fn retiring_at_once_needs_something_to_have_been_published() {
    let mut refusing = Refusing::new();
    let pat = format!("{}/secrets/nuget-pat", refusing.pipeline.sim.origin());
    let immediately = ("retireOldPat", "immediately");
    refusing.one(&[immediately], "`retireOldPat` must be `afterJob` without `publishTo`");
    refusing.one(
        &[immediately, ("publishTo", &pat), ("confirmVariable", "stored")],
        "`retireOldPat` must be `afterJob` with `confirmVariable`",
    );
}

#[test]
fn a_service_connection_that_cannot_be_used_is_refused() {
    let id = "0c000000-0000-4000-8000-000000000001";
    let connection = |scheme: &str| Endpoint::new(id, "odd", "AzureRM", scheme, "https://management.azure.com/");
    let whole = |scheme: &str| connection(scheme).parameter("tenantid", id).parameter("serviceprincipalid", id);
    let spn = |kind: &str| whole("ServicePrincipal").parameter("authenticationType", kind);
    let elsewhere = whole("WorkloadIdentityFederation").data("environmentAuthorityUrl", "https://login.evil.example/");
    for (odd, fault) in [
        (whole("PublishProfile"), "; got the kind \"publishprofile\""),
        (spn("spnCertificate"), "a service connection with a certificate"),
        (spn("spnKey"), "a service connection with a client secret"),
        (connection("WorkloadIdentityFederation"), "a service connection with a tenant id"),
        (connection("WorkloadIdentityFederation").parameter("tenantid", id), "with an app's client id"),
        (elsewhere, "; got \"https://login.evil.example/\""),
    ] {
        // In the cloud, as on loopback every service is the one host.
        let mut refusing = Refusing::with(|job| job.endpoint(odd).collection_uri("https://dev.azure.com/contoso/"));
        let secret = ("refreshTokenSecret", "https://contoso-kv.vault.azure.net/secrets/refresh");
        let run = refusing.all(&[("azureSubscription", "odd"), secret], &["`serviceConnection` must be "]);
        says(&run, &[fault]);
    }
}

#[test]
fn an_organization_that_is_none_is_refused_and_azure_devops_server_has_no_such_api() {
    let mut refusing = Refusing::new();
    for given in ["con/toso", "..", "https://dev.azure.com/", "con toso", "http://dev.azure.com/contoso"] {
        let fault = format!(
            "`organization` must be an organization's name or address, such as `https://dev.azure.com/contoso`; got \"{given}\""
        );
        refusing.one(&[("organization", given)], &fault);
    }
    let server = "Azure DevOps Server has no PAT lifecycle API";
    for (given, host) in [
        ("https://tfs.contoso.com/tfs/DefaultCollection", "tfs.contoso.com"),
        ("https://dev.azure.com.evil.example/contoso", "dev.azure.com.evil.example"),
    ] {
        let run = refusing
            .all(&[("organization", given)], &["`organization` must be an organization of Azure DevOps Services"]);
        says(&run, &[host, server]);
    }
    for collection in ["https://tfs.contoso.com/tfs/DefaultCollection/", "http://tfs:8080/tfs/DefaultCollection/"] {
        let mut refusing = Refusing::with(|job| job.collection_uri(collection));
        refusing.one(&[], server);
    }
}

#[test]
fn all_faults_are_reported_together() {
    let mut refusing = Refusing::new();
    refusing.all(
        &[
            ("azureSubscription", ""),
            ("patName", ""),
            ("validForDays", "0"),
            ("createIfMissing", "yes"),
            ("publishTo", "vault: a/b\nnonsense"),
            ("retireOldPat", "never"),
            ("organization", "https://tfs.contoso.com/tfs"),
        ],
        &[
            "`serviceConnection` is required",
            "`patName` is required",
            "`validForDays` must be",
            "`createIfMissing` must be",
            "\"vault: a/b\"",
            "\"nonsense\"",
            "`retireOldPat` must be",
            "`organization` must be",
        ],
    );
}

#[test]
fn undefined_macro_is_refused_by_name() {
    let mut refusing = Refusing::new();
    refusing.one(&[("patName", "$(patName)")], "`patName` uses $(patName), but the job has no such variable");
    refusing.one(
        &[("publishTo", "keyVault: $(My.Vault)/x")],
        "`publishTo` uses $(My.Vault), but the job has no such variable",
    );
    refusing.all(
        &[("scopes", "$(scopes)"), ("rotateWhenDaysLeft", "$(days)")],
        &["`scopes` uses $(scopes)", "`rotateWhenDaysLeft` uses $(days)"],
    );
}

#[test]
fn no_fault_hides_another() {
    let mut refusing = Refusing::new();
    refusing
        .all(&[("scopes", "$(scopes)"), ("validForDays", "0")], &["`scopes` uses $(scopes)", "`validForDays` must be"]);
    refusing.all(
        &[("azureSubscription", ""), ("refreshTokenSecret", "contoso-kv")],
        &["`serviceConnection` is required", "`refreshTokenSecret` must be the address of a secret"],
    );
}

/// What is leaked when each of these inputs holds the old PAT or the refresh token.
fn leaks(table: &[&[(&str, &str)]]) -> Vec<String> {
    let pipeline = Pipeline::with_pat(20);
    let pat = pipeline.sim.world().pats[0].secret.clone();
    let refresh = pipeline.sim.world().refresh_tokens[0].value.clone();
    let mut leaks = Vec::new();
    for inputs in table {
        let mut job = pipeline.job().secret_variable("oldPat", &pat).secret_variable("refresh", &refresh);
        let run = job.run(&pipeline.step_of(inputs), Interruption::None);
        assert_eq!(run.result, TaskResult::Failed, "{inputs:?}\n{}", run.log);
        leaks.extend(run.leaks.iter().map(|leak| format!("{inputs:?}: {leak}")));
    }
    leaks
}

#[test]
fn a_secret_given_to_the_wrong_input_for_secrets_is_not_echoed() {
    let without = ("refreshTokenSecret", "");
    let leaks = leaks(&[
        &[("refreshTokenSecret", "$(refresh)")],
        &[without, ("password", "$(oldPat)")],
        &[("accessToken", "$(oldPat)")],
        &[without, ("accessToken", "$(oldPat)")],
    ]);
    assert_eq!(leaks, Vec::<String>::new());
}

#[test]
fn a_secret_given_to_an_input_that_takes_none_is_not_echoed() {
    let leaks = leaks(&[
        &[("replaceAuthorizationId", "$(oldPat)")],
        &[("scopes", "$(oldPat)")],
        &[("variable", "$(oldPat)")],
        &[("publishTo", "keyVault: $(oldPat)")],
    ]);
    assert_eq!(leaks, Vec::<String>::new());
}

#[test]
fn the_service_connection_is_known_by_its_aliases_and_values_in_any_case() {
    for alias in ["serviceConnection", "connectedServiceNameARM", "AZURESUBSCRIPTION"] {
        let pipeline = Pipeline::with_pat(20);
        let mut job = pipeline.job();
        let refresh = format!("{}/secrets/{REFRESH}", pipeline.sim.origin());
        let step = Step::new("rotate").inputs(&[
            (alias, "pat-rotator"),
            ("refreshTokenSecret", &refresh),
            ("patName", NAME),
            ("variable", VARIABLE),
            ("command", "ROTATE"),
            ("createIfMissing", "False"),
            ("retireOldPat", "AFTERJOB"),
            ("rotateWhenDaysLeft", " 9 "),
        ]);
        let run = pipeline.step(&mut job, &step, Interruption::None);
        assert_eq!(run.result, TaskResult::Succeeded, "{alias}\n{}", run.log);
        assert_eq!(job.variable_value("rotate.rotated"), Some("false"));
        assert_eq!(pipeline.active(), [format!("#1 {NAME}")]);
    }
}

#[test]
fn the_organization_is_the_pipelines_unless_it_is_named_or_addressed() {
    let pipeline = Pipeline::with_pat(20);
    let old = {
        let mut world = pipeline.sim.world();
        world.add_organization("fabrikam");
        world.user_mut("rotator").member_of.push("fabrikam".to_owned());
        world.add_pat(NAME).organization("fabrikam").scope("vso.code").days_left(5).add()
    };
    let address = format!("{}/fabrikam/", pipeline.sim.origin());
    let mut expected = vec![format!("#1 {NAME}"), format!("#2 {NAME}")];
    for (number, given) in ["fabrikam", &address].into_iter().enumerate() {
        let mut job = pipeline.next_job();
        let run = pipeline.main(&mut job, &[("organization", given), ("overlapHours", "0")]);
        assert_eq!(run.result, TaskResult::Succeeded, "{given}\n{}", run.log);
        let new = pipeline.sim.world().pat_of_secret(job.variable_value(VARIABLE).unwrap()).unwrap().clone();
        assert_eq!((new.organization.as_deref(), new.scope.as_str()), (Some("fabrikam"), "vso.code"), "{given}");
        let post = pipeline.post(&mut job);
        assert_eq!(post.result, TaskResult::Succeeded, "{given}\n{}", post.log);
        expected[1] = format!("#{} {NAME}", number + 3);
        assert_eq!(pipeline.active(), expected, "{given}: the other organization's is untouched");
    }
    assert!(pipeline.sim.world().pat(&old).revoked.is_some());
    let run = {
        let mut job = pipeline.next_job();
        pipeline.main(&mut job, &[("rotateWhenDaysLeft", "9")])
    };
    says(&run, &["nothing is due", "/contoso"]);
    assert_eq!(pipeline.sim.count(Op::CreatePat), 2);
}

#[test]
fn the_variable_may_bear_any_name_that_a_job_variable_can() {
    for name in ["nuget.pat", "Nuget-Pat_2", "x"] {
        let pipeline = Pipeline::with_pat(5);
        let mut job = pipeline.job();
        let main = pipeline.main(&mut job, &[("variable", name)]);
        assert_eq!(main.result, TaskResult::Succeeded, "{name}\n{}", main.log);
        assert!(job.variables().secret(name), "{name}");
        let post = pipeline.post(&mut job);
        assert_eq!(post.result, TaskResult::Succeeded, "{name}\n{}", post.log);
        assert_eq!(pipeline.active(), [format!("#1 {NAME} [superseded 101.1 +24h]"), format!("#2 {NAME}")], "{name}");
    }
}
