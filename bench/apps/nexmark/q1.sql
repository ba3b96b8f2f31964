-- Prices in euros.
CREATE MATERIALIZED VIEW q1 AS
SELECT auction, bidder, 0.908::DOUBLE PRECISION * price AS price, date_time, extra
FROM bid;
