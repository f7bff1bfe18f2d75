-- protect_online: protect in many short transactions, while the application goes on.
--
-- Shadow columns beside the address columns are kept in step by a trigger and filled batch by batch; indexes over them
-- are built concurrently by a process of their own; then they take the columns' places in one short transaction, and
-- last the rows are written once more without the old columns' bytes.  Where it is stands in listguard.job: phase, and
-- position = {"keep_access", "batch_size", "tries", "fence", "members": {oid: [next, end]}}.
-- Until the swap the registry's row says "prepare": lists and keys are there, nothing is guarded.

-- What a column was before it was sealed, for the way back.
CREATE TABLE listguard.column_origin (
    relation text COLLATE "C" NOT NULL,
    name name NOT NULL,
    type text NOT NULL,
    default_expression text,
    PRIMARY KEY (relation, name)
);
SELECT pg_catalog.pg_extension_config_dump('listguard.column_origin', '');

CREATE FUNCTION listguard._note_origin(relation regclass, columns name[]) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO listguard.column_origin (relation, name, type, default_expression)
    SELECT listguard._relation_name(a.attrelid), a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(f.adbin, f.adrelid)
    FROM pg_attribute a LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
    WHERE a.attrelid = _note_origin.relation AND a.attname = ANY (_note_origin.columns) AND NOT a.attisdropped AND listguard._sealing_of(a.atttypid) = 'text'
    ON CONFLICT ON CONSTRAINT column_origin_pkey DO UPDATE SET type = EXCLUDED.type, default_expression = EXCLUDED.default_expression
$$;
COMMENT ON FUNCTION listguard._note_origin(regclass, name[]) IS
    'notes type and default of columns that are about to be sealed';

-- Indexes to be built by a process of their own (worker/builder.c), each to stand for one on an address column.
CREATE TABLE listguard.online_index (
    index oid PRIMARY KEY,
    relation text COLLATE "C" NOT NULL,
    member oid NOT NULL,
    name name NOT NULL,
    command text NOT NULL,
    error text
);

CREATE FUNCTION listguard._start_builder(index oid) RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_start_builder' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION listguard._start_builder(oid) IS
    'starts the process that builds an index for protect_online';
CREATE FUNCTION listguard._builder_runs(index oid) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_builder_runs' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION listguard._builder_runs(oid) IS
    'does the builder that this session has started for an index still run?';
CREATE FUNCTION listguard.shadow_row() RETURNS trigger
    AS 'MODULE_PATHNAME', 'listguard_shadow_row' LANGUAGE C;
COMMENT ON FUNCTION listguard.shadow_row() IS
    'trigger: keeps the columns that protect_online fills in step';
CREATE FUNCTION listguard._rewrite_rows(relation regclass, shadows int2[], first bigint, stop bigint, max_rows bigint, max_ms int,
    OUT next bigint, OUT rows bigint)
    AS 'MODULE_PATHNAME', 'listguard_rewrite_rows' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION listguard._rewrite_rows(regclass, int2[], bigint, bigint, bigint, int) IS
    'fills shadow columns, or takes the bytes of dropped columns out of rows, in a range of blocks; fires no trigger';

-- The shadow of a column, by number: the column's name may change meanwhile.
CREATE FUNCTION listguard._shadow_name(relation oid, name name) RETURNS name
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT ('listguard_shadow_' || a.attnum)::name FROM pg_attribute a
    WHERE a.attrelid = _shadow_name.relation AND a.attname = _shadow_name.name AND NOT a.attisdropped
$$;
COMMENT ON FUNCTION listguard._shadow_name(oid, name) IS
    'name of the column that protect_online fills for another';

-- The tables of a tree that hold rows.
CREATE FUNCTION listguard._online_leaves(relation oid) RETURNS SETOF oid
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.oid FROM listguard._members(_online_leaves.relation) m JOIN pg_class c ON c.oid = m WHERE c.relkind = 'r' ORDER BY 1
$$;
COMMENT ON FUNCTION listguard._online_leaves(oid) IS 'the tables of a partition tree that hold rows';

-- Arguments of the trigger on one leaf: the list column's number or 0, then pairs of column and shadow.
CREATE FUNCTION listguard._shadow_numbers(relation oid, leaf oid, columns name[], list_column name) RETURNS int2[]
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT a.attnum FROM pg_attribute a WHERE a.attrelid = leaf AND a.attname = list_column), 0::int2)
        || array_agg(p.n ORDER BY p.column, p.part)
    FROM (SELECT c AS "column", 1 AS part, a.attnum AS n FROM unnest(columns) c JOIN pg_attribute a ON a.attrelid = leaf AND a.attname = c
          UNION ALL
          SELECT c, 2, a.attnum FROM unnest(columns) c JOIN pg_attribute a ON a.attrelid = leaf AND a.attname = listguard._shadow_name(relation, c)) p
$$;
COMMENT ON FUNCTION listguard._shadow_numbers(oid, oid, name[], name) IS
    'which columns of a table shadow which';

-- ---- what cannot be done online ----

CREATE FUNCTION listguard._check_online(relation regclass, columns name[], list_column name) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    rel pg_class;
    c name;
    sealing text;
    bad record;
