-- Partitions that come and go.  What was detached from a protected table stays under its protection, by its own name; what
-- is attached must hold values of the lists that its rows say.

CREATE TABLE listguard.detached (
    relation text COLLATE "C" PRIMARY KEY,
    root text COLLATE "C" NOT NULL
);
COMMENT ON TABLE listguard.detached IS
    'tables that were partitions of a protected one: grants, limits and audit of that one (root) hold for them';
SELECT pg_catalog.pg_extension_config_dump('listguard.detached', '');
CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON listguard.detached
    FOR EACH STATEMENT EXECUTE FUNCTION listguard.registry_changed();
ALTER TABLE listguard.detached ENABLE ALWAYS TRIGGER registry_changed;
GRANT SELECT ON listguard.detached TO listguard_admin, listguard_auditor;

CREATE FUNCTION listguard._value_list(value listguard.sealed_email) RETURNS int4
    AS 'MODULE_PATHNAME', 'listguard_value_list' LANGUAGE C STABLE STRICT;
CREATE FUNCTION listguard._value_list(value listguard.sealed_lookup) RETURNS int4
    AS 'MODULE_PATHNAME', 'listguard_value_list' LANGUAGE C STABLE STRICT;
CREATE FUNCTION listguard._value_list(value listguard.sealed_text) RETURNS int4
    AS 'MODULE_PATHNAME', 'listguard_value_list' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION listguard._value_list(listguard.sealed_email) IS 'number of the list whose key sealed the value; -1 where the key is not known';
COMMENT ON FUNCTION listguard._value_list(listguard.sealed_lookup) IS 'the same for a sealed_lookup';
COMMENT ON FUNCTION listguard._value_list(listguard.sealed_text) IS 'the same for a sealed_text';

-- The protected relation and what was detached from it, each with all that inherits from it.
CREATE FUNCTION listguard._guarded(relation oid) RETURNS SETOF oid
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT listguard._members(_guarded.relation)
    UNION
    SELECT listguard._members(b.oid)
    FROM listguard.detached d JOIN listguard.binding b ON b.kind = 'relation' AND b.name = d.relation
    WHERE d.root = listguard._relation_name(_guarded.relation) AND listguard._relation_name(b.oid) = d.relation
$$;
COMMENT ON FUNCTION listguard._guarded(oid) IS 'a protected table, its partitions, and those that were detached from it';

-- A partition has left: it is looked up by its own name from now on.
CREATE FUNCTION listguard._detached(root oid, child oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    childname text := listguard._relation_name(_detached.child);
    rootname text := listguard._relation_name(_detached.root);
BEGIN
    PERFORM listguard._bind('relation', childname, _detached.child);
    -- the server has dropped the row trigger that came with the parent; ATTACH would not take one of the same name
    PERFORM listguard._internal(format('CREATE TRIGGER "~listguard_sealed" BEFORE INSERT OR UPDATE ON %s '
                                       'FOR EACH ROW EXECUTE FUNCTION listguard.seal_row()', _detached.child::regclass))
    WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = _detached.child AND t.tgname IN ('~listguard_seal', '~listguard_sealed'));
    PERFORM listguard._guard_table(m::regclass) FROM listguard._members(_detached.child) m;
    INSERT INTO listguard.detached (relation, root) VALUES (childname, rootname)
    ON CONFLICT ON CONSTRAINT detached_pkey DO UPDATE SET root = EXCLUDED.root;
    PERFORM listguard._event('setting', rootname, jsonb_build_object('detached', childname));
    RAISE NOTICE 'table % stays under the protection of %', childname, rootname;
END
$$;
COMMENT ON FUNCTION listguard._detached(oid, oid) IS 'keeps a detached partition under protection';

-- What has left stays under protection only as long as there is a protected table.
CREATE FUNCTION listguard._check_detached(relation text) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    left_over text;
BEGIN
    SELECT d.relation INTO left_over FROM listguard.detached d
    WHERE d.root = _check_detached.relation AND to_regclass(d.relation) IS NOT NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'table % was detached from % and is still under its protection', left_over, _check_detached.relation
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Attach or drop it first.';
    END IF;
