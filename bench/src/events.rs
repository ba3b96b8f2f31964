//! What the benches send: lines of JSON out of a seed, the same each time. It never sends them.

mod ads;
mod auctions;
mod keys;
mod lines;
mod readings;

use mainstem_kernel::Timestamp;

pub(crate) use ads::{ADS, ad, campaign};
pub(crate) use auctions::AuctionMaker;
pub(crate) use keys::Keys;
pub(crate) use readings::{DEVICES, DEVICES_MAX, EVENT_BYTES, EventMaker, device};

/// Event time between two events.
pub(crate) const STEP_MICROS: i64 = 1_000;
/// Nexmark's events of each second of event time, as its generator has them by itself.
const AUCTIONS_PER_SECOND: usize = 10_000;
/// Requests of the one order that are under way at once: eight times 0.4 s of auctions, 24 times
/// 0.2 s of advertisements, 24 times 2 s of readings. That is less than the delays of their watermarks, so
/// none comes late.
const AHEAD_MAX: u64 = 24;

/// What events are of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Events {
    /// Readings of these vehicles.
    Readings(Keys),
    /// The same, none of which comes so late that it misses its turn in event time.
    InTurn(Keys),
    /// People, auctions and bids of Nexmark.
    Auctions,
    /// What people do with advertisements, as the streaming benchmark of Yahoo has it.
    Ads,
}

impl Events {
    /// How many requests before it a request need not wait for; none, if any.
    pub(crate) const fn ahead_max(self) -> Option<u64> {
        match self {
            Self::Readings(_) => None,
            Self::InTurn(_) | Self::Auctions | Self::Ads => Some(AHEAD_MAX),
        }
    }
}

/// Some events of one stream.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// If it is not that of the load.
    pub(crate) stream: Option<&'static str>,
    pub(crate) events: usize,
    /// A line each.
    pub(crate) lines: Vec<u8>,
}

/// Makes events one after the other, in event time.
#[derive(Debug)]
pub(crate) enum Maker {
    Readings(Box<EventMaker>),
    Auctions(Box<AuctionMaker>),
    Ads(Box<ads::AdMaker>),
}

impl Maker {
    /// The first event happens at `first`.
    pub(crate) fn new(of: Events, seed: u64, first: Timestamp) -> Self {
        match of {
            Events::Readings(keys) | Events::InTurn(keys) => {
                Self::Readings(Box::new(EventMaker::new(seed, keys, (first, STEP_MICROS))))
            }
            Events::Auctions => {
                Self::Auctions(Box::new(AuctionMaker::new(first, AUCTIONS_PER_SECOND)))
            }
            Events::Ads => Self::Ads(Box::new(ads::AdMaker::new(seed, first))),
        }
    }

    /// The next so many events, of all streams together.
    pub(crate) fn bodies(&mut self, events: usize) -> Vec<Body> {
        match self {
            Self::Readings(maker) => vec![Body {
                stream: None,
                events,
                lines: maker.body(events),
            }],
            Self::Auctions(maker) => maker.bodies(events),
            Self::Ads(maker) => vec![maker.body(events)],
        }
    }
}

/// Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
/// OOPSLA 2014 (splitmix64).
pub(crate) fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
