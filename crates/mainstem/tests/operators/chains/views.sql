-- Minutes, and hours of minutes: each adds its own delay to event time, and what passes rows on adds none.
CREATE STREAM readings (
  machine TEXT NOT NULL,
  parts   INTEGER NOT NULL,
  at      TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);

CREATE MATERIALIZED VIEW minutes AS
SELECT window_start AS minute, sum(parts) AS parts
FROM TUMBLE(readings, at, INTERVAL '1 minute')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;

CREATE MATERIALIZED VIEW busy AS
SELECT minute, parts FROM minutes WHERE parts > 1;

CREATE MATERIALIZED VIEW hours AS
SELECT window_start AS hour, sum(parts) AS parts
FROM TUMBLE(busy, minute, INTERVAL '1 hour')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;

CREATE MATERIALIZED VIEW days AS
SELECT window_start AS day, sum(parts) AS parts
FROM TUMBLE(hours, hour, INTERVAL '1 day')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;
