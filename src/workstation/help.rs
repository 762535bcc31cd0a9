//! What `--help` says.

pub(super) const HELP: &str = "\
Rotates Azure DevOps personal access tokens from a pipeline.

Usage: rotate-pat sign-in --organization NAME --client-id ID --user NAME --vault-secret URL [--bound] [options]
       rotate-pat --help | --version

sign-in: signs a person in with the browser and stores the refresh token in a key vault. The pipeline task RotatePat then
rotates that user's tokens with it. Done once; see docs/sign-in.md.

  --organization NAME   organization whose users sign in: its name or address
  --tenant ID           their tenant (GUID), instead of asking the organization for it
  --client-id ID        app that the user signs in to (GUID), with the redirect URI http://localhost
  --user NAME           who must sign in: sign-in name or object id
  --vault-secret URL    where the refresh token goes: https://VAULT.vault.azure.net/secrets/NAME
  --bound               bind the refresh token to the service connection's own app: whoever reads the vault cannot use
                        it without the app's credential. --client-id is that app, its redirect URI is of the platform
                        \"Web\", and standard input brings a client secret of it, or a certificate with its key (PEM).
                        The app itself writes the vault. Delete that secret afterwards
  --vault-token-stdin   without --bound: write the vault with the access token on standard input instead of the same
                        sign-in
  --wait MINUTES        how long to wait for a new role on the vault to take effect: 0 to 30, default 10
  --scopes SCOPES       scopes to request instead of `.default` of Azure DevOps
  --redirect-host HOST  host of the app's redirect URI: localhost (default) or 127.0.0.1
  --connection NAME     service connection, for the pipeline that is printed at the end
  --pat NAME            token to rotate, for the same
  -h, --help            show this help
  -V, --version         show the version

The pipeline agent starts this program with `task` or `settle`.
Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.";
