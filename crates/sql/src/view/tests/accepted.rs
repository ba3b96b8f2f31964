//! Every accepted form, as operators, state and plain question.

use super::bed::Bed;

/// The views that the shipped applications have.
pub(super) const SHIPPED: [&str; 6] = [
    "revenue_by_country WITH (distinct_max = 100000) AS
SELECT country, count(DISTINCT invoice_no) AS orders, count(DISTINCT customer_id) AS customers, sum(quantity * unit_price) AS revenue
FROM purchases GROUP BY country EMIT ON UPDATE",
    "revenue_by_hour AS
SELECT window_start, window_end, count(DISTINCT invoice_no) AS orders, sum(quantity * unit_price) AS revenue
FROM TUMBLE(purchases, invoice_date, INTERVAL '1 hour') GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 day'",
    "driven AS
SELECT r.vehicle_id, r.at, v.owner_id, v.model, r.speed_kmh, r.celsius
FROM readings r JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = r.vehicle_id",
    "minute_by_vehicle AS
SELECT window_start, window_end, r.vehicle_id, v.model, count(*) AS n, avg(celsius) AS mean, max(celsius) AS hottest,
  count(*) FILTER (WHERE speed_kmh > 50) AS fast
FROM TUMBLE(readings, at, INTERVAL '1 minute') r
JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = r.vehicle_id
GROUP BY window_start, window_end, r.vehicle_id, v.model
EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 day'",
    "trips_by_owner AS
SELECT v.owner_id, count(*) AS trips, sum(distance_km) AS km, sum(harsh_brakes) AS harsh_brakes
FROM trips t LEFT JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = t.vehicle_id
GROUP BY v.owner_id EMIT ON UPDATE EVERY INTERVAL '1 second'",
    "vehicles_by_model AS SELECT model, count(*) AS vehicles, min(owner_id) AS first FROM vehicles GROUP BY model EMIT ON UPDATE",
];

