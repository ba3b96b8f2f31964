//! The arithmetic of tumbling windows: which window a time belongs to. Functions of SQL and
//! operators of views share it, so that a question and a view cut time alike.
//!
//! Without a zone, windows are multiples of their length since 1970-01-01T00:00Z, shifted by an
//! offset. With a zone they are whole days of its calendar, counted from 1970-01-01: the window
//! begins with the first moment of its first day, so it is 23 or 25 hours long where clocks are
//! changed. Windows never overlap and leave no gap.

use std::str::FromStr;

use chrono::{DateTime, Days, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc};
use datafusion::arrow::array::{Array, TimestampMicrosecondArray, timezone::Tz};

use super::overlap::COUNT_MAX;

/// Microseconds of a day.
pub(crate) const DAY_US: i64 = 86_400_000_000;

/// How time is cut into windows.
#[derive(Clone, Debug)]
pub struct Tumbling {
    size_us: i64,
    offset_us: i64,
    zone: Option<Tz>,
}

/// Why time cannot be cut like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TumbleError {
    /// Caller: give a length above zero.
    #[error("a window needs a length above zero")]
    Size,
    /// Caller: name a zone of the IANA database, or an offset such as +02:00.
    #[error("there is no time zone \"{zone}\"")]
    Zone {
        /// What was written.
        zone: String,
    },
    /// Caller: with a time zone, give whole days.
    #[error("windows of a time zone are whole days")]
    Days,
    /// Caller: give a length that is a multiple of the slide.
    #[error("the length of a window is a multiple of its {slide}")]
    Multiple {
        /// "slide" or "step".
        slide: &'static str,
    },
    /// Caller: a longer slide, or a shorter window.
    #[error("a time is in {count} windows, at most {COUNT_MAX} are possible")]
    Many {
        /// In how many.
        count: i64,
    },
    /// Caller: a longer slide.
    #[error("windows follow each other by 10 milliseconds or more")]
    Slide,
    /// Caller: the time is too far from now to be in a window.
    #[error("{time_us} µs is out of the range of windows")]
    Range {
        /// The time.
        time_us: i64,
    },
}

impl Tumbling {
    /// Checks and takes a length, a shift and a zone. The shift may be negative.
    ///
    /// # Errors
    /// `TumbleError` says which of them does not fit.
    pub fn new(size_us: i64, offset_us: i64, zone: Option<&str>) -> Result<Self, TumbleError> {
        if size_us <= 0 {
            return Err(TumbleError::Size);
        }
        let zone = zone
            .map(|zone| {
                Tz::from_str(zone).map_err(|_unknown| TumbleError::Zone {
                    zone: zone.to_owned(),
                })
            })
            .transpose()?;
        if zone.is_some() && (size_us % DAY_US != 0 || offset_us % DAY_US != 0) {
            return Err(TumbleError::Days);
        }
        Ok(Self {
            size_us,
            offset_us: offset_us.rem_euclid(size_us),
            zone,
        })
    }

    /// Start and end of the window of a time: the start is within, the end is not.
    ///
    /// # Errors
    /// `Range` within a window of the ends of time.
    pub fn window(&self, time_us: i64) -> Result<(i64, i64), TumbleError> {
        let found = match &self.zone {
            None => self.plain(time_us),
            Some(zone) => self.zoned(zone, time_us),
        };
        found.ok_or(TumbleError::Range { time_us })
    }

    /// The number of the window of a time: windows are counted from 1970.
    pub(super) fn number(&self, time_us: i64) -> Option<i64> {
        match &self.zone {
            None => {
                let shifted = time_us.checked_sub(self.offset_us)?;
                Some(shifted.div_euclid(self.size_us))
            }
            Some(zone) => {
                let (size, offset) = (self.size_us / DAY_US, self.offset_us / DAY_US);
                let (first, _) = self.days(zone, time_us)?;
                Some(first.checked_sub(offset)?.div_euclid(size))
            }
        }
    }