BEGIN
    SELECT * INTO rel FROM pg_class p WHERE p.oid = _check_online.relation;
    IF rel.reloftype <> 0 OR rel.relrowsecurity OR EXISTS (
        SELECT FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid
        WHERE i.inhparent IN (SELECT listguard._members(_check_online.relation)) AND NOT p.relispartition) THEN
        RAISE EXCEPTION 'table % cannot be protected online', relation USING ERRCODE = 'feature_not_supported',
            DETAIL = 'It is of a composite type, has row security already, or tables inherit from it.',
            HINT = 'Use listguard.protect(), which locks the table while it rewrites it.';
    END IF;
    FOREACH c IN ARRAY columns
    LOOP
        SELECT listguard._sealing_of(a.atttypid) INTO sealing FROM pg_attribute a
        WHERE a.attrelid = _check_online.relation AND a.attnum = listguard._check_column(_check_online.relation, c);
        IF sealing IS DISTINCT FROM 'text' THEN
            RAISE EXCEPTION 'column "%" cannot be sealed online', c USING ERRCODE = 'feature_not_supported',
                DETAIL = 'It is sealed already, or of a type that cannot be.', HINT = 'Use listguard.protect() for sealed columns.';
        END IF;
        SELECT d.what, d.object, d.detail INTO bad FROM listguard._column_dependents(_check_online.relation, c) d WHERE d.online = 'refused' LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION '% % stands in the way of sealing column "%" online', bad.what, bad.object, c
                USING ERRCODE = 'feature_not_supported', DETAIL = bad.detail, HINT = 'listguard.protect_check() lists all that does.';
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = _check_online.relation AND NOT a.attisdropped AND a.attnum > 0
               AND NOT starts_with(a.attname::text, 'listguard_shadow_') AND listguard._sealing_of(a.atttypid) <> 'text') THEN
        RAISE EXCEPTION 'table % has a sealed column already', relation USING ERRCODE = 'feature_not_supported',
            HINT = 'Use listguard.protect() for sealed columns.';
    END IF;
END
$$;
COMMENT ON FUNCTION listguard._check_online(regclass, name[], name) IS
    'refuses what protect_online cannot do';

-- ---- begin ----

CREATE FUNCTION listguard._online_register(relation regclass, columns name[], list_column name, keep_access boolean, batch_size int) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relname text := listguard._relation_name(_online_register.relation);
    job listguard.job;
BEGIN
    PERFORM listguard._check_protect(_online_register.relation, columns, list_column, NULL, NULL, 'enforce', 'statement');
    PERFORM listguard._check_online(_online_register.relation, columns, list_column);
    IF cardinality(columns) > 16 THEN
        RAISE EXCEPTION 'a table may have 16 sealed columns' USING ERRCODE = 'program_limit_exceeded';
    END IF;
    PERFORM listguard._ensure_keyset();
    PERFORM listguard._bind('relation', relname, _online_register.relation::oid);
    PERFORM listguard._register(_online_register.relation, columns, list_column, NULL, NULL, 'prepare', 'statement');
    PERFORM listguard._note_origin(_online_register.relation, columns);
    job := listguard._job_begin(relname, 'protect_online');
    UPDATE listguard.job j SET phase = 'columns', position = jsonb_build_object('keep_access', keep_access, 'batch_size', batch_size, 'tries', 0, 'members', '{}'::jsonb) WHERE j.id = job.id;
    PERFORM listguard._event('setting', relname, jsonb_build_object('protect_online', columns, 'list_column', list_column));
END
$$;
COMMENT ON FUNCTION listguard._online_register(regclass, name[], name, boolean, int) IS
    'lists, keys and the job of a protect_online that begins';

