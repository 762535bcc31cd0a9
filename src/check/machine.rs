//! The rows of the machine that the check runs on, and of the way to the services. They send nothing.

use crate::check::request::Check;
use crate::check::row::Row;
use crate::model::text::one_line;

pub(super) fn rows(check: &Check<'_>) -> Vec<Row> {
    let versioned = |key, name: &'static str, version: Option<&str>| match version {
        Some(version) => Row::ok(key, name, one_line(version)).with(version),
        None => Row::unknown(key, name, "its version is not told"),
    };
    let target = env!("ROTATE_PAT_TARGET");
    let node = match check.node {
        Some(version) => {
            Row::ok("node", "Node", format!("{}, which started the program", one_line(version))).with(version)
        }
        None => Row::unknown("node", "Node", "did not start the program"),
    };
    let proxy = match &check.network.proxy {
        Some((proxy, variable)) => {
            Row::ok("proxy", "proxy", format!("the services are reached through {proxy}")).with(*variable)
        }
        None => Row::ok("proxy", "proxy", "none").with("none"),
    };
    let trust = match &check.network.trusted {
        Some(trusted) => Row::ok("trust", "trust", trusted.trim_end_matches('.')).with("validated"),
        None => {
            let seen = "every server certificate is accepted, as the agent is configured";
            let remedy = "Configure the agent without `--sslskipcertvalidation`; add a missing CA certificate with \
                          `--sslcacert`.";
            Row::not_ok("trust", "trust", seen, remedy.to_owned()).with("skipped")
        }
    };
    let platform = Row::ok("platform", "platform", format!("the program is built for {target}")).with(target);
    vec![versioned("agent", "agent", check.agent), platform, node, proxy, trust]
}
