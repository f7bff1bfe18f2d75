-- What a restore needs beside the registry's own tables.

-- ENABLE TRIGGER, which pg_dump --disable-triggers writes after the rows, makes a trigger that fired always fire at the origin only.
CREATE FUNCTION listguard._keep_always(relation oid) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT g.tgrelid, g.tgname FROM pg_trigger g JOIN pg_proc p ON p.oid = g.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE g.tgrelid IN (SELECT listguard._members(relation)) AND n.nspname = 'listguard' AND g.tgenabled IN ('O', 'R')
    LOOP
        PERFORM listguard._internal(format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %I', t.tgrelid::regclass, t.tgname));
    END LOOP;
    -- rows of the registry may have come while its trigger was off
    UPDATE listguard.protected_table p SET mode = p.mode WHERE false;
END
$$;
COMMENT ON FUNCTION listguard._keep_always(oid) IS
    'after ENABLE TRIGGER on a table: listguard''s triggers fire always again';
