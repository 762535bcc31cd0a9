//! The options of `rotate-pat sign-in`. None of them is secret.

use crate::model::cloud;
use std::ffi::OsString;

use lexopt::Arg;
use url::Url;

use crate::model::address;
use crate::model::pat::AuthorizationId;
use crate::model::secret::is_like_a_secret;
use crate::model::text::quoted;
use crate::model::user::UserName;
use crate::model::vault_secret::VaultSecret;

/// How it is called.
pub const USAGE: &str = "\
rotate-pat sign-in --tenant ID --client-id ID --user NAME --vault-secret URL [--vault-token-stdin] [--scopes SCOPES]

Signs a person in with the browser and stores the refresh token in a key vault, for RotatePat to rotate personal access
tokens of that user with. Done once; see docs/sign-in.md.

  --tenant ID          tenant of the organization (GUID)
  --client-id ID       app that the user signs in to (GUID), a public client with the redirect URI http://127.0.0.1
  --user NAME          who must sign in: sign-in name or object id
  --vault-secret URL   where the refresh token goes: https://VAULT.vault.azure.net/secrets/NAME
  --vault-token-stdin  write the vault with the access token on standard input, not by the same sign-in
  --scopes SCOPES      what to ask for, instead of `.default` of Azure DevOps
";

/// What to do.
#[derive(Debug)]
pub(super) struct Arguments {
    /// The tenant's id.
    pub(super) tenant: String,
    /// The app's client id.
    pub(super) client: String,
    /// Who must sign in.
    pub(super) user: UserName,
    /// Where the refresh token goes.
    pub(super) secret: VaultSecret,
    /// The login host.
    pub(super) authority: Url,
    /// Whether standard input brings a token for the vault.
    pub(super) has_vault_token: bool,
    /// What to ask for, in place of everything that the app may do.
    pub(super) scopes: Option<String>,
}

/// Reads them; `None` when only the usage is asked for.
pub(super) fn read(arguments: Vec<OsString>) -> Result<Option<Arguments>, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut tenant, mut client, mut user, mut secret, mut scopes) = (None, None, None, None, None);
    let mut has_vault_token = false;
    while let Some(argument) = parser.next().map_err(said)? {
        let place = match argument {
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            Arg::Long("vault-token-stdin") => {
                has_vault_token = true;
                continue;
            }
            Arg::Long("tenant") => &mut tenant,
            Arg::Long("client-id") => &mut client,
            Arg::Long("user") => &mut user,
            Arg::Long("vault-secret") => &mut secret,
            Arg::Long("scopes") => &mut scopes,
            Arg::Long(_) | Arg::Short(_) | Arg::Value(_) => {
                return Err("there is an option that is not known".to_owned());
            }
        };
        let value = parser.value().map_err(said)?;
        let value = value.into_string().map_err(|_| "an option's value is not UTF-8 text".to_owned())?;
        if is_like_a_secret(&value) {
            return Err("an option holds what looks like a secret: none belongs on a command line".to_owned());
        }
        *place = Some(value);
    }
    let id = |name: &str, text: Option<String>| {
        let id = text.as_deref().and_then(AuthorizationId::parse);
        id.map(|id| id.to_string()).ok_or_else(|| format!("`--{name}` needs a GUID"))
    };
    let user = user.ok_or_else(|| "`--user` needs a sign-in name or an object id".to_owned())?;
    let secret = secret.ok_or_else(|| "`--vault-secret` needs the address of a vault's secret".to_owned())?;
    let secret = VaultSecret::parse(&secret).map_err(|expected| format!("`--vault-secret` needs {expected}"))?;
    let loopback = (!secret.is_in_the_cloud()).then(|| address::origin(secret.url()));
    Ok(Some(Arguments {
        tenant: id("tenant", tenant)?,
        client: id("client-id", client)?,
        user: UserName::parse(&user).map_err(|expected| format!("`--user` needs {expected}"))?,
        authority: cloud::authority(None, None, loopback)?,
        secret,
        has_vault_token,
        scopes: scopes.map(|scopes| crate::sign_in::qualified(&scopes)),
    }))
}

fn said(error: lexopt::Error) -> String {
    match error {
        lexopt::Error::MissingValue { option: Some(option) } => format!("{} needs a value", quoted(&option)),
        lexopt::Error::UnexpectedValue { option, .. } => format!("{} takes no value", quoted(&option)),
        _ => "the options cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "22222222-2222-2222-2222-222222222222";
    const SECRET: &str = "https://contoso-kv.vault.azure.net/secrets/refresh";

    fn parse(text: &str) -> Result<Option<Arguments>, String> {
        read(text.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn four_options_are_needed_and_users_sign_in_to_the_public_cloud() {
        let all = format!("--tenant {GUID} --client-id={GUID} --user a@contoso.com --vault-secret {SECRET}");
        let arguments = parse(&all).unwrap().unwrap();
        assert_eq!(arguments.authority.as_str(), "https://login.microsoftonline.com/");
        assert!(!arguments.has_vault_token);
        assert!(parse(&format!("{all} --vault-token-stdin")).unwrap().unwrap().has_vault_token);
        for missing in ["--tenant", "--client-id", "--user", "--vault-secret"] {
            let others: Vec<&str> = all.split(" --").collect();
            let others =
                others.iter().filter(|option| !format!("--{}", option.trim_start_matches("--")).starts_with(missing));
            let others: Vec<String> = others.map(|option| format!("--{}", option.trim_start_matches("--"))).collect();
            let told = parse(&others.join(" ")).unwrap_err();
            assert!(told.contains(missing), "{missing}: {told}");
        }
        assert!(parse("--help").unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_is_repeated() {
        for (text, words) in [
            ("--tenant contoso", "`--vault-secret`"),
            ("--vault-secret", "needs a value"),
            ("--vault-token-stdin=x", "takes no value"),
            ("--password x", "not known"),
            ("stray", "not known"),
            ("--user eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl", "looks like a secret"),
        ] {
            let told = parse(&format!("--user a@contoso.com {text}")).unwrap_err();
            assert!(told.contains(words) && !told.contains("eyJ"), "{text}: {told}");
        }
    }
}
