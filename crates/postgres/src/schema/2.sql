-- The database form of a policy, for people who manage it with SQL: bonafide-policy's MAPPING.md.
CREATE TABLE bonafide.group_tenant_mapping (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer     text COLLATE "C" CHECK (issuer <> ''),
    group_name text COLLATE "C" NOT NULL CHECK (group_name <> ''),
    tenant     text COLLATE "C" NOT NULL CHECK (tenant ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    tools      text COLLATE "C" NOT NULL DEFAULT '*' CHECK (tools <> ''),
    effect     text COLLATE "C" NOT NULL DEFAULT 'allow' CHECK (effect IN ('allow', 'deny')),
    subtree    boolean NOT NULL DEFAULT false,
    note       text
);
CREATE UNIQUE INDEX group_tenant_mapping_once
    ON bonafide.group_tenant_mapping (group_name, tenant, coalesce(issuer, ''), tools, effect, subtree);

CREATE FUNCTION bonafide.mapping_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog
AS $$
BEGIN
    PERFORM pg_notify('bonafide_mapping', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON bonafide.group_tenant_mapping
    FOR EACH STATEMENT EXECUTE FUNCTION bonafide.mapping_changed();

-- What was decided. Whoever writes it needs no right to change or remove it.
CREATE TABLE bonafide.audit (
    -- Which sink wrote it, and how many it had written before: writing it again changes nothing.
    writer     uuid NOT NULL,
    number     bigint NOT NULL,
    at         timestamptz NOT NULL,
    issuer     text NOT NULL,
    directory  text,
    subject    text NOT NULL,
    username   text,
    tenant     text NOT NULL,
    tool       text,
    outcome    text NOT NULL,
    reason     text,
    rules      jsonb NOT NULL,
    request_id text,
    PRIMARY KEY (writer, number)
);
CREATE INDEX audit_at ON bonafide.audit (at);
