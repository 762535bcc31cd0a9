use std::time::Duration;

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::task_json::INPUTS;
use super::*;
use crate::plan::RotateWhen;

#[path = "connection_tests.rs"]
mod connection;
#[path = "run_tests.rs"]
mod run;
#[path = "secrecy_tests.rs"]
mod secrecy;
#[path = "source_tests.rs"]
mod source;

const CONNECTION: &str = "11111111-1111-1111-1111-111111111111";
const GUID: &str = "22222222-2222-2222-2222-222222222222";
const STORE: &str = "https://contoso-kv.vault.azure.net/secrets/refresh";

/// A job whose step names a connection and a token; an empty value is how the agent says "not given".
fn job(changes: &[(&str, &str)]) -> Environment {
    variables(changes).into_iter().collect()
}

fn variables(changes: &[(&str, &str)]) -> BTreeMap<String, String> {
    let connection = |part: &str| format!("ENDPOINT_AUTH_{part}");
    let mut variables: BTreeMap<String, String> = [
        ("ENDPOINT_URL_SYSTEMVSSCONNECTION".to_owned(), "https://dev.azure.com/contoso/"),
        ("VSTS_PUBLIC_VARIABLES".to_owned(), "[]"),
        ("VSTS_SECRET_VARIABLES".to_owned(), "[]"),
        ("SYSTEM_TEAMPROJECTID".to_owned(), GUID),
        ("BUILD_BUILDID".to_owned(), "4711"),
        ("SYSTEM_JOBATTEMPT".to_owned(), "2"),
        ("INPUT_SERVICECONNECTION".to_owned(), CONNECTION),
        ("INPUT_PATNAME".to_owned(), "nuget-publish"),
        (connection(&format!("SCHEME_{CONNECTION}")), "WorkloadIdentityFederation"),
        (connection(&format!("PARAMETER_{CONNECTION}_TENANTID")), GUID),
        (connection(&format!("PARAMETER_{CONNECTION}_SERVICEPRINCIPALID")), GUID),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.to_owned()))
    .collect();
    variables.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    variables
}

fn access(changes: &[(&str, &str)]) -> Access {
    read(&job(changes)).unwrap().access
}

fn settings(changes: &[(&str, &str)]) -> RotateSettings {
    match read(&job(changes)).unwrap().command {
        Command::Rotate(settings) => *settings,
        other => panic!("{other:?}"),
    }
}

fn faults(changes: &[(&str, &str)]) -> Vec<String> {
    read(&job(changes)).err().unwrap_or_default().iter().map(Fault::to_string).collect()
}

fn inputs_at_fault(changes: &[(&str, &str)]) -> Vec<&'static str> {
    read(&job(changes)).err().unwrap_or_default().iter().map(|fault| fault.input).collect()
}

#[test]
fn name_and_connection_suffice_with_defaults_from_the_manifest() {
    let Access { source, connection, .. } = access(&[]);
    let RotateSettings { request, dry_run, variable, publish_to, confirm_variable, retirement } = settings(&[]);
    assert!(matches!(source, Source::Connection));
    assert_eq!(connection.unwrap().id, CONNECTION);
    assert_eq!(
        (request.valid_for_days, request.rotate_when, request.create_if_missing),
        (30, RotateWhen::ThirdOfLife, false)
    );
    assert_eq!((request.overlap.as_secs(), request.replace, request.scopes), (24 * 60 * 60, None, None));
    assert_eq!((dry_run, retirement, publish_to.len()), (false, Retirement::AfterJob, 0));
    assert_eq!((variable.as_deref(), confirm_variable), (Some("PAT"), None));
}