CREATE FUNCTION listguard._online_begin(relation regclass, columns name[], list_column name, batch_size int, keep_access boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relname text := listguard._relation_name(_online_begin.relation);
    job listguard.job;
    prot listguard.protected_table;
BEGIN
    IF relname IS NULL OR batch_size IS NULL OR batch_size < 1 THEN
        RAISE EXCEPTION 'a relation and a batch_size of 1 or more are wanted' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM listguard._job_unlock(_online_begin.relation, 'protect_online');
    IF NOT listguard._job_lock(_online_begin.relation, 'protect_online') THEN
        RAISE EXCEPTION 'another session is protecting table % online', relname USING ERRCODE = 'object_in_use',
            HINT = 'See view listguard.progress.';
    END IF;
    SELECT * INTO job FROM listguard.job j WHERE j.relation = relname AND j.what = 'protect_online' AND j.finished IS NULL;
    SELECT * INTO prot FROM listguard.protected_table p WHERE p.relation = relname;
    IF prot.mode IS NULL THEN
        DELETE FROM listguard.job j WHERE j.id = job.id;
        PERFORM listguard._online_register(_online_begin.relation, columns, list_column, coalesce(keep_access, false), batch_size);
        RETURN;
    END IF;
    IF job.id IS NULL AND prot.mode = 'prepare' THEN
        -- a restored dump: the columns are there, where it was is not known
        job := listguard._job_begin(relname, 'protect_online');
        UPDATE listguard.job j SET phase = 'columns', position = jsonb_build_object('members', '{}'::jsonb) WHERE j.id = job.id RETURNING j.* INTO job;
    ELSIF job.id IS NULL THEN
        RAISE EXCEPTION 'table % is protected already', relname USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'listguard.protect() seals further columns of it.';
    END IF;
    IF NOT (prot.sealed_columns @> columns AND prot.sealed_columns <@ columns) OR prot.list_column IS DISTINCT FROM list_column THEN
        RAISE EXCEPTION 'table % is being protected online with other columns', relname USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = format('Its columns are %s, its list column is %s.', prot.sealed_columns, coalesce(prot.list_column, 'none')),
            HINT = 'Call it with the same arguments to go on, or give it up with listguard.unprotect().';
    END IF;
    PERFORM listguard._job_begin(relname, 'protect_online');
    UPDATE listguard.job j SET position = j.position || jsonb_build_object('batch_size', batch_size, 'keep_access', coalesce(keep_access, false), 'tries', 0)
    WHERE j.id = job.id;
    RAISE NOTICE 'protect_online of % goes on in phase "%"', relname, job.phase;
END
$$;
COMMENT ON FUNCTION listguard._online_begin(regclass, name[], name, int, boolean) IS
    'begins a protect_online, or takes one over that was left';

-- ---- phases: each call is a part of one transaction, and says for how many seconds to wait then ----

-- Shadow columns and triggers; what is there already stays.
CREATE FUNCTION listguard._online_columns(relation regclass, columns name[], list_column name) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    prot listguard.protected_table;
    parts text;
    leaf oid;
BEGIN
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', relation);
    PERFORM listguard._check_online(relation, columns, list_column);
    SELECT * INTO STRICT prot FROM listguard.protected_table p WHERE p.relation = listguard._relation_name(_online_columns.relation);
    SELECT string_agg(format('ADD COLUMN %I listguard.sealed_email%s', listguard._shadow_name(relation, c),
                             CASE WHEN list_column IS NULL THEN format('(%s)', prot.list_no) END), ', ')
    INTO parts FROM unnest(columns) c
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = listguard._shadow_name(relation, c) AND NOT a.attisdropped);
    IF parts IS NOT NULL THEN
        PERFORM listguard._as_owner(relation, format('ALTER TABLE %s %s', relation, parts));
    END IF;
    FOR leaf IN SELECT l FROM listguard._online_leaves(relation) l
                WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = l AND t.tgname = '~listguard_shadow')
    LOOP
        PERFORM listguard._internal(format('CREATE TRIGGER "~listguard_shadow" BEFORE INSERT OR UPDATE ON %s FOR EACH ROW EXECUTE FUNCTION listguard.shadow_row(%s)',
            leaf::regclass, (SELECT string_agg(quote_literal(n), ', ' ORDER BY i)
                             FROM unnest(listguard._shadow_numbers(relation, leaf, columns, list_column)) WITH ORDINALITY u(n, i))));
        PERFORM listguard._internal(format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER "~listguard_shadow"', leaf::regclass));
    END LOOP;
END
$$;
COMMENT ON FUNCTION listguard._online_columns(regclass, name[], name) IS
    'adds the columns that protect_online fills, and the triggers that keep them in step';

-- One batch of one leaf; NULL where all leaves are done.  The end is taken when the trigger is there for all: whatever
-- lies behind it was written by it.
CREATE FUNCTION listguard._online_batch(job listguard.job, relation regclass, columns name[], list_column name, scrub boolean) RETURNS jsonb
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    leaf oid;
    at jsonb;
    r record;
BEGIN
    FOR leaf IN SELECT l FROM listguard._online_leaves(relation) l
    LOOP
        at := job.position->'members'->leaf::text;
        IF at IS NULL THEN
            at := jsonb_build_array(0, pg_relation_size(leaf) / current_setting('block_size')::int);
            UPDATE listguard.job j SET total = coalesce(j.total, 0) + (at->>1)::int8 WHERE j.id = job.id;
        END IF;
        CONTINUE WHEN (at->>0)::int8 >= (at->>1)::int8;
        SELECT * INTO r FROM listguard._rewrite_rows(leaf,
            CASE WHEN scrub THEN '{}' ELSE listguard._shadow_numbers(relation, leaf, columns, list_column) END,
            (at->>0)::int8, (at->>1)::int8, (job.position->>'batch_size')::int8, 300);
        UPDATE listguard.job j SET done = j.done + r.next - (at->>0)::int8 WHERE j.id = job.id;
        RETURN job.position || jsonb_build_object('tries', 0, 'members',
            job.position->'members' || jsonb_build_object(leaf::text, jsonb_build_array(r.next, at->1)));
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION listguard._online_batch(listguard.job, regclass, name[], name, boolean) IS
    'one batch of rows for protect_online, and the position after it';

-- Every address must have its sealed value, every row its list: else here, before anything of the table is changed.
CREATE FUNCTION listguard._online_check(relation regclass, columns name[], list_column name) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c name;
    found jsonb;
BEGIN
    IF list_column IS NOT NULL AND listguard._internal_value(format('SELECT 1::text FROM %s WHERE %I IS NULL LIMIT 1', relation, list_column)) IS NOT NULL THEN
        RAISE EXCEPTION 'column "%" of table % contains null values', list_column, relation USING ERRCODE = 'not_null_violation',
            HINT = 'Say for each row to which list it belongs, and call listguard.protect_online() again.';
    END IF;
    FOREACH c IN ARRAY columns
    LOOP
        IF listguard._internal_value(format('SELECT 1::text FROM %s WHERE %I IS NOT NULL AND %I IS NULL LIMIT 1', relation, c,
                                            listguard._shadow_name(relation, c))) IS NOT NULL THEN
            found := listguard._refused_values(relation, c);
            RAISE EXCEPTION '% values of column "%" cannot be sealed', found->>'n', c USING ERRCODE = 'invalid_text_representation',
                DETAIL = format('The first at %s', found->>'first'),
                HINT = 'Correct or remove them, and call listguard.protect_online() again. The table is as it was for the application.';
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION listguard._online_check(regclass, name[], name) IS
    'refuses where values were found that cannot be sealed';

-- CHECK constraints, validated without a lock on writers: they let SET NOT NULL do without a scan, and prove that no value is missing.
CREATE FUNCTION listguard._online_constraints(relation regclass, columns name[], list_column name, validate boolean) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c record;
BEGIN
    FOR c IN
        SELECT format('%s_check', listguard._shadow_name(relation, a.attname)) AS name,
               CASE WHEN a.attname = list_column THEN format('%I IS NOT NULL', a.attname)
                    WHEN a.attnotnull THEN format('%I IS NOT NULL', listguard._shadow_name(relation, a.attname))
                    ELSE format('(%I IS NULL) = (%I IS NULL)', a.attname, listguard._shadow_name(relation, a.attname)) END AS condition
        FROM pg_attribute a WHERE a.attrelid = relation AND NOT a.attisdropped
          AND (a.attname = ANY (columns) OR a.attname = list_column AND NOT a.attnotnull) ORDER BY a.attnum
    LOOP
        IF validate THEN
            PERFORM listguard._as_owner(relation, format('ALTER TABLE %s VALIDATE CONSTRAINT %I', relation, c.name));
        ELSIF NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = relation AND k.conname = c.name) THEN
            PERFORM listguard._as_owner(relation, format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%s) NOT VALID', relation, c.name, c.condition));
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION listguard._online_constraints(regclass, name[], name, boolean) IS
    'adds or validates the constraints that make the swap short';

