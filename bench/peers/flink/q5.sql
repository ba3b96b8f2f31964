-- The auctions with the most bids of the last ten seconds, every two seconds: as Nexmark has it.
WITH counted AS (
  SELECT auction, COUNT(*) AS num, window_start AS starttime, window_end AS endtime
  FROM HOP(TABLE bid, DESCRIPTOR(date_time), INTERVAL '2' SECOND, INTERVAL '10' SECOND)
  GROUP BY auction, window_start, window_end
)
SELECT c.auction, c.num, c.starttime
FROM counted c
JOIN (
  SELECT MAX(num) AS num, starttime, endtime
  FROM counted
  GROUP BY starttime, endtime
) m ON m.starttime = c.starttime AND m.endtime = c.endtime AND m.num = c.num
