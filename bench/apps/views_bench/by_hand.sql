-- The topic that the view by hand goes into.
CREATE STREAM by_hand (device_id TEXT) PARTITION BY (device_id);