-- CREATE INDEX for the index that is to stand for another; concurrent: of one table, else of a partitioned one, on its own.
CREATE FUNCTION listguard._shadow_index_command(root regclass, index oid, columns name[], concurrent boolean) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('CREATE %sINDEX %s%I ON %s%s USING %s (%s)%s%s%s%s%s',
        CASE WHEN i.indisunique THEN 'UNIQUE ' END, CASE WHEN concurrent THEN 'CONCURRENTLY ' END, 'listguard_shadow_index_' || i.indexrelid,
        CASE WHEN concurrent THEN '' ELSE 'ONLY ' END, i.indrelid::regclass, am.amname,
        (SELECT string_agg(k.definition || CASE WHEN k.shadow THEN '' ELSE
                    coalesce((SELECT format(' COLLATE %I.%I', n.nspname, l.collname) FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = k.coll), '')
                    || (SELECT format(' %I.%I', n.nspname, o.opcname) FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace WHERE o.oid = k.class) END
                    || CASE WHEN am.amname <> 'btree' THEN '' WHEN k.option & 1 = 1 THEN ' DESC' ELSE ' ASC' END
                    || CASE WHEN am.amname <> 'btree' THEN '' WHEN k.option & 2 = 2 THEN ' NULLS FIRST' ELSE ' NULLS LAST' END, ', ' ORDER BY k.n)
         FROM (SELECT u.n, a.attname = ANY (columns) AS shadow, u.class, u.coll, u.option,
                      CASE WHEN a.attname = ANY (columns) THEN quote_ident(listguard._shadow_name(root, a.attname))
                           WHEN u.att > 0 THEN quote_ident(a.attname) ELSE '(' || pg_get_indexdef(i.indexrelid, u.n::int, false) || ')' END AS definition
               FROM unnest(i.indkey::int2[], i.indclass::oid[], i.indcollation::oid[], i.indoption::int2[]) WITH ORDINALITY u(att, class, coll, option, n)
               LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.att AND u.att > 0
               WHERE u.n <= i.indnkeyatts) k),
        (SELECT ' INCLUDE (' || string_agg(CASE WHEN a.attname = ANY (columns) THEN quote_ident(listguard._shadow_name(root, a.attname)) ELSE quote_ident(a.attname) END, ', ' ORDER BY u.n) || ')'
         FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(att, n) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.att WHERE u.n > i.indnkeyatts),
        CASE WHEN i.indnullsnotdistinct THEN ' NULLS NOT DISTINCT' END,
        (SELECT ' WITH (' || string_agg(format('%s = %L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ') || ')' FROM unnest(c.reloptions) o),
        (SELECT format(' TABLESPACE %I', s.spcname) FROM pg_tablespace s WHERE s.oid = c.reltablespace),
        ' WHERE ' || pg_get_expr(i.indpred, i.indrelid))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam WHERE i.indexrelid = index
$$;
COMMENT ON FUNCTION listguard._shadow_index_command(regclass, oid, name[], boolean) IS
    'the command that makes the index that is to stand for another';

-- Indexes over the columns: of the leaves, or of the partitioned tables above them.
CREATE FUNCTION listguard._indexes_over(relation regclass, columns name[], kinds "char"[]) RETURNS TABLE (index oid, member oid)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT i.indexrelid, i.indrelid FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid IN (SELECT listguard._members(_indexes_over.relation)) AND c.relkind = ANY (kinds) AND i.indislive
      AND NOT starts_with(x.relname::text, 'listguard_shadow_')
      AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[]) AND a.attname = ANY (columns))
    ORDER BY i.indexrelid
$$;
COMMENT ON FUNCTION listguard._indexes_over(regclass, name[], "char"[]) IS
    'indexes that protect_online has to build anew';

-- Is there a next index to build, or one being built?  Seconds to wait; NULL: all are there.
CREATE FUNCTION listguard._online_indexes(job listguard.job, relation regclass, columns name[]) RETURNS float8
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    i record;
    built pg_index;
    failed text;
