-- What receivers answered later: a key pressed, a text sent back, a report of delivery. The id is the
-- sender's, so that a repeat changes nothing.
CREATE TABLE receipts (
    receipt_id TEXT NOT NULL PRIMARY KEY,
    notice TEXT NOT NULL, case_id TEXT, kind TEXT NOT NULL, by_whom TEXT NOT NULL, said TEXT NOT NULL,
    at_us BIGINT NOT NULL, received_us BIGINT NOT NULL
);
CREATE INDEX receipts_by_case ON receipts (case_id, at_us);

-- The key under which a receiver knows a notice; set when it is sent.
ALTER TABLE notice ADD COLUMN public_id TEXT;
CREATE INDEX notice_by_public_id ON notice (public_id) WHERE public_id IS NOT NULL;

-- Closed cases whose retained state is swept.
CREATE INDEX cases_by_closed ON cases (closed_us) WHERE closed_us IS NOT NULL
