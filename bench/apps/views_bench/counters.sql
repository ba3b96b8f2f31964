-- What single writes count in.
CREATE TABLE counters (id TEXT PRIMARY KEY, n BIGINT NOT NULL);
