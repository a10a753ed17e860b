-- Business feeds. Words in braces as in 0001. Times are microseconds since 1970.

-- Every document that came, by its content: the same bytes again are a duplicate. state: taking,
-- taken (all of it), partial (some records refused), refused (nothing taken).
CREATE TABLE feed_documents (
    feed TEXT NOT NULL, sha256 TEXT NOT NULL,
    name TEXT NOT NULL, via TEXT NOT NULL, bytes BIGINT NOT NULL,
    came_us BIGINT NOT NULL, done_us BIGINT,
    state TEXT NOT NULL, facts BIGINT NOT NULL, refused BIGINT NOT NULL, marks BIGINT NOT NULL,
    detail TEXT NOT NULL, again BIGINT NOT NULL,
    -- What the sender calls it (Idempotency-Key).
    label TEXT,
    -- The bytes, while something of them is in quarantine: a replay reads them again.
    body {BLOB},
    PRIMARY KEY (feed, sha256)
);
CREATE INDEX feed_documents_by_time ON feed_documents (feed, came_us);
CREATE UNIQUE INDEX feed_documents_by_label ON feed_documents (feed, label) WHERE label IS NOT NULL;

-- What could not be taken, or was taken with a doubt, with place and reason.
CREATE TABLE feed_quarantine (
    id {IDENTITY},
    feed TEXT NOT NULL, sha256 TEXT NOT NULL,
    at_us BIGINT NOT NULL, line BIGINT NOT NULL, place TEXT NOT NULL,
    fault TEXT NOT NULL, gravity TEXT NOT NULL, why TEXT NOT NULL, raw TEXT
);
CREATE INDEX feed_quarantine_by_document ON feed_quarantine (feed, sha256, id);

-- How each feed does: when something of it was last taken, and how far a database was read.
CREATE TABLE feed_state (
    feed TEXT NOT NULL PRIMARY KEY,
    since_us BIGINT NOT NULL, taken_us BIGINT, watermark TEXT
)
