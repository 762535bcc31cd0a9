//! What a fault says, and what it must not.

use super::*;
use crate::agent::job_status::job_end;

const SECRETS: [&str; 3] = ["INPUT_REFRESHTOKEN", "INPUT_PASSWORD", "INPUT_ACCESSTOKEN"];

#[test]
fn undefined_macro_is_refused_by_name_in_every_input() {
    for input in INPUTS {
        let variable = format!("INPUT_{}", input.name.to_uppercase());
        let found = read(&job(&[(&variable, "$(My.Missing-Variable)")])).unwrap_err();
        let fault = found.iter().find(|fault| fault.input == input.name).map(Fault::to_string);
        assert!(fault.is_some_and(|fault| fault.contains("$(My.Missing-Variable)")), "{}: {found:?}", input.name);
    }
}

#[test]
fn a_macro_beside_a_secret_does_not_show_the_secret() {
    for variable in SECRETS {
        for value in ["hunter2-$(Suffix)-hunter3", "hun$(ter2)", "$(hunter2) ", "$(a/b)$(hunter2)"] {
            let found = faults(&[(variable, value)]).concat();
            let is_nothing_but_a_macro = value.trim() == "$(hunter2)";
            assert!(!found.is_empty() && found.contains("ter2") == is_nothing_but_a_macro, "{found}");
        }
    }
}

#[test]
fn what_only_looks_like_a_macro_is_a_value() {
    for value in ["$(a/b)", "$()", "a$b", "$[variables.a]"] {
        assert!(matches!(
            access(&[("INPUT_ACCESSTOKEN", value)]).source,
            Source::AccessToken(token) if token.reveal() == value
        ));
    }
}

#[cfg(unix)]
#[test]
fn value_that_is_not_utf8_is_refused_by_name() {
    use std::os::unix::ffi::OsStringExt as _;

    let mut all: Vec<(OsString, OsString)> =
        variables(&[]).into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    all.retain(|(name, _)| name != "INPUT_PATNAME");
    all.push(("INPUT_PATNAME".into(), OsString::from_vec(vec![b'a', 0xff])));
    all.push(("UNRELATED".into(), OsString::from_vec(vec![0xff])));
    let found = read(&Environment::from_os(all.into_iter())).unwrap_err();
    assert_eq!(found[0].to_string(), "`patName` must be UTF-8 text");
    assert!(found.iter().all(|fault| fault.input == "patName"), "{found:?}");
}

/// Every variable that holds a secret, with a secret value.
fn hold_secrets() -> Vec<(String, String)> {
    let parameter = |name: &str| format!("ENDPOINT_AUTH_PARAMETER_{name}");
    [
        "INPUT_REFRESHTOKEN".to_owned(),
        "INPUT_PASSWORD".to_owned(),
        "INPUT_ACCESSTOKEN".to_owned(),
        "SYSTEM_ACCESSTOKEN".to_owned(),
        "SECRET_SYSTEM_ACCESSTOKEN".to_owned(),
        "SECRET_MY_PAT".to_owned(),
        parameter("SYSTEMVSSCONNECTION_ACCESSTOKEN"),
        parameter(&format!("{CONNECTION}_SERVICEPRINCIPALKEY")),
        parameter(&format!("{CONNECTION}_SERVICEPRINCIPALCERTIFICATE")),
        parameter("33333333-3333-3333-3333-333333333333_APITOKEN"),
        parameter("33333333-3333-3333-3333-333333333333_PASSWORD"),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, name)| (name, format!("hunter2-{number:02}")))
    .collect()
}

#[test]
fn no_secret_is_in_the_text_of_a_fault() {
    let secrets = hold_secrets();
    let wrong = [
        ("INPUT_VALIDFORDAYS", "x"),
        ("INPUT_SERVICECONNECTION", "unknown"),
        ("INPUT_REFRESHTOKENSECRET", "https://user:hunter2-20@contoso-kv.vault.azure.net/secrets/a"),
        (
            "INPUT_PUBLISHTO",
            "https://user:hunter2-21@contoso-kv.vault.azure.net/secrets/a\nhttps://evil.example/?sig=hunter2-22",
        ),
        ("INPUT_ORGANIZATION", "https://user:hunter2-23@dev.azure.com/contoso"),
        ("ENDPOINT_URL_SYSTEMVSSCONNECTION", "https://user:hunter2-24@tfs.contoso.com/"),
    ];
    let changes: Vec<_> = secrets.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(wrong).collect();
    let found = read(&job(&changes)).unwrap_err();
    assert!(found.len() >= 6, "{found:?}");
    assert!(!format!("{found:?}").contains("hunter2"), "{found:?}");
}

#[test]
fn a_password_in_an_address_is_not_shown() {
    for host in
        ["dev.azure.com", "dev.azure.com:99x", "contoso.visualstudio.com", "127.0.0.1:8080", "tfs.contoso.com", ""]
    {
        for path in ["", "/", "/contoso", "/%zz"] {
            let address = format!("https://user:hunter2@{host}{path}");
            for variable in ["INPUT_ORGANIZATION", "ENDPOINT_URL_SYSTEMVSSCONNECTION", "INPUT_REFRESHTOKENSECRET"] {
                let found = faults(&[(variable, &address)]).concat();
                assert!(!found.contains("hunter2"), "{variable}={address}: {found}");
            }
        }
    }
}

#[test]
fn debug_output_of_settings_and_environment_has_no_secret() {
    let secrets = hold_secrets();
    let scheme = format!("ENDPOINT_AUTH_SCHEME_{CONNECTION}");
    let one_way = [("INPUT_REFRESHTOKEN", ""), ("INPUT_PASSWORD", ""), (&scheme[..], "ServicePrincipal")];
    let changes: Vec<_> = secrets.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(one_way).collect();
    let environment = job(&changes);
    let settings = read(&environment).unwrap();
    let Command::Rotate(rotate) = &settings.command else { panic!("{settings:?}") };
    let end = job_end(&environment, rotate.confirm_variable.as_deref(), rotate.variable.as_deref());
    let shown = format!("{environment:?} {settings:?} {end:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("Secret(…)"), "{shown}");
}

#[test]
fn every_secret_of_at_least_eight_characters_is_redacted() {
    let secrets = hold_secrets();
    let more = [
        ("SECRET_SHORT", "1234567"),
        ("SECRET_LONG_ENOUGH", "12345678"),
        ("SECRET_BLANKS", "  abcdefgh\n"),
        ("PUBLIC", "not a secret"),
    ];
    let changes: Vec<_> = secrets.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(more).collect();
    let hidden: Vec<String> = super::secrets(&job(&changes)).iter().map(|secret| secret.reveal().to_owned()).collect();
    for (name, value) in secrets.iter().map(|(name, value)| (name.as_str(), value.as_str())) {
        assert!(hidden.iter().any(|secret| secret == value), "{name}");
    }
    for (value, is_hidden) in [("1234567", false), ("12345678", true), ("abcdefgh", true), ("not a secret", false)] {
        assert_eq!(hidden.iter().any(|secret| secret == value), is_hidden, "{value}");
    }
}
