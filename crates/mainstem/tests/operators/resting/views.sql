-- Machines that are switched off at night: the last window closes without another row.
CREATE STREAM readings (
  machine TEXT NOT NULL,
  parts   INTEGER NOT NULL,
  at      TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
) WITH (idle_timeout = '30 seconds');

-- Who is there: rarely anybody.
CREATE STREAM badges (
  person TEXT NOT NULL,
  at     TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
) WITH (idle_timeout = '30 seconds');

CREATE MATERIALIZED VIEW minutes AS
SELECT window_start, machine, sum(parts) AS parts
FROM TUMBLE(readings, at, INTERVAL '1 minute')
GROUP BY window_start, window_end, machine
EMIT ON WINDOW CLOSE;

CREATE MATERIALIZED VIEW people AS
SELECT window_start, count(*) AS badges
FROM TUMBLE(badges, at, INTERVAL '1 minute')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;

CREATE MATERIALIZED VIEW signs AS
SELECT machine AS who, at FROM readings
UNION ALL
SELECT person, at FROM badges;

CREATE MATERIALIZED VIEW lively AS
SELECT window_start, count(*) AS signs
FROM TUMBLE(signs, at, INTERVAL '1 minute')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;
