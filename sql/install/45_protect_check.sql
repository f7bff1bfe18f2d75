-- protect_check: what stands in the way of protect and protect_online, before anything is changed.

CREATE FUNCTION listguard._why_refused(text) RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_why_refused' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listguard._why_refused(text) IS
    'for protect_check: why sealed_email would not take a text, without the text; NULL: it does';
CREATE FUNCTION listguard._normal_digest(text) RETURNS bytea
    AS 'MODULE_PATHNAME', 'listguard_normal_digest' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION listguard._normal_digest(text) IS
    'for protect_check: equal for addresses that sealed_email holds equal';
CREATE FUNCTION listguard._internal_value(query text) RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_internal_value' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION listguard._internal_value(text) IS
    'first value of a query of listguard''s own, which nobody meters';

-- All that hangs on one column of a table or its partitions.  effect: what protect makes of it ("refused": it stops
-- there); online: what protect_online does.
CREATE FUNCTION listguard._column_dependents(relation regclass, name name)
    RETURNS TABLE (what text, object text, effect text, online text, detail text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH m(oid, att) AS (
        SELECT a.attrelid, a.attnum FROM pg_attribute a
        WHERE a.attrelid IN (SELECT listguard._members(_column_dependents.relation)) AND a.attname = _column_dependents.name AND NOT a.attisdropped),
    d AS (
        SELECT DISTINCT m.oid AS rel, m.att, d.classid, d.objid FROM m
        JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = m.oid AND d.refobjsubid = m.att)
    SELECT CASE WHEN c.relkind IN ('v', 'm') AND r.rulename = '_RETURN' THEN 'view' ELSE 'rule' END,
           CASE WHEN c.relkind IN ('v', 'm') AND r.rulename = '_RETURN' THEN c.oid::regclass::text ELSE format('%I on %s', r.rulename, c.oid::regclass) END,
           'refused', 'refused', 'it uses the column: drop it first and make it again afterwards'
    FROM d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
    UNION ALL
    SELECT 'function', d.objid::regprocedure::text, 'refused', 'refused', 'found by dependency: it uses the column; drop it first and make it again afterwards'
    FROM d WHERE d.classid = 'pg_proc'::regclass
    UNION ALL
    SELECT 'trigger', format('%I on %s', t.tgname, t.tgrelid::regclass), 'refused', 'refused', 'UPDATE OF or WHEN names the column: drop it first and make it again afterwards'
    FROM d JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid WHERE t.tgname <> '~listguard_shadow'
    UNION ALL
    SELECT 'policy', format('%I on %s', p.polname, p.polrelid::regclass), 'refused', 'refused', 'it uses the column: drop it first'
    FROM d JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
    UNION ALL
    SELECT 'check constraint', format('%I on %s', c.conname, c.conrelid::regclass), 'refused', 'refused', 'drop it: the sealed type checks addresses itself'
    FROM m JOIN pg_constraint c ON c.conrelid = m.oid AND c.contype = 'c' AND m.att = ANY (c.conkey) WHERE NOT starts_with(c.conname::text, 'listguard_shadow_')
    UNION ALL
    SELECT 'foreign key', format('%I on %s', c.conname, c.conrelid::regclass),
           CASE WHEN listguard._sealing_of(a.atttypid) <> 'text' THEN 'changes' ELSE 'refused' END, 'refused',
           format('it refers to %s: columns of a foreign key are sealed on both sides or on none; drop it first, protect both tables, and make it again', c.confrelid::regclass)
    FROM m JOIN pg_constraint c ON c.conrelid = m.oid AND c.contype = 'f' AND m.att = ANY (c.conkey)
    JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = c.confkey[array_position(c.conkey, m.att)]
    UNION ALL
    SELECT 'foreign key', format('%I on %s', c.conname, c.conrelid::regclass), 'refused', 'refused',
           'it refers to the column: columns of a foreign key are sealed on both sides or on none; drop it first, protect both tables, and make it again'
    FROM m JOIN pg_constraint c ON c.confrelid = m.oid AND c.contype = 'f' AND m.att = ANY (c.confkey)
    UNION ALL
    SELECT CASE WHEN f.adnum = d.att THEN 'default' ELSE 'generated column' END, format('%s.%I', d.rel::regclass, a.attname),
           CASE WHEN f.adnum = d.att THEN 'changes' ELSE 'refused' END, CASE WHEN f.adnum = d.att THEN 'changes' ELSE 'refused' END,
           CASE WHEN f.adnum = d.att THEN 'the default is sealed row by row' ELSE 'it would hold what the column hides: drop it' END
    FROM d JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
    WHERE f.adnum = d.att OR a.attgenerated <> ''
    UNION ALL
    SELECT 'default', format('%s.%I', m.oid::regclass, _column_dependents.name), 'changes', 'changes', 'the default is sealed row by row'
    FROM m JOIN pg_attrdef f ON f.adrelid = m.oid AND f.adnum = m.att
    WHERE NOT EXISTS (SELECT FROM d WHERE d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid)
    UNION ALL
    SELECT 'index', i.indexrelid::regclass::text,
           CASE WHEN x.expression OR x.method NOT IN ('btree', 'hash') OR x.exclusion OR NOT x.default_class THEN 'refused' ELSE 'changes' END,
           CASE WHEN x.expression OR x.method NOT IN ('btree', 'hash') OR x.exclusion OR NOT x.default_class THEN 'refused' ELSE 'changes' END,
           CASE WHEN x.expression THEN 'its expression or predicate would hold what the column hides: drop it; a plain index on the column serves equality without regard to case'
                WHEN x.exclusion THEN 'an exclusion constraint over the column: drop it'
                WHEN x.method NOT IN ('btree', 'hash') OR NOT x.default_class THEN format('%s over parts or patterns of the text: drop it', x.method)
                ELSE 'it serves equality only, without regard to case: no order, no LIKE' END
    FROM m JOIN pg_index i ON i.indrelid = m.oid
    JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam,
    LATERAL (SELECT m.att = ANY (listguard._index_expression_columns(i.indexrelid)) AS expression, am.amname::text AS method,
                    i.indisexclusion AS exclusion,
                    coalesce((SELECT bool_and(o.opcdefault) FROM unnest(i.indkey::int2[], i.indclass::oid[]) k(att, class)
                              JOIN pg_opclass o ON o.oid = k.class WHERE k.att = m.att), true) AS default_class) x
    WHERE (m.att = ANY (i.indkey::int2[]) OR x.expression) AND NOT starts_with(c.relname::text, 'listguard_shadow_')
    UNION ALL
    SELECT 'statistics', format('%I.%I', n.nspname, s.stxname), 'changes', 'refused', 'it will hold nothing of the column; protect_online wants it dropped first'
    FROM m JOIN pg_statistic_ext s ON s.stxrelid = m.oid JOIN pg_namespace n ON n.oid = s.stxnamespace
    WHERE m.att = ANY (s.stxkeys::int2[]) OR EXISTS (SELECT FROM d WHERE d.classid = 'pg_statistic_ext'::regclass AND d.objid = s.oid)
    UNION ALL
    SELECT 'publication', format('%I', p.pubname), CASE WHEN pr.prqual IS NULL THEN 'changes' ELSE 'refused' END, 'refused',
           CASE WHEN pr.prqual IS NULL THEN 'its column list names the column: subscribers get armour; protect_online wants it taken off first'
                ELSE 'its row filter or column list names the column: drop the table from it first' END
    FROM d JOIN pg_publication_rel pr ON d.classid = 'pg_publication_rel'::regclass AND pr.oid = d.objid JOIN pg_publication p ON p.oid = pr.prpubid
    UNION ALL
    SELECT 'publication', format('%I', p.pubname), 'changes', 'changes', 'subscribers get the sealed values'
    FROM pg_publication p WHERE EXISTS (SELECT FROM pg_publication_tables t JOIN m ON t.pubname = p.pubname AND format('%I.%I', t.schemaname, t.tablename)::regclass = m.oid
                        WHERE _column_dependents.name = ANY (t.attnames))
      AND NOT EXISTS (SELECT FROM d JOIN pg_publication_rel pr ON d.classid = 'pg_publication_rel'::regclass AND pr.oid = d.objid WHERE pr.prpubid = p.oid)
    UNION ALL
    SELECT 'partition key', m.oid::regclass::text, 'refused', 'refused', 'the table is partitioned by the column'
    FROM m JOIN pg_partitioned_table t ON t.partrelid = m.oid
    WHERE m.att = ANY (t.partattrs::int2[])
$$;
COMMENT ON FUNCTION listguard._column_dependents(regclass, name) IS
    'what hangs on a column, and what protect and protect_online make of it';

-- Where a row is, for a person: its primary key if that is a number or uuid, else where it lies.
CREATE FUNCTION listguard._position_expression(relation regclass) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((
        SELECT format('format(%L, %I)', replace(a.attname, '%', '%%') || ' %s', a.attname)
        FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = _position_expression.relation AND i.indisprimary AND i.indnkeyatts = 1
          AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'uuid'::regtype)),
        CASE WHEN (SELECT relkind FROM pg_class WHERE oid = _position_expression.relation) = 'p'
             THEN 'format(''%s ctid %s'', tableoid::regclass, ctid)' ELSE 'format(''ctid %s'', ctid)' END)
