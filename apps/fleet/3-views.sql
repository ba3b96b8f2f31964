-- Which vehicle is whose, and what is computed of it as events come in.

CREATE TABLE owners (
  owner_id TEXT PRIMARY KEY,
  country TEXT NOT NULL
);

CREATE TABLE vehicles (
  vehicle_id TEXT PRIMARY KEY,
  model TEXT NOT NULL,
  owner_id TEXT NOT NULL
);

-- How each vehicle did in each minute, with what was known of it when its readings came.
CREATE MATERIALIZED VIEW minute_by_vehicle AS
SELECT
  window_start,
  window_end,
  r.vehicle_id,
  v.model,
  count(*) AS readings,
  avg(r.celsius) AS mean_celsius,
  max(r.celsius) AS max_celsius,
  avg(r.speed_kmh) AS mean_kmh,
  count(*) FILTER (WHERE r.speed_kmh > 100) AS fast
FROM TUMBLE(readings, at, INTERVAL '1 minute') r
JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = r.vehicle_id
GROUP BY window_start, window_end, r.vehicle_id, v.model
EMIT ON WINDOW CLOSE;

-- What each owner has driven so far.
CREATE MATERIALIZED VIEW trips_by_owner AS
SELECT
  v.owner_id,
  count(*) AS trips,
  sum(t.distance_km) AS km,
  sum(t.harsh_brakes) AS harsh_brakes
FROM trips t
JOIN vehicles FOR SYSTEM_TIME AS OF PROCTIME() v ON v.vehicle_id = t.vehicle_id
GROUP BY v.owner_id
EMIT ON UPDATE;

-- What the shop took, by the country it went to.
CREATE MATERIALIZED VIEW shop_by_country AS
SELECT country, count(*) AS orders, sum(quantity * unit_price) AS revenue
FROM shop_orders
GROUP BY country
EMIT ON UPDATE;
