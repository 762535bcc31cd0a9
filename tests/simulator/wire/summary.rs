//! What the transcript says of a request: names in the place of ids, and of a body only what is known to be no secret.

use serde_json::Value;

use super::super::{exchange::Op, world::World};
use super::{dates, endpoints, request::Request, variable_groups};

/// Path and query with names in the place of ids.
pub fn stable_target(world: &World, request: &Request) -> String {
    let mut target = request.path.clone();
    if !request.query.is_empty() {
        let fields: Vec<String> = request.fields().into_iter().map(|(name, value)| field(&name, &value)).collect();
        target = format!("{target}?{}", fields.join("&"));
    }
    named(world, target)
}

/// What the body says, in a few words.
pub fn summary(world: &World, request: &Request) -> String {
    if request.body.is_empty() {
        return String::new();
    }
    let kind = request.header("content-type").unwrap_or_default();
    let said = if kind.starts_with("application/x-www-form-urlencoded") {
        request.form().iter().filter_map(|(name, value)| form_field(world, name, value)).collect()
    } else if let Ok(Value::Object(body)) = serde_json::from_slice(&request.body) {
        match super::operation(request) {
            Op::UpdateGroup => return named(world, variable_groups::summary(world, request, &body)),
            Op::UpdateEndpoint => return named(world, endpoints::summary(world, request, &body)),
            _ => {}
        }
        body.iter().map(|(name, value)| json_field(world, name, value)).collect()
    } else {
        vec![format!("{} bytes", request.body.len())]
    };
    named(world, said.join(", "))
}

fn field(name: &str, value: &str) -> String {
    match name {
        "continuationToken" | "$skiptoken" | "state" | "nonce" | "code_challenge" => format!("{name}=…"),
        "redirect_uri" => format!("{name}={}", without_port(value)),
        _ => format!("{name}={value}"),
    }
}

/// An address without its port, which is another one in every run.
fn without_port(address: &str) -> String {
    match url::Url::parse(address) {
        Ok(mut url) => {
            let _ = url.set_port(None);
            url.into()
        }
        Err(_) => "…".to_owned(),
    }
}

fn form_field(world: &World, name: &str, value: &str) -> Option<String> {
    match name {
        "grant_type" | "scope" => Some(format!("{name} {value}")),
        "refresh_token" => {
            let number = world.refresh_tokens.iter().find(|token| token.value == value).map(|token| token.number);
            Some(number.map_or_else(|| "an unknown refresh token".to_owned(), |n| format!("refresh token {n}")))
        }
        "username" | "user_id" => Some(format!("{name} {value}")),
        "fmi_path" => {
            let app = world.apps.iter().find(|app| app.client_id == value);
            Some(format!("for {}", app.map_or("an unknown agent identity", |app| &app.name)))
        }
        "user_federated_identity_credential" => Some("with the agent identity's token".to_owned()),
        "device_code" => {
            let number = world.device_codes.iter().position(|code| code.value == value).map(|index| index + 1);
            Some(number.map_or_else(|| "an unknown device code".to_owned(), |n| format!("device code {n}")))
        }
        "code" => {
            let number = world.authorization_codes.iter().position(|code| code.value == value).map(|index| index + 1);
            Some(number.map_or_else(|| "an unknown code".to_owned(), |n| format!("code {n}")))
        }
        "redirect_uri" => Some(format!("{name} {}", without_port(value))),
        "action" => Some(value.to_owned()),
        "page" => None,
        "code_verifier" => Some("with a verifier".to_owned()),
        "password" => Some("with a password".to_owned()),
        "client_secret" => Some("with a secret".to_owned()),
        "client_assertion" => Some("with an assertion".to_owned()),
        // The caller names the client already.
        "client_id" | "client_assertion_type" | "requested_token_use" => None,
        other => Some(format!("{other} …")),
    }
}

fn json_field(world: &World, name: &str, value: &Value) -> String {
    match (name, value) {
        ("displayName" | "scope" | "contentType", Value::String(text)) => format!("{name} {text:?}"),
        ("authorizationId", Value::String(id)) => id.clone(),
        ("allOrgs", Value::Bool(flag)) => format!("{name} {flag}"),
        ("validTo", Value::String(text)) => match text.parse() {
            Ok(at) => format!("{name} {}", dates::distance(at, world.now())),
            Err(_) => format!("{name} unreadable"),
        },
        ("value", Value::String(secret)) => {
            let label = world.all_secrets().into_iter().find(|(_, known)| known == secret).map(|(label, _)| label);
            format!("value: {}", label.as_deref().unwrap_or("something unknown"))
        }
        ("tags", Value::Object(tags)) => {
            format!("tags {}", tags.keys().map(String::as_str).collect::<Vec<_>>().join(" "))
        }
        ("attributes", Value::Object(attributes)) => {
            let said = attributes.iter().map(|(name, value)| match value {
                Value::Bool(flag) => format!("{name} {flag}"),
                _ => name.clone(),
            });
            said.collect::<Vec<_>>().join(" ")
        }
        _ => format!("{name} …"),
    }
}

/// Names for every id that the world knows.
fn named(world: &World, mut text: String) -> String {
    let mut replace = |id: &str, name: &str| {
        if !id.is_empty() && text.contains(id) {
            text = text.replace(id, name);
        }
    };
    for pat in &world.pats {
        replace(&pat.id, &format!("#{}", pat.number));
    }
    for user in &world.users {
        replace(&user.oid, &format!("{{{}}}", user.name));
    }
    for tenant in &world.tenants {
        replace(&tenant.id, "{tenant}");
    }
    for app in &world.apps {
        replace(&app.client_id, &format!("{{{}}}", app.name));
    }
    for connection in &world.connections {
        replace(&connection.id, &format!("{{{}}}", connection.name));
    }
    for secret in &world.vault.secrets {
        for (number, version) in secret.versions.iter().enumerate() {
            replace(&version.version, &format!("v{}", number + 1));
        }
    }
    for endpoint in &world.endpoints {
        replace(&endpoint.id, &format!("{{{}}}", endpoint.name));
    }
    replace(&world.job.project_id, "{project}");
    for project in &world.projects {
        replace(&project.id, &format!("{{{}}}", project.name));
    }
    for job in world.earlier_jobs.iter().chain([&world.job]) {
        replace(&job.plan_id, "{plan}");
        replace(&job.job_id, "{job}");
    }
    replace(super::super::world::AZURE_DEVOPS, "{azure-devops}");
    text
}
