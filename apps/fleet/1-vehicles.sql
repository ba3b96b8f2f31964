-- What the vehicles send by themselves.

CREATE STREAM readings (
  vehicle_id TEXT NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  lat DOUBLE PRECISION NOT NULL,
  lon DOUBLE PRECISION NOT NULL,
  speed_kmh DOUBLE PRECISION NOT NULL,
  battery_percent DOUBLE PRECISION NOT NULL,
  celsius DOUBLE PRECISION,            -- of the battery; absent while its sensor is silent
  odometer_km DOUBLE PRECISION NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
) PARTITION BY (vehicle_id) WITH (retention = '90 days');

CREATE STREAM trips (
  trip_id TEXT NOT NULL,
  vehicle_id TEXT NOT NULL,
  started_at TIMESTAMPTZ NOT NULL,
  ended_at TIMESTAMPTZ NOT NULL,
  distance_km NUMERIC(9, 3) NOT NULL,
  energy_kwh NUMERIC(9, 3) NOT NULL,
  harsh_brakes INTEGER NOT NULL,
  WATERMARK FOR ended_at AS ended_at - INTERVAL '1 minute'
) PARTITION BY (vehicle_id);
