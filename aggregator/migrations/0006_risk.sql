-- Business facts and the risk brain. Words in braces as in 0001. Times are microseconds since 1970.

-- Every statement ever made, by what it is about (valid time) and when it was learned (known time):
-- "as of" a moment the statement in force is the one known last by then. fact_num is the order in
-- which the rules take them.
CREATE TABLE fact (
    fact_num {IDENTITY},
    kind TEXT NOT NULL, fact_key TEXT NOT NULL, known_us BIGINT NOT NULL,
    digest TEXT NOT NULL,
    org TEXT NOT NULL, event_us BIGINT NOT NULL,
    body TEXT NOT NULL,
    source TEXT NOT NULL, document TEXT NOT NULL, locator TEXT NOT NULL, sha256 TEXT NOT NULL,
    taken_us BIGINT NOT NULL,
    UNIQUE (kind, fact_key, known_us, digest)
);
CREATE INDEX fact_by_known ON fact (known_us);
CREATE INDEX fact_by_event ON fact (kind, event_us);
CREATE INDEX fact_by_document ON fact (sha256, locator);

-- Where warnings of a unit stand: each unit is a source of alarms of its own, beside the gateways.
CREATE TABLE risk_source (
    gateway TEXT NOT NULL PRIMARY KEY,
    org TEXT NOT NULL UNIQUE
)