BEGIN
    FOR i IN SELECT x.index, x.member, c.relname, ('listguard_shadow_index_' || x.index)::name AS name, c.relnamespace
             FROM listguard._indexes_over(relation, columns, '{r}') x JOIN pg_class c ON c.oid = x.index
    LOOP
        SELECT p.* INTO built FROM pg_index p JOIN pg_class c ON c.oid = p.indexrelid WHERE c.relname = i.name AND c.relnamespace = i.relnamespace;
        CONTINUE WHEN built.indisvalid;
        IF listguard._builder_runs(i.index) OR NOT pg_try_advisory_xact_lock(7235811, (i.index::int8 - 2147483648)::int4) THEN
            RETURN 0.1;
        END IF;
        SELECT o.error INTO failed FROM listguard.online_index o WHERE o.index = i.index;
        IF built.indexrelid IS NOT NULL THEN
            PERFORM listguard._as_owner(i.member, format('DROP INDEX %s', built.indexrelid::regclass));
        END IF;
        IF failed IS NOT NULL THEN
            -- gone with the index; told in the next transaction, once this is committed
            UPDATE listguard.job j SET position = j.position || jsonb_build_object('failed', jsonb_build_array(i.index, failed)) WHERE j.id = job.id;
            DELETE FROM listguard.online_index o WHERE o.index = i.index;
            RETURN 0;
        END IF;
        INSERT INTO listguard.online_index VALUES (i.index, job.relation, i.member, i.name,
            listguard._shadow_index_command(relation, i.index, columns, true))
        ON CONFLICT ON CONSTRAINT online_index_pkey DO UPDATE SET command = EXCLUDED.command, error = NULL;
        UPDATE listguard.job j SET position = j.position || jsonb_build_object('start', i.index) WHERE j.id = job.id;
        RETURN 0;
    END LOOP;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION listguard._online_indexes(listguard.job, regclass, name[]) IS
    'looks after the building of indexes for protect_online';

-- What was left to be done in a transaction after the one that decided it: start a builder, tell of a failed one.
CREATE FUNCTION listguard._online_deferred(job listguard.job, relation regclass, columns name[]) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    index oid := (job.position->'failed'->>0)::oid;
BEGIN
    IF job.position ? 'start' THEN
        UPDATE listguard.job j SET position = j.position - 'start' WHERE j.id = job.id;
        PERFORM listguard._start_builder((job.position->>'start')::oid);
        RETURN true;
    END IF;
    IF NOT job.position ? 'failed' THEN
        RETURN false;
    END IF;
    IF job.position->'failed'->>1 = '23505' THEN
        RAISE EXCEPTION 'addresses become equal under unique index %', index::regclass USING ERRCODE = 'unique_violation',
            DETAIL = coalesce((SELECT format('%s groups of rows, the first at %s', e->>'n', e->>'first')
                               FROM pg_index i, LATERAL listguard._equal_values(i.indrelid::regclass, index, columns) e WHERE i.indexrelid = index), ''),
            HINT = 'Remove all but one of each, and call listguard.protect_online() again. The table is as it was for the application.';
    END IF;
    RAISE EXCEPTION 'index % could not be built over sealed values', index::regclass USING ERRCODE = job.position->'failed'->>1,
        HINT = 'The server log says why. Call listguard.protect_online() again.';
END
$$;
COMMENT ON FUNCTION listguard._online_deferred(listguard.job, regclass, name[]) IS
    'starts a builder, or raises the error of one';

-- ---- the swap ----

-- An index takes the place of another, which went with its column: constraint, name, comments, marks.
CREATE FUNCTION listguard._online_take_index(o jsonb) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    member regclass := (o->>'member')::oid::regclass;
    full_name text := format('%I.%I', o->>'schema', o->>'name');
    kind text := CASE o->>'contype' WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END;
BEGIN
    IF o->>'contype' IS NOT NULL AND o->>'relkind' = 'p' THEN
        PERFORM listguard._as_owner(member, format('ALTER TABLE ONLY %s ADD CONSTRAINT %I %s %s%s', member, o->>'name', kind, o->>'keys', o->>'deferrable'));
    ELSE
        PERFORM listguard._as_owner(member, format('ALTER INDEX %I.%I RENAME TO %I', o->>'schema', o->>'shadow', o->>'name'));
        IF o->>'contype' IS NOT NULL THEN
            PERFORM listguard._as_owner(member, format('ALTER TABLE ONLY %s ADD CONSTRAINT %I %s USING INDEX %I%s', member, o->>'name', kind, o->>'name', o->>'deferrable'));
        END IF;
    END IF;
    IF o->>'comment' IS NOT NULL THEN
        PERFORM listguard._as_owner(member, format('COMMENT ON INDEX %s IS %L', full_name, o->>'comment'));
    END IF;
    IF o->>'concomment' IS NOT NULL THEN
        PERFORM listguard._as_owner(member, format('COMMENT ON CONSTRAINT %I ON %s IS %L', o->>'name', member, o->>'concomment'));
    END IF;
    IF (o->>'clustered')::boolean THEN
        PERFORM listguard._as_owner(member, format('ALTER TABLE %s CLUSTER ON %I', member, o->>'name'));
    END IF;
    IF (o->>'replident')::boolean THEN
        PERFORM listguard._as_owner(member, format('ALTER TABLE ONLY %s REPLICA IDENTITY USING INDEX %I', member, o->>'name'));
    END IF;
END
$$;
COMMENT ON FUNCTION listguard._online_take_index(jsonb) IS
    'gives a new index the place of one that is gone';

