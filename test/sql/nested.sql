-- Sealed values inside arrays, composites, records, domains, ranges, JSON and XML: what they show on which road, and what that costs.
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS listguard CASCADE;
CREATE ROLE nest_app;
CREATE ROLE nest_view;
CREATE SCHEMA nest;
GRANT ALL ON SCHEMA nest TO nest_app, nest_view;
GRANT USAGE ON SCHEMA listguard TO nest_app, nest_view;
SET search_path = nest, public;
CREATE TABLE subs (id int PRIMARY KEY, email text, phone listguard.sealed_lookup, note listguard.sealed_text, list text NOT NULL);
SELECT listguard.protect('subs', '{email}', list_column => 'list', bulk_threshold => 10);
INSERT INTO subs SELECT n, format('reader%s@example.org', n), '030 ' || n, 'Reader ' || n, 'l' || n % 2 FROM generate_series(1, 30) n;
SELECT listguard.grant_access('nest_app', 'subs', '{view,insert,update}');
SELECT listguard.grant_access('nest_app', 'subs', '{reveal}', lists => '{l1}');
SELECT listguard.grant_access('nest_view', 'subs', '{view}');
CREATE FUNCTION used() RETURNS bigint LANGUAGE sql AS
    $$SELECT coalesce(max(used), 0)::bigint FROM listguard.session_meter WHERE pid = pg_backend_pid()$$;
-- is this text armour, and nothing else?
CREATE FUNCTION sealed(t text) RETURNS boolean LANGUAGE sql AS $$SELECT t ~ 'lg1:' AND t !~ '@|030|Reader|\*\*\*'$$;
CREATE DOMAIN contact AS listguard.sealed_email;
CREATE TYPE pair AS (id int, email listguard.sealed_email);
CREATE TYPE span AS RANGE (subtype = listguard.sealed_email, subtype_opclass = listguard.sealed_email_ops);

-- each value by its own list: clear where revealed, else masked; the charge is the rows
SET SESSION AUTHORIZATION nest_app;
SELECT used() AS before \gset
SELECT array_agg(email ORDER BY id) FROM subs WHERE id <= 3;
SELECT ARRAY[ARRAY[email], ARRAY[NULL]] FROM subs WHERE id = 1;
SELECT ROW(id, email) FROM subs WHERE id <= 2 ORDER BY id;
SELECT ROW(id, email)::pair FROM subs WHERE id <= 2 ORDER BY id;
SELECT s FROM subs s WHERE id <= 2 ORDER BY id;
SELECT array_agg(s) FROM (SELECT id, email FROM subs WHERE id <= 2 ORDER BY id) s;
SELECT email::contact FROM subs WHERE id <= 2 ORDER BY id;
SELECT ARRAY[email::contact] FROM subs WHERE id <= 2 ORDER BY id;
SELECT span(email, email, '[]') FROM subs WHERE id <= 2 ORDER BY id;
SELECT min(x[1]::text) FROM (SELECT ARRAY[email] FROM subs WHERE id <= 1) v(x);
SELECT used() - :before AS used;
SELECT array_agg(email) FROM subs WHERE id <= 11;
SELECT array_agg(s) FROM subs s WHERE id <= 11;
COPY (SELECT array_agg(email ORDER BY id), ROW(1, max(id)) FROM subs WHERE id IN (1, 3)) TO STDOUT;

-- functions that call the output function inside the plan: armour
SELECT sealed(to_json(email)::text), sealed(to_jsonb(email)::text), sealed(row_to_json(s)::text), sealed(to_json(s)::text),
    sealed(json_build_object('a', email)::text), sealed(jsonb_build_array(email)::text), sealed(format('%s', email)), sealed(concat(email, phone)),
    sealed(concat_ws(',', email, note)), sealed(s::text), sealed(ROW(email)::text), sealed(ARRAY[email]::text), sealed(array_to_string(ARRAY[email], ',')),
    sealed(quote_literal(ARRAY[email])), sealed(xmlelement(name a, email)::text), sealed(xmlforest(email AS a)::text), sealed(array_to_json(ARRAY[email])::text)
