-- What the benches send, and what is known of each vehicle. Eight connections send at once: in event
-- time they are up to half a minute apart, and none of it is to be late.
CREATE STREAM readings (
  device_id TEXT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  celsius DOUBLE PRECISION NOT NULL,
  speed DOUBLE PRECISION NOT NULL,
  odometer BIGINT NOT NULL,
  state TEXT NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '1 minute'
) PARTITION BY (device_id);

CREATE TABLE devices (device_id TEXT PRIMARY KEY, model TEXT NOT NULL);
