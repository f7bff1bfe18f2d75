-- List keys through time: jobs that take long, new keys, resealing, the end of keys.

-- Operations in many transactions: reseal and protect_online.  No dump carries them.  One row is one operation; the
-- one that starts it inserts it (a transaction of its own), each batch updates done, phase and position in the same
-- transaction as its rows, and the last one sets finished.  An operation that finds an unfinished row of its relation
-- and kind takes that row over and goes on at its position: so the position has to be enough to go on from.  That no
-- two run at a time is for the operation to see to, by the session lock _job_lock().
CREATE TABLE listguard.job (
    id int8 PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    relation text COLLATE "C" NOT NULL,
    what text NOT NULL CHECK (what IN ('reseal', 'protect_online')),
    phase text NOT NULL DEFAULT 'start',
    done int8 NOT NULL DEFAULT 0,
    total int8,
    position jsonb,
    role text NOT NULL DEFAULT session_user,
    pid int4 NOT NULL DEFAULT pg_backend_pid(),
    started timestamptz NOT NULL DEFAULT now(),
    updated timestamptz NOT NULL DEFAULT now(),
    finished timestamptz,
    error text
);
CREATE UNIQUE INDEX job_unfinished_key ON listguard.job (relation, what) WHERE finished IS NULL;
COMMENT ON TABLE listguard.job IS 'operations in many transactions: where they are and where they go on';

CREATE VIEW listguard.progress AS
    SELECT j.id, j.relation, j.what, j.phase, j.done, j.total, j.role, j.started, j.updated, j.finished, j.error,
           j.finished IS NULL AND EXISTS (
               SELECT FROM pg_catalog.pg_locks l
               WHERE l.locktype = 'object' AND l.granted AND l.pid = j.pid AND l.mode = 'ExclusiveLock'
                 AND l.classid = 'listguard.job'::pg_catalog.regclass
                 AND l.objid = pg_catalog.to_regclass(j.relation)
                 AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
           ) AS running
    FROM listguard.job j;
COMMENT ON VIEW listguard.progress IS
    'reseal and protect_online: how far they are; not running and not finished: call them again, and they go on';
GRANT SELECT ON listguard.progress TO listguard_admin, listguard_auditor;