#[test]
fn invalid_input_is_named_as_in_the_manifest() {
    for (variable, value, input, expected) in [
        (
            "INPUT_COMMAND",
            "rotat",
            "command",
            "must be one of `check`, `report`, `rotate`, `settle`, `signIn`; got \"rotat\"",
        ),
        ("INPUT_PATNAME", "", "patName", "is required: the name of the personal access token"),
        (
            "INPUT_PATNAME",
            "a [held 1.1-0a1b2c3d]",
            "patName",
            "must be the plain name; \"a [held 1.1-0a1b2c3d]\" ends in a marker",
        ),
        (
            "INPUT_SERVICECONNECTION",
            "",
            "serviceConnection",
            "is required: the Azure Resource Manager service connection to sign in with",
        ),
        ("INPUT_ORGANIZATION", "con toso", "organization", "`https://dev.azure.com/contoso`; got \"con toso\""),
        ("INPUT_REPLACEAUTHORIZATIONID", "1234", "replaceAuthorizationId", "must be a GUID; got \"1234\""),
        ("INPUT_SCOPES", "vso.code code", "scopes", "or `app_token`; got \"code\""),
        ("INPUT_VALIDFORDAYS", "thirty", "validForDays", "must be a whole number from 1 to 365; got \"thirty\""),
        (
            "INPUT_ROTATEWHENDAYSLEFT",
            "-1",
            "rotateWhenDaysLeft",
            "must be `always` or a whole number from 0 to 365; got \"-1\"",
        ),
        ("INPUT_OVERLAPHOURS", "1.5", "overlapHours", "must be a whole number from 0 to 720; got \"1.5\""),
        ("INPUT_CREATEIFMISSING", "yes", "createIfMissing", "must be `true` or `false`; got \"yes\""),
        ("INPUT_DRYRUN", "1", "dryRun", "must be `true` or `false`; got \"1\""),
        ("INPUT_VARIABLE", "my pat", "variable", "must be at most 200 letters a to z, digits"),
        ("INPUT_PUBLISHTO", "vault: x/y", "publishTo", "; got \"vault: x/y\", an unknown kind"),
        (
            "INPUT_RETIREOLDPAT",
            "never",
            "retireOldPat",
            "must be one of `afterJob`, `immediately`, `later`; got \"never\"",
        ),
        ("INPUT_CONFIRMVARIABLE", "pat", "confirmVariable", "must be a different variable from `variable`"),
        ("INPUT_REFRESHTOKENSECRET", "contoso-kv", "refreshTokenSecret", "must be the address of a secret"),
        ("INPUT_REFRESHTOKENSTORE", "keyVault: a/b", "refreshTokenStore", "is only used with `refreshToken`"),
        ("INPUT_TENANTID", "contoso.com", "tenantId", "must be a GUID"),
        ("INPUT_CLIENTID", "my-app", "clientId", "must be a GUID"),
        ("INPUT_REPORTSCOPE", "mine", "reportScope", "`own`; got \"mine\""),
        ("INPUT_WARNWHENDAYSLEFT", "366", "warnWhenDaysLeft", "must be a whole number from 0 to 365; got \"366\""),
        ("INPUT_FAILON", "always", "failOn", "`nothing`; got \"always\""),
        ("INPUT_MAXMINUTES", "0", "maxMinutes", "must be a whole number from 1 to"),
    ] {
        let named = faults(&[(variable, value)]);
        let [fault] = &named[..] else { panic!("{variable}={value}: {named:?}") };
        assert!(fault.starts_with(&format!("`{input}` ")) && fault.contains(expected), "{fault}");
        assert!(
            ["` must be ", "` is required: ", "` is only used with "].iter().any(|form| fault.contains(form)),
            "{fault}"
        );
    }
}

#[test]
fn all_faults_are_reported_together() {
    let wrong = [
        ("ENDPOINT_URL_SYSTEMVSSCONNECTION", "https://tfs.contoso.com/tfs/"),
        ("BUILD_BUILDID", ""),
        ("INPUT_PATNAME", ""),
        ("INPUT_SERVICECONNECTION", "unknown"),
        ("INPUT_VALIDFORDAYS", "0"),
        ("INPUT_SCOPES", "code"),
        ("INPUT_DRYRUN", "maybe"),
        ("INPUT_PUBLISHTO", "nowhere\nvault: x/y"),
        ("INPUT_VARIABLE", "rotated"),
        ("INPUT_TENANTID", "x"),
        ("INPUT_PASSWORD", "p"),
        ("INPUT_ACCESSTOKEN", "t"),
    ];
    let mut named = inputs_at_fault(&wrong);
    named.sort_unstable();
    let expected = [
        "BUILD_BUILDID",
        "ENDPOINT_URL_SYSTEMVSSCONNECTION",
        "dryRun",
        "password",
        "patName",
        "publishTo",
        "publishTo",
        "scopes",
        "serviceConnection",
        "tenantId",
        "validForDays",
        "variable",
    ];
    assert_eq!(named, expected);
}

