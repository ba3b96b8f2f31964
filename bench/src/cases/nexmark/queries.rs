//! The queries, and questions that tell whether their answers are right.
//!
//! Every query's rows are compared with DuckDB's, one by one and of few events, in
//! `tests/python/nexmark_answers.py`. Here events are many: sums are compared.

/// A query of Nexmark.
pub(super) struct Query {
    /// Also that of its last view.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) view: &'static str,
    /// Of the rate per core.
    pub(super) goal: Option<&'static str>,
    /// Two questions whose answers must be the same.
    pub(super) same: [&'static str; 2],
}

pub(super) const QUERIES: [Query; 18] = [
    Query {
        name: "q0",
        title: "bids as they are",
        view: include_str!("../../../apps/nexmark/q0.sql"),
        goal: None,
        same: [
            "SELECT count(*), sum(price), max(extra) FROM q0",
            "SELECT count(*), sum(price), max(extra) FROM bid",
        ],
    },
    Query {
        name: "q1",
        title: "prices in another currency",
        view: include_str!("../../../apps/nexmark/q1.sql"),
        goal: Some("700,000"),
        same: [
            "SELECT count(*), min(price), max(price), max(extra) FROM q1",
            "SELECT count(*), min(0.908 * price), max(0.908 * price), max(extra) FROM bid",
        ],
    },
    Query {
        name: "q2",
        title: "bids for one auction of 123",
        view: include_str!("../../../apps/nexmark/q2.sql"),
        goal: None,
        same: [
            "SELECT count(*), sum(price), sum(auction) FROM q2",
            "SELECT count(*), sum(price), sum(auction) FROM bid WHERE auction % 123 = 0",
        ],
    },
    Query {
        name: "q3",
        title: "join of auctions and people",
        view: include_str!("../../../apps/nexmark/q3.sql"),
        goal: None,
        same: [
            "SELECT count(*), sum(id), max(name) FROM q3",
            "SELECT count(*), sum(a.id), max(p.name) FROM auction a JOIN person p ON p.id = a.seller \
             WHERE a.category = 10 AND p.state IN ('or', 'id', 'ca')",
        ],
    },
    Query {
        name: "q4",
        title: "join of auctions and bids, highest of each, mean of each category",
        view: include_str!("../../../apps/nexmark/q4.sql"),
        goal: None,
        same: [
            "SELECT category, mean FROM q4 ORDER BY category",
            "SELECT category, avg(final) FROM (SELECT a.id, a.category, max(b.price) AS final \
             FROM auction a JOIN bid b ON b.auction = a.id AND b.date_time BETWEEN a.date_time AND a.expires \
             GROUP BY a.id, a.category) q GROUP BY category ORDER BY category",
        ],
    },
    Query {
        name: "q5",
        title: "hopping windows of 10 s every 2 s, the auctions with the most bids of each",
        view: include_str!("../../../apps/nexmark/q5.sql"),
        goal: Some("150,000"),
        same: [
            "SELECT count(*), sum(num), sum(auction) FROM q5",
            "SELECT count(*), sum(num), sum(auction) FROM (SELECT auction, num, \
             max(num) OVER (PARTITION BY starttime) AS most FROM (SELECT auction, count(*) AS num, \
             date_bin(INTERVAL '2 seconds', date_time) - before.s AS starttime FROM bid, \
             (VALUES (INTERVAL '0 seconds'), (INTERVAL '2 seconds'), (INTERVAL '4 seconds'), \
             (INTERVAL '6 seconds'), (INTERVAL '8 seconds')) AS before(s) GROUP BY 1, 3) g \
             WHERE starttime <= (SELECT max(starttime) FROM q5)) q WHERE num = most",
        ],
    },
    Query {
        name: "q6",
        title: "winning bids, the last ten of each seller, their mean",
        view: include_str!("../../../apps/nexmark/q6.sql"),
        goal: None,
        same: [
            "SELECT count(*), min(mean), max(mean) FROM q6",
            "SELECT count(*), min(mean), max(mean) FROM (SELECT seller, avg(price) AS mean FROM (SELECT *, \
             row_number() OVER (PARTITION BY seller ORDER BY date_time DESC, id DESC) AS newest FROM (SELECT \
             a.id, a.seller, b.price, b.date_time, row_number() OVER (PARTITION BY a.id, a.seller \
             ORDER BY b.price DESC, b.date_time) AS n FROM auction a JOIN bid b ON b.auction = a.id \
             AND b.date_time BETWEEN a.date_time AND a.expires) w WHERE n = 1) l WHERE newest <= 10 \
             GROUP BY seller) q",
        ],
    },
    Query {
        name: "q7",
        title: "highest bids of each 10 s: windows, joined with their bids",
        view: include_str!("../../../apps/nexmark/q7.sql"),
        goal: Some("200,000"),
        same: [
            "SELECT count(*), sum(price), sum(auction), sum(bidder) FROM q7",
            "SELECT count(*), sum(price), sum(auction), sum(bidder) FROM (SELECT *, max(price) OVER \
             (PARTITION BY date_bin(INTERVAL '10 seconds', date_time)) AS most FROM bid \
             WHERE date_time < (SELECT max(starttime) FROM q7_most) + INTERVAL '10 seconds') q \
             WHERE price = most",
        ],
    },
    Query {
        name: "q8",
        title: "who opened an auction in the 10 s in which they came: windows joined",
        view: include_str!("../../../apps/nexmark/q8.sql"),
        goal: Some("300,000"),
        same: [
            "SELECT count(*), sum(id), max(name) FROM q8",
            "SELECT count(*), sum(id), max(name) FROM (SELECT DISTINCT p.id, p.name, \
             date_bin(INTERVAL '10 seconds', p.date_time) AS s FROM person p JOIN auction a ON a.seller = p.id \
             AND date_bin(INTERVAL '10 seconds', a.date_time) = date_bin(INTERVAL '10 seconds', p.date_time)) q \
             WHERE s <= (SELECT max(starttime) FROM q8)",
        ],
    },
    Query {
        name: "q9",
        title: "the winning bid of each auction",
        view: include_str!("../../../apps/nexmark/q9.sql"),
        goal: None,
        same: [
            "SELECT count(*), sum(id), sum(price), max(bid_date_time) FROM q9",
            "SELECT count(*), sum(id), sum(price), max(date_time) FROM (SELECT a.id, b.price, b.date_time, \
             row_number() OVER (PARTITION BY a.id ORDER BY b.price DESC, b.date_time) AS n FROM auction a \
             JOIN bid b ON b.auction = a.id AND b.date_time BETWEEN a.date_time AND a.expires) q WHERE n = 1",
        ],
    },
    Query {
        name: "q11",
        title: "sessions of each bidder, 10 s apart",
        view: include_str!("../../../apps/nexmark/q11.sql"),
        goal: None,
        same: [
            "SELECT count(*), sum(bid_count), sum(bidder) FROM q11",
            "SELECT count(*), CAST(sum(n) AS BIGINT), sum(bidder) FROM (SELECT bidder, session, count(*) AS n, \
             max(date_time) AS last FROM (SELECT bidder, date_time, sum(opens) OVER (PARTITION BY bidder \
             ORDER BY date_time) AS session FROM (SELECT bidder, date_time, CASE WHEN date_time - \
             lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time) < INTERVAL '10 seconds' \
             THEN 0 ELSE 1 END AS opens FROM bid) o) s GROUP BY bidder, session) q \
             WHERE last + INTERVAL '14 seconds' <= (SELECT max(date_time) FROM bid)",
        ],
    },
    Query {
        name: "q13",
        title: "each bid beside the row of a table",
        view: include_str!("../../../apps/nexmark/q13.sql"),
        goal: None,
        same: [
            "SELECT count(*), sum(price), max(value) FROM q13",
            "SELECT count(*), sum(price), max('side-' || auction % 10000) FROM bid",
        ],
    },
    Query {
        name: "q15",
        title: "counts of each day, different bidders and auctions among them",
        view: include_str!("../../../apps/nexmark/q15.sql"),
        goal: None,
        same: [
            "SELECT total_bids, rank1_bidders, total_bidders, total_auctions FROM q15",
            "SELECT count(*), count(DISTINCT bidder) FILTER (WHERE price < 10000), \
             count(DISTINCT bidder), count(DISTINCT auction) FROM bid",
        ],
    },
    Query {
        name: "q16",
        title: "the same of each channel",
        view: include_str!("../../../apps/nexmark/q16.sql"),
        goal: None,
        same: [
            "SELECT sum(total_bids), sum(total_bidders), sum(rank1_auctions), max(minute) FROM q16",
            "SELECT sum(a), sum(b), sum(c), max(d) FROM (SELECT count(*) AS a, \
             count(DISTINCT bidder) AS b, count(DISTINCT auction) FILTER (WHERE price < 10000) AS c, \
             to_char(max(date_time), 'HH24:MI') AS d FROM bid GROUP BY channel) q",
        ],
    },
    Query {
        name: "q17",
        title: "bids of each auction and day",
        view: include_str!("../../../apps/nexmark/q17.sql"),
        goal: None,
        same: [
            "SELECT count(*), sum(total_bids), sum(rank1_bids), sum(min_price), sum(max_price) FROM q17",
            "SELECT count(*), sum(a), sum(b), sum(c), sum(d) FROM (SELECT count(*) AS a, \
             count(*) FILTER (WHERE price < 10000) AS b, min(price) AS c, max(price) AS d \
             FROM bid GROUP BY auction) q",
        ],
    },
    Query {
        name: "q18",
        title: "the last bid of each bidder for each auction",
        view: include_str!("../../../apps/nexmark/q18.sql"),
        goal: None,
        same: [
            "SELECT count(*), sum(auction), sum(bidder), max(date_time) FROM q18",
            "SELECT count(*), sum(auction), sum(bidder), max(at) FROM (SELECT auction, bidder, \
             max(date_time) AS at FROM bid GROUP BY auction, bidder) q",
        ],
    },
    Query {
        name: "q19",
        title: "the ten highest bids of each auction",
        view: include_str!("../../../apps/nexmark/q19.sql"),
        goal: None,
        same: [
            "SELECT count(*), sum(price), sum(rank_number) FROM q19",
            "SELECT count(*), sum(price), CAST(sum(n) AS BIGINT) FROM (SELECT price, CAST(row_number() OVER \
             (PARTITION BY auction ORDER BY price DESC) AS BIGINT) AS n FROM bid) q WHERE n <= 10",
        ],
    },
    Query {
        name: "q20",
        title: "join of bids with auctions of one category",
        view: include_str!("../../../apps/nexmark/q20.sql"),
        goal: Some("100,000"),
        same: [
            "SELECT count(*), sum(price), max(item_name) FROM q20",
            "SELECT count(*), sum(b.price), max(a.item_name) FROM bid b JOIN auction a \
             ON a.id = b.auction WHERE a.category = 10",
        ],
    },
];
