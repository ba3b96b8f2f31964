-- Patterns of each vehicle: a reading in service, some while driving, then one that parks, with nothing else in
-- between, all within ten minutes.
CREATE MATERIALIZED VIEW trips AS
SELECT device_id, began, at, legs, fastest
FROM readings MATCH_RECOGNIZE (
  PARTITION BY device_id
  ORDER BY at
  MEASURES A.at AS began, C.at AS at, count(B.*) AS legs, max(B.speed) AS fastest
  PATTERN (A B+ C) WITHIN INTERVAL '10 minutes'
  DEFINE A AS state = 'service', B AS state = 'driving', C AS state = 'parking'
);
