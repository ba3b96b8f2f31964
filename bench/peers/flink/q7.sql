-- The highest bids of each ten seconds. Nexmark joins bids with highest prices for ever, and our view for
-- ten seconds: a join inside of the window has the same rows and costs Flink the least of the three.
SELECT b.auction, b.price, b.bidder, b.date_time
FROM TUMBLE(TABLE bid, DESCRIPTOR(date_time), INTERVAL '10' SECOND) b
JOIN (
  SELECT MAX(price) AS price, window_start, window_end
  FROM TUMBLE(TABLE bid, DESCRIPTOR(date_time), INTERVAL '10' SECOND)
  GROUP BY window_start, window_end
) m ON m.price = b.price AND m.window_start = b.window_start AND m.window_end = b.window_end
