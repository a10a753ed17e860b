-- Certificates of gateways and of headquarters, and the one-time codes by which a gateway gets its first.

-- hash: SHA-256 of the code. public_key: of whoever used it, so that the same asker may ask again.
CREATE TABLE enrol_codes (
    hash TEXT NOT NULL PRIMARY KEY,
    gateway TEXT NOT NULL,
    created_us BIGINT NOT NULL, ends_us BIGINT NOT NULL,
    used_us BIGINT, public_key TEXT
);
CREATE INDEX enrol_codes_by_gateway ON enrol_codes (gateway);

-- serial, public_key: hexadecimal. authority: gateways or headquarters. pem: the certificate itself.
CREATE TABLE certificates (
    serial TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL, role TEXT NOT NULL, authority TEXT NOT NULL,
    public_key TEXT NOT NULL, pem TEXT NOT NULL,
    created_us BIGINT NOT NULL, ends_us BIGINT NOT NULL,
    revoked_us BIGINT, reason TEXT
);
CREATE INDEX certificates_by_name ON certificates (name);
CREATE UNIQUE INDEX certificates_by_key ON certificates (authority, public_key)
