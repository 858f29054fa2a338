-- What holds work back, what stops it, and who asked for what. An empty site or pool means all of them.
CREATE TABLE brake (
    id        TEXT   NOT NULL PRIMARY KEY,
    kind      TEXT   NOT NULL,
    site      TEXT   NOT NULL,
    pool      TEXT   NOT NULL,
    by_whom   TEXT   NOT NULL,
    reason    TEXT   NOT NULL,
    since     BIGINT NOT NULL,
    lifted_by TEXT,
    lifted_at BIGINT
);
CREATE UNIQUE INDEX brake_standing ON brake (kind, site, pool) WHERE lifted_at IS NULL;
CREATE INDEX brake_lifted ON brake (lifted_at) WHERE lifted_at IS NOT NULL;

CREATE TABLE cancellation (
    id         TEXT   NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL,
    by_whom    TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    reason     TEXT   NOT NULL,
    until      TEXT   NOT NULL
);

CREATE TABLE audit (
    seq        BIGINT NOT NULL PRIMARY KEY,
    at         BIGINT NOT NULL,
    who        TEXT   NOT NULL,
    via        TEXT   NOT NULL,
    method     TEXT   NOT NULL,
    object     TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    outcome    TEXT   NOT NULL,
    detail     TEXT   NOT NULL,
    digest     TEXT   NOT NULL
);
CREATE INDEX audit_object ON audit (object, seq);
CREATE INDEX audit_who ON audit (who, seq);

ALTER TABLE api_token ADD COLUMN site TEXT;
ALTER TABLE api_token ADD COLUMN pool TEXT;
ALTER TABLE api_token ADD COLUMN may_unprotect BIGINT NOT NULL DEFAULT 0;
