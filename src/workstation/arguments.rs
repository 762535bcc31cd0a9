//! What a person asks for on the command line.

use std::ffi::OsString;
use std::time::Duration;

use url::Url;

use crate::model::address;
use crate::model::cloud;
use crate::model::organization::Organization;
use crate::model::pat::AuthorizationId;
use crate::model::text::quoted;
use crate::model::user::UserName;
use crate::model::vault_secret::VaultSecret;
use crate::sign_in::qualified;

use super::command_line::{self, BOUND, Command, Given, VAULT_TOKEN};

/// Documented: a role takes effect within ten minutes.
/// <https://learn.microsoft.com/azure/role-based-access-control/troubleshooting>
const WAIT: u64 = 10;
/// The token for the vault lives an hour.
const LONGEST_WAIT: u64 = 30;

#[derive(Debug)]
pub(super) enum Request {
    Help,
    SignIn(Box<Arguments>),
}

#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) tenant: TenantOf,
    pub(super) client: String,
    pub(super) user: UserName,
    /// Where the refresh token goes.
    pub(super) secret: VaultSecret,
    pub(super) authority: Url,
    pub(super) input: Input,
    /// What to ask for, in place of everything that the app may do.
    pub(super) scopes: Option<String>,
    /// The host of the app's redirect URI.
    pub(super) redirect_host: &'static str,
    /// How long to wait for a role that was given just now.
    pub(super) patience: Duration,
    /// The service connection and the token to rotate, for the pipeline that is printed.
    pub(super) connection: Option<String>,
    pub(super) pat: Option<String>,
}

/// The tenant that the user signs in at.
#[derive(Debug)]
pub(super) enum TenantOf {
    Id(String),
    Organization(Box<Organization>),
}

/// What standard input brings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Input {
    Unused,
    /// An access token for the vault.
    VaultToken,
    /// A secret or a certificate of the app, which then is a confidential client.
    AppCredential,
}

/// Reads the command line, without the program's name.
///
/// # Errors
/// Every fault there is, a sentence each.
pub(super) fn read(arguments: Vec<OsString>) -> Result<Request, Vec<String>> {
    match command_line::read(arguments) {
        Ok(Command::SignIn(given)) => sign_in(given),
        Ok(Command::Help) => Ok(Request::Help),
        Err(fault) => Err(vec![fault]),
    }
}

fn sign_in(mut given: Given) -> Result<Request, Vec<String>> {
    let tenant = tenant(&mut given);
    let client = given.required("client-id", guid);
    let user = given.required("user", UserName::parse);
    let secret = given.required("vault-secret", VaultSecret::parse);
    let patience = given.optional("wait", minutes).unwrap_or(Duration::from_secs(WAIT * 60));
    // Who signs in and a token for later are asked for anyway: neither reaches Azure DevOps.
    let scopes = given.optional("scopes", |scopes| {
        let scopes = qualified(scopes);
        let is_one = scopes.split(' ').any(|scope| scope.contains('/'));
        if is_one { Ok(scopes) } else { Err("at least one scope of Azure DevOps, such as `vso.pats`".to_owned()) }
    });
    let redirect_host = given
        .optional("redirect-host", |host| {
            let known = ["localhost", "127.0.0.1"].into_iter().find(|known| *known == host);
            known.ok_or_else(|| format!("`localhost` or `127.0.0.1`; got {}", quoted(host)))
        })
        .unwrap_or("localhost");
    let [connection, pat] = ["connection", "pat"].map(|name| given.optional(name, |text| Ok(text.to_owned())));
    let input = match (given.has(BOUND), given.has(VAULT_TOKEN)) {
        (true, true) => {
            let why = "standard input brings the app's credential or a token for the vault";
            given.faults.push(format!("use only one of `--{BOUND}` and `--{VAULT_TOKEN}`: {why}"));
            Input::Unused
        }
        (true, false) => Input::AppCredential,
        (false, true) => Input::VaultToken,
        (false, false) => Input::Unused,
    };
    let loopback =
        secret.as_ref().filter(|secret| !secret.is_in_the_cloud()).map(|secret| address::origin(secret.url()));
    if let Some(TenantOf::Organization(organization)) = &tenant
        && organization.loopback().is_some()
        && loopback.is_none()
    {
        given
            .faults
            .push(format!("`--organization` must be in Azure DevOps Services; {organization} is a local address"));
    }
    let authority = cloud::authority(None, None, loopback).map_err(|fault| given.faults.push(fault)).ok();
    if let (Input::AppCredential, Some(secret), Some(authority)) = (input, &secret, &authority)
        && !secret.is_in_cloud_of(authority)
    {
        given.faults.push(format!("`--{BOUND}` needs a vault of the public cloud, where the app and the user sign in"));
    }
    match (tenant, client, user, secret, authority) {
        (Some(tenant), Some(client), Some(user), Some(secret), Some(authority)) if given.faults.is_empty() => {
            let arguments = Arguments {
                tenant,
                client,
                user,
                secret,
                authority,
                input,
                scopes,
                redirect_host,
                patience,
                connection,
                pat,
            };
            Ok(Request::SignIn(Box::new(arguments)))
        }
        _ => Err(given.faults),
    }
}

