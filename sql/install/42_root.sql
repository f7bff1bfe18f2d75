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

-- ---- keys between databases ----

CREATE FUNCTION listguard._current_root_id() RETURNS bytea
    AS 'MODULE_PATHNAME', 'listguard_current_root_id' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._current_root_id() IS 'id of the current root key';

CREATE FUNCTION listguard._rewrap_key(kind text, keyset bytea, list_no int4, id int8, wrapped bytea, root_id bytea) RETURNS bytea
    AS 'MODULE_PATHNAME', 'listguard_rewrap_key' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._rewrap_key(text, bytea, int4, int8, bytea, bytea) IS
    'a wrapped key, once a loaded root key has opened it, wrapped under the root key named';

CREATE FUNCTION listguard._same_key(kind text, keyset bytea, list_no int4, id int8, one bytea, other bytea) RETURNS boolean
    AS 'MODULE_PATHNAME', 'listguard_same_key' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._same_key(text, bytea, int4, int8, bytea, bytea) IS
    'whether two wrapped forms hold the same key';

CREATE FUNCTION listguard._seal_keys(lines text) RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_seal_keys' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._seal_keys(text) IS 'the lines of an export of keys, with their seal';

CREATE FUNCTION listguard._open_keys(export text) RETURNS text
    AS 'MODULE_PATHNAME', 'listguard_open_keys' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard._open_keys(text) IS 'the lines of an export of keys, once its seal is found right';

-- One statement reads all, so that each list has its key.  Names are hex digits of UTF-8: no line depends on what a
-- list is called.
CREATE FUNCTION listguard.export_keys() RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    root bytea := listguard._current_root_id();
    all_lines text;
    keys bigint;
BEGIN
    SELECT string_agg(l.line || E'\n', '' ORDER BY l.part, l.number), count(*) FILTER (WHERE l.part IN (4, 6))
    INTO all_lines, keys
    FROM listguard.keyset s CROSS JOIN LATERAL (
        SELECT 1 AS part, 0::bigint AS number, 'listguard-keys 1' AS line
        UNION ALL SELECT 2, 0, 'root ' || encode(root, 'hex')
        UNION ALL SELECT 3, 0, 'keyset ' || encode(s.id, 'hex')
        UNION ALL SELECT 4, i.epoch, concat_ws(' ', 'index', i.epoch,
                             encode(listguard._rewrap_key('index', s.id, 0, i.epoch, i.wrapped, root), 'hex'))
                  FROM listguard.index_key i
        UNION ALL SELECT 5, l.list_no, concat_ws(' ', 'list', l.list_no, l.key_id,
                             coalesce('=' || encode(convert_to(l.relation, 'UTF8'), 'hex'), '-'),
                             coalesce('=' || encode(convert_to(l.value, 'UTF8'), 'hex'), '-'))
                  FROM listguard.list l
        UNION ALL SELECT 6, k.key_id, concat_ws(' ', 'key', k.key_id, k.list_no,
                             coalesce(extract(epoch FROM k.retired)::bigint::text, '-'),
                             coalesce(encode(listguard._rewrap_key('list', s.id, k.list_no, k.key_id, k.wrapped, root), 'hex'), '-'))
                  FROM listguard.key k
    ) l;
    IF all_lines IS NULL THEN
        RAISE EXCEPTION 'this database has no keyset yet' USING ERRCODE = 'LG004',
            HINT = 'Protect a table first, with listguard.protect().';
    END IF;
    PERFORM listguard._event('key', NULL, jsonb_build_object('export', keys, 'root', encode(root, 'hex')));
    RETURN listguard._seal_keys(all_lines);
END
$$;
COMMENT ON FUNCTION listguard.export_keys() IS
    'keyset, index keys, lists and list keys of this database as a text for import_keys(), wrapped under the current root key';

