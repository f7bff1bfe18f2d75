-- unprotect: the way back to plain text, and out of a protect_online that is given up.

CREATE FUNCTION listguard.unprotect(relation regclass) RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_unprotect' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION listguard.unprotect(regclass) IS
    'turns a protected table back into a plain one, for administrators who may reveal all of it; ends a protect_online that is given up';
CREATE FUNCTION listguard._disclosed(relation text, rows bigint, reveals bigint) RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_disclosed' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION listguard._disclosed(text, bigint, bigint) IS
    'puts on record what unprotect has opened';
CREATE FUNCTION listguard._open(listguard.sealed_email) RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_open_for_unprotect' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard._open(listguard.sealed_lookup) RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_open_for_unprotect' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard._open(listguard.sealed_text) RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_open_for_unprotect' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION listguard._open(listguard.sealed_email) IS 'for unprotect: the text of an address of the table at hand';
COMMENT ON FUNCTION listguard._open(listguard.sealed_lookup) IS 'for unprotect: the text of a value of the table at hand';
COMMENT ON FUNCTION listguard._open(listguard.sealed_text) IS 'for unprotect: the text of a value of the table at hand';

-- What a protect_online has left; the table was never protected.
CREATE FUNCTION listguard._unprotect_shadows(relation regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT t.tgrelid::regclass AS rel FROM pg_trigger t WHERE t.tgrelid IN (SELECT listguard._members(relation)) AND t.tgname = '~listguard_shadow'
    LOOP
        PERFORM listguard._internal(format('DROP TRIGGER "~listguard_shadow" ON %s', r.rel));
    END LOOP;
    FOR r IN SELECT c.conname FROM pg_constraint c WHERE c.conrelid = relation AND c.contype = 'c' AND starts_with(c.conname::text, 'listguard_shadow_')
    LOOP
        PERFORM listguard._as_owner(relation, format('ALTER TABLE %s DROP CONSTRAINT %I', relation, r.conname));
    END LOOP;
    FOR r IN SELECT a.attname FROM pg_attribute a WHERE a.attrelid = relation AND NOT a.attisdropped AND starts_with(a.attname::text, 'listguard_shadow_')
    LOOP
        PERFORM listguard._as_owner(relation, format('ALTER TABLE %s DROP COLUMN %I', relation, r.attname));
    END LOOP;
END
$$;
COMMENT ON FUNCTION listguard._unprotect_shadows(regclass) IS 'removes what a protect_online has left in a table';

-- Policies, triggers, privileges that came by grants, row security.
CREATE FUNCTION listguard._unguard(relation regclass, relname text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    m oid;
    r record;
    roles text[];
BEGIN
    roles := ARRAY(SELECT DISTINCT g.role FROM listguard.access_grant g WHERE g.relation = relname
                   AND EXISTS (SELECT FROM pg_roles p WHERE p.rolname = g.role));
    DELETE FROM listguard.access_grant g WHERE g.relation = relname;
    PERFORM listguard._sync_role(relation, u) FROM unnest(roles) u;
    PERFORM listguard._sync_backup(u) FROM unnest(roles) u;
    IF roles <> '{}' THEN
        RAISE NOTICE 'privileges on % that were given by grant_access are revoked: %', relname, array_to_string(roles, ', ')
            USING HINT = 'Give them again by GRANT.';
    END IF;
    FOR r IN SELECT p.polname, p.polrelid FROM pg_policy p WHERE p.polrelid IN (SELECT listguard._members(relation)) AND starts_with(p.polname::text, 'listguard_')
    LOOP
        PERFORM listguard._internal(format('DROP POLICY %I ON %s', r.polname, r.polrelid::regclass));
    END LOOP;
    FOR m IN SELECT listguard._members(relation)
    LOOP
        FOR r IN SELECT t.tgname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                 WHERE t.tgrelid = m AND NOT t.tgisinternal AND t.tgparentid = 0 AND p.pronamespace = 'listguard'::regnamespace
        LOOP
            PERFORM listguard._internal(format('DROP TRIGGER %I ON %s', r.tgname, m::regclass));
        END LOOP;
        PERFORM listguard._internal(format('ALTER TABLE ONLY %s NO FORCE ROW LEVEL SECURITY', m::regclass));
        IF EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = m) THEN
            RAISE NOTICE 'row security of % stays on: it has policies of its own', m::regclass;
        ELSE
            PERFORM listguard._internal(format('ALTER TABLE ONLY %s DISABLE ROW LEVEL SECURITY', m::regclass));
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION listguard._unguard(regclass, text) IS 'takes policies, triggers and grants off a table';

-- One ALTER TABLE for all columns; what a column was before it was sealed, where that is known.
CREATE FUNCTION listguard._unseal(relation regclass, relname text) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts text[] := '{}';
    c record;
BEGIN
    FOR c IN
        SELECT a.attname, coalesce(o.type, 'text') AS type, f.oid IS NOT NULL AS has_default, o.default_expression FROM pg_attribute a
        LEFT JOIN listguard.column_origin o ON o.relation = relname AND o.name = a.attname
        LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
        WHERE a.attrelid = _unseal.relation AND a.attnum > 0 AND NOT a.attisdropped AND listguard._sealing_of(a.atttypid) <> 'text' ORDER BY a.attnum
    LOOP
        IF listguard._partitions_by(relation, c.attname) THEN
            RAISE EXCEPTION 'table % is partitioned by sealed column "%"', relname, c.attname USING ERRCODE = 'feature_not_supported',
                HINT = 'Copy its rows into a table that is not.';
        END IF;
        IF c.has_default THEN
            PERFORM listguard._as_owner(relation, format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', relation, c.attname));
        END IF;
        parts := parts || format('ALTER COLUMN %I TYPE %s USING listguard._open(%1$I)::%2$s', c.attname, c.type);
        IF c.has_default AND c.default_expression IS NOT NULL THEN
            parts := parts || format('ALTER COLUMN %I SET DEFAULT %s', c.attname, c.default_expression);
        ELSIF c.has_default THEN
            RAISE NOTICE 'the default of column "%" is gone', c.attname;
        END IF;
        RAISE NOTICE 'column "%" becomes %', c.attname, c.type;
    END LOOP;
    IF parts <> '{}' THEN
        PERFORM listguard._as_owner(relation, format('ALTER TABLE %s %s', relation, array_to_string(parts, ', ')));
    END IF;
    RETURN cardinality(parts);
END
$$;
COMMENT ON FUNCTION listguard._unseal(regclass, text) IS 'gives sealed columns their plain types back';

CREATE FUNCTION listguard._unprotect(relation oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    relname text := listguard._relation_name(_unprotect.relation);
    rel regclass := _unprotect.relation;
    row listguard.protected_table;
    n int8 := 0;
    columns int := 0;
BEGIN
    SELECT * INTO row FROM listguard.protected_table p WHERE p.relation = relname;
    IF row.mode IS DISTINCT FROM 'prepare' THEN
        PERFORM listguard._require_protected(rel);
    END IF;
    PERFORM listguard._job_unlock(rel, 'protect_online');
    IF NOT listguard._job_lock(rel, 'protect_online') THEN
        RAISE EXCEPTION 'another session is protecting table % online', relname USING ERRCODE = 'object_in_use', HINT = 'Cancel it first.';
    END IF;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', rel);
    LOCK TABLE listguard.protected_table IN SHARE ROW EXCLUSIVE MODE;
    PERFORM listguard._unprotect_shadows(rel);
    IF row.mode <> 'prepare' THEN
        PERFORM listguard._check_detached(relname);
        n := listguard._internal_value(format('SELECT count(*)::text FROM %s', rel))::int8;
        PERFORM listguard._unguard(rel, relname);
        columns := listguard._unseal(rel, relname);
        PERFORM listguard._disclosed(relname, n, n * columns);
    END IF;
    DELETE FROM listguard.job j WHERE j.relation = relname AND j.finished IS NULL;
    DELETE FROM listguard.online_index o WHERE o.relation = relname;
    DELETE FROM listguard.row_limit l WHERE l.relation = relname;
    DELETE FROM listguard.export_policy p WHERE p.relation = relname;
    DELETE FROM listguard.column_origin o WHERE o.relation = relname;
    DELETE FROM listguard.protected_table p WHERE p.relation = relname;
    DELETE FROM listguard.binding b WHERE b.kind = 'relation' AND b.name = relname;
    -- values sealed under its lists may lie elsewhere, in backups too: their keys stay, under a name that no table has
    UPDATE listguard.list l SET relation = format('%s (unprotected %s)', relname, row.list_no) WHERE l.relation = relname;
    PERFORM listguard._event('setting', relname, jsonb_build_object('unprotect', row.sealed_columns, 'rows', n, 'was', row.mode));
    PERFORM listguard._job_unlock(rel, 'protect_online');
    RAISE NOTICE 'table % is no longer protected; the keys of its lists stay, for backups made before now', relname;
END
$$;
COMMENT ON FUNCTION listguard._unprotect(oid) IS 'what unprotect does once it is known who may';
GRANT EXECUTE ON FUNCTION listguard.unprotect(regclass) TO listguard_admin;
