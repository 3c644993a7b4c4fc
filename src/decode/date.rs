//! Days and instants from ISO 8601 text.

use chrono::NaiveDate;

const NO_DATE: &str = "no date of the form YYYY-MM-DD";
const NO_YEAR: &str = "a date before the year 1900 or after 9999";
const SECONDS_A_DAY: i64 = 86_400;
/// From 1900-01-01 up to the end of the year 9999, in seconds from 1970-01-01.
const READABLE: std::ops::Range<i64> = -2_208_988_800..253_402_300_800;

/// Reads `YYYY-MM-DD`, alone or with a time, as days from 1970-01-01. With an offset the UTC day counts.
pub(super) fn day(text: &[u8]) -> Result<i32, &'static str> {
    if text.len() == 10 {
        return calendar_day(text);
    }
    let micros = instant(text)?;
    i32::try_from(micros.div_euclid(SECONDS_A_DAY * 1_000_000)).map_err(|_| NO_DATE)
}

/// Reads `YYYY-MM-DD`, alone or with a time, as microseconds from 1970-01-01 in UTC; without an offset it is UTC.
///
/// The time is `Thh:mm[:ss[.fraction]]` with `Z`, `+hh:mm`, `+hhmm`, `+hh` or nothing behind it. Digits of the fraction past
/// the sixth are dropped.
pub(super) fn instant(text: &[u8]) -> Result<i64, &'static str> {
    let day = calendar_day(text.get(..10).ok_or(NO_DATE)?)?;
    let mut seconds = i64::from(day) * SECONDS_A_DAY;
    let mut micros = 0;
    let rest = &text[10..];
    if !rest.is_empty() {
        let wrong = "a date with a time that cannot be read";
        if !matches!(rest[0], b'T' | b't' | b' ') {
            return Err(NO_DATE);
        }
        let hours = two_digits(rest, 1, 23).ok_or(wrong)?;
        let minutes = Some(rest).filter(|rest| rest.get(3) == Some(&b':')).and_then(|rest| two_digits(rest, 4, 59));
        seconds += hours * 3_600 + minutes.ok_or(wrong)? * 60;
        let mut at = 6;
        if rest.get(at) == Some(&b':') {
            seconds += two_digits(rest, at + 1, 59).ok_or(wrong)?;
            at += 3;
            if rest.get(at) == Some(&b'.') {
                let fraction = rest[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                if fraction == 0 {
                    return Err(wrong);
                }
                let digit = |place: usize| if place < fraction { i64::from(rest[at + 1 + place] - b'0') } else { 0 };
                micros = (0..6).fold(0, |micros, place| micros * 10 + digit(place));
                at += 1 + fraction;
            }
        }
        seconds -= offset(&rest[at..]).ok_or(wrong)?;
    }
    // An offset can carry a day at either border out of the years that are read.
    if READABLE.contains(&seconds) { Ok(seconds * 1_000_000 + micros) } else { Err(NO_YEAR) }
}

/// Seconds east of UTC.
fn offset(text: &[u8]) -> Option<i64> {
    let sign = match text.first() {
        None => return Some(0),
        Some(b'Z' | b'z') => return (text.len() == 1).then_some(0),
        Some(b'+') => 1,
        Some(b'-') => -1,
        Some(_) => return None,
    };
    let minutes_at = match text.len() {
        3 => return Some(sign * two_digits(text, 1, 18)? * 3_600),
        5 => 3,
        6 if text[3] == b':' => 4,
        _ => return None,
    };
    Some(sign * (two_digits(text, 1, 18)? * 3_600 + two_digits(text, minutes_at, 59)? * 60))
}

fn two_digits(text: &[u8], at: usize, most: i64) -> Option<i64> {
    let [tens, ones] = *text.get(at..at + 2)? else { return None };
    let number = i64::from(tens.wrapping_sub(b'0')) * 10 + i64::from(ones.wrapping_sub(b'0'));
    (tens.is_ascii_digit() && ones.is_ascii_digit() && number <= most).then_some(number)
}

fn calendar_day(text: &[u8]) -> Result<i32, &'static str> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else { return Err(NO_DATE) };
    let digits = [y1, y2, y3, y4, m1, m2, d1, d2];
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(NO_DATE);
    }
    let number = |digits: &[u8]| digits.iter().fold(0_u32, |number, byte| number * 10 + u32::from(byte - b'0'));
    let year = number(&digits[..4]);
    if year < 1900 {
        return Err(NO_YEAR);
    }
    NaiveDate::from_ymd_opt(year as i32, number(&digits[4..6]), number(&digits[6..]))
        .map(|date| date.to_epoch_days())
        .ok_or("a day that the calendar does not have")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_the_utc_day() {
        for text in [
            "2018-08-01",
            "2018-08-01T00:00:00",
            "2018-08-01T23:59:59.9999999Z",
            "2018-08-01t10:00Z",
            "2018-08-02T00:30:00+02:00",
            "2018-07-31T23:30:00-0100",
        ] {
            assert_eq!(day(text.as_bytes()), Ok(17_744), "{text}");
        }
    }

    #[test]
    fn an_instant_has_microseconds() {
        assert_eq!(instant(b"1970-01-02T00:00:01.1234567Z"), Ok(86_401_123_456));
        assert_eq!(instant(b"1969-12-31T23:59:59.5"), Ok(-500_000));
        assert_eq!(instant(b"2018-08-01"), Ok(17_744 * 86_400_000_000));
        assert_eq!(instant(b"1900-01-01T00:00:00Z"), Ok(READABLE.start * 1_000_000));
        assert_eq!(instant(b"9999-12-31T23:59:59.999999Z"), Ok(READABLE.end * 1_000_000 - 1));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "8/1/2018",
            "2018-02-31",
            "2018-13-01",
            "0001-01-01",
            "10000-01-01",
            "2018-08-01T",
            "2018-08-01T25:00:00",
            "2018-08-01T00:00:00.",
            "2018-08-01T00:00:00+",
            "2018-08-01X00:00:00",
            "2018-08-01T00:00:00Zx",
            "20180801",
            "2018-08-0é",
            "9999-12-31T23:00:00-02:00",
            "1900-01-01T00:00:00+00:01",
        ] {
            assert!(day(text.as_bytes()).is_err(), "{text}");
            assert!(instant(text.as_bytes()).is_err(), "{text}");
        }
    }
}
