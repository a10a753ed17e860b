CREATE TRIGGER rule_version_is_frozen BEFORE UPDATE OF body, sha256, domain, version, rule_id, origin ON rule_version
WHEN OLD.state <> 'draft'
BEGIN SELECT RAISE(ABORT, 'a released version of a rule is never edited'); END

CREATE TRIGGER rule_version_stays BEFORE DELETE ON rule_version
WHEN OLD.state <> 'draft'
BEGIN SELECT RAISE(ABORT, 'a released version of a rule stays'); END
