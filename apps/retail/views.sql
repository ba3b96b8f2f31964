-- What the shop looks at: both are kept up to date as line items come in.

-- One row per country: 38 of them in the whole file.
CREATE MATERIALIZED VIEW revenue_by_country WITH (distinct_max = 100000) AS
SELECT
  country,
  count(DISTINCT invoice_no) AS orders,
  count(DISTINCT customer_id) AS customers,
  sum(quantity * unit_price) AS revenue
FROM purchases
GROUP BY country
EMIT ON UPDATE;

-- One row per hour, once the watermark has passed its end; what comes late corrects it.
CREATE MATERIALIZED VIEW revenue_by_hour AS
SELECT
  window_start,
  window_end,
  count(DISTINCT invoice_no) AS orders,
  sum(quantity * unit_price) AS revenue
FROM TUMBLE(purchases, invoice_date, INTERVAL '1 hour')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 day';
