CREATE FUNCTION regulator_takes_alarm() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO regulator_queue (platform, kind, gateway, item, revision)
SELECT platform, 'alarm', NEW.gateway, NEW.alarm, NEW.revision FROM regulator_state; RETURN NULL; END $$

CREATE FUNCTION regulator_takes_case_step() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO regulator_queue (platform, kind, gateway, item, revision)
SELECT platform, 'case', '', NEW.case_id, NEW.revision FROM regulator_state; RETURN NULL; END $$

CREATE TRIGGER regulator_takes_alarms AFTER INSERT ON alarm_journal
FOR EACH ROW EXECUTE FUNCTION regulator_takes_alarm()

CREATE TRIGGER regulator_takes_case_steps AFTER INSERT ON case_journal
FOR EACH ROW EXECUTE FUNCTION regulator_takes_case_step()
