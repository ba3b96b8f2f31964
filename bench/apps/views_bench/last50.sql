-- Each reading beside the mean and the deviation of the fifty before it of its vehicle; told if it is
-- beyond three deviations.
CREATE MATERIALIZED VIEW odd AS
SELECT device_id, at, celsius, mean
FROM (
  SELECT device_id, at, celsius,
    count(*) OVER (PARTITION BY device_id ORDER BY _seq ROWS BETWEEN 50 PRECEDING AND 1 PRECEDING) AS n,
    avg(celsius) OVER (PARTITION BY device_id ORDER BY _seq ROWS BETWEEN 50 PRECEDING AND 1 PRECEDING) AS mean,
    avg(celsius * celsius) OVER (PARTITION BY device_id ORDER BY _seq ROWS BETWEEN 50 PRECEDING AND 1 PRECEDING) AS square
  FROM readings
)
WHERE n > 2 AND (celsius - mean) * (celsius - mean) > 9 * (square - mean * mean) + 0.000001;
