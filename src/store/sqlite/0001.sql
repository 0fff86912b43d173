-- Times are milliseconds since 1970; sealed values are opaque here.
CREATE TABLE account (
    name             TEXT    NOT NULL PRIMARY KEY,
    role             TEXT    NOT NULL,
    a1_sha256        BLOB    NOT NULL,
    a1_md5           BLOB    NOT NULL,
    initial_password INTEGER NOT NULL,
    created          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE contact (
    user    TEXT    NOT NULL REFERENCES account (name) ON DELETE CASCADE,
    domain  TEXT    NOT NULL,
    contact TEXT    NOT NULL,
    q       INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    call_id TEXT    NOT NULL,
    cseq    INTEGER NOT NULL,
    hop     TEXT    NOT NULL,
    path    TEXT    NOT NULL, -- one value a line
    PRIMARY KEY (user, domain, contact)
) STRICT, WITHOUT ROWID;

CREATE TABLE conference (
    name             TEXT    NOT NULL PRIMARY KEY,
    title            TEXT    NOT NULL,
    pin              BLOB,
    guests           INTEGER,
    max_participants INTEGER,
    ttl              INTEGER,
    ends_with_chair  INTEGER NOT NULL,
    ends_when_empty  INTEGER NOT NULL,
    locked           INTEGER NOT NULL,
    creator          TEXT,
    created          INTEGER NOT NULL,
    revision         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE fact (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 1;
