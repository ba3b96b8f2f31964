//! Lookups of views whose rows change: what they become, and every refusal in its words.

use super::{accepted::SHIPPED, bed::Bed};

const VIEWS: [&str; 10] = [
    "counted AS SELECT country, count(*) AS n, avg(quantity) AS mean FROM purchases WHERE quantity > 0 GROUP BY country HAVING count(*) > 2 EMIT ON UPDATE",
    "sites AS SELECT upper(description) || 'x' AS what, quantity / 2 AS half, last_value(customer_id ORDER BY invoice_date) AS last, count(*) FILTER (WHERE unit_price > 1) AS dear FROM purchases GROUP BY 1, half EMIT ON UPDATE",
    "moved AS SELECT id, count(*) AS n, sum(km) + 1 AS km FROM (SELECT vehicle_id AS id, speed_kmh AS km FROM readings UNION ALL SELECT t.vehicle_id, t.harsh_brakes FROM trips t) m GROUP BY id EMIT ON UPDATE",
    "all_trips AS SELECT count(*) AS n FROM trips EMIT ON UPDATE",
    "unselected AS SELECT count(*) AS n FROM trips GROUP BY vehicle_id EMIT ON UPDATE",
    "hours_now AS SELECT window_start, count(*) AS n FROM TUMBLE(trips, ended_at, INTERVAL '1 hour') GROUP BY window_start, window_end EMIT ON UPDATE",
    "latest AS SELECT vehicle_id, at FROM readings QUALIFY ROW_NUMBER() OVER (PARTITION BY vehicle_id ORDER BY at DESC) = 1 EMIT ON UPDATE",
    "different AS SELECT DISTINCT country FROM purchases EMIT ON UPDATE",
    "about AS SELECT country, approx_percentile_cont(0.9) WITHIN GROUP (ORDER BY quantity) AS p FROM purchases GROUP BY country EMIT ON UPDATE",
    "spelled AS SELECT upper(country) AS c, Upper(country) || 'x' AS d FROM purchases GROUP BY upper(country) EMIT ON UPDATE",
];

const TAKEN: [&str; 5] = [
    "v AS SELECT t.trip_id, ended_at, c.n, mean FROM trips t JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON t.vehicle_id = c.country AND t.harsh_brakes < c.n WHERE t.distance_km > 1",
    "v AS SELECT * FROM plain p LEFT JOIN sites FOR SYSTEM_TIME AS OF PROCTIME() s ON s.half = p.id AND s.what = upper(p.j ->> 'a')",
    "v AS SELECT p.invoice_no, c.n, m.km, v.model, a.n AS trips FROM purchases p LEFT JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = p.country LEFT JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = p.customer_id JOIN moved FOR SYSTEM_TIME AS OF PROCTIME() m ON m.id = p.customer_id JOIN all_trips FOR SYSTEM_TIME AS OF PROCTIME() a ON TRUE",
    "v AS SELECT x.n * 2 AS twice FROM (SELECT counted.n FROM trips JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() ON counted.country = trips.trip_id) x",
    "v AS SELECT t.trip_id, s.what FROM trips t JOIN sites FOR SYSTEM_TIME AS OF PROCTIME() s ON s.what = t.trip_id AND s.half = 4",
];

