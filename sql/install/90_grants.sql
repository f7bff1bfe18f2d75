-- Nothing is executable by PUBLIC but what an application role needs; this file is the only place that says so.

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA listguard FROM PUBLIC;
GRANT EXECUTE ON FUNCTION listguard.guard() TO PUBLIC;
GRANT EXECUTE ON FUNCTION listguard._tick(internal), listguard._copy_rows(anyelement) TO PUBLIC;
GRANT SELECT ON listguard.session_meter, listguard.role_meter TO PUBLIC;
