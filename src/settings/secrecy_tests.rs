//! What a fault says, and what it must not.

use super::*;
use crate::agent::job_status::job_end;

const SECRETS: [&str; 3] = ["INPUT_REFRESHTOKEN", "INPUT_PASSWORD", "INPUT_ACCESSTOKEN"];

#[test]
fn an_undefined_macro_is_refused_by_name_in_every_input() {
    for input in INPUTS {
        let variable = format!("INPUT_{}", input.name.to_uppercase());
        let told = read(&job(&[(&variable, "$(My.Missing-Variable)")])).unwrap_err();
        let fault = told.iter().find(|fault| fault.input == input.name).map(Fault::to_string);
        assert!(fault.is_some_and(|fault| fault.contains("$(My.Missing-Variable)")), "{}: {told:?}", input.name);
    }
}

#[test]
fn a_macro_beside_a_secret_does_not_show_the_secret() {
    for variable in SECRETS {
        for value in ["hunter2-$(Suffix)-hunter3", "hun$(ter2)", "$(hunter2) ", "$(a/b)$(hunter2)"] {
            let told = faults(&[(variable, value)]).concat();
            let is_nothing_but_a_macro = value.trim() == "$(hunter2)";
            assert!(!told.is_empty() && told.contains("ter2") == is_nothing_but_a_macro, "{told}");
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
fn a_value_that_is_no_text_is_refused_by_name() {
    use std::os::unix::ffi::OsStringExt as _;

    let mut all: Vec<(OsString, OsString)> =
        variables(&[]).into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    all.retain(|(name, _)| name != "INPUT_PATNAME");
    all.push(("INPUT_PATNAME".into(), OsString::from_vec(vec![b'a', 0xff])));
    all.push(("UNRELATED".into(), OsString::from_vec(vec![0xff])));
    let told = read(&Environment::from_os(all.into_iter())).unwrap_err();
    assert_eq!(told[0].to_string(), "`patName` needs a value that is UTF-8 text");
    assert!(told.iter().all(|fault| fault.input == "patName"), "{told:?}");
}

/// Values that no text may repeat, in every place that holds one.
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
    let told = read(&job(&changes)).unwrap_err();
    assert!(told.len() >= 6, "{told:?}");
    assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
}

#[test]
fn a_password_in_an_address_is_not_shown() {
    for host in
        ["dev.azure.com", "dev.azure.com:99x", "contoso.visualstudio.com", "127.0.0.1:8080", "tfs.contoso.com", ""]
    {
        for path in ["", "/", "/contoso", "/%zz"] {
            let address = format!("https://user:hunter2@{host}{path}");
            for variable in ["INPUT_ORGANIZATION", "ENDPOINT_URL_SYSTEMVSSCONNECTION", "INPUT_REFRESHTOKENSECRET"] {
                let told = faults(&[(variable, &address)]).concat();
                assert!(!told.contains("hunter2"), "{variable}={address}: {told}");
            }
        }
    }
}

#[test]
fn no_secret_is_in_what_debug_shows_of_settings_and_environment() {
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
fn every_secret_of_the_environment_is_hidden_but_those_so_short_that_they_are_words() {
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
