//! The replies that faults make: in the place of the world's, or over it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use serde_json::json;

use super::super::{exchange::Op, faults::Fault, world::World};
use super::{
    dates, error_of, graph, pats,
    request::{Reply, Request},
    token_admin, vss,
};

/// What is answered in the place of the world, if the fault keeps the request from it and still answers.
pub fn instead(fault: &Fault, op: Op, world: &mut World, request: &Request) -> Option<Reply> {
    let throttled = "TF400733: The request has been canceled: Request was blocked due to exceeding usage of resource.";
    Some(match fault {
        Fault::Status(429) => error_of(op, world, 429, throttled),
        Fault::Status(status) => error_of(op, world, *status, "A simulated fault."),
        Fault::Recorded(status, headers, body) => {
            Reply { headers: headers.clone(), body: body.clone(), ..Reply::empty(*status) }
        }
        Fault::Unavailable(seconds) => {
            error_of(op, world, 503, "The service is unavailable.").with("Retry-After", &seconds.to_string())
        }
        Fault::Throttled(seconds) => error_of(op, world, 429, throttled).with("Retry-After", &seconds.to_string()),
        Fault::ThrottledUntil(seconds) => {
            let until = world.now() + SignedDuration::from_secs(i64::try_from(*seconds).unwrap_or(i64::from(u32::MAX)));
            error_of(op, world, 429, throttled).with("Retry-After", &dates::http(until))
        }
        Fault::SignInPage => vss::sign_in_page(),
        Fault::Gateway(status) => Reply::html(*status, "<html><body>This page is not here.</body></html>"),
        Fault::SignInRedirect => vss::sign_in_redirect(),
        Fault::RefusedIn200(error) => pats::refused_in_200(error),
        Fault::HostileMessage(message) => error_of(op, world, 400, message),
        Fault::EndlessList(entries, goes_on) => match op {
            Op::ListUsers => graph::endless_page(world, *entries, *goes_on),
            Op::ListPatsOfUser => token_admin::endless_page(world, *entries, *goes_on),
            _ => pats::endless_page(world, *entries, *goes_on),
        },
        Fault::Echo(spelled) => {
            let carried = secrets_of(request, world).iter().map(|secret| spelled(secret)).collect::<Vec<_>>();
            error_of(op, world, 400, &format!("Not allowed: {}", carried.join(" ")))
        }
        _ => return None,
    })
}

/// What becomes of the world's own reply.
pub fn over(fault: &Fault, op: Op, world: &World, reply: &mut Reply) {
    match fault {
        Fault::StatusAfter(status) => *reply = error_of(op, world, *status, "A simulated gateway's fault."),
        Fault::OkWithRetryAfter(seconds) => reply.headers.push(("Retry-After".to_owned(), seconds.to_string())),
        Fault::Header(name, value) => {
            reply.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            reply.headers.push(((*name).to_owned(), value.clone()));
        }
        Fault::Rewritten(rewrite) => reply.body = rewrite(&String::from_utf8_lossy(&reply.body)).into_bytes(),
        Fault::WrongShape => *reply = Reply::json(200, &json!([{"unexpected": {"deep": [true, null, 7]}}, "shape"])),
        Fault::HugeBody(bytes) => {
            let mut body = br#"{"filler":""#.to_vec();
            body.resize(bytes.saturating_sub(2).max(body.len()), b'a');
            body.extend_from_slice(br#""}"#);
            *reply = Reply { body, ..Reply::json(200, &json!({})) };
        }
        _ => {}
    }
}

/// The secrets that a request carries in its headers or its body, whatever the encoding. A code verifier is the client's own.
fn secrets_of(request: &Request, world: &World) -> Vec<String> {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let form: Vec<String> = url::form_urlencoded::parse(&request.body).map(|(_, value)| value.into_owned()).collect();
    let headers = request.headers.iter().flat_map(|(_, value)| [value.clone(), decoded(value)]);
    let texts: Vec<String> = headers.chain(form).chain([body]).collect();
    let is_carried = |secret: &String| texts.iter().any(|text| text.contains(secret));
    let verifier = url::form_urlencoded::parse(&request.body).find(|(name, _)| name == "code_verifier");
    let known = world.all_secrets().into_iter().map(|(_, secret)| secret).filter(is_carried);
    known.chain(verifier.map(|(_, value)| value.into_owned())).collect()
}

/// What a basic credential says.
fn decoded(header: &str) -> String {
    let pair = STANDARD.decode(header.trim_start_matches("Basic ")).unwrap_or_default();
    String::from_utf8_lossy(&pair).into_owned()
}
