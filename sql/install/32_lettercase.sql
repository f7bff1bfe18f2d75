-- lower() and upper() of a sealed column, in comparisons: dropped when the comparison is planned, as equality ignores
-- case.  In pg_catalog, where an application's SQL finds them; volatile, so that nothing computes them early.

CREATE FUNCTION listguard._compare_support(internal) RETURNS internal
    AS 'MODULE_PATHNAME', 'listguard_sealed_compare_support' LANGUAGE C STRICT;
COMMENT ON FUNCTION listguard._compare_support(internal) IS 'planner support of = and <>: drops lower() and upper()';

CREATE FUNCTION pg_catalog.lower(listguard.sealed_email) RETURNS listguard.sealed_email
    AS 'MODULE_PATHNAME', 'listguard_sealed_lettercase' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
CREATE FUNCTION pg_catalog.upper(listguard.sealed_email) RETURNS listguard.sealed_email
    AS 'MODULE_PATHNAME', 'listguard_sealed_lettercase' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
CREATE FUNCTION pg_catalog.lower(listguard.sealed_lookup) RETURNS listguard.sealed_lookup
    AS 'MODULE_PATHNAME', 'listguard_sealed_lettercase' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
CREATE FUNCTION pg_catalog.upper(listguard.sealed_lookup) RETURNS listguard.sealed_lookup
    AS 'MODULE_PATHNAME', 'listguard_sealed_lettercase' LANGUAGE C VOLATILE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION pg_catalog.lower(listguard.sealed_email) IS 'in a comparison: the value itself; elsewhere an error';
COMMENT ON FUNCTION pg_catalog.upper(listguard.sealed_email) IS 'in a comparison: the value itself; elsewhere an error';
COMMENT ON FUNCTION pg_catalog.lower(listguard.sealed_lookup) IS 'in a comparison: the value itself; elsewhere an error';
COMMENT ON FUNCTION pg_catalog.upper(listguard.sealed_lookup) IS 'in a comparison: the value itself; elsewhere an error';

ALTER FUNCTION listguard.sealed_email_eq(listguard.sealed_email, listguard.sealed_email) SUPPORT listguard._compare_support;
ALTER FUNCTION listguard.sealed_email_ne(listguard.sealed_email, listguard.sealed_email) SUPPORT listguard._compare_support;
ALTER FUNCTION listguard.sealed_lookup_eq(listguard.sealed_lookup, listguard.sealed_lookup) SUPPORT listguard._compare_support;
ALTER FUNCTION listguard.sealed_lookup_ne(listguard.sealed_lookup, listguard.sealed_lookup) SUPPORT listguard._compare_support;
