//! The command line of a person at a workstation. None of the options is secret. Every fault is named at once; `clap`
//! stops at the first, and is 174 kB.

use std::ffi::{OsStr, OsString};

use lexopt::Arg;
use url::Url;

use crate::model::address;
use crate::model::cloud;
use crate::model::pat::AuthorizationId;
use crate::model::secret::is_like_a_secret;
use crate::model::text::quoted;
use crate::model::user::UserName;
use crate::model::vault_secret::VaultSecret;
use crate::sign_in::qualified;

/// What `--help` says.
pub(super) const HELP: &str = "\
Rotates Azure DevOps personal access tokens from a pipeline.

Usage: rotate-pat sign-in --tenant ID --client-id ID --user NAME --vault-secret URL [options]
       rotate-pat --help | --version

sign-in: signs a person in with the browser and stores the refresh token in a key vault. The pipeline task RotatePat then
rotates that user's tokens with it. Done once; see docs/sign-in.md.

  --tenant ID           tenant of the organization (GUID)
  --client-id ID        app that the user signs in to (GUID), a public client with the redirect URI http://localhost
  --user NAME           who must sign in: sign-in name or object id
  --vault-secret URL    where the refresh token goes: https://VAULT.vault.azure.net/secrets/NAME
  --vault-token-stdin   write the vault with the access token on standard input instead of the same sign-in
  --scopes SCOPES       scopes to request instead of `.default` of Azure DevOps
  --redirect-host HOST  host of the app's redirect URI: localhost (default) or 127.0.0.1
  -h, --help            show this help
  -V, --version         show the version

The pipeline agent starts this program with `task` or `settle`.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.";

/// What a person asks for.
#[derive(Debug)]
pub(super) enum Request {
    Help,
    SignIn(Box<Arguments>),
}

#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) tenant: String,
    pub(super) client: String,
    pub(super) user: UserName,
    /// Where the refresh token goes.
    pub(super) secret: VaultSecret,
    pub(super) authority: Url,
    /// Whether standard input brings a token for the vault.
    pub(super) has_vault_token: bool,
    /// What to ask for, in place of everything that the app may do.
    pub(super) scopes: Option<String>,
    /// The host of the app's redirect URI.
    pub(super) redirect_host: &'static str,
}

const OPTIONS: [&str; 8] =
    ["tenant", "client-id", "user", "vault-secret", "scopes", "redirect-host", "vault-token-stdin", "help"];
/// Those of them that take a value, which come first.
const WITH_VALUE: usize = 6;

/// Reads the command line, without the program's name.
///
/// # Errors
/// Every fault there is, a sentence each.
pub(super) fn read(arguments: Vec<OsString>) -> Result<Request, Vec<String>> {
    let mut parser = lexopt::Parser::from_args(arguments);
    match parser.next() {
        Ok(Some(Arg::Value(word))) if word == "sign-in" => sign_in(parser),
        Ok(Some(Arg::Long("help") | Arg::Short('h'))) => Ok(Request::Help),
        Ok(Some(Arg::Value(word))) if word == "help" => Ok(Request::Help),
        Ok(Some(Arg::Value(word))) => {
            Err(vec![format!("unknown command {}{}", shown(&word), meant(&word, &["sign-in"], ""))])
        }
        Ok(Some(Arg::Long(name))) => Err(vec![format!("unknown option {}", shown(format!("--{name}").as_ref()))]),
        Ok(Some(Arg::Short(name))) => Err(vec![format!("unknown option {}", quoted(&format!("-{name}")))]),
        Ok(None) => Err(vec!["a command is required: `sign-in`".to_owned()]),
        Err(_) => Err(vec!["the arguments cannot be read".to_owned()]),
    }
}