-- The lock that keeps a second operation of this kind from the relation, held by the session until it is given back
-- or the session ends; false: another session has it.  No advisory lock: those anybody can take.
CREATE FUNCTION listguard._job_lock(relation regclass, what text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_job_lock' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._job_lock(regclass, text) IS
    'takes the session lock of an operation in many transactions; false: another session has it';

CREATE FUNCTION listguard._job_unlock(relation regclass, what text) RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_job_unlock' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._job_unlock(regclass, text) IS
    'gives the session lock of an operation in many transactions back';

-- The unfinished row of this operation, taken over, or a new one.
CREATE FUNCTION listguard._job_begin(relation text, what text) RETURNS listguard.job
    LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO listguard.job AS j (relation, what) VALUES (_job_begin.relation, _job_begin.what)
    ON CONFLICT (relation, what) WHERE finished IS NULL
        DO UPDATE SET role = session_user, pid = pg_backend_pid(), updated = now(), error = NULL
    RETURNING j.*
$$;
COMMENT ON FUNCTION listguard._job_begin(text, text) IS
    'the row of an operation in many transactions: the unfinished one, or a new one';

-- ---- new keys ----

-- Wrapped keys have no place in statistics, whose rows outlive them.
ALTER TABLE listguard.key ALTER COLUMN wrapped SET STATISTICS 0;
ALTER TABLE listguard.index_key ALTER COLUMN wrapped SET STATISTICS 0;

CREATE FUNCTION listguard._create_key(list_no int4) RETURNS int8
    AS 'MODULE_PATHNAME', 'listguard_create_key' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._create_key(int4) IS
    'makes a key for a list in this transaction; the caller makes it the current one';

-- Numbers of the lists of a protected table; "list" null: of all.
CREATE FUNCTION listguard._lists_of(relation regclass, list text) RETURNS int4[]
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    relname text := listguard._require_protected(_lists_of.relation);
    numbers int4[];
BEGIN
    SELECT array_agg(l.list_no ORDER BY l.list_no) INTO numbers FROM listguard.list l
    WHERE l.relation = relname AND (_lists_of.list IS NULL OR l.value = _lists_of.list);
    IF numbers IS NULL AND _lists_of.list IS NOT NULL THEN
        RAISE EXCEPTION 'table % has no such list', relname USING ERRCODE = 'undefined_object',
            HINT = 'View listguard.lists has their names.';
    END IF;
    RETURN coalesce(numbers, '{}');
END
$$;
COMMENT ON FUNCTION listguard._lists_of(regclass, text) IS
    'numbers of the lists of a protected table, or of the one named';

CREATE FUNCTION listguard.rotate_list_key(relation regclass, list text DEFAULT NULL) RETURNS SETOF int8
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    relname text := listguard._require_protected(rotate_list_key.relation);
    number int4;
    old int8;
    new int8;
    made int8[] := '{}';
BEGIN
    FOREACH number IN ARRAY listguard._lists_of(rotate_list_key.relation, rotate_list_key.list)
    LOOP
        -- one at a time: a second rotation finds what the first has made
        SELECT l.key_id INTO STRICT old FROM listguard.list l WHERE l.list_no = number FOR UPDATE;
        new := listguard._create_key(number);
        UPDATE listguard.key k SET retired = now() WHERE k.key_id = old AND k.retired IS NULL;
        UPDATE listguard.list l SET key_id = new WHERE l.list_no = number;
        made := made || new;
        RETURN NEXT new;
    END LOOP;
    PERFORM listguard._event('key', relname, jsonb_build_object('rotate', coalesce(rotate_list_key.list, '*'), 'lists', cardinality(made),
        'ids', to_jsonb(made[1:64])));
END
$$;
COMMENT ON FUNCTION listguard.rotate_list_key(regclass, text) IS
    'gives a list (null: every list of the table) a new key for new values; returns the ids of the new keys';

-- ---- reseal ----

-- One batch in the current transaction: rows of one table (a leaf of the tree) from a position on.
--   mode 'reseal': values under a retired key of their list go under its current key.
--   mode 'scrub': every row whose xmin is older than "before" ('0': every row) is written anew as it is, without what
--     is left of dropped columns; the dead versions are VACUUM's to remove.  Take pg_current_xact_id() once the columns
--     are dropped and that is committed, keep it, and rows that were written since then are passed over.
--   from_tid '(0,1)' at the start; blocks: pg_relation_size() in blocks, taken once when the pass begins, so that rows
--     written meanwhile do not make it endless.
--   batch_size: rows rewritten at most; 50 times as many are looked at, at most.
--   wait: false: a row that another transaction has locked is left, and counted as such; true: it is waited for, under
--     lock_timeout, while no row is locked here (else the batch ends before it).
-- Results: next_tid, where to go on, null at the end; rows looked at; rewritten; left (others had them, or changed them
-- since the batch began: another pass is needed); closed: values whose key is destroyed or unknown, which stay as they
-- are.  No trigger, no policy, no charge, no event.  Commit after each batch.
CREATE FUNCTION listguard._rewrite_batch(member regclass, mode text, from_tid tid, blocks int8, batch_size int4, wait boolean, before xid8,
    OUT next_tid tid, OUT looked_at int8, OUT rewritten int8, OUT "left" int8, OUT closed int8)
    AS 'MODULE_PATHNAME', 'listguard_rewrite_batch' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._rewrite_batch(regclass, text, tid, int8, int4, boolean, xid8) IS
    'rewrites a batch of rows below the executor: under the current keys (reseal), or without dropped columns (scrub)';

-- Leaf tables of a tree, with their sizes in blocks.
CREATE FUNCTION listguard._leaves(relation regclass) RETURNS TABLE (member oid, blocks int8)
    LANGUAGE sql STABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.oid, pg_relation_size(c.oid::regclass) / current_setting('block_size')::int8
    FROM listguard._members(relation) m(oid) JOIN pg_class c ON c.oid = m.oid AND c.relkind = 'r'
$$;
COMMENT ON FUNCTION listguard._leaves(regclass) IS 'tables of a tree that hold rows, with their sizes in blocks';

CREATE FUNCTION listguard._reseal_begin(relation regclass, batch_size int4) RETURNS int8
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    relname text := listguard._relation_name(_reseal_begin.relation);
    job listguard.job;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                   WHERE c.oid = _reseal_begin.relation AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
                     AND listguard._sealing_of(a.atttypid) <> 'text') THEN
        RAISE EXCEPTION '% is no table with a sealed column', coalesce(relname, 'null') USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF _reseal_begin.batch_size IS NULL OR _reseal_begin.batch_size NOT BETWEEN 1 AND 1000000 THEN
        RAISE EXCEPTION 'batch_size must be between 1 and 1000000' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF NOT listguard._job_lock(_reseal_begin.relation, 'reseal') THEN
        RAISE EXCEPTION 'another session reseals %', relname USING ERRCODE = 'object_in_use',
            HINT = 'View listguard.progress shows how far it is.';
    END IF;
    job := listguard._job_begin(relname, 'reseal');
    IF job.position IS NOT NULL THEN
        RAISE NOTICE 'going on where an earlier reseal of % ended, after % rows', relname, job.position->>'rewritten';
    ELSE
        UPDATE listguard.job j SET phase = 'pass 1', total = (SELECT sum(blocks) FROM listguard._leaves(_reseal_begin.relation)),
            position = '{"pass": 1, "member": 0, "found": 0, "rewritten": 0, "left": 0, "closed": 0}'
        WHERE j.id = job.id;
    END IF;
    RETURN job.id;
