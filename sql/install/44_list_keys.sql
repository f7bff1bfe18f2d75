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
