-- The root key through time: two roots during a rotation, several databases, keys carried between them.

CREATE FUNCTION listguard.rotate_root_key() RETURNS bigint
    AS 'MODULE_PATHNAME', 'listguard_rotate_root_key'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard.rotate_root_key() IS
    'wraps every key of this database that is under another root key under the current one; returns how many';

CREATE FUNCTION listguard.root_key_usage(
    OUT database name, OUT root_id text, OUT which text, OUT index_keys bigint, OUT list_keys bigint)
    RETURNS SETOF record
    AS 'MODULE_PATHNAME', 'listguard_root_key_usage'
    LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard.root_key_usage() IS
    'for every database of the server that holds listguard: which root keys its keys need, and whether that is the current one, the old one or absent';

REVOKE ALL ON FUNCTION listguard.rotate_root_key(), listguard.root_key_usage() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION listguard.rotate_root_key(), listguard.root_key_usage() TO listguard_admin;
