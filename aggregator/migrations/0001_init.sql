-- The store of headquarters. One text for SQLite and PostgreSQL: words in braces are filled in by
-- `store::migrate`. Codes: lane 0 alarm, 1 routine; level 0 normal .. 4 red; quality is the packed byte.

CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, number BIGINT NOT NULL);

CREATE TABLE gateways (
    gateway TEXT NOT NULL PRIMARY KEY,
    site_zh TEXT, site_en TEXT,
    path_group TEXT, path_company TEXT, path_mine TEXT, path_facility TEXT,
    software TEXT, config BIGINT, started_us BIGINT, backlog BIGINT, link_losses BIGINT,
    heard_us BIGINT NOT NULL,
    catalogue_config BIGINT, catalogue_epoch BIGINT, catalogue_seq BIGINT
);

CREATE TABLE points (
    point_num {IDENTITY},
    gateway TEXT NOT NULL, point TEXT NOT NULL,
    description TEXT,
    UNIQUE (gateway, point)
);

CREATE TABLE streams (
    stream_num {IDENTITY},
    gateway TEXT NOT NULL, epoch BIGINT NOT NULL, lane SMALLINT NOT NULL,
    version BIGINT NOT NULL, next_seq BIGINT NOT NULL, closed SMALLINT NOT NULL,
    UNIQUE (gateway, epoch, lane)
);

CREATE TABLE marks (
    stream_num BIGINT NOT NULL, from_seq BIGINT NOT NULL, to_seq BIGINT NOT NULL,
    PRIMARY KEY (stream_num, from_seq)
) {WITHOUT_ROWID};

-- Time first: appends touch the same few pages, retention deletes a prefix, and the history of one
-- point seeks from slot (minute) to slot.
CREATE TABLE readings (
    slot BIGINT NOT NULL, point_num BIGINT NOT NULL, at_us BIGINT NOT NULL,
    stream_num BIGINT NOT NULL, seq BIGINT NOT NULL,
    value DOUBLE PRECISION, quality SMALLINT NOT NULL, ingested_us BIGINT NOT NULL,
    PRIMARY KEY (slot, point_num, at_us, stream_num, seq)
) {WITHOUT_ROWID};

CREATE TABLE latest (
    point_num BIGINT NOT NULL PRIMARY KEY,
    at_us BIGINT NOT NULL, ingested_us BIGINT NOT NULL,
    value DOUBLE PRECISION, quality SMALLINT NOT NULL
);

CREATE TABLE hourly (
    hour BIGINT NOT NULL, point_num BIGINT NOT NULL,
    n BIGINT NOT NULL, n_usable BIGINT NOT NULL,
    min DOUBLE PRECISION, max DOUBLE PRECISION, total DOUBLE PRECISION,
    last DOUBLE PRECISION, last_us BIGINT NOT NULL, quality SMALLINT NOT NULL,
    PRIMARY KEY (hour, point_num)
) {WITHOUT_ROWID};

CREATE TABLE hourly_due (hour BIGINT NOT NULL PRIMARY KEY, due_us BIGINT NOT NULL);

CREATE TABLE alarm_journal (
    gateway TEXT NOT NULL, alarm TEXT NOT NULL, revision BIGINT NOT NULL,
    kind TEXT NOT NULL, point TEXT, from_level SMALLINT NOT NULL, to_level SMALLINT NOT NULL,
    at_us BIGINT NOT NULL, value DOUBLE PRECISION, limit_value DOUBLE PRECISION,
    rule TEXT NOT NULL, why TEXT NOT NULL, ingested_us BIGINT NOT NULL,
    PRIMARY KEY (gateway, alarm, revision)
);

CREATE TABLE alarms (
    gateway TEXT NOT NULL, alarm TEXT NOT NULL, revision BIGINT NOT NULL, to_level SMALLINT NOT NULL,
    PRIMARY KEY (gateway, alarm)
);

CREATE TABLE gaps (
    stream_num BIGINT NOT NULL, seq BIGINT NOT NULL, gateway TEXT NOT NULL,
    reason TEXT NOT NULL, subject TEXT NOT NULL, from_us BIGINT NOT NULL, to_us BIGINT NOT NULL,
    gap_epoch BIGINT, gap_lane SMALLINT, gap_from BIGINT, gap_to BIGINT, missing BIGINT NOT NULL,
    PRIMARY KEY (stream_num, seq)
);
CREATE INDEX gaps_by_gateway ON gaps (gateway, from_us);

CREATE TABLE events (
    stream_num BIGINT NOT NULL, seq BIGINT NOT NULL, gateway TEXT NOT NULL,
    kind TEXT NOT NULL, subject TEXT NOT NULL, at_us BIGINT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (stream_num, seq)
);

CREATE TABLE catalogues (
    gateway TEXT NOT NULL, config BIGINT NOT NULL, part BIGINT NOT NULL, parts BIGINT NOT NULL,
    epoch BIGINT NOT NULL, seq BIGINT NOT NULL, description TEXT NOT NULL,
    PRIMARY KEY (gateway, config, part)
);

CREATE TABLE quarantine (
    id {IDENTITY},
    at_us BIGINT NOT NULL, topic TEXT NOT NULL, gateway TEXT, reason TEXT NOT NULL, detail TEXT NOT NULL,
    bytes BIGINT NOT NULL, sha256 TEXT NOT NULL, payload {BLOB}
);

CREATE TABLE quarantine_counts (reason TEXT NOT NULL PRIMARY KEY, seen BIGINT NOT NULL);

CREATE TABLE outbox (
    id {IDENTITY},
    message_key TEXT NOT NULL UNIQUE, gateway TEXT NOT NULL, leaf TEXT NOT NULL,
    retain SMALLINT NOT NULL, payload TEXT NOT NULL, created_us BIGINT NOT NULL
)
