CREATE STREAM prices (
  share TEXT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  price DOUBLE PRECISION,
  pieces BIGINT,
  buyer TEXT,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);
CREATE TABLE shares (share TEXT PRIMARY KEY, branch TEXT, worth DOUBLE PRECISION, listed DATE);

-- Of rows that are only added.
CREATE MATERIALIZED VIEW spread AS
SELECT share, count(*) AS n, stddev(price) AS deviation, var_pop(price) AS variance,
  first_value(price ORDER BY at) AS opened, last_value(price ORDER BY at) AS closed,
  max_by(buyer, pieces) AS biggest, max_by(price, at, 3) AS latest, bool_and(price > 10) AS dear, bool_or(buyer IS NULL) AS hidden,
  approx_distinct(buyer) AS buyers, approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY pieces) AS middle,
  stddev_pop(price) FILTER (WHERE pieces >= 100) AS of_big
FROM prices GROUP BY share EMIT ON UPDATE;

-- Per window, and corrected while late rows come.
CREATE MATERIALIZED VIEW minutes AS
SELECT window_start, share, first_value(price ORDER BY at) AS opened, max(price) AS high, min(price) AS low,
  last_value(price ORDER BY at) AS closed, variance(price) AS variance,
  approx_percentile_cont(0.75) WITHIN GROUP (ORDER BY price) AS upper, approx_count_distinct(buyer) AS buyers
FROM TUMBLE(prices, at, INTERVAL '1 minute') GROUP BY window_start, window_end, share
EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 hour';

-- Of rows that change: what is taken back leaves no trace.
CREATE MATERIALIZED VIEW branches AS
SELECT branch, stddev_pop(worth) AS deviation, min_by(share, listed) AS oldest, max_by(share, worth) AS greatest, max_by(share, worth, 2) AS two,
  every(worth > 0) AS healthy, bool_or(worth > 100) AS has_great, approx_median(worth) AS middle
FROM shares GROUP BY branch EMIT ON UPDATE;

-- Each different value once, up to a declared number of them.
CREATE MATERIALIZED VIEW kinds WITH (distinct_max = 3) AS
SELECT branch, count(DISTINCT worth) AS n, sum(DISTINCT worth) AS worth, avg(DISTINCT worth) AS mean
FROM shares GROUP BY branch EMIT ON UPDATE;
CREATE MATERIALIZED VIEW kinds_by_minute AS
SELECT window_start, sum(DISTINCT pieces) AS pieces, avg(DISTINCT pieces) FILTER (WHERE buyer IS NOT NULL) AS mean
FROM TUMBLE(prices, at, INTERVAL '1 minute') GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 hour';

-- How many values lie in each range.
CREATE MATERIALIZED VIEW ranges AS
SELECT share, histogram(price, 10, 20, 2) AS prices, histogram(pieces, 0, 100, 4) FILTER (WHERE buyer IS NOT NULL) AS sold
FROM prices GROUP BY share EMIT ON UPDATE;
CREATE MATERIALIZED VIEW ranges_by_minute AS
SELECT window_start, histogram(price, 10, 20, 2) AS prices
FROM TUMBLE(prices, at, INTERVAL '1 minute') GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 hour';
CREATE MATERIALIZED VIEW ranges_of_branch AS
SELECT branch, histogram(worth, 0, 1, 2) AS worth FROM shares GROUP BY branch EMIT ON UPDATE;
CREATE MATERIALIZED VIEW last_ranges AS
SELECT share, price, histogram(price, 10, 20, 2) OVER (PARTITION BY share ORDER BY _seq ROWS 1 PRECEDING) AS two,
  histogram(price, 10, 20, 2) FILTER (WHERE pieces > 0) OVER (PARTITION BY share ORDER BY _seq) AS all_sold
FROM prices;
