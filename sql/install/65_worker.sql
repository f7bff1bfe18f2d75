-- The drain.  For listguard's own tests and for prepare_upgrade(); nobody but a superuser may call it.

CREATE FUNCTION listguard._drain() RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_drain'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._drain() IS
    'waits until all that is on record in the spool for this database is in listguard.audit';
REVOKE ALL ON FUNCTION listguard._drain() FROM PUBLIC;
