-- Bids beside their auctions of one category.
SELECT b.auction, b.bidder, b.price, b.channel, b.url, CAST(b.date_time AS TIMESTAMP_LTZ(3)) AS bid_date_time, b.extra AS bid_extra,
  a.item_name, a.description, a.initial_bid, a.reserve, CAST(a.date_time AS TIMESTAMP_LTZ(3)) AS auction_date_time, a.expires,
  a.seller, a.category, a.extra AS auction_extra
FROM bid b
JOIN auction a ON a.id = b.auction
  AND a.date_time BETWEEN b.date_time - INTERVAL '1' DAY AND b.date_time + INTERVAL '1' DAY
WHERE a.category = 10
