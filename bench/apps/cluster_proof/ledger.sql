-- What clients send while machines die, and what must be counted of it, once.

CREATE STREAM ledger (
  event_id TEXT NOT NULL,              -- of the client's making: it stays the same when it is sent again
  client BIGINT NOT NULL,
  n BIGINT NOT NULL,                   -- 0, 1, 2, … of each client
  at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '1 minute'
) PARTITION BY (client)
