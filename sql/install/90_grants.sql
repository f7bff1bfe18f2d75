-- Nothing is executable by PUBLIC but what an application role needs; this file is the only place that says so.

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA listguard FROM PUBLIC;
GRANT EXECUTE ON FUNCTION listguard.guard() TO PUBLIC;
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
