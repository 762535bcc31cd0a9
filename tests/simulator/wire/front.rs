//! HTTP.sys, the front end before every service: what it refuses, no service ever sees.

use super::request::{Reply, Request};

/// The page of HTTP.sys (githubnext/ado-aw#1420 shows it as Azure DevOps sends it).
const PAGE: &str = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\"\"http://www.w3.org/TR/html4/strict.dtd\">\r\n\
    <HTML><HEAD><TITLE>Length Required</TITLE>\r\n\
    <META HTTP-EQUIV=\"Content-Type\" Content=\"text/html; charset=us-ascii\"></HEAD>\r\n\
    <BODY><h2>Length Required</h2>\r\n\
    <hr><p>HTTP Error 411. The request must be chunked or have a content length.</p>\r\n\
    </BODY></HTML>\r\n";

/// Whether a request that may have a body says neither how long it is nor that it is chunked.
pub fn lacks_length(request: &Request) -> bool {
    let may_have_body = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
    may_have_body && request.header("content-length").is_none() && request.header("transfer-encoding").is_none()
}

/// How it refuses such a request.
pub fn length_required(request: &Request) -> Reply {
    let reply = Reply::html(411, PAGE).with("Server", "Microsoft-HTTPAPI/2.0");
    reply.violating(format!("{} without Content-Length", request.method))
}