-- What the indexes over the columns are, before they go.
CREATE FUNCTION listguard._online_index_facts(relation regclass, columns name[]) RETURNS SETOF jsonb
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT jsonb_build_object('index', x.index, 'member', x.member, 'relkind', m.relkind, 'schema', n.nspname, 'name', c.relname,
        'shadow', 'listguard_shadow_index_' || x.index, 'contype', k.contype, 'parent', h.inhparent,
        'deferrable', CASE WHEN k.condeferrable THEN ' DEFERRABLE' || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END ELSE '' END,
        'comment', obj_description(x.index, 'pg_class'), 'concomment', obj_description(k.oid, 'pg_constraint'),
        'clustered', i.indisclustered, 'replident', i.indisreplident, 'primary', i.indisprimary,
        'keys', CASE WHEN i.indnullsnotdistinct THEN 'NULLS NOT DISTINCT ' ELSE '' END || (
            SELECT format('(%s)', string_agg(quote_ident(a.attname), ', ' ORDER BY u.n) FILTER (WHERE u.n <= i.indnkeyatts))
                || coalesce(' INCLUDE (' || string_agg(quote_ident(a.attname), ', ' ORDER BY u.n) FILTER (WHERE u.n > i.indnkeyatts) || ')', '')
            FROM unnest(i.indkey::int2[]) WITH ORDINALITY u(att, n) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.att),
        'command', CASE WHEN m.relkind = 'p' AND k.oid IS NULL THEN listguard._shadow_index_command(relation, x.index, columns, false) END)
    FROM listguard._indexes_over(relation, columns, '{r,p}') x
    JOIN pg_index i ON i.indexrelid = x.index JOIN pg_class c ON c.oid = x.index JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class m ON m.oid = x.member LEFT JOIN pg_constraint k ON k.conindid = x.index AND k.contype IN ('p', 'u') AND k.conrelid = x.member
    LEFT JOIN pg_inherits h ON h.inhrelid = x.index
    ORDER BY m.relkind = 'p', x.index
$$;
COMMENT ON FUNCTION listguard._online_index_facts(regclass, name[]) IS
    'all that has to be known of the indexes that the swap replaces';

-- The columns themselves.
CREATE FUNCTION listguard._online_take_columns(relation regclass, columns name[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c record;
BEGIN
    FOR c IN
        SELECT a.attname, a.attnotnull, listguard._shadow_name(relation, a.attname) AS shadow, pg_get_expr(f.adbin, f.adrelid) AS default_expression,
               col_description(a.attrelid, a.attnum) AS comment,
               (SELECT k.conname FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]) AS not_null
        FROM pg_attribute a LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
        WHERE a.attrelid = relation AND a.attname = ANY (columns) ORDER BY a.attnum
    LOOP
        IF c.attnotnull THEN
            PERFORM listguard._as_owner(relation, format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', relation, c.shadow));
        END IF;
        PERFORM listguard._as_owner(relation, format('ALTER TABLE %s DROP CONSTRAINT %I', relation, c.shadow || '_check'));
        PERFORM listguard._as_owner(relation, format('ALTER TABLE %s DROP COLUMN %I', relation, c.attname));
        PERFORM listguard._as_owner(relation, format('ALTER TABLE %s RENAME COLUMN %I TO %I', relation, c.shadow, c.attname));
        -- NOT NULL is a constraint with a name from 18 on
        IF c.not_null IS NOT NULL THEN
            PERFORM listguard._as_owner(relation, format('ALTER TABLE %s RENAME CONSTRAINT %I TO %I', relation, k.conname, c.not_null))
            FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum]
            WHERE k.conrelid = relation AND k.contype = 'n' AND a.attname = c.attname AND k.conname <> c.not_null;
        END IF;
        IF c.default_expression IS NOT NULL THEN
            PERFORM listguard._as_owner(relation, format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', relation, c.attname, c.default_expression));
        END IF;
        IF c.comment IS NOT NULL THEN
            PERFORM listguard._as_owner(relation, format('COMMENT ON COLUMN %s.%I IS %L', relation, c.attname, c.comment));
        END IF;
        RAISE NOTICE 'column "%" is sealed_email now, and the last column of the table', c.attname;
    END LOOP;
END
$$;
COMMENT ON FUNCTION listguard._online_take_columns(regclass, name[]) IS
    'puts the filled columns in the places of the address columns';

-- False: something has changed meanwhile, and an earlier phase has to look at it again.
CREATE FUNCTION listguard._online_ready(relation regclass, columns name[]) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT EXISTS (SELECT FROM listguard._online_leaves(relation) l
                       WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = l AND t.tgname = '~listguard_shadow' AND t.tgenabled = 'A'))
       AND NOT EXISTS (SELECT FROM listguard._indexes_over(relation, columns, '{r}') x
                       WHERE NOT EXISTS (SELECT FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid
                                         WHERE i.indrelid = x.member AND c.relname = 'listguard_shadow_index_' || x.index AND i.indisvalid))
       AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = ANY (columns) AND a.attnotnull
                       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = relation AND k.convalidated
                                       AND k.conname = listguard._shadow_name(relation, a.attname) || '_check'))
$$;
COMMENT ON FUNCTION listguard._online_ready(regclass, name[]) IS
    'is all there that the swap needs?';

CREATE FUNCTION listguard._online_swap(relation regclass, columns name[], list_column name, keep_access boolean) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relname text := listguard._relation_name(_online_swap.relation);
    facts jsonb[];
    o jsonb;
    leaf oid;
    parent text;
    check_name name;
