-- What boot servers and the agent service answer, and who may call the API.
CREATE TABLE boot_plan (
    mac    TEXT NOT NULL PRIMARY KEY,
    host   TEXT NOT NULL,
    sealed TEXT NOT NULL
);
CREATE INDEX boot_plan_host ON boot_plan (host);

CREATE TABLE token (
    digest       TEXT   NOT NULL PRIMARY KEY,
    host         TEXT   NOT NULL,
    on_behalf_of TEXT   NOT NULL,
    epoch        BIGINT NOT NULL,
    purpose      TEXT   NOT NULL,
    expires_at   BIGINT NOT NULL,
    redeemed_by  TEXT
);
CREATE INDEX token_host ON token (host);

CREATE TABLE assignment (
    host   TEXT NOT NULL PRIMARY KEY,
    sealed TEXT NOT NULL
);

CREATE TABLE dhcp_lease (
    network    TEXT   NOT NULL,
    mac        TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (network, mac)
);
CREATE UNIQUE INDEX dhcp_lease_address ON dhcp_lease (network, address);

CREATE TABLE api_token (
    digest     TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    owner      TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX api_token_name ON api_token (name) WHERE revoked_at IS NULL;
