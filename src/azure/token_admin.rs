//! The personal access tokens of any user, for a Project Collection Administrator: token administration.
//! <https://learn.microsoft.com/rest/api/azure/devops/tokenadmin/personal-access-tokens/list>
//!
//! It lists, and never shows a value. What no document states: what `isValid` is of one that has expired (taken as not
//! telling anything), and whether it takes an app's token (tried, and explained where it does not).

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::time::Instant;

use crate::http::rate_limit::RateLimit;
use crate::http::{Auth, Call, Http, Reply};
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::inventory::ListedPat;
use crate::model::organization::Organization;
use crate::model::secret::Secret;
use crate::model::timestamp::Timestamp;

/// Every version is a preview.
const API_VERSION: &str = "7.1-preview.1";
const PAGE: &str = "100";
/// Nobody has so many tokens, and a server may never end a list.
const MOST_PAGES: usize = 200;

/// What a user has.
#[derive(Debug)]
pub struct Listing {
    /// Every token, on all pages.
    pub pats: Vec<ListedPat>,
    /// How much may still be asked.
    pub allowance: RateLimit,
    /// Requests that it took.
    pub requests: usize,
}

/// Lists the tokens of the user with this descriptor; `None` where there is no such user any more.
///
/// # Errors
/// When a page cannot be had.
pub async fn list(
    http: &Http,
    organization: &Organization,
    token: &Secret,
    descriptor: &str,
) -> Result<Option<Listing>, CallError> {
    let descriptor = utf8_percent_encode(descriptor, UNRESERVED);
    let address = organization.identity(&format!("_apis/tokenadmin/personalaccesstokens/{descriptor}"));
    let mut listing = Listing { pats: Vec::new(), allowance: RateLimit::default(), requests: 0 };
    let mut continuation: Option<String> = None;
    let mut told = Instant::now();
    while listing.requests < MOST_PAGES {
        let mut url = address.clone();
        url.query_pairs_mut()
            .append_pair("pageSize", PAGE)
            .append_pair("isPublic", "false")
            .append_pair("api-version", API_VERSION);
        if let Some(continuation) = &continuation {
            url.query_pairs_mut().append_pair("continuationToken", continuation);
        }
        let call = Call { sensitive_response: true, ..Call::get(Service::AzureDevOps, url, Auth::Bearer(token)) };
        let reply = match http.send_with_retry(&call).await {
            Ok(reply) => reply,
            Err(error) if matches!(error.refusal(), Some((404, code)) if !is_of_the_organization(code)) => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let page: Page = reply.json()?;
        listing.requests += 1;
        listing.allowance = listing.allowance.and(reply.allowance(), told.elapsed());
        told = Instant::now();
        let now = reply.date;
        listing.pats.extend(page.value.into_iter().map(|token| token.read(now)));
        match page.continuation_token.filter(|next| !next.is_empty() && *next != NO_MORE) {
            None => return Ok(Some(listing)),
            Some(next) if continuation.as_ref() == Some(&next) => {
                return Err(unending(&reply, "whose next page is the same page"));
            }
            Some(next) => continuation = Some(next),
        }
        if listing.requests == MOST_PAGES {
            return Err(unending(&reply, "that does not end"));
        }
    }
    Ok(Some(listing))
}

/// A continuation is a GUID, and the empty one none (inferred).
const NO_MORE: &str = "00000000-0000-0000-0000-000000000000";
/// Descriptors hold these as they are.
const UNRESERVED: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A 404 that is about the address and not about the user.
fn is_of_the_organization(code: &str) -> bool {
    ["TF400814", "HostDoesNotExistException", "VssResourceNotFoundException"].contains(&code)
}

fn unending(reply: &Reply, how: &str) -> CallError {
    let seen = format!("a list of tokens {how}");
    reply.error(Kind::Unreadable { status: reply.status, seen })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    value: Vec<SessionToken>,
    continuation_token: Option<String>,
}

/// Without the two fields that could hold a value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionToken {
    authorization_id: Option<String>,
    display_name: Option<String>,
    scope: Option<String>,
    #[serde(default, deserialize_with = "accounts")]
    target_accounts: Accounts,
    valid_from: Option<String>,
    valid_to: Option<String>,
    is_valid: Option<bool>,
}

/// What the list of organizations says.
#[derive(Default)]
enum Accounts {
    #[default]
    Untold,
    /// Inferred from the lifecycle API, where null stands for all.
    All,
    Some,
}

fn accounts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Accounts, D::Error> {
    let accounts = Option::<Vec<serde::de::IgnoredAny>>::deserialize(deserializer)?;
    Ok(match accounts {
        None => Accounts::All,
        Some(accounts) if accounts.is_empty() => Accounts::All,
        Some(_) => Accounts::Some,
    })
}

impl SessionToken {
    fn read(self, now: Option<Timestamp>) -> ListedPat {
        let time = |text: Option<String>| text.as_deref().and_then(Timestamp::parse);
        let valid_to = time(self.valid_to);
        let has_ended = match (valid_to, now) {
            (Some(end), Some(now)) => end <= now,
            _ => false,
        };
        ListedPat {
            authorization_id: self.authorization_id.unwrap_or_default(),
            display_name: self.display_name.filter(|name| !name.trim().is_empty()),
            scope: self.scope.filter(|scope| !scope.trim().is_empty()),
            is_for_all_organizations: match self.target_accounts {
                Accounts::Untold => None,
                Accounts::All => Some(true),
                Accounts::Some => Some(false),
            },
            valid_from: time(self.valid_from),
            valid_to,
            is_revoked: self.is_valid == Some(false) && !has_ended,
        }
    }
}
