-- Rows of a key that follow a pattern.

CREATE STREAM events (
  device TEXT NOT NULL, kind TEXT NOT NULL, celsius DOUBLE PRECISION,
  at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at - INTERVAL '8 seconds'
) PARTITION BY (device);

-- A door is opened, then something that is no closing, then the device moves: within a minute.
CREATE MATERIALIZED VIEW moved_open AS
SELECT device, opened_at, at
FROM events MATCH_RECOGNIZE (
  PARTITION BY device
  ORDER BY at
  MEASURES O.at AS opened_at, M.at AS at
  PATTERN (O X* M) WITHIN INTERVAL '1 minute'
  DEFINE O AS kind = 'opened', X AS kind <> 'closed', M AS kind = 'moved'
);

-- And in the minute behind nobody closes it.
CREATE MATERIALIZED VIEW left_open AS
SELECT m.device, m.opened_at, m.at
FROM moved_open m
LEFT JOIN (SELECT device, at FROM events WHERE kind = 'closed') c
  ON c.device = m.device AND c.at BETWEEN m.at AND m.at + INTERVAL '1 minute'
WHERE c.device IS NULL;

-- Two readings or more, each warmer than the one before, and then one that is cooler by half.
CREATE MATERIALIZED VIEW peaks AS
SELECT *
FROM events MATCH_RECOGNIZE (
  PARTITION BY device
  ORDER BY _seq
  MEASURES FIRST(UP.celsius) AS base, LAST(UP.celsius) AS top, DOWN.celsius AS down,
    count(UP.*) AS ups, avg(UP.celsius) AS mean
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (UP{2,20} DOWN)
  DEFINE UP AS kind = 'reading' AND celsius > PREV(celsius), DOWN AS celsius < LAST(UP.celsius) / 2
);

-- How many a minute.
CREATE MATERIALIZED VIEW moves AS
SELECT window_start, count(*) AS n
FROM TUMBLE(moved_open, at, INTERVAL '1 minute')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;
