"""What is asked about retail: of DuckDB, and of one machine and many."""

# Both sides understand every one of these as written.
QUESTIONS = [
    "SELECT count(*) FROM purchases",
    "SELECT count(DISTINCT invoice_no), count(DISTINCT customer_id), count(DISTINCT stock_code) FROM purchases",
    "SELECT country, sum(quantity * unit_price) AS revenue FROM purchases GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5",
    "SELECT country, count(*) AS n FROM purchases GROUP BY 1 ORDER BY 2 DESC, 1",
    "SELECT count(*) FROM purchases WHERE customer_id IS NULL",
    "SELECT count(*), sum(quantity) FROM purchases WHERE invoice_no LIKE 'C%'",
    "SELECT min(invoice_date), max(invoice_date) FROM purchases",
    "SELECT min(unit_price), max(unit_price), min(quantity), max(quantity) FROM purchases",
    "SELECT stock_code, sum(quantity) AS pieces FROM purchases GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20",
    "SELECT customer_id, sum(quantity * unit_price) AS spent FROM purchases WHERE customer_id IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
    "SELECT date_trunc('month', invoice_date) AS month, count(*) AS n, sum(quantity * unit_price) AS revenue FROM purchases GROUP BY 1 ORDER BY 1",
    "SELECT date_part('hour', invoice_date) AS hour, count(DISTINCT invoice_no) AS invoices FROM purchases GROUP BY 1 ORDER BY 1",
    "SELECT description, count(*) AS n FROM purchases WHERE description IS NOT NULL GROUP BY 1 HAVING count(*) > 20 ORDER BY 2 DESC, 1 LIMIT 15",
    "SELECT count(*) FROM purchases WHERE description LIKE '%\"%'",
    "SELECT count(*) FROM purchases WHERE description LIKE '%,%'",
    "SELECT sum(quantity * unit_price) FROM purchases WHERE unit_price > 0 AND quantity > 0",
    "SELECT country, count(DISTINCT customer_id) AS customers FROM purchases GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
    "SELECT count(*) FROM (SELECT invoice_no FROM purchases GROUP BY invoice_no HAVING sum(quantity) < 0) AS returned",
    "SELECT invoice_no, sum(quantity * unit_price) AS total FROM purchases GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
    "SELECT count(*) FROM purchases WHERE invoice_date >= TIMESTAMPTZ '2010-12-01 12:00:00+00' AND invoice_date < TIMESTAMPTZ '2010-12-01 14:00:00+00'",
    "SELECT upper(country) AS land, length(country) AS letters FROM purchases GROUP BY country ORDER BY 1",
    "SELECT CASE WHEN quantity < 0 THEN 'back' WHEN quantity < 10 THEN 'few' ELSE 'many' END AS size, count(*) AS n FROM purchases GROUP BY 1 ORDER BY 1",
    "SELECT a.country, a.n FROM (SELECT country, count(*) AS n FROM purchases GROUP BY country) AS a JOIN (SELECT country, max(unit_price) AS top FROM purchases GROUP BY country) AS b ON a.country = b.country WHERE b.top > 100 ORDER BY 1",
    "SELECT country, n, rank() OVER (ORDER BY n DESC) AS place FROM (SELECT country, count(*) AS n FROM purchases GROUP BY country) AS counts ORDER BY 3, 1 LIMIT 10",
    "SELECT sum(copies - 1) FROM (SELECT count(*) AS copies FROM purchases GROUP BY invoice_no, stock_code, description, quantity, invoice_date, unit_price, customer_id, country HAVING count(*) > 1) AS equal_rows",
]

# Of what the views of the application hold. Windows close an hour after what is newest.
VIEWS = [
    "SELECT count(*), sum(orders), sum(customers), sum(revenue) FROM revenue_by_country",
    "SELECT country, orders, customers, revenue FROM revenue_by_country ORDER BY country",
    "SELECT window_start, window_end, orders, revenue FROM revenue_by_hour "
    "WHERE window_end <= (SELECT max(invoice_date) - INTERVAL '2 hours' FROM purchases) ORDER BY 1",
]
