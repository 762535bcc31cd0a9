//! How an app proves itself with a token: one that it signed with a certificate's key, or one of somebody whom it trusts.

use jiff::Timestamp;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};

use super::{
    super::{
        super::jwt::{self, Assertion},
        AppCertificate, Holder,
    },
    App, EntraRefusal, TOKEN_EXCHANGE, TokenRequest, World,
};

/// The longest life of what an app signs itself.
const LONGEST: i64 = 600;
/// How far a client's clock may be ahead.
const AHEAD: i64 = 5;

/// A token of somebody whom apps may trust: of the job's OIDC endpoint, or of Entra for a managed identity.
struct Outside {
    issuer: String,
    subject: String,
    audience: String,
    expires: Timestamp,
}

fn refuse<T>(code: u32, text: impl Into<String>) -> Result<T, EntraRefusal> {
    Err(EntraRefusal::new("invalid_client", code, text))
}

impl World {
    pub(super) fn check_assertion(
        &mut self,
        app: &App,
        token: &str,
        request: &TokenRequest,
    ) -> Result<(), EntraRefusal> {
        if !jwt::looks_like_one(token) {
            return Err(EntraRefusal::new("invalid_request", 50027, "JWT token is invalid or malformed."));
        }
        if let Some(blueprint) = &app.blueprint {
            return self.check_blueprint_token(app, blueprint, token);
        }
        if let Some(exchange) = self.exchange_tokens.iter().find(|known| known.value == token) {
            let text = format!(
                "No matching federated identity record found for presented assertion subject '{}'.",
                exchange.subject
            );
            return refuse(700_213, text);
        }
        if let Some(outside) = self.outside_token(token) {
            return self.check_federated(app, &outside);
        }
        let label = format!("assertion of {}", app.name);
        self.remember_brought(label, token);
        match jwt::assertion(token) {
            Some(assertion) if !app.certificates.is_empty() => self.check_signed(app, &assertion, request),
            _ => refuse(
                700_027,
                "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.]",
            ),
        }
    }

    /// What an app signed itself.
    /// <https://learn.microsoft.com/entra/identity-platform/certificate-credentials>
    fn check_signed(&mut self, app: &App, said: &Assertion, request: &TokenRequest) -> Result<(), EntraRefusal> {
        let now = if self.assertions_by_own_clock { self.now() } else { self.clients_now() };
        let others = self.serves_other_clients;
        let named = said.thumbprint.as_deref().unwrap_or_default();
        let named = if others { named.trim_end_matches('=') } else { named };
        let is_named = |known: &&AppCertificate| match &said.old_thumbprint {
            Some(old) if others && named.is_empty() => *old.trim_end_matches('=') == known.old_thumbprint,
            _ => known.thumbprint == named,
        };
        let Some(certificate) = app.certificates.iter().find(is_named) else {
            let text = format!(
                "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., Thumbprint of key used by client: '{named}']"
            );
            return refuse(700_027, text);
        };
        if certificate.expires.is_some_and(|end| end <= self.now()) {
            return refuse(
                700_027,
                "Client assertion failed signature validation. [Reason - The key used is expired.]",
            );
        }
        let algorithm: &dyn ring::signature::VerificationAlgorithm = match said.algorithm.as_deref() {
            Some("PS256") => &RSA_PSS_2048_8192_SHA256,
            Some("RS256") if self.rs256_accepted || others => &RSA_PKCS1_2048_8192_SHA256,
            other => {
                let text = format!("The signature algorithm '{}' is not accepted.", other.unwrap_or_default());
                return Err(EntraRefusal::new("invalid_client", 50027, text).violating());
            }
        };
        let key = UnparsedPublicKey::new(algorithm, &certificate.public_key);
        if key.verify(&said.message, &said.signature).is_err() {
            return refuse(
                700_027,
                "Client assertion failed signature validation. [Reason - The signature verification failed.]",
            );
        }
        // The two numbers are from memory of others' error reports; a client tells them from the rest by nothing.
        if said.issuer != said.subject || !is(&app.client_id, said.subject.as_deref()) {
            return refuse(700_021, "Client assertion application identifier doesn't match 'client_id' parameter.");
        }
        if !self.is_token_endpoint(said.audience.as_deref().unwrap_or_default(), request) {
            return refuse(700_023, "Client assertion audience claim does not match Realm issuer.");
        }
        let start = said.not_before.or(said.issued.filter(|_| others));
        let (Some(start), Some(issued), Some(end)) = (start, said.issued, said.expires) else {
            let text = "The client assertion must have the claims nbf, iat and exp.";
            return Err(EntraRefusal::new("invalid_client", 700_024, text).violating());
        };
        let at = now.as_second();
        if end <= at || start > at + AHEAD || issued > at + AHEAD {
            let text = format!(
                "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {start}, expiry time of assertion {end}."
            );
            return refuse(700_024, text);
        }
        if end - start > LONGEST || said.kind.as_deref() != Some("JWT") {
            let text = "A client assertion is a JWT and lives ten minutes at most.";
            return Err(EntraRefusal::new("invalid_client", 700_024, text).violating());
        }
        match said.id.clone().filter(|id| !id.is_empty() && !self.assertions_seen.contains(id)) {
            Some(id) => self.assertions_seen.push(id),
            None => {
                let text = "A client assertion has a jti, and none is sent twice.";
                return Err(EntraRefusal::new("invalid_client", 50027, text).violating());
            }
        }
        Ok(())
    }

