//! What no document says, each switched in the simulator: the row of the check that shows it, and what a whole rotation then
//! does. It never costs a consumer a token that works (`Local` looks after each request).

use std::fs;

use rotate_pat::app::StageExit;
use serde_json::Value;
use simulator::world::ScopeRefusal;
use simulator::{UnknownIdReply, World};

use super::{canaries, local};
use crate::harness::in_process::LocalJob;
use crate::harness::local::{Local, logs};

fn row(job: &LocalJob, key: &str) -> Value {
    let file = fs::read_to_string(job.variable("checkFile").expect("the file is an output")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    file["rows"].as_array().unwrap().iter().find(|row| row["row"] == key).expect("a row of that key").clone()
}

/// One thing that the service may do.
struct Oddity {
    what: &'static str,
    switch: fn(&mut World),
    /// The row, its outcome, and words of it.
    row: (&'static str, &'static str, &'static str),
    overlap: &'static str,
    /// How the rotation's main stage ends, and words of the whole rotation's log.
    rotation: (StageExit, &'static str),
    /// What lives afterwards.
    left: &'static [&'static str],
}

const ROTATED: &[&str] = &["#1 nuget-publish [superseded 101.1 +24h]", "#2 nuget-publish"];
const AS_BEFORE: &[&str] = &["#1 nuget-publish"];

const ODDITIES: [Oddity; 16] = [
    Oddity {
        what: "a call without its scope is refused like one with an expired token",
        switch: |w| w.lacking_scope = ScopeRefusal::Unauthorized,
        row: ("withoutScope", "ok", "401"),
        overlap: "24",
        rotation: (StageExit::Succeeded, "Result: committed"),
        left: ROTATED,
    },
    Oddity {
        what: "a call without its scope is forbidden",
        switch: |w| w.lacking_scope = ScopeRefusal::Forbidden,
        row: ("withoutScope", "ok", "403"),
        overlap: "24",
        rotation: (StageExit::Succeeded, "Result: committed"),
        left: ROTATED,
    },
    Oddity {
        what: "a rename changes the value",
        switch: |w| w.update_changes_secret = true,
        row: ("renameKeepsValue", "not ok", "no longer works"),
        overlap: "24",
        rotation: (StageExit::Failed, "still rejects it after"),
        left: AS_BEFORE,
    },
    Oddity {
        what: "an update resets what it does not name",
        switch: |w| w.update_resets_omitted_fields = true,
        row: ("renameKeepsRest", "not ok", "its end moved"),
        overlap: "24",
        rotation: (StageExit::Failed, "a rename changed its expiry"),
        left: AS_BEFORE,
    },
    Oddity {
        what: "an update without scopes gives all of them",
        switch: |w| w.omitted_scope_is_full = true,
        row: ("renameAlone", "ok", "the scope becomes \"app_token\"; the end stays"),
        overlap: "24",
        rotation: (StageExit::Succeeded, "Result: committed"),
        left: ROTATED,
    },
    Oddity {
        what: "a new PAT is slow",
        switch: |w| w.new_pats_valid_after = 3,
        row: ("works", "ok", "accepted after 0 s"),
        overlap: "24",
        rotation: (StageExit::Succeeded, "Result: committed"),
        left: ROTATED,
    },
    Oddity {
        what: "a new PAT does not work in time",
        switch: |w| w.new_pats_valid_after = 1000,
        row: ("works", "not ok", "still refused after"),
        overlap: "24",
        rotation: (StageExit::Failed, "still rejects it after"),
        left: AS_BEFORE,
    },
    Oddity {
        what: "a revoked PAT lives on",
        switch: |w| w.revoked_pats_live_on = true,
        row: ("revoked", "ok", "still accepted after"),
        overlap: "0",
        rotation: (StageExit::Succeeded, "Result: committed"),
        left: &["#2 nuget-publish"],
    },
    Oddity {
        what: "a shortening is ignored",
        switch: |w| w.shortening_ignored = true,
        row: ("shortening", "ok", "still ends at"),
        overlap: "24",
        rotation: (StageExit::Succeeded, "did not shorten"),
        left: ROTATED,
    },
    Oddity {
        what: "names are HTML-encoded",
        switch: |w| w.names_html_encoded = true,
        row: ("oddName", "ok", "read back HTML-encoded"),
        overlap: "24",
        rotation: (StageExit::Succeeded, "Result: committed"),
        left: ROTATED,
    },
    Oddity {
        what: "names lose letters",
        switch: |w| w.oddities.names_lose_letters = true,
        row: ("oddName", "ok", "& '?]"),
        overlap: "24",
        rotation: (StageExit::Succeeded, "Result: committed"),
        left: ROTATED,
    },
    Oddity {
        what: "no answer says what a PAT reaches",
        switch: |w| w.oddities.target_accounts_withheld = true,
        row: ("reach", "not ok", "all of the user's"),
        overlap: "24",
        rotation: (StageExit::Failed, "spans all organizations"),
        left: AS_BEFORE,
    },
    Oddity {
        what: "a new PAT is not found by its id at once",
        switch: |w| w.oddities.gets_before_found = 3,
        row: ("foundById", "ok", "found after 0 s"),
        overlap: "24",
        rotation: (StageExit::Succeeded, "Result: committed"),
        left: ROTATED,
    },
    Oddity {
        what: "an unknown id is refused in a 200",
        switch: |w| w.unknown_id_reply = UnknownIdReply::In200,
        row: ("revocationOfUnknown", "ok", "invalidAuthorizationId"),
        overlap: "24",
        rotation: (StageExit::Succeeded, "Result: committed"),
        left: ROTATED,
    },
    Oddity {
        what: "an unknown id is a server's error",
        switch: |w| w.unknown_id_reply = UnknownIdReply::ServerError,
        row: ("revocationOfRevoked", "ok", "SessionTokenNotFoundException"),
        overlap: "24",
        rotation: (StageExit::Succeeded, "Result: committed"),
        left: ROTATED,
    },
    Oddity {
        what: "an organization that is not there has no tenant",
        switch: |w| w.oddities.missing_organization_untold = true,
        row: ("noOrganization", "ok", "status 404 and no tenant"),
        overlap: "24",
        rotation: (StageExit::Succeeded, "Result: committed"),
        left: ROTATED,
    },
];

#[test]
fn its_row_shows_it_and_a_rotation_is_safe() {
    for Oddity { what, switch, row: (key, outcome, said), overlap, rotation: (ends, told), left } in ODDITIES {
        let world = Local::with_pat(5);
        switch(&mut world.sim.world());
        let mut job = local(&world, &[]);
        job.main();
        assert_eq!(row(&job, key)["outcome"], outcome, "{what}: {}", job.log());
        logs(&job, &[said]);
        assert_eq!(canaries(&world), [""; 0], "{what}");

        let world = Local::with_pat(5);
        switch(&mut world.sim.world());
        let mut job = world.job(&[("overlapHours", overlap)]);
        assert_eq!(job.main(), ends, "{what}: {}", job.log());
        let mut log = job.log();
        if ends == StageExit::Succeeded {
            world.consume_variable("the new consumer", &job);
            if overlap == "0" {
                world.forget("the old consumer");
            }
            assert_eq!(job.settle("Succeeded"), ends, "{what}: {}", job.log());
            log.push_str(&job.log());
        }
        assert!(log.contains(told), "{what}: {log}");
        assert_eq!(world.active(), left, "{what}: {log}");
    }
}
