//! The PAT Lifecycle Management API: list, create, update and revoke the signed-in user's personal access tokens.
//! <https://learn.microsoft.com/rest/api/azure/devops/tokens/pats>
//!
//! Not documented, and relied on as little as possible:
//! * an update keeps the secret (inferred: published update samples contain none; verified in every rotation;
//!   docs/assumptions.md: An update keeps the value of a token.);
//! * refusals come as a 200 with `patTokenError` (seen in code: azureauth, `PatClient.cs`);
//! * names need not be unique (seen in code: azureauth creates the next one under the same name).

mod passes;
mod refusals;
mod wire;

use std::collections::HashSet;
use std::rc::Rc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::sleep;
use url::Url;

use crate::http::word;
use crate::http::{Auth, Body, Call, Http, Method, Reply};
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::inventory::ListedPat;
use crate::model::marker::PatName;
use crate::model::organization::Organization;
use crate::model::pat::{AuthorizationId, Pat};
use crate::model::scopes::Scopes;
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;

use self::passes::Pass;
pub use self::passes::Passes;
pub use self::refusals::{is_about_the_token, may_be_about_the_token};
use self::wire::{Refusal, WirePat, WireResult};

/// The version nearly all published code uses; the specification calls every version a preview.
const API_VERSION: &str = "7.1-preview.1";
/// The documented limit of a page; servers may give less.
const PAGE: &str = "100";
/// A longer list is an error: nobody has so many tokens, and a faulty server may never end the list.
const MOST_PAGES: usize = 1000;
const MOST_TOKENS: usize = 20_000;
/// Passes over a list of several pages until two of them agree.
const MOST_PASSES: usize = 6;

/// The personal access tokens of one user in one organization.
#[derive(Clone)]
pub struct Pats<'a> {
    pub http: &'a Http,
    pub organization: &'a Organization,
    /// An Entra token that acts for the user.
    pub user: &'a Secret,
    /// The tokens that a list must show reliably: those of this name, or all if `None`.
    pub name: Option<&'a PatName>,
    /// Shared by all who list the same tokens.
    pub passes: Rc<Passes>,
}

/// What the service lists at one moment.
#[derive(Clone, Debug)]
pub struct Listing {
    /// Every active token, on all pages.
    pub pats: Vec<Pat>,
    /// The server's time.
    pub date: Option<Timestamp>,
}

#[derive(Debug)]
pub struct Created {
    /// As the service returned it, with the granted values.
    pub pat: Pat,
    /// Shown only in this response.
    pub secret: Secret,
}

/// A token, and its name before it was decoded.
#[derive(Debug)]
pub struct Shown {
    pub pat: Pat,
    pub written_name: String,
}

#[derive(Debug)]
pub struct New<'a> {
    pub display_name: &'a str,
    pub scopes: &'a Scopes,
    /// When it should expire; the service may grant less.
    pub valid_to: Timestamp,
}

/// A creation that did not succeed.
#[derive(Debug)]
pub enum NotCreated {
    /// Nothing was created.
    Refused(CallError),
    /// A token may have been created whose secret nobody will ever know.
    Ambiguous(CallError),
}

/// What to change. Name and scope are sent, as a server might reset what is left out. `allOrgs` never is: what it
/// does to a token of another organization is not documented.
#[derive(Debug)]
pub struct Change<'a> {
    pub id: &'a AuthorizationId,
    pub display_name: &'a str,
    /// The scopes as listed.
    pub scopes: &'a Scopes,
    /// A shorter life; `None` leaves it as it is.
    pub valid_to: Option<Timestamp>,
}

