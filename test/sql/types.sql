--
-- The sealed types: what is equal, what is refused, what is shown.
--
SET client_min_messages = warning;
CREATE EXTENSION listguard CASCADE;

-- nothing can be sealed before there is a key
SELECT 'jo@example.com'::listguard.sealed_email;

CREATE TABLE member (id int PRIMARY KEY, email text NOT NULL UNIQUE, phone listguard.sealed_lookup, note listguard.sealed_text);
SELECT listguard.protect('member', '{email,phone,note}');
SELECT atttypid::regtype, atttypmod > 0 AS has_list, attstorage FROM pg_attribute
    WHERE attrelid = 'member'::regclass AND attnum > 1 ORDER BY attnum;

INSERT INTO member VALUES (1, 'Jo@Example.com', '+49 30 AB', 'Straße 1'), (2, 'ann@bücher.example', 'x', NULL);
INSERT INTO member SELECT 3, 'bob@example.com'::varchar, 'y'::char(5), 'n'::text;
COPY member FROM stdin;
4	"quoted name"@example.org	z	n
\.

--
-- Equality: case, Unicode form, U-label and A-label, quotes
--
SELECT id FROM member WHERE email = 'JO@EXAMPLE.COM';
SELECT id FROM member WHERE email = 'ann@xn--bcher-kva.EXAMPLE';
SELECT id FROM member WHERE email = U&'ann@bu\0308cher.example';
SELECT id FROM member WHERE email = '"ann"@bücher.example';
SELECT id FROM member WHERE email = 'j.o@example.com';
SELECT id FROM member WHERE phone = '+49 30 ab';
SELECT U&'caf\00e9' ::listguard.sealed_lookup = U&'CAFE\0301' AS same,
       'straße'::listguard.sealed_lookup <> 'STRASSE' AS differ,
       'a'::listguard.sealed_lookup = 'b' AS other;

-- every way an application may write it
SELECT id FROM member WHERE email = 'jo@example.com'::text;
SELECT id FROM member WHERE email = 'jo@example.com'::varchar(40);
SELECT id FROM member WHERE 'jo@example.com' = email;
SELECT id FROM member WHERE email IN ('jo@example.com', 'ANN@bücher.example') ORDER BY id;
SELECT id FROM member WHERE email NOT IN ('jo@example.com', 'ANN@bücher.example') ORDER BY id;
SELECT id FROM member WHERE email = ANY ('{jo@example.com,bob@example.com}'::text[]) ORDER BY id;
SELECT id FROM member WHERE email <> 'jo@example.com' ORDER BY id;
PREPARE by_unknown AS SELECT id FROM member WHERE email = $1;
PREPARE by_text(text) AS SELECT id FROM member WHERE email = $1;
PREPARE by_varchar(varchar) AS SELECT id FROM member WHERE email = $1;
PREPARE by_char(char(20)) AS SELECT id FROM member WHERE email = $1;
PREPARE by_array(text[]) AS SELECT id FROM member WHERE email = ANY ($1) ORDER BY id;
EXECUTE by_unknown('BOB@example.com');
EXECUTE by_text('BOB@example.com');
EXECUTE by_varchar('BOB@example.com');
EXECUTE by_char('BOB@example.com');
EXECUTE by_array('{BOB@example.com,jo@EXAMPLE.com}');

-- what has no meaning has no operator
SELECT id FROM member WHERE email LIKE 'jo%';
SELECT id FROM member WHERE note = 'n';
SELECT id FROM member WHERE email = phone;

-- an index serves the equality; a plan shows armour
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        RETURN NEXT regexp_replace(line, 'lg1:[A-Za-z0-9_-]+', 'lg1:...', 'g');
    END LOOP;
END
$$;
SET enable_seqscan = off;
SELECT plan($$SELECT id FROM member WHERE email = 'jo@example.com'$$);
RESET enable_seqscan;

