-- Joins of tables, and of views whose rows change.
CREATE TABLE customers (
  customer_id TEXT PRIMARY KEY,
  name        TEXT NOT NULL,
  country     TEXT
);

CREATE TABLE orders (
  order_id    BIGINT PRIMARY KEY,
  customer_id TEXT,
  amount      BIGINT NOT NULL,
  state       TEXT NOT NULL DEFAULT 'open'
);

CREATE STREAM payments (
  customer_id TEXT NOT NULL,
  paid        BIGINT NOT NULL,
  at          TIMESTAMPTZ NOT NULL
);

CREATE MATERIALIZED VIEW open_orders AS
SELECT o.order_id, o.amount, c.name
FROM orders o
LEFT JOIN customers c ON c.customer_id = o.customer_id
WHERE o.state = 'open'
EMIT ON UPDATE;

CREATE MATERIALIZED VIEW by_country AS
SELECT c.country, count(*) AS orders, sum(o.amount) AS amount
FROM orders o
JOIN customers c ON c.customer_id = o.customer_id
GROUP BY c.country
EMIT ON UPDATE;

CREATE MATERIALIZED VIEW paid AS
SELECT customer_id, sum(paid) AS paid FROM payments GROUP BY customer_id EMIT ON UPDATE;

CREATE MATERIALIZED VIEW ordered AS
SELECT customer_id, sum(amount) AS amount FROM orders GROUP BY customer_id EMIT ON UPDATE;

-- What each customer owes: two views that change, side by side.
CREATE MATERIALIZED VIEW owed AS
SELECT o.customer_id, o.amount - coalesce(p.paid, 0) AS owed
FROM ordered o
LEFT JOIN paid p ON p.customer_id = o.customer_id
EMIT ON UPDATE;

-- Every customer, whether something was ordered or not.
CREATE MATERIALIZED VIEW customers_and_orders AS
SELECT c.name, o.order_id
FROM orders o
RIGHT JOIN customers c ON c.customer_id = o.customer_id
EMIT ON UPDATE;

-- Everything that fits something else, and everything that fits nothing.
CREATE MATERIALIZED VIEW matched AS
SELECT o.order_id, c.name, c.country
FROM (SELECT * FROM orders WHERE state = 'open') o
FULL JOIN customers c ON c.customer_id = o.customer_id
EMIT ON UPDATE;

-- Three side by side, one after the other.
CREATE MATERIALIZED VIEW orders_with_all AS
SELECT o.order_id, c.name, p.paid
FROM orders o
JOIN customers c ON c.customer_id = o.customer_id
LEFT JOIN paid p ON p.customer_id = c.customer_id
EMIT ON UPDATE;
