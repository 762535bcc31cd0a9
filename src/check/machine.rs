//! The rows of the machine that the check runs on, and of the way to the services. They send nothing.

use crate::check::row::Row;
use crate::context::Context;
use crate::model::text::one_line;

pub(super) fn rows(context: &Context) -> Vec<Row> {
    let (pipeline, way) = (&context.access.pipeline, context.http.way());
    let agent = match pipeline.agent.as_deref() {
        Some(version) => Row::ok("agent", "agent", one_line(version)).with(version),
        None => Row::unknown("agent", "agent", "does not tell its version"),
    };
    let target = env!("ROTATE_PAT_TARGET");
    let node = match pipeline.node.as_deref() {
        Some(version) => {
            Row::ok("node", "Node", format!("{}, which started the program", one_line(version))).with(version)
        }
        None => Row::unknown("node", "Node", "did not start the program"),
    };
    let proxy = match &way.proxy {
        Some((proxy, variable)) => {
            Row::ok("proxy", "proxy", format!("the services are reached through {proxy}")).with(*variable)
        }
        None => Row::ok("proxy", "proxy", "none").with("none"),
    };
    let trust = match &way.trusted {
        Some(trusted) => Row::ok(
            "trust",
            "trusted certificates",
            trusted.trim_start_matches("Trusted certificates: ").trim_end_matches('.'),
        )
        .with("validated"),
        None => {
            let seen = "every server certificate is accepted, as the agent is configured";
            let remedy = "Configure the agent without `--sslskipcertvalidation`; add a missing CA certificate with \
                          `--sslcacert`.";
            Row::not_ok("trust", "trusted certificates", seen, remedy.to_owned()).with("skipped")
        }
    };
    let platform = Row::ok("platform", "platform", format!("the program is built for {target}")).with(target);
    vec![agent, platform, node, proxy, trust]
}
