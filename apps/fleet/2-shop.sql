-- What the owners of the vehicles buy.

CREATE STREAM shop_orders (
  order_id TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  vehicle_id TEXT,                     -- absent for what fits any vehicle
  item TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  unit_price NUMERIC(10, 2) NOT NULL,
  country TEXT NOT NULL,
  ordered_at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR ordered_at AS ordered_at - INTERVAL '1 minute'
) PARTITION BY (owner_id);
