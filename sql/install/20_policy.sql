-- protect, grants, limits.  Functions for the DBA run as the extension's owner and are executable by listguard_admin;
-- DDL that evaluates a user's expression runs as the table's owner.  Names that begin with _ are listguard's own.

CREATE FUNCTION listguard._as_owner(relation regclass, command text) RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_as_owner' LANGUAGE C VOLATILE STRICT;
CREATE FUNCTION listguard._internal(command text) RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_internal' LANGUAGE C VOLATILE STRICT;
CREATE FUNCTION listguard._ensure_keyset() RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_ensure_keyset' LANGUAGE C VOLATILE;
CREATE FUNCTION listguard._unused_list_number() RETURNS int4
    AS 'MODULE_PATHNAME', 'listguard_unused_list_number' LANGUAGE C VOLATILE;
CREATE FUNCTION listguard._create_list(relation text, value text) RETURNS int4
    AS 'MODULE_PATHNAME', 'listguard_create_list' LANGUAGE C VOLATILE;
CREATE FUNCTION listguard._ensure_list(relation regclass, value text) RETURNS int4
    AS 'MODULE_PATHNAME', 'listguard_ensure_list' LANGUAGE C VOLATILE;
CREATE FUNCTION listguard._list_number(relation oid, value text) RETURNS int4
    AS 'MODULE_PATHNAME', 'listguard_list_number' LANGUAGE C STABLE STRICT;
