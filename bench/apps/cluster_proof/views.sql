
CREATE TABLE clients (
  client BIGINT PRIMARY KEY,
  tier TEXT NOT NULL
);

-- Straight from the stream.
CREATE MATERIALIZED VIEW by_client AS
SELECT client, count(*) AS events, sum(n) AS numbers
FROM ledger
GROUP BY client
EMIT ON UPDATE;

-- By what is known of the client when its event comes: a worker looks it up.
CREATE MATERIALIZED VIEW by_tier AS
SELECT c.tier, count(*) AS events, sum(l.n) AS numbers
FROM ledger l
JOIN clients FOR SYSTEM_TIME AS OF PROCTIME() c ON c.client = l.client
GROUP BY c.tier
EMIT ON UPDATE;

CREATE TABLE campaigns (
  name TEXT PRIMARY KEY,
  taken BIGINT NOT NULL
);
