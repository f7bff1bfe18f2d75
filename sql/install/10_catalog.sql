-- The registry.  Names are text, so that a dump restores anywhere; oids live in listguard.binding, which no dump
-- carries.  Text that C code looks up by index is COLLATE "C".  Read by listguard's C code and by views only.

CREATE TABLE listguard.keyset (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    id bytea NOT NULL CHECK (octet_length(id) = 16),
    created timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE listguard.index_key (
    epoch int2 PRIMARY KEY CHECK (epoch BETWEEN 1 AND 255),
    wrapped bytea NOT NULL,
    created timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE listguard.protected_table (
    relation text COLLATE "C" PRIMARY KEY,
    list_no int4 NOT NULL UNIQUE CHECK (list_no > 0),
    list_column name,
    sealed_columns name[] NOT NULL,
    open_columns name[] NOT NULL DEFAULT '{}',
    domain_columns name[] NOT NULL DEFAULT '{}',
    bulk_threshold int4 CHECK (bulk_threshold >= 0),
    mode text NOT NULL DEFAULT 'enforce' CHECK (mode IN ('enforce', 'alert', 'prepare')),
    audit text NOT NULL DEFAULT 'statement' CHECK (audit IN ('statement', 'row'))
);

CREATE TABLE listguard.list (
    list_no int4 PRIMARY KEY CHECK (list_no > 0),
    relation text COLLATE "C",
    value text COLLATE "C",
    key_id int8 NOT NULL
);
CREATE UNIQUE INDEX list_value_key ON listguard.list (relation, value) WHERE value IS NOT NULL;
CREATE UNIQUE INDEX list_relation_key ON listguard.list (relation) WHERE value IS NULL;
CREATE UNIQUE INDEX list_default_key ON listguard.list ((1)) WHERE relation IS NULL;

CREATE TABLE listguard.key (
    key_id int8 PRIMARY KEY CHECK (key_id BETWEEN 1 AND 4294967295),
    list_no int4 NOT NULL,
    wrapped bytea,
    created timestamptz NOT NULL DEFAULT now(),
    retired timestamptz
);

CREATE TABLE listguard.access_grant (
    role text COLLATE "C" NOT NULL,
    relation text COLLATE "C" NOT NULL,
    privileges text[] NOT NULL,
    list_no int4,
    using_expr text,
    granted timestamptz NOT NULL DEFAULT now(),
    granted_by text NOT NULL DEFAULT session_user
);
CREATE UNIQUE INDEX access_grant_key ON listguard.access_grant (role, relation, coalesce(list_no, 0));

CREATE TABLE listguard.row_limit (
    role text COLLATE "C" NOT NULL,
    relation text COLLATE "C" NOT NULL DEFAULT '',
    scope text NOT NULL CHECK (scope IN ('role', 'session', 'actor')),
    max_rows int8 NOT NULL CHECK (max_rows >= 0),
    per interval NOT NULL CHECK (per > interval '0'),
    max_lists int4 CHECK (max_lists >= 0),
    until timestamptz,
    PRIMARY KEY (role, relation, scope)
);

CREATE TABLE listguard.binding (
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('role', 'relation')),
    name text COLLATE "C" NOT NULL,
    oid oid NOT NULL,
    PRIMARY KEY (kind, name),
    UNIQUE (kind, oid)      -- a snapshot from before a RENAME must not bind the old name again
);

CREATE TABLE listguard.approver (
    name text COLLATE "C" PRIMARY KEY,
    person text NOT NULL,
    public_key text NOT NULL,
    kid text COLLATE "C" NOT NULL UNIQUE,
    role name,
    valid_until timestamptz NOT NULL,
    added timestamptz NOT NULL DEFAULT now(),
    revoked timestamptz
);

CREATE TABLE listguard.export_policy (
    relation text COLLATE "C" PRIMARY KEY,
    quorum int4 NOT NULL DEFAULT 1 CHECK (quorum BETWEEN 1 AND 16),
    max_ttl interval NOT NULL DEFAULT '15 min' CHECK (max_ttl > interval '0'),
    max_rows int8 CHECK (max_rows > 0),
    max_window interval NOT NULL DEFAULT '0'
);

DO $dump$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{keyset,index_key,protected_table,list,key,access_grant,row_limit,approver,export_policy}'::text[] LOOP
        PERFORM pg_catalog.pg_extension_config_dump('listguard.' || t, '');
    END LOOP;
END
$dump$;

CREATE FUNCTION listguard.registry_changed() RETURNS trigger
    AS 'MODULE_PATHNAME', 'listguard_registry_changed' LANGUAGE C;
COMMENT ON FUNCTION listguard.registry_changed() IS
    'trigger: tells every session to forget what it cached of the registry';

DO $triggers$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{keyset,index_key,protected_table,list,key,access_grant,row_limit,binding,approver,export_policy}'::text[] LOOP
        EXECUTE format('CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON listguard.%I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION listguard.registry_changed()', t);
        EXECUTE format('ALTER TABLE listguard.%I ENABLE ALWAYS TRIGGER registry_changed', t);
    END LOOP;
END
$triggers$;
