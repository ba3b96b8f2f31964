//! Views of every kind, and what happens to what they read: rows that are late, too late, too far
//! ahead, tables that change and expire.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Random, SECOND, World, at};

pub(super) const BASE: &str = "
CREATE STREAM sales (
  shop TEXT, pieces INTEGER, price NUMERIC(12, 3), weight DOUBLE PRECISION, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '30 seconds'
);
CREATE STREAM visits (shop TEXT, seconds BIGINT);
CREATE STREAM calls (shop TEXT, seconds INTEGER, at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at - INTERVAL '10 seconds');
CREATE TABLE shops (shop TEXT PRIMARY KEY, town TEXT, rank INTEGER);
CREATE TABLE guides (shop TEXT PRIMARY KEY, guide TEXT) WITH (ttl = '5 minutes');
";

/// One of each way to compute; those that come later read those before.
const VIEWS: [&str; 71] = [
    "totals AS SELECT shop, count(*) AS n, sum(pieces) AS pieces, avg(pieces) AS mean, sum(weight) AS weight, avg(weight) AS mean_weight, min(weight) AS least
     FROM sales GROUP BY shop EMIT ON UPDATE",
    "hidden AS SELECT count(*) AS n, max(price) AS most FROM sales WHERE pieces > 0 GROUP BY shop, pieces % 3 EMIT ON UPDATE",
    "half_hidden AS SELECT upper(shop) AS shop, count(*) AS n FROM sales GROUP BY pieces % 3, upper(shop) HAVING count(*) > 2 EMIT ON UPDATE",
    "within AS SELECT n FROM (SELECT shop AS s, pieces % 2 AS odd, count(*) AS n FROM sales GROUP BY shop, pieces % 2) q WHERE n > 3 EMIT ON UPDATE",
    "everything AS SELECT count(*) AS n, sum(price * pieces) AS money FROM sales EMIT ON UPDATE",
    "nothing AS SELECT sum(pieces) AS pieces FROM sales WHERE pieces > 1000000 EMIT ON UPDATE",
    "different AS SELECT DISTINCT shop, pieces IS NULL AS unknown FROM sales EMIT ON UPDATE",
    "capped WITH (distinct_max = 4) AS SELECT shop, count(DISTINCT pieces) AS kinds, sum(DISTINCT pieces) AS pieces FROM sales GROUP BY shop EMIT ON UPDATE",
    "passed AS SELECT shop, coalesce(price, 0) * 2 AS twice, weight, at FROM sales WHERE weight IS NOT NULL",
    "passed_on AS SELECT shop, count(*) AS n, sum(weight) AS weight FROM passed GROUP BY shop EMIT ON UPDATE",
    "minutes AS SELECT window_start AS minute, shop, count(*) AS n, sum(price) AS price, avg(weight) AS mean
     FROM TUMBLE(sales, at, INTERVAL '1 minute') s GROUP BY window_start, window_end, shop EMIT ON WINDOW CLOSE",
    "quarters AS SELECT window_start AS quarter, sum(n) AS n FROM TUMBLE(minutes, minute, INTERVAL '15 minutes') m
     GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "hours AS SELECT window_start AS hour, window_end AS until, max(n) AS most FROM TUMBLE(quarters, quarter, INTERVAL '1 hour') q
     GROUP BY window_start, window_end EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 hour'",
    "days AS SELECT window_start, count(*) AS n FROM TUMBLE(sales, at, INTERVAL '1 day', TIME ZONE 'Europe/Berlin') s
     GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "corrected AS SELECT window_start, window_end, shop, sum(pieces) FILTER (WHERE weight > 0) AS pieces, count(DISTINCT pieces) AS kinds, avg(DISTINCT weight) AS mean
     FROM TUMBLE(sales, at, INTERVAL '2 minutes', INTERVAL '30 seconds') s
     WHERE pieces > -3 GROUP BY window_start, window_end, shop EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '3 minutes'",
    "hops AS SELECT window_start AS since, window_end AS until, shop, count(*) AS n, sum(price) AS price
     FROM HOP(sales, at, INTERVAL '20 seconds', INTERVAL '2 minutes', INTERVAL '5 seconds') s GROUP BY window_start, window_end, shop EMIT ON WINDOW CLOSE",
    "hops_above AS SELECT window_start, window_end, max(n) AS most FROM HOP(hops, since, INTERVAL '1 minute', INTERVAL '3 minutes') h
     GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "hops_corrected AS SELECT window_end, shop, sum(DISTINCT weight) AS weight, count(DISTINCT pieces) AS kinds, avg(DISTINCT price) AS price FROM HOP(sales, at, INTERVAL '1 minute', INTERVAL '4 minutes') s
     WHERE pieces > -3 GROUP BY window_start, window_end, shop EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '3 minutes'",
    "hops_figures AS SELECT window_start, window_end, min_by(pieces, at) AS first, bool_or(pieces > 5) AS many, approx_count_distinct(pieces) AS kinds, stddev(pieces) AS spread
     FROM HOP(sales, at, INTERVAL '1 minute', INTERVAL '5 minutes') s GROUP BY window_start, window_end EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '2 minutes'",
    "so_far AS SELECT window_start, window_end, count(*) AS n FROM CUMULATE(sales, at, INTERVAL '30 seconds', INTERVAL '5 minutes') s
     GROUP BY window_start, window_end EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 minute'",
    "weeks_now AS SELECT window_start, window_end, shop, count(*) AS n FROM HOP(sales, at, INTERVAL '1 day', INTERVAL '7 days', TIME ZONE 'Europe/Berlin') s
     GROUP BY window_start, window_end, shop EMIT ON UPDATE",
    "minutes_now AS SELECT window_start, shop, count(*) AS n, min(price) AS least FROM TUMBLE(sales, at, INTERVAL '1 minute') s
     GROUP BY window_start, window_end, shop EMIT ON UPDATE",
    "visits_of_shops AS SELECT window_start AS since, window_end AS until, shop, count(*) AS n, sum(pieces) FILTER (WHERE weight > 0) AS pieces
     FROM SESSION(sales PARTITION BY shop, at, INTERVAL '40 seconds') s GROUP BY window_start, window_end, shop EMIT ON WINDOW CLOSE",
    "all_together AS SELECT window_start, window_end, count(*) AS n FROM SESSION(passed, at, INTERVAL '5 seconds') s
     GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "over_minutes AS SELECT window_start, window_end, shop, sum(n) AS n FROM SESSION(minutes PARTITION BY (shop), minute, INTERVAL '2 minutes') m
     GROUP BY window_start, window_end, shop EMIT ON WINDOW CLOSE",
    "by_start AS SELECT window_start + INTERVAL '1 second' AS s, count(*) AS n FROM TUMBLE(sales, at, INTERVAL '5 minutes') s
     GROUP BY window_start + INTERVAL '1 second' EMIT ON UPDATE",
    "cut AS SELECT shop, window_start, window_end FROM TUMBLE(sales, at, INTERVAL '5 minutes') s WHERE pieces > 10",
    "towns AS SELECT s.town, count(*) AS n, sum(v.seconds) AS seconds FROM visits v
     LEFT JOIN shops FOR SYSTEM_TIME AS OF PROCTIME() s ON s.shop = v.shop GROUP BY s.town EMIT ON UPDATE",
    "guided AS SELECT v.shop, g.guide, s.rank FROM visits v
     JOIN guides FOR SYSTEM_TIME AS OF PROCTIME() g ON g.shop = v.shop
     LEFT JOIN shops FOR SYSTEM_TIME AS OF PROCTIME() s ON s.shop = v.shop",
    "ranks AS SELECT town, count(*) AS shops, min(rank) AS best FROM shops GROUP BY town EMIT ON UPDATE",
    "named_guides AS SELECT guide FROM guides WHERE guide <> 'g0' EMIT ON UPDATE",
    "five AS SELECT window_start, shop, count(*) AS n, sum(weight) AS weight FROM TUMBLE(passed, at, INTERVAL '5 minutes') p
     GROUP BY window_start, window_end, shop EMIT ON WINDOW CLOSE",
    "ranked AS SELECT s.at AS \"time\", s.pieces, h.rank FROM sales AS s LEFT JOIN shops FOR SYSTEM_TIME AS OF PROCTIME() h ON h.shop = s.shop WHERE s.pieces IS NOT NULL",
    "by_rank AS SELECT window_start, window_end, rank, count(*) AS n, max(pieces) AS most FROM TUMBLE(ranked, \"time\", INTERVAL '3 minutes') r
     GROUP BY window_start, window_end, rank EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '2 minutes'",
    "together AS SELECT shop, pieces, at FROM sales WHERE pieces > 0 UNION ALL SELECT shop, seconds, NULL FROM visits",
    "together_by_shop AS SELECT shop, count(*) AS n, sum(pieces) AS pieces FROM (SELECT shop, pieces FROM sales UNION ALL SELECT shop, pieces FROM together) t
     GROUP BY shop EMIT ON UPDATE",
    "counts AS SELECT n, count(*) AS shops FROM totals GROUP BY n EMIT ON UPDATE",
    "in_turn AS SELECT shop, at, pieces, lag(pieces) OVER (PARTITION BY shop ORDER BY at) AS before, count(*) FILTER (WHERE weight > 0) OVER (ORDER BY at) AS place,
     sum(price) OVER (PARTITION BY shop ORDER BY at ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS price FROM sales WHERE pieces <> 4",
    "rises AS SELECT s.shop, s.at, s.was FROM (SELECT shop, at, pieces, lag(pieces) OVER (PARTITION BY shop ORDER BY at) AS was FROM sales) s
     WHERE s.pieces > s.was",
    "climbs AS SELECT * FROM sales MATCH_RECOGNIZE (PARTITION BY shop ORDER BY at MEASURES FIRST(A.at) AS since, at, B.pieces AS pieces, count(*) AS n, sum(B.price) AS price
     PATTERN (A B{1,4} C) WITHIN INTERVAL '3 minutes' DEFINE B AS pieces >= PREV(pieces), C AS pieces < LAST(B.pieces) AND weight IS NOT NULL) m",
    "dearest AS SELECT shop, price, weight FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY shop ORDER BY price DESC) AS n FROM sales) s WHERE n <= 3 EMIT ON UPDATE",
    "latest AS SELECT shop, pieces, at FROM sales QUALIFY ROW_NUMBER() OVER (PARTITION BY shop ORDER BY at DESC) = 1 EMIT ON UPDATE",
    "last_visits AS SELECT shop, n, seconds FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY shop ORDER BY _seq DESC) AS n FROM visits) v WHERE n <= 5 EMIT ON UPDATE",
    "first_shops AS SELECT town, shop, rank FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY town ORDER BY rank) AS n FROM shops) s WHERE n <= 2 EMIT ON UPDATE",
    "of_towns AS SELECT town, count(*) AS shops, sum(rank) AS ranks FROM first_shops GROUP BY town EMIT ON UPDATE",
    "leaders AS SELECT shop, n, place FROM (SELECT shop, n, ROW_NUMBER() OVER (ORDER BY n DESC) AS place FROM totals) t WHERE place <= 3 EMIT ON UPDATE",
    "hidden_leaders AS SELECT n, most FROM (SELECT n, most, ROW_NUMBER() OVER (PARTITION BY n % 2 ORDER BY n DESC) AS place FROM hidden) t WHERE place <= 3 EMIT ON UPDATE",
    "sellers AS SELECT shop, pieces FROM (SELECT shop, pieces, ROW_NUMBER() OVER (ORDER BY pieces DESC) AS n FROM (SELECT shop, sum(pieces) AS pieces FROM sales GROUP BY shop) g) s WHERE n <= 2 EMIT ON UPDATE",
    "best_minutes AS SELECT window_start, shop, n, place FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY n DESC) AS place
     FROM (SELECT window_start, window_end, shop, count(*) AS n FROM TUMBLE(sales, at, INTERVAL '2 minutes') s GROUP BY window_start, window_end, shop) g) s
     WHERE place <= 2 EMIT ON WINDOW CLOSE",
    "last_figures AS SELECT shop, at, max_by(pieces, price) OVER (PARTITION BY shop ORDER BY at ROWS 3 PRECEDING) AS dearest,
     bool_and(pieces > 3) OVER (PARTITION BY shop ORDER BY at ROWS 2 PRECEDING) AS many, bool_or(weight > 0) FILTER (WHERE pieces > 0) OVER (ORDER BY at ROWS BETWEEN 4 PRECEDING AND 1 PRECEDING) AS heavy,
     min_by(pieces, at, 2) OVER (PARTITION BY shop ORDER BY at ROWS 5 PRECEDING) AS first_two, histogram(pieces, 0, 20, 4) OVER (PARTITION BY shop ORDER BY at ROWS 3 PRECEDING) AS ranges,
     stddev(weight) OVER (PARTITION BY shop ORDER BY at ROWS 3 PRECEDING) AS spread FROM sales",
    "last_kinds WITH (distinct_max = 6) AS SELECT shop, count(DISTINCT pieces) OVER (PARTITION BY shop ORDER BY _seq ROWS 7 PRECEDING) AS n, avg(DISTINCT weight) OVER (PARTITION BY shop ORDER BY _seq ROWS 3 PRECEDING) AS mean,
     sum(DISTINCT price) FILTER (WHERE pieces > 0) OVER (PARTITION BY shop ORDER BY _seq ROWS BETWEEN 4 PRECEDING AND 1 PRECEDING) AS price,
     count(DISTINCT pieces / 3) OVER (PARTITION BY shop ORDER BY _seq) AS kinds, sum(DISTINCT pieces % 4) OVER (PARTITION BY shop ORDER BY _seq) AS parts FROM sales",
    "either AS SELECT shop, pieces, at FROM sales WHERE pieces > 0 UNION ALL SELECT c.shop, seconds, c.at FROM calls c
     JOIN shops FOR SYSTEM_TIME AS OF PROCTIME() s ON s.shop = c.shop",
    "either_by_minute AS SELECT window_start, shop, count(*) AS n, sum(pieces) AS pieces FROM TUMBLE(either, at, INTERVAL '1 minute') e
     GROUP BY window_start, window_end, shop EMIT ON WINDOW CLOSE",
    "either_corrected AS SELECT window_start, window_end, count(*) AS n FROM HOP(either, at, INTERVAL '30 seconds', INTERVAL '2 minutes') e
     GROUP BY window_start, window_end EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 minute'",
    "called AS SELECT s.shop, s.pieces, s.at, c.seconds, c.at AS called FROM sales s JOIN calls c
     ON c.shop = s.shop AND c.at BETWEEN s.at - INTERVAL '20 seconds' AND s.at + INTERVAL '1 minute'",
    "called_by_shop AS SELECT s.shop, count(*) AS n, sum(c.seconds) FILTER (WHERE s.pieces > 3) AS seconds FROM sales s JOIN calls c
     ON c.shop = s.shop AND c.at > s.at AND c.at < s.at + INTERVAL '40 seconds' AND c.seconds > s.pieces WHERE s.weight > 0 GROUP BY s.shop EMIT ON UPDATE",
    "perhaps_called AS SELECT s.shop, s.at, s.pieces, c.seconds, c.called FROM sales s
     LEFT JOIN (SELECT shop, seconds, at AS called FROM calls WHERE seconds > 100) c
     ON c.shop = s.shop AND c.called BETWEEN s.at - INTERVAL '5 seconds' AND s.at + INTERVAL '30 seconds' WHERE s.pieces IS NOT NULL",
    "never_called AS SELECT s.shop, count(*) AS n FROM sales s LEFT JOIN calls c
     ON c.shop = s.shop AND c.at BETWEEN s.at - INTERVAL '50 seconds' AND s.at - INTERVAL '10 seconds' WHERE c.shop IS NULL GROUP BY s.shop EMIT ON UPDATE",
    "called_by_minute AS SELECT window_start, count(*) AS n, max(seconds) AS most FROM TUMBLE(perhaps_called, at, INTERVAL '1 minute') p
     GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "beside_itself AS SELECT a.shop, a.at AS first, b.at AS second FROM sales a JOIN sales b
     ON b.shop = a.shop AND b.pieces = a.pieces AND b.at > a.at AND b.at <= a.at + INTERVAL '1 minute'",
    "of_minutes AS SELECT m.shop, m.minute, m.n, c.seconds FROM minutes m JOIN calls c
     ON c.shop = m.shop AND c.at BETWEEN m.minute AND m.minute + INTERVAL '1 minute'",
    "with_pairs AS SELECT s.shop, s.pieces, s.at FROM sales s JOIN calls c ON c.shop = s.shop AND c.at BETWEEN s.at - INTERVAL '20 seconds' AND s.at + INTERVAL '1 minute'
     UNION ALL SELECT shop, seconds, at FROM calls WHERE seconds > 50",
    "with_pairs_by_minute AS SELECT window_start, shop, count(*) AS n, sum(pieces) AS pieces FROM TUMBLE(with_pairs, at, INTERVAL '1 minute') w
     GROUP BY window_start, window_end, shop EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 minute'",
    "perhaps_twice AS WITH later AS (SELECT s.shop, s.at, c.seconds FROM sales s LEFT JOIN calls c ON c.shop = s.shop AND c.at BETWEEN s.at AND s.at + INTERVAL '20 seconds'),
     sooner AS (SELECT s.shop, s.at, c.seconds FROM sales s LEFT JOIN calls c ON c.shop = s.shop AND c.at BETWEEN s.at - INTERVAL '40 seconds' AND s.at - INTERVAL '10 seconds')
     SELECT shop, at, seconds, 1 AS side FROM sooner UNION ALL SELECT shop, at, pieces, 2 FROM sales UNION ALL SELECT shop, at, seconds, 3 FROM later",
    "perhaps_in_sessions AS SELECT window_start, window_end, shop, count(*) AS n FROM SESSION(perhaps_twice PARTITION BY shop, at, INTERVAL '30 seconds') p
     GROUP BY window_start, window_end, shop EMIT ON WINDOW CLOSE",
    "pairs_by_shop AS SELECT shop, count(*) AS n, count(seconds) AS calls FROM (SELECT s.shop, c.seconds FROM sales s LEFT JOIN (SELECT shop, at, seconds FROM calls WHERE seconds > 20) c
     ON c.shop = s.shop AND c.at BETWEEN s.at AND s.at + INTERVAL '30 seconds' UNION ALL SELECT shop, NULL FROM calls) b GROUP BY shop EMIT ON UPDATE",
    "pairs_of_both AS SELECT e.shop, e.at, c.seconds FROM with_pairs e LEFT JOIN calls c ON c.shop = e.shop AND c.at BETWEEN e.at - INTERVAL '15 seconds' AND e.at",
    "with_minutes AS SELECT shop, minute AS at, n FROM minutes UNION ALL SELECT shop, at, seconds FROM calls",
    "with_minutes_by_minute AS SELECT window_start, count(*) AS n, sum(n) AS ns FROM TUMBLE(with_minutes, at, INTERVAL '1 minute') w
     GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "in_turn_of_both AS SELECT *, lag(amount) OVER (PARTITION BY shop ORDER BY at) AS before, count(*) OVER (ORDER BY at) AS place
     FROM (SELECT shop, at, pieces AS amount, 'sale' AS kind FROM sales WHERE pieces <> 4 UNION ALL SELECT c.shop, c.at, seconds, 'call' FROM calls c
     JOIN shops FOR SYSTEM_TIME AS OF PROCTIME() s ON s.shop = c.shop) b",
    "rises_of_both AS SELECT shop, at, amount FROM (SELECT shop, at, amount, lag(amount) OVER (PARTITION BY shop ORDER BY at) AS was
     FROM (SELECT shop, at, amount FROM (SELECT shop, at, pieces AS amount FROM either UNION ALL SELECT shop, at, seconds FROM calls) e) b) r WHERE amount > was",
];

