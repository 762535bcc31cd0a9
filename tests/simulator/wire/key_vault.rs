//! Azure Key Vault: `/secrets/…`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::{
    exchange::Op,
    world::{Holder, KEY_VAULT, SecretChange, SecretVersion, VaultDenial, VaultRefusal, World},
};
use super::{
    callers,
    request::{Refusal, Reply, Request},
};

/// Those of azure-keyvault-secrets 4.12.0, from the oldest that is still supported.
const VERSIONS: [&str; 7] = ["7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"];
const PAGE: usize = 2;

/// Answers one of the four operations.
pub fn answer(op: Op, world: &mut World, request: &Request) -> Reply {
    let answered = enter(world, request, matches!(op, Op::VaultWrite | Op::VaultUpdate)).and_then(|()| match op {
        Op::VaultRead => read(world, request),
        Op::VaultWrite => write(world, request),
        Op::VaultUpdate => update(world, request),
        _ => versions(world, request),
    });
    answered.unwrap_or_else(|refusal| *refusal)
}

/// The vault's own shape of errors.
pub fn error(status: u16, code: &str, message: &str, inner: Option<&str>) -> Reply {
    let mut body = json!({"error": {"code": code, "message": message}});
    if let Some(inner) = inner {
        body["error"]["innererror"] = json!({"code": inner});
    }
    Reply::json(status, &body)
}

/// Nobody is let in without this.
pub fn challenged(world: &World, reply: Reply) -> Reply {
    let tenant = &world.vault.tenant;
    let challenge =
        format!("Bearer authorization=\"https://login.microsoftonline.com/{tenant}\", resource=\"{KEY_VAULT}\"");
    reply.with("WWW-Authenticate", &challenge)
}

fn enter(world: &World, request: &Request, writes: bool) -> Result<(), Refusal> {
    if request.header("authorization").is_none() {
        let message = "AKV10000: Request is missing a Bearer or PoP token.";
        return Err(challenged(world, error(401, "Unauthorized", message, None)).into());
    }
    let Some(token) = callers::good_token(world, request, KEY_VAULT) else {
        let message = "AKV10022: Invalid audience, or the token has expired. Expected https://vault.azure.net.";
        return Err(challenged(world, error(401, "Unauthorized", message, None)).into());
    };
    if token.tenant != world.vault.tenant {
        let message = format!(
            "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{}/, found https://sts.windows.net/{}/.",
            world.vault.tenant, token.tenant
        );
        return Err(challenged(world, error(401, "Unauthorized", &message, None)).into());
    }
    let (Holder::User(name) | Holder::App(name)) = &token.holder;
    let allowed = if writes { &world.vault.writers } else { &world.vault.readers };
    let nobody = matches!(world.vault.denial, VaultDenial::Firewall | VaultDenial::PrivateConnection);
    if nobody || !allowed.contains(name) {
        let (message, inner) = denial(world.vault.denial);
        return Err(error(403, "Forbidden", message, Some(inner)).into());
    }
    match request.field("api-version").as_deref() {
        Some(version) if VERSIONS.contains(&version) => {}
        other => {
            let message = format!("The specified version ({}) is not recognized.", other.unwrap_or_default());
            return Err(bad_parameter(&message));
        }
    }
    match request.unexpected_field(&["api-version", "maxresults", "$skiptoken"]) {
        Some(name) => Err(bad_parameter(&format!("unknown query field {name}"))),
        None => Ok(()),
    }
}

fn denial(why: VaultDenial) -> (&'static str, &'static str) {
    match why {
        VaultDenial::Role => (
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.",
            "ForbiddenByRbac",
        ),
        VaultDenial::AccessPolicy => (
            "The user, group or application 'appid=simulated;oid=simulated;numgroups=1' does not have secrets get permission on key vault 'contoso-kv;location=westeurope'.",
            "ForbiddenByPolicy",
        ),
        VaultDenial::Firewall => (
            "Client address is not authorized and caller is not a trusted service.\r\nClient address: 127.0.0.1",
            "ForbiddenByFirewall",
        ),
        VaultDenial::PrivateConnection => (
            "Public network access is disabled and request is not from an approved private link.",
            "ForbiddenByConnection",
        ),
    }
}

