-- Bids for one auction of 123.
CREATE MATERIALIZED VIEW q2 AS
SELECT auction, price
FROM bid
WHERE mod(auction, 123) = 0;
