//! `AdMaker`: what people do with advertisements.
//!
//! Source: Chintapalli and others, "Benchmarking Streaming Computation Engines: Storm, Flink and
//! Spark Streaming", IPDPS 2016: a hundred campaigns of ten advertisements each, all chosen evenly.

use mainstem_kernel::Timestamp;

use super::{
    Body,
    lines::{Lines, Second},
    splitmix,
};

/// Advertisements.
pub(crate) const ADS: usize = 1_000;
const CAMPAIGNS: usize = 100;
const USERS: usize = 100;
const PAGES: usize = 100;
const KINDS: [&str; 5] = ["banner", "modal", "sponsored-search", "mail", "mobile"];
const DONE: [&str; 3] = ["view", "click", "purchase"];
/// Event time between two events.
const STEP_MICROS: i64 = 100;

/// Makes them in event time.
#[derive(Debug)]
pub(crate) struct AdMaker {
    random: u64,
    next: Timestamp,
    second: Second,
    users: Vec<String>,
    pages: Vec<String>,
    ads: Vec<String>,
}

impl AdMaker {
    pub(super) fn new(seed: u64, first: Timestamp) -> Self {
        Self {
            random: seed,
            next: first,
            second: Second::new(),
            users: (0..USERS).map(|number| id("b1", number)).collect(),
            pages: (0..PAGES).map(|number| id("c2", number)).collect(),
            ads: (0..ADS).map(ad).collect(),
        }
    }

    pub(super) fn body(&mut self, events: usize) -> Body {
        let mut lines = Lines::default();
        for _event in 0..events {
            let at = self.next;
            self.next = Timestamp(at.0 + STEP_MICROS);
            let random = splitmix(&mut self.random);
            lines
                .begin()
                .text("user_id", chosen(&self.users, random))
                .text("page_id", chosen(&self.pages, random >> 12))
                .text("ad_id", chosen(&self.ads, random >> 24))
                .text("ad_type", chosen(&KINDS, random >> 40))
                .text("event_type", chosen(&DONE, random >> 52))
                .time("event_time", (at, &mut self.second))
                .text("ip_address", "1.2.3.4")
                .end();
        }
        lines.into_body("ad_event")
    }
}

/// The id of an advertisement.
pub(crate) fn ad(number: usize) -> String {
    id("a0", number)
}

/// The campaign that it is of.
pub(crate) fn campaign(ad: usize) -> String {
    id("ca", ad % CAMPAIGNS)
}

/// As long as a UUID, and spelled as one.
fn id(kind: &str, number: usize) -> String {
    format!("{kind}000000-0000-4000-8000-{number:012}")
}

/// One of them, by the last twelve bits.
fn chosen<T: AsRef<str>>(of: &[T], random: u64) -> &str {
    let place = usize::try_from(random & 0xfff).unwrap_or(0) % of.len();
    of[place].as_ref()
}