#[test]
fn undefined_macro_is_reported_together_with_other_faults() {
    let mut named =
        inputs_at_fault(&[("INPUT_PATNAME", "$(Missing)"), ("INPUT_VALIDFORDAYS", "0"), ("INPUT_DRYRUN", "x")]);
    named.sort_unstable();
    assert_eq!(named, ["dryRun", "patName", "validForDays"]);
}

#[test]
fn empty_and_blank_inputs_count_as_absent() {
    let absent = format!("{:?}", read(&job(&[])).unwrap());
    for blank in ["", " ", "\r\n\t"] {
        let mut all = variables(&[]);
        for input in INPUTS {
            all.entry(format!("INPUT_{}", input.name.to_uppercase())).or_insert_with(|| blank.to_owned());
        }
        let given = read(&all.into_iter().collect()).unwrap();
        assert_eq!(format!("{given:?}"), absent, "{blank:?}");
    }
}

#[test]
fn values_are_trimmed() {
    let changes = [
        ("INPUT_PATNAME", "  nuget-publish\n"),
        ("INPUT_VALIDFORDAYS", " 7 "),
        ("INPUT_DRYRUN", " true "),
        ("INPUT_VARIABLE", " NUGET_PAT "),
        ("INPUT_RETIREOLDPAT", " afterJob "),
        ("INPUT_ORGANIZATION", " fabrikam "),
        ("INPUT_ACCESSTOKEN", " an-access-token\n"),
    ];
    let (settings, access) = (settings(&changes), access(&changes));
    assert_eq!(settings.request.name.as_str(), "nuget-publish");
    assert_eq!((settings.request.valid_for_days, settings.dry_run), (7, true));
    assert_eq!((settings.variable.as_deref(), access.organization.name.as_str()), (Some("NUGET_PAT"), "fabrikam"));
    assert!(matches!(access.source, Source::AccessToken(token) if token.reveal() == "an-access-token"));
}

#[test]
fn booleans_and_choices_are_read_in_any_case() {
    for (value, expected) in [("true", true), ("True", true), ("TRUE", true), ("False", false), ("fAlSe", false)] {
        let settings = settings(&[("INPUT_DRYRUN", value), ("INPUT_CREATEIFMISSING", value)]);
        assert_eq!((settings.dry_run, settings.request.create_if_missing), (expected, expected), "{value}");
    }
    let settings = settings(&[
        ("INPUT_COMMAND", "Rotate"),
        ("INPUT_RETIREOLDPAT", "IMMEDIATELY"),
        ("INPUT_PUBLISHTO", "KeyVault: contoso-kv/a"),
    ]);
    assert_eq!((settings.retirement, settings.publish_to.len()), (Retirement::Immediately, 1));
}

#[test]
fn rotate_when_days_left_is_a_number_or_always() {
    for (given, expected) in [
        ("", RotateWhen::ThirdOfLife),
        ("always", RotateWhen::Always),
        ("Always", RotateWhen::Always),
        ("0", RotateWhen::DaysLeft(0)),
        ("365", RotateWhen::DaysLeft(365)),
    ] {
        assert_eq!(settings(&[("INPUT_ROTATEWHENDAYSLEFT", given)]).request.rotate_when, expected, "{given}");
    }
}

