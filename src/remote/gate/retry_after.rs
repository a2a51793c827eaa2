//! `Retry-After` and `Date` (RFC 9110 10.2.3, 6.6.1).

use std::time::{Duration, UNIX_EPOCH};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

use crate::model::Timestamp;

/// How long the remote asked us to wait: seconds, or an HTTP date seen from the remote's own clock
/// (its `Date` header; `now` if it sent none). `None` when it did not ask, or not intelligibly.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit is still "very long".
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX))));
    }
    let until = parse(text)?;
    Some(until.since(http_date(headers).unwrap_or(now)))
}

/// The remote's clock when it answered, to the second.
pub(crate) fn http_date(headers: &HeaderMap) -> Option<Timestamp> {
    parse(headers.get(DATE)?.to_str().ok()?)
}

fn parse(text: &str) -> Option<Timestamp> {
    let at = httpdate::parse_http_date(text).ok()?;
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_secs(i64::try_from(since.as_secs()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(retry: &str, date: Option<&str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, retry.parse().unwrap());
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        // Sun, 06 Nov 1994 08:49:37 GMT
        retry_after(&headers, Timestamp::from_secs(784_111_777)).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_dates_and_nonsense() {
        assert_eq!(asked("7", None), Some(7));
        assert_eq!(asked("0", None), Some(0));
        assert_eq!(asked("99999999999999999999999", None), Some(u64::from(u32::MAX)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:37 GMT", None), Some(60));
        assert_eq!(asked("Sun, 06 Nov 1994 08:40:00 GMT", None), Some(0), "the past");
        assert_eq!(asked("Sun, 06 Nov 1994 09:00:10 GMT", Some("Sun, 06 Nov 1994 09:00:00 GMT")), Some(10));
        for nonsense in ["", "-5", "soon", "1.5", "Sun, 99 Nov 1994 08:50:37 GMT"] {
            assert_eq!(asked(nonsense, None), None, "{nonsense}");
        }
    }
}
