-- Bids as they are: what a row costs that is only passed on.
CREATE MATERIALIZED VIEW q0 AS
SELECT auction, bidder, price, date_time, extra
FROM bid;