pub(super) fn views() -> String {
    let views = VIEWS.map(|view| format!("CREATE MATERIALIZED VIEW {view};\n"));
    views.concat()
}

/// Their names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    VIEWS
        .iter()
        .filter_map(|view| view.split_whitespace().next())
}

fn sale(random: &mut Random, now: i64) -> Value {
    let behind = match random.below(12) {
        // Too late for windows, or too late for corrections as well.
        0 => random.between(0, 600 * SECOND),
        // Too far ahead to count.
        1 => -random.between(290 * SECOND, 310 * SECOND),
        _ => random.between(-SECOND, 40 * SECOND),
    };
    let shop = (random.below(8) > 0).then(|| format!("shop {}", random.below(5)));
    let pieces = (random.below(8) > 0).then(|| random.between(-5, 20));
    let price = format!("{}.{:03}", random.between(0, 90), random.below(1_000));
    // Sums of these depend on their order, unless they are exact.
    let weight = random.between(-1_000_000, 1_000_000) as f64 / 7.0;
    let weight = (random.below(8) > 0).then_some(weight);
    json!({"shop": shop, "pieces": pieces, "price": price, "weight": weight, "at": at(now - behind)})
}

fn call(random: &mut Random, now: i64) -> Value {
    let behind = match random.below(12) {
        0 => random.between(0, 600 * SECOND),
        1 => -random.between(290 * SECOND, 310 * SECOND),
        _ => random.between(-SECOND, 12 * SECOND),
    };
    let shop = (random.below(8) > 0).then(|| format!("shop {}", random.below(5)));
    json!({"shop": shop, "seconds": random.between(-5, 300), "at": at(now - behind)})
}

