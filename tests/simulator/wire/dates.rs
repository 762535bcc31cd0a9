//! Dates as the services write and read them.

use jiff::Timestamp;

/// As the PAT service writes them: UTC with `Z` and two to seven digits of a second.
pub fn vss(at: Timestamp) -> String {
    let mut digits = format!("{:07}", at.as_nanosecond().rem_euclid(1_000_000_000) / 100);
    while digits.len() > 2 && digits.ends_with('0') {
        digits.pop();
    }
    format!("{}.{digits}Z", at.strftime("%Y-%m-%dT%H:%M:%S"))
}

/// As HTTP headers have them.
pub fn http(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// How far away a time is, roughly enough to be the same in every run.
pub fn distance(at: Timestamp, now: Timestamp) -> String {
    let minutes = (at.as_second() - now.as_second() + 30).div_euclid(60);
    let (amount, unit) = match minutes.abs() {
        0..120 => (minutes, "minutes"),
        120..2880 => ((minutes + 30).div_euclid(60), "hours"),
        _ => ((minutes + 720).div_euclid(1440), "days"),
    };
    format!("in {amount} {unit}")
}
