//! Panes, slices and windows against the plainest way to say which windows a time is in.

use chrono::{DateTime, Utc};

use super::*;
use crate::view::DAY_US;

const MINUTE: i64 = 60_000_000;

fn windows(kind: WindowKind, (slide_us, size_us, offset_us): (i64, i64, i64)) -> Windows {
    Windows {
        kind,
        size_us,
        slide_us,
        offset_us,
        zone: None,
    }
}

fn micros(text: &str) -> i64 {
    text.parse::<DateTime<Utc>>().unwrap().timestamp_micros()
}

/// All windows of a time, by trying starts.
fn plainly(windows: &Windows, time: i64) -> Vec<(i64, i64)> {
    let Windows {
        size_us,
        slide_us,
        offset_us,
        ..
    } = *windows;
    let mut found = Vec::new();
    let start = |slide: i64| time - (time - offset_us).rem_euclid(slide);
    match windows.kind {
        WindowKind::Cumulating => {
            let start = start(size_us);
            for step in 1..=size_us / slide_us {
                found.push((start, start + step * slide_us));
            }
        }
        _ => {
            for back in 0..size_us / slide_us + 2 {
                let start = start(slide_us) - back * slide_us;
                found.push((start, start + size_us));
            }
        }
    }
    found.retain(|(start, end)| (*start..*end).contains(&time));
    found.sort_unstable_by_key(|(_, end)| *end);
    found
}

#[test]
fn windows_of_a_time_are_those_that_hold_it() {
    for kind in [WindowKind::Hopping, WindowKind::Cumulating] {
        for (slide, size, offset) in [
            (MINUTE, 5 * MINUTE, 0),
            (MINUTE, MINUTE, 7),
            (10_000, 40_000, -3),
            (7 * MINUTE, 21 * MINUTE, 11 * MINUTE),
        ] {
            let windows = windows(kind, (slide, size, offset));
            let overlapping = Overlapping::new(&windows).unwrap();
            for time in (-5 * size..5 * size).step_by(3_331_777).chain([0, -1, 1]) {
                let found = overlapping.windows(time).unwrap();
                let found: Vec<_> = found.map(|w| overlapping.bounds(w).unwrap()).collect();
                assert_eq!(found, plainly(&windows, time), "{windows} at {time}");
            }
        }
    }
}

/// However many windows of a row are over: its slice counts in exactly the others, the slice is
/// among those of each of these, and of no other window's that are tried.
#[test]
fn slices_count_in_the_windows_that_are_open() {
    for kind in [WindowKind::Hopping, WindowKind::Cumulating] {
        for offset in [0, 11] {
            let overlapping = Overlapping::new(&windows(kind, (10_000, 70_000, offset))).unwrap();
            let mut slices = std::collections::BTreeMap::new();
            for time in (-200_000..200_000).step_by(2_503) {
                for closed in (time - 100_000..time + 90_000).step_by(1_999) {
                    let all: Vec<i64> = overlapping.windows(time).unwrap().collect();
                    let is_open = |w: &&i64| overlapping.bounds(**w).unwrap().1 > closed;
                    let open: Vec<i64> = all.iter().filter(is_open).copied().collect();
                    let first_open = overlapping.first_open(closed).unwrap();
                    let later = all.iter().filter(|w| **w >= first_open);
                    assert_eq!(open, later.copied().collect::<Vec<_>>());
                    let (Some(first), Some(last)) = (open.first(), open.last()) else {
                        continue;
                    };
                    let slice = overlapping.slice((*first, *last)).unwrap();
                    let counted: Vec<i64> = overlapping.windows_of(slice.id).unwrap().collect();
                    assert_eq!(counted, open, "{kind:?}");
                    assert_eq!(slice.end, overlapping.bounds(*last).unwrap().1);
                    let same = slices.insert(slice.id, open.clone());
                    assert!(same.is_none_or(|same| same == open));
                    for window in first - 3..last + 3 {
                        let (from, below) = overlapping.slices_of(window).unwrap();
                        let may = (from..below).contains(&slice.id);
                        assert!(may || !open.contains(&window), "{kind:?}");
                    }
                }
            }
            let ends = slices.keys().map(|id| {
                let last = *overlapping.windows_of(*id).unwrap().end();
                overlapping.bounds(last).unwrap().1
            });
            assert!(ends.is_sorted(), "slices end in the order of their ids");
        }
    }
}

