-- The sealed types.  Input and output depend on keys and grants: STABLE, and RESTRICTED, as parallel workers carry no
-- meter.  Comparison and hashing see nothing but tokens: IMMUTABLE and LEAKPROOF, so that an index serves them under
-- row security.  = and <> lie in pg_catalog: an application finds them whatever its search_path is, and its SQL stays
-- as it was; the order, which means nothing, is not put into anybody's way.

CREATE FUNCTION listguard.sealed_typmod_in(cstring[]) RETURNS integer
    AS 'MODULE_PATHNAME', 'listguard_sealed_typmod_in' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_typmod_out(integer) RETURNS cstring
    AS 'MODULE_PATHNAME', 'listguard_sealed_typmod_out' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_analyze(internal) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_analyze' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_sortsupport(internal) RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_sealed_sortsupport' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_equalimage(oid) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_equalimage' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- sealed_email

CREATE TYPE listguard.sealed_email;
CREATE FUNCTION listguard.sealed_email_in(cstring, oid, integer) RETURNS listguard.sealed_email
    AS 'MODULE_PATHNAME', 'listguard_email_in' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_email_out(listguard.sealed_email) RETURNS cstring
    AS 'MODULE_PATHNAME', 'listguard_sealed_out' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_email_recv(internal, oid, integer) RETURNS listguard.sealed_email
    AS 'MODULE_PATHNAME', 'listguard_email_recv' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_email_send(listguard.sealed_email) RETURNS bytea
    AS 'MODULE_PATHNAME', 'listguard_sealed_send' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE TYPE listguard.sealed_email (
    INPUT = listguard.sealed_email_in, OUTPUT = listguard.sealed_email_out,
    RECEIVE = listguard.sealed_email_recv, SEND = listguard.sealed_email_send,
    TYPMOD_IN = listguard.sealed_typmod_in, TYPMOD_OUT = listguard.sealed_typmod_out,
    ANALYZE = listguard.sealed_analyze,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = external
);
COMMENT ON TYPE listguard.sealed_email IS
    'mail address: case-insensitive and Unicode-normalised equality, encrypted';

CREATE FUNCTION listguard.sealed_email_from_text(text, integer, boolean) RETURNS listguard.sealed_email
    AS 'MODULE_PATHNAME', 'listguard_email_from_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_email_from_varchar(varchar, integer, boolean) RETURNS listguard.sealed_email
    AS 'MODULE_PATHNAME', 'listguard_email_from_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_email_from_bpchar(char, integer, boolean) RETURNS listguard.sealed_email
    AS 'MODULE_PATHNAME', 'listguard_email_from_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_email_coerce(listguard.sealed_email, integer, boolean) RETURNS listguard.sealed_email
    AS 'MODULE_PATHNAME', 'listguard_sealed_coerce' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_email_to_text(listguard.sealed_email) RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_sealed_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_email_to_varchar(listguard.sealed_email) RETURNS varchar
    AS 'MODULE_PATHNAME', 'listguard_sealed_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_email_to_bpchar(listguard.sealed_email) RETURNS char
    AS 'MODULE_PATHNAME', 'listguard_sealed_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE CAST (text AS listguard.sealed_email) WITH FUNCTION listguard.sealed_email_from_text(text, integer, boolean) AS IMPLICIT;
CREATE CAST (varchar AS listguard.sealed_email) WITH FUNCTION listguard.sealed_email_from_varchar(varchar, integer, boolean) AS IMPLICIT;
CREATE CAST (char AS listguard.sealed_email) WITH FUNCTION listguard.sealed_email_from_bpchar(char, integer, boolean) AS IMPLICIT;
CREATE CAST (listguard.sealed_email AS listguard.sealed_email) WITH FUNCTION listguard.sealed_email_coerce(listguard.sealed_email, integer, boolean) AS IMPLICIT;
CREATE CAST (listguard.sealed_email AS text) WITH FUNCTION listguard.sealed_email_to_text(listguard.sealed_email);
CREATE CAST (listguard.sealed_email AS varchar) WITH FUNCTION listguard.sealed_email_to_varchar(listguard.sealed_email);
CREATE CAST (listguard.sealed_email AS char) WITH FUNCTION listguard.sealed_email_to_bpchar(listguard.sealed_email);

CREATE FUNCTION listguard._seal(text, integer) RETURNS listguard.sealed_email
    AS 'MODULE_PATHNAME', 'listguard_seal_email' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION listguard._seal(text, integer) IS
    'for protect: seals a text under the list of this number';
