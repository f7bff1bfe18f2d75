--
-- protect, grant_access, revoke_access: what they refuse, what they make of a
-- table, and that a ROLLBACK takes all of it back
--
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET intervalstyle = postgres;
CREATE EXTENSION listguard CASCADE;
CREATE ROLE regress_owner;
CREATE ROLE regress_boss IN ROLE listguard_admin;
CREATE ROLE regress_app;
CREATE ROLE regress_support;
CREATE ROLE regress_member IN ROLE regress_app;
GRANT CREATE ON SCHEMA public TO regress_owner;
-- the SQLSTATE and message of a command, or what it did
CREATE FUNCTION try(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE command;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
-- plans without keys' randomness
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query
    LOOP
        RETURN NEXT regexp_replace(line, 'lg1:[A-Za-z0-9_-]+', 'lg1:...', 'g');
    END LOOP;
END
$$;
GRANT EXECUTE ON FUNCTION try(text), plan(text) TO PUBLIC;

-- refused, by the right SQLSTATE
CREATE VIEW a_view AS SELECT 'x'::text AS email;
CREATE MATERIALIZED VIEW a_matview AS SELECT 'x'::text AS email;
CREATE TABLE parted (id int, email text, list int) PARTITION BY RANGE (id);
CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (10) TO (100) PARTITION BY LIST (list);
CREATE TABLE parted_leaf PARTITION OF parted_high DEFAULT;
CREATE TABLE with_expression (email text);
CREATE INDEX ON with_expression (lower(email));
CREATE TABLE with_predicate (email text, n int);
CREATE INDEX ON with_predicate (n) WHERE email LIKE '%@example.org';
CREATE TABLE with_generated (email text, domain text GENERATED ALWAYS AS (split_part(email, '@', 2)) STORED);
CREATE TABLE with_check (email text CHECK (email LIKE '%@%'));
CREATE TABLE with_policy (email text);
CREATE POLICY mine ON with_policy USING (true);
CREATE TABLE with_view (email text);
CREATE VIEW over_it AS SELECT email FROM with_view;
CREATE TABLE plain (id int, email text, note text, raw bytea, list text, amount numeric);
INSERT INTO plain VALUES (1, 'one@example.org', 'a', NULL, 'x', 1), (2, 'two at example.org', 'b', NULL, NULL, 2);
SELECT what, try(format('SELECT listguard.protect(%s)', what)) AS outcome FROM (VALUES
    ('''a_view'', ''{email}'''),
    ('''a_matview'', ''{email}'''),
    ('''parted_low'', ''{email}'''),
    ('''with_expression'', ''{email}'''),
    ('''with_predicate'', ''{email}'''),
    ('''with_generated'', ''{email}'''),
    ('''with_check'', ''{email}'''),
    ('''with_policy'', ''{email}'''),
    ('''with_view'', ''{email}'''),
    ('''pg_authid'', ''{rolname}'''),
    ('''listguard.approver'', ''{name}'''),
    ('''no_such_table'', ''{email}'''),
    ('NULL, ''{email}'''),
    ('''plain'', ''{}'''),
    ('''plain'', NULL'),
    ('''plain'', ''{emial}'''),
    ('''plain'', ''{email,ctid}'''),
    ('''plain'', ''{raw}'''),
    ('''plain'', ''{email}'', ''nolist'''),
    ('''plain'', ''{email}'', ''email'''),
    ('''plain'', ''{email}'', ''amount'''),
    ('''plain'', ''{email}'', open_columns => ''{email}'''),
    ('''plain'', ''{email}'', open_columns => ''{nocolumn}'''),
    ('''plain'', ''{email}'', mode => ''off'''),
    ('''plain'', ''{email}'', audit => ''none'''),
    ('''plain'', ''{email}'', bulk_threshold => -1'),
    ('''plain'', ''{email}'', domain_columns => ''{id}'''),
    ('''plain'', ''{email}'', ''list'''),
    ('''plain'', ''{email}''')
    ) v(what);
SET ROLE regress_app;
SELECT try($$SELECT listguard.protect('plain', '{email}')$$);
SELECT try($$SELECT listguard.grant_access('regress_app', 'plain', '{view}')$$);
SELECT try($$SELECT listguard._as_owner('plain', 'SELECT 1')$$);
SELECT try($$SELECT listguard._internal('SELECT 1')$$);
SELECT try($$SELECT listguard._list_number('plain'::regclass::oid, 'x')$$);
RESET ROLE;
-- and nothing was changed
\d plain
SELECT count(*) FROM listguard.protected_table;
SELECT count(*) FROM listguard.list;
SELECT count(*) FROM listguard.keyset;

-- one table with many lists; whoever had privileges has none
SET ROLE regress_owner;
CREATE TABLE subscribers (id int PRIMARY KEY, email text NOT NULL, name text, list_id text, UNIQUE (list_id, email));
INSERT INTO subscribers SELECT n, format('Reader%s@example.org', n), 'N' || n, 'news' || n % 3 FROM generate_series(1, 30) n;
GRANT SELECT, DELETE ON subscribers TO regress_app, PUBLIC;
GRANT SELECT (id) ON subscribers TO regress_support;
SET ROLE regress_boss;
SET client_min_messages = notice;
SELECT listguard.protect('subscribers', '{email}', 'list_id', open_columns => '{id}', bulk_threshold => 20);
SET client_min_messages = warning;
RESET ROLE;
\d subscribers
SELECT grantee::regrole, string_agg(privilege_type, ' ' ORDER BY privilege_type COLLATE "C") AS privileges FROM pg_class, aclexplode(relacl)
    WHERE oid = 'subscribers'::regclass AND privilege_type <> 'MAINTAIN' GROUP BY grantee ORDER BY grantee::regrole::text COLLATE "C";
SELECT relation, list_column, sealed_columns, open_columns, bulk_threshold, mode, audit FROM listguard.protected_table;
SELECT regexp_replace(name, '#\d+$', '#n') AS name, relation, value FROM listguard.lists ORDER BY 1;
SELECT count(*) AS keys, count(DISTINCT key_id) AS used FROM listguard.lists;

-- privileges are not enough: not the owner's, not those that the owner gives
SET ROLE regress_owner;
SELECT try('SELECT FROM subscribers');
GRANT SELECT ON subscribers TO regress_member;
SELECT try('CREATE POLICY wide ON subscribers USING (true)');
SET ROLE regress_member;
SELECT try('SELECT FROM subscribers');
SET ROLE regress_owner;
REVOKE SELECT ON subscribers FROM regress_member;
RESET ROLE;

-- grants become policies
SELECT listguard.grant_access('regress_app', 'subscribers', '{view}');
SELECT listguard.grant_access('regress_app', 'subscribers', '{reveal,update}', '{news1}');
SELECT listguard.grant_access('regress_app', 'subscribers', '{insert}', '{news1,news7}');
SELECT listguard.grant_access('regress_support', 'subscribers', '{view}', '{news0,news2}', 'id > 3 AND name IS NOT NULL');
SELECT polname, polcmd, polroles::regrole[], pg_get_expr(polqual, polrelid) AS qual, pg_get_expr(polwithcheck, polrelid) AS "check"
FROM pg_policy WHERE polrelid = 'subscribers'::regclass ORDER BY polname;
SELECT grantee::regrole, string_agg(privilege_type, ' ' ORDER BY privilege_type COLLATE "C") AS privileges FROM pg_class, aclexplode(relacl)
    WHERE oid = 'subscribers'::regclass AND privilege_type <> 'MAINTAIN' GROUP BY grantee ORDER BY grantee::regrole::text COLLATE "C";
SELECT role, relation, regexp_replace(list, '#\d+$', '#n') AS list, privileges, using_expr, granted_by = session_user AS by_me FROM listguard.grants ORDER BY 1, 3 NULLS FIRST;
-- a new list and its key are made by the worker, in a transaction of its own
BEGIN;
INSERT INTO subscribers VALUES (200, 'first@example.org', 'x', 'news9');
ROLLBACK;
SELECT value, (SELECT count(*) FROM listguard.key k WHERE k.key_id = l.key_id) AS keys FROM listguard.lists l
WHERE relation = 'public.subscribers' ORDER BY value;
SELECT what, try(format('SELECT listguard.grant_access(%s)', what)) AS outcome FROM (VALUES
    ('''regress_nobody'', ''subscribers'', ''{view}'''),
    ('''regress_app'', ''plain'', ''{view}'''),
    ('''regress_app'', ''subscribers'', ''{look}'''),
    ('''regress_app'', ''subscribers'', ''{}'''),
    ('''regress_app'', ''subscribers'', ''{match}'''),
    ('''regress_app'', ''subscribers'', ''{backup}'''),
    ('''regress_app'', ''subscribers'', ''{view}'', ''{NULL}'''),
    ('''regress_app'', ''subscribers'', ''{view}'', using_expr => ''id IN (SELECT 1)'''),
    ('''regress_app'', ''subscribers'', ''{view}'', using_expr => ''random() > 0.5'''),
    ('''regress_app'', ''subscribers'', ''{view}'', using_expr => ''public.try(name) = name'''),
    ('''regress_app'', ''subscribers'', ''{view}'', using_expr => ''true) TO public USING (true'''),
    ('''regress_app'', ''subscribers'', ''{view}'', using_expr => ''true LIMIT 1'''),
    ('''regress_app'', ''subscribers'', ''{view}'', using_expr => ''id''')
    ) v(what);

-- rows by policies; the index serves them
SET ROLE regress_app;
SELECT count(*) FROM subscribers WHERE id <= 10;
SELECT id FROM subscribers WHERE email = 'reader7@EXAMPLE.org';
SET enable_seqscan = off;
SELECT plan($$SELECT id FROM subscribers WHERE list_id = 'news1' AND email = 'reader7@example.org'$$);
RESET enable_seqscan;
SET ROLE regress_support;
SELECT id, list_id FROM subscribers WHERE id < 10 ORDER BY id;
SELECT try($$INSERT INTO subscribers VALUES (100, 'new@example.org', 'x', 'news0')$$);
SET ROLE regress_app;
SELECT try($$INSERT INTO subscribers VALUES (100, 'new@example.org', 'x', 'news7')$$);
SELECT try($$INSERT INTO subscribers VALUES (101, 'new@example.org', 'x', 'news0')$$);
SELECT try($$INSERT INTO subscribers VALUES (101, 'new@example.org', 'x', NULL)$$);
SELECT try($$INSERT INTO subscribers VALUES (101, 'new at example.org', 'x', 'news7')$$);
SELECT try($$INSERT INTO subscribers VALUES (101, 'READER1@example.org', 'x', 'news1')$$);
SET ROLE regress_member;
SELECT count(*) FROM subscribers WHERE id <= 10;
RESET ROLE;

-- revoke: one privilege, one list, all
SELECT listguard.revoke_access('regress_app', 'subscribers', '{insert}', '{news7}');
SELECT try($$SELECT listguard.revoke_access('regress_app', 'subscribers', '{view}', '{news1}')$$);
SELECT try($$SELECT listguard.revoke_access('regress_app', 'subscribers', '{reveal}', '{news1,nonews}')$$);
SELECT polname, pg_get_expr(polwithcheck, polrelid) AS "check"
FROM pg_policy WHERE polrelid = 'subscribers'::regclass AND polname = 'listguard_insert_regress_app';
SELECT listguard.revoke_access('regress_app', 'subscribers');
SELECT polname FROM pg_policy WHERE polrelid = 'subscribers'::regclass ORDER BY 1;
SELECT role, privileges FROM listguard.grants ORDER BY 1;
SET ROLE regress_app;
SELECT try('SELECT FROM subscribers');
RESET ROLE;

-- one table as one list, and ROLLBACK
CREATE TABLE one_list (email varchar(50) UNIQUE, n int);
INSERT INTO one_list VALUES ('me@here.example', 1), (NULL, 2);
GRANT SELECT ON one_list TO regress_app;
SELECT relfilenode AS old_file FROM pg_class WHERE oid = 'one_list'::regclass \gset
BEGIN;
SELECT listguard.protect('one_list', '{email}');
SELECT listguard.grant_access('regress_support', 'one_list', '{view,insert}');
INSERT INTO one_list VALUES ('second@here.example', 3);
SELECT count(*) AS lists FROM listguard.lists WHERE relation = 'public.one_list';
ROLLBACK;
\d one_list
SELECT grantee::regrole, string_agg(privilege_type, ' ' ORDER BY privilege_type COLLATE "C") AS privileges FROM pg_class, aclexplode(relacl)
    WHERE oid = 'one_list'::regclass AND grantee <> relowner AND privilege_type <> 'MAINTAIN' GROUP BY grantee ORDER BY grantee::regrole::text COLLATE "C";
SELECT relfilenode = :old_file AS same_file FROM pg_class WHERE oid = 'one_list'::regclass;
SELECT * FROM one_list ORDER BY n;
SELECT count(*) FROM listguard.lists WHERE relation = 'public.one_list';
SELECT count(*) FROM listguard.grants WHERE relation = 'public.one_list';
-- privileges kept, as grants that show masks; the type carries the list
SET client_min_messages = notice;
SELECT listguard.protect('one_list', '{email}', keep_access => true);
SET client_min_messages = warning;
SELECT format_type(atttypid, atttypmod) = format('listguard.sealed_email(%s)', (SELECT list_no FROM listguard.lists WHERE relation = 'public.one_list')) AS typmod
FROM pg_attribute WHERE attrelid = 'one_list'::regclass AND attname = 'email';
SELECT role, privileges FROM listguard.grants WHERE relation = 'public.one_list';
-- again: a column more
ALTER TABLE one_list ADD COLUMN second text;
UPDATE one_list SET second = 'other@here.example';
SELECT listguard.protect('one_list', '{second}', bulk_threshold => 5);
SELECT sealed_columns, bulk_threshold FROM listguard.protected_table WHERE relation = 'public.one_list';
SELECT try($$SELECT listguard.protect('one_list', '{email}', 'n')$$);
SELECT count(*) FROM one_list WHERE second = 'Other@Here.example';
SELECT listguard.set_mode('one_list', 'alert');
SELECT try($$SELECT listguard.set_mode('one_list', 'never')$$);
SELECT mode FROM listguard.protected_table WHERE relation = 'public.one_list';

-- a new table of an old name inherits nothing
DROP TABLE one_list;
CREATE TABLE one_list (email text);
SELECT try($$SELECT listguard.grant_access('regress_app', 'one_list', '{view}')$$);
SELECT listguard.protect('one_list', '{email}');
SELECT count(*) FROM listguard.grants WHERE relation = 'public.one_list';
SELECT regexp_replace(relation, '\d+', 'n') AS relation FROM listguard.lists WHERE relation LIKE '%one_list%' ORDER BY 1;

-- partitions
INSERT INTO parted SELECT n, format('p%s@example.org', n), n % 2 FROM generate_series(0, 30) n;
SELECT listguard.protect('parted', '{email}', 'list');
SELECT listguard.grant_access('regress_app', 'parted', '{view,insert}', '{1}');
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger WHERE tgrelid::regclass::text LIKE 'parted%' ORDER BY 1, 2;
SELECT oid::regclass, relrowsecurity, relforcerowsecurity FROM pg_class WHERE relname LIKE 'parted%' ORDER BY 1;
SELECT polrelid::regclass, polname FROM pg_policy WHERE polrelid::regclass::text LIKE 'parted%' ORDER BY 1, 2;
SET ROLE regress_app;
SELECT count(*), min(list), max(list) FROM parted;
SELECT try('INSERT INTO parted VALUES (20, ''a@example.org'', 1), (2, ''a@example.org'', 1)');
SELECT try('INSERT INTO parted VALUES (20, ''a@example.org'', 0)');
SELECT try('SELECT FROM parted_low');
RESET ROLE;

-- limits
SELECT listguard.set_limit('regress_app', 100, '1 hour');
SELECT listguard.set_limit('regress_app', 10, '1 day', 'subscribers', scope => 'session', until => '2100-01-01 00:00+00');
SELECT listguard.set_limit('regress_app', 50, '1 hour');
SELECT role, relation, scope, max_rows, per, until = '2100-01-01 00:00+00' AS ends FROM listguard.limits ORDER BY 3;
SELECT what, try(format('SELECT listguard.set_limit(%s)', what)) AS outcome FROM (VALUES
    ('''regress_nobody'', 1, ''1 hour'''),
    ('''regress_app'', -1, ''1 hour'''),
    ('''regress_app'', NULL, ''1 hour'''),
    ('''regress_app'', 1, ''0'''),
    ('''regress_app'', 1, ''1 hour'', ''plain'''),
    ('''regress_app'', 1, ''1 hour'', scope => ''galaxy'''),
    ('''regress_app'', 1, ''1 hour'', max_lists => 1')
    ) v(what);
SELECT listguard.drop_limit('regress_app');
SELECT try($$SELECT listguard.drop_limit('regress_app')$$);
SELECT count(*) FROM listguard.limits;

-- the registry follows RENAME, SET SCHEMA, new columns and new partitions
CREATE SCHEMA elsewhere;
GRANT USAGE ON SCHEMA elsewhere TO PUBLIC;
SELECT listguard.grant_access('regress_app', 'one_list', '{view,insert}');
ALTER TABLE one_list RENAME TO "One List";
ALTER TABLE "One List" SET SCHEMA elsewhere;
ALTER SCHEMA elsewhere RENAME TO "else where";
ALTER TABLE "else where"."One List" RENAME COLUMN email TO address;
ALTER TABLE "else where"."One List" ADD COLUMN phone listguard.sealed_lookup DEFAULT '+1 555 0100';
ALTER ROLE regress_app RENAME TO "Regress Renamed";
SELECT relation, sealed_columns FROM listguard.protected_table WHERE relation LIKE '%One%';
SELECT regexp_replace(name, '#\d+$', '#n') AS name FROM listguard.lists WHERE name LIKE '%One%';
SELECT role, relation, privileges FROM listguard.grants WHERE relation LIKE '%One%';
SELECT polname, polroles::regrole[] FROM pg_policy WHERE polrelid = '"else where"."One List"'::regclass ORDER BY 1;
SELECT count(DISTINCT atttypmod) AS lists, min(atttypmod) > 0 AS ours FROM pg_attribute
WHERE attrelid = '"else where"."One List"'::regclass AND attname IN ('address', 'phone');
SET ROLE "Regress Renamed";
SELECT try($$INSERT INTO "else where"."One List" VALUES ('new@example.org', '+1 555 0101')$$);
SELECT count(*) FROM "else where"."One List" WHERE address = 'NEW@example.org';
RESET ROLE;
ALTER ROLE "Regress Renamed" RENAME TO regress_app;
SELECT listguard.revoke_access('regress_app', '"else where"."One List"');
SELECT count(*) FROM pg_policy WHERE polrelid = '"else where"."One List"'::regclass;
CREATE TABLE parted_new PARTITION OF parted FOR VALUES FROM (100) TO (200);
GRANT SELECT ON parted_new TO regress_support;
SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'parted_new'::regclass ORDER BY 1;
SELECT polname FROM pg_policy WHERE polrelid = 'parted_new'::regclass ORDER BY 1;
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'parted_new'::regclass;
-- a renamed table leaves its old name free
CREATE TABLE one_list (email text);
SELECT try($$SELECT listguard.grant_access('regress_app', 'one_list', '{view}')$$);