/// Given by itself, or found by the organization.
fn tenant(given: &mut Given) -> Option<TenantOf> {
    if !given.is_given("tenant") {
        return given.required("organization", organization).map(|found| TenantOf::Organization(Box::new(found)));
    }
    if given.is_given("organization") {
        given.faults.push("use only one of `--organization` and `--tenant`".to_owned());
    }
    given.required("tenant", guid).map(TenantOf::Id)
}

fn organization(text: &str) -> Result<Organization, String> {
    let address = if text.contains("://") { text.to_owned() } else { format!("https://dev.azure.com/{text}") };
    let is_name = text.contains("://") || !text.contains('/');
    Organization::parse(&address).ok().filter(|_| is_name).ok_or_else(|| {
        format!("an organization's name, or its address such as `https://dev.azure.com/contoso`; got {}", quoted(text))
    })
}

fn guid(text: &str) -> Result<String, String> {
    AuthorizationId::parse(text).map(|id| id.to_string()).ok_or_else(|| format!("a GUID; got {}", quoted(text)))
}

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes = text.parse::<u64>().ok().filter(|minutes| *minutes <= LONGEST_WAIT);
    let minutes = minutes.map(|minutes| Duration::from_secs(minutes * 60));
    minutes.ok_or_else(|| format!("a whole number of minutes from 0 to {LONGEST_WAIT}; got {}", quoted(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "22222222-2222-2222-2222-222222222222";
    const SECRET: &str = "https://contoso-kv.vault.azure.net/secrets/refresh";

    fn parse(text: &str) -> Result<Request, Vec<String>> {
        read(text.split_whitespace().map(OsString::from).collect())
    }

    fn parsed(text: &str) -> Arguments {
        match parse(text) {
            Ok(Request::SignIn(arguments)) => *arguments,
            other => panic!("{other:?}"),
        }
    }

    fn all() -> String {
        with("--tenant 22222222-2222-2222-2222-222222222222")
    }

    fn with(more: &str) -> String {
        format!("sign-in --client-id={GUID} --user a@contoso.com --vault-secret {SECRET} {more}")
    }

    #[test]
    fn four_options_are_required_and_the_rest_has_defaults() {
        let arguments = parsed(&all());
        assert_eq!(arguments.authority.as_str(), "https://login.microsoftonline.com/");
        assert_eq!((arguments.input, arguments.redirect_host), (Input::Unused, "localhost"));
        assert_eq!(arguments.patience, Duration::from_secs(600));
        assert_eq!(parsed(&format!("{} --wait 0", all())).patience, Duration::ZERO);
        assert_eq!(parsed(&format!("{} --vault-token-stdin", all())).input, Input::VaultToken);
        assert_eq!(parsed(&format!("{} --bound", all())).input, Input::AppCredential);
        assert_eq!(parsed(&format!("{} --redirect-host 127.0.0.1", all())).redirect_host, "127.0.0.1");
        for help in ["--help", "-h", "help", "sign-in --help", "sign-in --tenant x -h"] {
            assert!(matches!(parse(help), Ok(Request::Help)), "{help}");
        }
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faults =
            parse("sign-in --tenant contoso --vault-secrets x stray --passwort=1 --vault-token-stdin=x -q --user")
                .unwrap_err();
        assert_eq!(
            faults,
            [
                "unknown option \"--vault-secrets\"; did you mean `--vault-secret`?",
                "unexpected argument \"stray\"",
                "unknown option \"--passwort\"",
                "\"--vault-token-stdin\" takes no value",
                "unknown option \"-q\"",
                "`--user` needs a value",
                "`--tenant` must be a GUID; got \"contoso\"",
                "`--client-id` is required",
                "`--vault-secret` is required",
            ]
        );
        assert_eq!(parse("sing-in").unwrap_err(), ["unknown command \"sing-in\"; did you mean `sign-in`?"]);
        assert_eq!(parse("").unwrap_err(), ["a command is required: `sign-in`"]);
    }

    #[test]
    fn organization_is_a_name_or_an_address_and_stands_for_the_tenant() {
        for given in ["contoso", "https://dev.azure.com/contoso/", "https://contoso.visualstudio.com"] {
            let arguments = parsed(&with(&format!("--organization {given}")));
            assert!(matches!(&arguments.tenant, TenantOf::Organization(one) if one.name == "contoso"), "{given}");
        }
        for (given, words) in [
            ("", "`--organization` is required"),
            ("--organization=", "`--organization` is empty"),
            ("--organization con/toso", "`--organization` must be an organization's name"),
            ("--organization https://tfs.contoso.com/x", "`--organization` must be an organization's name"),
            ("--organization http://127.0.0.1:1/contoso", "is a local address"),
            (&format!("--organization contoso --tenant {GUID}"), "use only one of `--organization` and `--tenant`"),
        ] {
            let faults = parse(&with(given)).unwrap_err();
            assert!(faults.len() == 1 && faults[0].contains(words), "{given}: {faults:?}");
        }
    }

    #[test]
    fn what_standard_input_brings_and_how_long_to_wait_is_unambiguous() {
        for (more, words) in [
            ("--bound --vault-token-stdin", "use only one of `--bound` and `--vault-token-stdin`"),
            ("--bound=yes", "\"--bound\" takes no value"),
            ("--wait 31", "`--wait` must be a whole number of minutes from 0 to 30; got \"31\""),
            ("--wait soon", "`--wait` must be a whole number"),
        ] {
            let faults = parse(&format!("{} {more}", all())).unwrap_err();
            assert!(faults.len() == 1 && faults[0].contains(words), "{more}: {faults:?}");
        }
        let china = all().replace("vault.azure.net", "vault.azure.cn");
        assert!(parsed(&china).input == Input::Unused);
        let faults = parse(&format!("{china} --bound")).unwrap_err();
        assert!(faults[0].contains("`--bound` needs a vault of the public cloud"), "{faults:?}");
    }

    #[test]
    fn empty_scopes_count_as_not_given_and_others_must_reach_azure_devops() {
        let empty = format!("{} --scopes=", all());
        assert_eq!(parsed(&empty).scopes, None);
        assert!(parsed(&format!("{} --scopes vso.pats", all())).scopes.unwrap().ends_with("/vso.pats"));
        let faults = parse(&format!("{} --scopes offline_access", all())).unwrap_err();
        assert!(faults[0].contains("`--scopes` must be at least one scope"), "{faults:?}");
    }

    #[test]
    fn no_secret_is_repeated() {
        let token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl";
        for (text, words) in [
            (format!("--user {token}"), "looks like a secret"),
            (token.to_owned(), "looks like a secret"),
            ("--client-secret eyJ".to_owned(), "unknown option \"--client-secret\""),
            ("--bound eyJ".to_owned(), "`--bound` takes no value on the command line"),
            ("sim8Q~eyJdclientsecret0123456789012345678".to_owned(), "argument that looks like a secret"),
            ("--bound=sim8Q~eyJdclientsecret0123456789012345678".to_owned(), "takes no value"),
            (format!("--token={token}"), "unknown option \"--token\""),
        ] {
            let faults = parse(&format!("sign-in {text}")).unwrap_err().join("\n");
            assert!(faults.contains(words) && !faults.contains("eyJ"), "{text}: {faults}");
        }
    }
}
