-- Nothing is executable by PUBLIC but what an application role needs; this file is the only place that says so.

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA listguard FROM PUBLIC;
GRANT EXECUTE ON FUNCTION listguard.guard() TO PUBLIC;
