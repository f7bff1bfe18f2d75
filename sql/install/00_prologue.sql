-- complain if the script is sourced in psql rather than by CREATE EXTENSION
\echo Use "CREATE EXTENSION listguard CASCADE" to load this file. \quit

REVOKE ALL ON SCHEMA listguard FROM PUBLIC;
GRANT USAGE ON SCHEMA listguard TO PUBLIC;

DO $roles$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) 'listguard_admin') THEN
        CREATE ROLE listguard_admin NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname OPERATOR(pg_catalog.=) 'listguard_auditor') THEN
        CREATE ROLE listguard_auditor NOLOGIN;
    END IF;
END
$roles$;

CREATE FUNCTION listguard.guard() RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_guard'
    LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE LEAKPROOF;
COMMENT ON FUNCTION listguard.guard() IS
    'true while listguard is preloaded, else an error; part of every policy that listguard writes';
