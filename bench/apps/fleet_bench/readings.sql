-- What the benches send: one reading of a vehicle, 132 bytes as a line of JSON.
CREATE STREAM readings (
  device_id TEXT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  celsius DOUBLE PRECISION NOT NULL,
  speed DOUBLE PRECISION NOT NULL,
  odometer BIGINT NOT NULL,
  state TEXT NOT NULL
) PARTITION BY (device_id);