END
$$;
COMMENT ON FUNCTION listguard._check_detached(text) IS 'refuses where tables are left that were detached from this one';

-- No row may come in with a value of another list than its own, or of none.
CREATE FUNCTION listguard._check_values(root oid, member oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    row listguard.protected_table;
    wrong text;
    found boolean;
BEGIN
    SELECT * INTO STRICT row FROM listguard.protected_table p WHERE p.relation = listguard._relation_name(_check_values.root);
    SELECT string_agg(format('listguard._value_list(%I) IS DISTINCT FROM %s AND %1$I IS NOT NULL', c,
               CASE WHEN row.list_column IS NULL THEN row.list_no::text
                    ELSE format('(SELECT l.list_no FROM listguard.list l WHERE l.relation = %L AND l.value = %I::text)', row.relation, row.list_column) END), ' OR ')
    INTO wrong FROM unnest(row.sealed_columns) c;
    EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s WHERE %s)', _check_values.member::regclass, wrong) INTO found;
    IF found THEN
        RAISE EXCEPTION 'table % holds values that are not sealed under the list of their row', _check_values.member::regclass
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Attach an empty table and INSERT the rows: that seals them, and asks for the right to move them.';
    END IF;
END
$$;
COMMENT ON FUNCTION listguard._check_values(oid, oid) IS 'refuses a table with values of other lists than its rows say';

-- A table has come in, by ATTACH PARTITION or INHERIT.
CREATE FUNCTION listguard._attached(root oid, child oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    member oid;
    former text;
    old record;
BEGIN
    FOR member IN SELECT listguard._members(_attached.child)
    LOOP
        DELETE FROM listguard.detached d WHERE d.relation = listguard._relation_name(member) RETURNING d.root INTO former;
        FOR old IN
            SELECT p.polname FROM pg_policy p WHERE p.polrelid = member AND starts_with(p.polname::text, 'listguard_')
              AND former <> listguard._relation_name(_attached.root)
        LOOP
            PERFORM listguard._internal(format('DROP POLICY %I ON %s', old.polname, member::regclass));
        END LOOP;
        IF (SELECT c.relkind = 'r' FROM pg_class c WHERE c.oid = member) THEN
            PERFORM listguard._check_values(_attached.root, member);
        END IF;
    END LOOP;
    PERFORM listguard._internal(format('DROP TRIGGER "~listguard_sealed" ON %s', _attached.child::regclass))
    WHERE EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = _attached.child AND t.tgname = '~listguard_sealed');
    PERFORM listguard._catch_up(_attached.root);
    PERFORM listguard._guard_table(m::regclass) FROM listguard._members(_attached.child) m;
END
$$;
COMMENT ON FUNCTION listguard._attached(oid, oid) IS 'brings a new partition under protection, or refuses it';

-- What a partition may not be.
CREATE FUNCTION listguard._check_members(root oid) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bad record;
BEGIN
    SELECT c.oid::regclass AS member, c.relkind, c.relpersistence INTO bad FROM listguard._members(_check_members.root) m JOIN pg_class c ON c.oid = m
    WHERE c.relkind NOT IN ('r', 'p') OR c.relpersistence = 't' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'partition % of a protected table is %', bad.member,
            CASE WHEN bad.relpersistence = 't' THEN 'temporary' ELSE 'not a local table' END USING ERRCODE = 'wrong_object_type';
    END IF;
    SELECT i.inhrelid::regclass AS member, i.inhparent::regclass AS parent INTO bad FROM pg_inherits i
    WHERE i.inhrelid IN (SELECT listguard._members(_check_members.root)) AND i.inhparent NOT IN (SELECT listguard._members(_check_members.root)) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'protected table % cannot inherit from %', bad.member, bad.parent
            USING ERRCODE = 'feature_not_supported', HINT = 'Who reads the parent would pass the policies by. Protect the parent.';
    END IF;
END
$$;
COMMENT ON FUNCTION listguard._check_members(oid) IS 'refuses foreign and temporary partitions, and parents that are not protected';
