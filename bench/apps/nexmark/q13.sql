-- Each bid beside the row of a table.
CREATE TABLE side_input (key BIGINT PRIMARY KEY, value TEXT NOT NULL);

CREATE MATERIALIZED VIEW q13 AS
SELECT b.auction, b.bidder, b.price, b.date_time, s.value
FROM bid b
JOIN side_input FOR SYSTEM_TIME AS OF PROCTIME() s ON s.key = mod(b.auction, 10000);
