//! Who sends a request, by what it carries.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::super::{
    exchange::Caller,
    world::{AZURE_DEVOPS, AccessToken, Holder, World},
};
use super::request::Request;

/// The password of Basic credentials, which is where a PAT is sent. None if there are none, empty if they are broken.
pub fn basic_password(request: &Request) -> Option<String> {
    let (scheme, encoded) = request.header("authorization")?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Some(decoded.and_then(|text| Some(text.split_once(':')?.1.to_owned())).unwrap_or_default())
}

/// Who it is, for the transcript: also when the credentials are no longer good.
pub fn caller(world: &World, request: &Request) -> Caller {
    if request.path.to_ascii_lowercase().contains("/oauth2/v2.0/") {
        let mut fields = request.form().into_iter().chain(request.fields());
        let client = fields.find(|(name, _)| name == "client_id").map(|(_, value)| value);
        let app = client.and_then(|id| world.apps.iter().find(|app| app.client_id == id));
        return app.map_or(Caller::Unknown, |app| Caller::Client(app.name.clone()));
    }
    if let Some(password) = basic_password(request) {
        return world.pat_of_secret(&password).map_or(Caller::Unknown, |pat| Caller::Pat(pat.number));
    }
    match request.bearer() {
        None if request.header("authorization").is_some() => Caller::Unknown,
        None => Caller::Nobody,
        Some(token) if world.job_of_token(token).is_some() => Caller::JobToken,
        Some(token) => match world.access_tokens.iter().find(|known| known.value == token) {
            None => Caller::Unknown,
            Some(AccessToken { holder: Holder::User(name), .. }) => Caller::User(name.clone()),
            Some(AccessToken { holder: Holder::App(name), .. }) => Caller::App(name.clone()),
        },
    }
}

/// The access token of a request, if it is good for this audience now.
pub fn good_token<'w>(world: &'w World, request: &Request, audience: &str) -> Option<&'w AccessToken> {
    let token = request.bearer()?;
    let known = world.access_tokens.iter().find(|known| known.value == token)?;
    (known.audience == audience && world.now() < known.expires).then_some(known)
}

/// The access token of a request, if it is good for this organization now.
pub fn good_for<'w>(world: &'w World, request: &Request, organization: &str) -> Option<&'w AccessToken> {
    let tenant = &world.organization(organization)?.tenant;
    good_token(world, request, AZURE_DEVOPS).filter(|token| token.tenant == *tenant)
}
