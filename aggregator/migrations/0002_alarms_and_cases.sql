-- Alarms that are handled, cases that are closed. Words in braces as in 0001.
-- Codes: level 0 normal .. 4 red. Times are microseconds since 1970. Paths of the organisation are
-- slugs joined by a slash (group/company/mine/facility).

ALTER TABLE alarm_journal ADD COLUMN proof TEXT;

-- What the list shows, beside the state of 0001, so that one index answers a page.
ALTER TABLE alarms ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE alarms ADD COLUMN domain TEXT NOT NULL DEFAULT 'system';
ALTER TABLE alarms ADD COLUMN at_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alarms ADD COLUMN since_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE alarms ADD COLUMN org TEXT NOT NULL DEFAULT '';
ALTER TABLE alarms ADD COLUMN org_company TEXT NOT NULL DEFAULT '';
ALTER TABLE alarms ADD COLUMN org_mine TEXT NOT NULL DEFAULT '';
-- The operator's side: JSON of minewatch_alarm::Alarm, and what of it is filtered by.
ALTER TABLE alarms ADD COLUMN lifecycle TEXT;
ALTER TABLE alarms ADD COLUMN isa TEXT NOT NULL DEFAULT 'NORM';
ALTER TABLE alarms ADD COLUMN standing SMALLINT NOT NULL DEFAULT 0;
-- Rises with every change of any axis: what an operator has seen is compared with it.
ALTER TABLE alarms ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
-- Next end of a shelf, an out-of-service time or a re-alarm time.
ALTER TABLE alarms ADD COLUMN timer_us BIGINT;
ALTER TABLE alarms ADD COLUMN inhibited_by TEXT;
ALTER TABLE alarms ADD COLUMN case_id TEXT;

UPDATE alarms SET
    kind = COALESCE((SELECT j.kind FROM alarm_journal j WHERE j.gateway = alarms.gateway AND j.alarm = alarms.alarm AND j.revision = alarms.revision), ''),
    at_us = COALESCE((SELECT j.at_us FROM alarm_journal j WHERE j.gateway = alarms.gateway AND j.alarm = alarms.alarm AND j.revision = alarms.revision), 0),
    standing = CASE WHEN to_level > 0 THEN 1 ELSE 0 END;
UPDATE alarms SET since_us = at_us;

CREATE INDEX alarms_by_level ON alarms (to_level DESC, at_us DESC, gateway, alarm);
CREATE INDEX alarms_by_company ON alarms (org_company, to_level DESC, at_us DESC, gateway, alarm);
CREATE INDEX alarms_by_mine ON alarms (org_mine, to_level DESC, at_us DESC, gateway, alarm);
CREATE INDEX alarms_by_domain ON alarms (domain, to_level DESC, at_us DESC, gateway, alarm);
CREATE INDEX alarms_by_gateway ON alarms (gateway, to_level DESC, at_us DESC, alarm);
CREATE INDEX alarms_standing ON alarms (to_level DESC, at_us DESC, gateway, alarm) WHERE standing = 1;
CREATE INDEX alarms_timer ON alarms (timer_us) WHERE timer_us IS NOT NULL;
CREATE INDEX alarms_of_case ON alarms (case_id) WHERE case_id IS NOT NULL;

-- Every operator action on an alarm, of headquarters and of the site; the id makes a repeat harmless.
CREATE TABLE alarm_actions (
    action_id TEXT NOT NULL PRIMARY KEY,
    gateway TEXT NOT NULL, alarm TEXT NOT NULL,
    revision BIGINT NOT NULL, counter BIGINT NOT NULL,
    kind TEXT NOT NULL, origin TEXT NOT NULL,
    actor TEXT NOT NULL, second_actor TEXT,
    at_us BIGINT NOT NULL, until_us BIGINT, reason TEXT, work_order TEXT,
    action TEXT NOT NULL, ingested_us BIGINT NOT NULL
);
CREATE INDEX alarm_actions_by_alarm ON alarm_actions (gateway, alarm, counter);

-- Suppressions that need a second person: asked for by one, granted by another.
CREATE TABLE alarm_requests (
    request_id TEXT NOT NULL PRIMARY KEY,
    gateway TEXT NOT NULL, alarm TEXT NOT NULL, action TEXT NOT NULL,
    asked_by TEXT NOT NULL, asked_us BIGINT NOT NULL, expires_us BIGINT NOT NULL,
    granted_by TEXT, granted_us BIGINT
);
CREATE INDEX alarm_requests_open ON alarm_requests (gateway, alarm) WHERE granted_us IS NULL;

-- Operator commands on their way to a gateway; sent again until a result or the end.
CREATE TABLE commands (
    command_id TEXT NOT NULL PRIMARY KEY,
    gateway TEXT NOT NULL, alarm TEXT NOT NULL, body TEXT NOT NULL,
    created_us BIGINT NOT NULL, expires_us BIGINT NOT NULL, next_try_us BIGINT NOT NULL, attempts BIGINT NOT NULL,
    state TEXT NOT NULL, result_us BIGINT, detail TEXT
);
CREATE INDEX commands_due ON commands (next_try_us) WHERE state = 'pending';

