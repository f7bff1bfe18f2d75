-- Nothing is executable by PUBLIC but what an application role needs; this file is the only place that says so.

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA listguard FROM PUBLIC;
GRANT EXECUTE ON FUNCTION listguard.guard(), listguard.listed(text, int4, text, text, text), listguard.listed(int4, int4, text, text, text),
    listguard.listed(int8, int4, text, text, text), listguard.listed(uuid, int4, text, text, text) TO PUBLIC;
GRANT EXECUTE ON FUNCTION
    listguard.ticket_audience(),
    listguard.request_export(regclass, text[], name[], bigint, text, text, timestamptz),
    listguard.present_ticket(text[])
    TO PUBLIC;
GRANT EXECUTE ON FUNCTION
    listguard.add_approver(text, text, text, timestamptz, name),
    listguard.revoke_approver(text),
    listguard.set_export_policy(regclass, integer, interval, bigint, interval)
    TO listguard_admin;

-- Part of protect's ALTER TABLE, which runs as the table's owner; refuses elsewhere.
GRANT EXECUTE ON FUNCTION listguard._list_number(oid, text) TO PUBLIC;
-- Part of unprotect's; refuses elsewhere, and values of other tables always.
GRANT EXECUTE ON FUNCTION listguard._open(listguard.sealed_email), listguard._open(listguard.sealed_lookup), listguard._open(listguard.sealed_text) TO PUBLIC;

-- The sealed types: what expressions of an application call.  _seal asks for protect or the worker itself; a
-- partition's maker needs seal_row, which refuses elsewhere.  Sorting and hashing inside the executor ask for no
-- privilege, but for IN with a long list; order and extended hash are nobody's business, as they tell tokens apart.
DO $types$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN
        SELECT p.oid FROM pg_catalog.pg_proc p
        WHERE p.pronamespace OPERATOR(pg_catalog.=) 'listguard'::pg_catalog.regnamespace
          AND (p.proname OPERATOR(pg_catalog.~) '^sealed_(email|lookup|text)_(from|to|coerce|eq$|ne$|hash$)' OR
               p.proname OPERATOR(pg_catalog.=) ANY ('{domain,_set_domain,seal_row,_seal,_seal_lookup,_seal_text}'))
    LOOP
        EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', f);
    END LOOP;
END
$types$;

-- The guard: called by plans of any role; _copy_rows refuses outside a COPY, _tick cannot be called from SQL.
GRANT EXECUTE ON FUNCTION listguard._meter(), listguard._tick(internal), listguard._copy_rows(anyelement) TO PUBLIC;
GRANT SELECT ON listguard.session_meter, listguard.role_meter TO PUBLIC;