--
-- Constraints, grouping, joins, partitioning
--
CREATE FUNCTION refused(command text) RETURNS TABLE (state text, message text, tells_value boolean, armour boolean) LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE command;
    RETURN QUERY VALUES ('00000', 'no error', false, false);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    tells_value := message || detail ~* '(jo|ann|nobody).*@|j\*\*\*|a\*\*\*|n\*\*\*';
    armour := detail ~ '\(lg1:';
    RETURN NEXT;
END
$$;
SELECT * FROM refused($$INSERT INTO member VALUES (9, 'JO@example.COM')$$);
INSERT INTO member VALUES (9, 'JO@example.COM') ON CONFLICT (email) DO NOTHING;
INSERT INTO member VALUES (9, 'JO@example.COM') ON CONFLICT (email) DO UPDATE SET phone = 'new';
SELECT id FROM member WHERE phone = 'NEW';

CREATE TABLE suppressed (email listguard.sealed_email PRIMARY KEY);
INSERT INTO suppressed VALUES ('jo@EXAMPLE.com'), ('nobody@example.com');
SELECT m.id FROM member m JOIN suppressed s USING (email);
SELECT m.id FROM member m WHERE NOT EXISTS (SELECT FROM suppressed s WHERE s.email = m.email) ORDER BY 1;
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT m.id FROM member m JOIN suppressed s USING (email);
RESET enable_hashjoin;
RESET enable_nestloop;

CREATE TABLE opened (email listguard.sealed_email REFERENCES member (email), n int);
INSERT INTO opened VALUES ('JO@example.com', 1), ('jo@Example.com', 2), ('ann@bücher.example', 3);
SELECT * FROM refused($$INSERT INTO opened VALUES ('nobody@example.com', 4)$$);
SELECT count(*), sum(n) FROM opened GROUP BY email ORDER BY 1;
SET enable_hashagg = off;
SELECT count(*), sum(n) FROM opened GROUP BY email ORDER BY 1;
RESET enable_hashagg;
SELECT count(DISTINCT email) FROM opened;
SELECT count(*) FROM (SELECT DISTINCT email FROM opened) d;
SELECT * FROM refused($$DELETE FROM member WHERE id = 2$$);

CREATE TABLE part (email listguard.sealed_email PRIMARY KEY) PARTITION BY HASH (email);
CREATE TABLE part0 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE part1 PARTITION OF part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO part SELECT 'user' || i || '@example.com' FROM generate_series(1, 200) i;
SELECT count(*) FROM part WHERE email = 'USER7@example.com';
SELECT (SELECT count(*) FROM part0) BETWEEN 60 AND 140 AS spread;

-- sort with abbreviated keys and without give the same order; a btree agrees
SELECT count(*) AS out_of_order FROM
    (SELECT email, lag(email) OVER (ORDER BY email) AS before FROM part) o
    WHERE before OPERATOR(listguard.>=) email;
CREATE INDEX part_hash ON part0 USING hash (email);

--
-- Refusals: 22P02, the position, never the text
--
SELECT 'no at sign'::listguard.sealed_email;
SELECT 'a@b@c'::listguard.sealed_email;
SELECT 'jo@exa mple.com'::listguard.sealed_email;
SELECT 'jo@example.com.'::listguard.sealed_email;
SELECT ''::listguard.sealed_email;
SELECT ('ü@' || repeat('x', 64) || '.com')::listguard.sealed_email;
SELECT repeat('x', 2000)::listguard.sealed_email;
INSERT INTO member VALUES (8, U&'a\FFFEb@example.com');
SELECT * FROM refused($$INSERT INTO member VALUES (8, 'jo@example..com')$$);
SELECT U&'\0378'::listguard.sealed_lookup;
SELECT 'j***@e***.com'::listguard.sealed_email;
SELECT '***'::listguard.sealed_lookup;
SELECT '***'::listguard.sealed_text;
SELECT 'j***@e***.com'::listguard.sealed_text;
SELECT 'x@y.z'::listguard.sealed_email(0);
SELECT 'x@y.z'::listguard.sealed_email('a');
SELECT 'x@y.z'::listguard.sealed_email(1, 2);
SELECT 'x@y.z'::listguard.sealed_email(1)::text;
SELECT listguard._seal('x@y.z'::text, 1);

