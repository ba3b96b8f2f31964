-- Streams that look up views whose rows change, as of each event.
CREATE STREAM payments (
  customer_id TEXT,
  amount      BIGINT NOT NULL,
  method      TEXT NOT NULL,
  paid        TIMESTAMPTZ NOT NULL,
  WATERMARK FOR paid AS paid - INTERVAL '10 seconds'
);

CREATE STREAM orders (
  order_id    BIGINT NOT NULL,
  customer_id TEXT,
  amount      BIGINT NOT NULL,
  at          TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '10 seconds'
);

CREATE TABLE customers (
  customer_id TEXT PRIMARY KEY,
  country     TEXT
);

-- What each customer has paid so far.
CREATE MATERIALIZED VIEW spending AS
SELECT customer_id, count(*) AS payments, sum(amount) AS spent, max_by(method, paid) AS method
FROM payments
WHERE amount > 0
GROUP BY customer_id
EMIT ON UPDATE;

-- Customers who pay often.
CREATE MATERIALIZED VIEW regulars AS
SELECT customer_id, avg(amount) AS usual
FROM payments
GROUP BY customer_id
HAVING count(*) >= 3
EMIT ON UPDATE;

CREATE MATERIALIZED VIEW ordered AS
SELECT customer_id, count(*) AS orders, sum(amount) AS amount
FROM orders
GROUP BY customer_id
EMIT ON UPDATE;

-- Each order beside what its customer had paid when it came.
CREATE MATERIALIZED VIEW orders_with_spending AS
SELECT o.order_id, o.at, s.payments, s.spent, s.method
FROM orders o
JOIN spending FOR SYSTEM_TIME AS OF PROCTIME() s ON s.customer_id = o.customer_id;

-- All of it at once: two views, the orders of the customer so far, this one among them, and a table.
CREATE MATERIALIZED VIEW orders_with_all AS
SELECT o.order_id, c.country, s.spent, r.usual, n.orders, n.amount - o.amount AS before
FROM orders o
LEFT JOIN customers FOR SYSTEM_TIME AS OF PROCTIME() c ON c.customer_id = o.customer_id
LEFT JOIN spending FOR SYSTEM_TIME AS OF PROCTIME() s ON s.customer_id = o.customer_id
LEFT JOIN regulars FOR SYSTEM_TIME AS OF PROCTIME() r ON r.customer_id = o.customer_id
LEFT JOIN ordered FOR SYSTEM_TIME AS OF PROCTIME() n ON n.customer_id = o.customer_id;

-- Orders that are far above what a regular customer usually pays.
CREATE MATERIALIZED VIEW unusual AS
SELECT o.order_id, r.usual
FROM orders o
JOIN regulars FOR SYSTEM_TIME AS OF PROCTIME() r ON r.customer_id = o.customer_id AND o.amount > r.usual * 10;

-- Windows over what was looked up.
CREATE MATERIALIZED VIEW by_minute AS
SELECT window_start, count(*) AS orders, sum(spent) AS spent
FROM TUMBLE(orders_with_spending, at, INTERVAL '1 minute') o
GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE;