#[test]
fn numbers_are_whole_and_within_their_range() {
    for (input, least, most) in [("validForDays", 1, 365), ("overlapHours", 0, 720), ("warnWhenDaysLeft", 0, 365)] {
        let variable = format!("INPUT_{}", input.to_uppercase());
        for (value, fits) in [
            ((least - 1).to_string(), false),
            (least.to_string(), true),
            (most.to_string(), true),
            ((most + 1).to_string(), false),
            (format!("+{most}"), false),
            ("1e1".to_owned(), false),
            ("99999999999999999999".to_owned(), false),
        ] {
            let expected = if fits { vec![] } else { vec![input] };
            assert_eq!(inputs_at_fault(&[(&variable, &value)]), expected, "{input} {value}");
        }
    }
    let settings = settings(&[("INPUT_ROTATEWHENDAYSLEFT", "0"), ("INPUT_OVERLAPHOURS", "0")]);
    assert_eq!((settings.request.rotate_when, settings.request.overlap), (RotateWhen::DaysLeft(0), Duration::ZERO));
}

#[test]
fn variable_defaults_to_pat_only_without_other_destinations() {
    let vault = ("INPUT_PUBLISHTO", "keyVault: contoso-kv/a");
    let named = ("INPUT_VARIABLE", "NUGET_PAT");
    let in_vault = "secret \"a\" in vault \"contoso-kv\"";
    for (changes, variable, places) in [
        (&[][..], Some("PAT"), vec!["job variable \"PAT\""]),
        (&[vault], None, vec![in_vault]),
        (&[named], Some("NUGET_PAT"), vec!["job variable \"NUGET_PAT\""]),
        (&[vault, named], Some("NUGET_PAT"), vec![in_vault, "job variable \"NUGET_PAT\""]),
    ] {
        let settings = settings(changes);
        assert_eq!(settings.variable.as_deref(), variable);
        assert_eq!(settings.request.places, places);
    }
}

#[test]
fn immediate_retirement_requires_a_destination_and_no_part_of_the_job() {
    let at_once = ("INPUT_RETIREOLDPAT", "immediately");
    let vault = ("INPUT_PUBLISHTO", "keyVault: contoso-kv/a");
    let variable = ("INPUT_VARIABLE", "NUGET_PAT");
    let confirm = ("INPUT_CONFIRMVARIABLE", "stored");
    for (changes, expected) in [
        (&[at_once, vault][..], &[][..]),
        (&[at_once, vault, variable], &[]),
        (&[at_once], &["retireOldPat"]),
        (&[at_once, variable], &["retireOldPat"]),
        (&[at_once, vault, confirm], &["retireOldPat"]),
        (&[at_once, confirm], &["retireOldPat", "retireOldPat"]),
    ] {
        assert_eq!(inputs_at_fault(changes), expected, "{changes:?}");
    }
}

#[test]
fn invalid_destination_still_counts_as_a_destination() {
    let changes = [("INPUT_RETIREOLDPAT", "immediately"), ("INPUT_PUBLISHTO", "keyVault: contoso-kv")];
    assert_eq!(inputs_at_fault(&changes), ["publishTo"]);
}

#[test]
fn plan_says_when_old_tokens_are_retired() {
    let confirm = ("INPUT_CONFIRMVARIABLE", "stored");
    let vault = ("INPUT_PUBLISHTO", "keyVault: contoso-kv/a");
    for (changes, words) in [
        (&[][..], "once the job has succeeded"),
        (&[confirm], "once the job has ended with \"stored\" set to true"),
        (&[vault, ("INPUT_RETIREOLDPAT", "immediately")], "in this step"),
    ] {
        assert_eq!(settings(changes).request.retire_when, words);
    }
}

#[test]
fn duplicate_destinations_are_found_in_any_spelling() {
    for again in ["keyVault: contoso-kv/a", "keyVault: Contoso-KV/a", "https://contoso-kv.vault.azure.net/secrets/A"] {
        let lines = format!("keyVault: contoso-kv/a\n{again}");
        assert_eq!(inputs_at_fault(&[("INPUT_PUBLISHTO", &lines)]), ["publishTo"], "{again}");
    }
}

#[test]
fn refresh_token_store_is_not_a_destination_in_any_spelling() {
    for store in [STORE, "keyVault: contoso-kv/refresh", "keyVault: CONTOSO-KV/refresh", "keyVault: contoso-kv/Refresh"]
    {
        let changes = [("INPUT_REFRESHTOKENSECRET", STORE), ("INPUT_PUBLISHTO", store)];
        assert_eq!(inputs_at_fault(&changes), ["publishTo"], "{store}");
    }
}