CREATE FUNCTION listguard._seal(listguard.sealed_email, integer) RETURNS listguard.sealed_email
    AS 'MODULE_PATHNAME', 'listguard_sealed_reseal' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION listguard._seal(listguard.sealed_email, integer) IS
    'for protect: seals a value anew under the list of this number';
CREATE FUNCTION listguard._set_domain(listguard.sealed_email, boolean) RETURNS listguard.sealed_email
    AS 'MODULE_PATHNAME', 'listguard_set_domain' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION listguard._set_domain(listguard.sealed_email, boolean) IS
    'for protect: the same value with the token of its domain, or without';
CREATE FUNCTION listguard.domain(listguard.sealed_email) RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_email_domain' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION listguard.domain(listguard.sealed_email) IS
    'domain of an address in lower-case A-labels; needs the privilege domain, is no reveal';

CREATE FUNCTION listguard.sealed_email_eq(listguard.sealed_email, listguard.sealed_email) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_eq' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_email_ne(listguard.sealed_email, listguard.sealed_email) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_ne' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_email_lt(listguard.sealed_email, listguard.sealed_email) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_lt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_email_le(listguard.sealed_email, listguard.sealed_email) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_le' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_email_gt(listguard.sealed_email, listguard.sealed_email) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_gt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_email_ge(listguard.sealed_email, listguard.sealed_email) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_ge' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_email_cmp(listguard.sealed_email, listguard.sealed_email) RETURNS integer
    AS 'MODULE_PATHNAME', 'listguard_sealed_cmp' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_email_hash(listguard.sealed_email) RETURNS integer
    AS 'MODULE_PATHNAME', 'listguard_sealed_hash' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_email_hash_extended(listguard.sealed_email, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'listguard_sealed_hash_extended' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE OPERATOR pg_catalog.= (
    FUNCTION = listguard.sealed_email_eq, LEFTARG = listguard.sealed_email, RIGHTARG = listguard.sealed_email,
    COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
CREATE OPERATOR pg_catalog.<> (
    FUNCTION = listguard.sealed_email_ne, LEFTARG = listguard.sealed_email, RIGHTARG = listguard.sealed_email,
    COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=), RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR listguard.< (
    FUNCTION = listguard.sealed_email_lt, LEFTARG = listguard.sealed_email, RIGHTARG = listguard.sealed_email,
    COMMUTATOR = OPERATOR(listguard.>), NEGATOR = OPERATOR(listguard.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
CREATE OPERATOR listguard.<= (
    FUNCTION = listguard.sealed_email_le, LEFTARG = listguard.sealed_email, RIGHTARG = listguard.sealed_email,
    COMMUTATOR = OPERATOR(listguard.>=), NEGATOR = OPERATOR(listguard.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
CREATE OPERATOR listguard.> (
    FUNCTION = listguard.sealed_email_gt, LEFTARG = listguard.sealed_email, RIGHTARG = listguard.sealed_email,
    COMMUTATOR = OPERATOR(listguard.<), NEGATOR = OPERATOR(listguard.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
CREATE OPERATOR listguard.>= (
    FUNCTION = listguard.sealed_email_ge, LEFTARG = listguard.sealed_email, RIGHTARG = listguard.sealed_email,
    COMMUTATOR = OPERATOR(listguard.<=), NEGATOR = OPERATOR(listguard.<), RESTRICT = scalargesel, JOIN = scalargejoinsel
);
CREATE OPERATOR CLASS listguard.sealed_email_ops DEFAULT FOR TYPE listguard.sealed_email USING btree AS
    OPERATOR 1 listguard.<, OPERATOR 2 listguard.<=, OPERATOR 3 pg_catalog.=,
    OPERATOR 4 listguard.>=, OPERATOR 5 listguard.>,
    FUNCTION 1 listguard.sealed_email_cmp(listguard.sealed_email, listguard.sealed_email),
    FUNCTION 2 listguard.sealed_sortsupport(internal),
    FUNCTION 4 listguard.sealed_equalimage(oid);
CREATE OPERATOR CLASS listguard.sealed_email_ops DEFAULT FOR TYPE listguard.sealed_email USING hash AS
    OPERATOR 1 pg_catalog.=,
    FUNCTION 1 listguard.sealed_email_hash(listguard.sealed_email),
    FUNCTION 2 listguard.sealed_email_hash_extended(listguard.sealed_email, bigint);

-- sealed_lookup

CREATE TYPE listguard.sealed_lookup;
CREATE FUNCTION listguard.sealed_lookup_in(cstring, oid, integer) RETURNS listguard.sealed_lookup
    AS 'MODULE_PATHNAME', 'listguard_lookup_in' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_lookup_out(listguard.sealed_lookup) RETURNS cstring
    AS 'MODULE_PATHNAME', 'listguard_sealed_out' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_lookup_recv(internal, oid, integer) RETURNS listguard.sealed_lookup
    AS 'MODULE_PATHNAME', 'listguard_lookup_recv' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_lookup_send(listguard.sealed_lookup) RETURNS bytea
    AS 'MODULE_PATHNAME', 'listguard_sealed_send' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE TYPE listguard.sealed_lookup (
    INPUT = listguard.sealed_lookup_in, OUTPUT = listguard.sealed_lookup_out,
    RECEIVE = listguard.sealed_lookup_recv, SEND = listguard.sealed_lookup_send,
    TYPMOD_IN = listguard.sealed_typmod_in, TYPMOD_OUT = listguard.sealed_typmod_out,
    ANALYZE = listguard.sealed_analyze,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = external
);
COMMENT ON TYPE listguard.sealed_lookup IS
    'text that must be found, such as a telephone number: case-insensitive equality, encrypted';

CREATE FUNCTION listguard.sealed_lookup_from_text(text, integer, boolean) RETURNS listguard.sealed_lookup
    AS 'MODULE_PATHNAME', 'listguard_lookup_from_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_lookup_from_varchar(varchar, integer, boolean) RETURNS listguard.sealed_lookup
    AS 'MODULE_PATHNAME', 'listguard_lookup_from_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_lookup_from_bpchar(char, integer, boolean) RETURNS listguard.sealed_lookup
    AS 'MODULE_PATHNAME', 'listguard_lookup_from_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_lookup_coerce(listguard.sealed_lookup, integer, boolean) RETURNS listguard.sealed_lookup
    AS 'MODULE_PATHNAME', 'listguard_sealed_coerce' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_lookup_to_text(listguard.sealed_lookup) RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_sealed_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_lookup_to_varchar(listguard.sealed_lookup) RETURNS varchar
    AS 'MODULE_PATHNAME', 'listguard_sealed_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_lookup_to_bpchar(listguard.sealed_lookup) RETURNS char
    AS 'MODULE_PATHNAME', 'listguard_sealed_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE CAST (text AS listguard.sealed_lookup) WITH FUNCTION listguard.sealed_lookup_from_text(text, integer, boolean) AS IMPLICIT;
CREATE CAST (varchar AS listguard.sealed_lookup) WITH FUNCTION listguard.sealed_lookup_from_varchar(varchar, integer, boolean) AS IMPLICIT;
CREATE CAST (char AS listguard.sealed_lookup) WITH FUNCTION listguard.sealed_lookup_from_bpchar(char, integer, boolean) AS IMPLICIT;
CREATE CAST (listguard.sealed_lookup AS listguard.sealed_lookup) WITH FUNCTION listguard.sealed_lookup_coerce(listguard.sealed_lookup, integer, boolean) AS IMPLICIT;
CREATE CAST (listguard.sealed_lookup AS text) WITH FUNCTION listguard.sealed_lookup_to_text(listguard.sealed_lookup);
CREATE CAST (listguard.sealed_lookup AS varchar) WITH FUNCTION listguard.sealed_lookup_to_varchar(listguard.sealed_lookup);
CREATE CAST (listguard.sealed_lookup AS char) WITH FUNCTION listguard.sealed_lookup_to_bpchar(listguard.sealed_lookup);

CREATE FUNCTION listguard._seal_lookup(text, integer) RETURNS listguard.sealed_lookup
    AS 'MODULE_PATHNAME', 'listguard_seal_lookup' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION listguard._seal_lookup(text, integer) IS
    'for protect: seals a text under the list of this number';
CREATE FUNCTION listguard._seal_lookup(listguard.sealed_lookup, integer) RETURNS listguard.sealed_lookup
    AS 'MODULE_PATHNAME', 'listguard_sealed_reseal' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION listguard._seal_lookup(listguard.sealed_lookup, integer) IS
    'for protect: seals a value anew under the list of this number';

CREATE FUNCTION listguard.sealed_lookup_eq(listguard.sealed_lookup, listguard.sealed_lookup) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_eq' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_lookup_ne(listguard.sealed_lookup, listguard.sealed_lookup) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_ne' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_lookup_lt(listguard.sealed_lookup, listguard.sealed_lookup) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_lt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_lookup_le(listguard.sealed_lookup, listguard.sealed_lookup) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_le' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_lookup_gt(listguard.sealed_lookup, listguard.sealed_lookup) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_gt' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_lookup_ge(listguard.sealed_lookup, listguard.sealed_lookup) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_sealed_ge' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_lookup_cmp(listguard.sealed_lookup, listguard.sealed_lookup) RETURNS integer
    AS 'MODULE_PATHNAME', 'listguard_sealed_cmp' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_lookup_hash(listguard.sealed_lookup) RETURNS integer
    AS 'MODULE_PATHNAME', 'listguard_sealed_hash' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION listguard.sealed_lookup_hash_extended(listguard.sealed_lookup, bigint) RETURNS bigint
    AS 'MODULE_PATHNAME', 'listguard_sealed_hash_extended' LANGUAGE C IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE OPERATOR pg_catalog.= (
    FUNCTION = listguard.sealed_lookup_eq, LEFTARG = listguard.sealed_lookup, RIGHTARG = listguard.sealed_lookup,
    COMMUTATOR = OPERATOR(pg_catalog.=), NEGATOR = OPERATOR(pg_catalog.<>), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES
);
CREATE OPERATOR pg_catalog.<> (
    FUNCTION = listguard.sealed_lookup_ne, LEFTARG = listguard.sealed_lookup, RIGHTARG = listguard.sealed_lookup,
    COMMUTATOR = OPERATOR(pg_catalog.<>), NEGATOR = OPERATOR(pg_catalog.=), RESTRICT = neqsel, JOIN = neqjoinsel
);
CREATE OPERATOR listguard.< (
    FUNCTION = listguard.sealed_lookup_lt, LEFTARG = listguard.sealed_lookup, RIGHTARG = listguard.sealed_lookup,
    COMMUTATOR = OPERATOR(listguard.>), NEGATOR = OPERATOR(listguard.>=), RESTRICT = scalarltsel, JOIN = scalarltjoinsel
);
CREATE OPERATOR listguard.<= (
    FUNCTION = listguard.sealed_lookup_le, LEFTARG = listguard.sealed_lookup, RIGHTARG = listguard.sealed_lookup,
    COMMUTATOR = OPERATOR(listguard.>=), NEGATOR = OPERATOR(listguard.>), RESTRICT = scalarlesel, JOIN = scalarlejoinsel
);
CREATE OPERATOR listguard.> (
    FUNCTION = listguard.sealed_lookup_gt, LEFTARG = listguard.sealed_lookup, RIGHTARG = listguard.sealed_lookup,
    COMMUTATOR = OPERATOR(listguard.<), NEGATOR = OPERATOR(listguard.<=), RESTRICT = scalargtsel, JOIN = scalargtjoinsel
);
CREATE OPERATOR listguard.>= (
    FUNCTION = listguard.sealed_lookup_ge, LEFTARG = listguard.sealed_lookup, RIGHTARG = listguard.sealed_lookup,
    COMMUTATOR = OPERATOR(listguard.<=), NEGATOR = OPERATOR(listguard.<), RESTRICT = scalargesel, JOIN = scalargejoinsel
);
CREATE OPERATOR CLASS listguard.sealed_lookup_ops DEFAULT FOR TYPE listguard.sealed_lookup USING btree AS
    OPERATOR 1 listguard.<, OPERATOR 2 listguard.<=, OPERATOR 3 pg_catalog.=,
    OPERATOR 4 listguard.>=, OPERATOR 5 listguard.>,
    FUNCTION 1 listguard.sealed_lookup_cmp(listguard.sealed_lookup, listguard.sealed_lookup),
    FUNCTION 2 listguard.sealed_sortsupport(internal),
    FUNCTION 4 listguard.sealed_equalimage(oid);
CREATE OPERATOR CLASS listguard.sealed_lookup_ops DEFAULT FOR TYPE listguard.sealed_lookup USING hash AS
    OPERATOR 1 pg_catalog.=,
    FUNCTION 1 listguard.sealed_lookup_hash(listguard.sealed_lookup),
    FUNCTION 2 listguard.sealed_lookup_hash_extended(listguard.sealed_lookup, bigint);

-- sealed_text

CREATE TYPE listguard.sealed_text;
CREATE FUNCTION listguard.sealed_text_in(cstring, oid, integer) RETURNS listguard.sealed_text
    AS 'MODULE_PATHNAME', 'listguard_text_in' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_text_out(listguard.sealed_text) RETURNS cstring
    AS 'MODULE_PATHNAME', 'listguard_sealed_out' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_text_recv(internal, oid, integer) RETURNS listguard.sealed_text
    AS 'MODULE_PATHNAME', 'listguard_text_recv' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_text_send(listguard.sealed_text) RETURNS bytea
    AS 'MODULE_PATHNAME', 'listguard_sealed_send' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE TYPE listguard.sealed_text (
    INPUT = listguard.sealed_text_in, OUTPUT = listguard.sealed_text_out,
    RECEIVE = listguard.sealed_text_recv, SEND = listguard.sealed_text_send,
    TYPMOD_IN = listguard.sealed_typmod_in, TYPMOD_OUT = listguard.sealed_typmod_out,
    ANALYZE = listguard.sealed_analyze,
    INTERNALLENGTH = VARIABLE, ALIGNMENT = int4, STORAGE = external
);
COMMENT ON TYPE listguard.sealed_text IS
    'other text, encrypted; it cannot be compared';

CREATE FUNCTION listguard.sealed_text_from_text(text, integer, boolean) RETURNS listguard.sealed_text
    AS 'MODULE_PATHNAME', 'listguard_text_from_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_text_from_varchar(varchar, integer, boolean) RETURNS listguard.sealed_text
    AS 'MODULE_PATHNAME', 'listguard_text_from_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_text_from_bpchar(char, integer, boolean) RETURNS listguard.sealed_text
    AS 'MODULE_PATHNAME', 'listguard_text_from_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_text_coerce(listguard.sealed_text, integer, boolean) RETURNS listguard.sealed_text
    AS 'MODULE_PATHNAME', 'listguard_sealed_coerce' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_text_to_text(listguard.sealed_text) RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_sealed_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_text_to_varchar(listguard.sealed_text) RETURNS varchar
    AS 'MODULE_PATHNAME', 'listguard_sealed_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION listguard.sealed_text_to_bpchar(listguard.sealed_text) RETURNS char
    AS 'MODULE_PATHNAME', 'listguard_sealed_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
CREATE CAST (text AS listguard.sealed_text) WITH FUNCTION listguard.sealed_text_from_text(text, integer, boolean) AS IMPLICIT;
CREATE CAST (varchar AS listguard.sealed_text) WITH FUNCTION listguard.sealed_text_from_varchar(varchar, integer, boolean) AS IMPLICIT;
CREATE CAST (char AS listguard.sealed_text) WITH FUNCTION listguard.sealed_text_from_bpchar(char, integer, boolean) AS IMPLICIT;
CREATE CAST (listguard.sealed_text AS listguard.sealed_text) WITH FUNCTION listguard.sealed_text_coerce(listguard.sealed_text, integer, boolean) AS IMPLICIT;
CREATE CAST (listguard.sealed_text AS text) WITH FUNCTION listguard.sealed_text_to_text(listguard.sealed_text);
CREATE CAST (listguard.sealed_text AS varchar) WITH FUNCTION listguard.sealed_text_to_varchar(listguard.sealed_text);
CREATE CAST (listguard.sealed_text AS char) WITH FUNCTION listguard.sealed_text_to_bpchar(listguard.sealed_text);

CREATE FUNCTION listguard._seal_text(text, integer) RETURNS listguard.sealed_text
    AS 'MODULE_PATHNAME', 'listguard_seal_text' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION listguard._seal_text(text, integer) IS
    'for protect: seals a text under the list of this number';
CREATE FUNCTION listguard._seal_text(listguard.sealed_text, integer) RETURNS listguard.sealed_text
    AS 'MODULE_PATHNAME', 'listguard_sealed_reseal' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION listguard._seal_text(listguard.sealed_text, integer) IS
    'for protect: seals a value anew under the list of this number';

-- Every sealed value of a protected table lies under its row's list.

CREATE FUNCTION listguard.seal_row() RETURNS trigger
    AS 'MODULE_PATHNAME', 'listguard_seal_row' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION listguard.seal_row() IS
    'trigger: seals each value of a row under the row''s list';
