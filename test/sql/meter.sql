-- What statements cost, and what happens above threshold and limits.
\set VERBOSITY terse
SET client_min_messages = warning;
SET intervalstyle = postgres;
CREATE EXTENSION IF NOT EXISTS listguard CASCADE;
CREATE ROLE meter_app;
CREATE TABLE meter_t (id int PRIMARY KEY, email text NOT NULL, name text, list_id text NOT NULL);
CREATE TABLE meter_quiet (id int PRIMARY KEY, email text NOT NULL);
INSERT INTO meter_t SELECT n, format('m%s@example.org', n), 'M' || n, 'l' || n % 2 FROM generate_series(1, 100) n;
INSERT INTO meter_quiet SELECT n, format('q%s@example.org', n) FROM generate_series(1, 100) n;
SELECT listguard.protect('meter_t', '{email}', list_column => 'list_id', bulk_threshold => 10);
SELECT listguard.protect('meter_quiet', '{email}', bulk_threshold => 10, mode => 'alert');
SELECT listguard.grant_access('meter_app', 'meter_t', '{view,reveal,insert,update,delete}');
SELECT listguard.grant_access('meter_app', 'meter_quiet', '{view,reveal}');
ANALYZE meter_t;
CREATE FUNCTION meter_used() RETURNS bigint LANGUAGE sql AS
    $$SELECT coalesce(max(used), 0)::bigint FROM listguard.session_meter WHERE pid = pg_backend_pid()$$;
SELECT meter_used() AS before \gset
SET SESSION AUTHORIZATION meter_app;
SELECT id, email FROM meter_t WHERE id <= 10 ORDER BY id;
SELECT meter_used() - :before AS used;
SELECT id FROM meter_t WHERE id <= 11;
SELECT count(*) FROM meter_t;
SELECT list_id, count(*), max(id) FROM meter_t GROUP BY 1 ORDER BY 1;
SELECT email FROM meter_t ORDER BY name DESC LIMIT 3;
SELECT string_agg(name, ',') FROM meter_t;
SELECT string_agg(name, ',' ORDER BY id) FROM meter_t WHERE id <= 3;
SELECT array_agg(id) FROM meter_t;
SELECT a.id FROM meter_t a JOIN meter_t b ON a.id = b.id WHERE a.id < 4 ORDER BY 1;
-- Rows that nobody but their own row sees cost one.
SELECT meter_used() AS before \gset
UPDATE meter_t SET name = 'N' WHERE id > 5;
DELETE FROM meter_t WHERE id > 95;
SELECT meter_used() - :before AS used;
UPDATE meter_t SET name = 'O' RETURNING id;
DELETE FROM meter_t RETURNING *;
UPDATE meter_t SET name = 'P' WHERE id < 3 RETURNING id, email;
INSERT INTO meter_t SELECT g, format('n%s@example.org', g), 'new', 'l0' FROM generate_series(200, 220) g RETURNING id;
INSERT INTO meter_t VALUES (300, 'o@example.org', 'new', 'l0') RETURNING email;
INSERT INTO meter_t SELECT id, 'x@example.org', 'y', 'l0' FROM generate_series(1, 50) id
    ON CONFLICT (id) DO UPDATE SET name = excluded.name;
INSERT INTO meter_t SELECT id, 'x@example.org', 'y', 'l0' FROM generate_series(1, 50) id
    ON CONFLICT (id) DO UPDATE SET name = 'z' RETURNING meter_t.email;
SELECT name, count(*) FROM meter_t GROUP BY 1 ORDER BY 1;
-- A cursor adds up, held or not.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT id FROM meter_t ORDER BY id;
FETCH 6 FROM c;
FETCH 6 FROM c;
ROLLBACK;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT id FROM meter_t;
COMMIT;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT email FROM meter_t WHERE id <= 2 ORDER BY id;
COMMIT;
FETCH ALL FROM c;
CLOSE c;
-- A refusal that was caught is raised again.
DO $$
BEGIN
    PERFORM string_agg(name, ',') FROM meter_t;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING '%', SQLSTATE;
END $$;
DO $$
BEGIN
    FOR i IN 1 .. 20 LOOP
        PERFORM email FROM meter_t WHERE id = i;
    END LOOP;
END $$;
-- Prepared statements, functions, views.
PREPARE p AS SELECT id FROM meter_t WHERE id <= $1;
EXECUTE p(2);
EXECUTE p(50);
-- Errors' texts carry armour, never an address.
SELECT format('%s', email) LIKE 'lg1:%' AS armour FROM meter_t WHERE id = 1;
SELECT 'jo@example.com'::listguard.sealed_email::text::int FROM meter_t WHERE id = 1;
-- Alert mode lets pass.
SELECT count(DISTINCT id) FROM meter_quiet;
SELECT count(*) FROM (SELECT email FROM meter_quiet OFFSET 0) q;
CREATE TEMP TABLE kept AS SELECT id FROM meter_quiet;
SELECT count(*) FROM kept;
RESET SESSION AUTHORIZATION;
-- A limit of the role, on one relation.
SELECT listguard.set_limit('meter_app', 5, interval '1 hour', 'meter_t');
SET SESSION AUTHORIZATION meter_app;
SELECT id FROM meter_t WHERE id <= 3 ORDER BY id;
SELECT id FROM meter_t WHERE id <= 3 ORDER BY id;
SELECT scope, role, relation, used, max_rows, remaining, per FROM listguard.role_meter ORDER BY 1, 2, 3;
RESET SESSION AUTHORIZATION;
-- And one per actor.
SELECT listguard.drop_limit('meter_app', 'meter_t');
SELECT listguard.set_limit('meter_app', 4, interval '1 hour', scope => 'actor');
SET SESSION AUTHORIZATION meter_app;
SELECT id FROM meter_t WHERE id = 1;
BEGIN; SET LOCAL listguard.actor = 'ann'; SELECT id FROM meter_t WHERE id <= 3 ORDER BY id; COMMIT;
BEGIN; SET LOCAL listguard.actor = 'bob'; SELECT id FROM meter_t WHERE id <= 3 ORDER BY id; COMMIT;
BEGIN; SET LOCAL listguard.actor = 'ann'; SELECT id FROM meter_t WHERE id <= 3 ORDER BY id; COMMIT;
RESET SESSION AUTHORIZATION;
DROP FUNCTION meter_used;
