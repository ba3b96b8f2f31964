//! `AuctionMaker`: people, auctions and bids of Nexmark.
//!
//! Source: Tucker, Tufte, Papadimos and Maier, "NEXMark – A Benchmark for Queries over Data
//! Streams", 2002; their distribution is that of the published generator, the crate `nexmark`: of
//! 50 events one is a person, three are auctions and 46 are bids.

use mainstem_kernel::Timestamp;
use nexmark::{
    EventGenerator,
    config::NexmarkConfig,
    event::{Auction, Bid, Event, Person},
};

use super::{
    Body,
    lines::{Lines, Second},
};

/// Makes them in event time.
#[derive(Debug)]
pub(crate) struct AuctionMaker {
    generator: EventGenerator,
    second: Second,
    /// Auctions end later than they begin: a second of their own.
    expires: Second,
}

impl AuctionMaker {
    /// So many events in each second of event time.
    pub(crate) fn new(first: Timestamp, per_second: usize) -> Self {
        let config = NexmarkConfig {
            base_time: millis(first),
            first_rate: per_second,
            next_rate: per_second,
            ..NexmarkConfig::default()
        };
        Self {
            generator: EventGenerator::new(config),
            second: Second::new(),
            expires: Second::new(),
        }
    }

    /// The next so many events, by stream; a stream without any is left out.
    pub(crate) fn bodies(&mut self, events: usize) -> Vec<Body> {
        let mut lines: [Lines; 3] = Default::default();
        for event in self.generator.by_ref().take(events) {
            match event {
                Event::Person(person) => of_person(&mut lines[0], &mut self.second, &person),
                Event::Auction(auction) => {
                    let seconds = (&mut self.second, &mut self.expires);
                    of_auction(&mut lines[1], seconds, &auction);
                }
                Event::Bid(bid) => of_bid(&mut lines[2], &mut self.second, &bid),
            }
        }
        let bodies = lines.into_iter().zip(["person", "auction", "bid"]);
        let bodies = bodies.map(|(lines, stream)| lines.into_body(stream));
        bodies.filter(|body| body.events > 0).collect()
    }
}

fn of_person(lines: &mut Lines, second: &mut Second, person: &Person) {
    lines
        .begin()
        .number("id", person.id)
        .text("name", &person.name)
        .text("email_address", &person.email_address)
        .text("credit_card", &person.credit_card)
        .text("city", &person.city)
        .text("state", &person.state)
        .time("date_time", (time(person.date_time), second))
        .text("extra", &person.extra)
        .end();
}

fn of_auction(lines: &mut Lines, (second, expires): (&mut Second, &mut Second), auction: &Auction) {
    lines
        .begin()
        .number("id", auction.id)
        .text("item_name", &auction.item_name)
        .text("description", &auction.description)
        .number("initial_bid", auction.initial_bid)
        .number("reserve", auction.reserve)
        .time("date_time", (time(auction.date_time), second))
        .time("expires", (time(auction.expires), expires))
        .number("seller", auction.seller)
        .number("category", auction.category)
        .text("extra", &auction.extra)
        .end();
}

fn of_bid(lines: &mut Lines, second: &mut Second, bid: &Bid) {
    lines
        .begin()
        .number("auction", bid.auction)
        .number("bidder", bid.bidder)
        .number("price", bid.price)
        .text("channel", &bid.channel)
        .text("url", &bid.url)
        .time("date_time", (time(bid.date_time), second))
        .text("extra", &bid.extra)
        .end();
}

fn millis(at: Timestamp) -> u64 {
    (at.0 / 1_000).unsigned_abs()
}

fn time(millis: u64) -> Timestamp {
    Timestamp(millis.cast_signed() * 1_000)
}
