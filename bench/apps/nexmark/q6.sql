-- What the last ten auctions of each seller brought, on average. Nexmark tells it with every auction that
-- ends; this is each seller's newest.
CREATE MATERIALIZED VIEW q6_bids AS
SELECT a.id, a.seller, b.price, b.date_time
FROM auction a
JOIN bid b ON b.auction = a.id
  AND b.date_time BETWEEN a.date_time AND a.date_time + INTERVAL '10 seconds'
WHERE b.date_time <= a.expires;

CREATE MATERIALIZED VIEW q6_final AS
SELECT id, seller, price, date_time
FROM q6_bids
QUALIFY ROW_NUMBER() OVER (PARTITION BY id, seller ORDER BY price DESC, date_time) = 1
EMIT ON UPDATE;

CREATE MATERIALIZED VIEW q6_last AS
SELECT id, seller, price
FROM q6_final
QUALIFY ROW_NUMBER() OVER (PARTITION BY seller ORDER BY date_time DESC, id DESC) <= 10
EMIT ON UPDATE;

CREATE MATERIALIZED VIEW q6 AS
SELECT seller, avg(price) AS mean
FROM q6_last
GROUP BY seller
EMIT ON UPDATE;
