-- What a restore needs beside the registry's own tables.

-- ENABLE TRIGGER, which pg_dump --disable-triggers writes after the rows, makes a trigger that fired always fire at the origin only.
CREATE FUNCTION listguard._keep_always(relation oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT g.tgrelid, g.tgname FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE g.tgrelid IN (SELECT listguard._members(relation)) AND n.nspname = 'listguard' AND g.tgenabled IN ('O', 'R')
    LOOP
        PERFORM listguard._internal(format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %I', t.tgrelid::regclass, t.tgname));
    END LOOP;
    -- rows of the registry may have come while its trigger was off
    UPDATE listguard.protected_table p SET mode = p.mode WHERE false;
END
$$;
COMMENT ON FUNCTION listguard._keep_always(oid) IS
    'after ENABLE TRIGGER on a table: listguard''s triggers fire always again';

-- Every row of the registry says whose it is: rows of another keyset would be keys that open nothing here, and grants
-- on tables that merely have the same name.
CREATE FUNCTION listguard._keyset_id() RETURNS bytea
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT k.id FROM listguard.keyset k
$$;
COMMENT ON FUNCTION listguard._keyset_id() IS
    'the id of this database''s keyset; null before the first protect';

-- What values belong to that were replicated into a database without keys: as the first of them said.
CREATE TABLE listguard.stored_keyset (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    id bytea NOT NULL CHECK (octet_length(id) = 16)
);
COMMENT ON TABLE listguard.stored_keyset IS 'keyset of the values that were replicated before the keys were here';
SELECT pg_catalog.pg_extension_config_dump('listguard.stored_keyset', '');
CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON listguard.stored_keyset
    FOR EACH STATEMENT EXECUTE FUNCTION listguard.registry_changed();
ALTER TABLE listguard.stored_keyset ENABLE ALWAYS TRIGGER registry_changed;

CREATE FUNCTION listguard._same_keyset() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    other bytea;
BEGIN
    IF TG_TABLE_NAME = 'keyset' THEN
        other := NEW.id;
    ELSE
        other := NEW.keyset;
    END IF;
    IF TG_TABLE_NAME = 'keyset' AND EXISTS (SELECT FROM listguard.stored_keyset k WHERE k.id <> other) THEN
        RAISE EXCEPTION 'this database holds values of another keyset'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'They came by logical replication. Bring in the registry of the database that they come from.';
    END IF;
    IF EXISTS (SELECT FROM listguard.keyset k WHERE k.id <> other) THEN
        RAISE EXCEPTION 'this database holds another keyset'
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Restore into a database where nothing was protected yet. Rows of the dump''s tables cannot be merged with those of this database.';
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION listguard._same_keyset() IS
    'trigger: refuses rows of the registry that a dump of another database holds';

DO $body$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY '{index_key,protected_table,list,key,access_grant,row_limit,approver,export_policy}'::text[] LOOP
        EXECUTE format('ALTER TABLE listguard.%I ADD COLUMN keyset bytea DEFAULT listguard._keyset_id()', t);
    END LOOP;
    FOREACH t IN ARRAY '{keyset,index_key,protected_table,list,key,access_grant,row_limit,approver,export_policy}'::text[] LOOP
        EXECUTE format('CREATE TRIGGER same_keyset BEFORE INSERT ON listguard.%I FOR EACH ROW EXECUTE FUNCTION listguard._same_keyset()', t);
        EXECUTE format('ALTER TABLE listguard.%I ENABLE ALWAYS TRIGGER same_keyset', t);
    END LOOP;
END
$body$;

-- Roles that were renamed in another database, found by their oid.  Two steps: names may have been exchanged.
CREATE FUNCTION listguard._follow_roles() RETURNS SETOF oid
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    r record;
    step int;
    was text;
    becomes text;
BEGIN
    FOR step IN 1 .. 2
    LOOP
        FOR r IN
            SELECT b.oid, b.name, a.rolname::text AS now FROM listguard.binding b JOIN pg_roles a ON a.oid = b.oid
            WHERE b.kind = 'role' AND b.name <> a.rolname::text
        LOOP
            was := r.name;
            becomes := CASE step WHEN 1 THEN format('(renamed %s)', r.oid) ELSE r.now END;
            IF step = 2 THEN
                PERFORM listguard._forget('role', becomes);
                RETURN NEXT r.oid;
            END IF;
            UPDATE listguard.binding b SET name = becomes WHERE b.kind = 'role' AND b.name = was;
            UPDATE listguard.access_grant g SET role = becomes WHERE g.role = was;
            UPDATE listguard.row_limit l SET role = becomes WHERE l.role = was;
            UPDATE listguard.approver p SET role = becomes WHERE p.role = was;
        END LOOP;
    END LOOP;
END
$$;
COMMENT ON FUNCTION listguard._follow_roles() IS
    'writes the names of roles that were renamed in another database; their oids';
