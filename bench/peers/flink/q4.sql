-- The mean price of each category: the highest bid of each auction while it was open.
SELECT category, AVG(CAST(final AS DOUBLE)) AS mean
FROM (
  SELECT a.id, a.category, MAX(b.price) AS final
  FROM auction a
  JOIN bid b ON b.auction = a.id
    AND b.date_time BETWEEN a.date_time AND a.date_time + INTERVAL '10' SECOND
  WHERE b.date_time <= a.expires
  GROUP BY a.id, a.category
)
GROUP BY category
