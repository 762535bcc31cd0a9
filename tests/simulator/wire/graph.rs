//! The organization's users: `/{organization}/_apis/graph/users`.
//! <https://learn.microsoft.com/rest/api/azure/devops/graph/users/list>

use serde_json::{Value, json};

use super::super::world::{PeopleCursor, Person, World};
use super::{
    administrators,
    request::{Refusal, Reply, Request},
    vss,
};

/// Shows a page of users.
pub fn answer(world: &mut World, request: &Request) -> Reply {
    list(world, request).unwrap_or_else(|refusal| *refusal)
}

fn list(world: &mut World, request: &Request) -> Result<Reply, Refusal> {
    let entered = administrators::enter(world, request, &["vso.graph", "vso.graph_manage"])?;
    // Without `scopeDescriptor`, which narrows the list to a project.
    vss::check_query(request, &["api-version", "subjectTypes", "continuationToken"])?;
    let asked = request.field("subjectTypes").unwrap_or_default();
    let kinds: Vec<&str> = asked.split(',').map(str::trim).filter(|kind| !kind.is_empty()).collect();
    if let Some(unknown) = kinds.iter().find(|kind| !KINDS.contains(kind)) {
        return Err(vss::bad_value("subjectTypes", unknown));
    }
    let kinds = if kinds.is_empty() { KINDS.to_vec() } else { kinds };
    let from = match request.field("continuationToken").filter(|token| !token.is_empty()) {
        None => PeopleCursor { place: 0, pages: 0 },
        Some(token) => read_token(&token).ok_or_else(|| vss::bad_value("continuationToken", &token))?,
    };
    let page = world.list_people(&entered.organization, &kinds, from);
    let origin = request.origin();
    let users: Vec<Value> = page.people.iter().map(|one| shape(&origin, &entered.organization, one)).collect();
    let reply = Reply::json(200, &json!({"count": users.len(), "value": users}));
    // The header's name is known from clients only.
    Ok(match page.next {
        Some(next) => reply.with("X-MS-ContinuationToken", &write_token(next)),
        None => reply,
    })
}

/// A page of a list that never ends: other users on each, and after each page another or itself again.
pub fn endless_page(world: &mut World, entries: usize, goes_on: bool) -> Reply {
    world.lists_ended += 1;
    let page = world.lists_ended;
    let one = |entry: usize| {
        let name = format!("one of very many, {entry} of page {page}");
        json!({"subjectKind": "user", "displayName": name, "principalName": "many@contoso.example",
            "mailAddress": "many@contoso.example", "origin": "aad", "descriptor": format!("aad.bWFueQ{page}x{entry}")})
    };
    let users: Vec<Value> = (0..entries).map(one).collect();
    let next = if goes_on { format!("page {page}") } else { "the page".to_owned() };
    Reply::json(200, &json!({"count": entries, "value": users})).with("X-MS-ContinuationToken", &next)
}

/// A user as the wire has it. The mail address may be empty or absent.
fn shape(origin: &str, organization: &str, person: &Person) -> Value {
    let descriptor = &person.descriptor;
    let link = |what: &str| json!({"href": format!("{origin}/{organization}/_apis/Graph/{what}/{descriptor}")});
    let mut user = json!({
        "subjectKind": "user",
        "metaType": if person.guest { "guest" } else { "member" },
        "domain": person.domain,
        "principalName": person.principal,
        "origin": if person.kind == "svc" { "vsts" } else { person.kind },
        "originId": person.origin_id,
        "displayName": person.display_name,
        "_links": {
            "self": link("Users"),
            "memberships": link("Memberships"),
            "membershipState": link("MembershipStates"),
            "storageKey": link("StorageKeys"),
            "avatar": {"href": format!("{origin}/{organization}/_apis/GraphProfile/MemberAvatars/{descriptor}")},
        },
        "url": link("Users")["href"],
        "descriptor": descriptor,
    });
    if let Some(mail) = &person.mail {
        user["mailAddress"] = mail.as_str().into();
    }
    user
}

const KINDS: [&str; 3] = ["aad", "msa", "svc"];

/// Opaque, and full of characters that must be encoded in a query.
fn write_token(cursor: PeopleCursor) -> String {
    format!("+/8={:x}+a&b{:x}%3D", cursor.place ^ 0x5a5a, cursor.pages)
}

fn read_token(token: &str) -> Option<PeopleCursor> {
    let (place, pages) = token.strip_prefix("+/8=")?.strip_suffix("%3D")?.split_once("+a&b")?;
    Some(PeopleCursor {
        place: u64::from_str_radix(place, 16).ok()? ^ 0x5a5a,
        pages: u64::from_str_radix(pages, 16).ok()?,
    })
}
