-- Windows that overlap, and sessions, as they are on one machine and beyond it.

CREATE STREAM clicks (
  user_id TEXT NOT NULL,
  amount BIGINT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE MATERIALIZED VIEW hops AS
SELECT window_start, window_end, user_id, count(*) AS n, sum(amount) AS amount
FROM HOP(clicks, at, INTERVAL '1 minute', INTERVAL '3 minutes')
GROUP BY window_start, window_end, user_id
EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW visits AS
SELECT window_start, window_end, user_id, count(*) AS n, sum(amount) AS amount
FROM SESSION(clicks PARTITION BY user_id, at, INTERVAL '30 seconds')
GROUP BY window_start, window_end, user_id
EMIT ON WINDOW CLOSE;

-- Windows of an hour told while they are open.
CREATE MATERIALIZED VIEW now_by_hop AS
SELECT window_start, window_end, count(*) AS n, max(amount) AS most
FROM HOP(clicks, at, INTERVAL '20 minutes', INTERVAL '1 hour')
GROUP BY window_start, window_end
EMIT ON UPDATE;
