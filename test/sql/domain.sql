-- Domain tokens: domain_columns of protect, domain().
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS listguard CASCADE;
CREATE ROLE dom_owner;
CREATE ROLE dom_reader;
CREATE ROLE dom_other;
CREATE SCHEMA dom AUTHORIZATION dom_owner;
GRANT USAGE ON SCHEMA dom, listguard TO dom_reader, dom_other;
SET ROLE dom_owner;
CREATE TABLE dom.subs (id int PRIMARY KEY, email text UNIQUE, backup_email text, phone text);
INSERT INTO dom.subs SELECT n, format('reader%s@%s', n, CASE n % 3 WHEN 0 THEN 'gmail.com' WHEN 1 THEN 'Web.DE' ELSE 'bücher.example' END),
    format('other%s@old.example', n), '030 ' || n FROM generate_series(1, 30) n;
CREATE TABLE dom.lists (id int, email text, list int);
INSERT INTO dom.lists SELECT n, format('reader%s@%s.example', n, n % 2), n % 4 FROM generate_series(1, 20) n;
RESET ROLE;

-- what has no domain
SELECT listguard.protect('dom.subs', '{email}', domain_columns => '{phone}');
SELECT listguard.protect('dom.subs', '{email}', domain_columns => '{nothing}');
SELECT listguard.protect('dom.subs', '{email}', domain_columns => '{NULL}');

SELECT listguard.protect('dom.subs', '{email,backup_email}', domain_columns => '{email}');
SELECT listguard.protect('dom.lists', '{email}', list_column => 'list', domain_columns => '{email}');
SELECT relation, domain_columns FROM listguard.protected_table WHERE relation ~ '^dom\.' ORDER BY 1;
SELECT listguard.grant_access('dom_reader', 'dom.subs', '{view,domain,insert,update}');
SELECT listguard.grant_access('dom_other', 'dom.subs', '{view,insert}');
SELECT listguard.grant_access('dom_reader', 'dom.lists', '{view,domain,insert,update}');

-- eight bytes more where the column asks for them, and nowhere else
CREATE FUNCTION dom.has_token(v listguard.sealed_email) RETURNS boolean LANGUAGE sql AS $$
    SELECT get_byte(decode(rpad(translate(substr(format('%s', v), 5), '-_', '+/'), 28 * 4, 'A'), 'base64'), 17 + 2) & 8 = 8
$$;
SELECT dom.has_token(email) AS email, dom.has_token(backup_email) AS backup, count(*),
    max(pg_column_size(email)) - max(pg_column_size(backup_email)) AS bytes FROM dom.subs WHERE id % 3 = 0 GROUP BY 1, 2;
SELECT dom.has_token(email), count(*) FROM dom.lists GROUP BY 1;

-- it groups and filters, and needs its privilege
SET ROLE dom_reader;
SELECT listguard.domain(email), count(*) FROM dom.subs GROUP BY 1 ORDER BY 2, 1;
SELECT listguard.domain(backup_email), count(*) FROM dom.subs GROUP BY 1;
SELECT count(*) FROM dom.subs WHERE listguard.domain(email) = 'gmail.com';
SELECT count(*) FROM dom.subs WHERE listguard.domain(email) = 'xn--bcher-kva.example';
SELECT listguard.domain(email), list, count(*) FROM dom.lists GROUP BY 1, 2 ORDER BY 2, 1;
SET ROLE dom_other;
SELECT listguard.domain(email), count(*) FROM dom.subs GROUP BY 1;
SELECT count(*) FROM dom.subs WHERE listguard.domain(email) = 'gmail.com';
RESET ROLE;
-- a session that has seen the domains forgets none of that
SET ROLE dom_reader;
SELECT count(DISTINCT listguard.domain(email)) FROM dom.subs;
SET ROLE dom_other;
SELECT count(DISTINCT listguard.domain(email)) FROM dom.subs;
RESET ROLE;

