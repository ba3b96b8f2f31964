-- The bid that wins each auction.
CREATE MATERIALIZED VIEW q9_bids AS
SELECT a.id, a.item_name, a.description, a.initial_bid, a.reserve, a.date_time, a.expires, a.seller,
  a.category, a.extra, b.auction, b.bidder, b.price, b.date_time AS bid_date_time, b.extra AS bid_extra
FROM auction a
JOIN bid b ON b.auction = a.id
  AND b.date_time BETWEEN a.date_time AND a.date_time + INTERVAL '10 seconds'
WHERE b.date_time <= a.expires;

CREATE MATERIALIZED VIEW q9 AS
SELECT *
FROM q9_bids
QUALIFY ROW_NUMBER() OVER (PARTITION BY id ORDER BY price DESC, bid_date_time) = 1
EMIT ON UPDATE;