/// Something of everything happens.
pub(super) fn happen(world: &mut World, random: &mut Random, now: &mut i64, rounds: usize) {
    for round in 0..rounds {
        let pause = random.between(0, 30_000);
        world.advance(Duration::from_millis(pause.unsigned_abs()));
        *now += pause * 1_000;
        let shop = format!("shop {}", random.below(6));
        let gone = random.below(5) == 0;
        match random.below(8) {
            0 => {
                let town = format!("t{}", random.below(3));
                let rank = random.between(0, 9);
                let row = json!({"shop": shop, "town": town, "rank": rank, "_deleted": gone});
                world.push("shops", &[row]);
            }
            1 => {
                let guide = format!("g{}", random.below(3));
                world.push(
                    "guides",
                    &[json!({"shop": shop, "guide": guide, "_deleted": gone})],
                );
            }
            2 => {
                let rows: Vec<Value> = (0..=random.below(3)).map(|_| call(random, *now)).collect();
                world.push("calls", &rows);
            }
            3 => {
                let visit =
                    |random: &mut Random| json!({"shop": shop, "seconds": random.between(0, 900)});
                let rows = [visit(random), visit(random)];
                world.push("visits", &rows);
            }
            _ => {
                let rows: Vec<Value> = (0..=random.below(4)).map(|_| sale(random, *now)).collect();
                world.push("sales", &rows);
            }
        }
        if round % 40 == 20 {
            world.settle();
        }
    }
}
