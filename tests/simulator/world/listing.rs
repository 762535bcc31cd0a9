//! Every PAT as a table for people: what the demo shows and what a test compares.

use std::fmt::Write;

use jiff::Timestamp;

use super::{World, pats::PatState};

impl World {
    /// All PATs of all users, oldest first, one line each.
    pub fn listing(&self) -> String {
        let now = self.now();
        let width = self.pats.iter().map(|pat| pat.name.chars().count()).max().unwrap_or(0);
        let scope_width = self.pats.iter().map(|pat| pat.scope.len()).max().unwrap_or(0);
        let mut table = String::new();
        for pat in &self.pats {
            let state = match pat.state(now) {
                PatState::Active => "active",
                PatState::Expired => "expired",
                PatState::Revoked => "revoked",
            };
            let reach = if pat.organization.is_none() { ", all organizations" } else { "" };
            let _ = writeln!(
                table,
                "#{:<2} {:width$}  {:scope_width$}  {state:7}  {} to {}  {}{reach}",
                pat.number,
                pat.name,
                pat.scope,
                minute(pat.valid_from),
                minute(pat.valid_to),
                pat.owner,
            );
        }
        table
    }
}

/// A time as people read it, to the minute.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%MZ").to_string()
}
