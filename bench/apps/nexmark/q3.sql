-- Who sells in some states, in one category. Nexmark keeps both sides for ever; a view says for how long.
CREATE MATERIALIZED VIEW q3 AS
SELECT p.name, p.city, p.state, a.id
FROM auction a
JOIN person p ON p.id = a.seller
  AND p.date_time BETWEEN a.date_time - INTERVAL '1 day' AND a.date_time + INTERVAL '1 day'
WHERE a.category = 10 AND p.state IN ('or', 'id', 'ca');