-- a small result of an aggregation is a small charge, and no reveal
SELECT listguard.protect('dom.subs', '{email}', bulk_threshold => 5);
SET ROLE dom_reader;
SELECT listguard.domain(email), count(*) FROM dom.subs GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 2;
SELECT count(*) FROM (SELECT email FROM dom.subs LIMIT 20) s WHERE listguard.domain(email) <> '';
SELECT listguard.domain(email) FROM dom.subs;
RESET ROLE;

-- every way into the table keeps it so
SET ROLE dom_reader;
INSERT INTO dom.subs VALUES (101, 'a@web.de', 'b@web.de');
COPY dom.subs (id, email, backup_email) FROM STDIN;
102	c@web.de	d@web.de
\.
COPY dom.lists FROM STDIN;
102	c@web.de	3
103	c@web.de	2
\.
UPDATE dom.subs SET email = 'e@web.de' WHERE id = 1;
UPDATE dom.subs SET backup_email = email WHERE id = 2;
UPDATE dom.subs SET email = backup_email WHERE id = 3;
INSERT INTO dom.subs VALUES (104, 'c@web.de') ON CONFLICT (email) DO UPDATE SET backup_email = EXCLUDED.email;
UPDATE dom.lists SET list = 3 WHERE id = 103;
RESET ROLE;
SELECT id, dom.has_token(email) AS email, dom.has_token(backup_email) AS backup FROM dom.subs WHERE id < 4 OR id > 100 ORDER BY 1;
SELECT id, dom.has_token(email) AS email FROM dom.lists WHERE id > 100 ORDER BY 1;
-- equality does not see the token
SELECT count(*) FROM dom.subs s WHERE email = 'E@WEB.de';
SELECT id FROM dom.subs WHERE email = backup_email ORDER BY 1;

-- later, for a column that is sealed already: sealed anew
SET client_min_messages = notice;
SELECT listguard.protect('dom.subs', '{backup_email}', domain_columns => '{backup_email}');
SET client_min_messages = warning;
SELECT dom.has_token(email) AS email, dom.has_token(backup_email) AS backup, count(*) FROM dom.subs GROUP BY 1, 2;
SELECT domain_columns FROM listguard.protected_table WHERE relation = 'dom.subs';
SELECT count(*) FROM dom.subs WHERE backup_email = 'other5@old.example';

-- renamed, dropped
ALTER TABLE dom.subs RENAME COLUMN backup_email TO second;
SELECT domain_columns FROM listguard.protected_table WHERE relation = 'dom.subs';
ALTER TABLE dom.subs DROP COLUMN second;
ALTER TABLE dom.subs ADD COLUMN second listguard.sealed_email;
SELECT domain_columns FROM listguard.protected_table WHERE relation = 'dom.subs';
INSERT INTO dom.subs VALUES (105, 'f@web.de', NULL, 'g@web.de');
SELECT dom.has_token(email) AS email, dom.has_token(second) AS second FROM dom.subs WHERE id = 105;

-- partitions
CREATE TABLE dom.parts (id int, email text) PARTITION BY RANGE (id);
CREATE TABLE dom.part1 (email text, id int);
ALTER TABLE dom.parts ATTACH PARTITION dom.part1 FOR VALUES FROM (0) TO (10);
INSERT INTO dom.parts VALUES (1, 'a@web.de');
SELECT listguard.protect('dom.parts', '{email}', domain_columns => '{email}');
CREATE TABLE dom.part2 PARTITION OF dom.parts FOR VALUES FROM (10) TO (20);
INSERT INTO dom.parts VALUES (2, 'b@web.de'), (11, 'c@web.de');
UPDATE dom.parts SET id = 12 WHERE id = 1;
SELECT tableoid::regclass, dom.has_token(email) FROM dom.parts ORDER BY id;

-- listguard's own
SET ROLE dom_reader;
SELECT listguard._set_domain('a@web.de', true);
RESET ROLE;

DROP SCHEMA dom CASCADE;
DROP OWNED BY dom_owner, dom_reader, dom_other;
DROP ROLE dom_owner, dom_reader, dom_other;
