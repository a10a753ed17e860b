-- People, their rights and sessions, and the audit trail. Secrets stand here only as hashes, but
-- for the TOTP secret, which must be known to be checked.

CREATE TABLE people (
    person TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    -- PHC string of argon2id; absent: signs in elsewhere (OIDC), or not at all.
    password TEXT, password_us BIGINT NOT NULL, must_change SMALLINT NOT NULL,
    -- Base32; totp_on 0 while it waits for its first code. totp_step: the last step used.
    totp_secret TEXT, totp_on SMALLINT NOT NULL, totp_step BIGINT NOT NULL,
    disabled SMALLINT NOT NULL, created_us BIGINT NOT NULL, signed_in_us BIGINT,
    -- Issuer and subject of the identity provider.
    issuer TEXT, subject TEXT,
    UNIQUE (issuer, subject)
);

-- granted: by a person here, or by a group of the identity provider.
CREATE TABLE grants (
    person TEXT NOT NULL, role TEXT NOT NULL, org TEXT NOT NULL, domains TEXT NOT NULL,
    granted TEXT NOT NULL, granted_us BIGINT NOT NULL,
    PRIMARY KEY (person, role, org, domains, granted)
);

CREATE TABLE recovery_codes (
    person TEXT NOT NULL, hash TEXT NOT NULL,
    PRIMARY KEY (person, hash)
);

CREATE TABLE sessions (
    hash TEXT NOT NULL PRIMARY KEY,
    public_id TEXT NOT NULL UNIQUE,
    person TEXT NOT NULL,
    created_us BIGINT NOT NULL, seen_us BIGINT NOT NULL, ends_us BIGINT NOT NULL,
    address TEXT NOT NULL, agent TEXT NOT NULL,
    second_factor SMALLINT NOT NULL,
    broken_until_us BIGINT NOT NULL, broken_reason TEXT
);
CREATE INDEX sessions_by_person ON sessions (person);

CREATE TABLE api_tokens (
    hash TEXT NOT NULL PRIMARY KEY,
    public_id TEXT NOT NULL UNIQUE,
    person TEXT NOT NULL, name TEXT NOT NULL, grants TEXT NOT NULL,
    created_us BIGINT NOT NULL, ends_us BIGINT NOT NULL, used_us BIGINT, revoked_us BIGINT
);
CREATE INDEX api_tokens_by_person ON api_tokens (person);

CREATE TABLE sign_in_failures (
    subject TEXT NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL, last_us BIGINT NOT NULL
);

-- Answers of the identity provider that are awaited, by the hash of their state.
CREATE TABLE oidc_pending (
    state TEXT NOT NULL PRIMARY KEY,
    nonce TEXT NOT NULL, verifier TEXT NOT NULL, created_us BIGINT NOT NULL
);

CREATE TABLE audit (
    seq BIGINT NOT NULL PRIMARY KEY,
    at_us BIGINT NOT NULL,
    person TEXT NOT NULL, via TEXT NOT NULL,
    action TEXT NOT NULL, target TEXT NOT NULL, detail TEXT NOT NULL,
    previous TEXT NOT NULL, hash TEXT NOT NULL
);

-- One row; who changes it holds the chain until the end of the transaction.
CREATE TABLE audit_head (
    id SMALLINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL, hash TEXT NOT NULL
);
INSERT INTO audit_head (id, seq, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000')
