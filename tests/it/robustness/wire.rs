//! What goes over the wire to the real services, and what they answer where documents are silent.

use std::collections::BTreeSet;

use crate::harness::front::{Front, Sent};
use crate::harness::pipeline::{NAME, Pipeline, REFRESH};

#[test]
fn every_request_that_may_have_a_body_says_its_length() {
    let pipeline = Pipeline::with_pat(5);
    let front = Front::start(pipeline.sim.origin().trim_start_matches("http://").parse().unwrap());
    let origin = front.origin();
    let (refresh, place) = (format!("{origin}/secrets/{REFRESH}"), format!("keyVault: {origin}/secrets/nuget-pat"));
    let inputs = [("refreshTokenSecret", refresh.as_str()), ("publishTo", &place), ("overlapHours", "0")];
    // The second rotation also disables the vault's older version.
    for run in 0..2 {
        let job = if run == 0 { pipeline.job() } else { pipeline.next_job() };
        pipeline.forget("the old consumer");
        pipeline.forget("the new consumer");
        let mut job = job.collection_uri(&format!("{origin}/contoso/"));
        pipeline.rotate(&mut job, &[&inputs[..], &[("rotateWhenDaysLeft", "365")]].concat());
        pipeline.forget("the new consumer");
    }
    assert_eq!(pipeline.active(), [format!("#3 {NAME}")]);

    let sent = front.sent();
    let count = |method: &str| sent.iter().filter(|sent| sent.method == method).count();
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert!(count(method) > 0, "no {method} among {sent:#?}");
    }
    for request in &sent {
        let is_bare = matches!(request.method.as_str(), "GET" | "HEAD");
        assert_eq!(request.lengths.len(), usize::from(!is_bare), "{request:?}");
        assert!(!request.is_chunked, "{request:?}");
    }
    let is_empty = |sent: &&Sent| sent.lengths == ["0"];
    let empty: BTreeSet<&str> = sent.iter().filter(is_empty).map(|sent| sent.method.as_str()).collect();
    assert_eq!(empty, BTreeSet::from(["DELETE", "POST"]), "{sent:#?}");
}