END
$$;
COMMENT ON FUNCTION listguard._reseal_begin(regclass, int4) IS
    'starts a reseal, or takes over one that did not end; returns its job';

-- The pass is over: another one, or the end.  A row that an UPDATE moved to where the pass had been is found by the
-- next pass; so passes follow each other until one finds nothing, five at most.
CREATE FUNCTION listguard._reseal_pass_over(relation regclass, job listguard.job) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    at jsonb := job.position;
    again boolean := (at->>'found')::int8 > 0 AND (at->>'pass')::int < 5;
BEGIN
    IF again THEN
        UPDATE listguard.job j SET phase = format('pass %s', (at->>'pass')::int + 1), done = 0,
            total = (SELECT sum(blocks) FROM listguard._leaves(_reseal_pass_over.relation)),
            position = at || jsonb_build_object('pass', (at->>'pass')::int + 1, 'member', 0, 'found', 0, 'left', 0, 'closed', 0), updated = now()
        WHERE j.id = job.id;
        RETURN true;
    END IF;
    UPDATE listguard.job j SET phase = 'done', done = coalesce(j.total, 0), updated = now(), finished = clock_timestamp(),
        error = CASE WHEN (at->>'left')::int8 > 0 THEN format('%s rows were locked by others', at->>'left') END
    WHERE j.id = job.id;
    PERFORM listguard._job_unlock(_reseal_pass_over.relation, 'reseal');
    PERFORM listguard._event('key', job.relation, jsonb_build_object('reseal', (at->>'rewritten')::int8, 'left', (at->>'left')::int8,
        'closed', (at->>'closed')::int8, 'passes', (at->>'pass')::int));
    RAISE NOTICE '% rows of % were sealed anew', at->>'rewritten', job.relation;
    IF (at->>'left')::int8 > 0 THEN
        RAISE WARNING '% rows of % were locked by other transactions and are as they were', at->>'left', job.relation
            USING HINT = 'Call listguard.reseal() again.';
    END IF;
    IF (at->>'closed')::int8 > 0 THEN
        RAISE WARNING '% values of % are under keys that are destroyed or unknown', at->>'closed', job.relation;
    END IF;
    RETURN false;
END
$$;
COMMENT ON FUNCTION listguard._reseal_pass_over(regclass, listguard.job) IS
    'ends a pass of reseal; true: there is another';

-- One batch; rows that others have are waited for from the second pass on.
CREATE FUNCTION listguard._reseal_step(job_id int8, relation regclass, batch_size int4) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
#variable_conflict use_column
DECLARE
    job listguard.job;
    at jsonb;
    leaf record;
    batch record;
    from_tid tid;
