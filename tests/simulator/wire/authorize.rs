//! Entra's sign-in page: `/{tenant}/oauth2/v2.0/authorize` shows it, `/{tenant}/login` takes what a person did on it.

use super::super::world::{EntraRefusal, SignInPage, World};
use super::{
    form::Form,
    request::{Reply, Request},
};

const FIELDS: [&str; 12] = [
    "client_id",
    "response_type",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
    "response_mode",
    "login_hint",
    "prompt",
    "nonce",
    "domain_hint",
];

/// Shows the page.
pub fn show(world: &mut World, request: &Request) -> Reply {
    let page = match read(request) {
        Ok(page) => page,
        Err(what) => {
            return error_page(&EntraRefusal::new("invalid_request", 900_144, what))
                .violating(format!("authorize: {what}"));
        }
    };
    match world.open_sign_in(page) {
        Ok(page) => form_page(world, request, &page, None),
        Err(refusal) => error_page(&refusal),
    }
}

fn read(request: &Request) -> Result<SignInPage, &'static str> {
    if request.unexpected_field(&FIELDS).is_some() {
        return Err("a field is unknown or given twice");
    }
    let field = |name: &str| request.field(name).filter(|value| !value.is_empty());
    if field("response_type").as_deref() != Some("code") {
        return Err("response_type is not code");
    }
    if field("response_mode").is_some_and(|mode| mode != "query") {
        return Err("response_mode is not query");
    }
    if field("code_challenge_method").as_deref() != Some("S256") {
        return Err("code_challenge_method is not S256");
    }
    if field("prompt").is_some_and(|prompt| !["login", "select_account", "consent"].contains(&prompt.as_str())) {
        return Err("prompt is none of login, select_account, consent");
    }
    let challenge = field("code_challenge").filter(|text| {
        text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    });
    Ok(SignInPage {
        id: String::new(),
        tenant: request.segments().first().cloned().unwrap_or_default(),
        client_id: field("client_id").ok_or("no client_id")?,
        redirect_uri: field("redirect_uri").ok_or("no redirect_uri")?,
        scope: field("scope").ok_or("no scope")?,
        // Who leaves it out can be made to use somebody else's code.
        state: field("state").ok_or("no state")?,
        challenge: challenge.ok_or("no code_challenge of 43 base64url characters")?,
        nonce: field("nonce"),
        login_hint: field("login_hint").unwrap_or_default(),
        is_web: false,
    })
}

/// Takes what a person did.
pub fn answer(world: &mut World, request: &Request) -> Reply {
    let form = match Form::read(request, false) {
        Ok(form) => form,
        Err(what) => return error_page(&EntraRefusal::new("invalid_request", 900_144, what)).violating(what),
    };
    let id = form.get("page").unwrap_or_default().to_owned();
    let page = world.sign_in_page(&id).cloned();
    let done = match form.get("action") {
        Some("decline") => world.decline_on_page(&id),
        _ => world.sign_in_on_page(&id, form.get("username").unwrap_or_default()),
    };
    match (done, page) {
        (Ok(location), _) => Reply::html(302, "<html><body>Object moved</body></html>").with("Location", &location),
        (Err(refusal), Some(page)) => form_page(world, request, &page, Some(&refusal)),
        (Err(refusal), None) => error_page(&refusal),
    }
}

fn form_page(world: &World, request: &Request, page: &SignInPage, why: Option<&EntraRefusal>) -> Reply {
    let tenant = request.segments().first().cloned().unwrap_or_default();
    let error = why.map(|why| format!("<p id=\"error\">{}</p>\n", escape(&sentence(why)))).unwrap_or_default();
    // A browser that nobody drives signs in by itself, once.
    let (name, script) = match &world.page_signs_in_as {
        Some(name) if why.is_none() => (name, "<script>document.getElementById('signin').click()</script>\n"),
        _ => (&page.login_hint, ""),
    };
    let html = format!(
        "<!DOCTYPE html>\n<html><head><title>Sign in to your account</title><link rel=\"icon\" href=\"data:,\"></head><body>\n{error}\
         <form method=\"post\" action=\"/{}/login\">\n<input type=\"hidden\" name=\"page\" value=\"{}\">\n\
         <label>User name <input name=\"username\" id=\"username\" value=\"{}\"></label>\n\
         <button name=\"action\" value=\"signin\" id=\"signin\">Sign in</button>\n\
         <button name=\"action\" value=\"decline\" id=\"decline\">Cancel</button>\n</form>\n{script}</body></html>\n",
        escape(&tenant),
        page.id,
        escape(name)
    );
    Reply::html(200, &html).with("Cache-Control", "no-store, no-cache")
}

/// What a person sees when there is nowhere to send them.
fn error_page(refusal: &EntraRefusal) -> Reply {
    let text = escape(&sentence(refusal));
    Reply::html(
        400,
        &format!(
            "<!DOCTYPE html>\n<html><head><title>Sign in to your account</title></head><body>\n<p id=\"error\">{text}</p>\n</body></html>\n"
        ),
    )
}

fn sentence(refusal: &EntraRefusal) -> String {
    format!("AADSTS{}: {}", refusal.code, refusal.text)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
