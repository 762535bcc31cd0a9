//! `Retry-After` in seconds and as a date: never longer than a day, whatever the two headers say.

use std::time::Duration;

use rotate_pat::http::rest_asked_for;
use rotate_pat::model::timestamp::Timestamp;

pub(crate) fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (value, date) = text.split_once('\n').unwrap_or((&text, ""));
    if let Some(rest) = rest_asked_for(value, Timestamp::parse_http(date)) {
        assert!(rest <= Duration::from_secs(24 * 60 * 60), "{rest:?}");
    }
}