--
-- Armour: from a backup session, for the right type, unaltered
--
SELECT 'lg1:'::listguard.sealed_email;
SELECT 'lg1:AAAA'::listguard.sealed_email;
SELECT format('%s', email) LIKE 'lg1:A%' AS armoured FROM member WHERE id = 1;
SELECT format('%s', email) ~* '@|exam' AS told FROM member WHERE id = 1;

--
-- Statistics hold no value
--
ANALYZE member;
ANALYZE part;
SELECT attname, null_frac, avg_width > 60 AS wide, n_distinct FROM pg_stats
    WHERE tablename = 'member' ORDER BY 1;
SELECT count(*) FROM pg_statistic s JOIN pg_attribute a ON (a.attrelid = s.starelid AND a.attnum = s.staattnum)
    WHERE a.atttypid = ANY ('{listguard.sealed_email,listguard.sealed_lookup,listguard.sealed_text}'::regtype[])
      AND (stakind1 <> 0 OR stavalues1 IS NOT NULL OR stanumbers1 IS NOT NULL);

--
-- A table with a list column
--
CREATE TABLE sub (id int, list text NOT NULL, email text);
INSERT INTO sub VALUES (1, 'a', 'jo@example.com'), (2, 'b', 'jo@example.com');
SELECT listguard.protect('sub', '{email}', 'list');
SELECT count(*) AS pairs, count(*) FILTER (WHERE x.email = y.email) AS equal FROM sub x, sub y;
UPDATE sub SET list = 'b' WHERE id = 1;
UPDATE sub SET list = NULL WHERE id = 1;
UPDATE sub SET email = 'new@example.com' WHERE id = 1;
SELECT id FROM sub WHERE email = 'NEW@example.com';
INSERT INTO sub SELECT 5, 'b', email FROM sub WHERE id = 1;
INSERT INTO sub SELECT 5, 'a', email FROM sub WHERE id = 1;
SELECT id, list FROM sub WHERE email = 'new@example.com' ORDER BY id;
-- a new list gets its key from the worker, which a ROLLBACK does not undo
BEGIN;
INSERT INTO sub VALUES (6, 'c', 'jo@example.com');
SELECT id FROM sub WHERE email = 'jo@example.com' ORDER BY id;
ROLLBACK;
INSERT INTO sub VALUES (6, 'c', 'jo@example.com');
SELECT id FROM sub WHERE email = 'jo@example.com' ORDER BY id;
SELECT value FROM listguard.list WHERE relation = 'public.sub' ORDER BY value;

-- seal_row and _seal serve listguard only
CREATE TABLE other (email listguard.sealed_email);
CREATE TRIGGER t BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION listguard.seal_row();
INSERT INTO other VALUES ('jo@example.com');

--
-- An ordinary role: its queries need no more than its grants
--
CREATE ROLE types_app;
SELECT listguard.grant_access('types_app', 'member', '{view,insert}');
GRANT SELECT, INSERT ON suppressed TO types_app;
SELECT list_no AS member_list FROM listguard.protected_table WHERE relation = 'public.member' \gset
SET ROLE types_app;
INSERT INTO member VALUES (20, 'eve@example.com');
SELECT id FROM member WHERE email = 'EVE@example.com';
SELECT count(*) FROM member WHERE email IN ('1@a.b', '2@a.b', '3@a.b', '4@a.b', '5@a.b', '6@a.b', '7@a.b', '8@a.b', '9@a.b', 'jo@example.com');
SELECT count(*) FROM member JOIN suppressed USING (email);
SELECT count(*) FROM member WHERE email NOT IN (SELECT email FROM suppressed);
SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT count(*) FROM member JOIN suppressed USING (email);
RESET enable_hashjoin;
RESET enable_nestloop;
SELECT listguard.sealed_email_hash_extended('jo@example.com', 0);
SELECT listguard.domain(email) FROM member WHERE id = 1;
-- sealing guesses under another list's key would make a dictionary of them
SET ROLE NONE;
CREATE ROLE types_stranger;
GRANT CREATE ON SCHEMA public TO types_stranger;
SET ROLE types_stranger;
SELECT state FROM refused(format($$SELECT ('jo@example.com'::text)::listguard.sealed_email(%s)$$, :member_list));
SELECT state FROM refused(format($$CREATE TABLE guess (e listguard.sealed_email(%s)); INSERT INTO guess VALUES ('jo@example.com')$$, :member_list));
SELECT state FROM refused($$SELECT 'lg1:AAAA'::listguard.sealed_email$$);
RESET ROLE;

