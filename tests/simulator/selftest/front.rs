//! What the front end refuses, no service sees.

use serde_json::json;

use super::{
    super::{Fault, Op, Simulator, When, World},
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
