-- What people do with advertisements, and the campaign that each advertisement is of. Eight connections
-- send at once, and are never five seconds of event time apart.
CREATE STREAM ad_event (
  user_id TEXT NOT NULL,
  page_id TEXT NOT NULL,
  ad_id TEXT NOT NULL,
  ad_type TEXT NOT NULL,
  event_type TEXT NOT NULL,
  event_time TIMESTAMPTZ NOT NULL,
  ip_address TEXT NOT NULL,
  WATERMARK FOR event_time AS event_time - INTERVAL '5 seconds'
) PARTITION BY (ad_id);

CREATE TABLE ad (ad_id TEXT PRIMARY KEY, campaign_id TEXT NOT NULL);

-- How often the advertisements of each campaign are seen, every ten seconds.
CREATE MATERIALIZED VIEW ysb AS
SELECT window_start, window_end, a.campaign_id, count(*) AS views
FROM TUMBLE(ad_event, event_time, INTERVAL '10 seconds') e
JOIN ad FOR SYSTEM_TIME AS OF PROCTIME() a ON a.ad_id = e.ad_id
WHERE e.event_type = 'view'
GROUP BY window_start, window_end, a.campaign_id
EMIT ON WINDOW CLOSE;