$$;
COMMENT ON FUNCTION listguard._position_expression(regclass) IS
    'an expression that says where a row is without saying what is in it';

-- How many values of a column would be refused, and where the first ten are.
CREATE FUNCTION listguard._refused_values(relation regclass, name name) RETURNS jsonb
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT listguard._internal_value(format(
        'SELECT jsonb_build_object(''n'', count(*), ''first'', coalesce(string_agg(p, ''; '') FILTER (WHERE n <= 10), ''''))::text '
        'FROM (SELECT row_number() OVER () AS n, pos || '' '' || why AS p FROM (SELECT %s AS pos, listguard._why_refused(%I::text) AS why '
        'FROM %s WHERE %2$I IS NOT NULL OFFSET 0) q WHERE why IS NOT NULL) r',
        listguard._position_expression(_refused_values.relation), _refused_values.name, _refused_values.relation))::jsonb
$$;
COMMENT ON FUNCTION listguard._refused_values(regclass, name) IS
    'how many values of a column sealed_email would refuse, and where; never the values';

-- The same of rows that a unique index would hold equal.
CREATE FUNCTION listguard._equal_values(relation regclass, index oid, address_columns name[]) RETURNS jsonb
    LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT listguard._internal_value(format(
        'SELECT jsonb_build_object(''n'', count(*), ''rows'', coalesce(sum(n), 0), ''first'', coalesce(string_agg(p, ''; '') FILTER (WHERE r <= 10), ''''))::text '
        'FROM (SELECT row_number() OVER () AS r, n, array_to_string(ps[1:3], '' and '') AS p FROM '
        '(SELECT count(*) AS n, array_agg(%s ORDER BY tableoid, ctid) AS ps FROM %s WHERE %s GROUP BY %s HAVING count(*) > 1) g) h',
        listguard._position_expression(_equal_values.relation), _equal_values.relation,
        string_agg(k.expression || ' IS NOT NULL', ' AND ' ORDER BY k.n), string_agg(k.expression, ', ' ORDER BY k.n)))::jsonb
    FROM (SELECT n, CASE WHEN a.attname = ANY (_equal_values.address_columns) AND listguard._sealing_of(a.atttypid) = 'text'
                         THEN format('listguard._normal_digest(%I::text)', a.attname) ELSE quote_ident(a.attname) END AS expression
          FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY u(att, n) JOIN pg_attribute a ON true
          WHERE i.indexrelid = _equal_values.index AND a.attrelid = i.indrelid AND a.attnum = u.att AND n <= i.indnkeyatts) k
