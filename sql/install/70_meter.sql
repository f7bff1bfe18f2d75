-- The meter: windows in shared memory, and the guard's own functions.

CREATE FUNCTION listguard._meter(
    OUT scope integer, OUT role oid, OUT pid integer, OUT started timestamptz, OUT relation oid,
    OUT used bigint, OUT max_rows bigint, OUT remaining bigint, OUT window_usec bigint)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'listguard_meter'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._meter() IS 'windows of this database; for the views session_meter and role_meter';

CREATE FUNCTION listguard._copy_rows(anyelement) RETURNS SETOF anyelement
    AS 'MODULE_PATHNAME', 'listguard_copy_rows'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._copy_rows(anyelement) IS 'rows of the COPY FROM that runs now; refuses anybody else';

CREATE FUNCTION listguard._tick(internal) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_tick'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._tick(internal) IS 'counts one examined row; cannot be called from SQL';

-- _meter shows a role its own session and roles, an administrator and an auditor all.
CREATE VIEW listguard.session_meter AS
    SELECT m.pid, m.started, m.relation::regclass AS relation, m.used, m.max_rows, m.remaining,
           make_interval(secs => m.window_usec / 1e6) AS per
    FROM listguard._meter() m
    WHERE m.scope = 0;
COMMENT ON VIEW listguard.session_meter IS 'list rows that sessions have read in their windows, and what is left';

CREATE VIEW listguard.role_meter AS
    SELECT CASE m.scope WHEN 1 THEN 'role' ELSE 'actor' END AS scope, m.role::regrole AS role,
           m.relation::regclass AS relation, m.used, m.max_rows, m.remaining,
           make_interval(secs => m.window_usec / 1e6) AS per
    FROM listguard._meter() m
    WHERE m.scope IN (1, 2);
COMMENT ON VIEW listguard.role_meter IS 'list rows that roles and actors have read in their windows, and what is left';
