//! Anybody's PATs, for administrators: `/{organization}/_apis/tokenadmin/personalaccesstokens/{subjectDescriptor}`.
//! <https://learn.microsoft.com/rest/api/azure/devops/tokenadmin/personal-access-tokens/list>

use serde_json::{Value, json};

use super::super::world::{ListedPat, PatsCursor, Person, World};
use super::{
    administrators,
    request::{Refusal, Reply, Request},
    vss,
};

/// Shows a page of somebody's tokens.
pub fn answer(world: &World, request: &Request) -> Reply {
    list(world, request).unwrap_or_else(|refusal| *refusal)
}

fn list(world: &World, request: &Request) -> Result<Reply, Refusal> {
    let entered = administrators::enter(world, request, &["vso.tokenadministration"])?;
    entered.must_administer(world)?;
    vss::check_query(request, &["api-version", "pageSize", "continuationToken", "isPublic"])?;
    if let Some(size) = request.field("pageSize")
        && !size.parse::<i32>().is_ok_and(|size| size > 0)
    {
        return Err(vss::bad_value("pageSize", &size));
    }
    let wants_ssh = match request.field("isPublic").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(vss::bad_value("isPublic", other)),
    };
    let from = match request.field("continuationToken").filter(|token| !token.is_empty()) {
        None => None,
        Some(token) if token == AT_FIRST => Some(PatsCursor::AtFirst),
        Some(token) => Some(PatsCursor::After(token)),
    };
    let descriptor = &request.segments()[4];
    if !is_descriptor(descriptor) {
        return Err(vss::bad_value("subjectDescriptor", descriptor));
    }
    let Some(person) = world.person(&entered.organization, descriptor) else {
        let message = format!("TF14045: The identity with descriptor {descriptor} could not be found.");
        return Err(vss::error(404, "IdentityNotFoundException", &message).into());
    };
    // Nobody has a key for SSH here.
    if wants_ssh {
        return Ok(Reply::json(200, &json!({"value": [], "continuationToken": null})));
    }
    let Some((pats, next)) = world.page_of_pats(&entered.organization, &person, from.as_ref()) else {
        return Err(vss::bad_value("continuationToken", &request.field("continuationToken").unwrap_or_default()));
    };
    let shown: Vec<Value> = pats.iter().map(|pat| shape(&person, pat)).collect();
    let next = next.map(|next| match next {
        PatsCursor::AtFirst => AT_FIRST.to_owned(),
        PatsCursor::After(id) => id,
    });
    Ok(Reply::json(200, &json!({"value": shown, "continuationToken": next})))
}

/// A page of a list that never ends: other tokens on each, and after each page another or itself again.
pub fn endless_page(world: &mut World, entries: usize, goes_on: bool) -> Reply {
    world.lists_ended += 1;
    let page = world.lists_ended;
    let one = |entry: usize| {
        json!({"authorizationId": format!("{page:08x}-0000-4000-8000-{entry:012x}"), "scope": "vso.packaging",
            "displayName": format!("one of very many, {entry} of page {page}"), "isValid": true, "isPublic": false,
            "validFrom": "2026-11-01T00:00:00", "validTo": "2026-12-31T00:00:00", "targetAccounts": null, "token": null})
    };
    let pats: Vec<Value> = (0..entries).map(one).collect();
    let next = if goes_on { page } else { 0 };
    Reply::json(200, &json!({"value": pats, "continuationToken": format!("{next:08x}-0000-4000-8000-000000000001")}))
}

/// A token as the wire has it: the date of its beginning has no offset in the published example, and both need not have
/// the same number of digits.
fn shape(person: &Person, pat: &ListedPat) -> Value {
    json!({
        "clientId": NOTHING,
        "accessId": NOTHING,
        "authorizationId": pat.id,
        "hostAuthorizationId": NOTHING,
        "userId": person.identity,
        "validFrom": pat.valid_from.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        "validTo": pat.valid_to.strftime("%Y-%m-%dT%H:%M:%S%.f").to_string(),
        "displayName": pat.name,
        "scope": pat.scope,
        "targetAccounts": pat.accounts,
        "token": null,
        "alternateToken": null,
        "isValid": pat.is_valid,
        "isPublic": false,
        "publicData": null,
        "source": null,
    })
}

const NOTHING: &str = "00000000-0000-0000-0000-000000000000";
/// The place before the first token.
const AT_FIRST: &str = "f1257000-0000-4000-8000-000000000000";

/// A kind of subject, a dot, and base64.
fn is_descriptor(text: &str) -> bool {
    text.split_once('.').is_some_and(|(kind, rest)| {
        ["aad", "msa", "svc"].contains(&kind)
            && !rest.is_empty()
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    })
}
