//! Sign-in inputs: at most one, what each requires, and what cannot be combined.

use super::*;
use crate::model::destination::Store;

const NO_CONNECTION: (&str, &str) = ("INPUT_SERVICECONNECTION", "");
const USER: (&str, &str) = ("INPUT_USERNAME", "rotator@contoso.com");
const CLIENT: (&str, &str) = ("INPUT_CLIENTID", GUID);
const REFRESH_TOKEN: (&str, &str) = ("INPUT_REFRESHTOKEN", "a-refresh-token");
const PASSWORD: (&str, &str) = ("INPUT_PASSWORD", "a-password");
const AGENT: (&str, &str) = ("INPUT_ENTRAAGENTID", GUID);

#[test]
fn several_sign_in_inputs_are_one_fault_that_names_all() {
    let ways = [
        ("INPUT_REFRESHTOKENSECRET", STORE, "refreshTokenSecret"),
        ("INPUT_REFRESHTOKEN", "a-refresh-token", "refreshToken"),
        ("INPUT_ENTRAAGENTID", GUID, "entraAgentId"),
        ("INPUT_PASSWORD", "a-password", "password"),
        ("INPUT_ACCESSTOKEN", "an-access-token", "accessToken"),
    ];
    for (index, first) in ways.iter().enumerate() {
        for second in &ways[index + 1..] {
            let found = faults(&[(first.0, first.1), (second.0, second.1)]);
            let [fault] = &found[..] else { panic!("{found:?}") };
            assert!(fault.contains(&format!("`{}`", first.2)), "{fault}");
            assert!(fault.ends_with(&format!("; `{}` is also set", second.2)), "{fault}");
        }
    }
    let all: Vec<_> = ways.iter().map(|(variable, value, _)| (*variable, *value)).collect();
    let fault = faults(&all).concat();
    assert!(ways.iter().all(|(.., name)| fault.contains(&format!("`{name}`"))), "{fault}");
    assert!(fault.ends_with(" are also set"), "{fault}");
}

#[test]
fn only_access_token_without_vaults_needs_no_connection() {
    let none = ("INPUT_SERVICECONNECTION", "");
    let token = ("INPUT_ACCESSTOKEN", "an-access-token");
    assert!(access(&[none, token]).connection.is_none());
    assert!(matches!(
        access(&[("INPUT_REFRESHTOKENSECRET", STORE)]).source,
        Source::RefreshTokenSecret(secret) if secret.url().as_str() == STORE
    ));
    assert_eq!(inputs_at_fault(&[none]), ["serviceConnection"]);
    assert_eq!(inputs_at_fault(&[none, ("INPUT_REFRESHTOKENSECRET", STORE)]), ["serviceConnection"]);
    let vault = ("INPUT_PUBLISHTO", "keyVault: contoso-kv/a");
    assert_eq!(inputs_at_fault(&[none, token, vault]), ["serviceConnection"]);
}

#[test]
fn a_refresh_token_of_the_job_needs_an_app_and_its_store_a_connection() {
    let vault = ("INPUT_REFRESHTOKENSTORE", "keyVault: contoso-kv/refresh");
    let group = ("INPUT_REFRESHTOKENSTORE", "variableGroup: Rotation/REFRESH_TOKEN");
    for (changes, expected) in [
        (&[REFRESH_TOKEN][..], &[][..]),
        (&[REFRESH_TOKEN, vault], &[]),
        (&[REFRESH_TOKEN, group], &[]),
        (&[NO_CONNECTION, REFRESH_TOKEN, CLIENT, group], &[]),
        (&[NO_CONNECTION, REFRESH_TOKEN], &["clientId"]),
        (&[NO_CONNECTION, REFRESH_TOKEN, CLIENT, vault], &["serviceConnection"]),
        (&[REFRESH_TOKEN, ("INPUT_REFRESHTOKENSTORE", "serviceConnection: x")], &["refreshTokenStore"]),
        (&[REFRESH_TOKEN, ("INPUT_REFRESHTOKENSTORE", "nowhere")], &["refreshTokenStore"]),
        (&[("INPUT_REFRESHTOKEN", "two words")], &["refreshToken"]),
        (&[group], &["refreshTokenStore"]),
    ] {
        assert_eq!(inputs_at_fault(changes), expected, "{changes:?}");
    }
    let Source::RefreshToken(token, Some(Store::Group(variable))) = access(&[REFRESH_TOKEN, group]).source else {
        panic!("a refresh token with a group");
    };
    assert_eq!((token.reveal(), variable.variable.as_str()), ("a-refresh-token", "REFRESH_TOKEN"));
}

