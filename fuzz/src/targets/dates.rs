//! Dates in every form that a service writes: what is read is written back as it was read, and no arithmetic overflows.

use std::time::Duration;

use rotate_pat::model::timestamp::Timestamp;

pub(crate) fn fuzz(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (first, second) = text.split_once('\n').unwrap_or((&text, ""));
    let read = |text: &str| Timestamp::parse(text).or_else(|| Timestamp::parse_http(text));
    let Some(time) = read(first) else { return };
    assert_eq!(Timestamp::from_unix(time.as_unix()).map(Timestamp::as_unix), Some(time.as_unix()));
    let minute = time.rounded_up_to_minute();
    assert!(minute >= time || time.plus(Duration::from_secs(60)) <= time, "{first}");
    let other = read(second).unwrap_or(time);
    let _words = time.with_distance(other);
    let left = time.days_left(other);
    assert!((left > 0) == (time.since(other) >= Duration::from_secs(1)), "{first} {second}");
    assert!(time.plus(time.since(other)) >= time && time.minus(time.since(other)) <= time);
    if let Some(again) = Timestamp::parse_minute(&minute.to_minute()) {
        assert_eq!(again.to_minute(), minute.to_minute());
    }
}