BEGIN
    SELECT * INTO STRICT job FROM listguard.job j WHERE j.id = _reseal_step.job_id AND j.what = 'reseal' AND j.finished IS NULL
        AND j.pid = pg_backend_pid() FOR UPDATE;
    at := job.position;
    SELECT * INTO leaf FROM listguard._leaves(_reseal_step.relation) l WHERE l.member >= (at->>'member')::oid
        AND (l.member > (at->>'member')::oid OR at ? 'tid') ORDER BY l.member LIMIT 1;
    IF leaf.member IS NULL THEN
        RETURN listguard._reseal_pass_over(_reseal_step.relation, job);
    END IF;
    -- the next table, or the same one rewritten by VACUUM FULL or CLUSTER: its rows are elsewhere now
    IF leaf.member <> (at->>'member')::oid OR NOT at ? 'tid' OR (at->>'file')::oid <> pg_relation_filenode(leaf.member) THEN
        at := at || jsonb_build_object('member', leaf.member::int8, 'file', pg_relation_filenode(leaf.member)::int8,
            'blocks', leaf.blocks, 'tid', '(0,1)');
    END IF;
    from_tid := (at->>'tid')::tid;
    BEGIN
        batch := listguard._rewrite_batch(leaf.member::regclass, 'reseal', from_tid, (at->>'blocks')::int8,
            _reseal_step.batch_size, (at->>'pass')::int > 1, '0');
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        -- whoever has that row keeps it: all this batch can do is to let it be
        batch := listguard._rewrite_batch(leaf.member::regclass, 'reseal', from_tid, (at->>'blocks')::int8,
            _reseal_step.batch_size, false, '0');
    END;
    at := at || jsonb_build_object('tid', batch.next_tid, 'found', (at->>'found')::int8 + batch.rewritten + batch."left",
        'rewritten', (at->>'rewritten')::int8 + batch.rewritten, 'left', (at->>'left')::int8 + batch."left",
        'closed', (at->>'closed')::int8 + batch.closed);
    IF batch.next_tid IS NULL THEN
        at := at - 'tid';
    END IF;
    UPDATE listguard.job j SET position = at, updated = now(), done = least(j.total, coalesce(
        (SELECT sum(l.blocks) FROM listguard._leaves(_reseal_step.relation) l WHERE l.member < leaf.member), 0)
        + coalesce(split_part(ltrim(batch.next_tid::text, '('), ',', 1)::int8, (at->>'blocks')::int8))
    WHERE j.id = job.id;
    RETURN true;
END
$$;
COMMENT ON FUNCTION listguard._reseal_step(int8, regclass, int4) IS
    'one batch of a reseal, in this transaction; false: it was the last';

-- A procedure that commits can neither be SECURITY DEFINER nor have settings of its own: it calls nothing but the two
-- functions above, by their full names, and no operator.
CREATE PROCEDURE listguard.reseal(relation regclass, batch_size int4 DEFAULT 1000)
    LANGUAGE plpgsql AS $$
DECLARE
    job pg_catalog.int8;
    more pg_catalog.bool;
BEGIN
    job := listguard._reseal_begin(relation, batch_size);
    COMMIT;
    LOOP
        more := listguard._reseal_step(job, relation, batch_size);
        COMMIT;
        EXIT WHEN NOT more;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE listguard.reseal(regclass, int4) IS
    'brings every value of a table under the current key of its list, in batches with a commit each; goes on where it was interrupted';

REVOKE ALL ON PROCEDURE listguard.reseal(regclass, int4) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE listguard.reseal(regclass, int4) TO listguard_admin;
GRANT EXECUTE ON FUNCTION listguard.rotate_list_key(regclass, text), listguard._reseal_begin(regclass, int4),
    listguard._reseal_step(int8, regclass, int4) TO listguard_admin;

-- ---- the end of a list's keys ----

CREATE FUNCTION listguard._shred(list_no int4) RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_shred' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._shred(int4) IS
    'destroys all keys of a list, in the tables and in every process; not undone by ROLLBACK';

CREATE FUNCTION listguard.shred_list(relation regclass, list text DEFAULT NULL) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    relname text := listguard._require_protected(shred_list.relation);
    numbers int4[];
    live int8[];
BEGIN
    IF shred_list.list IS NULL AND EXISTS (SELECT FROM listguard.protected_table p WHERE p.relation = relname AND p.list_column IS NOT NULL) THEN
        RAISE EXCEPTION 'table % has more than one list', relname USING ERRCODE = 'invalid_parameter_value',
            HINT = 'Name the list that is to be destroyed.';
    END IF;
    numbers := listguard._lists_of(shred_list.relation, shred_list.list);
    IF cardinality(numbers) <> 1 THEN
        RAISE EXCEPTION 'table % has no such list', relname USING ERRCODE = 'undefined_object';
    END IF;
    SELECT coalesce(array_agg(k.key_id ORDER BY k.key_id), '{}') INTO live FROM listguard.key k WHERE k.list_no = numbers[1] AND k.wrapped IS NOT NULL;
    -- on record before it happens: what follows cannot be undone, and this session may not live to tell
    PERFORM listguard._event('key', relname, jsonb_build_object('shred', numbers[1], 'list', shred_list.list, 'ids', to_jsonb(live[1:64]), 'keys', cardinality(live)));
    PERFORM listguard._shred(numbers[1]);
    PERFORM listguard._event('key', relname, jsonb_build_object('shredded', numbers[1], 'keys', cardinality(live)));
    RAISE NOTICE 'list %: % keys destroyed, a ROLLBACK does not bring them back', listguard._list_name(numbers[1]), cardinality(live)
        USING HINT = 'Its values print masked; equality goes on working until the rows are deleted.';
    RAISE NOTICE 'backups, archived WAL and other copies made before now still open with the root key that they were made under'
        USING HINT = 'They close when that root key is destroyed, after listguard.rotate_root_key().';
