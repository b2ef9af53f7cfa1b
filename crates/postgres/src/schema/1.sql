-- A row is found by its whole key, compared byte for byte.
CREATE TABLE bonafide.secrets (
    issuer               text COLLATE "C" NOT NULL,
    directory            text COLLATE "C" NOT NULL,
    subject              text COLLATE "C" NOT NULL,
    tenant               text COLLATE "C" NOT NULL,
    name                 text COLLATE "C" NOT NULL,
    envelope             bytea NOT NULL,
    unix_seconds         bigint NOT NULL,
    -- From when on a secret is not to be used, and when a backend refused it.
    expires_unix_seconds bigint,
    refused_unix_seconds bigint,
    PRIMARY KEY (issuer, directory, subject, tenant, name)
);
-- Sealed values do not compress: do not try.
ALTER TABLE bonafide.secrets ALTER COLUMN envelope SET STORAGE EXTERNAL;

-- Whose rows have changed, for those who keep some at hand. Anybody in the database can listen, so it is said
-- with a digest and not with a name. Each part has its length in front: no two owners have the same text.
CREATE FUNCTION bonafide.owner_digest(VARIADIC parts text[]) RETURNS text
LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog
AS $$
    SELECT encode(sha256(convert_to(string_agg(octet_length(part) || ':' || part, '' ORDER BY at), 'UTF8')), 'hex')
    FROM unnest(parts) WITH ORDINALITY AS each (part, at)
$$;

CREATE FUNCTION bonafide.secret_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog
AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pg_notify('bonafide_secrets', '');
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM pg_notify('bonafide_secrets',
            bonafide.owner_digest(OLD.issuer, OLD.directory, OLD.subject, OLD.tenant));
    END IF;
    IF TG_OP = 'INSERT'
        OR (OLD.issuer, OLD.directory, OLD.subject, OLD.tenant)
            IS DISTINCT FROM (NEW.issuer, NEW.directory, NEW.subject, NEW.tenant)
    THEN
        PERFORM pg_notify('bonafide_secrets',
            bonafide.owner_digest(NEW.issuer, NEW.directory, NEW.subject, NEW.tenant));
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON bonafide.secrets
    FOR EACH ROW EXECUTE FUNCTION bonafide.secret_changed();
CREATE TRIGGER emptied AFTER TRUNCATE ON bonafide.secrets
    FOR EACH STATEMENT EXECUTE FUNCTION bonafide.secret_changed();