CREATE FUNCTION listguard._import_conflict(what text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'this database has another % already', what USING ERRCODE = 'object_not_in_prerequisite_state',
        DETAIL = 'Nothing was imported.', HINT = 'The two databases have gone separate ways under one keyset: import into another database.';
END
$$;
COMMENT ON FUNCTION listguard._import_conflict(text) IS 'refuses an import of keys';

-- The keyset comes first and only once: what is here already is sealed under it.
CREATE FUNCTION listguard._import_keyset(keyset bytea) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    here bytea := (SELECT s.id FROM listguard.keyset s);
BEGIN
    IF here IS NULL THEN
        INSERT INTO listguard.keyset (id) VALUES (_import_keyset.keyset);
    ELSIF here <> _import_keyset.keyset THEN
        RAISE EXCEPTION 'this database has another keyset' USING ERRCODE = 'object_not_in_prerequisite_state',
            DETAIL = format('It has keyset %s; the export is of keyset %s.', encode(here, 'hex'), encode(_import_keyset.keyset, 'hex')),
            HINT = 'A database has one keyset. Import into a database in which nothing has been protected yet.';
    END IF;
END
$$;
COMMENT ON FUNCTION listguard._import_keyset(bytea) IS 'the keyset of an import of keys: new here, or the same';

CREATE FUNCTION listguard._import_index(keyset bytea, line text[], root bytea) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number int2 := line[2];
    fresh bytea := listguard._rewrap_key('index', _import_index.keyset, 0, number, decode(line[3], 'hex'), root);
    here bytea := (SELECT i.wrapped FROM listguard.index_key i WHERE i.epoch = number);
BEGIN
    IF here IS NULL THEN
        INSERT INTO listguard.index_key (epoch, wrapped) VALUES (number, fresh);
        RETURN 1;
    END IF;
    IF NOT listguard._same_key('index', _import_index.keyset, 0, number, here, fresh) THEN
        PERFORM listguard._import_conflict(format('index key %s', number));
    END IF;
    RETURN 0;
END
$$;
COMMENT ON FUNCTION listguard._import_index(bytea, text[], bytea) IS 'one index key of an import of keys';

-- A destroyed key stays destroyed, on either side: an import brings none back, and destroys none.
CREATE FUNCTION listguard._import_key(keyset bytea, line text[], root bytea) RETURNS int
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number int8 := line[2];
    list int4 := line[3];
    given bytea := decode(nullif(line[5], '-'), 'hex');
    fresh bytea := listguard._rewrap_key('list', _import_key.keyset, list, number, given, root);
    here listguard.key;
BEGIN
    SELECT * INTO here FROM listguard.key k WHERE k.key_id = number;
    IF here.key_id IS NULL THEN
        INSERT INTO listguard.key (key_id, list_no, wrapped, retired)
        VALUES (number, list, fresh, to_timestamp(nullif(line[4], '-')::bigint));
        RETURN 1;
    END IF;
    IF here.list_no <> list OR NOT coalesce(listguard._same_key('list', _import_key.keyset, list, number, here.wrapped, fresh), true) THEN
        PERFORM listguard._import_conflict(format('key %s', number));
    END IF;
    IF fresh IS NULL AND here.wrapped IS NOT NULL THEN
        RAISE WARNING 'key % of list % was destroyed where the export comes from, and is still here', number, list
            USING HINT = 'listguard.shred_list() destroys it here.';
    ELSIF fresh IS NOT NULL AND here.wrapped IS NULL THEN
        RAISE NOTICE 'key % of list % was destroyed here and stays so', number, list;
    END IF;
    RETURN 0;
END
$$;
COMMENT ON FUNCTION listguard._import_key(bytea, text[], bytea) IS 'one list key of an import of keys';

-- A list keeps its number, which its key and its values are bound to.  Where another list has its name here, it is
-- put under a name that no table has: nobody's grant reaches it.
CREATE FUNCTION listguard._import_list(line text[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    number int4 := line[2];
    name text := convert_from(decode(substr(nullif(line[4], '-'), 2), 'hex'), 'UTF8');
    list_value text := convert_from(decode(substr(nullif(line[5], '-'), 2), 'hex'), 'UTF8');
BEGIN
    IF EXISTS (SELECT FROM listguard.list l WHERE l.list_no = number) THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM listguard.list l WHERE l.relation IS NOT DISTINCT FROM name AND l.value IS NOT DISTINCT FROM list_value) THEN
        name := format('%s (imported %s)', coalesce(name, '-'), number);
        RAISE NOTICE 'list % is known as "%", since another list has its name here', number, name;
    END IF;
    INSERT INTO listguard.list (list_no, relation, value, key_id) VALUES (number, name, list_value, line[3]::int8);
END
$$;
COMMENT ON FUNCTION listguard._import_list(text[]) IS 'one list of an import of keys';

-- For protect: a table that is one list whose key came with an import has that list's number.
CREATE FUNCTION listguard._number_for(relation text) RETURNS int4
    LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT l.list_no FROM listguard.list l WHERE l.relation = _number_for.relation AND l.value IS NULL),
                    listguard._unused_list_number())
$$;
COMMENT ON FUNCTION listguard._number_for(text) IS 'the number that protect gives a table: of its imported list, or an unused one';

CREATE FUNCTION listguard.import_keys(keys text) RETURNS bigint
    LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    root bytea := listguard._current_root_id();
    lines text[] := string_to_array(rtrim(listguard._open_keys(import_keys.keys), E'\n'), E'\n');
    keyset bytea;
    line text[];
    imported bigint := 0;
BEGIN
    -- in the order of those who make keys and lists
    LOCK TABLE listguard.keyset, listguard.index_key, listguard.key, listguard.list IN SHARE ROW EXCLUSIVE MODE;
    FOR i IN 3 .. cardinality(lines) LOOP
        line := string_to_array(lines[i], ' ');
        CASE line[1]
            WHEN 'keyset' THEN
                keyset := decode(line[2], 'hex');
                PERFORM listguard._import_keyset(keyset);
            WHEN 'index' THEN imported := imported + listguard._import_index(keyset, line, root);
            WHEN 'key' THEN imported := imported + listguard._import_key(keyset, line, root);
            WHEN 'list' THEN PERFORM listguard._import_list(line);
        END CASE;
    END LOOP;
    PERFORM listguard._event('key', NULL, jsonb_build_object('import', imported, 'keyset', encode(keyset, 'hex')));
    RETURN imported;
END
$$;
COMMENT ON FUNCTION listguard.import_keys(text) IS
    'takes keys that export_keys() of a database with the same root key returned; returns how many are new here';

REVOKE ALL ON FUNCTION listguard.rotate_root_key(), listguard.root_key_usage(), listguard.export_keys(), listguard.import_keys(text)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION listguard.rotate_root_key(), listguard.root_key_usage(), listguard.export_keys(), listguard.import_keys(text)
    TO listguard_admin;
