-- Who opened an auction in the same ten seconds in which they came: as Nexmark has it.
SELECT p.id, p.name, p.starttime
FROM (
  SELECT id, name, window_start AS starttime, window_end AS endtime
  FROM TUMBLE(TABLE person, DESCRIPTOR(date_time), INTERVAL '10' SECOND)
  GROUP BY id, name, window_start, window_end
) p
JOIN (
  SELECT seller, window_start AS starttime, window_end AS endtime
  FROM TUMBLE(TABLE auction, DESCRIPTOR(date_time), INTERVAL '10' SECOND)
  GROUP BY seller, window_start, window_end
) a ON a.seller = p.id AND a.starttime = p.starttime AND a.endtime = p.endtime
