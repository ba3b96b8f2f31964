//! Which windows a view opens: what its text says of them, before anything is computed.
//! How time is cut is in `tumble`, `overlap` and, for sessions, with whoever runs the view.

use std::fmt;

/// Windows of event time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Of which kind.
    pub kind: WindowKind,
    /// Length; of session windows the gap that ends one. Days of a time zone count 24 hours here.
    pub size_us: i64,
    /// How far the start, or the end, of one is from that of the next; the length if they do not
    /// overlap.
    pub slide_us: i64,
    /// How far they are shifted.
    pub offset_us: i64,
    /// The zone whose days are counted; UTC if there is none. Then lengths are whole days.
    pub zone: Option<String>,
}

/// How windows lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowKind {
    /// TUMBLE: one behind the other.
    Tumbling,
    /// HOP: each as long, one begins every slide.
    Hopping,
    /// CUMULATE: from one start to each step, up to the length.
    Cumulating,
    /// SESSION: from the first row of a key to the gap behind its last one.
    Session,
}

impl WindowKind {
    /// The table function that opens them.
    #[must_use]
    pub const fn function(self) -> &'static str {
        match self {
            Self::Tumbling => "TUMBLE",
            Self::Hopping => "HOP",
            Self::Cumulating => "CUMULATE",
            Self::Session => "SESSION",
        }
    }

    /// Whether a row may be in several windows.
    #[must_use]
    pub const fn overlaps(self) -> bool {
        match self {
            Self::Tumbling | Self::Session => false,
            Self::Hopping | Self::Cumulating => true,
        }
    }
}

impl fmt::Display for Windows {
    /// As EXPLAIN has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            size_us,
            slide_us,
            offset_us,
            zone,
        } = self;
        match kind {
            WindowKind::Tumbling => write!(f, "size {size_us} µs")?,
            WindowKind::Hopping => write!(f, "slide {slide_us} µs size {size_us} µs")?,
            WindowKind::Cumulating => write!(f, "step {slide_us} µs size {size_us} µs")?,
            WindowKind::Session => return write!(f, "gap {size_us} µs"),
        }
        write!(f, " offset {offset_us} µs")?;
        zone.iter().try_for_each(|zone| write!(f, " zone {zone}"))
    }
}