FROM subs s WHERE id = 1;
SELECT sealed(json_agg(email)::text), sealed(jsonb_agg(email)::text), sealed(json_object_agg(id, email)::text), sealed(json_agg(s)::text),
    sealed(string_agg(s::text, ',')), sealed(array_agg(email)::text), sealed(xmlagg(xmlelement(name a, email))::text), sealed(jsonb_object_agg(id, s)::text)
FROM subs s WHERE id = 1;
SELECT table_to_xml('subs', true, false, '') IS NULL;
SELECT sealed(query_to_xml('SELECT * FROM subs WHERE id = 1', true, false, '')::text);
SELECT sealed(quote_nullable(email::text)), email::text = 'reader1@example.org' FROM subs WHERE id = 1;
DO $$BEGIN RAISE WARNING '%', (SELECT left(format('%s', email), 4) FROM nest.subs WHERE id = 1); END$$;
DO $$DECLARE r record; t text; e listguard.sealed_email;
BEGIN
    SELECT * INTO r FROM nest.subs WHERE id = 1;
    RAISE WARNING 'record %', nest.sealed(r::text);
    SELECT email INTO e FROM nest.subs WHERE id = 1;
    RAISE WARNING 'message %', left(format('%s', e), 4);
    t := e;
    RAISE WARNING 'assignment %', left(t, 4);
END$$;
RESET SESSION AUTHORIZATION;

-- masked for whom may not, whatever is around it
SET SESSION AUTHORIZATION nest_view;
SELECT array_agg(email ORDER BY id) FROM subs WHERE id <= 2;
SELECT s FROM subs s WHERE id = 1;
SELECT ROW(email, ARRAY[phone]) FROM subs WHERE id = 1;
RESET SESSION AUTHORIZATION;
-- no mask in COPY
SET SESSION AUTHORIZATION nest_view;
\copy (SELECT sealed(array_agg(email)::text) FROM subs WHERE id <= 2) TO stdout
\o /dev/null
\copy (SELECT ARRAY[email] FROM subs WHERE id <= 2) TO stdout
\o
RESET SESSION AUTHORIZATION;

-- output modes
SET SESSION AUTHORIZATION nest_app;
SET listguard.output = munged;
SELECT email, phone, note FROM subs WHERE id <= 2 ORDER BY id;
SELECT ARRAY[email], email::text FROM subs WHERE id = 1;
SET listguard.output = masked;
SELECT email, phone, note, email::text FROM subs WHERE id = 1;
SELECT s FROM subs s WHERE id = 1;
SET listguard.output = sealed;
\o /dev/null
SELECT email FROM subs WHERE id = 1 \gset
SELECT ARRAY[email] AS a, s AS r FROM subs s WHERE id = 1 \gset
\o
SELECT sealed(:'email'), sealed(:'a'), sealed(:'r');
SET listguard.output = backwards;
RESET listguard.output;
INSERT INTO subs VALUES (101, 'ann.b@bücher.example', NULL, NULL, 'l1'), (102, '"a b.c"@x.example', NULL, NULL, 'l1'),
    (103, 'p@[192.0.2.1]', NULL, NULL, 'l1'), (104, 'ü@xn--bcher-kva.example', '+49 30', 'at home. really', 'l1');
SET listguard.output = munged;
SELECT email, phone, note FROM subs WHERE id > 100 ORDER BY id;
RESET listguard.output;
RESET SESSION AUTHORIZATION;