$$;
COMMENT ON FUNCTION listguard._equal_values(regclass, oid, name[]) IS
    'how many groups of rows become equal under a unique index, and where; never the values';

CREATE FUNCTION listguard._check_values(relation regclass, address_columns name[])
    RETURNS TABLE (what text, "column" name, detail text)
    LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    c record;
    i record;
    found jsonb;
BEGIN
    FOR c IN
        SELECT a.attname, listguard._sealing_of(a.atttypid) AS sealing, a.atttypid FROM pg_attribute a
        WHERE a.attrelid = _check_values.relation AND a.attname = ANY (_check_values.address_columns) AND NOT a.attisdropped ORDER BY a.attnum
    LOOP
        IF c.sealing IS NULL THEN
            RETURN QUERY SELECT 'type', c.attname, format('refused: %s cannot be sealed; an address column is text, varchar, char, citext or of a sealed type',
                                                          format_type(c.atttypid, NULL));
        ELSIF c.sealing = 'text' THEN
            found := listguard._refused_values(_check_values.relation, c.attname);
            IF (found->>'n')::int8 > 0 THEN
                RETURN QUERY SELECT 'value', c.attname, format('refused: %s values are no addresses, the first at %s', found->>'n', found->>'first');
            END IF;
        END IF;
    END LOOP;
    FOR i IN
        SELECT x.indexrelid, a.attname, x.indpred IS NOT NULL AS partial FROM pg_index x
        JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = ANY (x.indkey::int2[]) AND listguard._sealing_of(a.atttypid) = 'text'
        WHERE x.indrelid = _check_values.relation AND x.indisunique AND x.indexprs IS NULL AND a.attname = ANY (_check_values.address_columns)
        ORDER BY x.indexrelid, a.attnum
    LOOP
        IF i.partial THEN
            RETURN QUERY SELECT 'duplicate', i.attname, format('unknown: index %s has a predicate, which protect_check does not run', i.indexrelid::regclass);
            CONTINUE;
        END IF;
        found := listguard._equal_values(_check_values.relation, i.indexrelid, _check_values.address_columns);
        IF (found->>'n')::int8 > 0 THEN
            RETURN QUERY SELECT 'duplicate', i.attname, format('refused: %s groups of rows (%s rows) become equal under unique index %s, the first at %s',
                found->>'n', found->>'rows', i.indexrelid::regclass, found->>'first');
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION listguard._check_values(regclass, name[]) IS
    'values that cannot be sealed, and those that become equal under a unique index';

