-- Rows in the order of event time: figures, what holds as of a time, and patterns.

CREATE STREAM events (
  device TEXT NOT NULL, kind TEXT NOT NULL, celsius DOUBLE PRECISION,
  at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at - INTERVAL '8 seconds'
) PARTITION BY (device);

CREATE STREAM trips (
  trip_id TEXT NOT NULL, country TEXT NOT NULL, km BIGINT NOT NULL,
  started TIMESTAMPTZ NOT NULL, WATERMARK FOR started AS started - INTERVAL '8 seconds'
);

CREATE STREAM prices (
  country TEXT NOT NULL, per_km BIGINT NOT NULL,
  since TIMESTAMPTZ NOT NULL, WATERMARK FOR since AS since - INTERVAL '8 seconds'
);

-- Readings beside the one before them, in the order in which they were taken.
CREATE MATERIALIZED VIEW steps AS
SELECT device, at, celsius, lag(celsius) OVER (PARTITION BY device ORDER BY at) AS before
FROM events
WHERE kind = 'reading';

-- Trips with the price that held when they started.
CREATE MATERIALIZED VIEW priced AS
SELECT trip_id, started, km * per_km AS price
FROM (
  SELECT trip_id, started, km, max_by(per_km, since) OVER (PARTITION BY country ORDER BY started) AS per_km
  FROM (
    SELECT trip_id, country, km, started, CAST(NULL AS BIGINT) AS per_km, CAST(NULL AS TIMESTAMPTZ) AS since FROM trips
    UNION ALL
    SELECT NULL, country, NULL, since, per_km, since FROM prices
  )
)
WHERE trip_id IS NOT NULL;

-- A door that is opened, and within a minute the device moves.
CREATE MATERIALIZED VIEW moved_open AS
SELECT device, at
FROM (
  SELECT device, at, kind,
    lag(kind) OVER (PARTITION BY device ORDER BY at) AS before,
    lag(at) OVER (PARTITION BY device ORDER BY at) AS before_at
  FROM events
  WHERE kind IN ('opened', 'moved', 'closed')
)
WHERE kind = 'moved' AND before = 'opened' AND at <= before_at + INTERVAL '1 minute';

-- And which is not closed in the minute behind.
CREATE MATERIALIZED VIEW left_open AS
SELECT m.device, m.at
FROM moved_open m
LEFT JOIN (SELECT device, at FROM events WHERE kind = 'closed') c
  ON c.device = m.device AND c.at BETWEEN m.at AND m.at + INTERVAL '1 minute'
WHERE c.device IS NULL;

-- How many steps up a minute has.
CREATE MATERIALIZED VIEW rises AS
SELECT window_start, device, count(*) AS n
FROM TUMBLE(steps, at, INTERVAL '1 minute')
WHERE celsius > before
GROUP BY window_start, window_end, device
EMIT ON WINDOW CLOSE;
