-- What changed among the boot plans: when each was last put, and which hosts' were dropped. A server that does not know
-- this counts its changes in boot_plans alone, so the distance between the two counters tells that it was there.
ALTER TABLE boot_plan ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
CREATE INDEX boot_plan_revision ON boot_plan (revision);

CREATE TABLE boot_plan_gone (
    host     TEXT   NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
);
CREATE INDEX boot_plan_gone_revision ON boot_plan_gone (revision);

INSERT INTO counter (name, value) SELECT 'boot_plan_rows', value FROM counter WHERE name = 'boot_plans';
