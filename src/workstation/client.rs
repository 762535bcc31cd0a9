//! The app that the person signs in to, and how it proves that it is itself: not at all as a public client, or with the
//! credential that standard input brought.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#redeem-a-code-for-an-access-token>
//!
//! The credential is brought, and not made here: Microsoft Graph makes secrets (`addPassword`) only for a caller with the
//! delegated permission `Application.ReadWrite.All`, which neither this app nor the rotating user should have. `az ad app
//! credential` does it with the administrator's own rights.
//! <https://learn.microsoft.com/graph/api/application-addpassword>

use crate::app_tokens::sign_each_try;
use crate::azure::entra::{self, Credential, Grant, Issuer, Tokens};
use crate::failure::StepError;
use crate::http::Http;
use crate::model::api_error::CallError;
use crate::model::certificate::Certificate;
use crate::model::secret::Secret;
use crate::runtime::clock::Clock;

/// How the app proves that it is itself.
/// docs/assumptions.md: A refresh token that an app obtained with its secret is redeemed with its federated credential too.
#[derive(Debug)]
pub(super) enum Proof {
    Public,
    Secret(Secret),
    Certificate(Certificate),
}

/// The app, at its tenant.
pub(super) struct Client<'a> {
    pub(super) http: &'a Http,
    pub(super) clock: &'a Clock,
    pub(super) issuer: Issuer<'a>,
    pub(super) id: &'a str,
    pub(super) proof: Proof,
}

impl Client<'_> {
    /// Exchanges something for tokens. The outer error is one of signing.
    pub(super) async fn token(&self, grant: Grant<'_>, scope: &str) -> Result<Result<Tokens, CallError>, StepError> {
        let credential = match &self.proof {
            Proof::Public => Credential::Public,
            Proof::Secret(secret) => Credential::ClientSecret(secret.clone()),
            Proof::Certificate(certificate) => {
                let sign_and_send = async || {
                    let endpoint = self.issuer.endpoint("token");
                    let assertion = certificate.assertion(self.id, endpoint.as_str(), self.clock.now());
                    let assertion = assertion.map_err(|why| {
                        StepError::new(anyhow::anyhow!("could not sign with the certificate on standard input: {why}"))
                    })?;
                    let credential = Credential::Assertion(assertion);
                    Ok(entra::token_once(self.http, self.issuer, self.id, &credential, grant, scope).await)
                };
                return sign_each_try(self.http, self.clock, sign_and_send).await;
            }
        };
        Ok(entra::token(self.http, self.issuer, self.id, &credential, grant, scope).await)
    }

    /// The same as somebody would do who has the app's id alone.
    pub(super) async fn token_without_proof(&self, grant: Grant<'_>, scope: &str) -> Result<Tokens, CallError> {
        entra::token(self.http, self.issuer, self.id, &Credential::Public, grant, scope).await
    }
}
