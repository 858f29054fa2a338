-- The queue, claims on hosts, observations, history.
CREATE TABLE queue (
    id          TEXT   NOT NULL PRIMARY KEY,
    kind        TEXT   NOT NULL,
    run_at      BIGINT,
    kicks       BIGINT NOT NULL,
    lease_until BIGINT,
    lease_owner TEXT,
    lease_epoch BIGINT NOT NULL
);
CREATE INDEX queue_due ON queue (run_at) WHERE lease_until IS NULL AND run_at IS NOT NULL;
CREATE INDEX queue_leased ON queue (lease_until) WHERE lease_until IS NOT NULL;

CREATE TABLE claim (
    host    TEXT NOT NULL PRIMARY KEY,
    machine TEXT NOT NULL
);
CREATE INDEX claim_machine ON claim (machine);

CREATE TABLE step (
    id         TEXT   NOT NULL,
    generation BIGINT NOT NULL,
    name       TEXT   NOT NULL,
    result     TEXT   NOT NULL,
    PRIMARY KEY (id, generation, name)
);

CREATE TABLE observation (
    id         TEXT   NOT NULL,
    source     TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    body       TEXT   NOT NULL,
    PRIMARY KEY (id, source)
);

CREATE TABLE event (
    seq        BIGINT NOT NULL PRIMARY KEY,
    kind       TEXT   NOT NULL,
    id         TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    phase      TEXT   NOT NULL,
    text       TEXT   NOT NULL,
    decided_at TEXT   NOT NULL
);
CREATE INDEX event_object ON event (id, seq);
CREATE INDEX event_at ON event (at);

CREATE TABLE operation (
    id          TEXT   NOT NULL PRIMARY KEY,
    object      TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    verb        TEXT   NOT NULL,
    generation  BIGINT NOT NULL,
    started_at  BIGINT NOT NULL,
    finished_at BIGINT,
    outcome     TEXT,
    failure     TEXT
);
CREATE UNIQUE INDEX operation_open ON operation (object) WHERE finished_at IS NULL;
CREATE INDEX operation_object ON operation (object, generation);

CREATE TABLE operation_step (
    operation  TEXT   NOT NULL,
    seq        BIGINT NOT NULL,
    phase      TEXT   NOT NULL,
    entered_at BIGINT NOT NULL,
    left_at    BIGINT,
    note       TEXT   NOT NULL,
    PRIMARY KEY (operation, seq)
);
