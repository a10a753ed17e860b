-- Rules as versioned objects.
-- Words in braces as in 0001. Times are microseconds since 1970.

-- Every version of every rule: shipped, of a folder, or written in the console. What is not a draft is
-- never edited (triggers).
CREATE TABLE rule_version (
    rule_id TEXT NOT NULL, version BIGINT NOT NULL,
    state TEXT NOT NULL, domain TEXT NOT NULL, origin TEXT NOT NULL,
    body TEXT NOT NULL, sha256 TEXT NOT NULL,
    revision BIGINT NOT NULL,
    author TEXT NOT NULL, editors TEXT NOT NULL,
    created_us BIGINT NOT NULL, changed_us BIGINT NOT NULL,
    submitted_by TEXT, submitted_us BIGINT,
    approved_by TEXT, activated_us BIGINT,
    ended_by TEXT, ended_us BIGINT,
    reason TEXT NOT NULL,
    request_id TEXT, waits TEXT,
    PRIMARY KEY (rule_id, version)
);
CREATE INDEX rule_version_by_state ON rule_version (state, rule_id, version)