    /// Where the window of a number begins; it ends where the next one begins.
    pub(super) fn begin(&self, number: i64) -> Option<i64> {
        let nominal = self.nominal(number)?;
        match &self.zone {
            None => Some(nominal),
            Some(zone) => day_begin(zone, nominal / DAY_US),
        }
    }

    /// Where it would begin in UTC: other than begins, which two windows may share where a zone has
    /// left a day out, this tells windows apart. It is before the window's end.
    pub(super) fn nominal(&self, number: i64) -> Option<i64> {
        number
            .checked_mul(self.size_us)?
            .checked_add(self.offset_us)
    }

    /// The number of what `nominal` gave, or of what lies less than a window behind it.
    pub(super) fn of_nominal(&self, nominal: i64) -> Option<i64> {
        let shifted = nominal.checked_sub(self.offset_us)?;
        Some(shifted.div_euclid(self.size_us))
    }

    fn plain(&self, time_us: i64) -> Option<(i64, i64)> {
        let shifted = time_us.checked_sub(self.offset_us)?;
        let start = time_us.checked_sub(shifted.rem_euclid(self.size_us))?;
        Some((start, start.checked_add(self.size_us)?))
    }

    fn zoned(&self, zone: &Tz, time_us: i64) -> Option<(i64, i64)> {
        let (first, next) = self.days(zone, time_us)?;
        Some((day_begin(zone, first)?, day_begin(zone, next)?))
    }

    /// The first day of the window of a time, and that of the next window.
    fn days(&self, zone: &Tz, time_us: i64) -> Option<(i64, i64)> {
        let (size, offset) = (self.size_us / DAY_US, self.offset_us / DAY_US);
        let local = DateTime::<Utc>::from_timestamp_micros(time_us)?.with_timezone(zone);
        let day = days_of(local.date_naive())?.checked_sub(offset)?;
        let mut first = day.checked_sub(day.rem_euclid(size))?.checked_add(offset)?;
        // Where clocks go back over midnight, a time is within a day that has another name.
        while day_begin(zone, first)? > time_us {
            first = first.checked_sub(size)?;
        }
        let mut next = first.checked_add(size)?;
        while day_begin(zone, next)? <= time_us {
            (first, next) = (next, next.checked_add(size)?);
        }
        Some((first, next))
    }

    /// Starts and ends of the windows of many times; NULL for NULL.
    ///
    /// # Errors
    /// As `window`, for the first time that has none.
    pub fn windows(
        &self,
        times: &TimestampMicrosecondArray,
    ) -> Result<(TimestampMicrosecondArray, TimestampMicrosecondArray), TumbleError> {
        let mut starts = Vec::with_capacity(times.len());
        let mut ends = Vec::with_capacity(times.len());
        // Neighbours are mostly of one window: look anew only when a time has left it.
        let (mut start, mut end) = (0, 0);
        for (row, time) in times.values().iter().enumerate() {
            if times.is_valid(row) && !(start..end).contains(time) {
                (start, end) = self.window(*time)?;
            }
            starts.push(start);
            ends.push(end);
        }
        let array = |values: Vec<i64>| {
            TimestampMicrosecondArray::new(values.into(), times.nulls().cloned())
                .with_timezone("UTC")
        };
        Ok((array(starts), array(ends)))
    }
}

fn days_of(date: NaiveDate) -> Option<i64> {
    let midnight = date.and_time(NaiveTime::MIN).and_utc();
    Some(midnight.timestamp().div_euclid(86_400))
}

/// The first moment of a day, counted from 1970-01-01, in a zone.
fn day_begin(zone: &Tz, day: i64) -> Option<i64> {
    let epoch = NaiveDate::default();
    let count = Days::new(day.unsigned_abs());
    let date = match day < 0 {
        true => epoch.checked_sub_days(count)?,
        false => epoch.checked_add_days(count)?,
    };
    let midnight = date.and_time(NaiveTime::MIN);
    match zone.from_local_datetime(&midnight) {
        MappedLocalTime::Single(time) => Some(time.timestamp_micros()),
        MappedLocalTime::Ambiguous(first, second) => {
            Some(first.timestamp_micros().min(second.timestamp_micros()))
        }
        MappedLocalTime::None => after_gap(zone, midnight),
    }
}

