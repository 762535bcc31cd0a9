//! Signing in with a browser: a page, a code sent to the client's own address, and the proof that it is the same client.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow>

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use ring::digest;
use url::Url;

use super::{
    super::{App, ids},
    EntraRefusal, Issued, World,
    users::Client,
};

const MINUTES: i64 = 10;

/// A page that waits for a person.
#[derive(Clone, Debug)]
pub struct SignInPage {
    /// Names the page when the form comes back.
    pub id: String,
    /// The tenant's id or domain, as the client wrote it.
    pub tenant: String,
    /// The application id.
    pub client_id: String,
    /// Where the code is to be sent.
    pub redirect_uri: String,
    /// Scopes, separated by spaces.
    pub scope: String,
    /// Sent back with the code.
    pub state: String,
    /// SHA-256 of what the client will show.
    pub challenge: String,
    /// Comes back in the id token.
    pub nonce: Option<String>,
    /// The user name that stands in the form already.
    pub login_hint: String,
    /// Whether the address is one of a confidential client. Known once the page is open.
    pub is_web: bool,
}

/// A code on its way to the client.
#[derive(Clone, Debug)]
pub struct AuthorizationCode {
    /// The code.
    pub value: String,
    /// Whether it was redeemed.
    pub redeemed: bool,
    /// When it ends.
    pub expires: Timestamp,
    tenant: String,
    user: String,
    pub(super) app: String,
    pub(super) page: SignInPage,
}

impl World {
    /// Shows a page to a person, if the client and its address are known.
    pub fn open_sign_in(&mut self, mut page: SignInPage) -> Result<SignInPage, EntraRefusal> {
        let tenant = self.known_tenant(&page.tenant)?;
        let app = self.known_app(&page.client_id, &tenant)?;
        let is_strict = self.numeric_loopback_port_counts;
        let is_one_of = |registered: &[String]| {
            registered.iter().any(|registered| same_address(registered, &page.redirect_uri, is_strict))
        };
        // Documented: of two addresses that differ by the port alone, the server picks any, and with it the type. Here
        // it is the one that the client did not hope for.
        let (is_public, is_web) = (is_one_of(&app.redirect_uris), is_one_of(&app.web_redirect_uris));
        if !is_public && !is_web {
            let text = format!(
                "The redirect URI '{}' specified in the request does not match the redirect URIs configured for the application '{}'.",
                page.redirect_uri, app.client_id
            );
            return Err(EntraRefusal::new("invalid_request", 50011, text));
        }
        page.is_web = !is_public;
        page.id = ids::hex32("page", self.count("sign-in page"));
        self.sign_in_pages.push(page.clone());
        Ok(page)
    }

    /// The page of that id.
    pub fn sign_in_page(&self, id: &str) -> Option<&SignInPage> {
        self.sign_in_pages.iter().find(|page| page.id == id)
    }

    /// A person signs in on the page: where the browser is sent. A refusal is shown on the page.
    pub fn sign_in_on_page(&mut self, id: &str, username: &str) -> Result<String, EntraRefusal> {
        let page = self.sign_in_page(id).cloned().ok_or_else(|| EntraRefusal::of_user(70000))?;
        let tenant = self.known_tenant(&page.tenant)?;
        let app = self.known_app(&page.client_id, &tenant)?;
        let user = self.user_of_name(username, &tenant).ok_or_else(|| EntraRefusal::of_user(50034))?;
        if let Some(code) = user.refused_with {
            return Err(EntraRefusal::of_user(code));
        }
        let user = user.name.clone();
        self.wanted(&app, &page.scope)?;
        let number = self.count("authorization code");
        let value = format!("1.{}", ids::secret("simulated-code-", number, 120));
        self.remember(format!("authorization code {number} of {user}"), &value);
        let answer = [("code", value.as_str()), ("state", &page.state), ("session_state", &page.id)];
        let location = with_query(&page.redirect_uri, &answer);
        let expires = self.now() + SignedDuration::from_mins(MINUTES);
        self.authorization_codes.push(AuthorizationCode {
            value,
            redeemed: false,
            expires,
            tenant,
            user,
            app: app.name,
            page,
        });
        self.sign_in_pages.retain(|page| page.id != id);
        Ok(location)
    }

