-- Bids beside their auctions of one category. Nexmark keeps both for ever; a view says for how long.
CREATE MATERIALIZED VIEW q20 AS
SELECT b.auction, b.bidder, b.price, b.channel, b.url, b.date_time AS bid_date_time, b.extra AS bid_extra,
  a.item_name, a.description, a.initial_bid, a.reserve, a.date_time AS auction_date_time, a.expires,
  a.seller, a.category, a.extra AS auction_extra
FROM bid b
JOIN auction a ON a.id = b.auction
  AND a.date_time BETWEEN b.date_time - INTERVAL '1 day' AND b.date_time + INTERVAL '1 day'
WHERE a.category = 10;
