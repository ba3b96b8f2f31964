-- Rows of several streams in one view: UNION ALL.

CREATE STREAM calls (
  caller TEXT NOT NULL,
  seconds INTEGER NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);

CREATE STREAM mails (
  sender TEXT NOT NULL,
  bytes BIGINT NOT NULL,
  sent TIMESTAMPTZ NOT NULL,
  WATERMARK FOR sent AS sent - INTERVAL '1 minute'
);

CREATE TABLE people (
  name TEXT PRIMARY KEY,
  town TEXT NOT NULL
);

-- Whatever somebody did, with where they lived then: columns by position, the names of the first.
CREATE MATERIALIZED VIEW contacts AS
SELECT c.caller AS who, p.town, 'call' AS kind, c.seconds AS amount, c.at
FROM calls c LEFT JOIN people FOR SYSTEM_TIME AS OF PROCTIME() p ON p.name = c.caller
UNION ALL
SELECT sender, NULL, 'mail', bytes, sent FROM mails WHERE bytes > 0;

-- Its windows close when both streams have passed their end.
CREATE MATERIALIZED VIEW contacts_by_minute AS
SELECT window_start, kind, count(*) AS n, sum(amount) AS amount
FROM TUMBLE(contacts, at, INTERVAL '1 minute')
GROUP BY window_start, window_end, kind
EMIT ON WINDOW CLOSE;

CREATE MATERIALIZED VIEW activity AS
SELECT who, count(*) AS contacts, max(at) AS last
FROM (SELECT caller AS who, at FROM calls UNION ALL SELECT sender, sent FROM mails) both
GROUP BY who
EMIT ON UPDATE;

-- UNION without ALL: each row once.
CREATE MATERIALIZED VIEW names AS
SELECT caller AS name FROM calls UNION SELECT sender FROM mails
EMIT ON UPDATE;