impl Pats<'_> {
    /// Lists all active tokens. The token of a next page may be a row number, so that a change between two pages skips
    /// a row: a list of several pages is read until two passes agree on the name's tokens.
    pub async fn list(&self) -> Result<Listing, CallError> {
        let mut before: Option<Vec<(AuthorizationId, String)>> = None;
        for _ in 0..MOST_PASSES {
            let pass = self.passes.read(async || self.pass().await).await?;
            let named = self.named(&pass.listing);
            if pass.pages == 1 || before.as_ref() == Some(&named) {
                return Ok(pass.listing.clone());
            }
            before = Some(named);
        }
        let seen = format!("a list that changed each of the {MOST_PASSES} times it was read");
        Err(CallError::new(Service::AzureDevOps, Kind::Unreadable { status: 200, seen }))
    }

    /// The ids and names of the name's tokens.
    fn named(&self, listing: &Listing) -> Vec<(AuthorizationId, String)> {
        let is_named = |pat: &&Pat| self.name.is_none_or(|name| name.generation(&pat.display_name).is_some());
        let mut named: Vec<_> =
            listing.pats.iter().filter(is_named).map(|pat| (pat.id.clone(), pat.display_name.clone())).collect();
        named.sort();
        named
    }

    /// Reads the list once, and counts its pages.
    async fn pass(&self) -> Result<Pass, CallError> {
        let mut listing = Listing { pats: Vec::new(), date: None };
        let mut seen = HashSet::new();
        let take = |reply: &Reply, pat: Result<WirePat, CallError>| {
            let pat = pat?.read().map_err(|seen| unreadable(reply, seen))?;
            if seen.insert(pat.id.clone()) {
                listing.pats.push(pat);
            }
            Ok(())
        };
        let (date, pages) = self.pages("active", take).await?;
        listing.date = date;
        Ok(Pass { listing, pages })
    }

    /// Lists all tokens that were not revoked for a report, those that have expired among them (documented: they stay
    /// listed for some months), and unreadable fields as absent. With the number of items that are not tokens, and the
    /// server's time.
    pub async fn list_for_report(&self) -> Result<(Vec<ListedPat>, usize, Option<Timestamp>), CallError> {
        let (mut pats, mut unread, mut date) = (Vec::new(), 0, None);
        let mut seen = HashSet::new();
        for filter in ["active", "expired"] {
            let read = self.pages(filter, |_, pat| {
                match pat {
                    // One may expire between the two lists.
                    Ok(pat) if !seen.insert(pat.authorization_id.clone()) => {}
                    Ok(pat) => pats.push(pat.for_report()),
                    Err(_) => unread += 1,
                }
                Ok(())
            });
            date = read.await?.0.or(date);
        }
        Ok((pats, unread, date))
    }

    /// Reads every page of one of the lists, item by item, and returns the server's time at the last, which is compared
    /// with the clock when this returns, and how many pages there were.
    async fn pages(
        &self,
        filter: &str,
        mut take: impl FnMut(&Reply, Result<WirePat, CallError>) -> Result<(), CallError>,
    ) -> Result<(Option<Timestamp>, usize), CallError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            continuation_token: Option<String>,
            pat_tokens: Vec<Box<RawValue>>,
        }
        let mut date = None;
        let mut taken = 0;
        let mut continuation: Option<String> = None;
        let (started, limit) = (Instant::now(), self.http.limits().list);
        for pages in 1..=MOST_PAGES {
            let mut url = self.address();
            url.query_pairs_mut()
                .append_pair("displayFilterOption", filter)
                .append_pair("sortByOption", "displayDate")
                .append_pair("isSortAscending", "true")
                .append_pair("$top", PAGE);
            if let Some(continuation) = &continuation {
                url.query_pairs_mut().append_pair("continuationToken", continuation);
            }
            let reply =
                self.http.send_with_retry(&Call::get(Service::AzureDevOps, url, Auth::Bearer(self.user))).await?;
            date = reply.date.or(date);
            let page: Page = reply.json()?;
            for pat in page.pat_tokens {
                taken += 1;
                let pat = serde_json::from_str(pat.get())
                    .map_err(|_| unreadable(&reply, "a list with an item that is not a token".to_owned()));
                take(&reply, pat)?;
            }
            if taken > MOST_TOKENS {
                return Err(unreadable(&reply, format!("a list of more than {MOST_TOKENS} tokens")));
            }
            match page.continuation_token.filter(|next| !next.is_empty()) {
                None => return Ok((date, pages)),
                Some(next) if continuation.as_ref() == Some(&next) => {
                    return Err(unreadable(&reply, "a list whose next page is the same page".to_owned()));
                }
                Some(_) if started.elapsed() > limit => {
                    return Err(unreadable(
                        &reply,
                        format!("a list that was not complete after {} s", limit.as_secs()),
                    ));
                }
                Some(next) => continuation = Some(next),
            }
        }
        let seen = format!("a list that was not complete after {MOST_PAGES} pages");
        Err(CallError::new(Service::AzureDevOps, Kind::Unreadable { status: 200, seen }))
    }

    /// Shows one token by its id.
    pub async fn get(&self, id: &AuthorizationId) -> Result<Shown, CallError> {
        let mut url = self.address();
        url.query_pairs_mut().append_pair("authorizationId", id.as_str());
        self.show(&Call::get(Service::AzureDevOps, url, Auth::Bearer(self.user))).await
    }

    /// Renames a token by its id and name alone. What becomes of the rest is not documented, so only a check does this.
    pub async fn rename_alone(&self, id: &AuthorizationId, display_name: &str) -> Result<Shown, CallError> {
        let body = json!({"authorizationId": id.as_str(), "displayName": display_name});
        let call = self.call(Method::PUT, self.address(), Body::json(&body));
        self.show(&Call { sensitive_response: true, ..call }).await
    }

    async fn show(&self, call: &Call<'_>) -> Result<Shown, CallError> {
        let reply = self.http.send_with_retry(call).await?;
        let result: WireResult = reply.json()?;
        if let Some(code) = result.pat_token_error.refusal() {
            return Err(refused(code));
        }
        let Some(pat) = result.pat_token else { return Err(unreadable(&reply, "no token".to_owned())) };
        let written_name = pat.display_name.clone().unwrap_or_default();
        let pat = pat.read().and_then(Pat::whole).map_err(|seen| unreadable(&reply, seen))?;
        Ok(Shown { pat, written_name })
    }

    /// Creates a token. Never repeated: a lost reply leaves a token whose secret nobody knows.
    ///
    /// # Errors
    /// Whether a token may have been created, and why the request failed.
    async fn create(&self, new: &New<'_>) -> Result<Created, NotCreated> {
        let body = json!({
            "displayName": new.display_name,
            "scope": new.scopes.as_str(),
            "validTo": new.valid_to.to_wire(),
            "allOrgs": false,
        });
        let call = Call { sensitive_response: true, ..self.call(Method::POST, self.address(), Body::json(&body)) };
        let reply = self.http.send_once(&call, self.http.limits().create_reply).await.map_err(|error| {
            let is_definite = matches!(error.kind, Kind::Refused { .. } | Kind::NotSignedIn { .. } | Kind::Abandoned);
            if is_definite { NotCreated::Refused(error) } else { NotCreated::Ambiguous(error) }
        })?;
        let result: WireResult = reply.json().map_err(|error| match error.kind {
            Kind::NotSignedIn { .. } => NotCreated::Refused(error),
            _ => NotCreated::Ambiguous(error),
        })?;
        let Some(mut pat) = result.pat_token else {
            return Err(match result.pat_token_error.refusal() {
                Some(code) => NotCreated::Refused(refused(code)),
                None => NotCreated::Ambiguous(unreadable(&reply, "neither a token nor a refusal".to_owned())),
            });
        };
        let secret = pat.token.take().filter(|token| !token.reveal().is_empty());
        match (result.pat_token_error.refusal(), secret, pat.read().and_then(Pat::whole)) {
            (None, Some(secret), Ok(pat)) => Ok(Created { pat, secret }),
            (Some(code), ..) => Err(NotCreated::Ambiguous(refused(code))),
            (None, None, _) => Err(NotCreated::Ambiguous(unreadable(&reply, "a token without its value".to_owned()))),
            (None, Some(_), Err(seen)) => Err(NotCreated::Ambiguous(unreadable(&reply, seen))),
        }
    }

    /// The same; once the run is cancelled, waits only a little longer for the reply, as there must be time to clean up.
    ///
    /// # Errors
    /// As above.
    pub async fn create_unless_cancelled(&self, new: &New<'_>) -> Result<Created, NotCreated> {
        let given_up = async {
            self.http.cancel().requested().await;
            sleep(self.http.limits().create_reply_when_cancelled).await;
        };
        tokio::select! {
            created = self.create(new) => created,
            () = given_up => Err(NotCreated::Ambiguous(CallError::new(Service::AzureDevOps, Kind::Cancelled))),
        }
    }

    /// Renames a token and can shorten its lifetime. Idempotent, so it is retried.
    pub async fn update(&self, change: &Change<'_>) -> Result<Updated, CallError> {
        self.update_by(change, async |call| self.http.send_with_retry(call).await).await
    }

    /// The same, sent once, for the commit: the rotation decides whether to repeat it.
    pub async fn update_once(&self, change: &Change<'_>) -> Result<Updated, CallError> {
        self.update_by(change, async |call| self.http.send_once(call, self.http.limits().reply).await).await
    }

    /// A server may refuse scopes that it gave itself (seen in code: TfsCmdlets renames with id and name alone): then
    /// once more without them.
    async fn update_by(
        &self,
        change: &Change<'_>,
        send: impl AsyncFn(&Call<'_>) -> Result<Reply, CallError>,
    ) -> Result<Updated, CallError> {
        let asked = send(&self.update_call(change, true)).await.and_then(|reply| read_update(change, &reply, true));
        match asked {
            Err(error) if error.refusal().is_some_and(|(_, code)| SCOPE_REFUSALS.contains(&code)) => {
                read_update(change, &send(&self.update_call(change, false)).await?, false)
            }
            asked => asked,
        }
    }

    /// Revokes a token; succeeds if the token no longer exists. How the service answers in that case is not documented,
    /// so the list is read before the request is repeated.
    pub async fn revoke(&self, id: &AuthorizationId) -> Result<(), CallError> {
        let revoked = self.http.retry_with(Service::AzureDevOps, async || match self.revoke_once(id).await {
            Err(error) if self.is_gone(id, &error).await? => Ok(Ok(())),
            revoked => Ok(revoked),
        });
        revoked.await?
    }

    /// The same, sent once and with the service's own answer about a token that does not exist.
    pub async fn revoke_once(&self, id: &AuthorizationId) -> Result<(), CallError> {
        let mut url = self.address();
        url.query_pairs_mut().append_pair("authorizationId", id.as_str());
        let call = self.call(Method::DELETE, url, Body::Empty);
        let reply = self.http.send_once(&call, self.http.limits().reply).await?;
        // Documented as a 204 without a body; a refusal in a 200 would be one all the same.
        let refusal = if reply.is_empty() { None } else { reply.json::<Refusal>()?.refusal().map(str::to_owned) };
        refusal.map_or(Ok(()), |code| Err(refused(&code)))
    }

    /// Whether a request failed because the token is no longer active. No code or status says so, only the list.
    pub async fn is_gone(&self, id: &AuthorizationId, error: &CallError) -> Result<bool, CallError> {
        Ok(may_be_about_the_token(error) && !self.list().await?.pats.iter().any(|pat| pat.id == *id))
    }

    /// Waits out the service's `Retry-After`, so that the next request is sent immediately.
    pub async fn rest(&self) -> Result<(), CallError> {
        self.http.let_rest(Service::AzureDevOps, &self.address()).await
    }

    fn update_call(&self, change: &Change<'_>, with_scopes: bool) -> Call<'_> {
        let mut body = json!({"authorizationId": change.id.as_str(), "displayName": change.display_name});
        if with_scopes {
            body["scope"] = change.scopes.as_str().into();
        }
        if let Some(valid_to) = change.valid_to {
            body["validTo"] = Value::String(valid_to.to_wire());
        }
        // A server that changed the secret on an update might answer with it.
        Call { sensitive_response: true, ..self.call(Method::PUT, self.address(), Body::json(&body)) }
    }

    fn address(&self) -> Url {
        let mut url = self.organization.identity("_apis/tokens/pats");
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        url
    }

    fn call(&self, method: Method, url: Url, body: Body) -> Call<'_> {
        Call::new(Service::AzureDevOps, method, url, Auth::Bearer(self.user), body)
    }
}

