//! The wire: routes, JSON shapes, status codes. One file a service; only here are they known.
//!
//! The shapes are the simulator's own, written from the published examples, so that a mistake in the client's types
//! cannot be mirrored into a passing test.

mod administrators;
mod authorize;
mod budget;
mod builds;
mod callers;
mod connection_data;
mod dates;
mod devicecode;
mod discovery;
mod dress;
mod endpoints;
mod faulty;
mod form;
mod front;
mod graph;
mod key_vault;
mod managed_identity;
mod members;
mod oidc;
mod pats;
mod permissions;
mod projects;
mod request;
mod summary;
mod token;
mod token_admin;
mod variable_groups;
mod vss;

pub use callers::caller;
pub use dates::http as http_date;
pub use dress::dressed;
pub use faulty::{instead, over};
pub use request::{Reply, Request};
pub use summary::{stable_target, summary};

use super::{exchange::Op, world::World};

/// What a request wants. Only the request is looked at: a fault must know it before the world does.
pub fn operation(request: &Request) -> Op {
    let segments: Vec<String> = request.segments().iter().map(|segment| segment.to_ascii_lowercase()).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (request.method.as_str(), segments.as_slice()) {
        _ if front::lacks_length(request) => Op::Other,
        ("GET", [_, "_apis", "tokens", "pats"]) if request.field("authorizationId").is_some() => Op::GetPat,
        ("GET", [_, "_apis", "tokens", "pats"]) => Op::ListPats,
        ("POST", [_, "_apis", "tokens", "pats"]) => Op::CreatePat,
        ("PUT", [_, "_apis", "tokens", "pats"]) => Op::UpdatePat,
        ("DELETE", [_, "_apis", "tokens", "pats"]) => Op::RevokePat,
        ("GET" | "HEAD", [_, "_apis", "connectiondata"]) => match request.header("authorization") {
            None => Op::DiscoverTenant,
            Some(_) if callers::basic_password(request).is_some() => Op::ConnectionDataAsPat,
            Some(_) => Op::ConnectionDataAsUser,
        },
        ("GET", [_, "_apis", "projects"]) if callers::basic_password(request).is_some() => Op::ListProjects,
        ("GET", [_, "_apis", "graph", "users"]) => Op::ListUsers,
        ("GET", [_, "_apis", "tokenadmin", "personalaccesstokens", _]) => Op::ListPatsOfUser,
        ("GET", [_, _, "_apis", "build", "builds", _]) => Op::GetBuild,
        ("GET", [_, _, "_apis", "distributedtask", "variablegroups"]) => Op::ListGroups,
        ("GET", [_, _, "_apis", "distributedtask", "variablegroups", _]) => Op::GetGroup,
        ("PUT", [_, "_apis", "distributedtask", "variablegroups", _]) => Op::UpdateGroup,
        ("GET", [_, _, "_apis", "serviceendpoint", "endpoints"]) => Op::ListEndpoints,
        ("GET", [_, _, "_apis", "serviceendpoint", "endpoints", _]) => Op::GetEndpoint,
        ("PUT", [_, "_apis", "serviceendpoint", "endpoints", _]) => Op::UpdateEndpoint,
        ("GET", [_, "_apis", "permissions", _, _]) => Op::HasPermission,
        ("POST", [_, _, "_apis", "distributedtask", "hubs", _, "plans", _, "jobs", _, "oidctoken"]) => Op::OidcToken,
        ("POST", [_, "oauth2", "v2.0", "token"]) => token::operation(request),
        ("POST", [_, "oauth2", "v2.0", "devicecode"]) => Op::DeviceCode,
        ("GET", [_, "oauth2", "v2.0", "authorize"]) => Op::Authorize,
        ("POST", [_, "login"]) => Op::SignIn,
        ("OPTIONS", [_, "_apis"] | [_, "_apis", _]) => Op::FindRoutes,
        ("GET", [_, "_apis", "resourceareas"] | [_, "_apis", "resourceareas", _]) => Op::FindAreas,
        ("GET", [_, "v2.0", ".well-known", "openid-configuration"]) => Op::FindEndpoints,
        ("GET", ["common", "discovery", "instance"]) => Op::FindCloud,
        ("GET", ["metadata", "identity", "oauth2", "token"]) => Op::ManagedIdentity,
        ("GET", ["msi", "token"]) => Op::AppServiceIdentity,
        ("GET", ["secrets", _, "versions"]) => Op::VaultVersions,
        ("GET", ["secrets", _] | ["secrets", _, _]) => Op::VaultRead,
        ("PUT", ["secrets", _]) => Op::VaultWrite,
        ("PATCH", ["secrets", _] | ["secrets", _, _]) => Op::VaultUpdate,
        _ => Op::Other,
    }
}

