-- What the benches send, what is known of each vehicle, and what is computed of both.
CREATE STREAM readings (
  device_id TEXT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  celsius DOUBLE PRECISION NOT NULL,
  speed DOUBLE PRECISION NOT NULL,
  odometer BIGINT NOT NULL,
  state TEXT NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
) PARTITION BY (device_id);

CREATE TABLE devices (device_id TEXT PRIMARY KEY, model TEXT NOT NULL);
