//! Who is let into the services that administrators ask: users, apps that are members, and PATs, each with the scope.

use super::super::world::{Holder, World};
use super::{
    callers,
    request::{Refusal, Request},
    vss,
};

/// Whoever was let in.
pub struct Entered {
    /// The organization's name as it is written.
    pub organization: String,
    who: String,
}

/// Lets in members whose token has one of these scopes.
pub fn enter(world: &World, request: &Request, scopes: &[&str]) -> Result<Entered, Refusal> {
    let organization = vss::organization(world, &request.segments()[0])?;
    let has_one = |has: &str| scopes.contains(&has);
    let (holder, has_scope) = if let Some(secret) = callers::basic_password(request) {
        // The specification names Basic beside OAuth, and others' scripts use it.
        let pat = world.pat_of_secret(&secret).filter(|pat| pat.works_in(&organization, world.now()));
        let Some(pat) = pat else { return Err(vss::not_signed_in(world, request).into()) };
        let has_scope = pat.scope.split(' ').any(|has| has == "app_token" || has_one(has));
        (Holder::User(pat.owner.clone()), has_scope)
    } else {
        let Some(token) = callers::good_for(world, request, &organization) else {
            return Err(vss::not_signed_in(world, request).into());
        };
        let is_app = matches!(token.holder, Holder::App(_));
        let has_scope = is_app || token.scopes.iter().any(|has| has == "user_impersonation" || has_one(has));
        (token.holder.clone(), has_scope)
    };
    if let Some(reply) = vss::denied(world, request) {
        return Err(reply.into());
    }
    let (Holder::User(who) | Holder::App(who)) = &holder;
    if !world.is_member(&holder, &organization) {
        let (tenant, object) = match &holder {
            Holder::User(name) => (&world.user(name).tenant, &world.user(name).oid),
            Holder::App(name) => (&world.app(name).tenant, &world.app(name).object_id),
        };
        return Err(vss::error(401, vss::UNAUTHORIZED, &vss::never_signed_in(tenant, object)).into());
    }
    // Inferred: as the PAT API refuses a token without its scopes.
    if !has_scope {
        return Err(not_authorized(world, who, 401));
    }
    vss::version(request, true)?;
    Ok(Entered { organization, who: who.clone() })
}

impl Entered {
    /// Only Project Collection Administrators from here. The documented status is 401; 403 is the other reading.
    pub fn must_administer(&self, world: &World) -> Result<(), Refusal> {
        let status = if world.directory.not_administrator_is_403 { 403 } else { 401 };
        match world.directory.administrators.contains(&self.who) {
            true => Ok(()),
            false => Err(not_authorized(world, &self.who, status)),
        }
    }
}

/// Inferred: the documentation has the status alone.
fn not_authorized(world: &World, who: &str, status: u16) -> Refusal {
    let user = world.users.iter().find(|user| user.name == who).map(|user| user.identity.as_str());
    let app = || world.apps.iter().find(|app| app.name == who).map(|app| app.object_id.as_str());
    let identity = user.or_else(app).unwrap_or_default();
    let message = format!("TF400813: The user '{identity}' is not authorized to access this resource.");
    let kind = if status == 403 { "AccessCheckException" } else { vss::UNAUTHORIZED };
    vss::error(status, kind, &message).into()
}
