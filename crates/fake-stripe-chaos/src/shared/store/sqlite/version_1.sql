-- Times are milliseconds since the Unix epoch, amounts are minor units. Nothing is looked up by anything but
-- its primary key, so there is no other index.

CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- Payments, reservations, labels and notifications, as JSON.
CREATE TABLE records (
    run INTEGER NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (run, kind, id)
) STRICT, WITHOUT ROWID;

-- What each idempotency key led to.
CREATE TABLE keys (
    run INTEGER NOT NULL,
    key TEXT NOT NULL,
    at INTEGER NOT NULL,
    operation TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    led_to TEXT NOT NULL,
    decision TEXT,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE tombstones (
    run INTEGER NOT NULL,
    key TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (run, key)
) STRICT, WITHOUT ROWID;

-- The ledger; only ever appended to.
CREATE TABLE entries (
    run INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    operation TEXT,
    order_id TEXT,
    key TEXT,
    resource TEXT,
    effect TEXT NOT NULL,
    amount INTEGER,
    currency TEXT,
    until INTEGER,
    PRIMARY KEY (run, sequence)
) STRICT, WITHOUT ROWID;

-- The sums that are kept along with the entries, as JSON.
CREATE TABLE totals (
    run INTEGER PRIMARY KEY,
    totals TEXT NOT NULL
) STRICT;

CREATE TABLE orders (
    run INTEGER NOT NULL,
    id TEXT NOT NULL,
    outcome TEXT,
    told_at INTEGER,
    PRIMARY KEY (run, id)
) STRICT, WITHOUT ROWID;

-- How often each operation was decided for each chaos key.
CREATE TABLE attempts (
    run INTEGER NOT NULL,
    operation TEXT NOT NULL,
    key TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (run, operation, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE plans (
    run INTEGER NOT NULL,
    order_id TEXT NOT NULL,
    plan TEXT NOT NULL,
    PRIMARY KEY (run, order_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    run INTEGER NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;
