//! What the front end refuses, no service sees.

use serde_json::json;

use super::{
    super::{
        Fault, Op, Simulator, When, World,
        world::{AccessDenial, ErrorShape, Marks},
    },
    bare::{PATS, VERSION, bearer, call, send},
};

#[test]
fn a_body_of_unknown_length_is_refused_before_anything_else() {
    let mut world = World::new();
    let token = world.user_token("user_impersonation");
    let sim = Simulator::start(world);
    sim.inject(Fault::Status(500), When::nth(Op::CreatePat, 1));
    let target = format!("{PATS}?{VERSION}");
    for method in ["POST", "PUT", "PATCH"] {
        let answer = send(&sim, method, &target, &bearer(&token), "").unwrap();
        assert_eq!((answer.status, answer.header("server")), (411, Some("Microsoft-HTTPAPI/2.0")), "{method}");
        let page = String::from_utf8(answer.body).unwrap();
        assert!(page.contains("HTTP Error 411. The request must be chunked or have a content length."), "{page}");
    }
    assert_eq!(sim.take_problems().len(), 3);
    assert_eq!(sim.world().pats.len(), 0);

    // The fault still waits for the first creation that comes through. An end in chunks is a length, too.
    assert_eq!(call(&sim, "POST", &target, &bearer(&token), "{}").unwrap().status, 500);
    let body = json!({"displayName": "x", "scope": "vso.code", "validTo": "2026-12-01T00:00:00Z", "allOrgs": false});
    let chunked = format!("Transfer-Encoding: chunked\r\n{}", bearer(&token));
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.to_string().len());
    assert_eq!(send(&sim, "POST", &target, &chunked, &chunks).unwrap().status, 200);
    // Nobody asks a GET or DELETE for a length.
    let revoke = format!("{PATS}?authorizationId={}&{VERSION}", sim.world().pats[0].id);
    assert_eq!(send(&sim, "DELETE", &revoke, &bearer(&token), "").unwrap().status, 204);
}

#[test]
fn one_error_in_four_is_marked_and_each_shape_has_the_sentence() {
    let mut world = World::new();
    world.access_denied = Some(AccessDenial::ServicePrincipal);
    let token = world.user_token("user_impersonation");
    let sim = Simulator::start(world);
    let target = format!("{PATS}?displayFilterOption=all&{VERSION}");
    let ask = || call(&sim, "GET", &target, &bearer(&token), "").unwrap();
    let marked: Vec<bool> = (0..8).map(|_| ask().body.starts_with(b"\xef\xbb\xbf")).collect();
    assert_eq!(marked, [false, false, false, true].repeat(2));
    for (shape, kind, start) in [
        (ErrorShape::Exception, "application/json", "{\"$id\":\"1\""),
        (ErrorShape::Counted, "application/json", "{\"count\":"),
        (ErrorShape::CountedMessage, "application/json", "{\"count\":1,\"value\":{\"Message\":\"Serv"),
        (ErrorShape::Message, "application/json", "{\"Message\":\"Serv"),
        (ErrorShape::Text, "text/plain", "Serv"),
        (ErrorShape::Html, "text/html", "<html>"),
    ] {
        sim.world().error_shape = shape;
        sim.world().marks = Marks::Never;
        let refused = ask();
        let text = String::from_utf8(refused.body.clone()).unwrap();
        assert!(text.starts_with(start) && text.contains("Service principals are not allowed"), "{text}");
        assert!(refused.header("content-type").unwrap().starts_with(kind), "{}", refused.head);
    }
}

#[test]
fn a_stopped_organization_answers_503_as_recorded() {
    let mut world = World::new();
    world.stopped_organizations.push("contoso".to_owned());
    let sim = Simulator::start(world);
    let answer = call(&sim, "HEAD", "/contoso/_apis/connectiondata", "", "").unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, None));
    let said = answer.header("x-tfs-serviceerror").unwrap();
    assert!(
        said.starts_with("TF24668%3A%20The%20following%20team%20project%20collection%20is%20stopped%3A%20contoso."),
        "{said}"
    );
    let answer = call(&sim, "GET", "/contoso/_apis/connectiondata", "", "").unwrap();
    assert!(answer.body.starts_with(b"\xef\xbb\xbf{"));
    assert_eq!(answer.json()["typeKey"], "VssServiceException");
}