#[test]
fn an_agent_user_and_a_password_need_their_user() {
    for (changes, expected) in [
        (&[AGENT, USER][..], &[][..]),
        (&[AGENT, ("INPUT_USERNAME", GUID)], &[]),
        (&[AGENT], &["userName"]),
        (&[AGENT, ("INPUT_USERNAME", "rotator")], &["userName"]),
        (&[("INPUT_ENTRAAGENTID", "agent"), USER], &["entraAgentId"]),
        (&[NO_CONNECTION, AGENT, USER, CLIENT], &["serviceConnection"]),
        (&[PASSWORD, USER], &[]),
        (&[NO_CONNECTION, PASSWORD, USER, CLIENT], &[]),
        (&[NO_CONNECTION, PASSWORD, USER], &["clientId"]),
        (&[PASSWORD], &["userName"]),
        (&[PASSWORD, ("INPUT_USERNAME", GUID)], &["userName"]),
        (&[USER], &["userName"]),
        (&[USER, ("INPUT_REFRESHTOKENSECRET", STORE)], &[]),
        (&[USER, ("INPUT_ACCESSTOKEN", "an-access-token")], &[]),
    ] {
        assert_eq!(inputs_at_fault(changes), expected, "{changes:?}");
    }
}

#[test]
fn sign_in_requires_a_user_and_one_store() {
    let sign_in = ("INPUT_COMMAND", "signIn");
    let secret = ("INPUT_REFRESHTOKENSECRET", STORE);
    let group = ("INPUT_REFRESHTOKENSTORE", "variableGroup: Rotation/REFRESH_TOKEN");
    let no_name = ("INPUT_PATNAME", "");
    for (changes, expected) in [
        (&[sign_in, no_name, USER, secret][..], &[][..]),
        (&[sign_in, no_name, USER, group], &[]),
        (&[sign_in, no_name, NO_CONNECTION, USER, CLIENT, group], &[]),
        (&[sign_in, no_name, secret], &["userName"]),
        (&[sign_in, no_name, USER], &["refreshTokenSecret"]),
        (&[sign_in, no_name, USER, secret, group], &["refreshTokenSecret"]),
        (&[sign_in, no_name, USER, secret, PASSWORD], &["password"]),
        (&[sign_in, no_name, NO_CONNECTION, USER, CLIENT, secret], &["serviceConnection"]),
        (&[sign_in, no_name, NO_CONNECTION, USER, group], &["clientId"]),
    ] {
        assert_eq!(inputs_at_fault(changes), expected, "{changes:?}");
    }
}

#[test]
fn a_report_needs_no_name_and_no_build() {
    let folder = ("AGENT_TEMPDIRECTORY", "/agent/_work/_temp");
    let report = [("INPUT_COMMAND", "report"), ("INPUT_PATNAME", ""), ("BUILD_BUILDID", ""), folder];
    let Command::Report(settings) = read(&job(&report)).unwrap().command else { panic!("a report") };
    assert_eq!((settings.scope, settings.fail_on), (ReportScope::Own, FailOn::Nothing));
    assert_eq!((settings.warn_when_days_left, settings.max_minutes), (14, 50));
    assert_eq!(inputs_at_fault(&report[..3]), ["AGENT_TEMPDIRECTORY"], "and a folder for its files");
}

#[test]
fn refresh_token_store_cannot_be_a_destination() {
    let store = ("INPUT_REFRESHTOKENSTORE", "variableGroup: Rotation/REFRESH_TOKEN");
    let place = ("INPUT_PUBLISHTO", "variableGroup: rotation/Refresh_Token");
    assert_eq!(inputs_at_fault(&[REFRESH_TOKEN, store, place]), ["publishTo"]);
}