#[test]
fn days_of_a_zone_are_as_long_as_its_days() {
    let days = |kind, size| {
        let windows = Windows {
            kind,
            size_us: size * DAY_US,
            slide_us: DAY_US,
            offset_us: 0,
            zone: Some("Europe/Berlin".to_owned()),
        };
        Overlapping::new(&windows).unwrap()
    };
    let shown = |overlapping: &Overlapping, time: &str| -> Vec<(String, String)> {
        let text = |micros: i64| {
            let time = DateTime::<Utc>::from_timestamp_micros(micros).unwrap();
            time.format("%m-%dT%H").to_string()
        };
        let windows = overlapping.windows(micros(time)).unwrap();
        let bounds = windows.map(|w| overlapping.bounds(w).unwrap());
        bounds
            .map(|(start, end)| (text(start), text(end)))
            .collect()
    };
    let pair = |start: &str, end: &str| (start.to_owned(), end.to_owned());
    // On 2026-03-29 the clocks went on by an hour.
    assert_eq!(
        shown(&days(WindowKind::Hopping, 2), "2026-03-29T12:00:00Z"),
        [pair("03-27T23", "03-29T22"), pair("03-28T23", "03-30T22")]
    );
    let cumulated = shown(&days(WindowKind::Cumulating, 3), "2026-03-29T12:00:00Z");
    assert_eq!(cumulated.last().unwrap().1, "03-31T22");
    assert!(cumulated.iter().all(|(start, _)| *start == cumulated[0].0));
}

/// In Apia there was no 2011-12-30: two windows begin together, and are still two.
#[test]
fn a_day_that_a_zone_left_out_mixes_no_windows_up() {
    let windows = Windows {
        kind: WindowKind::Hopping,
        size_us: 3 * DAY_US,
        slide_us: DAY_US,
        offset_us: 0,
        zone: Some("Pacific/Apia".to_owned()),
    };
    let overlapping = Overlapping::new(&windows).unwrap();
    let mut ids = std::collections::BTreeMap::new();
    let mut time = micros("2011-12-20T00:00:00Z");
    while time < micros("2012-01-10T00:00:00Z") {
        let all: Vec<i64> = overlapping.windows(time).unwrap().collect();
        assert_eq!(all.len(), 3);
        for window in all {
            let (start, end) = overlapping.bounds(window).unwrap();
            assert!((start..end).contains(&time));
            let id = overlapping.id(window).unwrap();
            assert!(id < end && overlapping.window(id) == Some(window));
            assert_eq!(*ids.entry(id).or_insert((start, end)), (start, end));
        }
        time += DAY_US / 7;
    }
    let starts: Vec<i64> = ids.values().map(|(start, _)| *start).collect();
    assert!(starts.is_sorted() && starts.windows(2).any(|two| two[0] == two[1]));
}

#[test]
fn says_what_does_not_fit() {
    let error = |kind, cut| {
        Overlapping::new(&windows(kind, cut))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error(WindowKind::Hopping, (2 * MINUTE, 5 * MINUTE, 0)),
        "the length of a window is a multiple of its slide"
    );
    assert_eq!(
        error(WindowKind::Cumulating, (2 * MINUTE, 5 * MINUTE, 0)),
        "the length of a window is a multiple of its step"
    );
    assert_eq!(
        error(WindowKind::Hopping, (1_000_000, 6_000_000_000, 0)),
        "a time is in 6000 windows, at most 5000 are possible"
    );
    assert_eq!(
        error(WindowKind::Hopping, (1_000, 5_000, 0)),
        "windows follow each other by 10 milliseconds or more"
    );
    assert_eq!(
        error(WindowKind::Hopping, (0, 5_000, 0)),
        "a window needs a length above zero"
    );
    let hop = Overlapping::new(&windows(WindowKind::Hopping, (MINUTE, 5 * MINUTE, 0))).unwrap();
    assert_eq!(
        hop.windows(i64::MAX),
        Err(TumbleError::Range { time_us: i64::MAX })
    );
}
