-- Everything but the two roads gives armour, statistics hold no values, and nothing takes the types away. Each kind of text is made from a
-- plain column first: there the address must be found.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS listguard CASCADE;
CREATE ROLE hyg_app;
CREATE SCHEMA hyg;
GRANT USAGE ON SCHEMA hyg, listguard TO hyg_app;
SET search_path = hyg, public;
CREATE TABLE subs (id int PRIMARY KEY, email text NOT NULL UNIQUE);
SELECT listguard.protect('subs', '{email}');
INSERT INTO subs SELECT n, format('needle%s@hay.example', n) FROM generate_series(1, 50) n;
SELECT listguard.grant_access('hyg_app', 'subs', '{view,reveal,insert,update,delete}');
SET SESSION AUTHORIZATION hyg_app;
SELECT email FROM subs WHERE id = 7;
RESET SESSION AUTHORIZATION;

-- what a text gives away
CREATE FUNCTION shows(t text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', CASE WHEN t ~* 'needle|hay\.example' THEN 'ADDRESS' END, CASE WHEN t ~ 'lg1:' THEN 'armour' END,
                     CASE WHEN t IS NULL OR t !~* 'needle|lg1:' THEN 'nothing' END)
$$;
-- every word of the error of a statement
CREATE FUNCTION fails(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE a text; b text; c text; d text;
BEGIN
    EXECUTE command;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS a = MESSAGE_TEXT, b = PG_EXCEPTION_DETAIL, c = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ' ' || hyg.shows(concat_ws(' ', a, b, c));
END
$$;

-- ---- errors: a table with a plain column, and the same with a sealed one ----
CREATE DOMAIN plain_mail AS text CONSTRAINT not_zero CHECK (VALUE <> 'needle0@hay.example');
CREATE DOMAIN sealed_mail AS listguard.sealed_email CONSTRAINT not_zero CHECK (VALUE <> 'needle0@hay.example'::listguard.sealed_email);
DO $$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY '{plain,sealed}'::text[]
    LOOP
        EXECUTE replace(replace($sql$
            CREATE TABLE KIND_t (id int, email TYPE UNIQUE, needed int NOT NULL DEFAULT 1, CONSTRAINT not_nine CHECK (id <> 9));
            CREATE TABLE KIND_ex (email TYPE, EXCLUDE USING hash (email WITH =));
            CREATE TABLE KIND_fk (email TYPE REFERENCES KIND_t (email));
            CREATE TABLE KIND_list (email TYPE) PARTITION BY LIST (email);
            CREATE TABLE KIND_hash (email TYPE) PARTITION BY HASH (email);
            CREATE TABLE KIND_view (email TYPE);
            CREATE VIEW KIND_check AS SELECT * FROM KIND_view WHERE email <> 'needle1@hay.example' WITH CHECK OPTION;
            CREATE TABLE KIND_multi (id int, tags TYPE[], UNIQUE (tags));
            INSERT INTO KIND_t VALUES (1, 'needle1@hay.example');
            INSERT INTO KIND_ex VALUES ('needle1@hay.example');
            INSERT INTO KIND_fk VALUES ('needle1@hay.example');
            INSERT INTO KIND_multi VALUES (1, ARRAY['needle1@hay.example']::TYPE[]);
        $sql$, 'KIND', kind), 'TYPE', CASE kind WHEN 'plain' THEN 'text' ELSE 'listguard.sealed_email' END);
    END LOOP;
END
$$;
SELECT what, fails(replace(command, 'KIND', 'plain')) AS plain, fails(replace(command, 'KIND', 'sealed')) AS sealed
FROM (VALUES
    ('unique', $$INSERT INTO hyg.KIND_t VALUES (2, 'needle1@hay.example')$$),
    ('unique, update', $$WITH x AS (INSERT INTO hyg.KIND_t VALUES (3, 'needle3@hay.example')) UPDATE hyg.KIND_t SET email = 'needle3@hay.example'; INSERT INTO hyg.KIND_t VALUES (2, 'needle3@hay.example')$$),
    ('unique index', $$CREATE TABLE hyg.KIND_d AS SELECT email FROM hyg.KIND_t, generate_series(1, 2); CREATE UNIQUE INDEX ON hyg.KIND_d (email)$$),
    ('unique, array', $$INSERT INTO hyg.KIND_multi SELECT 2, tags FROM hyg.KIND_multi$$),
    ('exclusion', $$INSERT INTO hyg.KIND_ex VALUES ('needle1@hay.example')$$),
    ('exclusion, array', $$ALTER TABLE hyg.KIND_ex ADD EXCLUDE USING btree ((ARRAY[email]) WITH =); INSERT INTO hyg.KIND_ex VALUES ('needle2@hay.example'), ('needle2@hay.example')$$),
    ('foreign key', $$INSERT INTO hyg.KIND_fk VALUES ('needle4@hay.example')$$),
    ('foreign key, delete', $$DELETE FROM hyg.KIND_t$$),
    ('foreign key, new', $$CREATE TABLE hyg.KIND_f2 (LIKE hyg.KIND_fk); INSERT INTO hyg.KIND_f2 VALUES ('needle5@hay.example'); ALTER TABLE hyg.KIND_f2 ADD FOREIGN KEY (email) REFERENCES hyg.KIND_t (email)$$),
    ('not null', $$INSERT INTO hyg.KIND_t VALUES (5, 'needle5@hay.example', NULL)$$),
    ('check', $$INSERT INTO hyg.KIND_t VALUES (9, 'needle5@hay.example')$$),
    ('check, update', $$UPDATE hyg.KIND_t SET id = 9$$),
    ('domain', $$SELECT 'needle0@hay.example'::hyg.KIND_mail$$),
    ('no partition', $$INSERT INTO hyg.KIND_list VALUES ('needle6@hay.example')$$),
    ('no hash partition', $$INSERT INTO hyg.KIND_hash VALUES ('needle6@hay.example')$$),
    ('check option', $$INSERT INTO hyg.KIND_check VALUES ('needle1@hay.example')$$),
    ('integer', $$SELECT max(format('%s', email)::int) FROM hyg.KIND_t$$),
    ('json', $$SELECT max(format('%s', email)::json::text) FROM hyg.KIND_t$$),
    ('two rows', $$SELECT (SELECT email FROM hyg.KIND_t, generate_series(1, 2))$$),
    ('raise', $$DO 'BEGIN RAISE EXCEPTION ''%'', (SELECT email FROM hyg.KIND_t LIMIT 1); END'$$),
    ('raise, record', $$DO 'DECLARE r record; BEGIN SELECT * INTO r FROM hyg.KIND_t; RAISE EXCEPTION ''%'', r USING DETAIL = r, HINT = format(''%s'', r); END'$$),
    ('assignment', $$DO 'DECLARE i int; BEGIN SELECT email INTO i FROM hyg.KIND_t; END'$$)
    ) v(what, command);
-- a role that may reveal, on the protected table
SET SESSION AUTHORIZATION hyg_app;
INSERT INTO hyg.subs VALUES (1, 'needle1@hay.example');
UPDATE hyg.subs SET id = 2 WHERE id = 3;
\set VERBOSITY default
UPDATE hyg.subs SET id = NULL WHERE id = 3;
\set VERBOSITY terse
-- who casts to text owns a text
SELECT email::text::int FROM hyg.subs WHERE id = 3;
RESET SESSION AUTHORIZATION;

-- ---- definitions ----
CREATE FUNCTION plain_fn(a text DEFAULT 'needle1@hay.example') RETURNS int LANGUAGE sql RETURN 1;
CREATE FUNCTION sealed_fn(a listguard.sealed_email DEFAULT 'needle1@hay.example') RETURNS int LANGUAGE sql RETURN 1;
DO $$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY '{plain,sealed}'::text[]
    LOOP
        EXECUTE replace(replace($sql$
            CREATE TABLE KIND_def (id int, email TYPE DEFAULT 'needle1@hay.example', gen boolean GENERATED ALWAYS AS (email = 'needle1@hay.example') STORED,
                CONSTRAINT chk CHECK (email <> 'needle1@hay.example'));
            CREATE INDEX KIND_pred ON KIND_def (id) WHERE email = 'needle1@hay.example';
            CREATE INDEX KIND_expr ON KIND_def ((email = 'needle1@hay.example'));
            CREATE VIEW KIND_v AS SELECT *, 'needle1@hay.example'::TYPE AS c FROM KIND_def WHERE email = 'needle1@hay.example' OR email IN ('needle1@hay.example', 'needle2@hay.example');
            CREATE MATERIALIZED VIEW KIND_mv AS SELECT id FROM KIND_def WHERE email = 'needle1@hay.example';
            CREATE RULE KIND_r AS ON DELETE TO KIND_def WHERE OLD.email = 'needle1@hay.example' DO INSTEAD NOTHING;
            CREATE POLICY KIND_p ON KIND_def USING (email = 'needle1@hay.example') WITH CHECK (email <> 'needle1@hay.example');
            CREATE FUNCTION KIND_tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
            CREATE TRIGGER KIND_tg BEFORE UPDATE ON KIND_def FOR EACH ROW WHEN (NEW.email = 'needle1@hay.example') EXECUTE FUNCTION KIND_tf();
            CREATE TABLE KIND_l1 PARTITION OF KIND_list FOR VALUES IN ('needle1@hay.example');
            CREATE FUNCTION KIND_body() RETURNS boolean LANGUAGE sql STABLE BEGIN ATOMIC SELECT email = 'needle1@hay.example' FROM KIND_def; END;
        $sql$, 'KIND', kind), 'TYPE', CASE kind WHEN 'plain' THEN 'text' ELSE 'listguard.sealed_email' END);
    END LOOP;
END
$$;
CREATE FUNCTION explained(options text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; whole text := '';
BEGIN
    FOR line IN EXECUTE format('EXPLAIN (%s) %s', options, query) LOOP whole := whole || line; END LOOP;
    RETURN whole;
END
$$;
CREATE FUNCTION one(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE t text;
BEGIN
    EXECUTE query INTO t;
    RETURN t;
END
$$;
SELECT what, shows(one(replace(query, 'KIND', 'plain'))) AS plain, shows(one(replace(query, 'KIND', 'sealed'))) AS sealed
FROM (VALUES
    ('default', $$SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'hyg.KIND_def'::regclass AND adnum = 2$$),
    ('default, schema', $$SELECT column_default FROM information_schema.columns WHERE table_schema = 'hyg' AND table_name = 'KIND_def' AND column_name = 'email'$$),
    ('generated', $$SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'hyg.KIND_def'::regclass AND adnum = 3$$),
    ('check', $$SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'hyg.KIND_def'::regclass$$),
    ('domain check', $$SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contypid = 'hyg.KIND_mail'::regtype$$),
    ('index predicate', $$SELECT pg_get_indexdef('hyg.KIND_pred'::regclass)$$),
    ('index expression', $$SELECT pg_get_indexdef('hyg.KIND_expr'::regclass)$$),
    ('view', $$SELECT pg_get_viewdef('hyg.KIND_v'::regclass, true)$$),
    ('pg_views', $$SELECT definition FROM pg_views WHERE schemaname = 'hyg' AND viewname = 'KIND_v'$$),
    ('materialised view', $$SELECT pg_get_viewdef('hyg.KIND_mv'::regclass)$$),
    ('rule', $$SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE rulename = 'KIND_r'$$),
    ('policy', $$SELECT qual || with_check FROM pg_policies WHERE policyname = 'KIND_p'$$),
    ('trigger', $$SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'KIND_tg'$$),
    ('partition', $$SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = 'hyg.KIND_l1'::regclass$$),
    ('partition constraint', $$SELECT pg_get_partition_constraintdef('hyg.KIND_l1'::regclass)$$),
    ('function default', $$SELECT pg_get_function_arguments(oid) FROM pg_proc WHERE oid = 'hyg.KIND_fn'::regproc$$),
    ('function definition', $$SELECT pg_get_functiondef('hyg.KIND_fn'::regproc)$$),
    ('function body', $$SELECT pg_get_functiondef('hyg.KIND_body'::regproc)$$),
    ('explain', $$SELECT hyg.explained('VERBOSE', 'SELECT ''needle1@hay.example''::text <> '''', * FROM hyg.KIND_t WHERE email = ''needle1@hay.example''') WHERE 'KIND' = 'plain' UNION ALL SELECT hyg.explained('VERBOSE', 'SELECT * FROM hyg.KIND_v') LIMIT 1$$),
    ('explain analyze', $$SELECT hyg.explained('ANALYZE, VERBOSE, COSTS OFF', 'SELECT * FROM hyg.KIND_t WHERE email = ''needle1@hay.example''')$$),
    ('explain json', $$SELECT hyg.explained('FORMAT JSON, VERBOSE', 'SELECT * FROM hyg.KIND_t WHERE email IN (''needle1@hay.example'', ''needle2@hay.example'')')$$),
    ('explain xml', $$SELECT hyg.explained('FORMAT XML', 'SELECT * FROM hyg.KIND_t WHERE email = ''needle1@hay.example''')$$),
    ('explain yaml', $$SELECT hyg.explained('FORMAT YAML, VERBOSE', 'UPDATE hyg.KIND_t SET email = ''needle9@hay.example''')$$),
    ('explain values', $$SELECT hyg.explained('VERBOSE', 'INSERT INTO hyg.KIND_t VALUES (1, ''needle9@hay.example'')')$$)
    ) v(what, query);

-- ---- statistics: counts and widths, no values ----
CREATE TABLE plain_stat AS SELECT n AS id, format('needle%s@hay.example', n % 20) AS email, n % 20 AS grp FROM generate_series(1, 400) n;
CREATE TABLE sealed_stat (id int, email listguard.sealed_email, grp int, phone listguard.sealed_lookup, note listguard.sealed_text);
INSERT INTO sealed_stat SELECT id, email, grp, email, email FROM plain_stat;
CREATE STATISTICS plain_ext (mcv) ON email, grp FROM plain_stat;
CREATE STATISTICS sealed_ext (ndistinct, dependencies) ON email, grp FROM sealed_stat;
CREATE STATISTICS sealed_mcv (mcv) ON email, grp FROM sealed_stat;
CREATE STATISTICS sealed_all ON grp, email FROM sealed_stat;
CREATE STATISTICS sealed_expr ON (email::text) FROM sealed_stat;
CREATE STATISTICS sealed_expr ON (email::text), id FROM subs;
CREATE STATISTICS sealed_rest (mcv) ON id, grp FROM sealed_stat;
ANALYZE plain_stat, sealed_stat, subs;
SELECT tablename, attname, n_distinct, avg_width > 20 AS wide, shows(concat(most_common_vals, histogram_bounds, most_common_elems)) FROM pg_stats
    WHERE schemaname = 'hyg' AND tablename ~ '_stat$|subs' AND attname IN ('email', 'phone', 'note') ORDER BY 1, 2;
SELECT statistics_name, shows(concat(most_common_vals)) FROM pg_stats_ext WHERE statistics_schemaname = 'hyg' ORDER BY 1;
SELECT count(*) > 6 AS filled, count(*) FILTER (WHERE shows(s::text) <> 'nothing') AS shown FROM pg_statistic s WHERE starelid IN ('sealed_stat'::regclass, 'subs'::regclass) OR starelid = 'plain_stat'::regclass AND staattnum = 1;
-- value lists that were there before
CREATE TABLE later (id int, email text);
CREATE STATISTICS later_ext (mcv) ON id, email FROM later;
SELECT listguard.protect('later', '{email}');
DROP STATISTICS later_ext;
CREATE STATISTICS later_ext ON (upper(email)) FROM later;
SELECT listguard.protect('later', '{email}');
DROP STATISTICS later_ext;
CREATE STATISTICS later_ext (ndistinct) ON id, email FROM later;
SELECT listguard.protect('later', '{email}');

-- ---- what would take the columns' types away ----
SELECT count(*) FROM subs;
DROP EXTENSION listguard;
DROP EXTENSION listguard CASCADE;
DROP EXTENSION pgcrypto CASCADE;
DROP EXTENSION plpgsql CASCADE;
DROP LANGUAGE plpgsql CASCADE;
DROP SCHEMA listguard CASCADE;
DROP TYPE listguard.sealed_email CASCADE;
DROP TYPE listguard.sealed_text, listguard.sealed_lookup CASCADE;
DROP FUNCTION listguard.sealed_email_in(cstring, oid, integer) CASCADE;
DROP OPERATOR CLASS listguard.sealed_email_ops USING btree CASCADE;
DROP TABLE listguard.protected_table CASCADE;
ALTER EXTENSION listguard DROP FUNCTION listguard.sealed_email_in(cstring, oid, integer);
ALTER EXTENSION listguard DROP TYPE listguard.sealed_email;
ALTER EXTENSION listguard DROP TABLE listguard.protected_table;
DO $$BEGIN EXECUTE format('DROP OWNED BY %I CASCADE', (SELECT extowner::regrole::text FROM pg_extension WHERE extname = 'listguard')); END$$;
SELECT count(*) FROM subs;
-- nested ones count
SELECT current_database() AS db \gset
CREATE DATABASE hyg_other;
\c hyg_other
SET client_min_messages = warning;
CREATE EXTENSION listguard CASCADE;
CREATE TYPE pair AS (id int, email listguard.sealed_email);
CREATE TABLE nested (p pair[]);
DROP EXTENSION listguard CASCADE;
DROP TABLE nested;
CREATE DOMAIN mail AS listguard.sealed_email;
CREATE MATERIALIZED VIEW nested AS SELECT NULL::mail AS m;
DROP EXTENSION listguard CASCADE;
DROP MATERIALIZED VIEW nested;
DROP EXTENSION listguard CASCADE;
\c :db
SET client_min_messages = warning;
DROP DATABASE hyg_other WITH (FORCE);
DROP SCHEMA hyg CASCADE;
DROP OWNED BY hyg_app;
DROP ROLE hyg_app;
