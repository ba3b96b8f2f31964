-- Joins of two streams whose event times lie near each other.

CREATE STREAM orders (
  order_id TEXT NOT NULL,
  customer TEXT,
  total NUMERIC(10, 2) NOT NULL,
  at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);

CREATE STREAM payments (
  payment_id TEXT NOT NULL,
  order_id TEXT,
  amount NUMERIC(10, 2) NOT NULL,
  paid TIMESTAMPTZ NOT NULL,
  WATERMARK FOR paid AS paid - INTERVAL '30 seconds'
);

-- What was paid from five minutes before to an hour after its order.
CREATE MATERIALIZED VIEW paid_orders AS
SELECT o.order_id, p.payment_id, o.total, p.amount, p.paid
FROM orders o
JOIN payments p ON p.order_id = o.order_id
  AND p.paid BETWEEN o.at - INTERVAL '5 minutes' AND o.at + INTERVAL '1 hour';

-- Orders, with what was paid within an hour or with NULL once nothing can be any more.
CREATE MATERIALIZED VIEW unpaid_orders AS
SELECT o.order_id, p.payment_id, o.at
FROM orders o
LEFT JOIN payments p ON p.order_id = o.order_id AND p.paid BETWEEN o.at AND o.at + INTERVAL '1 hour';

-- What is built over it: windows of the event time that was selected.
CREATE MATERIALIZED VIEW paid_by_hour AS
SELECT window_start, count(*) AS payments, sum(amount) AS amount
FROM TUMBLE(paid_orders, paid, INTERVAL '1 hour')
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;

-- Groups over pairs, some of which do not count.
CREATE MATERIALIZED VIEW paid_short AS
SELECT o.customer, count(*) AS payments, sum(o.total - p.amount) AS missing
FROM orders o
JOIN (SELECT order_id, amount, paid FROM payments WHERE amount > 0) p
  ON p.order_id = o.order_id AND p.paid >= o.at AND p.paid < o.at + INTERVAL '1 hour'
  AND p.amount < o.total
GROUP BY o.customer
EMIT ON UPDATE;

-- A stream with itself: the same customer again within ten minutes.
CREATE MATERIALIZED VIEW again AS
SELECT a.order_id AS first, b.order_id AS second, b.at
FROM orders a
JOIN orders b ON b.customer = a.customer AND b.at > a.at AND b.at <= a.at + INTERVAL '10 minutes';
