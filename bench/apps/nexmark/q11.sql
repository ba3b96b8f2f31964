-- How often each bidder bids before ten seconds without a bid.
CREATE MATERIALIZED VIEW q11 AS
SELECT bidder, count(*) AS bid_count, window_start AS starttime, window_end AS endtime
FROM SESSION(bid PARTITION BY bidder, date_time, INTERVAL '10 seconds')
GROUP BY window_start, window_end, bidder
EMIT ON WINDOW CLOSE;