END
$$;
COMMENT ON FUNCTION listguard.shred_list(regclass, text) IS
    'destroys every key of a list, in every process of the server, before it returns; not undone by ROLLBACK';
GRANT EXECUTE ON FUNCTION listguard.shred_list(regclass, text) TO listguard_admin;

-- ---- is every value what it should be? ----

CREATE FUNCTION listguard.check_sealed(relation regclass, OUT member regclass, OUT "row" tid, OUT "column" name, OUT problem text)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'listguard_check_sealed' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard.check_sealed(regclass) IS
    'opens every sealed value of a table and compares it with key, list and token; returns those that are not as they should be, no text';
GRANT EXECUTE ON FUNCTION listguard.check_sealed(regclass) TO listguard_admin;

-- ---- keys that nothing needs any more ----

CREATE FUNCTION listguard._key_uses(member oid, id int8, OUT "column" name, OUT uses int8) RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'listguard_key_uses' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._key_uses(oid, int8) IS
    'columns of a table with values under a key, and how many; keeps writers away to the end of the transaction';
CREATE FUNCTION listguard._wait_for_others(ms int4) RETURNS int4
    AS 'MODULE_PATHNAME', 'listguard_wait_for_others' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._wait_for_others(int4) IS
    'waits for the transactions of this database that run now; returns how many have not ended in time';

-- Types that are sealed (inside false) or hold a sealed type somewhere inside.
CREATE FUNCTION listguard._sealed_types() RETURNS TABLE (type oid, inside boolean)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE holds(type, inside) AS (
        SELECT t.oid, false FROM pg_type t WHERE listguard._sealing_of(t.oid) <> 'text'
        UNION
        SELECT n.outer_type, true FROM holds h, LATERAL (
            SELECT t.oid FROM pg_type t WHERE t.typelem = h.type AND t.typsubscript = 'array_subscript_handler'::regproc
            UNION ALL SELECT t.oid FROM pg_type t WHERE t.typbasetype = h.type
            UNION ALL SELECT c.reltype FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                WHERE a.atttypid = h.type AND NOT a.attisdropped AND a.attnum > 0 AND c.reltype <> 0
            UNION ALL SELECT r.rngtypid FROM pg_range r WHERE r.rngsubtype = h.type
            UNION ALL SELECT r.rngmultitypid FROM pg_range r WHERE r.rngsubtype = h.type) n(outer_type))
    SELECT h.type, h.inside FROM holds h
$$;
COMMENT ON FUNCTION listguard._sealed_types() IS 'the sealed types, and those that hold one inside';

-- What drop_key() cannot look into.
CREATE FUNCTION listguard._unseen_values() RETURNS TABLE (what text, name text)
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'database', d.datname::text FROM pg_database d WHERE d.datname <> current_database() AND NOT d.datistemplate
    UNION ALL
    SELECT 'foreign table', c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'f' AND EXISTS (
        SELECT FROM pg_attribute a JOIN listguard._sealed_types() t ON t.type = a.atttypid WHERE a.attrelid = c.oid AND NOT a.attisdropped)
    UNION ALL
    SELECT 'nested type', format('%s.%I', c.oid::regclass, a.attname) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    JOIN listguard._sealed_types() t ON t.type = a.atttypid AND t.inside
    WHERE c.relkind IN ('r', 'm') AND NOT a.attisdropped AND a.attnum > 0
    UNION ALL
    SELECT 'replication slot', s.slot_name::text FROM pg_replication_slots s
    UNION ALL
    SELECT 'replica', r.application_name FROM pg_stat_replication r
    UNION ALL
    VALUES ('backup', 'backups, dumps and archived WAL'),
           ('expression', 'defaults, views, rules, constraints and policies with sealed constants')
