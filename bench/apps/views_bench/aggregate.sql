-- A row per vehicle that changes with every event of it.
CREATE MATERIALIZED VIEW totals AS
SELECT device_id, count(*) AS n, avg(celsius) AS mean, max(odometer) AS odometer
FROM readings GROUP BY device_id
EMIT ON UPDATE;
