-- Who sells in some states, in one category.
SELECT p.name, p.city, p.state, a.id
FROM auction a
JOIN person p ON p.id = a.seller
  AND p.date_time BETWEEN a.date_time - INTERVAL '1' DAY AND a.date_time + INTERVAL '1' DAY
WHERE a.category = 10 AND p.state IN ('or', 'id', 'ca')
