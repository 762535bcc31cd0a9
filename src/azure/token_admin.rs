//! The personal access tokens of any user, for a Project Collection Administrator: token administration.
//! <https://learn.microsoft.com/rest/api/azure/devops/tokenadmin/personal-access-tokens/list>
//!
//! It lists, and never shows a value. What no document states: what `isValid` is of one that has expired (either is
//! believed, see the report), and whether it takes an app's token (tried, and explained where it does not).

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::http::rate_limit::RateLimit;
use crate::http::{Auth, Call, Http, Reply};
use crate::model::api_error::{CallError, Kind, Service};
use crate::model::html;
use crate::model::inventory::{End, ListedPat};
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
    /// How many items on the pages were not tokens.
    pub unreadable: usize,
    /// The rate limit after the last response.
    pub allowance: RateLimit,
    /// Number of requests sent.
    pub requests: usize,
}

/// Lists the tokens of the user with this descriptor; `None` where there is no such user any more.
pub async fn list(
    http: &Http,
    organization: &Organization,
    token: &Secret,
    descriptor: &str,
) -> Result<Option<Listing>, CallError> {
    let descriptor = utf8_percent_encode(descriptor, UNRESERVED);
    let address = organization.identity(&format!("_apis/tokenadmin/personalaccesstokens/{descriptor}"));
    let mut listing = Listing { pats: Vec::new(), unreadable: 0, allowance: RateLimit::default(), requests: 0 };
    let mut continuation: Option<String> = None;
    let mut last_response = Instant::now();
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
            Err(error) if listing.requests == 0 && is_of_the_user(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let page: Page = reply.json()?;
        listing.requests += 1;
        listing.allowance = listing.allowance.and(reply.allowance(), last_response.elapsed());
        last_response = Instant::now();
        for token in &page.value {
            match serde_json::from_str::<SessionToken<'_>>(token.get()) {
                Ok(token) => listing.pats.push(token.read()),
                Err(_) => listing.unreadable += 1,
            }
        }
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

/// Whether a 404 says that there is no such user. One without the service's word comes from something on the way, and
/// some words are about the address.
fn is_of_the_user(error: &CallError) -> bool {
    let of_the_address = ["", "TF400814", "HostDoesNotExistException", "VssResourceNotFoundException"];
    matches!(error.refusal(), Some((404, code)) if !of_the_address.contains(&code))
}

fn unending(reply: &Reply, how: &str) -> CallError {
    let seen = format!("a list of tokens {how}");
    reply.error(Kind::Unreadable { status: reply.status, seen })
}

/// Items and fields are parsed one by one, so that an invalid one does not affect the others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    value: Vec<Box<RawValue>>,
    continuation_token: Option<String>,
}

/// Without the two fields that could contain the PAT's value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionToken<'a> {
    #[serde(borrow)]
    authorization_id: Option<&'a RawValue>,
    #[serde(borrow)]
    display_name: Option<&'a RawValue>,
    #[serde(borrow)]
    scope: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "given")]
    target_accounts: Option<&'a RawValue>,
    #[serde(borrow)]
    valid_from: Option<&'a RawValue>,
    #[serde(borrow)]
    valid_to: Option<&'a RawValue>,
    #[serde(borrow)]
    is_valid: Option<&'a RawValue>,
}

/// A field that is there, though it be null.
fn given<'de: 'a, 'a, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl SessionToken<'_> {
    fn read(self) -> ListedPat {
        let text = |field: Option<&RawValue>| serde_json::from_str::<String>(field?.get()).ok();
        let named = |field| text(field).filter(|text| !text.trim().is_empty());
        // Inferred from the lifecycle API, where null stands for all organizations.
        let accounts = |field: &RawValue| serde_json::from_str::<Option<Vec<serde::de::IgnoredAny>>>(field.get()).ok();
        ListedPat {
            authorization_id: text(self.authorization_id).unwrap_or_default(),
            display_name: named(self.display_name).map(|name| html::decoded(&name)),
            scope: named(self.scope),
            is_for_all_organizations: self
                .target_accounts
                .and_then(accounts)
                .map(|accounts| accounts.is_none_or(|accounts| accounts.is_empty())),
            valid_from: text(self.valid_from).as_deref().and_then(Timestamp::parse),
            valid_to: End::read(text(self.valid_to).as_deref()),
            is_valid: self.is_valid.and_then(|field| serde_json::from_str(field.get()).ok()),
        }
    }
}
