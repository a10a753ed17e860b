-- Rules as versioned objects, back-tests, decisions about parties, files of the battle map, catalogues.
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
CREATE INDEX rule_version_by_state ON rule_version (state, rule_id, version);

CREATE TABLE rule_backtest (
    job TEXT NOT NULL PRIMARY KEY,
    rule_id TEXT NOT NULL, version BIGINT NOT NULL, against BIGINT,
    domain TEXT NOT NULL,
    from_us BIGINT NOT NULL, to_us BIGINT NOT NULL,
    state TEXT NOT NULL, asked_by TEXT NOT NULL,
    started_us BIGINT NOT NULL, ended_us BIGINT,
    facts BIGINT NOT NULL, error TEXT, result TEXT
);
CREATE INDEX rule_backtest_by_start ON rule_backtest (started_us);

-- What a person decided about a name: the same company as this code, or another.
CREATE TABLE party_match (
    name TEXT NOT NULL, code TEXT NOT NULL,
    verdict TEXT NOT NULL, reason TEXT NOT NULL,
    decided_by TEXT NOT NULL, decided_us BIGINT NOT NULL,
    PRIMARY KEY (name, code)
);
CREATE INDEX party_match_by_code ON party_match (code);

-- Evidence of a measure of the battle map; the measure itself is a fact.
CREATE TABLE battle_file (
    org TEXT NOT NULL, direction TEXT NOT NULL, measure TEXT NOT NULL, sha256 TEXT NOT NULL,
    name TEXT NOT NULL, media_type TEXT NOT NULL, bytes BIGINT NOT NULL,
    actor TEXT NOT NULL, at_us BIGINT NOT NULL,
    body {BLOB} NOT NULL,
    PRIMARY KEY (org, direction, measure, sha256)
);

-- Catalogues of indicators that replaced the shipped one; the newest is in force.
CREATE TABLE catalogue_version (
    version BIGINT NOT NULL PRIMARY KEY,
    measures TEXT NOT NULL, ratios TEXT NOT NULL,
    author TEXT NOT NULL, created_us BIGINT NOT NULL
)
