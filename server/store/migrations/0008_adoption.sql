-- Enrolment tokens for machines that are installed already, and the agents that live on hosts.
CREATE TABLE adoption (
    digest     TEXT   NOT NULL PRIMARY KEY,
    terms      TEXT   NOT NULL,
    uses       BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE resident (
    host      TEXT   NOT NULL PRIMARY KEY,
    agent_key TEXT   NOT NULL,
    box       TEXT,
    since     BIGINT NOT NULL
);
CREATE UNIQUE INDEX resident_key ON resident (agent_key);
CREATE UNIQUE INDEX resident_box ON resident (box) WHERE box IS NOT NULL;
