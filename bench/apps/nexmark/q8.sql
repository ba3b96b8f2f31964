-- Who opened an auction in the same ten seconds in which they came.
CREATE MATERIALIZED VIEW q8_person AS
SELECT window_start AS starttime, id, name
FROM TUMBLE(person, date_time, INTERVAL '10 seconds')
GROUP BY window_start, window_end, id, name
EMIT ON WINDOW CLOSE;

CREATE MATERIALIZED VIEW q8_seller AS
SELECT window_start AS starttime, seller
FROM TUMBLE(auction, date_time, INTERVAL '10 seconds')
GROUP BY window_start, window_end, seller
EMIT ON WINDOW CLOSE;

CREATE MATERIALIZED VIEW q8 AS
SELECT p.id, p.name, p.starttime
FROM q8_person p
JOIN q8_seller a ON a.seller = p.id AND a.starttime = p.starttime;