$$;
COMMENT ON FUNCTION listguard._unseen_values() IS 'where values may lie that drop_key() cannot look into';

-- Tables that may hold sealed values, those of "seen" apart.
CREATE FUNCTION listguard._sealed_tables(seen oid[]) RETURNS SETOF oid
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'm') AND a.attnum > 0 AND NOT a.attisdropped AND listguard._sealing_of(a.atttypid) <> 'text'
      AND c.oid <> ALL (seen)
    ORDER BY 1
$$;
COMMENT ON FUNCTION listguard._sealed_tables(oid[]) IS 'tables with sealed columns, but those that were seen';

-- 55006 if any value is under the key; with wait, also if transactions that began before do not end in time, since
-- they may yet store or see one.
CREATE FUNCTION listguard._check_unused(id int8) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    seen oid[] := '{}';
    one oid;
    found text[] := '{}';
    total int8 := 0;
    use record;
BEGIN
    LOOP
        one := NULL;
        SELECT t INTO one FROM listguard._sealed_tables(seen) t LIMIT 1;
        EXIT WHEN one IS NULL;
        seen := seen || one;
        FOR use IN SELECT u.* FROM listguard._key_uses(one, _check_unused.id) u
        LOOP
            found := found || format('%s.%I: %s', one::regclass, use."column", use.uses);
            total := total + use.uses;
        END LOOP;
    END LOOP;
    IF total > 0 THEN
        RAISE EXCEPTION 'key % is used by % values', _check_unused.id, total USING ERRCODE = 'object_in_use',
            DETAIL = array_to_string(found[1:20], ', ') || '.',
            HINT = 'CALL listguard.reseal() brings the values of a protected table under the current keys.';
    END IF;
END
$$;
COMMENT ON FUNCTION listguard._check_unused(int8) IS
    'error if any sealed column of the database has values under a key; keeps writers away from all of them';

CREATE FUNCTION listguard.drop_key(id int8) RETURNS TABLE (unseen text, name text)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
#variable_conflict use_column
DECLARE
    key listguard.key;
    others text;
    running int;
BEGIN
    SELECT * INTO key FROM listguard.key k WHERE k.key_id = drop_key.id FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'key % does not exist', coalesce(drop_key.id::text, 'null') USING ERRCODE = 'undefined_object';
    END IF;
    IF EXISTS (SELECT FROM listguard.list l WHERE l.key_id = drop_key.id) THEN
        RAISE EXCEPTION 'key % is the current key of a list', drop_key.id USING ERRCODE = 'object_in_use',
            HINT = 'Give the list another one with listguard.rotate_list_key().';
    END IF;
    SELECT string_agg(c.oid::regclass::text, ', ') INTO others FROM pg_class c
    WHERE c.relpersistence = 't' AND c.relnamespace <> pg_my_temp_schema() AND c.oid IN (SELECT listguard._sealed_tables('{}'));
    IF others IS NOT NULL THEN
        RAISE EXCEPTION 'temporary tables of other sessions may use key %', drop_key.id USING ERRCODE = 'object_in_use',
            DETAIL = others || '.', HINT = 'They go when their sessions end.';
    END IF;
    IF EXISTS (SELECT FROM pg_prepared_xacts x WHERE x.database = current_database()) THEN
        RAISE EXCEPTION 'prepared transactions may use key %', drop_key.id USING ERRCODE = 'object_in_use';
    END IF;
    -- What runs now may store a value of before, or see one: once it has ended, nobody can, unless the look through the
    -- tables finds it.  Waited for before writers are kept away, so that nobody waits for us meanwhile.
    running := listguard._wait_for_others(10000);
    IF running > 0 THEN
        RAISE EXCEPTION '% transactions that may use key % have not ended', running, drop_key.id USING ERRCODE = 'object_in_use',
            HINT = 'View pg_stat_activity shows them. Try again when they have ended.';
    END IF;
    PERFORM listguard._check_unused(drop_key.id);
    DELETE FROM listguard.key k WHERE k.key_id = drop_key.id;
    PERFORM listguard._event('key', NULL, jsonb_build_object('drop', drop_key.id, 'list', key.list_no));
    RETURN QUERY SELECT u.* FROM listguard._unseen_values() u;
END
$$;
COMMENT ON FUNCTION listguard.drop_key(int8) IS
    'deletes a retired key after looking through every sealed column of the database; returns what it could not look into';
GRANT EXECUTE ON FUNCTION listguard.drop_key(int8) TO listguard_admin;
