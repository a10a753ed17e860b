CREATE TRIGGER regulator_takes_alarms AFTER INSERT ON alarm_journal
BEGIN INSERT INTO regulator_queue (platform, kind, gateway, item, revision)
SELECT platform, 'alarm', NEW.gateway, NEW.alarm, NEW.revision FROM regulator_state; END

CREATE TRIGGER regulator_takes_case_steps AFTER INSERT ON case_journal
BEGIN INSERT INTO regulator_queue (platform, kind, gateway, item, revision)
SELECT platform, 'case', '', NEW.case_id, NEW.revision FROM regulator_state; END