#[derive(Debug)]
pub struct Updated {
    /// The expiry after the update.
    pub valid_to: Timestamp,
}

/// Refusals that are about the scopes in a request.
const SCOPE_REFUSALS: [&str; 2] = ["invalidScope", "fullScopePatPolicyViolation"];

/// docs/assumptions.md: An update without scopes keeps them.
///
/// The update succeeded only if the response shows the token as requested, including its scopes if none were sent.
fn read_update(change: &Change<'_>, reply: &Reply, with_scopes: bool) -> Result<Updated, CallError> {
    let result: WireResult = reply.json()?;
    if let Some(code) = result.pat_token_error.refusal() {
        return Err(refused(code));
    }
    let pat = result.pat_token.and_then(|pat| pat.read().and_then(Pat::whole).ok());
    match pat.filter(|pat| pat.id == *change.id && pat.display_name == change.display_name) {
        Some(pat) if !with_scopes && !pat.scopes.is_same(change.scopes) => {
            let (now, before) = (&pat.scopes, change.scopes);
            Err(unreadable(reply, format!("the scopes {now} instead of {before}, which this task did not request")))
        }
        Some(pat) => Ok(Updated { valid_to: pat.valid_to }),
        None => Err(unreadable(reply, "a token that does not match the requested change".to_owned())),
    }
}

/// A refusal in a 200: a word without a sentence.
fn refused(code: &str) -> CallError {
    let kind = Kind::Refused { status: 200, code: word(code), message: String::new() };
    CallError::new(Service::AzureDevOps, kind)
}

fn unreadable(reply: &Reply, seen: String) -> CallError {
    let kind = Kind::Unreadable { status: reply.status, seen };
    CallError::new(Service::AzureDevOps, kind)
}
