//! The arithmetic of windows that overlap: hopping ones, and ones that cumulate.
//!
//! Time is cut into panes as long as the slide (`Tumbling`), which are numbered. Windows are made of
//! whole panes, so what is kept of rows is kept once per pane, and windows are merged from panes.
//!
//! ```text
//! panes            |  4  |  5  |  6  |  7  |          windows of pane 6
//! hopping, 3 panes  [── 4 ───────────]                 4, 5, 6: each begins with the pane of
//!                         [── 5 ───────────]           its number
//! cumulating, of 4  [4]                                6, 7: each ends with the pane of its
//!                   [── 5 ───]                         number, all of one round begin together
//!                   [── 6 ─────────]
//! ```
//!
//! # Rows that are late for some of their windows
//!
//! Windows of a pane end in the order of their numbers, so those that are over when a row comes are
//! the first ones: a row counts in a range of windows that ends with the last one of its pane. Rows
//! of one pane that count from the same window on are a *slice*; it has one number, by which its
//! state is kept:
//!
//! * hopping: the nominal begin of the pane (in UTC, whatever the zone), plus one for each window
//!   that is over. A pane is longer than it has windows, in microseconds (`SLIDE_US_MIN`,
//!   `COUNT_MAX`), so numbers tell slices apart and ascend with panes;
//! * cumulating: the nominal begin of the pane at which the first window ends that counts it. A row
//!   that is late for some windows is thereby as one that came later, and slices are panes.

use std::ops::RangeInclusive;

use super::{
    Tumbling,
    tumble::TumbleError,
    windows::{WindowKind, Windows},
};

/// Windows that a time may be in.
pub(crate) const COUNT_MAX: i64 = 5_000;
/// Shortest slide.
const SLIDE_US_MIN: i64 = 10_000;

// A pane has a microsecond for each of its slices.
const _: () = assert!(COUNT_MAX < SLIDE_US_MIN);

/// How time is cut into windows that overlap.
#[derive(Clone, Debug)]
pub struct Overlapping {
    panes: Tumbling,
    kind: WindowKind,
    /// Panes of the longest window.
    count: i64,
    /// Pane with which some round of cumulating windows begins.
    phase: i64,
}

/// Where rows of one time are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Names it.
    pub id: i64,
    /// When the last of its windows ends, in µs.
    pub end: i64,
}

impl Overlapping {
    /// Checks and takes windows.
    ///
    /// # Errors
    /// `TumbleError` says what of them does not fit.
    pub fn new(windows: &Windows) -> Result<Self, TumbleError> {
        let Windows {
            kind,
            size_us,
            slide_us,
            offset_us,
            zone,
        } = windows;
        if *size_us <= 0 || *slide_us <= 0 {
            return Err(TumbleError::Size);
        }
        let panes = Tumbling::new(*slide_us, *offset_us, zone.as_deref())?;
        if size_us % slide_us != 0 {
            return Err(TumbleError::Multiple {
                slide: match kind {
                    WindowKind::Cumulating => "step",
                    _ => "slide",
                },
            });
        }
        let count = size_us / slide_us;
        if count > COUNT_MAX {
            return Err(TumbleError::Many { count });
        }
        if *slide_us < SLIDE_US_MIN {
            return Err(TumbleError::Slide);
        }
        Ok(Self {
            panes,
            kind: *kind,
            count,
            phase: offset_us.rem_euclid(*size_us) / slide_us,
        })
    }

    /// Windows that a time is in at most.
    #[must_use]
    pub const fn count(&self) -> i64 {
        self.count
    }

    /// The numbers of the windows that a time is in, in the order in which they end.
    ///
    /// # Errors
    /// `Range` within a window of the ends of time.
    pub fn windows(&self, time_us: i64) -> Result<RangeInclusive<i64>, TumbleError> {
        let found = self.panes.number(time_us).and_then(|pane| {
            let windows = self.of_pane(pane)?;
            self.bounds(*windows.start())?;
            self.bounds(*windows.end())?;
            Some(windows)
        });
        found.ok_or(TumbleError::Range { time_us })
    }

