-- The audit.  Rows come from the worker (what the spool holds) and from the change triggers; nobody else writes, and
-- nobody changes or deletes.  Retention drops whole partitions.

CREATE TABLE listguard.audit (
    id uuid NOT NULL,
    at timestamptz NOT NULL,
    node uuid,
    seq int8,
    kind text NOT NULL CHECK (kind IN ('read', 'insert', 'update', 'delete', 'truncate', 'ticket', 'export', 'approver',
        'key', 'grant', 'limit', 'setting', 'ddl', 'session', 'seal', 'alarm')),
    outcome text NOT NULL CHECK (outcome IN ('ok', 'refused', 'aborted', 'unknown', 'alert')),
    relation text,
    lists int4[],
    login_role text,
    effective_role text,
    actor text,
    application_name text,
    client_addr text,
    pid int4,
    session_id text,
    xid xid8,
    statement text,
    query_id int8,
    statements int8 NOT NULL DEFAULT 1,
    rows int8,
    reveals int8,
    ticket text,
    sqlstate text,
    detail jsonb,
    PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE INDEX audit_seq ON listguard.audit (node, seq) WHERE node IS NOT NULL;
COMMENT ON TABLE listguard.audit IS 'events: what was read, changed, refused, granted; addresses only as keyed tokens';

-- Reads that have begun and not ended.
CREATE TABLE listguard.open_read (
    LIKE listguard.audit,
    boot int8 NOT NULL,
    session_start int8 NOT NULL,
    PRIMARY KEY (id)
);

-- How far each node's spool has been drained into this database: the next record to read and the last number taken.
CREATE TABLE listguard.drained (
    node uuid PRIMARY KEY,
    segment int8 NOT NULL,
    byte_offset int8 NOT NULL,
    seq int8 NOT NULL
);

CREATE FUNCTION listguard.audit_guard() RETURNS trigger
    AS 'MODULE_PATHNAME', 'listguard_audit_guard' LANGUAGE C;
COMMENT ON FUNCTION listguard.audit_guard() IS 'trigger: keeps everybody but listguard from writing to the audit';

CREATE FUNCTION listguard.audit_change() RETURNS trigger
    AS 'MODULE_PATHNAME', 'listguard_audit_change' LANGUAGE C;
COMMENT ON FUNCTION listguard.audit_change() IS 'statement trigger of protected tables: one event for each statement';

CREATE FUNCTION listguard._event(kind text, relation text, detail jsonb) RETURNS uuid
    AS 'MODULE_PATHNAME', 'listguard_event'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION listguard._audit_guard_on(relation regclass) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $body$
BEGIN
    EXECUTE format('CREATE TRIGGER audit_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION listguard.audit_guard()', relation);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_guard', relation);
END
$body$;

-- Makes the partition of the month of "moment" and those of this month and the next two; all are members of the
-- extension, so that no dump carries them.
CREATE FUNCTION listguard._audit_partitions(moment timestamptz DEFAULT now()) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $body$
DECLARE
    first timestamptz;
    part text;
BEGIN
    PERFORM pg_advisory_xact_lock('listguard.audit'::regclass::oid::int8);
    FOR first IN
        SELECT date_trunc('month', moment)
        UNION
        SELECT date_trunc('month', now()) + n * interval '1 month' FROM generate_series(0, 2) n
    LOOP
        part := 'audit_' || to_char(first, 'YYYYMM');
        CONTINUE WHEN to_regclass('listguard.' || part) IS NOT NULL;
        -- ATTACH waits for no writer of the audit, CREATE ... PARTITION OF for all of them.
        EXECUTE format('CREATE TABLE listguard.%I (LIKE listguard.audit INCLUDING ALL)', part);
        EXECUTE format('ALTER TABLE listguard.audit ATTACH PARTITION listguard.%I FOR VALUES FROM (%L) TO (%L)',
                       part, first, first + interval '1 month');
        PERFORM listguard._audit_guard_on(('listguard.' || part)::regclass);
        EXECUTE format('GRANT SELECT ON listguard.%I TO listguard_auditor', part);
        IF NOT EXISTS (SELECT FROM pg_depend
                       WHERE classid = 'pg_class'::regclass AND objid = ('listguard.' || part)::regclass AND deptype = 'e')
        THEN
            EXECUTE format('ALTER EXTENSION listguard ADD TABLE listguard.%I', part);
        END IF;
    END LOOP;
END
$body$;

DO $setup$
BEGIN
    PERFORM listguard._audit_guard_on('listguard.audit');
    PERFORM listguard._audit_guard_on('listguard.open_read');
    PERFORM listguard._audit_guard_on('listguard.drained');
    PERFORM listguard._audit_partitions();
END
$setup$;

CREATE VIEW listguard.reads AS
    SELECT * FROM listguard.audit WHERE kind = 'read' AND outcome <> 'refused';
CREATE VIEW listguard.refusals AS
    SELECT * FROM listguard.audit WHERE outcome = 'refused';
CREATE VIEW listguard.changes AS
    SELECT * FROM listguard.audit WHERE kind IN ('insert', 'update', 'delete', 'truncate');
CREATE VIEW listguard.exports AS
    SELECT * FROM listguard.audit WHERE kind IN ('ticket', 'export');
CREATE VIEW listguard.open_reads AS
    SELECT * FROM listguard.open_read;

GRANT SELECT ON listguard.audit, listguard.reads, listguard.refusals, listguard.changes, listguard.exports,
    listguard.open_reads TO listguard_auditor;
