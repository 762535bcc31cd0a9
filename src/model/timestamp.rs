//! Points in time as the services write them. No function reads a clock: the caller passes `now`.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::DateTime;

/// A point in time, in UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Timestamp(jiff::Timestamp);

const DAY: i64 = 24 * 60 * 60;
/// The year 0 begins.
const FIRST: jiff::Timestamp = jiff::Timestamp::constant(-62_167_219_200, 0);

/// .NET's first moment.
const UNSET: jiff::Timestamp = jiff::Timestamp::constant(-62_135_596_800, 0);

impl Timestamp {
    /// The end of time.
    pub const NEVER: Self = Self(jiff::Timestamp::MAX);
    /// The beginning of time.
    pub const FIRST: Self = Self(FIRST);

    /// The time by the system's clock. Only `main` may ask.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock, for main")]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now())
    }

    /// From seconds since 1970, as in a token's claims and a vault's attributes.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        jiff::Timestamp::from_second(seconds).ok().and_then(Self::read)
    }

    /// Full seconds since 1970, or before it.
    pub fn as_unix(self) -> i64 {
        self.0.as_second() - i64::from(self.0.subsec_nanosecond() < 0)
    }

    /// Rejects times before the year 0, which the formats used here cannot express.
    fn read(timestamp: jiff::Timestamp) -> Option<Self> {
        (timestamp >= FIRST).then_some(Self(timestamp))
    }

    /// From RFC 3339 with any number of fraction digits. Some Azure DevOps replies carry no offset and mean UTC
    /// (seen in code: `azure-devops-rust-api`, `date_time.rs`). .NET's last moment, `9999-12-31T23:59:59.9999999Z`, is
    /// [`Timestamp::NEVER`]; its first, in the year 1, means that no date was set and is rejected.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
            return Self::read(timestamp).filter(|time| time.0 != UNSET);
        }
        let civil = text.strip_suffix(['Z', 'z']).unwrap_or(text).parse::<DateTime>().ok()?;
        match civil.to_zoned(jiff::tz::TimeZone::UTC) {
            Ok(zoned) => Self::read(zoned.timestamp()).filter(|time| time.0 != UNSET),
            Err(_) => (civil.year() == 9999).then_some(Self::NEVER),
        }
    }

    /// Whether it is the end of time, which stands for no end.
    pub fn is_never(self) -> bool {
        self == Self::NEVER
    }

    /// From an HTTP header such as `Date` or `Retry-After`.
    pub fn parse_http(text: &str) -> Option<Self> {
        jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok().and_then(Self::read)
    }

    /// Later by this much; the end of time at the most.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Self(self.0.checked_add(duration).unwrap_or(jiff::Timestamp::MAX))
    }

    /// Earlier by this much; the beginning of time at the least.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
        Self(self.0.checked_sub(duration).unwrap_or(jiff::Timestamp::MIN))
    }

    /// The time since `earlier`; zero if `earlier` is in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::try_from(self.0.duration_since(earlier.0)).unwrap_or(Duration::ZERO)
    }

    /// Days from `now` until this time, rounded up, so that "at most N days left" means the same for the printed
    /// number as for the exact time; fractions of a second, which services round, make no day. Not above zero when it
    /// is past.
    pub fn days_left(self, now: Self) -> i64 {
        let left = self.0.duration_since(now.0).as_secs();
        left.div_euclid(DAY) + i64::from(left.rem_euclid(DAY) > 0)
    }

    /// The full minute at or after this time: markers in display names carry no seconds, and never end early.
    #[must_use]
    pub fn rounded_up_to_minute(self) -> Self {
        let seconds = self.0.as_second() + i64::from(self.0.subsec_nanosecond() > 0);
        let minutes = seconds.div_euclid(60) + i64::from(seconds.rem_euclid(60) > 0);
        jiff::Timestamp::from_second(minutes * 60).map_or(self, Self)
    }

    /// `2026-11-25T03:00Z`, the form in a display name.
    pub fn to_minute(self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%MZ").to_string()
    }

    /// Reads exactly what [`Timestamp::to_minute`] writes.
    pub fn parse_minute(text: &str) -> Option<Self> {
        let parsed = Self::read(text.parse::<jiff::Timestamp>().ok()?)?;
        (parsed.to_minute() == text).then_some(parsed)
    }

    /// With milliseconds, as the API's own examples send it.
    pub fn to_wire(self) -> String {
        self.0.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    }

    /// The time with its distance, for a reader: `2026-03-01T00:00:00Z (in 30 days)`.
    pub fn with_distance(self, now: Self) -> String {
        if self.is_never() {
            return "never".to_owned();
        }
        let hours = self.0.duration_since(now.0).as_hours();
        let distance = match (self.0 >= now.0, hours.abs()) {
            (true, 0) => "in less than an hour".to_owned(),
            (true, hours) if hours < 48 => format!("in {}", pluralize(hours, "hour")),
            (true, _) => format!("in {}", pluralize(self.days_left(now), "day")),
            (false, 0) => "less than an hour ago".to_owned(),
            (false, hours) if hours < 48 => format!("{} ago", pluralize(hours, "hour")),
            (false, hours) => format!("{} ago", pluralize(hours / 24, "day")),
        };
        format!("{self} ({distance})")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

/// `1 day`, `2 days`.
pub fn pluralize(count: i64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn reads_every_form_the_services_write() {
        let expected = at("2018-07-19T00:00:00Z");
        for text in ["2018-07-19T00:00:00", "2018-07-19T00:00:00.0000000Z", "2018-07-19T02:00:00+02:00"] {
            assert_eq!(Timestamp::parse(text), Some(expected), "{text}");
        }
        assert_eq!(Timestamp::parse_http("Thu, 19 Jul 2018 00:00:00 GMT"), Some(expected));
        for text in ["", "soon", "2018-13-19T00:00:00Z", "0"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
            assert_eq!(Timestamp::parse_http(text), None, "{text}");
        }
    }

    #[test]
    fn dates_beyond_any_calendar_are_never_or_none() {
        for text in ["9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.9999999", "9999-12-31T00:00:00Z"] {
            let never = at(text);
            assert!(never.is_never(), "{text}");
            assert_eq!(never.with_distance(at("2026-11-24T03:00:00Z")), "never");
            assert!(Timestamp::parse(&never.to_wire()).is_some(), "{text}");
        }
        for text in ["0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000000"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
        assert!(!at("9999-12-30T00:00:00Z").is_never());
    }

    #[test]
    fn no_time_before_the_year_0_is_read_as_none_can_be_written_in_four_digits() {
        for text in
            ["-000001-12-31T23:59:59Z", "-009998-01-01T00:00:00Z", "-000001-12-31T23:59:59", "-0001-12-31T23:59Z"]
        {
            assert_eq!(Timestamp::parse(text), None, "{text}");
            assert_eq!(Timestamp::parse_minute(text), None, "{text}");
        }
        let first = at("0000-01-01T00:00:00Z");
        assert_eq!(first.to_wire(), "0000-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_unix(first.as_unix()), Some(first));
        assert_eq!(Timestamp::from_unix(first.as_unix() - 1), None);
    }

    #[test]
    fn seconds_since_1970_never_round_up_a_fraction() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00.999Z", 0),
            ("1969-12-31T23:59:59.999Z", -1),
            ("1969-12-31T23:59:59Z", -1),
            ("1969-12-31T23:59:58.001Z", -2),
        ] {
            assert_eq!(at(text).as_unix(), seconds, "{text}");
        }
    }

    #[test]
    fn days_left_is_rounded_up_so_that_the_number_decides_like_the_time() {
        let now = at("2026-11-24T03:00:00Z");
        for (until, days) in [
            ("2026-12-01T03:00:00Z", 7),
            ("2026-12-01T03:00:00.999Z", 7),
            ("2026-12-01T03:00:01Z", 8),
            ("2026-12-01T02:59:59Z", 7),
            ("2026-11-24T03:00:01Z", 1),
            ("2026-11-24T03:00:00Z", 0),
            ("2026-11-24T02:59:59Z", 0),
            ("2026-11-23T02:59:59Z", -1),
        ] {
            assert_eq!(at(until).days_left(now), days, "{until}");
        }
    }

    #[test]
    fn a_marker_minute_never_ends_early_and_reads_back() {
        for (exact, minute) in [
            ("2026-11-25T03:00:00Z", "2026-11-25T03:00Z"),
            ("2026-11-25T03:00:00.001Z", "2026-11-25T03:01Z"),
            ("2026-11-25T03:59:59Z", "2026-11-25T04:00Z"),
        ] {
            let rounded = at(exact).rounded_up_to_minute();
            assert_eq!(rounded.to_minute(), minute);
            assert_eq!(Timestamp::parse_minute(minute), Some(rounded));
        }
        for text in ["2026-11-25T03:00:00Z", "2026-11-25T03:00+00:00", "2026-11-25T3:00Z", "2026-11-25"] {
            assert_eq!(Timestamp::parse_minute(text), None, "{text}");
        }
    }

    #[test]
    fn the_distance_is_in_the_unit_a_reader_would_use() {
        let now = at("2026-11-24T03:00:00Z");
        for (time, words) in [
            ("2026-12-24T03:00:00Z", "2026-12-24T03:00:00Z (in 30 days)"),
            ("2026-11-25T03:00:00Z", "2026-11-25T03:00:00Z (in 24 hours)"),
            ("2026-11-24T03:30:00Z", "2026-11-24T03:30:00Z (in less than an hour)"),
            ("2026-11-20T03:00:00Z", "2026-11-20T03:00:00Z (4 days ago)"),
        ] {
            assert_eq!(at(time).with_distance(now), words);
        }
    }
}