CREATE FUNCTION listguard._list_name(list_no int4) RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_list_name' LANGUAGE C STABLE STRICT;
CREATE FUNCTION listguard._is_privilege(name text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_check_privilege' LANGUAGE C IMMUTABLE STRICT;
CREATE FUNCTION listguard._index_expression_columns(index oid) RETURNS int2[]
    AS 'MODULE_PATHNAME', 'listguard_index_expression_columns' LANGUAGE C STABLE STRICT;
CREATE FUNCTION listguard._trusted_expression(relation regclass, source text) RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_trusted_expression' LANGUAGE C STABLE STRICT;

-- schema.table as the registry writes it
CREATE FUNCTION listguard._relation_name(relation oid) RETURNS text
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;

-- the relation and everything that inherits from it
CREATE FUNCTION listguard._members(relation oid) RETURNS SETOF oid
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE m(oid) AS (SELECT relation UNION SELECT i.inhrelid FROM pg_inherits i JOIN m ON i.inhparent = m.oid)
    SELECT m.oid FROM m
$$;

-- What was said of an object that is gone is forgotten, before another takes its name.
CREATE FUNCTION listguard._forget(kind text, name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    was oid;
BEGIN
    DELETE FROM listguard.binding b WHERE b.kind = _forget.kind AND b.name = _forget.name RETURNING b.oid INTO was;
    IF was IS NULL THEN
        RETURN;
    END IF;
    IF _forget.kind = 'role' THEN
        DELETE FROM listguard.access_grant g WHERE g.role = _forget.name;
        DELETE FROM listguard.row_limit l WHERE l.role = _forget.name;
        RETURN;
    END IF;
    DELETE FROM listguard.access_grant g WHERE g.relation = _forget.name;
    DELETE FROM listguard.row_limit l WHERE l.relation = _forget.name;
    DELETE FROM listguard.export_policy p WHERE p.relation = _forget.name;
    DELETE FROM listguard.detached d WHERE _forget.name IN (d.relation, d.root);
    DELETE FROM listguard.protected_table p WHERE p.relation = _forget.name;
    DELETE FROM listguard.column_origin o WHERE o.relation = _forget.name;
    -- values sealed under its lists may lie elsewhere: their keys stay, under a name that no table has
    UPDATE listguard.list l SET relation = format('%s (dropped %s)', _forget.name, was) WHERE l.relation = _forget.name;
END
$$;

-- Note what a name stands for.
CREATE FUNCTION listguard._bind(kind text, name text, oid oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF EXISTS (SELECT FROM listguard.binding b WHERE b.kind = _bind.kind AND b.name = _bind.name AND b.oid = _bind.oid) THEN
        RETURN;
    END IF;
    IF _bind.kind = 'role' THEN
        PERFORM listguard._follow_roles();
    END IF;
    PERFORM listguard._forget(b.kind, b.name) FROM listguard.binding b
    WHERE b.kind = _bind.kind AND b.oid = _bind.oid AND b.name <> _bind.name;
    PERFORM listguard._forget(_bind.kind, _bind.name) WHERE NOT EXISTS (
        SELECT FROM listguard.binding b WHERE b.kind = _bind.kind AND b.name = _bind.name AND b.oid = _bind.oid);
    INSERT INTO listguard.binding VALUES (_bind.kind, _bind.name, _bind.oid) ON CONFLICT DO NOTHING;
END
$$;

-- A relation (schema.table) or role has a new name.
CREATE FUNCTION listguard._rename(kind text, old_name text, new_name text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM listguard._forget(_rename.kind, _rename.new_name);
    UPDATE listguard.binding b SET name = _rename.new_name WHERE b.kind = _rename.kind AND b.name = _rename.old_name;
    IF _rename.kind = 'role' THEN
        UPDATE listguard.access_grant g SET role = _rename.new_name WHERE g.role = _rename.old_name;
        UPDATE listguard.row_limit l SET role = _rename.new_name WHERE l.role = _rename.old_name;
        UPDATE listguard.approver a SET role = _rename.new_name WHERE a.role = _rename.old_name;
        PERFORM listguard._sync_role(b.oid, _rename.new_name)
        FROM (SELECT DISTINCT relation FROM listguard.access_grant WHERE role = _rename.new_name) g
        JOIN listguard.binding b ON b.kind = 'relation' AND b.name = g.relation
        WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = b.oid AND listguard._relation_name(c.oid) = g.relation);
        RETURN;
    END IF;
    UPDATE listguard.protected_table p SET relation = _rename.new_name WHERE p.relation = _rename.old_name;
    UPDATE listguard.list l SET relation = _rename.new_name WHERE l.relation = _rename.old_name;
    UPDATE listguard.access_grant g SET relation = _rename.new_name WHERE g.relation = _rename.old_name;
    UPDATE listguard.row_limit l SET relation = _rename.new_name WHERE l.relation = _rename.old_name;
    UPDATE listguard.export_policy p SET relation = _rename.new_name WHERE p.relation = _rename.old_name;
    UPDATE listguard.detached d SET relation = _rename.new_name WHERE d.relation = _rename.old_name;
    UPDATE listguard.detached d SET root = _rename.new_name WHERE d.root = _rename.old_name;
    UPDATE listguard.column_origin o SET relation = _rename.new_name WHERE o.relation = _rename.old_name;
    UPDATE listguard.job j SET relation = _rename.new_name WHERE j.relation = _rename.old_name AND j.finished IS NULL;
END
$$;

CREATE FUNCTION listguard._rename_column(relation text, old_name name, new_name name) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    UPDATE listguard.protected_table p
    SET list_column = CASE WHEN p.list_column = old_name THEN new_name ELSE p.list_column END,
        sealed_columns = array_replace(p.sealed_columns, old_name, new_name),
        open_columns = array_replace(p.open_columns, old_name, new_name),
        domain_columns = array_replace(p.domain_columns, old_name, new_name)
    WHERE p.relation = _rename_column.relation;
    UPDATE listguard.column_origin o SET name = new_name WHERE o.relation = _rename_column.relation AND o.name = old_name;
$$;

CREATE FUNCTION listguard._require_protected(relation regclass) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relname text := listguard._relation_name(relation);
BEGIN
    IF relname IS NULL OR NOT EXISTS (
        SELECT FROM (SELECT * FROM listguard.protected_table WHERE mode <> 'prepare') p LEFT JOIN listguard.binding b ON b.kind = 'relation' AND b.name = p.relation
        WHERE p.relation = relname AND coalesce(b.oid, _require_protected.relation::oid) = _require_protected.relation::oid) THEN
        RAISE EXCEPTION 'table % is not protected', coalesce(relname, relation::oid::text)
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Protect it with listguard.protect().';
    END IF;
    RETURN relname;
END
$$;

CREATE FUNCTION listguard._require_role(role name) RETURNS oid
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found oid;
BEGIN
    SELECT r.oid INTO found FROM pg_roles r WHERE r.rolname = _require_role.role;
    IF found IS NULL THEN
        RAISE EXCEPTION 'role "%" does not exist', role USING ERRCODE = 'undefined_object';
    END IF;
    RETURN found;
END
$$;

-- ---- policies ----

CREATE FUNCTION listguard._policy_name(privilege text, role text) RETURNS name
    LANGUAGE sql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN octet_length('listguard_' || privilege || '_' || role) < 64 THEN ('listguard_' || privilege || '_' || role)::name
                ELSE ('listguard_' || privilege || '_' || md5(role))::name END
$$;

-- What a role's grants with one privilege say of a row; NULL: no grant.
CREATE FUNCTION listguard._policy_condition(relation oid, role text, privilege text) RETURNS text
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relname text := listguard._relation_name(_policy_condition.relation);
    list_column name;
    list_type text;
    table_no int4;
    part record;
    parts text[] := '{}';
BEGIN
    SELECT p.list_column, p.list_no, format_type(a.atttypid, NULL) INTO list_column, table_no, list_type
    FROM listguard.protected_table p LEFT JOIN pg_attribute a ON a.attrelid = _policy_condition.relation AND a.attname = p.list_column
    WHERE p.relation = relname;
    -- a few lists by name, for the eye and for an index; more of them by listed(), whose text stays as it is when lists are added
    FOR part IN
        SELECT g.list_no IS NULL AS all_lists, g.using_expr,
               CASE WHEN count(g.list_no) BETWEEN 1 AND 8 THEN
                    (SELECT array_agg(l.value ORDER BY l.value) FROM listguard.list l WHERE l.list_no = ANY (array_agg(g.list_no))) END AS lists
        FROM listguard.access_grant g
        WHERE g.relation = relname AND g.role = _policy_condition.role AND privilege = ANY (g.privileges)
        GROUP BY 1, 2 ORDER BY 1 DESC, 2 NULLS FIRST
    LOOP
        parts := parts || concat_ws(' AND ',
            CASE WHEN part.all_lists THEN NULL
                 WHEN part.lists IS NULL THEN format('listguard.listed(%I, %s, %L, %L, %L)', list_column, table_no,
                                                     _policy_condition.role, privilege, coalesce(part.using_expr, ''))
                 WHEN cardinality(part.lists) = 1 THEN format('%I = %L::%s', list_column, part.lists[1], list_type)
                 ELSE format('%I = ANY (%L::%s[])', list_column, part.lists, list_type) END,
            '(' || part.using_expr || ')');
    END LOOP;
    IF '' = ANY (parts) THEN
        RETURN 'true';
    END IF;
    RETURN (SELECT string_agg('(' || p || ')', ' OR ') FROM unnest(parts) p);
END
$$;

-- pg_dump reads each partition by itself: "backup" on a table is SELECT on every one.
CREATE FUNCTION listguard._sync_partitions(relation oid, role text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relname text := listguard._relation_name(_sync_partitions.relation);
    roleid oid := listguard._require_role(_sync_partitions.role::name);
    holds boolean := EXISTS (SELECT FROM listguard.access_grant g WHERE g.relation = relname AND g.role = _sync_partitions.role
                             AND 'backup' = ANY (g.privileges));
    member oid;
BEGIN
    FOR member IN
        SELECT c.oid FROM listguard._members(_sync_partitions.relation) m JOIN pg_class c ON c.oid = m
        WHERE m <> _sync_partitions.relation AND holds <> EXISTS (
            SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = roleid AND a.privilege_type = 'SELECT')
    LOOP
        PERFORM listguard._internal(format(CASE WHEN holds THEN 'GRANT SELECT ON TABLE %s TO %I' ELSE 'REVOKE SELECT ON TABLE %s FROM %I CASCADE' END,
                                           member::regclass, _sync_partitions.role));
    END LOOP;
END
$$;
COMMENT ON FUNCTION listguard._sync_partitions(oid, text) IS
    'gives a role that holds backup on a table SELECT on its partitions, and takes it from others';

-- What a policy's comment says of the text it was made with.
CREATE FUNCTION listguard._policy_mark(qual text) RETURNS text
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'written by listguard: ' || md5(qual)
$$;

COMMENT ON FUNCTION listguard._policy_mark(text) IS 'comment of a policy that was made with this condition';

-- One policy on every table of the tree, made where it is not there as it should be; qual NULL: none.
CREATE FUNCTION listguard._sync_policy(relation oid, role name, roleid oid, privilege text, command text, qual text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    policy name := listguard._policy_name(_sync_policy.privilege, _sync_policy.role::text);
    member regclass;
BEGIN
    FOR member IN
        SELECT m FROM listguard._guarded(_sync_policy.relation) m
        WHERE qual IS NOT NULL AND NOT EXISTS (SELECT FROM pg_policy p
            WHERE p.polrelid = m AND p.polname = policy AND p.polroles = ARRAY[roleid] AND p.polpermissive
              AND obj_description(p.oid, 'pg_policy') = listguard._policy_mark(qual))
    LOOP
        PERFORM listguard._internal(format('DROP POLICY %I ON %s', policy, member)) FROM pg_policy p
        WHERE p.polrelid = member AND p.polname = policy;
        PERFORM listguard._internal(format('CREATE POLICY %I ON %s FOR %s TO %I %s%s', policy, member, command, _sync_policy.role,
            CASE WHEN command <> 'INSERT' THEN format('USING (%s) ', qual) END,
            CASE WHEN command IN ('INSERT', 'UPDATE') THEN format('WITH CHECK (%s)', qual) END));
        PERFORM listguard._internal(format('COMMENT ON POLICY %I ON %s IS %L', policy, member, listguard._policy_mark(qual)));
    END LOOP;
END
$$;

COMMENT ON FUNCTION listguard._sync_policy(oid, name, oid, text, text, text) IS
    'makes one policy of a role on a protected table and its partitions';

-- Has a role, by its own name, a privilege on the table?
CREATE FUNCTION listguard._has_privilege(relation oid, roleid oid, privilege text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) x
                   WHERE c.oid = relation AND x.grantee = roleid AND x.privilege_type = privilege)
$$;

COMMENT ON FUNCTION listguard._has_privilege(oid, oid, text) IS 'was the privilege on the table granted to the role by name?';

-- Bring a role's policies and table privileges in line with its grants.  What is as it should be is not touched: one more
-- of many lists changes no policy.
CREATE FUNCTION listguard._sync_role(relation oid, role text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    what record;
    condition text;
    wanted boolean;
    kept name[] := '{}';
    relname text := listguard._relation_name(_sync_role.relation);
    roleid oid := listguard._require_role(_sync_role.role::name);
    old record;
BEGIN
    FOR what IN SELECT * FROM (VALUES ('view', 'SELECT'), ('insert', 'INSERT'), ('update', 'UPDATE'), ('delete', 'DELETE')) v(privilege, command)
    LOOP
        condition := listguard._policy_condition(_sync_role.relation, _sync_role.role, what.privilege);
        PERFORM listguard._sync_policy(_sync_role.relation, _sync_role.role::name, roleid, what.privilege, what.command,
            CASE condition WHEN 'true' THEN 'listguard.guard()' ELSE format('listguard.guard() AND (%s)', condition) END)
        WHERE condition IS NOT NULL;
        IF condition IS NOT NULL THEN
            kept := kept || listguard._policy_name(what.privilege, _sync_role.role);
        END IF;
        wanted := condition IS NOT NULL OR what.command = 'SELECT' AND EXISTS (
            SELECT FROM listguard.access_grant g WHERE g.relation = relname AND g.role = _sync_role.role AND 'backup' = ANY (g.privileges));
        IF wanted <> listguard._has_privilege(_sync_role.relation, roleid, what.command) THEN
            PERFORM listguard._internal(format(CASE WHEN wanted THEN 'GRANT %s ON TABLE %s TO %I' ELSE 'REVOKE %s ON TABLE %s FROM %I CASCADE' END,
                                               what.command, relname, _sync_role.role));
        END IF;
    END LOOP;
    -- by the role, not by the name: the role may have had another when they were made
    FOR old IN
        SELECT p.polname, p.polrelid FROM pg_policy p WHERE p.polrelid IN (SELECT listguard._guarded(_sync_role.relation))
          AND p.polroles = ARRAY[roleid] AND starts_with(p.polname::text, 'listguard_') AND p.polname <> ALL (kept)
    LOOP
        PERFORM listguard._internal(format('DROP POLICY %I ON %s', old.polname, old.polrelid::regclass));
    END LOOP;
    PERFORM listguard._sync_partitions(_sync_role.relation, _sync_role.role);
END
$$;

-- ---- protect ----

-- A BEFORE ROW trigger that fires after ours could store what is not sealed under the row's list.
CREATE FUNCTION listguard._check_triggers(member oid) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bad name;
BEGIN
    SELECT t.tgname INTO bad FROM pg_trigger t
    WHERE t.tgrelid = member AND NOT t.tgisinternal AND t.tgtype & 3 = 3 AND t.tgname > '~listguard_seal'
      AND t.tgfoid NOT IN (to_regproc('listguard.shadow_row'), to_regproc('listguard.seal_row')) LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'trigger "%" on % would fire after listguard''s', bad, member::regclass
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Give it a name that does not begin with "~".';
    END IF;
END
$$;

CREATE FUNCTION listguard._check_relation(relation regclass) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rel pg_class;
    bad oid;
BEGIN
    SELECT * INTO rel FROM pg_class c WHERE c.oid = _check_relation.relation;
    IF rel.relkind NOT IN ('r', 'p') THEN
        RAISE EXCEPTION '"%" is not a table', rel.relname USING ERRCODE = 'wrong_object_type';
    END IF;
    IF rel.oid < 16384 OR rel.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('pg_catalog', 'information_schema', 'listguard', 'pg_toast')) THEN
        RAISE EXCEPTION 'table "%" belongs to the system or to listguard', rel.relname USING ERRCODE = 'wrong_object_type';
    END IF;
    IF rel.relpersistence = 't' THEN
        RAISE EXCEPTION 'temporary table "%" cannot be protected', rel.relname USING ERRCODE = 'feature_not_supported';
    END IF;
    IF EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = rel.oid) THEN
        RAISE EXCEPTION 'table "%" is a partition or inherits from another table', rel.relname
            USING ERRCODE = 'wrong_object_type', HINT = 'Protect its root: that protects every partition.';
    END IF;
    SELECT c.oid INTO bad FROM listguard._members(rel.oid) m JOIN pg_class c ON c.oid = m WHERE c.relkind NOT IN ('r', 'p') LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'partition % is not a local table', bad::regclass USING ERRCODE = 'wrong_object_type';
    END IF;
    PERFORM listguard._check_triggers(m) FROM listguard._members(rel.oid) m;
    SELECT p.oid INTO bad FROM pg_policy p
    WHERE p.polrelid IN (SELECT listguard._members(rel.oid)) AND p.polpermissive AND NOT starts_with(p.polname::text, 'listguard_') LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'table "%" has a permissive policy of its own', rel.relname
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'It would add rows to those that grants allow. Drop it or make it restrictive.';
    END IF;
END
$$;

CREATE FUNCTION listguard._check_column(relation regclass, name name) RETURNS int2
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    att int2;
BEGIN
    IF name IS NULL THEN
        RAISE EXCEPTION 'column name is null' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT a.attnum INTO att FROM pg_attribute a
    WHERE a.attrelid = _check_column.relation AND a.attname = _check_column.name AND a.attnum > 0 AND NOT a.attisdropped;
    IF att IS NULL THEN
        RAISE EXCEPTION 'column "%" of relation % does not exist', name, relation USING ERRCODE = 'undefined_column';
    END IF;
    RETURN att;
END
$$;

-- Is a type one that protect seals ('text'), sealed already (its name), or neither (NULL)?
CREATE FUNCTION listguard._sealing_of(type oid) RETURNS text
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN n.nspname = 'listguard' AND t.typname IN ('sealed_email', 'sealed_lookup', 'sealed_text') THEN t.typname::text
                WHEN t.oid IN ('text'::regtype, 'varchar'::regtype, 'bpchar'::regtype) THEN 'text'
                WHEN t.typname = 'citext' AND t.typtype = 'b' THEN 'text' END
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = type
$$;

-- Is a column part of the partition key of the table or of a partition?
CREATE FUNCTION listguard._partitions_by(relation oid, name name) RETURNS boolean
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM listguard._members(relation) m JOIN pg_partitioned_table p ON p.partrelid = m
                   JOIN pg_attribute a ON a.attrelid = m AND a.attname = _partitions_by.name
                   WHERE a.attnum = ANY (p.partattrs::int2[]))
$$;

-- What would keep the plaintext of an address column, or break when it is sealed.
CREATE FUNCTION listguard._check_address_column(relation regclass, name name) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    att int2 := listguard._check_column(relation, name);
    type oid := (SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum = att);
    bad text;
BEGIN
    IF listguard._sealing_of(type) IS NULL THEN
        RAISE EXCEPTION 'column "%" of type % cannot be sealed', name, format_type(type, NULL)
            USING ERRCODE = 'datatype_mismatch', HINT = 'An address column is text, varchar, char, citext or of a sealed type.';
    END IF;
    IF listguard._sealing_of(type) = 'text' AND listguard._partitions_by(relation, name) THEN
        RAISE EXCEPTION 'table % is partitioned by column "%"', relation, name
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'Make a table that is partitioned by the hash of a sealed_email column, move the rows and protect it.';
    END IF;
    SELECT i.indexrelid::regclass::text INTO bad
    FROM pg_index i JOIN listguard._members(relation) m ON i.indrelid = m
    JOIN pg_attribute a ON a.attrelid = m AND a.attname = _check_address_column.name
    WHERE (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND a.attnum = ANY (listguard._index_expression_columns(i.indexrelid))
    LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'index % has an expression or predicate over column "%"', bad, name
            USING ERRCODE = 'feature_not_supported',
                  HINT = 'It would hold what the column hides. Drop it; a plain index on the column serves equality without regard to case.';
    END IF;
    SELECT a.attname INTO bad
    FROM pg_depend d JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
    JOIN listguard._members(relation) m ON f.adrelid = m JOIN pg_attribute a ON a.attrelid = m AND a.attnum = f.adnum
    JOIN pg_attribute o ON o.attrelid = m AND o.attname = _check_address_column.name
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = m AND d.refobjsubid = o.attnum AND a.attgenerated <> '' LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'column "%" is generated from column "%"', bad, name
            USING ERRCODE = 'feature_not_supported', HINT = 'It would hold what the column hides. Drop it.';
    END IF;
    SELECT s.stxname INTO bad
    FROM pg_statistic_ext s JOIN listguard._members(relation) m ON s.stxrelid = m
    JOIN pg_attribute a ON a.attrelid = m AND a.attname = _check_address_column.name
    WHERE 'm' = ANY (s.stxkind) AND a.attnum = ANY (s.stxkeys)
       OR s.stxexprs IS NOT NULL AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_statistic_ext'::regclass AND d.objid = s.oid
                                             AND d.refobjid = m AND d.refobjsubid = a.attnum) LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'statistics object "%" would keep values of column "%"', bad, name
            USING ERRCODE = 'feature_not_supported', HINT = 'Drop it; kinds ndistinct and dependencies hold no values.';
    END IF;
    SELECT c.conname INTO bad
    FROM pg_constraint c JOIN listguard._members(relation) m ON c.conrelid = m
    JOIN pg_attribute a ON a.attrelid = m AND a.attname = _check_address_column.name
    WHERE c.contype = 'c' AND a.attnum = ANY (c.conkey) LIMIT 1;
    IF bad IS NOT NULL THEN
        RAISE EXCEPTION 'check constraint "%" looks at column "%"', bad, name
            USING ERRCODE = 'feature_not_supported', HINT = 'Drop it: the sealed type checks addresses itself.';
    END IF;
END
$$;

CREATE FUNCTION listguard._check_list_column(relation regclass, name name, address_columns name[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    att int2 := listguard._check_column(relation, name);
    type oid := (SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum = att);
BEGIN
    IF name = ANY (address_columns) THEN
        RAISE EXCEPTION 'column "%" cannot be both list and address', name USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF type <> ALL ('{text,uuid,integer,bigint}'::regtype[]::oid[]) THEN
        RAISE EXCEPTION 'list column "%" is of type %', name, format_type(type, NULL)
            USING ERRCODE = 'datatype_mismatch', HINT = 'A list column is text, uuid, integer or bigint.';
    END IF;
END
$$;

-- The trigger seals the columns of a row, not what lies inside one: a sealed type in an array, a domain, a composite or a range
-- would stay under the list it was made for.
CREATE FUNCTION listguard._check_nested(relation oid) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bad name;
BEGIN
    WITH RECURSIVE inside(col, type) AS (
        SELECT a.attname, a.atttypid FROM pg_attribute a
        WHERE a.attrelid = _check_nested.relation AND a.attnum > 0 AND NOT a.attisdropped AND listguard._sealing_of(a.atttypid) IS NULL
        UNION
        SELECT i.col, n.part FROM inside i JOIN pg_type t ON t.oid = i.type, LATERAL (
            SELECT t.typelem UNION ALL SELECT t.typbasetype
            UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)) n(part)
        WHERE n.part <> 0)
    SELECT i.col INTO bad FROM inside i WHERE listguard._sealing_of(i.type) <> 'text' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'column "%" holds a sealed type inside another type', bad
            USING ERRCODE = 'feature_not_supported', HINT = 'Give each sealed value a column of its own.';
    END IF;
END
$$;

-- Every check that needs no lock on the registry, before anything is changed.
CREATE FUNCTION listguard._check_protect(relation regclass, address_columns name[], list_column name, open_columns name[], bulk_threshold int, mode text, audit text)
    RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF coalesce(cardinality(address_columns), 0) = 0 THEN
        RAISE EXCEPTION 'no address column is given' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF bulk_threshold < 0 THEN
        RAISE EXCEPTION 'bulk_threshold must be 0 or more' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF mode IS NULL OR mode NOT IN ('enforce', 'alert') THEN
        RAISE EXCEPTION 'mode must be enforce or alert' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF audit IS NULL OR audit NOT IN ('statement', 'row') THEN
        RAISE EXCEPTION 'audit must be statement or row' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM listguard._check_relation(relation);
    PERFORM listguard._check_nested(relation);
    PERFORM listguard._check_address_column(relation, c) FROM unnest(address_columns) c;
    PERFORM listguard._check_column(relation, c) FROM unnest(open_columns) c;
    IF open_columns && address_columns THEN
        RAISE EXCEPTION 'an address column cannot be open' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF list_column IS NOT NULL THEN
        PERFORM listguard._check_list_column(relation, list_column, address_columns);
    END IF;
END
$$;

-- Columns that rows are partitioned by keep their type, without the list's number: their values are sealed anew where
-- they lie.  Token and partition stay; no trigger of the user's fires.
CREATE FUNCTION listguard._reseal_in_place(relation regclass, assignments text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    role text := current_setting('session_replication_role');
BEGIN
    PERFORM set_config('session_replication_role', 'replica', true);
    -- forced again by _guard_table
    PERFORM listguard._internal(format('ALTER TABLE ONLY %s NO FORCE ROW LEVEL SECURITY', relation));
    PERFORM listguard._as_owner(relation, format('UPDATE %s SET %s', relation, assignments));
    PERFORM set_config('session_replication_role', role, true);
END
$$;

-- One ALTER TABLE for all columns: one rewrite.
CREATE FUNCTION listguard._convert(relation regclass, columns name[], list_column name, list_no int4) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts text[] := '{}';
    in_place text[] := '{}';
    c record;
    with_domain name[] := (SELECT p.domain_columns FROM listguard.protected_table p WHERE p.relation = listguard._relation_name(_convert.relation));
    value text;
    number text := CASE WHEN list_column IS NULL THEN list_no::text
                        ELSE format('listguard._list_number(%s, %I::text)', relation::oid, list_column) END;
BEGIN
    FOR c IN
        SELECT a.attname, listguard._sealing_of(a.atttypid) AS sealing FROM pg_attribute a
        WHERE a.attrelid = relation AND a.attname = ANY (columns) ORDER BY a.attnum
    LOOP
        value := format('listguard.%s(%I%s, %s)', CASE c.sealing WHEN 'sealed_lookup' THEN '_seal_lookup' WHEN 'sealed_text' THEN '_seal_text' ELSE '_seal' END,
            c.attname, CASE c.sealing WHEN 'text' THEN '::text' END, number);
        IF with_domain <> '{}' AND c.sealing IN ('text', 'sealed_email') THEN
            value := format('listguard._set_domain(%s, %L)', value, c.attname = ANY (with_domain));
        END IF;
        IF listguard._partitions_by(relation, c.attname) THEN
            in_place := in_place || format('%I = %s', c.attname, value);
            CONTINUE;
        END IF;
        parts := parts || format('ALTER COLUMN %I TYPE listguard.%s%s USING %s', c.attname,
            CASE c.sealing WHEN 'text' THEN 'sealed_email' ELSE c.sealing END,
            CASE WHEN list_column IS NULL THEN format('(%s)', list_no) END, value);
        RAISE NOTICE 'column "%" becomes %', c.attname, CASE c.sealing WHEN 'text' THEN 'sealed_email' ELSE c.sealing END;
    END LOOP;
    PERFORM listguard._note_origin(relation, columns);
    IF list_column IS NOT NULL THEN
        PERFORM listguard._as_owner(relation, format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', relation, list_column));
    END IF;
    IF parts <> '{}' THEN
        PERFORM listguard._as_owner(relation, format('ALTER TABLE %s %s', relation, array_to_string(parts, ', ')));
    END IF;
    IF in_place <> '{}' THEN
        PERFORM listguard._reseal_in_place(relation, array_to_string(in_place, ', '));
    END IF;
END
$$;

-- Triggers and row security of one table of the tree; what is there already stays.
CREATE FUNCTION listguard._guard_table(member regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT * FROM (VALUES
        ('~listguard_seal', 'BEFORE INSERT OR UPDATE', 'FOR EACH ROW EXECUTE FUNCTION listguard.seal_row()'),
        ('listguard_ins', 'AFTER INSERT', 'REFERENCING NEW TABLE AS listguard_new FOR EACH STATEMENT EXECUTE FUNCTION listguard.audit_change()'),
        ('listguard_upd', 'AFTER UPDATE', 'REFERENCING OLD TABLE AS listguard_old NEW TABLE AS listguard_new FOR EACH STATEMENT EXECUTE FUNCTION listguard.audit_change()'),
        ('listguard_del', 'AFTER DELETE', 'REFERENCING OLD TABLE AS listguard_old FOR EACH STATEMENT EXECUTE FUNCTION listguard.audit_change()'),
        ('listguard_trunc', 'BEFORE TRUNCATE', 'FOR EACH STATEMENT EXECUTE FUNCTION listguard.audit_change()')
        ) v(name, event, action)
    LOOP
        IF t.name = '~listguard_seal' AND EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = member AND g.tgname = '~listguard_sealed') THEN
            t.name := '~listguard_sealed';   -- of a detached partition
        END IF;
        IF NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = member AND g.tgname = t.name) THEN
            PERFORM listguard._internal(format('CREATE TRIGGER %I %s ON %s %s', t.name, t.event, member, t.action));
        END IF;
        PERFORM listguard._internal(format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %I', member, t.name));
    END LOOP;
    PERFORM listguard._internal(format('ALTER TABLE ONLY %s ENABLE ROW LEVEL SECURITY', member));
    PERFORM listguard._internal(format('ALTER TABLE ONLY %s FORCE ROW LEVEL SECURITY', member));
END
$$;

-- Privileges that others than the owner hold on the tree; keep: as grants that show masks.
CREATE FUNCTION listguard._take_over_privileges(relation regclass, keep boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    g record;
    kept text[];
BEGIN
    FOR g IN
        SELECT a.member, a.grantee, r.rolname, array_agg(DISTINCT a.privilege) AS privileges
        FROM (SELECT c.oid AS member, c.relowner, x.grantee, x.privilege_type AS privilege
              FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid IN (SELECT listguard._members(_take_over_privileges.relation))
              UNION ALL
              SELECT c.oid, c.relowner, x.grantee, x.privilege_type
              FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) x
              WHERE c.oid IN (SELECT listguard._members(_take_over_privileges.relation)) AND NOT t.attisdropped) a
        LEFT JOIN pg_roles r ON r.oid = a.grantee
        WHERE a.grantee <> a.relowner
        GROUP BY 1, 2, 3 ORDER BY a.member, r.rolname
    LOOP
        PERFORM listguard._internal(format('REVOKE ALL ON TABLE %s FROM %s CASCADE', g.member::regclass,
                                           coalesce(quote_ident(g.rolname), 'PUBLIC')));
        kept := '{}';
        IF keep AND g.rolname IS NOT NULL AND g.member = _take_over_privileges.relation THEN
            SELECT coalesce(array_agg(v.privilege), '{}') INTO kept
            FROM (VALUES ('SELECT', 'view'), ('INSERT', 'insert'), ('UPDATE', 'update'), ('DELETE', 'delete')) v(command, privilege)
            WHERE v.command = ANY (g.privileges);
        END IF;
        IF kept <> '{}' THEN
            PERFORM listguard._bind('role', g.rolname, g.grantee);
            INSERT INTO listguard.access_grant (role, relation, privileges) VALUES (g.rolname, listguard._relation_name(_take_over_privileges.relation), kept);
            RAISE NOTICE 'role % keeps % on %, with addresses masked', g.rolname, array_to_string(kept, ', '), g.member::regclass;
        ELSE
            RAISE NOTICE 'privileges of % on % are revoked', coalesce('role ' || g.rolname, 'PUBLIC'), g.member::regclass
                USING HINT = 'Give access with listguard.grant_access().';
        END IF;
    END LOOP;
END
$$;

-- The registry's row and the lists, or what a second protect adds to them.
CREATE FUNCTION listguard._register(relation regclass, columns name[], list_column name, open_columns name[], bulk_threshold int, mode text, audit text)
    RETURNS listguard.protected_table
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    relname text := listguard._relation_name(_register.relation);
    known listguard.protected_table;
    list_values text[];
    value text;
BEGIN
    SELECT * INTO known FROM listguard.protected_table p WHERE p.relation = relname;
    IF known.mode = 'prepare' THEN
        RAISE EXCEPTION 'table % is being protected online', relname USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Call listguard.protect_online() again to go on, or give it up with listguard.unprotect().';
    END IF;
    IF known.relation IS NOT NULL AND known.list_column IS DISTINCT FROM coalesce(_register.list_column, known.list_column) THEN
        RAISE EXCEPTION 'table % is protected with another list column', relname USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF known.relation IS NOT NULL THEN
        UPDATE listguard.protected_table p
        SET sealed_columns = _register.columns, open_columns = coalesce(_register.open_columns, p.open_columns),
            bulk_threshold = coalesce(_register.bulk_threshold, p.bulk_threshold)
        WHERE p.relation = relname RETURNING * INTO known;
        RETURN known;
    END IF;
    IF _register.list_column IS NOT NULL THEN
        EXECUTE format('SELECT array_agg(DISTINCT %I::text) FROM %s WHERE %1$I IS NOT NULL', _register.list_column, _register.relation) INTO list_values;
    END IF;
    INSERT INTO listguard.protected_table (relation, list_no, list_column, sealed_columns, open_columns, bulk_threshold, mode, audit)
    VALUES (relname, listguard._number_for(relname), _register.list_column, _register.columns, coalesce(_register.open_columns, '{}'),
            _register.bulk_threshold, _register.mode, _register.audit)
    RETURNING * INTO known;
    IF _register.list_column IS NULL THEN
        PERFORM listguard._create_list(relname, NULL);
    END IF;
    FOREACH value IN ARRAY coalesce(list_values, '{}')
    LOOP
        PERFORM listguard._create_list(relname, value);
    END LOOP;
    RETURN known;
END
$$;

CREATE FUNCTION listguard.protect(relation regclass, address_columns name[], list_column name DEFAULT NULL, open_columns name[] DEFAULT NULL,
    bulk_threshold int DEFAULT NULL, mode text DEFAULT 'enforce', audit text DEFAULT 'statement', keep_access boolean DEFAULT false,
    domain_columns name[] DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    was listguard.protected_table;
    row listguard.protected_table;
    columns name[];
BEGIN
    IF protect.relation IS NULL THEN
        RAISE EXCEPTION 'no relation is given' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM listguard._check_protect(protect.relation, protect.address_columns, protect.list_column, protect.open_columns,
        protect.bulk_threshold, protect.mode, protect.audit);
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', protect.relation);
    LOCK TABLE listguard.protected_table IN SHARE ROW EXCLUSIVE MODE;
    -- once more, now that nobody can change it
    PERFORM listguard._check_protect(protect.relation, protect.address_columns, protect.list_column, protect.open_columns,
        protect.bulk_threshold, protect.mode, protect.audit);
    PERFORM listguard._check_domain_columns(protect.relation, protect.address_columns, protect.domain_columns);
    PERFORM listguard._ensure_keyset();
    SELECT array_agg(a.attname ORDER BY a.attnum) INTO columns FROM pg_attribute a
    WHERE a.attrelid = protect.relation AND a.attnum > 0 AND NOT a.attisdropped
      AND (a.attname = ANY (protect.address_columns) OR listguard._sealing_of(a.atttypid) <> 'text');
    IF cardinality(columns) > 16 THEN
        RAISE EXCEPTION 'a table may have 16 sealed columns' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    PERFORM listguard._bind('relation', listguard._relation_name(protect.relation), protect.relation::oid);
    SELECT * INTO was FROM listguard.protected_table p WHERE p.relation = listguard._relation_name(protect.relation);
    row := listguard._register(protect.relation, columns, protect.list_column, protect.open_columns, protect.bulk_threshold, protect.mode, protect.audit);
    UPDATE listguard.protected_table p
    SET domain_columns = ARRAY(SELECT c FROM unnest(p.domain_columns || protect.domain_columns) c GROUP BY c ORDER BY c)
    WHERE p.relation = row.relation AND protect.domain_columns <> '{}';
    PERFORM listguard._convert(protect.relation, ARRAY(SELECT unnest(columns) EXCEPT SELECT unnest(was.sealed_columns)), row.list_column, row.list_no);
    PERFORM listguard._seal_domains(protect.relation, ARRAY(SELECT c FROM unnest(protect.domain_columns) c
        WHERE c = ANY (was.sealed_columns) AND c <> ALL (was.domain_columns)));
    PERFORM listguard._guard_table(m::regclass) FROM listguard._members(protect.relation) m;
    IF was.relation IS NULL THEN
        PERFORM listguard._take_over_privileges(protect.relation, protect.keep_access);
    END IF;
    PERFORM listguard._sync_role(protect.relation, g.role) FROM (SELECT DISTINCT role FROM listguard.access_grant WHERE relation = row.relation) g
    WHERE EXISTS (SELECT FROM pg_roles r WHERE r.rolname = g.role);
    PERFORM listguard._event('setting', row.relation, jsonb_build_object('protect', columns, 'list_column', row.list_column, 'domain_columns', protect.domain_columns,
        'bulk_threshold', row.bulk_threshold, 'mode', row.mode, 'audit', row.audit, 'keep_access', protect.keep_access));
    RAISE NOTICE 'table % is protected: nobody reads it without a grant, its owner included', row.relation
        USING HINT = 'Give access with listguard.grant_access().';
    RAISE NOTICE 'addresses remain in clear in WAL written and backups made before now, and in freed blocks of the disk until they are written over';
END
$$;
COMMENT ON FUNCTION listguard.protect(regclass, name[], name, name[], int, text, text, boolean, name[]) IS
    'seals a table''s address columns and puts its rows under grants, limits and audit; partitions too';

-- After DDL on a protected table: a new column of a sealed type is sealed under the row's list, a new partition guarded.
CREATE FUNCTION listguard._catch_up(relation oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    relname text := listguard._relation_name(_catch_up.relation);
    row listguard.protected_table;
    columns name[];
    member oid;
BEGIN
    SELECT * INTO STRICT row FROM listguard.protected_table p WHERE p.relation = relname;
    PERFORM listguard._check_members(_catch_up.relation);
    PERFORM listguard._check_nested(_catch_up.relation);
    SELECT coalesce(array_agg(a.attname ORDER BY a.attnum), '{}') INTO columns FROM pg_attribute a
    WHERE a.attrelid = _catch_up.relation AND a.attnum > 0 AND NOT a.attisdropped AND listguard._sealing_of(a.atttypid) <> 'text';
    IF cardinality(columns) > 16 THEN
        RAISE EXCEPTION 'a table may have 16 sealed columns' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    IF columns <> row.sealed_columns THEN
        UPDATE listguard.protected_table p
        SET sealed_columns = columns, domain_columns = ARRAY(SELECT c FROM unnest(p.domain_columns) c WHERE c = ANY (columns))
        WHERE p.relation = relname;
        PERFORM listguard._convert(_catch_up.relation::regclass, ARRAY(SELECT unnest(columns) EXCEPT SELECT unnest(row.sealed_columns)),
                                   row.list_column, row.list_no);
    END IF;
    FOR member IN
        SELECT m FROM listguard._guarded(_catch_up.relation) m
        WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = m AND t.tgname = 'listguard_ins')
    LOOP
        IF EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = member AND p.polpermissive) THEN
            RAISE EXCEPTION 'partition % has a permissive policy of its own', member::regclass
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Drop it first: the policies of the protected table will hold.';
        END IF;
        PERFORM listguard._check_triggers(member);
        PERFORM listguard._guard_table(member::regclass);
        PERFORM listguard._take_over_privileges(member::regclass, false);
    END LOOP;
    PERFORM listguard._sync_role(_catch_up.relation, g.role) FROM (SELECT DISTINCT role FROM listguard.access_grant WHERE relation = relname) g
    WHERE EXISTS (SELECT FROM pg_roles r WHERE r.rolname = g.role);
END
$$;

CREATE FUNCTION listguard.set_mode(relation regclass, mode text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    relname text := listguard._require_protected(set_mode.relation);
BEGIN
    IF set_mode.mode IS NULL OR set_mode.mode NOT IN ('enforce', 'alert') THEN
        RAISE EXCEPTION 'mode must be enforce or alert' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE listguard.protected_table p SET mode = set_mode.mode WHERE p.relation = relname;
    PERFORM listguard._event('setting', relname, jsonb_build_object('mode', set_mode.mode));
END
$$;
COMMENT ON FUNCTION listguard.set_mode(regclass, text) IS
    'enforce refuses what goes beyond threshold and limits; alert records it and lets it pass';

-- ---- grants ----

CREATE FUNCTION listguard._check_privileges(privileges text[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p text;
BEGIN
    IF coalesce(cardinality(privileges), 0) = 0 THEN
        RAISE EXCEPTION 'no privilege is given' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOREACH p IN ARRAY privileges
    LOOP
        IF p IS NULL OR NOT listguard._is_privilege(p) THEN
            RAISE EXCEPTION 'unrecognized privilege "%"', p USING ERRCODE = 'invalid_parameter_value',
                HINT = 'Privileges are view, domain, reveal, insert, update, delete, export and backup.';
        END IF;
        IF p = 'match' THEN
            RAISE EXCEPTION 'privilege "match" is not supported yet' USING ERRCODE = 'feature_not_supported';
        END IF;
    END LOOP;
END
$$;

-- Numbers of the lists meant, made where they are new; {NULL}: the whole relation.
CREATE FUNCTION listguard._lists_meant(relation regclass, lists text[]) RETURNS int4[]
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    list_column name := (SELECT p.list_column FROM listguard.protected_table p WHERE p.relation = listguard._relation_name(_lists_meant.relation));
    type regtype;
    one text;
    value text;
    numbers int4[] := '{}';
BEGIN
    IF lists IS NULL THEN
        RETURN ARRAY[NULL]::int4[];
    END IF;
    IF list_column IS NULL THEN
        RAISE EXCEPTION 'table % is one list', _lists_meant.relation USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT a.atttypid INTO type FROM pg_attribute a WHERE a.attrelid = _lists_meant.relation AND a.attname = list_column;
    FOREACH one IN ARRAY lists
    LOOP
        IF one IS NULL THEN
            RAISE EXCEPTION 'a list is null' USING ERRCODE = 'null_value_not_allowed';
        END IF;
        EXECUTE format('SELECT (%L::%s)::text', one, type) INTO value;
        numbers := numbers || listguard._ensure_list(_lists_meant.relation, value);
    END LOOP;
    RETURN numbers;
END
$$;

-- backup reads the registry as well; of all grants, so that the last revoke takes it away
CREATE FUNCTION listguard._sync_backup(role text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    holds boolean := EXISTS (SELECT FROM listguard.access_grant g WHERE g.role = _sync_backup.role AND 'backup' = ANY (g.privileges));
    has boolean := has_table_privilege(_sync_backup.role::name, 'listguard.key', 'SELECT')
        AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = _sync_backup.role);
BEGIN
    IF holds <> has THEN
        PERFORM listguard._internal(format(CASE WHEN holds THEN 'GRANT SELECT ON TABLE %s TO %I' ELSE 'REVOKE SELECT ON TABLE %s FROM %I' END,
            (SELECT string_agg(c::regclass::text, ', ') FROM pg_extension e, unnest(e.extconfig) c WHERE e.extname = 'listguard'), _sync_backup.role));
    END IF;
END
$$;

CREATE FUNCTION listguard.grant_access(role name, relation regclass, privileges text[], lists text[] DEFAULT NULL, using_expr text DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    roleid oid := listguard._require_role(grant_access.role);
    relname text := listguard._require_protected(grant_access.relation);
    expression text;
    numbers int4[];
BEGIN
    PERFORM listguard._check_privileges(grant_access.privileges);
    IF 'backup' = ANY (grant_access.privileges) AND NOT (SELECT r.rolbypassrls OR r.rolsuper FROM pg_roles r WHERE r.oid = roleid) THEN
        RAISE EXCEPTION 'role "%" does not have BYPASSRLS', grant_access.role USING ERRCODE = 'invalid_parameter_value',
            DETAIL = 'Privilege backup is for roles that see all rows.';
    END IF;
    expression := listguard._trusted_expression(grant_access.relation, grant_access.using_expr);
    -- before a row of ours is locked that the worker, who makes the lists, may wait for
    numbers := listguard._lists_meant(grant_access.relation, grant_access.lists);
    PERFORM listguard._bind('role', grant_access.role::text, roleid);
    PERFORM listguard._bind('relation', relname, grant_access.relation::oid);
    INSERT INTO listguard.access_grant AS g (role, relation, privileges, list_no, using_expr)
    SELECT grant_access.role, relname, ARRAY(SELECT DISTINCT p FROM unnest(grant_access.privileges) p ORDER BY p), n, expression
    FROM (SELECT DISTINCT n FROM unnest(numbers) n) lists
    ON CONFLICT (role, relation, coalesce(list_no, 0)) DO UPDATE
    SET privileges = ARRAY(SELECT DISTINCT p FROM unnest(g.privileges || EXCLUDED.privileges) p ORDER BY p),
        using_expr = coalesce(EXCLUDED.using_expr, g.using_expr), granted = now(), granted_by = session_user;
    PERFORM listguard._sync_role(grant_access.relation, grant_access.role::text);
    PERFORM listguard._sync_backup(grant_access.role::text);
    PERFORM listguard._event('grant', relname, jsonb_build_object('grant', grant_access.privileges, 'role', grant_access.role,
        'lists', grant_access.lists, 'using_expr', expression));
END
$$;
COMMENT ON FUNCTION listguard.grant_access(name, regclass, text[], text[], text) IS
    'gives a role privileges on a protected table or on some of its lists, as policies that \d shows';

CREATE FUNCTION listguard.revoke_access(role name, relation regclass, privileges text[] DEFAULT NULL, lists text[] DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    relname text := listguard._require_protected(revoke_access.relation);
    numbers int4[];
BEGIN
    PERFORM listguard._require_role(revoke_access.role);
    IF revoke_access.privileges IS NOT NULL THEN
        PERFORM listguard._check_privileges(revoke_access.privileges);
    END IF;
    IF revoke_access.lists IS NOT NULL THEN
        numbers := ARRAY(SELECT l.list_no FROM listguard.list l WHERE l.relation = relname AND l.value = ANY (revoke_access.lists));
        IF cardinality(numbers) < (SELECT count(DISTINCT v) FROM unnest(revoke_access.lists) v) OR array_position(revoke_access.lists, NULL) IS NOT NULL THEN
            RAISE EXCEPTION 'table % has no such list', relname USING ERRCODE = 'undefined_object';
        END IF;
    END IF;
    IF numbers IS NOT NULL AND EXISTS (SELECT FROM listguard.access_grant g WHERE g.role = revoke_access.role::text AND g.relation = relname
            AND g.list_no IS NULL AND (revoke_access.privileges IS NULL OR g.privileges && revoke_access.privileges)) THEN
        RAISE EXCEPTION 'role "%" holds what is to be revoked on the whole of %', revoke_access.role, relname
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Revoke it without lists, then grant the lists that remain.';
    END IF;
    UPDATE listguard.access_grant g
    SET privileges = ARRAY(SELECT p FROM unnest(g.privileges) p WHERE revoke_access.privileges IS NOT NULL AND p <> ALL (revoke_access.privileges))
    WHERE g.role = revoke_access.role::text AND g.relation = relname AND (numbers IS NULL OR g.list_no = ANY (numbers));
    DELETE FROM listguard.access_grant g WHERE g.privileges = '{}';
    PERFORM listguard._sync_role(revoke_access.relation, revoke_access.role::text);
    PERFORM listguard._sync_backup(revoke_access.role::text);
    PERFORM listguard._event('grant', relname, jsonb_build_object('revoke', revoke_access.privileges, 'role', revoke_access.role,
        'lists', revoke_access.lists));
END
$$;
COMMENT ON FUNCTION listguard.revoke_access(name, regclass, text[], text[]) IS
    'takes privileges on a protected table away from a role; NULL: all of them, on all lists';

-- ---- limits ----

CREATE FUNCTION listguard.set_limit(role name, max_rows bigint, per interval, relation regclass DEFAULT NULL, max_lists int DEFAULT NULL,
    scope text DEFAULT 'role', until timestamptz DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    roleid oid := listguard._require_role(set_limit.role);
    relname text := '';
BEGIN
    IF set_limit.scope IS NULL OR set_limit.scope NOT IN ('role', 'session', 'actor') THEN
        RAISE EXCEPTION 'scope must be role, session or actor' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF set_limit.max_rows IS NULL OR set_limit.max_rows < 0 THEN
        RAISE EXCEPTION 'max_rows must be 0 or more' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF set_limit.per IS NULL OR set_limit.per <= interval '0' OR set_limit.per > interval '10 years' THEN
        RAISE EXCEPTION 'per must be more than 0 and at most 10 years' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF set_limit.max_lists IS NOT NULL THEN
        RAISE EXCEPTION 'max_lists is not supported yet' USING ERRCODE = 'feature_not_supported';
    END IF;
    IF set_limit.relation IS NOT NULL THEN
        relname := listguard._require_protected(set_limit.relation);
        PERFORM listguard._bind('relation', relname, set_limit.relation::oid);
    END IF;
    PERFORM listguard._bind('role', set_limit.role::text, roleid);
    INSERT INTO listguard.row_limit (role, relation, scope, max_rows, per, until)
    VALUES (set_limit.role, relname, set_limit.scope, set_limit.max_rows, set_limit.per, set_limit.until)
    ON CONFLICT ON CONSTRAINT row_limit_pkey DO UPDATE
        SET max_rows = EXCLUDED.max_rows, per = EXCLUDED.per, max_lists = EXCLUDED.max_lists, until = EXCLUDED.until;
    PERFORM listguard._event('limit', nullif(relname, ''), jsonb_build_object('set', set_limit.max_rows, 'per', set_limit.per,
        'role', set_limit.role, 'scope', set_limit.scope, 'until', set_limit.until));
END
$$;
COMMENT ON FUNCTION listguard.set_limit(name, bigint, interval, regclass, int, text, timestamptz) IS
    'limits the rows that a role, each session of it, or each actor may read in a sliding time';

CREATE FUNCTION listguard.drop_limit(role name, relation regclass DEFAULT NULL, scope text DEFAULT 'role') RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    relname text := coalesce(listguard._relation_name(drop_limit.relation), '');
BEGIN
    DELETE FROM listguard.row_limit l WHERE l.role = drop_limit.role::text AND l.relation = relname AND l.scope = drop_limit.scope;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'role "%" has no such limit', drop_limit.role USING ERRCODE = 'undefined_object';
    END IF;
    PERFORM listguard._event('limit', nullif(relname, ''), jsonb_build_object('drop', drop_limit.scope, 'role', drop_limit.role));
END
$$;
COMMENT ON FUNCTION listguard.drop_limit(name, regclass, text) IS
    'takes back a limit given by set_limit';

-- ---- views ----

CREATE VIEW listguard.lists AS
    SELECT CASE WHEN l.relation IS NULL THEN '-' ELSE listguard._list_name(l.list_no) || '#' || l.list_no END AS name,
           l.relation, l.value, l.list_no, l.key_id
    FROM listguard.list l;
COMMENT ON VIEW listguard.lists IS 'every list by the name that claims of a ticket use';

CREATE VIEW listguard.grants AS
    SELECT g.role, g.relation, CASE WHEN g.list_no IS NOT NULL THEN listguard._list_name(g.list_no) || '#' || g.list_no END AS list,
           g.privileges, g.using_expr, g.granted, g.granted_by
    FROM listguard.access_grant g;
COMMENT ON VIEW listguard.grants IS 'who may do what; list is null where the grant is on the whole table';

CREATE VIEW listguard.limits AS
    SELECT l.role, nullif(l.relation, '') AS relation, l.scope, l.max_rows, l.per, l.until
    FROM listguard.row_limit l;
COMMENT ON VIEW listguard.limits IS 'row limits; relation is null where all protected tables count together';

GRANT SELECT ON listguard.lists, listguard.grants, listguard.limits TO listguard_admin, listguard_auditor;
GRANT EXECUTE ON FUNCTION listguard._list_name(int4) TO listguard_admin, listguard_auditor;
GRANT EXECUTE ON FUNCTION
    listguard.protect(regclass, name[], name, name[], int, text, text, boolean, name[]),
    listguard.set_mode(regclass, text),
    listguard.grant_access(name, regclass, text[], text[], text),
    listguard.revoke_access(name, regclass, text[], text[]),
    listguard.set_limit(name, bigint, interval, regclass, int, text, timestamptz),
    listguard.drop_limit(name, regclass, text) TO listguard_admin;
