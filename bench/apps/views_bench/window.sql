-- A lookup of each event's vehicle, and a window of a minute per vehicle.
CREATE MATERIALIZED VIEW minutes AS
SELECT window_start, window_end, r.device_id, d.model,
  count(*) AS n, avg(r.celsius) AS mean, max(r.speed) AS fastest
FROM TUMBLE(readings, at, INTERVAL '1 minute') r
JOIN devices FOR SYSTEM_TIME AS OF PROCTIME() d ON d.device_id = r.device_id
GROUP BY window_start, window_end, r.device_id, d.model
EMIT ON WINDOW CLOSE;