fn read(world: &World, request: &Request) -> Result<Reply, Refusal> {
    let (name, version) = place(request)?;
    let found = world.vault.read(&name, version.as_deref()).map_err(|why| refusal(why, &name))?;
    Ok(Reply::json(200, &bundle(request, &name, found, true)))
}

fn write(world: &mut World, request: &Request) -> Result<Reply, Refusal> {
    let (name, _) = place(request)?;
    let body = request.json(&["value", "contentType", "attributes", "tags"]).map_err(|why| bad_parameter(&why))?;
    let Some(Value::String(value)) = body.get("value") else { return Err(bad_parameter("the value is no string")) };
    if value.len() > 25_000 {
        return Err(bad_parameter("the value is longer than 25 000 bytes"));
    }
    let change = change(&body)?;
    if world.vault.writes_denied_by_policy {
        // The words are those of Azure Resource Manager; how a vault words it is not documented.
        let message = format!(
            "Operation set on secret '{name}' was disallowed by policy. Policy: 'Secrets should have a maximum validity'."
        );
        return Err(error(403, "Forbidden", &message, Some("RequestDisallowedByPolicy")).into());
    }
    let now = world.now();
    let written = world.vault.write(&name, value, change, now).map_err(|why| refusal(why, &name))?;
    Ok(Reply::json(200, &bundle(request, &name, written, true)))
}

fn update(world: &mut World, request: &Request) -> Result<Reply, Refusal> {
    let (name, version) = place(request)?;
    let body = request.json(&["contentType", "attributes", "tags"]).map_err(|why| bad_parameter(&why))?;
    let change = change(&body)?;
    let now = world.now();
    // Without a version the current one is meant.
    let version = version.or_else(|| world.vault.current(&name).map(|current| current.version.clone()));
    let changed = world.vault.change(&name, &version.unwrap_or_default(), change, now);
    let changed = changed.map_err(|why| refusal(why, &name))?;
    Ok(Reply::json(200, &bundle(request, &name, changed, false)))
}

/// All versions in no order that means anything, two on a page.
fn versions(world: &World, request: &Request) -> Result<Reply, Refusal> {
    let name = request.segments()[1].clone();
    let Some(secret) = world.vault.secret(&name).filter(|secret| !secret.deleted) else {
        return Err(refusal(VaultRefusal::NotFound, &name));
    };
    if let Some(max) = request.field("maxresults")
        && !max.parse::<u8>().is_ok_and(|max| (1..=25).contains(&max))
    {
        return Err(bad_parameter("maxresults is not between 1 and 25"));
    }
    let mut sorted: Vec<&SecretVersion> = secret.versions.iter().collect();
    sorted.sort_by(|a, b| a.version.cmp(&b.version));
    let start = match request.field("$skiptoken") {
        None => 0,
        Some(token) => match token.strip_prefix("eyJ+").and_then(|text| text.parse::<usize>().ok()) {
            Some(start) => start,
            None => return Err(bad_parameter("unknown $skiptoken")),
        },
    };
    let shown: Vec<Value> =
        sorted.iter().skip(start).take(PAGE).map(|version| bundle(request, &name, version, false)).collect();
    let next = (start + PAGE < sorted.len()).then(|| {
        let version = request.field("api-version").unwrap_or_default();
        format!(
            "{}/secrets/{name}/versions?api-version={version}&$skiptoken=eyJ%2B{}&maxresults=25",
            request.origin(),
            start + PAGE
        )
    });
    Ok(Reply::json(200, &json!({"value": shown, "nextLink": next})))
}

