-- What is kept of each key: its first rows, its last rows, figures of the rows before.

CREATE STREAM bids (
  bid_id BIGINT NOT NULL, auction TEXT NOT NULL, bidder TEXT NOT NULL, price NUMERIC(9, 2) NOT NULL,
  at TIMESTAMPTZ NOT NULL, WATERMARK FOR at AS at - INTERVAL '10 seconds'
) PARTITION BY (auction);

CREATE STREAM readings (
  device TEXT NOT NULL, celsius DOUBLE PRECISION, at TIMESTAMPTZ NOT NULL
) PARTITION BY (device);

CREATE TABLE players (player TEXT PRIMARY KEY, team TEXT, points BIGINT);

-- The three highest bids of each auction, numbered: equal ones in the order in which they came.
CREATE MATERIALIZED VIEW highest AS
SELECT auction, n, bidder, price
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS n FROM bids)
WHERE n <= 3
EMIT ON UPDATE;

-- The last two bids of each auction: a row stays itself while newer ones come.
CREATE MATERIALIZED VIEW last_bids AS
SELECT auction, bid_id, price
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY _seq DESC) AS n FROM bids)
WHERE n <= 2
EMIT ON UPDATE;

-- Each bid once, whatever was sent twice: the first of an id.
CREATE MATERIALIZED VIEW once AS
SELECT bid_id, auction, price
FROM bids
QUALIFY ROW_NUMBER() OVER (PARTITION BY bid_id ORDER BY _seq) = 1
EMIT ON UPDATE;

-- The newest reading of each device by its own time: one that comes late does not replace it.
CREATE MATERIALIZED VIEW latest AS
SELECT device, celsius, at
FROM readings
QUALIFY ROW_NUMBER() OVER (PARTITION BY device ORDER BY at DESC) = 1
EMIT ON UPDATE;

-- The best two of each team, over a table: who falls out or leaves makes room for the next.
CREATE MATERIALIZED VIEW best AS
SELECT team, player, points
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY team ORDER BY points DESC) AS n FROM players)
WHERE n <= 2
EMIT ON UPDATE;

-- The two bidders of each minute who bid most often.
CREATE MATERIALIZED VIEW busiest AS
SELECT window_start, bidder, bids, n
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY bids DESC) AS n
  FROM (
    SELECT window_start, window_end, bidder, count(*) AS bids
    FROM TUMBLE(bids, at, INTERVAL '1 minute')
    GROUP BY window_start, window_end, bidder
  )
)
WHERE n <= 2
EMIT ON WINDOW CLOSE;

-- Readings that are far from the three before them of the same device.
CREATE MATERIALIZED VIEW odd AS
SELECT device, celsius, mean
FROM (
  SELECT device, celsius,
    avg(celsius) OVER (PARTITION BY device ORDER BY _seq ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING) AS mean,
    count(celsius) OVER (PARTITION BY device ORDER BY _seq ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING) AS n
  FROM readings
)
WHERE n = 3 AND abs(celsius - mean) > 10;

-- A device enters the hot ones, or leaves them.
CREATE MATERIALIZED VIEW hot_changes AS
SELECT device, at, CASE WHEN is_hot THEN 'enter' ELSE 'exit' END AS change
FROM (
  SELECT device, at, coalesce(celsius > 30, false) AS is_hot,
    lag(coalesce(celsius > 30, false)) OVER (PARTITION BY device ORDER BY _seq) AS was_hot
  FROM readings
)
WHERE is_hot IS DISTINCT FROM coalesce(was_hot, false);

-- What each bidder has bid so far, told with every bid.
CREATE MATERIALIZED VIEW spending AS
SELECT bidder, bid_id, sum(price) OVER (PARTITION BY bidder ORDER BY _seq) AS total
FROM bids;

-- What others than Ada bid among the last three bids of the auction, and whose bid below nine was the highest.
CREATE MATERIALIZED VIEW of_others AS
SELECT bid_id,
  count(*) FILTER (WHERE bidder <> 'ada') OVER (PARTITION BY auction ORDER BY _seq ROWS 2 PRECEDING) AS n,
  sum(price) FILTER (WHERE bidder <> 'ada') OVER (PARTITION BY auction ORDER BY _seq ROWS 2 PRECEDING) AS total,
  max_by(bidder, price) FILTER (WHERE price < 9) OVER (PARTITION BY auction ORDER BY _seq) AS highest
FROM bids;