const REFUSED: [&str; 27] = [
    "v AS SELECT n, count(*) AS trips FROM trips t JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = t.trip_id GROUP BY n EMIT ON UPDATE",
    "v AS SELECT r.at FROM readings r JOIN counted c ON c.country = r.vehicle_id",
    "v AS SELECT r.at FROM readings r JOIN revenue_by_country FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = r.vehicle_id",
    "v AS SELECT r.at FROM readings r JOIN revenue_by_hour FOR SYSTEM_TIME AS OF PROCTIME() c ON c.window_start = r.at",
    "v AS SELECT r.at FROM readings r JOIN vehicles_by_model FOR SYSTEM_TIME AS OF PROCTIME() m ON m.model = r.vehicle_id",
    "v AS SELECT r.at FROM readings r JOIN trips_by_owner FOR SYSTEM_TIME AS OF PROCTIME() m ON m.owner_id = r.vehicle_id",
    "v AS SELECT r.at FROM readings r JOIN unselected FOR SYSTEM_TIME AS OF PROCTIME() m ON m.n = 1",
    "v AS SELECT r.at FROM readings r JOIN hours_now FOR SYSTEM_TIME AS OF PROCTIME() m ON m.window_start = r.at",
    "v AS SELECT r.at FROM readings r JOIN latest FOR SYSTEM_TIME AS OF PROCTIME() m ON m.vehicle_id = r.vehicle_id",
    "v AS SELECT r.at FROM readings r JOIN different FOR SYSTEM_TIME AS OF PROCTIME() m ON m.country = r.vehicle_id",
    "v AS SELECT r.at FROM readings r JOIN about FOR SYSTEM_TIME AS OF PROCTIME() m ON m.country = r.vehicle_id",
    "v AS SELECT r.at FROM readings r JOIN spelled FOR SYSTEM_TIME AS OF PROCTIME() m ON m.c = r.vehicle_id",
    "v AS SELECT r.at FROM readings r RIGHT JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = r.vehicle_id",
    "v AS SELECT r.at FROM readings r JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.n = 3",
    "v AS SELECT r.at FROM readings r LEFT JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = r.vehicle_id AND c.n > 3",
    "v AS SELECT r.at FROM readings r JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = r.at",
    "v AS SELECT p.quantity FROM purchases p JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = p.customer_id",
    "v AS SELECT p.quantity FROM purchases p JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = p.customer_id JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = p.country",
    "v AS SELECT r.at FROM readings r JOIN moved FOR SYSTEM_TIME AS OF PROCTIME() m ON m.id = r.vehicle_id",
    "v AS SELECT d.at FROM driven d JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = d.vehicle_id",
    "v AS SELECT v.model FROM vehicles v JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = v.model EMIT ON UPDATE",
    "v AS SELECT t.trip_id, c.n FROM trips t JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = t.trip_id UNION ALL SELECT vehicle_id, 1 FROM readings",
    "v AS SELECT country FROM purchases p JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = p.country",
    "v AS SELECT c.m FROM trips t JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = t.trip_id",
    "v AS SELECT c.n FROM trips t JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = t.trip_id JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() d ON d.country = t.vehicle_id",
    "v AS SELECT c.n FROM trips t JOIN readings r ON r.vehicle_id = t.vehicle_id AND r.at = t.ended_at JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = t.trip_id",
    "v AS SELECT c.n FROM trips t JOIN counted FOR SYSTEM_TIME AS OF PROCTIME() c ON c.country = t.trip_id JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = c.country",
];

fn bed() -> Bed {
    let mut bed = Bed::new();
    for rest in SHIPPED.iter().chain(&VIEWS) {
        bed.declare(&format!("CREATE MATERIALIZED VIEW {rest}"));
    }
    bed
}

#[test]
fn lookups_of_views_become_figures_of_a_key() {
    let bed = bed();
    let shown: String = TAKEN.iter().map(|rest| bed.shown(rest)).collect();
    expect_test::expect_file!["../../../tests/expected/views_looked_up.txt"].assert_eq(&shown);
}

#[test]
fn what_cannot_be_looked_up_is_refused_by_name() {
    let bed = bed();
    let shown: String = REFUSED.iter().map(|rest| bed.refused(rest)).collect();
    expect_test::expect_file!["../../../tests/expected/views_not_looked_up.txt"].assert_eq(&shown);
}

#[test]
fn a_view_that_is_looked_up_is_among_what_is_read() {
    let bed = bed();
    let view = bed.view(TAKEN[0]);
    let looked_up = bed
        .defs
        .view(mainstem_kernel::TenantId::ONLY, "counted")
        .unwrap()
        .id;
    assert_eq!(view.looked_up, [looked_up]);
    assert_eq!(view.inputs.len(), 2);
    assert!(view.watermark.is_some());
}