BEGIN
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', relation);
    LOCK TABLE listguard.protected_table IN SHARE ROW EXCLUSIVE MODE;
    PERFORM listguard._check_relation(relation);
    PERFORM listguard._check_nested(relation);
    PERFORM listguard._check_online(relation, columns, list_column);
    IF NOT listguard._online_ready(relation, columns) THEN
        RETURN false;
    END IF;
    PERFORM listguard._note_origin(relation, columns);
    facts := ARRAY(SELECT listguard._online_index_facts(relation, columns));
    IF list_column IS NOT NULL THEN
        PERFORM listguard._as_owner(relation, format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', relation, list_column));
        check_name := listguard._shadow_name(relation, list_column) || '_check';
        IF EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = relation AND c.conname = check_name) THEN
            PERFORM listguard._as_owner(relation, format('ALTER TABLE %s DROP CONSTRAINT %I', relation, check_name));
        END IF;
    END IF;
    FOREACH o IN ARRAY facts
    LOOP
        IF o->>'command' IS NOT NULL THEN
            PERFORM listguard._as_owner(relation, o->>'command');
        END IF;
    END LOOP;
    FOR leaf IN SELECT listguard._online_leaves(relation)
    LOOP
        PERFORM listguard._internal(format('DROP TRIGGER "~listguard_shadow" ON %s', leaf::regclass));
    END LOOP;
    PERFORM listguard._online_take_columns(relation, columns);
    FOREACH o IN ARRAY facts
    LOOP
        PERFORM listguard._online_take_index(o);
    END LOOP;
    FOREACH o IN ARRAY facts
    LOOP
        IF o->>'parent' IS NOT NULL THEN
            SELECT format('%I.%I', p->>'schema', p->>'name') INTO parent FROM unnest(facts) p WHERE p->>'index' = o->>'parent';
            PERFORM listguard._as_owner(relation, format('ALTER INDEX %s ATTACH PARTITION %I.%I', parent, o->>'schema', o->>'name'));
        END IF;
    END LOOP;
    UPDATE listguard.protected_table p SET mode = 'enforce' WHERE p.relation = relname;
    PERFORM listguard._guard_table(m::regclass) FROM listguard._members(relation) m;
    PERFORM listguard._take_over_privileges(relation, keep_access);
    PERFORM listguard._sync_role(relation, g.role) FROM (SELECT DISTINCT role FROM listguard.access_grant a WHERE a.relation = relname) g
    WHERE EXISTS (SELECT FROM pg_roles r WHERE r.rolname = g.role);
    PERFORM listguard._event('setting', relname, jsonb_build_object('protect', columns, 'list_column', list_column, 'online', true, 'keep_access', keep_access));
    RAISE NOTICE 'table % is protected: nobody reads it without a grant, its owner included', relname
        USING HINT = 'Give access with listguard.grant_access().';
    RETURN true;
END
$$;
COMMENT ON FUNCTION listguard._online_swap(regclass, name[], name, boolean) IS
    'the one moment in which a table that protect_online has prepared becomes a protected one';

-- ---- the loop ----

-- The next phase, its counts from nothing.
CREATE FUNCTION listguard._online_phase(job listguard.job, phase text) RETURNS float8
    LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
    UPDATE listguard.job j SET phase = _online_phase.phase, done = CASE WHEN j.phase = _online_phase.phase THEN j.done ELSE 0 END,
        total = NULL, updated = clock_timestamp(),
        position = j.position || jsonb_build_object('tries', 0, 'members', CASE WHEN _online_phase.phase IN ('fill', 'scrub') THEN '{}' ELSE j.position->'members' END)
    WHERE j.id = job.id;
    SELECT 0::float8
$$;
COMMENT ON FUNCTION listguard._online_phase(listguard.job, text) IS 'writes down that protect_online is in its next phase';

-- Snapshots from before the filling would see rows without their sealed values.
CREATE FUNCTION listguard._online_wait(job listguard.job) RETURNS float8
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF job.position->>'fence' IS NULL THEN
        UPDATE listguard.job j SET position = j.position || jsonb_build_object('fence', pg_current_xact_id()::text) WHERE j.id = job.id;
        RETURN 0;
    END IF;
    IF EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_xmin IS NOT NULL
               AND age(a.backend_xmin) >= age((job.position->>'fence')::xid8::xid)) THEN
        UPDATE listguard.job j SET updated = clock_timestamp(), error = 'waiting for transactions that began before the rows were filled' WHERE j.id = job.id;
        RETURN 0.2;
    END IF;
    UPDATE listguard.job j SET error = NULL WHERE j.id = job.id;
    RETURN listguard._online_phase(job, 'swap');
END
$$;
COMMENT ON FUNCTION listguard._online_wait(listguard.job) IS 'waits for snapshots from before the filling';

CREATE FUNCTION listguard._online_finish(job listguard.job, relation regclass) RETURNS float8
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE listguard.job j SET phase = 'done', finished = clock_timestamp(), updated = clock_timestamp(), position = NULL WHERE j.id = job.id;
    DELETE FROM listguard.online_index o WHERE o.relation = job.relation;
    PERFORM listguard._job_unlock(relation, 'protect_online');
    RAISE NOTICE 'every row has been written anew without its plain text'
        USING HINT = format('Dead rows hold it until VACUUM: run VACUUM %s, and VACUUM FULL or pg_repack where freed blocks must go as well.', relation);
    RAISE NOTICE 'addresses remain in clear in WAL written and backups made before now, and in freed blocks of the disk until they are written over';
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION listguard._online_finish(listguard.job, regclass) IS 'ends a protect_online and says where plain text is left';

CREATE FUNCTION listguard._online_do(job listguard.job, relation regclass) RETURNS float8
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    columns name[];
    list_column name;
    next jsonb;
    pause float8;