/// The moment when clocks jump over `midnight`: found between two times around it, one with the
/// date before and one with the date behind, by halving.
fn after_gap(zone: &Tz, midnight: NaiveDateTime) -> Option<i64> {
    let around = midnight.and_utc().timestamp();
    let (mut before, mut behind) = (
        around.checked_sub(2 * 86_400)?,
        around.checked_add(2 * 86_400)?,
    );
    let is_behind = |seconds: i64| {
        let time = DateTime::<Utc>::from_timestamp(seconds, 0)?;
        Some(time.with_timezone(zone).naive_local() >= midnight)
    };
    while behind.checked_sub(before)? > 1 {
        let middle = before.checked_add(behind)?.div_euclid(2);
        match is_behind(middle)? {
            true => behind = middle,
            false => before = middle,
        }
    }
    behind.checked_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> i64 {
        text.parse::<DateTime<Utc>>().unwrap().timestamp_micros()
    }

    fn text(micros: i64) -> String {
        let time = DateTime::<Utc>::from_timestamp_micros(micros).unwrap();
        time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
    }

    fn check(tumbling: &Tumbling, time: &str, start: &str, end: &str) {
        let (found_start, found_end) = tumbling.window(micros(time)).unwrap();
        assert_eq!(
            (text(found_start), text(found_end)),
            (start.into(), end.into()),
            "{time}"
        );
    }

    #[test]
    fn cuts_at_multiples_also_before_1970() {
        let minute = Tumbling::new(60_000_000, 0, None).unwrap();
        check(
            &minute,
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:04:00Z",
            "2026-01-02T03:05:00Z",
        );
        check(
            &minute,
            "2026-01-02T03:04:00Z",
            "2026-01-02T03:04:00Z",
            "2026-01-02T03:05:00Z",
        );
        check(
            &minute,
            "1969-12-31T23:59:59Z",
            "1969-12-31T23:59:00Z",
            "1970-01-01T00:00:00Z",
        );
        let shifted = Tumbling::new(7 * DAY_US, 4 * DAY_US, None).unwrap();
        check(
            &shifted,
            "2026-11-21T10:00:00Z",
            "2026-11-16T00:00:00Z",
            "2026-11-23T00:00:00Z",
        );
        let back = Tumbling::new(60_000_000, -15_000_000, None).unwrap();
        check(
            &back,
            "2026-01-02T03:04:05Z",
            "2026-01-02T03:03:45Z",
            "2026-01-02T03:04:45Z",
        );
    }

    #[test]
    fn days_of_a_zone_are_as_long_as_its_clocks_make_them() {
        let berlin = Tumbling::new(DAY_US, 0, Some("Europe/Berlin")).unwrap();
        check(
            &berlin,
            "2026-07-01T21:59:59Z",
            "2026-06-30T22:00:00Z",
            "2026-07-01T22:00:00Z",
        );
        check(
            &berlin,
            "2026-07-01T22:00:00Z",
            "2026-07-01T22:00:00Z",
            "2026-07-02T22:00:00Z",
        );
        // 23 hours and 25 hours.
        check(
            &berlin,
            "2026-03-29T12:00:00Z",
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
        );
        check(
            &berlin,
            "2026-10-25T12:00:00Z",
            "2026-10-24T22:00:00Z",
            "2026-10-25T23:00:00Z",
        );
        let fixed = Tumbling::new(DAY_US, 0, Some("+05:30")).unwrap();
        check(
            &fixed,
            "2026-01-01T18:30:00Z",
            "2026-01-01T18:30:00Z",
            "2026-01-02T18:30:00Z",
        );
    }

    #[test]
    fn a_midnight_that_does_not_exist_or_comes_twice_cuts_once() {
        // In Cairo, clocks went from 00:00 to 01:00 on 2023-04-28.
        let cairo = Tumbling::new(DAY_US, 0, Some("Africa/Cairo")).unwrap();
        check(
            &cairo,
            "2023-04-27T21:59:59Z",
            "2023-04-26T22:00:00Z",
            "2023-04-27T22:00:00Z",
        );
        check(
            &cairo,
            "2023-04-27T22:00:00Z",
            "2023-04-27T22:00:00Z",
            "2023-04-28T21:00:00Z",
        );
        // In St. John's, clocks went from 00:01 back to 23:01 on 2010-11-07.
        let johns = Tumbling::new(DAY_US, 0, Some("America/St_Johns")).unwrap();
        check(
            &johns,
            "2010-11-07T02:30:30Z",
            "2010-11-07T02:30:00Z",
            "2010-11-08T03:30:00Z",
        );
        check(
            &johns,
            "2010-11-07T03:00:00Z",
            "2010-11-07T02:30:00Z",
            "2010-11-08T03:30:00Z",
        );
    }

    #[test]
    fn windows_neither_overlap_nor_leave_gaps() {
        let zones = [
            None,
            Some("Europe/Berlin"),
            Some("America/St_Johns"),
            Some("Africa/Cairo"),
            Some("Pacific/Apia"),
            Some("America/Sao_Paulo"),
            Some("-03:30"),
        ];
        for zone in zones {
            for days in [1, 2, 7] {
                let tumbling = Tumbling::new(days * DAY_US, DAY_US, zone).unwrap();
                let mut time = micros("1985-01-01T00:00:00Z");
                while time < micros("2027-01-01T00:00:00Z") {
                    let (start, end) = tumbling.window(time).unwrap();
                    assert!((start..end).contains(&time), "{zone:?} {}", text(time));
                    assert_eq!(tumbling.window(start), Ok((start, end)), "{zone:?}");
                    assert_eq!(tumbling.window(end - 1), Ok((start, end)), "{zone:?}");
                    assert_eq!(
                        tumbling.window(end).unwrap().0,
                        end,
                        "{zone:?} {}",
                        text(end)
                    );
                    time = end;
                }
            }
        }
    }

    #[test]
    fn many_times_are_cut_as_each_alone() {
        let hour = Tumbling::new(3_600_000_000, 0, None).unwrap();
        let times = [
            Some(0),
            Some(1),
            None,
            Some(3_600_000_000),
            Some(5),
            Some(-1),
        ];
        let array = TimestampMicrosecondArray::from(times.to_vec());
        let (starts, ends) = hour.windows(&array).unwrap();
        for (row, time) in times.into_iter().enumerate() {
            assert_eq!(starts.is_valid(row), time.is_some());
            if let Some(time) = time {
                assert_eq!(Ok((starts.value(row), ends.value(row))), hour.window(time));
            }
        }
    }

    #[test]
    fn says_what_does_not_fit() {
        let error = |size, offset, zone| Tumbling::new(size, offset, zone).unwrap_err();
        assert_eq!(error(0, 0, None), TumbleError::Size);
        assert_eq!(
            error(3_600_000_000, 0, Some("Europe/Berlin")),
            TumbleError::Days
        );
        let zone = "Europe/Nowhere".to_owned();
        assert_eq!(
            error(DAY_US, 0, Some(&zone)),
            TumbleError::Zone { zone: zone.clone() }
        );
        let hour = Tumbling::new(3_600_000_000, 0, None).unwrap();
        for time_us in [i64::MIN, i64::MAX] {
            assert_eq!(hour.window(time_us), Err(TumbleError::Range { time_us }));
        }
        let berlin = Tumbling::new(DAY_US, 0, Some("Europe/Berlin")).unwrap();
        assert_eq!(
            berlin.window(i64::MAX),
            Err(TumbleError::Range { time_us: i64::MAX })
        );
    }
}