-- Values that lie in a table without protection stay under their list
SET SESSION AUTHORIZATION nest_app;
CREATE TABLE stash AS SELECT id, email, list FROM subs WHERE id <= 9;
INSERT INTO stash SELECT id, email, list FROM subs WHERE id BETWEEN 10 AND 18;
CREATE TABLE heap (id int, a listguard.sealed_email[], p pair, d contact, s span, rs pair[]);
INSERT INTO heap SELECT 1, array_agg(email), (array_agg(ROW(id, email)::pair))[2], NULL, NULL, array_agg(ROW(id, email)::pair) FROM stash WHERE id <= 9;
SELECT used() AS before \gset
SELECT email FROM stash WHERE id <= 2 ORDER BY id;
SELECT used() - :before AS used;
SELECT used() AS before \gset
SELECT array_agg(email ORDER BY id) FROM stash WHERE id <= 2;
SELECT used() - :before AS used;
SELECT used() AS before \gset
SELECT ROW(id, email), s FROM stash s WHERE id <= 2 ORDER BY id;
SELECT used() - :before AS used;
SELECT used() AS before \gset
SELECT a[1:2], a[1:1]::text ~ 'lg1' FROM heap;
SELECT rs[2:2] FROM heap;
SELECT x FROM (SELECT ROW(1, a[1:1], rs[1:1]) AS x FROM heap) v;
SELECT used() - :before AS used;
-- too much, on every road
SELECT email FROM stash;
SELECT array_agg(email) FROM stash;
SELECT a, rs FROM heap;
SELECT ROW(1, a), rs FROM heap;
SELECT array_agg(s) FROM stash s;
SELECT x FROM (SELECT ROW(array_agg(email)) AS x FROM stash) v;
SELECT array_agg(x) FROM (SELECT ROW(email) AS x FROM stash) v;
SELECT ARRAY(SELECT span(email, email, '[]') FROM stash);
SELECT range_agg(span(email, email, '[]')) FROM stash;
SELECT (SELECT array_agg(email) FROM stash) FROM subs WHERE id = 1;
SELECT s.email FROM stash s, (SELECT id FROM subs LIMIT 1) one;
SELECT a.email, b.email, c.email FROM stash a, stash b, stash c WHERE a.id < 5 AND b.id = a.id AND c.id = a.id;
WITH x AS (INSERT INTO heap (id) VALUES (2) RETURNING 1) SELECT email FROM stash;
DELETE FROM stash RETURNING email;
BEGIN;
DECLARE c CURSOR FOR SELECT email FROM stash;
FETCH 3 FROM c;
FETCH ALL FROM c;
ROLLBACK;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT email FROM stash;
COMMIT;
PREPARE q AS SELECT array_agg(email) FROM stash;
EXECUTE q;
CREATE PROCEDURE give(INOUT x listguard.sealed_email[]) LANGUAGE plpgsql AS $$BEGIN x := ARRAY(SELECT email FROM nest.stash); END$$;
CALL give(NULL);
CREATE FUNCTION give_all() RETURNS listguard.sealed_email[] LANGUAGE sql AS $$SELECT array_agg(email) FROM nest.stash$$;
SELECT give_all();
CREATE FUNCTION give_rows() RETURNS SETOF record LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT array_agg(email) FROM nest.stash; END$$;
SELECT * FROM give_rows() AS t(x listguard.sealed_email[]);
COPY (SELECT array_agg(email) FROM stash) TO STDOUT;
RESET SESSION AUTHORIZATION;

-- a record without sealed values costs nothing, and comes with protected rows as before
SET SESSION AUTHORIZATION nest_app;
SELECT used() AS before \gset
SELECT ROW(1, 'x'), ARRAY[ROW(1, 2)];
SELECT count(ROW(1, g)) FROM generate_series(1, 100) g;
SELECT used() - :before AS used;
SELECT used() AS before \gset
SELECT st.id, su.email FROM stash st JOIN subs su USING (id) WHERE st.id <= 2 ORDER BY 1;
SELECT used() - :before AS used;
RESET SESSION AUTHORIZATION;

-- inside a protected table: refused
CREATE TABLE boxes (id int, email text, other listguard.sealed_email[]);
SELECT listguard.protect('boxes', '{email}');
ALTER TABLE subs ADD COLUMN others listguard.sealed_email[];

RESET search_path;
DROP SCHEMA nest CASCADE;
DROP OWNED BY nest_app, nest_view;
DROP ROLE nest_app, nest_view;