BEGIN
    -- by the registry, which follows RENAME
    SELECT p.sealed_columns, p.list_column INTO STRICT columns, list_column FROM listguard.protected_table p WHERE p.relation = job.relation;
    IF listguard._online_deferred(job, relation, columns) THEN
        RETURN 0.05;
    END IF;
    CASE job.phase
    WHEN 'columns' THEN
        PERFORM listguard._online_columns(relation, columns, list_column);
        RETURN listguard._online_phase(job, 'fill');
    WHEN 'fill' THEN
        IF EXISTS (SELECT FROM listguard._online_leaves(relation) l
                   WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = l AND t.tgname = '~listguard_shadow')) THEN
            PERFORM listguard._online_columns(relation, columns, list_column);
            RETURN listguard._online_phase(job, 'fill');
        END IF;
        next := listguard._online_batch(job, relation, columns, list_column, false);
        IF next IS NOT NULL THEN
            UPDATE listguard.job j SET position = next, updated = clock_timestamp() WHERE j.id = job.id;
            RETURN 0;
        END IF;
        PERFORM listguard._online_check(relation, columns, list_column);
        RETURN listguard._online_phase(job, 'constraints');
    WHEN 'constraints' THEN
        PERFORM listguard._online_constraints(relation, columns, list_column, false);
        RETURN listguard._online_phase(job, 'validate');
    WHEN 'validate' THEN
        PERFORM listguard._online_check(relation, columns, list_column);
        PERFORM listguard._online_constraints(relation, columns, list_column, true);
        RETURN listguard._online_phase(job, 'indexes');
    WHEN 'indexes' THEN
        pause := listguard._online_indexes(job, relation, columns);
        RETURN coalesce(pause, listguard._online_phase(job, 'wait'));
    WHEN 'wait' THEN
        RETURN listguard._online_wait(job);
    WHEN 'swap' THEN
        IF listguard._online_swap(relation, columns, list_column, (job.position->>'keep_access')::boolean) THEN
            RETURN listguard._online_phase(job, 'scrub');
        END IF;
        RETURN listguard._online_phase(job, 'columns');
    WHEN 'scrub' THEN
        next := listguard._online_batch(job, relation, columns, list_column, true);
        IF next IS NULL THEN
            RETURN listguard._online_finish(job, relation);
        END IF;
        UPDATE listguard.job j SET position = next, updated = clock_timestamp() WHERE j.id = job.id;
        RETURN 0;
    END CASE;
END
$$;
COMMENT ON FUNCTION listguard._online_do(listguard.job, regclass) IS 'does the next piece of a protect_online';

-- Seconds to wait before the next piece; NULL: done.  A lock that is not had in time is tried for again, 300 times.
CREATE FUNCTION listguard._online_step(relation regclass) RETURNS float8
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    job listguard.job;
    tries int;
BEGIN
    SELECT * INTO job FROM listguard.job j
    WHERE j.relation = listguard._relation_name(_online_step.relation) AND j.what = 'protect_online' AND j.finished IS NULL FOR UPDATE;
    IF job.id IS NULL THEN
        RAISE EXCEPTION 'table % is not being protected online', relation USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    PERFORM set_config('lock_timeout', greatest(20, 400 / (SELECT count(*) FROM listguard._members(relation))) || 'ms', true);
    PERFORM set_config('deadlock_timeout', '100ms', true);
    BEGIN
        RETURN listguard._online_do(job, relation);
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        tries := (job.position->>'tries')::int + 1;
        IF tries > 300 THEN
            RAISE EXCEPTION 'table % could not be locked for a moment in % tries', relation, tries - 1 USING ERRCODE = 'lock_not_available',
                HINT = 'Look for transactions that stay open long, and call listguard.protect_online() again: it goes on.';
        END IF;
        UPDATE listguard.job j SET position = j.position || jsonb_build_object('tries', tries), updated = clock_timestamp() WHERE j.id = job.id;
        RETURN least(1.0, 0.05 * tries);
    END;
END
$$;
COMMENT ON FUNCTION listguard._online_step(regclass) IS
    'one transaction of protect_online; how long to wait before the next one';

CREATE FUNCTION listguard._online_failed(relation regclass, message text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE listguard.job j SET error = message, updated = clock_timestamp(), position = j.position - 'failed'
    WHERE j.relation = listguard._relation_name(_online_failed.relation) AND j.what = 'protect_online' AND j.finished IS NULL;
    SELECT listguard._job_unlock(_online_failed.relation, 'protect_online')
$$;
COMMENT ON FUNCTION listguard._online_failed(regclass, text) IS 'writes down why a protect_online stopped';

-- It commits, so it has neither SECURITY DEFINER nor SET: every name and operator is qualified.
CREATE PROCEDURE listguard.protect_online(relation regclass, address_columns name[], list_column name DEFAULT NULL,
    batch_size int DEFAULT 10000, keep_access boolean DEFAULT false)
    LANGUAGE plpgsql AS $$
DECLARE
    pause float8;
    state text;
    message text;
    more text;
    advice text;
BEGIN
    -- refused in a transaction block, before anything is done
    COMMIT;
    PERFORM listguard._online_begin(relation, address_columns, list_column, batch_size, keep_access);
    COMMIT;
    LOOP
        BEGIN
            pause := listguard._online_step(relation);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, more = PG_EXCEPTION_DETAIL, advice = PG_EXCEPTION_HINT;
        END;
        IF state IS NOT NULL THEN
            PERFORM listguard._online_failed(relation, message);
            COMMIT;
            -- an option that is not there is neither null nor empty
            IF pg_catalog.length(more) OPERATOR(pg_catalog.>) 0 AND pg_catalog.length(advice) OPERATOR(pg_catalog.>) 0 THEN
                RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = more, HINT = advice;
            ELSIF pg_catalog.length(advice) OPERATOR(pg_catalog.>) 0 THEN
                RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, HINT = advice;
            ELSIF pg_catalog.length(more) OPERATOR(pg_catalog.>) 0 THEN
                RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message, DETAIL = more;
            END IF;
            RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message;
        END IF;
        COMMIT;
        EXIT WHEN pause IS NULL;
        PERFORM pg_catalog.pg_sleep(pause);
        COMMIT;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE listguard.protect_online(regclass, name[], name, int, boolean) IS
    'protects a large table while the application goes on: batches, locks of less than a second, resumed by calling it again';
GRANT EXECUTE ON PROCEDURE listguard.protect_online(regclass, name[], name, int, boolean) TO listguard_admin;
GRANT EXECUTE ON FUNCTION listguard._online_begin(regclass, name[], name, int, boolean), listguard._online_step(regclass),
    listguard._online_failed(regclass, text) TO listguard_admin;
