//! The PAT lifecycle API: `/{organization}/_apis/tokens/pats`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::{
    exchange::Op,
    world::{Filter, Holder, ListQuery, NewPat, PatChange, Refused, Sort, UnknownIdReply, World, html_encoded},
};
use super::{
    callers, dates,
    request::{Refusal, Reply, Request},
    vss,
};

/// Answers one of the five operations.
pub fn answer(op: Op, world: &mut World, request: &Request) -> Reply {
    let handled = match op {
        Op::ListPats => list(world, request),
        Op::GetPat => get(world, request),
        Op::CreatePat => create(world, request),
        Op::UpdatePat => update(world, request),
        _ => revoke(world, request),
    };
    handled.unwrap_or_else(|refusal| *refusal)
}

/// The user who calls, and the organization.
struct Context {
    owner: String,
    organization: String,
    version: vss::Version,
}

/// Lets in only users, with the scopes that the operation needs.
fn enter(world: &World, request: &Request, changes: bool) -> Result<Context, Refusal> {
    let organization = vss::organization(world, &request.segments()[0])?;
    if callers::basic_password(request).is_some() {
        if world.pat_as_caller_is_401 {
            return Err(unauthorized("TF400813: The user '' is not authorized to access this resource."));
        }
        return Err(forbidden("The requested operation is not allowed."));
    }
    if request.bearer().is_some_and(|token| world.job_of_token(token).is_some()) {
        return Err(unauthorized(
            "TF400813: The user 'Widgets Build Service' is not authorized to access this resource.",
        ));
    }
    let Some(token) = callers::good_for(world, request, &organization) else {
        return Err(vss::not_signed_in(world, request).into());
    };
    if let Some(reply) = vss::denied(world, request) {
        return Err(reply.into());
    }
    let Holder::User(owner) = &token.holder else {
        return Err(forbidden("Service principals are not allowed to perform this action."));
    };
    let user = world.user(owner);
    if !user.member_of.iter().any(|name| name.eq_ignore_ascii_case(&organization)) {
        return Err(unauthorized(&vss::never_signed_in(&user.tenant, &user.oid)));
    }
    let has = |wanted: &str| token.scopes.iter().any(|scope| scope == wanted);
    // Measured by others: to create, one of the two scopes is not enough.
    let allowed =
        has("user_impersonation") || (has("vso.pats") && has("vso.pats_manage")) || (!changes && has("vso.pats"));
    if !allowed {
        let message = format!("TF400813: The user '{}' is not authorized to access this resource.", user.identity);
        return Err(unauthorized(&message));
    }
    let version = vss::version(request, true)?;
    Ok(Context { owner: owner.clone(), organization, version })
}

fn list(world: &mut World, request: &Request) -> Result<Reply, Refusal> {
    let context = enter(world, request, false)?;
    let known = ["api-version", "displayFilterOption", "sortByOption", "isSortAscending", "continuationToken", "$top"];
    vss::check_query(request, &known)?;
    let filter = match request.field("displayFilterOption").as_deref() {
        Some("active") => Filter::Active,
        Some("revoked") => Filter::Revoked,
        Some("expired") => Filter::Expired,
        Some("all") => Filter::All,
        Some(other) => return Err(vss::bad_value("displayFilterOption", other)),
        None => {
            let message = "Value cannot be null. Parameter name: displayFilterOption";
            return Err(vss::bad_request(
                "ArgumentNullException",
                message,
                "no displayFilterOption: its default is not documented",
            )
            .into());
        }
    };
    let sort = match request.field("sortByOption").as_deref() {
        None => Sort::Unsorted,
        Some("displayName") => Sort::Name,
        Some("displayDate") => Sort::Date,
        Some("status") => Sort::Status,
        Some(other) => return Err(vss::bad_value("sortByOption", other)),
    };
    let ascending = match request.field("isSortAscending").as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(other) => return Err(vss::bad_value("isSortAscending", other)),
    };
    if let Some(top) = request.field("$top")
        && !top.parse::<u32>().is_ok_and(|top| (1..=100).contains(&top))
    {
        return Err(vss::bad_value("$top", &top));
    }
    let query = ListQuery { owner: context.owner, organization: context.organization, filter, sort, ascending };
    let token = request.field("continuationToken").filter(|token| !token.is_empty());
    let page = match token {
        token if world.pages_by_row => {
            let row = token.as_deref().map_or(Some(0), cursor_number);
            match row {
                Some(row) => world.list_from_row(&query, row),
                None => return Err(vss::bad_value("continuationToken", &token.unwrap_or_default())),
            }
        }
        None => world.list_pats(query),
        Some(token) => match cursor_number(&token).and_then(|cursor| world.continue_list(cursor, &query)) {
            Some(page) => page,
            None => return Err(vss::bad_value("continuationToken", &token)),
        },
    };
    let shown: Vec<Value> = page.pats.iter().map(|pat| shape(world, &pat.id, None)).collect();
    let mut body = json!({"patTokens": shown});
    match page.next {
        Some(cursor) => body["continuationToken"] = cursor_token(cursor).into(),
        None => {
            match world.lists_ended % 3 {
                0 => body["continuationToken"] = "".into(),
                1 => body["continuationToken"] = Value::Null,
                _ => {}
            }
            world.lists_ended += 1;
        }
    }
    Ok(Reply::json(200, &body))
}