-- Bodies of functions are text to the server: what names table and column may use them.
CREATE FUNCTION listguard._functions_naming(relation regclass, name name) RETURNS SETOF text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.oid::regprocedure::text
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace, pg_class c
    WHERE c.oid = _functions_naming.relation AND l.lanname NOT IN ('internal', 'c') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'listguard')
      AND p.prosrc ~* ('\m' || regexp_replace(c.relname, '(\W)', '\\\1', 'g') || '\M')
      AND p.prosrc ~* ('\m' || regexp_replace(_functions_naming.name, '(\W)', '\\\1', 'g') || '\M')
    ORDER BY 1
$$;
COMMENT ON FUNCTION listguard._functions_naming(regclass, name) IS
    'functions whose body names both a table and a column';

CREATE FUNCTION listguard.protect_check(relation regclass, address_columns name[])
    RETURNS TABLE (what text, "column" name, detail text)
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    rel pg_class;
    c name;
BEGIN
    SELECT * INTO rel FROM pg_class p WHERE p.oid = protect_check.relation;
    IF rel.oid IS NULL OR coalesce(cardinality(protect_check.address_columns), 0) = 0 THEN
        RAISE EXCEPTION 'a relation and its address columns are wanted' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF rel.relkind NOT IN ('r', 'p') OR rel.relpersistence = 't' OR rel.oid < 16384 OR rel.relnamespace = 'listguard'::regnamespace THEN
        RETURN QUERY SELECT 'relation', NULL::name, format('refused: %s is no table that can be protected', protect_check.relation);
        RETURN;
    END IF;
    PERFORM listguard._check_column(protect_check.relation, n) FROM unnest(protect_check.address_columns) n;
    RETURN QUERY SELECT * FROM listguard._check_values(protect_check.relation, protect_check.address_columns);
    FOREACH c IN ARRAY protect_check.address_columns
    LOOP
        RETURN QUERY
            SELECT d.what, c, CASE WHEN d.online = d.effect THEN d.effect ELSE format('%s (protect_online: %s)', d.effect, d.online) END
                || format(': %s: %s', d.object, d.detail)
            FROM listguard._column_dependents(protect_check.relation, c) d ORDER BY d.effect DESC, d.what, d.object;
        RETURN QUERY
            SELECT 'function', c, format('may break: %s: found by searching its text for the names of table and column', f)
            FROM listguard._functions_naming(protect_check.relation, c) f;
        RETURN QUERY
            SELECT 'column position', c, 'changes (protect_online only): the column becomes the last one, and there is one more while it is under way: '
                'name columns in SELECT, INSERT and COPY'::text
            WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = protect_check.relation AND a.attname = c AND listguard._sealing_of(a.atttypid) = 'text');
    END LOOP;
    RETURN QUERY
        SELECT 'policy', NULL::name, format(CASE WHEN p.polpermissive THEN 'refused: %I on %s: it would add rows to those that grants allow; drop it or make it restrictive'
                                           ELSE 'changes: %I on %s: it goes on restricting what grants allow' END, p.polname, p.polrelid::regclass)
        FROM pg_policy p WHERE p.polrelid IN (SELECT listguard._members(protect_check.relation)) AND NOT starts_with(p.polname::text, 'listguard_') ORDER BY 3;
    RETURN QUERY
        SELECT 'trigger', NULL::name, format(CASE WHEN t.tgtype & 3 = 3 AND t.tgname > '~listguard_seal' THEN 'refused: %I on %s would fire after listguard''s: rename it'
                                            ELSE 'changes: %I on %s sees sealed values: a cast to text in it shows what its user may see' END, t.tgname, t.tgrelid::regclass)
        FROM pg_trigger t WHERE t.tgrelid IN (SELECT listguard._members(protect_check.relation)) AND NOT t.tgisinternal AND t.tgtype & 1 = 1
          AND t.tgparentid = 0
          AND t.tgfoid NOT IN (SELECT p.oid FROM pg_proc p WHERE p.pronamespace = 'listguard'::regnamespace) ORDER BY 3;
    RETURN QUERY
        SELECT 'privilege', NULL::name, format('changes: what %s hold on the table is revoked, or kept with addresses masked by keep_access', string_agg(DISTINCT g.who, ', '))
        FROM (SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END FROM aclexplode(rel.relacl) a WHERE a.grantee <> rel.relowner) g(who)
        HAVING count(*) > 0;
    RETURN QUERY
        SELECT 'partition', NULL::name, format('changes: %s is protected with the table', m::regclass)
        FROM listguard._members(protect_check.relation) m WHERE m <> protect_check.relation::oid ORDER BY 3;
    RETURN QUERY
        SELECT 'relation', NULL::name, format('refused: it is a partition or inherits from %s: protect that', i.inhparent::regclass)
        FROM pg_inherits i WHERE i.inhrelid = protect_check.relation;
END
$$;
COMMENT ON FUNCTION listguard.protect_check(regclass, name[]) IS
    'what would be refused, break or change if a table''s columns were protected; changes nothing';
GRANT EXECUTE ON FUNCTION listguard.protect_check(regclass, name[]) TO listguard_admin;
