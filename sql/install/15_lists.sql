-- Many lists: what the policies of a role with more than a few of them call, and an index for making them.

CREATE INDEX key_list ON listguard.key (list_no);

CREATE FUNCTION listguard._listed_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'listguard_listed_support' LANGUAGE C STRICT;
COMMENT ON FUNCTION listguard._listed_support(internal) IS 'planner support: the part of a table that listed() lets through';

CREATE FUNCTION listguard.listed(list text, table_number int4, role text, privilege text, using_expr text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_listed_text' LANGUAGE C STABLE STRICT LEAKPROOF PARALLEL SAFE SUPPORT listguard._listed_support;
CREATE FUNCTION listguard.listed(list int4, table_number int4, role text, privilege text, using_expr text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_listed_int4' LANGUAGE C STABLE STRICT LEAKPROOF PARALLEL SAFE SUPPORT listguard._listed_support;
CREATE FUNCTION listguard.listed(list int8, table_number int4, role text, privilege text, using_expr text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_listed_int8' LANGUAGE C STABLE STRICT LEAKPROOF PARALLEL SAFE SUPPORT listguard._listed_support;
CREATE FUNCTION listguard.listed(list uuid, table_number int4, role text, privilege text, using_expr text) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_listed_uuid' LANGUAGE C STABLE STRICT LEAKPROOF PARALLEL SAFE SUPPORT listguard._listed_support;
COMMENT ON FUNCTION listguard.listed(text, int4, text, text, text) IS
    'in policies: does the role hold the privilege on this list of the table with that number?';
COMMENT ON FUNCTION listguard.listed(int4, int4, text, text, text) IS 'in policies: the same where the list column is integer';
COMMENT ON FUNCTION listguard.listed(int8, int4, text, text, text) IS 'in policies: the same where the list column is bigint';
COMMENT ON FUNCTION listguard.listed(uuid, int4, text, text, text) IS 'in policies: the same where the list column is uuid';
