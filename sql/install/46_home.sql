-- Where this database lives: one row, made with the keyset, or by the worker after a dump was restored.  No dump carries
-- it.  A database that finds itself at another place is a copy: it reveals nothing until it is adopted.

CREATE TABLE listguard.home (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    system text COLLATE "C" NOT NULL,
    database oid NOT NULL,
    node uuid NOT NULL,
    origin uuid NOT NULL DEFAULT gen_random_uuid(),
    since timestamptz NOT NULL DEFAULT now(),
    noticed text COLLATE "C"
);
COMMENT ON TABLE listguard.home IS
    'the place where this database reveals: system identifier, database, node; origin names its log, a new one for each copy';
COMMENT ON COLUMN listguard.home.noticed IS 'the place where it was found to be a copy; null: it is none';

CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON listguard.home
    FOR EACH STATEMENT EXECUTE FUNCTION listguard.registry_changed();
ALTER TABLE listguard.home ENABLE ALWAYS TRIGGER registry_changed;

CREATE FUNCTION listguard.adopt_database() RETURNS void
    AS 'MODULE_PATHNAME', 'listguard_adopt_database'
    LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION listguard.adopt_database() IS
    'binds a copied or upgraded database to the server it is on now: until then it reveals nothing';
REVOKE EXECUTE ON FUNCTION listguard.adopt_database() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION listguard.adopt_database() TO listguard_admin;
GRANT SELECT ON listguard.home TO listguard_admin, listguard_auditor;
