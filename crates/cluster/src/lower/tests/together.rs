//! Views of several streams.

use std::time::Duration;

use super::*;

#[test]
fn rows_of_several_streams_are_told_apart_by_which_it_was() {
    check(
        "AS SELECT country AS name, quantity::BIGINT AS n, NULL AS model FROM purchases \
         WHERE quantity > 0 UNION ALL SELECT vehicle_id, 1, vehicle_id FROM readings",
        &expect![[r#"
            SELECT `c0` AS `name`, `c1` AS `n`, `c2` AS `model`, `_source` AS `_source`, `_source_partition` AS `_source_partition`, `_source_offset` AS `_source_offset` FROM (SELECT `c0` AS `c0`, `c1` AS `c1`, `c2` AS `c2`, 0 AS `_source`, `_source_partition` AS `_source_partition`, `_source_offset` AS `_source_offset` FROM (SELECT `country` AS `c0`, CAST(`quantity` AS BIGINT) AS `c1`, CAST(NULL AS STRING) AS `c2`, `_partition` AS `_source_partition`, `_offset` AS `_source_offset` FROM `input` WHERE (`quantity` > 0)) UNION ALL SELECT `c0` AS `c0`, `c1` AS `c1`, `c2` AS `c2`, 1 AS `_source`, `_source_partition` AS `_source_partition`, `_source_offset` AS `_source_offset` FROM (SELECT `vehicle_id` AS `c0`, 1L AS `c1`, `vehicle_id` AS `c2`, `_partition` AS `_source_partition`, `_offset` AS `_source_offset` FROM `input_2`))
            input `quantity` INT, `country` STRING
            input_2 `vehicle_id` STRING
            append mode, key (_source, _source_partition, _source_offset), hidden _source INT, _source_partition INT, _source_offset BIGINT
        "#]],
    );
}

#[test]
fn groups_over_a_union_read_all_its_streams() {
    check(
        "AS SELECT name, count(*) AS n FROM (SELECT country AS name FROM purchases \
         UNION ALL SELECT vehicle_id FROM readings) b GROUP BY name EMIT ON UPDATE",
        &expect![[r#"
            SELECT `c0` AS `name`, `c1` AS `n`, `_version` AS `_version`, true AS `_live` FROM (SELECT `c0` AS `c0`, count(*) AS `c1`, count(*) AS `_version` FROM (SELECT `country` AS `c0`, 0 AS `_source`, `_partition` AS `_source_partition`, `_offset` AS `_source_offset` FROM `input` UNION ALL SELECT `vehicle_id` AS `c0`, 1 AS `_source`, `_partition` AS `_source_partition`, `_offset` AS `_source_offset` FROM `input_2`) GROUP BY `c0`)
            input `country` STRING
            input_2 `vehicle_id` STRING
            update mode, key (name), hidden _version BIGINT, _live BOOLEAN
        "#]],
    );
}

#[test]
fn windows_over_a_view_of_several_streams_read_these_with_their_own_watermarks() {
    check(
        "AS SELECT window_end, name, count(*) AS n FROM TUMBLE(both, at, INTERVAL '1 hour') \
         GROUP BY window_start, window_end, name EMIT ON WINDOW CLOSE",
        &expect![[r#"
            SELECT `c1` AS `window_end`, `c2` AS `name`, `c3` AS `n`, `_version` AS `_version`, `c0` AS `_key1`, `c1` AS `_key2`, `c2` AS `_key3` FROM (SELECT window(`c1`, '3600000000 microseconds', '3600000000 microseconds', '0 microseconds').start AS `c0`, window(`c1`, '3600000000 microseconds', '3600000000 microseconds', '0 microseconds').end AS `c1`, `c0` AS `c2`, count(*) AS `c3`, count(*) AS `_version` FROM (SELECT `country` AS `c0`, `invoice_date` AS `c1`, 0 AS `_source`, `_partition` AS `_source_partition`, `_offset` AS `_source_offset` FROM `input` UNION ALL SELECT `vehicle_id` AS `c0`, `at` AS `c1`, 1 AS `_source`, `_partition` AS `_source_partition`, `_offset` AS `_source_offset` FROM `input_2`) GROUP BY window(`c1`, '3600000000 microseconds', '3600000000 microseconds', '0 microseconds'), `c0`)
            input `invoice_date` TIMESTAMP, `country` STRING
              watermark invoice_date - 3600s
            input_2 `vehicle_id` STRING, `at` TIMESTAMP
              watermark at - 10s
            append mode, key (_key1, _key2, _key3), hidden _version BIGINT, _key1 TIMESTAMP, _key2 TIMESTAMP, _key3 STRING
        "#]],
    );
    // Without a window nothing waits for time, and its topic is read.
    check(
        "AS SELECT coalesce(name, '-') AS name, count(*) AS n FROM both GROUP BY 1 EMIT ON UPDATE",
        &expect![[r#"
            SELECT `c0` AS `name`, `c1` AS `n`, `_version` AS `_version`, true AS `_live` FROM (SELECT (CASE WHEN (`name` IS NOT NULL) THEN `name` ELSE '-' END) AS `c0`, count(*) AS `c1`, count(*) AS `_version` FROM `input` GROUP BY (CASE WHEN (`name` IS NOT NULL) THEN `name` ELSE '-' END))
            input `name` STRING
            update mode, key (name), hidden _version BIGINT, _live BOOLEAN
        "#]],
    );
}

#[test]
fn windows_over_a_view_of_one_stream_wait_as_long_as_that_is_late() {
    check(
        "AS SELECT window_end, count(*) AS n FROM TUMBLE(fast, at, INTERVAL '1 hour') \
         GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
        &expect![[r#"
            SELECT `c1` AS `window_end`, `c2` AS `n`, `_version` AS `_version`, `c0` AS `_key1`, `c1` AS `_key2` FROM (SELECT window(`at`, '3600000000 microseconds', '3600000000 microseconds', '0 microseconds').start AS `c0`, window(`at`, '3600000000 microseconds', '3600000000 microseconds', '0 microseconds').end AS `c1`, count(*) AS `c2`, count(*) AS `_version` FROM `input` GROUP BY window(`at`, '3600000000 microseconds', '3600000000 microseconds', '0 microseconds'))
            input `at` TIMESTAMP
              watermark at - 10s
            append mode, key (_key1, _key2), hidden _version BIGINT, _key1 TIMESTAMP, _key2 TIMESTAMP
        "#]],
    );
}

#[test]
fn windows_over_windows_wait_as_long_as_those_right_below_are() {
    for (view, time, waits) in [
        ("fast", "at", Duration::from_secs(10)),
        ("minutes", "minute", Duration::from_secs(60)),
        // What passes windows on is as late as these, and no more.
        ("passed", "m", Duration::from_secs(60)),
        ("hours", "hour", Duration::from_secs(3_600)),
    ] {
        let lowered = lowered(&format!(
            "AS SELECT window_end, count(*) AS n FROM TUMBLE({view}, {time}, INTERVAL '1 day') \
             GROUP BY window_start, window_end EMIT ON WINDOW CLOSE"
        ));
        let watermark = lowered.unwrap().input.watermark.unwrap();
        assert_eq!(
            (watermark.column.as_str(), watermark.delay),
            (time, waits),
            "{view}"
        );
    }
}

#[test]
fn pairs_are_a_join_with_its_times_in_the_condition() {
    check(
        "AS SELECT p.country, r.speed_kmh, r.at FROM purchases p JOIN readings r \
         ON r.vehicle_id = p.customer_id AND r.at BETWEEN p.invoice_date - INTERVAL '5 minutes' \
         AND p.invoice_date + INTERVAL '1 hour' AND r.speed_kmh > p.quantity",
        &expect![[r#"
            SELECT `c3` AS `country`, `c6` AS `speed_kmh`, `c5` AS `at`, `_source_partition` AS `_source_partition`, `_source_offset` AS `_source_offset`, `_source_partition_2` AS `_source_partition_2`, `_source_offset_2` AS `_source_offset_2` FROM (SELECT `quantity` AS `c0`, `invoice_date` AS `c1`, `customer_id` AS `c2`, `country` AS `c3`, `_partition` AS `_source_partition`, `_offset` AS `_source_offset`, `customer_id` AS `k0` FROM `input` WHERE `customer_id` IS NOT NULL) JOIN (SELECT `vehicle_id` AS `c4`, `at` AS `c5`, `speed_kmh` AS `c6`, `_partition` AS `_source_partition_2`, `_offset` AS `_source_offset_2`, `vehicle_id` AS `m0` FROM `input_2` WHERE `vehicle_id` IS NOT NULL) ON `k0` = `m0` AND `c5` >= `c1` + INTERVAL '-300.000000' SECOND AND `c5` <= `c1` + INTERVAL '3600.000000' SECOND WHERE ((`c6` > CAST(`c0` AS DOUBLE)) = (`c1` > timestamp_micros(-100000000000000000L)))
            input `quantity` INT, `invoice_date` TIMESTAMP, `customer_id` STRING, `country` STRING
              watermark invoice_date - 3600.001s
            input_2 `vehicle_id` STRING, `at` TIMESTAMP, `speed_kmh` DOUBLE
              watermark at - 10.001s
            append mode, key (_source_partition, _source_offset, _source_partition_2, _source_offset_2), hidden _source_partition INT, _source_offset BIGINT, _source_partition_2 INT, _source_offset_2 BIGINT
        "#]],
    );
    check(
        "AS SELECT p.country, r.vehicle_id FROM purchases p LEFT JOIN readings r \
         ON r.vehicle_id = p.customer_id AND r.at >= p.invoice_date \
         AND r.at < p.invoice_date + INTERVAL '10 seconds'",
        &expect![[r#"
            SELECT `c2` AS `country`, `c3` AS `vehicle_id`, `_source_partition` AS `_source_partition`, `_source_offset` AS `_source_offset`, `_source_partition_2` AS `_source_partition_2`, `_source_offset_2` AS `_source_offset_2` FROM (SELECT `invoice_date` AS `c0`, `customer_id` AS `c1`, `country` AS `c2`, `_partition` AS `_source_partition`, `_offset` AS `_source_offset`, `customer_id` AS `k0` FROM `input`) LEFT JOIN (SELECT `vehicle_id` AS `c3`, `at` AS `c4`, `_partition` AS `_source_partition_2`, `_offset` AS `_source_offset_2`, `vehicle_id` AS `m0` FROM `input_2` WHERE `vehicle_id` IS NOT NULL) ON `k0` = `m0` AND `c4` >= `c0` + INTERVAL '0.000000' SECOND AND `c4` <= `c0` + INTERVAL '9.999999' SECOND
            input `invoice_date` TIMESTAMP, `customer_id` STRING, `country` STRING
              watermark invoice_date - 3600.001s
            input_2 `vehicle_id` STRING, `at` TIMESTAMP
              watermark at - 10.001s
            append mode, key (_source_partition, _source_offset, _source_partition_2, _source_offset_2), hidden _source_partition INT, _source_offset BIGINT, _source_partition_2 INT, _source_offset_2 BIGINT
        "#]],
    );
}

#[test]
fn what_spark_does_not_do_with_several_streams_is_refused_by_name() {
    refused(
        "AS SELECT p.country, count(*) AS n FROM purchases p JOIN readings r \
         ON r.vehicle_id = p.country AND r.at BETWEEN p.invoice_date \
         AND p.invoice_date + INTERVAL '1 hour' GROUP BY p.country EMIT ON UPDATE",
        Code::Clus035,
        "view \"v\" groups pairs of rows of two streams: A query of Spark that joins streams gives \
         rows that are final, and keeps no groups that change.",
    );
    refused(
        "AS SELECT window_end, count(*) AS n FROM TUMBLE(near, at, INTERVAL '1 hour') \
         GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
        Code::Clus035,
        "view \"v\" waits for the event time of pairs of rows of two streams: Pairs come in no order \
         of time, so rows would be dropped as late that one machine counts.",
    );
    refused(
        "AS SELECT v.model AS name FROM readings r JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v \
         ON v.vehicle_id = r.vehicle_id UNION ALL SELECT country FROM purchases",
        Code::Clus035,
        "view \"v\" looks up rows of a table beside several streams: A lookup is done once, by a \
         worker, which leaves its rows in one topic.",
    );
    refused(
        "AS SELECT vehicle_id AS name FROM readings UNION ALL SELECT p.country FROM purchases p \
         JOIN readings r ON r.vehicle_id = p.country AND r.at = p.invoice_date",
        Code::Clus035,
        "view \"v\" puts pairs of rows and single rows of streams together: Rows are told apart by \
         their places in topics, and a pair has two.",
    );
}