/// A page of a list that never ends: other PATs on each.
pub fn endless_page(world: &mut World, entries: usize, goes_on: bool) -> Reply {
    world.lists_ended += 1;
    let page = world.lists_ended;
    let one = |entry: usize| {
        json!({
            "displayName": format!("one of very many, {entry} of page {page}"),
            "validTo": dates::vss(world.now()),
            "scope": "vso.packaging",
            "targetAccounts": [world.organizations[0].id],
            "validFrom": dates::vss(world.now()),
            "authorizationId": format!("{page:08x}-0000-4000-8000-{entry:012x}"),
            "token": null,
        })
    };
    let pats: Vec<Value> = (0..entries).map(one).collect();
    let next = if goes_on { format!("page {page}") } else { "the page".to_owned() };
    Reply::json(200, &json!({"patTokens": pats, "continuationToken": next}))
}

fn get(world: &mut World, request: &Request) -> Result<Reply, Refusal> {
    let context = enter(world, request, false)?;
    vss::check_query(request, &["api-version", "authorizationId"])?;
    let id = asked_id(request)?;
    if world.oddities.gets_before_found > 0 {
        world.oddities.gets_before_found -= 1;
        return Err(refusal(world, &context, Refused::Unknown, false));
    }
    match world.own_pat(&context.owner, &context.organization, &id).map(|pat| pat.id.clone()) {
        Some(id) => Ok(granted(world, &id, None, &context)),
        None => Err(refusal(world, &context, Refused::Unknown, false)),
    }
}

fn create(world: &mut World, request: &Request) -> Result<Reply, Refusal> {
    let context = enter(world, request, true)?;
    vss::check_query(request, &["api-version"])?;
    let body = request.json(&["displayName", "scope", "validTo", "allOrgs"]).map_err(|why| vss::bad_body(&why))?;
    let new = NewPat {
        name: text(&body, "displayName")?.unwrap_or_default(),
        scope: text(&body, "scope")?.unwrap_or_default(),
        valid_to: time(&body, "validTo")?,
        all_orgs: flag(&body, "allOrgs")?.unwrap_or_default(),
    };
    match world.create_pat(&context.owner, &context.organization, &new) {
        Ok(id) => {
            let secret = world.pat(&id).secret.clone();
            Ok(granted(world, &id, Some(&secret), &context))
        }
        Err(refused) => Err(refusal(world, &context, refused, false)),
    }
}

fn update(world: &mut World, request: &Request) -> Result<Reply, Refusal> {
    let context = enter(world, request, true)?;
    vss::check_query(request, &["api-version"])?;
    let known = ["authorizationId", "displayName", "scope", "validTo", "allOrgs"];
    let body = request.json(&known).map_err(|why| vss::bad_body(&why))?;
    let Some(id) = text(&body, "authorizationId")? else {
        return Err(vss::bad_body("no authorizationId in the body").into());
    };
    let change = PatChange {
        name: text(&body, "displayName")?,
        scope: text(&body, "scope")?,
        valid_to: time(&body, "validTo")?,
        all_orgs: flag(&body, "allOrgs")?,
    };
    match world.update_pat(&context.owner, &context.organization, &id, &change) {
        Ok(()) => Ok(granted(world, &id, None, &context)),
        Err(refused) => Err(refusal(world, &context, refused, false)),
    }
}

fn revoke(world: &mut World, request: &Request) -> Result<Reply, Refusal> {
    let context = enter(world, request, true)?;
    vss::check_query(request, &["api-version", "authorizationId"])?;
    let id = asked_id(request)?;
    match world.revoke_pat(&context.owner, &context.organization, &id) {
        Ok(()) => Ok(Reply::empty(204)),
        Err(refused) => Err(refusal(world, &context, refused, true)),
    }
}

