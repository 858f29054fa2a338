-- What agents had to say while they were at work on a host, part by part. Bounded: so many parts of each boot, so many boots
-- of each host. `object` is who the boot was for.
CREATE TABLE agent_log (
    host   TEXT   NOT NULL,
    epoch  BIGINT NOT NULL,
    part   BIGINT NOT NULL,
    object TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    text   TEXT   NOT NULL,
    PRIMARY KEY (host, epoch, part)
);
CREATE INDEX agent_log_object ON agent_log (object, epoch);
