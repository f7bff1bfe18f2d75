-- Keys.  The functions ask for membership in listguard_admin themselves as well.

CREATE FUNCTION listguard.reload_root_key() RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_reload_root_key'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard.reload_root_key() IS
    'reads the root key again by listguard.root_key_file or listguard.root_key_command';

CREATE FUNCTION listguard.check_root_key(
    OUT kind text, OUT id bigint, OUT list_no integer, OUT root_id bytea, OUT opens boolean)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'listguard_check_root_key'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard.check_root_key() IS
    'one row for each wrapped key: which root key it needs, and whether a loaded one opens it (a destroyed key needs none)';

REVOKE ALL ON FUNCTION listguard.reload_root_key(), listguard.check_root_key() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION listguard.reload_root_key(), listguard.check_root_key() TO listguard_admin;
