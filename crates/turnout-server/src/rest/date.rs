//! The `Date` header, written anew once a second.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

/// `Sun, 06 Nov 1994 08:49:37 GMT`
type Text = [u8; 29];

thread_local! {
    static LAST: Cell<(u64, Text)> = const { Cell::new((u64::MAX, [b' '; 29])) };
}

/// The present date as RFC 9110 writes it.
pub(super) fn now() -> Text {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let (second, text) = LAST.get();
    if second == elapsed.as_secs() {
        return text;
    }
    let text = format(elapsed.as_secs());
    LAST.set((elapsed.as_secs(), text));
    text
}

/// Seconds since 1970 as a date of the proleptic Gregorian calendar.
///
/// Years are counted from March, so that the leap day is the last of its year, in cycles of 400 years or 146,097 days.
fn format(seconds: u64) -> Text {
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb",
    ];
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // 719,468 days lie between March 1 of year 0 and the epoch.
    let (cycle, day) = ((days + 719_468) / 146_097, (days + 719_468) % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = cycle * 400 + year + u64::from(month >= 10);
    let text = format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        WEEKDAYS[index(days % 7)],
        MONTHS[index(month)],
        second / 3600,
        second / 60 % 60,
        second % 60
    );
    text.as_bytes().try_into().unwrap_or([b' '; 29])
}

fn index(small: u64) -> usize {
    usize::try_from(small).expect("bug: a weekday or month out of range")
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_dates() {
        #[rustfmt::skip]
        let cases = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ];
        for (seconds, text) in cases {
            assert_eq!(std::str::from_utf8(&super::format(seconds)), Ok(text));
        }
        assert!(super::now().ends_with(b" GMT"));
    }
}
