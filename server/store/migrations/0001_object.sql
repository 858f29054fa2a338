-- Objects, what they name, and the feed of their changes. Ids are text, times are microseconds since 1970.
CREATE TABLE counter (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counter (name, value) VALUES ('feed_head', 0), ('feed_horizon', 0), ('boot_plans', 0);

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE object (
    id                  TEXT   NOT NULL PRIMARY KEY,
    kind                TEXT   NOT NULL,
    site                TEXT   NOT NULL,
    owner               TEXT   NOT NULL,
    name                TEXT   NOT NULL,
    incarnation         TEXT   NOT NULL,
    confirmed           BIGINT NOT NULL,
    request_id          TEXT   NOT NULL,
    spec                TEXT   NOT NULL,
    state               TEXT   NOT NULL,
    status              TEXT   NOT NULL,
    standing            TEXT   NOT NULL,
    phase               TEXT   NOT NULL,
    settled             BIGINT NOT NULL,
    generation          BIGINT NOT NULL,
    observed_generation BIGINT NOT NULL,
    revision            BIGINT NOT NULL,
    version             BIGINT NOT NULL,
    created_at          BIGINT NOT NULL,
    deleted_at          BIGINT,
    purged_at           BIGINT
);
CREATE UNIQUE INDEX object_key ON object (kind, site, owner, name) WHERE purged_at IS NULL;
CREATE UNIQUE INDEX object_revision ON object (revision);
CREATE INDEX object_purged ON object (purged_at) WHERE purged_at IS NOT NULL;

CREATE TABLE reference (
    id    TEXT NOT NULL,
    kind  TEXT NOT NULL,
    site  TEXT NOT NULL,
    owner TEXT NOT NULL,
    name  TEXT NOT NULL,
    PRIMARY KEY (id, kind, owner, name)
);
CREATE INDEX reference_target ON reference (kind, site, name);

CREATE TABLE secret (
    id     TEXT NOT NULL,
    name   TEXT NOT NULL,
    sealed TEXT NOT NULL,
    PRIMARY KEY (id, name)
);
