//! The queries in Flink's SQL, and what both sides are asked about their rows.

/// A query in Flink's SQL.
pub(super) struct Peer {
    pub(super) name: &'static str,
    pub(super) query: &'static str,
    /// Both are asked it.
    pub(super) question: &'static str,
    pub(super) closed: Option<Closed>,
    /// Whether its rows, once told, never change.
    pub(super) appends: bool,
}

/// What both have.
pub(super) struct Closed {
    /// The last time that ours has.
    pub(super) last: &'static str,
    /// What is up to this time in Flink.
    pub(super) only: &'static str,
}

/// Queries of ours that Flink does not run, and why.
pub(super) static WITHOUT: [(&str, &str); 2] = [
    (
        "q6",
        "Flink has no figures over the rows before one of rows that change",
    ),
    (
        "q13",
        "a table that is written to needs another system there",
    ),
];

pub(super) static PEERS: [Peer; 16] = [
    peer(
        "q0",
        include_str!("../../../../peers/flink/q0.sql"),
        "SELECT count(*), sum(price), max(extra) FROM q0",
    ),
    peer(
        "q1",
        include_str!("../../../../peers/flink/q1.sql"),
        "SELECT count(*), min(price), max(price), max(extra) FROM q1",
    ),
    peer(
        "q2",
        include_str!("../../../../peers/flink/q2.sql"),
        "SELECT count(*), sum(price), sum(auction) FROM q2",
    ),
    peer(
        "q3",
        include_str!("../../../../peers/flink/q3.sql"),
        "SELECT count(*), sum(id), max(name) FROM q3",
    ),
    changing(peer(
        "q4",
        include_str!("../../../../peers/flink/q4.sql"),
        "SELECT count(*), sum(mean) FROM q4",
    )),
    up_to(
        peer(
            "q5",
            include_str!("../../../../peers/flink/q5.sql"),
            "SELECT count(*), sum(num), sum(auction) FROM q5",
        ),
        "SELECT max(starttime) FROM q5",
        "WHERE starttime <= TIMESTAMP '{}'",
    ),
    up_to(
        peer(
            "q7",
            include_str!("../../../../peers/flink/q7.sql"),
            "SELECT count(*), sum(price), sum(auction), sum(bidder) FROM q7",
        ),
        "SELECT max(starttime) FROM q7_most",
        "WHERE date_time < TIMESTAMP '{}' + INTERVAL '10' SECOND",
    ),
    up_to(
        peer(
            "q8",
            include_str!("../../../../peers/flink/q8.sql"),
            "SELECT count(*), sum(id), max(name) FROM q8",
        ),
        "SELECT max(starttime) FROM q8",
        "WHERE starttime <= TIMESTAMP '{}'",
    ),
    changing(peer(
        "q9",
        include_str!("../../../../peers/flink/q9.sql"),
        "SELECT count(*), sum(id), sum(price) FROM q9",
    )),
    up_to(
        peer(
            "q11",
            include_str!("../../../../peers/flink/q11.sql"),
            "SELECT count(*), sum(bid_count), sum(bidder) FROM q11",
        ),
        "SELECT max(endtime) FROM q11",
        "WHERE endtime <= TIMESTAMP '{}'",
    ),
    changing(peer(
        "q15",
        include_str!("../../../../peers/flink/q15.sql"),
        "SELECT total_bids, rank1_bidders, total_bidders, total_auctions FROM q15",
    )),
    changing(peer(
        "q16",
        include_str!("../../../../peers/flink/q16.sql"),
        "SELECT sum(total_bids), sum(total_bidders), sum(rank1_auctions) FROM q16",
    )),
    changing(peer(
        "q17",
        include_str!("../../../../peers/flink/q17.sql"),
        "SELECT count(*), sum(total_bids), sum(rank1_bids), sum(min_price), sum(max_price) FROM q17",
    )),
    changing(peer(
        "q18",
        include_str!("../../../../peers/flink/q18.sql"),
        "SELECT count(*), sum(auction), sum(bidder) FROM q18",
    )),
    changing(peer(
        "q19",
        include_str!("../../../../peers/flink/q19.sql"),
        "SELECT count(*), sum(price), sum(rank_number) FROM q19",
    )),
    peer(
        "q20",
        include_str!("../../../../peers/flink/q20.sql"),
        "SELECT count(*), sum(price), max(item_name) FROM q20",
    ),
];

const fn peer(name: &'static str, query: &'static str, question: &'static str) -> Peer {
    Peer {
        name,
        query,
        question,
        closed: None,
        appends: true,
    }
}

const fn changing(peer: Peer) -> Peer {
    Peer {
        appends: false,
        ..peer
    }
}

const fn up_to(peer: Peer, last: &'static str, only: &'static str) -> Peer {
    Peer {
        closed: Some(Closed { last, only }),
        ..peer
    }
}
