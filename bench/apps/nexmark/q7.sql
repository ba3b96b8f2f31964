-- The highest bids of each ten seconds.
CREATE MATERIALIZED VIEW q7_most AS
SELECT window_start AS starttime, max(price) AS price
FROM TUMBLE(bid, date_time, INTERVAL '10 seconds')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;

CREATE MATERIALIZED VIEW q7 AS
SELECT b.auction, b.price, b.bidder, b.date_time
FROM bid b
JOIN q7_most m ON m.price = b.price
  AND b.date_time >= m.starttime AND b.date_time < m.starttime + INTERVAL '10 seconds';