--
-- What is shown: by grant, by road, by listguard.output
--
CREATE ROLE types_reader;
SELECT listguard.grant_access('types_reader', 'member', '{view,reveal,domain}');
SET ROLE types_app;
SELECT * FROM member WHERE id IN (1, 4) ORDER BY id;
SELECT email::text, phone::varchar, note::char(5) FROM member WHERE id = 1;
COPY (SELECT email FROM member WHERE id = 1) TO STDOUT \g |sed 's/^lg1:A[A-Za-z0-9_-]*$/armour/'
SELECT to_json(email)::text ~ '^"lg1:' AS armour, concat(email) ~ '^lg1:' AS armour, email || '' AS mask FROM member WHERE id = 1;
CREATE TEMP TABLE copied AS SELECT email FROM member WHERE id = 1;
SELECT * FROM copied;
SET ROLE types_reader;
SELECT * FROM member WHERE id IN (1, 4) ORDER BY id;
SELECT email::text, email::varchar(4), phone::text, note::char(8) FROM member WHERE id = 1;
COPY (SELECT email FROM member WHERE id = 1) TO STDOUT;
SELECT to_json(email)::text ~ '^"lg1:' AS armour, concat(email) ~ '^lg1:' AS armour FROM member WHERE id = 1;
SELECT listguard.domain(email), count(*) FROM member GROUP BY 1 ORDER BY 1;
SET listguard.output = munged;
SELECT email, phone, email::text FROM member WHERE id = 1;
SET listguard.output = masked;
SELECT email, phone, email::text FROM member WHERE id = 1;
COPY (SELECT email FROM member WHERE id = 1) TO STDOUT \g |sed 's/^lg1:A[A-Za-z0-9_-]*$/armour/'
SET listguard.output = sealed;
SELECT email AS without_token FROM member WHERE id = 1 \gset
SELECT :'without_token' ~ '^lg1:A[g-v]' AS no_token;
RESET listguard.output;
RESET ROLE;

-- a superuser's armour has its token in a sealed session, comes back as it was, for its own type and list only
SET listguard.output = sealed;
SELECT email AS with_token, phone AS phone_token FROM member WHERE id = 1 \gset
RESET listguard.output;
SELECT :'with_token' ~ '^lg1:A[Q-Za-f]' AS token;
SELECT :'with_token'::listguard.sealed_email = 'JO@example.com' AS same;
SELECT state FROM refused(format('SELECT %L::listguard.sealed_email', :'phone_token'));
SELECT state FROM refused(format('SELECT %L::listguard.sealed_email', :'without_token'));
SELECT state FROM refused(format('SELECT %L::listguard.sealed_email', overlay(:'with_token' placing 'AAAA' from 70)));
SELECT state FROM refused(format('INSERT INTO sub VALUES (30, ''a'', %L)', :'with_token'));
UPDATE member SET email = :'with_token' WHERE id = 1;
SET ROLE types_app;
SELECT state FROM refused(format('SELECT %L::listguard.sealed_email', :'with_token'));
RESET ROLE;