/// Other forms, over the views before them too.
pub(super) const OTHERS: [&str; 80] = [
    "fast AS SELECT * FROM readings WHERE speed_kmh > 130 AND celsius IS NOT NULL",
    "days AS SELECT window_start, count(*) AS n FROM TUMBLE(readings, at, INTERVAL '1 day', TIME ZONE 'Europe/Berlin') GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "weeks AS SELECT window_start AS week, window_end, country, sum(quantity) AS pieces FROM TUMBLE(purchases, invoice_date, INTERVAL '1' WEEK, INTERVAL '4 days') p WHERE p.country <> 'Unspecified' GROUP BY country, window_start, window_end HAVING sum(quantity) > 10 EMIT ON WINDOW CLOSE",
    "per_vehicle AS SELECT vehicle_id, window_start AS minute, window_end AS until, count(*) AS n FROM TUMBLE(driven, at, INTERVAL '1 minute') GROUP BY vehicle_id, window_start, window_end EMIT ON WINDOW CLOSE",
    "hours AS SELECT window_start, window_end, sum(n) AS n FROM TUMBLE(per_vehicle, minute, INTERVAL '1 hour') GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "totals AS SELECT count(*) AS n, sum(quantity) AS pieces, max(invoice_date) AS latest FROM purchases EMIT ON UPDATE",
    "many AS SELECT sum(quantity) AS pieces FROM purchases HAVING sum(quantity) > 100 EMIT ON UPDATE",
    "upper_countries AS SELECT upper(country) AS c, avg(quantity) AS mean FROM purchases GROUP BY 1 EMIT ON UPDATE",
    "unselected AS SELECT count(*) AS n FROM purchases GROUP BY country, customer_id EMIT ON UPDATE",
    "kinds_of_prices WITH (distinct_max = 1000) AS SELECT country, sum(DISTINCT unit_price) AS prices, avg(DISTINCT quantity) FILTER (WHERE quantity > 0) AS mean, count(DISTINCT quantity) AS n FROM purchases GROUP BY country EMIT ON UPDATE",
    "kinds_of_hours AS SELECT window_start, window_end, sum(DISTINCT quantity) AS quantities, mean(DISTINCT quantity) AS mean FROM TUMBLE(purchases, invoice_date, INTERVAL '1 hour') GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "different AS SELECT DISTINCT country, customer_id IS NULL AS unknown FROM purchases EMIT ON UPDATE",
    "owned AS SELECT owner_id, model FROM vehicles WHERE owner_id IS NOT NULL EMIT ON UPDATE",
    "big_stock AS SELECT article * 2 AS a, pieces FROM stock WHERE pieces > 10 EMIT ON UPDATE",
    "top AS SELECT country, revenue FROM revenue_by_country WHERE revenue > 1000 EMIT ON UPDATE",
    "sums AS SELECT count(*) AS countries, sum(orders) AS orders FROM revenue_by_country EMIT ON UPDATE",
    "with_stock AS SELECT p.n, s.pieces FROM plain p LEFT JOIN stock FOR SYSTEM_TIME AS OF PROCTIME() AS s ON s.article = p.id AND s.site = 7 WHERE p.n > 3",
    "inner_rest AS SELECT p.n, s.pieces FROM plain p JOIN stock FOR SYSTEM_TIME AS OF PROCTIME() AS s ON s.article = p.id AND s.site = p.n::INTEGER AND s.pieces > p.n",
    "two AS SELECT t.trip_id, v.model, w.owner_id FROM trips t JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = t.vehicle_id JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() w ON w.vehicle_id = v.owner_id",
    "nested AS WITH p AS (SELECT country AS c, quantity * unit_price AS price FROM purchases WHERE quantity > 0) SELECT c, sum(price) AS s FROM (SELECT c, price FROM p WHERE price > 1) q GROUP BY c EMIT ON UPDATE",
    "only_count AS SELECT window_start, window_end, count(*) AS n FROM TUMBLE(plain_timed, at, INTERVAL '10 minutes') GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "hops AS SELECT window_start, window_end, country, count(*) AS n, sum(quantity) AS pieces FROM HOP(purchases, invoice_date, INTERVAL '20 minutes', INTERVAL '1 hour') WHERE quantity > 0 GROUP BY country, window_start, window_end EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 day'",
    "hop_days AS SELECT window_start AS since, count(*) AS n, max(speed_kmh) AS fastest FROM HOP(readings, at, INTERVAL '1 day', INTERVAL '7 days', TIME ZONE 'Europe/Berlin') GROUP BY window_start, window_end HAVING count(*) > 1 EMIT ON WINDOW CLOSE",
    "hop_models AS SELECT window_end, v.model, min(celsius) AS coldest FROM HOP(readings, at, INTERVAL '1 minute', INTERVAL '3 minutes', INTERVAL '10 seconds') r JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = r.vehicle_id GROUP BY window_start, window_end, v.model EMIT ON UPDATE EVERY INTERVAL '1 second'",
    "so_far AS SELECT window_start, window_end, count(DISTINCT customer_id) AS customers FROM CUMULATE(purchases, invoice_date, INTERVAL '6 hours', INTERVAL '1 day', INTERVAL '2 hours') GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "so_far_now AS SELECT window_end, sum(quantity) AS pieces FROM CUMULATE(purchases, invoice_date, INTERVAL '12 hours', INTERVAL '1 day') GROUP BY window_start, window_end EMIT ON UPDATE",
    "hours_now AS SELECT window_start, window_end, country, sum(quantity) AS pieces FROM TUMBLE(purchases, invoice_date, INTERVAL '1 hour') GROUP BY window_start, window_end, country EMIT ON UPDATE",
    "visits AS SELECT window_start, window_end, country, count(*) AS n, sum(quantity) FILTER (WHERE quantity > 0) AS pieces FROM SESSION(purchases PARTITION BY country, invoice_date, INTERVAL '2 hours') GROUP BY window_start, window_end, country EMIT ON WINDOW CLOSE",
    "drives AS SELECT window_end AS until, r.vehicle_id, max(speed_kmh) AS fastest, min(v.model) AS model FROM SESSION(readings PARTITION BY (vehicle_id), at, INTERVAL '5 minutes') r LEFT JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = r.vehicle_id WHERE r.vehicle_id <> 'v1' GROUP BY r.vehicle_id, window_start, window_end HAVING count(*) > 1 EMIT ON WINDOW CLOSE",
    "both AS SELECT vehicle_id, at, speed_kmh AS value, 'reading' AS kind FROM readings UNION ALL SELECT vehicle_id, ended_at, harsh_brakes, 'trip' FROM trips WHERE distance_km > 1",
    "both_minutes AS SELECT window_start, window_end, vehicle_id, count(*) AS n FROM TUMBLE(both, at, INTERVAL '1 minute') GROUP BY window_start, window_end, vehicle_id EMIT ON WINDOW CLOSE",
    "kinds AS SELECT kind, count(*) AS n, sum(value) AS total FROM (SELECT 'a' AS kind, quantity AS value FROM purchases UNION ALL SELECT 'b', harsh_brakes FROM trips UNION ALL SELECT v.model, 1 FROM readings r JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = r.vehicle_id) t GROUP BY kind EMIT ON UPDATE",
    "all_rows AS SELECT count(*) AS n FROM (SELECT trip_id FROM trips UNION ALL SELECT vehicle_id FROM readings) t EMIT ON UPDATE",
    "seen AS SELECT vehicle_id FROM trips UNION SELECT vehicle_id FROM readings EMIT ON UPDATE",
    "upper_seen AS WITH t AS (SELECT trip_id AS id, started_at AS at FROM trips UNION ALL (SELECT vehicle_id, at FROM readings UNION ALL SELECT country, NULL FROM purchases)) SELECT upper(id) AS id, at FROM t WHERE id <> 'x'",
    "prices AS SELECT quantity AS n, unit_price AS price FROM purchases UNION ALL SELECT id, n FROM plain UNION ALL SELECT harsh_brakes, distance_km FROM trips",
    "near AS SELECT r.vehicle_id, r.at, t.trip_id, r.speed_kmh FROM readings r JOIN trips t ON t.vehicle_id = r.vehicle_id AND r.at BETWEEN t.ended_at - INTERVAL '10 minutes' AND t.ended_at WHERE t.harsh_brakes > 0 AND r.speed_kmh > 1",
    "near_or_not AS SELECT r.vehicle_id, r.at, t.trip_id, t.ended_at FROM readings r LEFT JOIN trips t ON t.vehicle_id = r.vehicle_id AND r.at BETWEEN t.ended_at - INTERVAL '10 minutes' AND t.ended_at WHERE r.speed_kmh > 1 AND t.harsh_brakes IS NULL",
    "near_minutes AS SELECT window_start, window_end, count(*) AS n FROM TUMBLE(near, at, INTERVAL '1 minute') GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "pairs AS SELECT count(*) AS n, max(p.quantity - t.harsh_brakes) AS most FROM purchases p JOIN (SELECT upper(trip_id) AS trip, harsh_brakes, ended_at FROM trips WHERE distance_km > 1) t ON t.trip = p.invoice_no AND p.invoice_date > t.ended_at - INTERVAL '5 minutes' AND p.invoice_date <= t.ended_at + INTERVAL '1 day' AND p.quantity > t.harsh_brakes EMIT ON UPDATE",
    "same_time AS SELECT a.trip_id AS one, b.trip_id AS other, b.ended_at, v.model FROM trips a JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = a.vehicle_id JOIN trips b ON b.vehicle_id = a.vehicle_id AND b.ended_at = a.ended_at AND a.trip_id < b.trip_id",
    "arrived AS SELECT id, arrival_time(_seq) AS arrived_at, j ->> 'a' AS a, CASE WHEN n = 0 THEN NULL ELSE id / n END AS part, 1 + 1 AS two, id + n AS total FROM plain",
    "spread AS SELECT vehicle_id, stddev(speed_kmh) AS s, variance(celsius) AS v, stddev_pop(speed_kmh) FILTER (WHERE speed_kmh > 50) AS fast, var_pop(celsius) AS p FROM readings GROUP BY vehicle_id EMIT ON UPDATE",
    "last_of AS SELECT vehicle_id, last_value(speed_kmh ORDER BY at) AS last, first_value(celsius ORDER BY at DESC) AS also, min_by(celsius, speed_kmh) FILTER (WHERE speed_kmh > 20) AS coolest, bool_and(speed_kmh < 130) AS calm, every(celsius > 0) AS warm, bool_or(celsius IS NULL) AS blind FROM readings GROUP BY vehicle_id EMIT ON UPDATE",
    "about AS SELECT window_start, window_end, approx_count_distinct(vehicle_id) AS vehicles, approx_percentile_cont(0.95) WITHIN GROUP (ORDER BY speed_kmh) AS p95, approx_percentile_cont(0.9) WITHIN GROUP (ORDER BY celsius DESC) AS low, approx_median(celsius) AS mid FROM TUMBLE(readings, at, INTERVAL '1 hour') GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "about_models AS SELECT model, max_by(vehicle_id, owner_id) AS latest, min_by(owner_id, vehicle_id, 3) AS some, approx_percentile_cont(length(owner_id), 0.5) AS mid FROM vehicles GROUP BY model EMIT ON UPDATE",
    "buckets AS SELECT vehicle_id, histogram(speed_kmh, 0, 130, 4) AS speeds, histogram(celsius, -10.5, 40, 2) FILTER (WHERE speed_kmh > 50) AS warmth FROM readings GROUP BY vehicle_id EMIT ON UPDATE",
    "kinds_of_last AS SELECT country, count(DISTINCT quantity) OVER (PARTITION BY country ORDER BY _seq ROWS 3 PRECEDING) AS n, avg(DISTINCT quantity) FILTER (WHERE quantity > 0) OVER (PARTITION BY country ORDER BY _seq ROWS 3 PRECEDING) AS m FROM purchases",
    "dearest AS SELECT country, invoice_no, unit_price, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY country ORDER BY unit_price DESC) AS n FROM purchases) WHERE n <= 3 EMIT ON UPDATE",
    "last_readings AS SELECT vehicle_id, at, speed_kmh FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY vehicle_id ORDER BY _seq DESC) AS n FROM readings) r WHERE n < 6 AND celsius IS NOT NULL EMIT ON UPDATE",
    "no_place AS SELECT site, n FROM (SELECT site, ROW_NUMBER() OVER (PARTITION BY site ORDER BY pieces) AS n FROM stock) WHERE n <= 2 AND site IS NULL EMIT ON UPDATE",
    "latest AS SELECT vehicle_id, at, celsius FROM readings QUALIFY ROW_NUMBER() OVER (PARTITION BY vehicle_id ORDER BY at DESC) = 1 EMIT ON UPDATE",
    "third AS SELECT c, n, description FROM (SELECT upper(country) AS c, description, ROW_NUMBER() OVER (PARTITION BY upper(country) ORDER BY quantity, stock_code) AS n FROM purchases WHERE quantity > 0) WHERE 3 = n EMIT ON UPDATE",
    "largest_stock AS SELECT site, article, pieces FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY site ORDER BY pieces DESC) AS n FROM stock) WHERE n <= 2 EMIT ON UPDATE",
    "best_countries AS SELECT country, revenue, n FROM (SELECT country, revenue, ROW_NUMBER() OVER (ORDER BY revenue DESC) AS n FROM revenue_by_country) WHERE n BETWEEN 1 AND 5 EMIT ON UPDATE",
    "busiest AS SELECT window_start, window_end, vehicle_id, trips, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY trips DESC) AS n FROM (SELECT window_start, window_end, vehicle_id, count(*) AS trips FROM TUMBLE(trips, ended_at, INTERVAL '1 hour') GROUP BY window_start, window_end, vehicle_id)) WHERE n <= 3 EMIT ON WINDOW CLOSE",
    "fastest AS SELECT window_start, vehicle_id, speed_kmh FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, vehicle_id ORDER BY speed_kmh DESC) AS n FROM TUMBLE(readings, at, INTERVAL '10 minutes') r) WHERE n = 1 EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 day'",
    "most_minutes AS SELECT vehicle_id, n, place FROM (SELECT vehicle_id, n, ROW_NUMBER() OVER (ORDER BY n DESC) AS place FROM per_vehicle) WHERE place <= 4 EMIT ON UPDATE",
    "buyers AS SELECT customer_id, pieces FROM (SELECT *, ROW_NUMBER() OVER (ORDER BY pieces DESC NULLS LAST) AS n FROM (SELECT customer_id, sum(quantity) AS pieces FROM purchases GROUP BY customer_id)) WHERE n <= 10 EMIT ON UPDATE",
    "odd_readings AS SELECT vehicle_id, at, celsius, mean FROM (SELECT *, avg(celsius) OVER (PARTITION BY vehicle_id ORDER BY _seq ROWS BETWEEN 50 PRECEDING AND 1 PRECEDING) AS mean, count(celsius) OVER (PARTITION BY vehicle_id ORDER BY _seq ROWS BETWEEN 50 PRECEDING AND 1 PRECEDING) AS n FROM readings) r WHERE n > 2 AND celsius > mean + 10",
    "running_totals AS SELECT country, invoice_no, sum(quantity) OVER (PARTITION BY country ORDER BY _seq) AS pieces, count(*) OVER (PARTITION BY country ORDER BY _seq) AS n, max(quantity) OVER (PARTITION BY country ORDER BY _seq ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS most FROM purchases",
    "entered AS SELECT vehicle_id, at, is_fast FROM (SELECT vehicle_id, at, speed_kmh > 100 AS is_fast, lag(speed_kmh > 100) OVER (PARTITION BY vehicle_id ORDER BY _seq) AS was_fast FROM readings) r WHERE is_fast IS DISTINCT FROM was_fast",
    "of_fast AS SELECT vehicle_id, at, count(*) FILTER (WHERE speed_kmh > 60) OVER (PARTITION BY vehicle_id ORDER BY _seq ROWS 5 PRECEDING) AS n, avg(celsius) FILTER (WHERE speed_kmh > 60) OVER (PARTITION BY vehicle_id ORDER BY _seq) AS mean FROM readings",
    "lagging AS SELECT id, lag(n, 2) OVER (PARTITION BY id ORDER BY _seq) AS before, min(n) OVER (PARTITION BY id, upper(j ->> 'a') ORDER BY _seq ROWS BETWEEN 4 PRECEDING AND 2 PRECEDING) AS least FROM plain WHERE n > 0",
    "in_turn AS SELECT vehicle_id, at, speed_kmh, lag(speed_kmh) OVER (PARTITION BY vehicle_id ORDER BY at) AS before, avg(celsius) OVER (PARTITION BY vehicle_id ORDER BY at ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS mean, count(*) OVER (ORDER BY at) AS n FROM readings WHERE speed_kmh > 1",
    "on_trip AS SELECT vehicle_id, at, trip FROM (SELECT vehicle_id, at, is_reading, max_by(trip, since) OVER (PARTITION BY vehicle_id ORDER BY at) AS trip FROM (SELECT vehicle_id, at, true AS is_reading, CAST(NULL AS TEXT) AS trip, CAST(NULL AS TIMESTAMPTZ) AS since FROM readings UNION ALL SELECT vehicle_id, ended_at, false, trip_id, ended_at FROM trips) u) r WHERE is_reading",
    "turns_of_minutes AS SELECT window_start, vehicle_id, sum(n) AS n FROM TUMBLE(in_turn, at, INTERVAL '1 minute') GROUP BY window_start, window_end, vehicle_id EMIT ON WINDOW CLOSE",
    "braked AS SELECT * FROM readings MATCH_RECOGNIZE (PARTITION BY vehicle_id ORDER BY at MEASURES FIRST(F.at) AS since, at, S.speed_kmh AS speed_kmh, max(F.speed_kmh) - min(speed_kmh) AS by_kmh, count(*) AS rows PATTERN (F+ X? S) WITHIN INTERVAL '1 hour' DEFINE F AS speed_kmh > 60, S AS speed_kmh < LAST(F.speed_kmh) / 2)",
    "heated AS SELECT vehicle_id, m.until, m.mean FROM readings MATCH_RECOGNIZE (PARTITION BY vehicle_id ORDER BY _seq MEASURES B.at AS until, avg(B.celsius) AS mean PATTERN ((A | C) B{2,3}) DEFINE A AS celsius < 20, B AS B.celsius > PREV(celsius), C AS celsius IS NULL) AS m WHERE m.mean > 1",
    "braked_minutes AS SELECT window_start, window_end, count(*) AS n FROM TUMBLE(braked, at, INTERVAL '1 minute') GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "any_three AS SELECT * FROM plain MATCH_RECOGNIZE (ORDER BY _seq MEASURES id, FIRST(n) AS first, sum(n) AS total PATTERN (A{3}) DEFINE A AS TRUE)",
    "model_revenue AS SELECT v.vehicle_id, v.model, r.revenue FROM vehicles v LEFT JOIN revenue_by_country r ON r.country = v.model EMIT ON UPDATE",
    "same_model AS SELECT a.owner_id AS one, b.owner_id AS other FROM vehicles a JOIN vehicles b ON a.model = b.model AND a.owner_id < b.owner_id WHERE a.vehicle_id <> 'v1' EMIT ON UPDATE",
    "any_model AS SELECT a.vehicle_id AS one, b.vehicle_id AS other, b.model FROM vehicles a FULL JOIN vehicles b ON b.owner_id = a.model WHERE b.vehicle_id IS NOT NULL OR a.owner_id <> 'x' EMIT ON UPDATE",
    "revenue_of_models AS SELECT v.model, r.country, r.revenue FROM vehicles v RIGHT JOIN revenue_by_country r ON r.country = v.model WHERE r.revenue > 1 EMIT ON UPDATE",
    "three_models AS SELECT a.model, b.vehicle_id AS other, r.revenue FROM vehicles a JOIN vehicles b ON b.owner_id = a.owner_id LEFT JOIN revenue_by_country r ON r.country = b.model WHERE a.vehicle_id <> 'v1' AND b.model <> 'x' EMIT ON UPDATE",
    "four_models AS SELECT d.model, count(*) AS n, max(r.revenue) AS most FROM vehicles d FULL JOIN (SELECT a.model, b.owner_id FROM vehicles a JOIN vehicles b ON b.model = a.model) c ON c.owner_id = d.owner_id JOIN revenue_by_country r ON r.country = d.model GROUP BY d.model EMIT ON UPDATE",
    "all_stock AS SELECT coalesce(v.model, s.article::TEXT) AS what, count(*) AS n, sum(s.pieces) AS pieces FROM stock s FULL OUTER JOIN (SELECT length(vehicle_id)::BIGINT AS id, model FROM vehicles) v ON v.id = s.site::BIGINT GROUP BY 1 EMIT ON UPDATE",
    "stocked AS SELECT v.model, sum(s.pieces) AS pieces FROM stock s JOIN (SELECT length(vehicle_id)::BIGINT AS id, model FROM vehicles) v ON v.id = s.site::BIGINT GROUP BY v.model EMIT ON UPDATE",
    "later AS SELECT a.trip_id AS one, b.trip_id AS other, b.ended_at FROM trips a JOIN trips b ON b.vehicle_id = a.vehicle_id AND b.ended_at = a.ended_at + INTERVAL '5 minutes'",
];

#[test]
fn shipped_views_become_operators() {
    let mut bed = Bed::new();
    let mut shown = String::new();
    for rest in SHIPPED {
        shown.push_str(&bed.shown(rest));
        bed.declare(&format!("CREATE MATERIALIZED VIEW {rest}"));
    }
    expect_test::expect_file!["../../../tests/expected/views_shipped.txt"].assert_eq(&shown);
}

#[test]
fn every_other_form_becomes_operators() {
    let mut bed = Bed::new();
    bed.declare(
        "CREATE STREAM plain_timed (id BIGINT, at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at)",
    );
    for rest in SHIPPED {
        bed.declare(&format!("CREATE MATERIALIZED VIEW {rest}"));
    }
    let mut shown = String::new();
    for rest in OTHERS {
        shown.push_str(&bed.shown(rest));
        bed.declare(&format!("CREATE MATERIALIZED VIEW {rest}"));
    }
    expect_test::expect_file!["../../../tests/expected/views.txt"].assert_eq(&shown);
}
