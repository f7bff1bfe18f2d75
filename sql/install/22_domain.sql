-- domain_columns of protect: addresses there carry a token of their domain.

-- A domain column is an address column, sealed already or about to be.
CREATE FUNCTION listguard._check_domain_columns(relation regclass, address_columns name[], domain_columns name[]) RETURNS void
    LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    col name;
    sealing text;
BEGIN
    FOREACH col IN ARRAY coalesce(domain_columns, '{}')
    LOOP
        PERFORM listguard._check_column(relation, col);
        SELECT listguard._sealing_of(a.atttypid) INTO sealing FROM pg_attribute a WHERE a.attrelid = relation AND a.attname = col;
        IF sealing IS NULL OR sealing <> 'sealed_email' AND NOT (sealing = 'text' AND col = ANY (address_columns)) THEN
            RAISE EXCEPTION 'column "%" is not a column of addresses', col
                USING ERRCODE = 'invalid_parameter_value', HINT = 'Name it in address_columns as well; only sealed_email has domains.';
        END IF;
    END LOOP;
END
$$;

-- Domain tokens for columns that are sealed already: their values are sealed anew, in one rewrite.
CREATE FUNCTION listguard._seal_domains(relation regclass, columns name[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    parts text[] := '{}';
    c record;
BEGIN
    FOR c IN
        SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type FROM pg_attribute a
        WHERE a.attrelid = relation AND a.attname = ANY (columns) ORDER BY a.attnum
    LOOP
        parts := parts || format('ALTER COLUMN %I TYPE %s USING listguard._set_domain(%1$I, true)', c.attname, c.type);
        RAISE NOTICE 'values of column "%" are sealed anew, with domain tokens', c.attname;
    END LOOP;
    IF parts <> '{}' THEN
        PERFORM listguard._as_owner(relation, format('ALTER TABLE %s %s', relation, array_to_string(parts, ', ')));
    END IF;
END
$$;

COMMENT ON FUNCTION listguard._check_domain_columns(regclass, name[], name[]) IS 'refuses domain columns that hold no addresses';
COMMENT ON FUNCTION listguard._seal_domains(regclass, name[]) IS 'adds domain tokens to columns that are sealed already';
