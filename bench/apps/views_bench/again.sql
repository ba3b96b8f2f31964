-- The same once more, to be built from all that is there.
CREATE MATERIALIZED VIEW again AS
SELECT device_id, count(*) AS n, avg(celsius) AS mean, max(odometer) AS odometer
FROM readings GROUP BY device_id
EMIT ON UPDATE;