    /// Whether this is the address of the token endpoint that was asked, with the tenant's id or a name of it.
    fn is_token_endpoint(&self, audience: &str, request: &TokenRequest) -> bool {
        let tenant = self.known_tenant(&request.tenant).unwrap_or_default();
        let endpoint = |tenant: &str| format!("{}/{tenant}/oauth2/v2.0/token", request.origin);
        [&request.tenant, &tenant].iter().any(|tenant| audience == endpoint(tenant))
    }

    /// A token of somebody else, if this is one.
    fn outside_token(&self, token: &str) -> Option<Outside> {
        if let Some(known) = self.oidc_tokens.iter().find(|known| known.value == token) {
            let (issuer, subject) = (known.issuer.clone(), known.subject.clone());
            return Some(Outside { issuer, subject, audience: known.audience.clone(), expires: known.expires });
        }
        let known = self.access_tokens.iter().find(|known| known.value == token)?;
        let (issuer, expires) = (format!("https://login.microsoftonline.com/{}/v2.0", known.tenant), known.expires);
        let subject = match &known.holder {
            Holder::App(name) => self.app(name).object_id.clone(),
            Holder::User(name) => self.user(name).oid.clone(),
        };
        Some(Outside { issuer, subject, audience: known.audience.clone(), expires })
    }

    fn check_federated(&self, app: &App, token: &Outside) -> Result<(), EntraRefusal> {
        let now = self.now();
        if token.expires <= now {
            let text = format!(
                "Client assertion is not within its valid time range. Current time: {now}, expiry time of assertion {}.",
                token.expires
            );
            return refuse(700_024, text);
        }
        if app.federated.is_empty() {
            return refuse(70025, "The client has no configured federated identity credentials.");
        }
        let unmatched = |code, what: &str, value: &str| {
            refuse(
                code,
                format!("No matching federated identity record found for presented assertion {what} '{value}'."),
            )
        };
        if token.audience != TOKEN_EXCHANGE {
            return unmatched(700_212, "audience", &token.audience);
        }
        let same_issuer: Vec<_> = app.federated.iter().filter(|known| known.issuer == token.issuer).collect();
        if same_issuer.is_empty() {
            return unmatched(700_211, "issuer", &token.issuer);
        }
        if same_issuer.iter().all(|known| known.subject != token.subject) {
            return unmatched(700_213, "subject", &token.subject);
        }
        Ok(())
    }
}

fn is(wanted: &str, said: Option<&str>) -> bool {
    said.is_some_and(|said| said.eq_ignore_ascii_case(wanted))
}
