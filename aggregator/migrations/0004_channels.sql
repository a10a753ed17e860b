-- Channels, Sparkplug B, the regulator's export. Words in braces as in 0001.

-- A channel's budget (JSON, shared by all aggregators) and how it last did.
CREATE TABLE channel_state (
    channel TEXT NOT NULL PRIMARY KEY,
    budget TEXT NOT NULL,
    ok_us BIGINT, failed_us BIGINT, failures BIGINT NOT NULL DEFAULT 0, error TEXT
);

-- Number of the last birth of each Sparkplug edge node, 0 to 255; goes on across restarts.
CREATE TABLE sparkplug_births (gateway TEXT NOT NULL PRIMARY KEY, bd_seq BIGINT NOT NULL);

-- Platforms that are exported to. From the moment its row is there, triggers put every step of an
-- alarm and of a case into its queue, in the step's own transaction.
CREATE TABLE regulator_state (
    platform TEXT NOT NULL PRIMARY KEY, next_number BIGINT NOT NULL, since_us BIGINT NOT NULL
);

CREATE TABLE regulator_queue (
    id {IDENTITY},
    platform TEXT NOT NULL, kind TEXT NOT NULL,
    gateway TEXT NOT NULL, item TEXT NOT NULL, revision BIGINT NOT NULL
);
CREATE INDEX regulator_queue_in_order ON regulator_queue (platform, id);

-- Packages made; their content is fixed when they are made, their number is their key.
CREATE TABLE regulator_packages (
    platform TEXT NOT NULL, number BIGINT NOT NULL, kind TEXT NOT NULL,
    name TEXT NOT NULL, content TEXT NOT NULL, records BIGINT NOT NULL, unmapped BIGINT NOT NULL,
    made_us BIGINT NOT NULL, attempts BIGINT NOT NULL, next_try_us BIGINT NOT NULL,
    delivered_us BIGINT, answer TEXT,
    PRIMARY KEY (platform, number)
);
CREATE INDEX regulator_packages_due ON regulator_packages (platform, number) WHERE delivered_us IS NULL;

CREATE INDEX alarm_journal_by_time ON alarm_journal (at_us)
