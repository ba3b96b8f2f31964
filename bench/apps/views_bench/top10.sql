-- The ten fastest readings of each vehicle, numbered.
CREATE MATERIALIZED VIEW fastest AS
SELECT device_id, n, at, speed
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY device_id ORDER BY speed DESC) AS n FROM readings)
WHERE n <= 10
EMIT ON UPDATE;