/// A PAT as the wire has it.
fn shape(world: &World, id: &str, secret: Option<&str>) -> Value {
    let pat = world.pat(id);
    let shown = pat.organization.as_ref().filter(|_| !world.oddities.target_accounts_withheld);
    let accounts = shown.and_then(|name| world.organization(name)).map(|found| [found.id.clone()]);
    let date = |at: Timestamp, written: &Option<String>| match written.as_deref() {
        None => Value::from(dates::vss(at)),
        Some("") => Value::Null,
        Some(text) => text.into(),
    };
    let kept = |letter: char| if u32::from(letter) > 0xff { '?' } else { letter };
    let name = match (world.names_html_encoded, world.oddities.names_lose_letters) {
        (true, _) => html_encoded(&pat.name),
        (_, true) => pat.name.chars().map(kept).collect(),
        _ => pat.name.clone(),
    };
    json!({
        "displayName": name,
        "validTo": date(pat.valid_to, &pat.written_end),
        "scope": pat.scope,
        "targetAccounts": accounts,
        "validFrom": date(pat.valid_from, &pat.written_start),
        "authorizationId": pat.id,
        "token": secret,
    })
}

fn granted(world: &World, id: &str, secret: Option<&str>, context: &Context) -> Reply {
    let id = world.find_pat(id).map_or_else(|| id.to_owned(), |pat| pat.id.clone());
    result(shape(world, &id, secret), "none", context.version)
}

/// The shape of every answer about one PAT. The message came with version 7.2.
fn result(pat: Value, error: &str, version: vss::Version) -> Reply {
    let mut body = json!({"patToken": pat, "patTokenError": error});
    if version >= (7, 2) {
        body["patTokenErrorMessage"] = if error == "none" { Value::Null } else { format!("Refused: {error}.").into() };
    }
    Reply::json(200, &body)
}

/// A refusal in a 200, as the service has them.
pub fn refused_in_200(error: &str) -> Reply {
    result(Value::Null, error, (7, 1))
}

fn refusal(world: &World, context: &Context, refused: Refused, revoking: bool) -> Refusal {
    let reply = match refused {
        Refused::Error(error) => result(Value::Null, &error, context.version),
        Refused::Unknown if revoking && world.unknown_id_reply == UnknownIdReply::ServerError => {
            vss::error(500, NOT_FOUND, "The session token could not be found.")
        }
        Refused::Unknown if world.unknown_id_is_404(revoking) => {
            vss::error(404, NOT_FOUND, "The session token could not be found.")
        }
        Refused::Unknown => result(Value::Null, "invalidAuthorizationId", context.version),
        Refused::Status(status) => vss::error(status, INVALID_OPERATION, "The session token cannot be updated."),
    };
    reply.into()
}

const NOT_FOUND: &str = "SessionTokenNotFoundException";
const INVALID_OPERATION: &str = "InvalidOperationException";

fn forbidden(message: &str) -> Refusal {
    vss::error(403, vss::INVALID_ACCESS, message).into()
}

fn unauthorized(message: &str) -> Refusal {
    vss::error(401, vss::UNAUTHORIZED, message).into()
}

fn asked_id(request: &Request) -> Result<String, Refusal> {
    let id = request.field("authorizationId").unwrap_or_default();
    if id.len() == 36 { Ok(id) } else { Err(vss::bad_value("authorizationId", &id)) }
}

fn text(body: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match body.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(vss::bad_body(&format!("{name} is no string")).into()),
    }
}

fn flag(body: &Map<String, Value>, name: &str) -> Result<Option<bool>, Refusal> {
    match body.get(name) {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(vss::bad_body(&format!("{name} is no boolean")).into()),
    }
}

fn time(body: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(written) = text(body, name)? else { return Ok(None) };
    let parsed = written.parse().ok().filter(|_| written.ends_with('Z'));
    parsed.map(Some).ok_or_else(|| vss::bad_body(&format!("{name} is no RFC 3339 time in UTC")).into())
}

/// Opaque, and full of characters that must be encoded in a query.
fn cursor_token(cursor: usize) -> String {
    format!("+/8={:04x}+a&b", cursor ^ 0x5a5a)
}

fn cursor_number(token: &str) -> Option<usize> {
    let hex = token.strip_prefix("+/8=")?.strip_suffix("+a&b")?;
    Some(usize::from_str_radix(hex, 16).ok()? ^ 0x5a5a)
}