/// Lets the world handle a request, as far as the front end lets it through and its caller's budget goes.
pub fn answer(op: Op, world: &mut World, request: &Request) -> Reply {
    if front::lacks_length(request) {
        return front::length_required(request);
    }
    let Some(usage) = budget::take(op, world, &caller(world, request)) else { return handle(op, world, request) };
    let reply = if usage.is_refused { budget::refusal() } else { handle(op, world, request) };
    budget::say(&usage, reply)
}

fn handle(op: Op, world: &mut World, request: &Request) -> Reply {
    match op {
        Op::ListPats | Op::GetPat | Op::CreatePat | Op::UpdatePat | Op::RevokePat => pats::answer(op, world, request),
        Op::ConnectionDataAsUser | Op::ConnectionDataAsPat | Op::DiscoverTenant => {
            connection_data::answer(op, world, request)
        }
        Op::ListProjects => projects::answer(world, request),
        Op::ListUsers => graph::answer(world, request),
        Op::ListPatsOfUser => token_admin::answer(world, request),
        Op::GetBuild => builds::answer(world, request),
        Op::ListGroups | Op::GetGroup | Op::UpdateGroup => variable_groups::answer(op, world, request),
        Op::ListEndpoints | Op::GetEndpoint | Op::UpdateEndpoint => endpoints::answer(op, world, request),
        Op::HasPermission => permissions::answer(world, request),
        Op::OidcToken => oidc::answer(world, request),
        op if op.is_token() => token::answer(world, request),
        Op::FindRoutes => discovery::routes(world, request),
        Op::FindAreas => discovery::areas(world, request),
        Op::FindEndpoints => discovery::of_tenant(world, request),
        Op::FindCloud => discovery::of_cloud(request),
        Op::DeviceCode => devicecode::answer(world, request),
        Op::Authorize => authorize::show(world, request),
        Op::SignIn => authorize::answer(world, request),
        Op::ManagedIdentity | Op::AppServiceIdentity => managed_identity::answer(op, world, request),
        Op::VaultRead | Op::VaultWrite | Op::VaultUpdate | Op::VaultVersions => key_vault::answer(op, world, request),
        _ => {
            let what = format!("unknown route {} {}", request.method, request.path);
            let page = Reply { body: b"Page not found.".to_vec(), ..Reply::empty(404) };
            page.with("Content-Type", "text/plain; charset=utf-8").violating(what)
        }
    }
}

/// An error with this message, in the shape of the service that was asked.
fn error_of(op: Op, world: &World, status: u16, message: &str) -> Reply {
    match op {
        op if op.is_token() || op == Op::DeviceCode => {
            let (word, code) = if status < 500 && status != 429 {
                ("invalid_grant", 99_999)
            } else {
                ("temporarily_unavailable", 90033)
            };
            let refusal = super::world::EntraRefusal::new(word, code, message);
            Reply { status, ..token::refuse(world, &refusal) }
        }
        Op::ManagedIdentity | Op::AppServiceIdentity => managed_identity::error(op, status, "simulated_fault", message),
        Op::VaultRead | Op::VaultWrite | Op::VaultUpdate | Op::VaultVersions => {
            let reply = key_vault::error(status, if status == 403 { "Forbidden" } else { "Simulated" }, message, None);
            if status == 401 { key_vault::challenged(world, reply) } else { reply }
        }
        _ => match status {
            401 => {
                let tenant = world.organizations[0].tenant.clone();
                vss::challenged(vss::error(status, vss::UNAUTHORIZED, message), &tenant, "http://127.0.0.1")
            }
            403 => vss::error(status, vss::INVALID_ACCESS, message),
            429 => vss::error(status, "RequestBlockedException", message),
            _ => vss::error(status, "VssServiceException", message),
        },
    }
}
