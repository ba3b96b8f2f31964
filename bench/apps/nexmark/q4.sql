-- The mean price of each category: the highest bid of each auction while it was open. No auction of the
-- generator is open for ten seconds.
CREATE MATERIALIZED VIEW q4_bids AS
SELECT a.id, a.category, b.price
FROM auction a
JOIN bid b ON b.auction = a.id
  AND b.date_time BETWEEN a.date_time AND a.date_time + INTERVAL '10 seconds'
WHERE b.date_time <= a.expires;

CREATE MATERIALIZED VIEW q4_final AS
SELECT id, category, max(price) AS final
FROM q4_bids
GROUP BY id, category
EMIT ON UPDATE;

CREATE MATERIALIZED VIEW q4 AS
SELECT category, avg(final) AS mean
FROM q4_final
GROUP BY category
EMIT ON UPDATE;
