//! What the errors of Azure DevOps look like: the same refusal comes in several shapes, as recordings and public reports
//! show, and seldom behind a byte order mark.

use serde_json::{Value, json};

use super::super::world::{ErrorShape, Marks, World};
use super::request::Reply;

const BOM: &[u8] = b"\xef\xbb\xbf";
/// Every so many errors there is a mark where marks come sometimes.
const SOMETIMES: usize = 4;
/// Every error of `vss` has this header, and nothing else has.
const SERVICE_ERROR: &str = "X-TFS-ServiceError";

/// Gives an error of Azure DevOps the shape that the world wants.
pub fn dressed(world: &mut World, reply: &mut Reply) {
    if !reply.headers.iter().any(|(name, _)| name == SERVICE_ERROR) || reply.body.starts_with(BOM) {
        return;
    }
    let Ok(Value::Object(exception)) = serde_json::from_slice(&reply.body) else { return };
    let message = exception["message"].as_str().unwrap_or_default();
    let (kind, body) = match world.error_shape {
        ErrorShape::Exception => (None, None),
        // A bare string is counted by its letters (dotnet/docker-tools#2012, azure-devops-python-api#419).
        ErrorShape::Counted => (None, Some(json!({"count": message.chars().count(), "value": message}).to_string())),
        ErrorShape::CountedMessage => (None, Some(json!({"count": 1, "value": {"Message": message}}).to_string())),
        ErrorShape::Message => (None, Some(json!({"Message": message}).to_string())),
        ErrorShape::Text => (Some("text/plain"), Some(format!("{message}\r\n"))),
        ErrorShape::Html => {
            let page = format!("<html>\n<head><TITLE >\n {message}</TITLE></head><body>{message}</body></html>");
            (Some("text/html; charset=us-ascii"), Some(page))
        }
    };
    if let Some(body) = body {
        reply.body = body.into_bytes();
        // What these shapes come from does not send the header.
        reply.headers.retain(|(name, _)| name != SERVICE_ERROR);
    }
    if let Some(kind) = kind {
        reply.headers.retain(|(name, _)| name != "Content-Type");
        reply.headers.push(("Content-Type".to_owned(), kind.to_owned()));
        return;
    }
    world.errors_sent += 1;
    let is_marked = match world.marks {
        Marks::Sometimes => world.errors_sent.is_multiple_of(SOMETIMES),
        Marks::Always => true,
        Marks::Never => false,
    };
    if is_marked {
        reply.body.splice(0..0, BOM.iter().copied());
    }
}
