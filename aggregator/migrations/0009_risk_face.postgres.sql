CREATE FUNCTION rule_version_is_kept() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'a released version of a rule is never edited'; END $$

CREATE TRIGGER rule_version_is_frozen BEFORE UPDATE OF body, sha256, domain, version, rule_id, origin ON rule_version
FOR EACH ROW WHEN (OLD.state <> 'draft') EXECUTE FUNCTION rule_version_is_kept()

CREATE TRIGGER rule_version_stays BEFORE DELETE ON rule_version
FOR EACH ROW WHEN (OLD.state <> 'draft') EXECUTE FUNCTION rule_version_is_kept()
