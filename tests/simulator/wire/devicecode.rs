//! Entra's device code endpoint: `/{tenant}/oauth2/v2.0/devicecode`.

use serde_json::json;

use super::super::world::{EntraRefusal, World};
use super::{
    form::Form,
    request::{Reply, Request},
    token::refuse,
};

const PAGE: &str = "https://microsoft.com/devicelogin";

/// Answers with both codes.
pub fn answer(world: &mut World, request: &Request) -> Reply {
    let form = match Form::read(request, world.serves_other_clients) {
        Ok(form) => form,
        Err(what) => return refuse(world, &EntraRefusal::new("invalid_request", 900_144, what).violating()),
    };
    if !world.serves_other_clients
        && let Some(name) = form.unexpected(&[&["client_id", "scope"]])
    {
        let text = format!("unexpected parameter '{name}'");
        return refuse(world, &EntraRefusal::new("invalid_request", 9_000_144, text).violating());
    }
    let tenant = request.segments().first().cloned().unwrap_or_default();
    let fields = form.need("client_id").and_then(|client| Ok((client, form.need("scope")?)));
    match fields.and_then(|(client, scope)| world.start_device_code(&tenant, &client, &scope)) {
        Ok(code) => {
            let message = format!(
                "To sign in, use a web browser to open the page {PAGE} and enter the code {} to authenticate.",
                code.user_code
            );
            let body = json!({
                "user_code": code.user_code,
                "device_code": code.value,
                "verification_uri": PAGE,
                "expires_in": world.device_code_seconds,
                "interval": world.device_interval,
                "message": message,
            });
            Reply::json(200, &body)
        }
        Err(refusal) => refuse(world, &refusal),
    }
}