    /// Start and end of a window; `None` beyond the ends of time.
    #[must_use]
    pub fn bounds(&self, window: i64) -> Option<(i64, i64)> {
        match self.kind {
            WindowKind::Hopping => {
                let end = window.checked_add(self.count)?;
                Some((self.panes.begin(window)?, self.panes.begin(end)?))
            }
            WindowKind::Cumulating | WindowKind::Tumbling | WindowKind::Session => {
                let start = self.panes.begin(self.round(window)?)?;
                Some((start, self.panes.begin(window.checked_add(1)?)?))
            }
        }
    }

    /// The first window that ends behind `closed`.
    #[must_use]
    pub fn first_open(&self, closed: i64) -> Option<i64> {
        let pane = self.panes.number(closed)?;
        match self.kind {
            WindowKind::Hopping => pane.checked_add(1)?.checked_sub(self.count),
            WindowKind::Cumulating | WindowKind::Tumbling | WindowKind::Session => Some(pane),
        }
    }

    /// The slice of rows that count from window `first` to `last`, which is the last of their pane.
    #[must_use]
    pub fn slice(&self, (first, last): (i64, i64)) -> Option<Slice> {
        let (_, end) = self.bounds(last)?;
        let id = match self.kind {
            WindowKind::Hopping => {
                let over = self
                    .count
                    .checked_sub(1)?
                    .checked_sub(last.checked_sub(first)?)?;
                self.panes.nominal(last)?.checked_add(over)?
            }
            WindowKind::Cumulating | WindowKind::Tumbling | WindowKind::Session => {
                self.panes.nominal(first)?
            }
        };
        Some(Slice { id, end })
    }

    /// The windows in which the rows of a slice count.
    #[must_use]
    pub fn windows_of(&self, slice: i64) -> Option<RangeInclusive<i64>> {
        let pane = self.panes.of_nominal(slice)?;
        let windows = self.of_pane(pane)?;
        let over = slice.checked_sub(self.panes.nominal(pane)?)?;
        Some(windows.start().checked_add(over)?..=*windows.end())
    }

    /// Ids of the slices that may count in a window: from the first, and below the second.
    #[must_use]
    pub fn slices_of(&self, window: i64) -> Option<(i64, i64)> {
        let (first, last) = match self.kind {
            WindowKind::Hopping => (window, window.checked_add(self.count)?),
            WindowKind::Cumulating | WindowKind::Tumbling | WindowKind::Session => {
                (self.round(window)?, window.checked_add(1)?)
            }
        };
        Some((self.panes.nominal(first)?, self.panes.nominal(last)?))
    }

    /// The id by which a window is kept where each is kept by itself: it ascends, and is smaller
    /// than the window's end.
    #[must_use]
    pub fn id(&self, window: i64) -> Option<i64> {
        self.panes.nominal(window)
    }

    /// The window of an id.
    #[must_use]
    pub fn window(&self, id: i64) -> Option<i64> {
        self.panes.of_nominal(id)
    }

    /// Begin and end of the pane of a time: all times within have the same windows. The first of
    /// them ends with the pane.
    #[must_use]
    pub fn pane(&self, time_us: i64) -> Option<(i64, i64)> {
        self.panes.window(time_us).ok()
    }

    fn of_pane(&self, pane: i64) -> Option<RangeInclusive<i64>> {
        Some(match self.kind {
            WindowKind::Hopping => pane.checked_add(1)?.checked_sub(self.count)?..=pane,
            WindowKind::Cumulating | WindowKind::Tumbling | WindowKind::Session => {
                pane..=self.round(pane)?.checked_add(self.count.checked_sub(1)?)?
            }
        })
    }

    /// The pane with which the round of a pane begins.
    fn round(&self, pane: i64) -> Option<i64> {
        let within = pane.checked_sub(self.phase)?.rem_euclid(self.count);
        pane.checked_sub(within)
    }
}

#[cfg(test)]
mod tests;
