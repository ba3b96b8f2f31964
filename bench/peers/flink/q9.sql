-- The bid that wins each auction.
SELECT *
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY price DESC, bid_date_time) AS place
  FROM (
    SELECT a.id, a.item_name, a.description, a.initial_bid, a.reserve,
      CAST(a.date_time AS TIMESTAMP_LTZ(3)) AS date_time, a.expires, a.seller, a.category, a.extra,
      b.auction, b.bidder, b.price, CAST(b.date_time AS TIMESTAMP_LTZ(3)) AS bid_date_time,
      b.extra AS bid_extra
    FROM auction a
    JOIN bid b ON b.auction = a.id
      AND b.date_time BETWEEN a.date_time AND a.date_time + INTERVAL '10' SECOND
    WHERE b.date_time <= a.expires
  )
)
WHERE place = 1
