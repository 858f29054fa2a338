-- Pools: who belongs to one, who wants a host of it, who of its machines is disturbed, what failed on its hosts.
ALTER TABLE reference ADD COLUMN bond TEXT NOT NULL DEFAULT 'needs';

CREATE TABLE want (
    machine TEXT   NOT NULL PRIMARY KEY,
    pool    TEXT   NOT NULL,
    since   BIGINT NOT NULL
);
CREATE INDEX want_pool ON want (pool, since);

CREATE TABLE disturbance (
    machine TEXT   NOT NULL PRIMARY KEY,
    pool    TEXT   NOT NULL,
    since   BIGINT NOT NULL,
    begun   BIGINT NOT NULL
);
CREATE INDEX disturbance_pool ON disturbance (pool, begun, since);

CREATE TABLE accusation (
    pool  TEXT   NOT NULL,
    host  TEXT   NOT NULL,
    what  TEXT   NOT NULL,
    which TEXT   NOT NULL,
    at    BIGINT NOT NULL,
    PRIMARY KEY (pool, what, which, host)
);