/// The secret's name, and the version if the address has one.
fn place(request: &Request) -> Result<(String, Option<String>), Refusal> {
    let segments = request.segments();
    let name = segments.get(1).cloned().unwrap_or_default();
    if name.is_empty() || name.len() > 127 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(bad_parameter("the name of the secret does not match ^[0-9a-zA-Z-]+$"));
    }
    Ok((name, segments.get(2).cloned().filter(|version| !version.is_empty())))
}

fn change(body: &Map<String, Value>) -> Result<SecretChange, Refusal> {
    let mut change = SecretChange::default();
    match body.get("contentType") {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => change.content_type = Some(text.clone()),
        Some(_) => return Err(bad_parameter("contentType is no string")),
    }
    match body.get("tags") {
        None | Some(Value::Null) => {}
        Some(Value::Object(tags)) => {
            let mut read = BTreeMap::new();
            for (name, value) in tags {
                let Some(text) = value.as_str().filter(|text| text.len() <= 256 && name.len() <= 256) else {
                    return Err(bad_parameter("a tag is no string of at most 256 characters"));
                };
                read.insert(name.clone(), text.to_owned());
            }
            if read.len() > 15 {
                return Err(bad_parameter("The number of tags is over the limit of 15."));
            }
            change.tags = Some(read);
        }
        Some(_) => return Err(bad_parameter("tags is no object")),
    }
    match body.get("attributes") {
        None | Some(Value::Null) => {}
        Some(Value::Object(attributes)) => {
            for (name, value) in attributes {
                match (name.as_str(), value) {
                    ("enabled", Value::Bool(enabled)) => change.enabled = Some(*enabled),
                    ("exp", Value::Number(number)) if number.is_i64() => change.expires = number.as_i64(),
                    ("nbf", Value::Number(number)) if number.is_i64() => change.not_before = number.as_i64(),
                    _ => return Err(bad_parameter(&format!("attribute {name} is unknown or of the wrong type"))),
                }
            }
        }
        Some(_) => return Err(bad_parameter("attributes is no object")),
    }
    Ok(change)
}

/// A version as the wire has it, with or without the value. Absent things are left out, as the vault does.
fn bundle(request: &Request, name: &str, version: &SecretVersion, with_value: bool) -> Value {
    let mut attributes = json!({
        "enabled": version.enabled,
        "created": version.created.as_second(),
        "updated": version.updated.as_second(),
        "recoveryLevel": "Recoverable+Purgeable",
        "recoverableDays": 90,
    });
    if let Some(end) = version.expires {
        attributes["exp"] = end.into();
    }
    if let Some(start) = version.not_before {
        attributes["nbf"] = start.into();
    }
    let mut bundle = json!({
        "id": format!("{}/secrets/{name}/{}", request.origin(), version.version),
        "attributes": attributes,
    });
    if with_value {
        bundle["value"] = version.value.as_str().into();
    }
    if let Some(text) = &version.content_type {
        bundle["contentType"] = text.as_str().into();
    }
    if !version.tags.is_empty() {
        bundle["tags"] = json!(version.tags);
    }
    bundle
}

fn refusal(why: VaultRefusal, name: &str) -> Refusal {
    let reply = match why {
        VaultRefusal::NotFound => {
            let message = format!(
                "A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command."
            );
            error(404, "SecretNotFound", &message, None)
        }
        VaultRefusal::Disabled => {
            error(403, "Forbidden", "Operation get is not allowed on a disabled secret.", Some("SecretDisabled"))
        }
        VaultRefusal::SoftDeleted => {
            let message = format!(
                "Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged."
            );
            error(409, "Conflict", &message, Some("ObjectIsDeletedButRecoverable"))
        }
    };
    reply.into()
}

fn bad_parameter(message: &str) -> Refusal {
    Box::new(error(400, "BadParameter", message, None).violating(format!("vault: {message}")))
}
