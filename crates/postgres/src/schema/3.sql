-- What users do besides calling: what they enter and remove, and what administrators do to them. No row is touched,
-- and a program that does not know these columns goes on writing.
ALTER TABLE bonafide.audit
    ADD COLUMN action text NOT NULL DEFAULT 'use',
    ADD COLUMN variable text,
    ADD COLUMN owner_issuer text,
    ADD COLUMN owner_directory text,
    ADD COLUMN owner_subject text,
    ALTER COLUMN tenant DROP NOT NULL;