CREATE TABLE cases (
    case_id TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    dedupe TEXT NOT NULL,
    state TEXT NOT NULL, open SMALLINT NOT NULL, revision BIGINT NOT NULL,
    level SMALLINT NOT NULL, domain TEXT NOT NULL,
    org TEXT NOT NULL, org_company TEXT NOT NULL, org_mine TEXT NOT NULL, gateway TEXT,
    title_zh TEXT NOT NULL, title_en TEXT NOT NULL,
    raised_us BIGINT NOT NULL, changed_us BIGINT NOT NULL, closed_us BIGINT,
    handler TEXT, round BIGINT NOT NULL, step BIGINT NOT NULL,
    due_us BIGINT, overdue SMALLINT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX cases_by_dedupe ON cases (dedupe, raised_us);
CREATE UNIQUE INDEX cases_one_open ON cases (dedupe) WHERE open = 1;
CREATE INDEX cases_list ON cases (open DESC, level DESC, raised_us DESC, case_id);
CREATE INDEX cases_by_company ON cases (org_company, open DESC, level DESC, raised_us DESC, case_id);
CREATE INDEX cases_by_mine ON cases (org_mine, open DESC, level DESC, raised_us DESC, case_id);
CREATE INDEX cases_by_state ON cases (state, level DESC, raised_us DESC, case_id);
CREATE INDEX cases_by_handler ON cases (handler, open DESC, level DESC, raised_us DESC, case_id);
CREATE INDEX cases_due ON cases (due_us) WHERE due_us IS NOT NULL;

CREATE TABLE case_journal (
    case_id TEXT NOT NULL, revision BIGINT NOT NULL,
    event TEXT NOT NULL, from_state TEXT NOT NULL, to_state TEXT NOT NULL,
    actor TEXT NOT NULL, at_us BIGINT NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (case_id, revision)
);

CREATE TABLE case_alarms (
    case_id TEXT NOT NULL, gateway TEXT NOT NULL, alarm TEXT NOT NULL,
    level SMALLINT NOT NULL, joined_us BIGINT NOT NULL,
    PRIMARY KEY (case_id, gateway, alarm)
);
CREATE INDEX case_alarms_by_alarm ON case_alarms (gateway, alarm);

CREATE TABLE evidence (
    case_id TEXT NOT NULL, sha256 TEXT NOT NULL,
    kind TEXT NOT NULL, name TEXT NOT NULL, media_type TEXT NOT NULL, bytes BIGINT NOT NULL,
    actor TEXT NOT NULL, at_us BIGINT NOT NULL, note TEXT NOT NULL,
    gateway TEXT, alarm TEXT, alarm_revision BIGINT,
    body {BLOB},
    PRIMARY KEY (case_id, sha256)
);

CREATE TABLE org_units (
    path TEXT NOT NULL PRIMARY KEY,
    name_zh TEXT NOT NULL, name_en TEXT NOT NULL, revision BIGINT NOT NULL, changed_us BIGINT NOT NULL
);

-- Who answers for a part of the organisation in a domain.
CREATE TABLE responsible_parties (
    org TEXT NOT NULL, domain TEXT NOT NULL, role TEXT NOT NULL, person TEXT NOT NULL,
    channel TEXT NOT NULL, revision BIGINT NOT NULL, changed_us BIGINT NOT NULL,
    PRIMARY KEY (org, domain, role, person)
);

CREATE TABLE rosters (
    roster TEXT NOT NULL PRIMARY KEY,
    org TEXT NOT NULL, name_zh TEXT NOT NULL, name_en TEXT NOT NULL,
    revision BIGINT NOT NULL, changed_us BIGINT NOT NULL
);

CREATE TABLE shifts (
    roster TEXT NOT NULL, from_us BIGINT NOT NULL, person TEXT NOT NULL,
    to_us BIGINT NOT NULL, channel TEXT NOT NULL,
    PRIMARY KEY (roster, from_us, person)
);
CREATE INDEX shifts_by_end ON shifts (roster, to_us);

-- Rungs: after so long without an answer, call this target by this channel.
CREATE TABLE ladders (
    org TEXT NOT NULL, domain TEXT NOT NULL, level SMALLINT NOT NULL, step BIGINT NOT NULL,
    target TEXT NOT NULL, channel TEXT NOT NULL, after_ms BIGINT NOT NULL,
    revision BIGINT NOT NULL, changed_us BIGINT NOT NULL,
    PRIMARY KEY (org, domain, level, step, target, channel)
);

-- Each step of an escalation happens once, whatever the number of aggregators.
CREATE TABLE escalation_steps (
    case_id TEXT NOT NULL, round BIGINT NOT NULL, step BIGINT NOT NULL,
    level SMALLINT NOT NULL, taken_us BIGINT NOT NULL,
    PRIMARY KEY (case_id, round, step)
);

-- Call and answer: who was called, who answered, when.
CREATE TABLE calls (
    case_id TEXT NOT NULL, round BIGINT NOT NULL, step BIGINT NOT NULL,
    target TEXT NOT NULL, channel TEXT NOT NULL, called_us BIGINT NOT NULL,
    answered_by TEXT, answered_us BIGINT,
    PRIMARY KEY (case_id, round, step, target, channel)
);

CREATE TABLE notice (
    id TEXT NOT NULL PRIMARY KEY,
    case_id TEXT, alarm TEXT, step TEXT, target TEXT, channel TEXT,
    level SMALLINT, domain TEXT, org TEXT, body TEXT, due_us BIGINT,
    state TEXT, attempts BIGINT, next_try_us BIGINT, claimed_by TEXT, claimed_until_us BIGINT,
    created_us BIGINT, sent_us BIGINT, receipt TEXT
);
CREATE INDEX notice_due ON notice (state, next_try_us);
CREATE INDEX notice_by_case ON notice (case_id)
