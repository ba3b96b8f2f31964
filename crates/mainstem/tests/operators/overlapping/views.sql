-- Windows of every kind: told when they close, corrected, and while they are open.

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
CREATE MATERIALIZED VIEW corrected AS
SELECT window_end, count(*) AS n, max(amount) AS most
FROM HOP(clicks, at, INTERVAL '1 minute', INTERVAL '2 minutes')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 minute';
CREATE MATERIALIZED VIEW so_far AS
SELECT window_start, window_end, count(*) AS n
FROM CUMULATE(clicks, at, INTERVAL '1 minute', INTERVAL '3 minutes')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW visits AS
SELECT window_start, window_end, user_id, count(*) AS n, sum(amount) AS amount
FROM SESSION(clicks PARTITION BY user_id, at, INTERVAL '30 seconds')
GROUP BY window_start, window_end, user_id
EMIT ON WINDOW CLOSE;
CREATE MATERIALIZED VIEW now_by_minute AS
SELECT window_start, user_id, count(*) AS n
FROM TUMBLE(clicks, at, INTERVAL '1 minute')
GROUP BY window_start, window_end, user_id
EMIT ON UPDATE;
CREATE MATERIALIZED VIEW now_by_hop AS
SELECT window_start, count(*) AS n
FROM HOP(clicks, at, INTERVAL '1 minute', INTERVAL '2 minutes')
GROUP BY window_start, window_end
EMIT ON UPDATE;
