-- What a conference says of rights itself, as `account::Rights` prints it.
ALTER TABLE conference ADD COLUMN rights TEXT NOT NULL DEFAULT '';

PRAGMA user_version = 2;