fn sign_in(mut parser: lexopt::Parser) -> Result<Request, Vec<String>> {
    let mut faults = Vec::new();
    let mut values: [Option<String>; WITH_VALUE] = Default::default();
    let mut is_given = [false; WITH_VALUE];
    let mut has_vault_token = false;
    loop {
        let name = match parser.next() {
            Ok(None) => break,
            Ok(Some(Arg::Long("help") | Arg::Short('h'))) => return Ok(Request::Help),
            Ok(Some(Arg::Long("vault-token-stdin"))) => {
                has_vault_token = true;
                continue;
            }
            Ok(Some(Arg::Long(name))) => name.to_owned(),
            Ok(Some(Arg::Short(name))) => {
                faults.push(format!("unknown option {}", quoted(&format!("-{name}"))));
                continue;
            }
            Ok(Some(Arg::Value(word))) => {
                faults.push(format!("unexpected argument {}", shown(&word)));
                continue;
            }
            Err(lexopt::Error::UnexpectedValue { option, .. }) => {
                faults.push(format!("{} takes no value", quoted(&option)));
                continue;
            }
            Err(_) => {
                faults.push("the arguments cannot be read".to_owned());
                break;
            }
        };
        let Some(at) = OPTIONS[..WITH_VALUE].iter().position(|known| *known == name) else {
            faults.push(format!(
                "unknown option {}{}",
                shown(format!("--{name}").as_ref()),
                meant(name.as_ref(), &OPTIONS, "--")
            ));
            // A value in the same word is not another fault.
            let _ignored = parser.optional_value();
            continue;
        };
        is_given[at] = true;
        match parser.value().map(OsString::into_string) {
            Ok(Ok(value)) if is_like_a_secret(&value) => {
                faults.push(format!("`--{name}` looks like a secret: secrets do not belong on a command line"));
            }
            Ok(Ok(value)) if value.starts_with("--") => faults.push(format!("`--{name}` needs a value")),
            Ok(Ok(value)) => values[at] = Some(value).filter(|value| !value.trim().is_empty()),
            Ok(Err(_)) => faults.push(format!("the value of `--{name}` is not UTF-8 text")),
            Err(_) => faults.push(format!("`--{name}` needs a value")),
        }
    }
    let [tenant, client, user, secret, scopes, host] = values;
    let mut take = |at: usize, value: Option<String>, read: &dyn Fn(&str) -> Result<(), String>| match value {
        Some(value) => {
            if let Err(expected) = read(&value) {
                faults.push(format!("`--{}` must be {expected}", OPTIONS[at]));
            }
        }
        // What was given and is wrong was named above.
        None if !is_given[at] => faults.push(format!("`--{}` is required", OPTIONS[at])),
        None if !faults.iter().any(|fault| fault.contains(&format!("`--{}`", OPTIONS[at]))) => {
            faults.push(format!("`--{}` is empty", OPTIONS[at]));
        }
        None => {}
    };
    let guid =
        |text: &str| AuthorizationId::parse(text).map(|_| ()).ok_or_else(|| format!("a GUID; got {}", quoted(text)));
    take(0, tenant.clone(), &guid);
    take(1, client.clone(), &guid);
    take(2, user.clone(), &|text| UserName::parse(text).map(|_| ()));
    take(3, secret.clone(), &|text| VaultSecret::parse(text).map(|_| ()));
    // Who signs in and a token for later are asked for anyway: neither reaches Azure DevOps.
    let scopes = scopes.map(|scopes| qualified(&scopes));
    if let Some(scopes) = &scopes
        && !scopes.split(' ').any(|scope| scope.contains('/'))
    {
        faults.push("`--scopes` must name at least one scope of Azure DevOps, such as `vso.pats`".to_owned());
    }
    let redirect_host =
        ["localhost", "127.0.0.1"].into_iter().find(|known| *known == host.as_deref().unwrap_or("localhost"));
    if redirect_host.is_none() {
        faults.push(format!(
            "`--redirect-host` must be `localhost` or `127.0.0.1`; got {}",
            quoted(&host.unwrap_or_default())
        ));
    }
    let id = |text: Option<String>| text.as_deref().and_then(AuthorizationId::parse).map(|id| id.to_string());
    let user = user.and_then(|user| UserName::parse(&user).ok());
    let secret = secret.and_then(|secret| VaultSecret::parse(&secret).ok());
    let read = (id(tenant), id(client), user, secret, redirect_host);
    let (Some(tenant), Some(client), Some(user), Some(secret), Some(redirect_host)) = read else { return Err(faults) };
    let loopback = (!secret.is_in_the_cloud()).then(|| address::origin(secret.url()));
    match cloud::authority(None, None, loopback) {
        Ok(authority) if faults.is_empty() => {
            let arguments =
                Arguments { tenant, client, user, secret, authority, has_vault_token, scopes, redirect_host };
            Ok(Request::SignIn(Box::new(arguments)))
        }
        _ => Err(faults),
    }
}

/// A word of the command line, unless it may be a secret.
fn shown(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let value = word.split_once('=').map_or(&*word, |(_, value)| value);
    if is_like_a_secret(value) { "that looks like a secret".to_owned() } else { quoted(&word) }
}

/// The known word that was probably meant: the one that begins most alike, or has the same letters.
fn meant(word: &OsStr, known: &[&str], dashes: &str) -> String {
    let word = word.to_string_lossy().to_lowercase();
    let letters = |text: &str| {
        let mut letters: Vec<char> = text.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
        letters.sort_unstable();
        letters
    };
    let same = |known: &str| known.bytes().zip(word.bytes()).take_while(|(one, other)| one == other).count();
    let alike = known.iter().filter(|known| same(known) >= 3 || letters(known) == letters(&word));
    alike.max_by_key(|known| same(known)).map_or(String::new(), |known| format!("; did you mean `{dashes}{known}`?"))
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
        format!("sign-in --tenant {GUID} --client-id={GUID} --user a@contoso.com --vault-secret {SECRET}")
    }

    #[test]
    fn four_options_are_required_and_the_rest_has_defaults() {
        let arguments = parsed(&all());
        assert_eq!(arguments.authority.as_str(), "https://login.microsoftonline.com/");
        assert_eq!((arguments.has_vault_token, arguments.redirect_host), (false, "localhost"));
        assert!(parsed(&format!("{} --vault-token-stdin", all())).has_vault_token);
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
                "unexpected argument \"x\"",
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
    fn empty_scopes_count_as_not_given_and_others_must_reach_azure_devops() {
        let empty = format!("{} --scopes=", all());
        assert_eq!(parsed(&empty).scopes, None);
        assert!(parsed(&format!("{} --scopes vso.pats", all())).scopes.unwrap().ends_with("/vso.pats"));
        let faults = parse(&format!("{} --scopes offline_access", all())).unwrap_err();
        assert!(faults[0].contains("`--scopes` must name at least one scope"), "{faults:?}");
    }

    #[test]
    fn no_secret_is_repeated() {
        let token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl";
        for (text, words) in [
            (format!("--user {token}"), "looks like a secret"),
            (token.to_owned(), "looks like a secret"),
            (format!("--token={token}"), "unknown option \"--token\""),
        ] {
            let faults = parse(&format!("sign-in {text}")).unwrap_err().join("\n");
            assert!(faults.contains(words) && !faults.contains("eyJ"), "{text}: {faults}");
        }
    }
}
