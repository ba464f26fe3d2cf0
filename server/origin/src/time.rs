//! Moments as records write them: RFC 3339 in UTC on the outside, milliseconds since 1970 inside.

use jiff::Timestamp;

/// Reads RFC 3339, with any offset.
pub fn parse(text: &str) -> Option<i64> {
    text.trim().parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// Writes RFC 3339 in UTC; moments that no calendar has are written as the start of 1970.
pub fn format(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn moments_come_back() {
        assert_eq!(super::parse("2026-11-22T22:50:00.250+01:00"), super::parse("2026-11-22T21:50:00.25Z"));
        assert_eq!(super::format(super::parse("2026-11-22T21:50:00Z").unwrap()), "2026-11-22T21:50:00Z");
        assert_eq!(super::parse("yesterday"), None);
        assert_eq!(super::format(i64::MAX), "1970-01-01T00:00:00Z");
    }
}
