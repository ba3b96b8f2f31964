-- Nexmark's events as our server got them, byte for byte: lines of JSON of all three kinds in the order
-- of event time, as Nexmark's own set-up for Flink has them in one source. No two kinds give a name
-- another type, so one table has the columns of all; which kind a line is follows from what only that
-- kind has. Flink decodes the columns that a query needs, and nothing else.
CREATE TEMPORARY TABLE event (
  id BIGINT,
  name STRING,
  email_address STRING,
  credit_card STRING,
  city STRING,
  state STRING,
  item_name STRING,
  description STRING,
  initial_bid BIGINT,
  reserve BIGINT,
  expires TIMESTAMP_LTZ(3),
  seller BIGINT,
  category BIGINT,
  auction BIGINT,
  bidder BIGINT,
  price BIGINT,
  channel STRING,
  url STRING,
  date_time TIMESTAMP_LTZ(3),
  extra STRING,
  WATERMARK FOR date_time AS date_time - INTERVAL '4' SECOND
) WITH (
  {source},
  'format' = 'json',
  'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TEMPORARY VIEW person AS
SELECT id, name, email_address, credit_card, city, state, date_time, extra
FROM event
WHERE email_address IS NOT NULL;

CREATE TEMPORARY VIEW auction AS
SELECT id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra
FROM event
WHERE seller IS NOT NULL;

CREATE TEMPORARY VIEW bid AS
SELECT auction, bidder, price, channel, url, date_time, extra
FROM event
WHERE bidder IS NOT NULL;
