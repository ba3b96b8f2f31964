-- The auctions with the most bids of the last ten seconds, every two seconds.
CREATE MATERIALIZED VIEW q5_bids AS
SELECT window_start AS starttime, auction, count(*) AS num
FROM HOP(bid, date_time, INTERVAL '2 seconds', INTERVAL '10 seconds')
GROUP BY window_start, window_end, auction
EMIT ON WINDOW CLOSE;

CREATE MATERIALIZED VIEW q5_most AS
SELECT window_start AS starttime, max(num) AS num
FROM TUMBLE(q5_bids, starttime, INTERVAL '2 seconds')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;

CREATE MATERIALIZED VIEW q5 AS
SELECT b.auction, b.num, b.starttime
FROM q5_bids b
JOIN q5_most m ON m.num = b.num AND m.starttime = b.starttime;