    /// A person declines: where the browser is sent.
    pub fn decline_on_page(&mut self, id: &str) -> Result<String, EntraRefusal> {
        let page = self.sign_in_page(id).cloned().ok_or_else(|| EntraRefusal::of_user(70000))?;
        self.sign_in_pages.retain(|page| page.id != id);
        let why = "AADSTS65004: User declined to consent to access the app.";
        let answer = [("error", "access_denied"), ("error_description", why), ("state", &page.state)];
        Ok(with_query(&page.redirect_uri, &answer))
    }

    pub(super) fn redeem_code(
        &mut self,
        app: &App,
        code: &str,
        (redirect_uri, verifier): (&str, &str),
        scope: &str,
        tenant: &str,
    ) -> Result<Issued, EntraRefusal> {
        self.remember_brought("code verifier".to_owned(), verifier);
        let now = self.now();
        let known = self.authorization_codes.iter_mut().find(|known| known.value == code && known.app == app.name);
        let Some(known) = known else { return Err(EntraRefusal::of_user(70000)) };
        if known.tenant != tenant {
            // From memory of others' reports.
            let text = "Provided Authorization Code is intended to use against other tenant, thus rejected.";
            return Err(EntraRefusal::new("invalid_grant", 700_005, text));
        }
        if known.redeemed {
            let text = "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.";
            return Err(EntraRefusal::new("invalid_grant", 54005, text));
        }
        if known.expires <= now {
            return Err(EntraRefusal::of_user(70008));
        }
        if known.page.redirect_uri != redirect_uri {
            let text = format!(
                "The reply address '{redirect_uri}' does not match the reply address '{}' provided when requesting Authorization code.",
                known.page.redirect_uri
            );
            return Err(EntraRefusal::new("invalid_grant", 500_112, text));
        }
        if !is_verifier(verifier) || challenge_of(verifier) != known.page.challenge {
            let text = "The Code_Verifier does not match the code_challenge supplied in the authorization request.";
            return Err(EntraRefusal::new("invalid_grant", 501_481, text));
        }
        known.redeemed = true;
        let (user, page) = (known.user.clone(), known.page.clone());
        let scope = if scope.is_empty() { &page.scope } else { scope };
        let client = Client { is_confidential: page.is_web, nonce: page.nonce.as_deref() };
        self.issue(&user, app, scope, tenant, client)
    }
}

/// Whether a client's address is the registered one. Documented: the port of `localhost` is ignored. Of 127.0.0.1 the page
/// only says that it is recommended, and people report that its port must match (hegsie/gitnado#255, NVIDIA/OSMO#1269).
/// <https://learn.microsoft.com/entra/identity-platform/reply-url>
fn same_address(registered: &str, given: &str, numeric_port_counts: bool) -> bool {
    let (Ok(known), Ok(asked)) = (Url::parse(registered), Url::parse(given)) else { return false };
    let ignores_port = match known.host_str() {
        Some("localhost") => known.scheme() == "http",
        Some("127.0.0.1") => known.scheme() == "http" && !numeric_port_counts,
        _ => false,
    };
    if !ignores_port {
        return registered == given;
    }
    let rest = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.path().to_owned());
    rest(&known) == rest(&asked) && asked.query().is_none() && asked.fragment().is_none()
}

fn with_query(address: &str, fields: &[(&str, &str)]) -> String {
    let mut url = Url::parse(address).expect("an address that was registered");
    url.query_pairs_mut().extend_pairs(fields);
    url.into()
}

/// RFC 7636: 43 to 128 unreserved characters.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}
