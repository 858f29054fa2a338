-- Machines that nobody enrolled: what their agents found, by the NIC they booted over, and what changed in it.
CREATE TABLE discovered (
    mac        TEXT   NOT NULL PRIMARY KEY,
    serial     TEXT,
    uuid       TEXT,
    network    TEXT,
    first_seen BIGINT NOT NULL,
    last_seen  BIGINT NOT NULL,
    inventory  TEXT   NOT NULL,
    changes    TEXT   NOT NULL
);
CREATE INDEX discovered_last_seen ON discovered (last_seen);
