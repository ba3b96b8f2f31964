//! `Keys`: which device each event is of. It never makes the event.

/// Which devices send, and how often each.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Keys {
    /// One after the other, from the first on.
    InOrder { count: u64 },
    /// Each as often as any other.
    Uniform { count: u64 },
    /// The k-th in proportion to k^-1.1: few send most.
    Zipf { count: u64 },
}

/// Exponent of the skewed choice.
const EXPONENT: f64 = 1.1;

/// Chooses devices, one for each event.
#[derive(Debug)]
pub(super) enum Chooser {
    InOrder { count: u64, next: u64 },
    Uniform { count: u64 },
    Zipf(Zipf),
}

impl Chooser {
    pub(super) fn new(keys: Keys) -> Self {
        match keys {
            Keys::InOrder { count } => Self::InOrder { count, next: 0 },
            Keys::Uniform { count } => Self::Uniform { count },
            Keys::Zipf { count } => Self::Zipf(Zipf::new(count)),
        }
    }

    /// The next device's number; `random` gives numbers of 64 random bits.
    pub(super) fn choose(&mut self, mut random: impl FnMut() -> u64) -> u64 {
        match self {
            Self::InOrder { count, next } => {
                let number = *next;
                *next = (number + 1) % *count;
                number
            }
            Self::Uniform { count } => random() % *count,
            Self::Zipf(zipf) => zipf.choose(random),
        }
    }
}

/// Numbers 0 to n − 1, the k-th in proportion to (k + 1)^-1.1, without a table of all of them.
///
/// Source: Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone
/// discrete distributions", ACM TOMACS 6(3), 1996.
#[derive(Debug)]
pub(super) struct Zipf {
    count: f64,
    integral_first: f64,
    integral_last: f64,
    /// What lies this near below a whole number is taken without a further look.
    near: f64,
}

impl Zipf {
    fn new(count: u64) -> Self {
        let count = crate::load::as_f64(count);
        Self {
            count,
            integral_first: integral(1.5) - 1.0,
            integral_last: integral(count + 0.5),
            near: 2.0 - inverse(integral(2.5) - 2.0_f64.powf(-EXPONENT)),
        }
    }

    fn choose(&self, mut random: impl FnMut() -> u64) -> u64 {
        loop {
            // 53 bits: all that a fraction holds.
            let share = crate::load::as_f64(random() >> 11) / crate::load::as_f64(1 << 53);
            let area = self.integral_last + share * (self.integral_first - self.integral_last);
            let place = inverse(area);
            let rank = place.round().clamp(1.0, self.count);
            let is_in =
                rank - place <= self.near || area >= integral(rank + 0.5) - rank.powf(-EXPONENT);
            if is_in {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a rank is a whole number from 1 to a count"
                )]
                return rank as u64 - 1;
            }
        }
    }
}

/// The integral of x^-1.1.
fn integral(x: f64) -> f64 {
    (x.powf(1.0 - EXPONENT) - 1.0) / (1.0 - EXPONENT)
}

fn inverse(area: f64) -> f64 {
    (1.0 + area * (1.0 - EXPONENT)).powf(1.0 / (1.0 - EXPONENT))
}
