-- Channels, key figures, the regulator's export, Sparkplug B. Words in braces as in 0001.

-- A channel's budget (JSON, shared by all aggregators) and how it last did.
CREATE TABLE channel_state (
    channel TEXT NOT NULL PRIMARY KEY,
    budget TEXT NOT NULL DEFAULT '',
    ok_us BIGINT, failed_us BIGINT, failures BIGINT NOT NULL DEFAULT 0, error TEXT
);

-- Number of births of each Sparkplug edge node; rises across restarts, 0 to 255.
CREATE TABLE sparkplug_births (gateway TEXT NOT NULL PRIMARY KEY, bd_seq BIGINT NOT NULL);

-- What has been put into a package for a regulator's platform. Rows older than the overlap are removed.
CREATE TABLE regulator_done (
    platform TEXT NOT NULL, item TEXT NOT NULL, at_us BIGINT NOT NULL,
    PRIMARY KEY (platform, item)
);
CREATE INDEX regulator_done_by_time ON regulator_done (platform, at_us);

CREATE TABLE regulator_state (
    platform TEXT NOT NULL PRIMARY KEY,
    next_number BIGINT NOT NULL, alarms_us BIGINT NOT NULL, cases_us BIGINT NOT NULL
);

-- Packages made and not yet delivered; the content is fixed when the package is made.
CREATE TABLE regulator_packages (
    platform TEXT NOT NULL, number BIGINT NOT NULL, kind TEXT NOT NULL,
    name TEXT NOT NULL, content TEXT NOT NULL, records BIGINT NOT NULL,
    made_us BIGINT NOT NULL, attempts BIGINT NOT NULL, next_try_us BIGINT NOT NULL,
    delivered_us BIGINT, answer TEXT,
    PRIMARY KEY (platform, number, kind)
);
CREATE INDEX regulator_packages_due ON regulator_packages (next_try_us) WHERE delivered_us IS NULL;

CREATE INDEX alarm_journal_by_time ON alarm_journal (ingested_us);
CREATE INDEX alarm_journal_by_site_time ON alarm_journal (at_us);
