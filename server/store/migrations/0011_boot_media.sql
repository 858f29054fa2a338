-- What the image of a host's boot by virtual media says; followed like the boot plans, by the same revisions.
CREATE TABLE boot_media (
    host     TEXT   NOT NULL PRIMARY KEY,
    sealed   TEXT   NOT NULL,
    revision BIGINT NOT NULL
);
CREATE INDEX boot_media_revision ON boot_media (revision);
