--
-- COPY FROM into protected tables: rows are gathered and stored many at a time,
-- and nothing else is different.
--
SET client_min_messages = warning;
CREATE EXTENSION listguard CASCADE;
CREATE ROLE copy_loader;
CREATE TABLE post (code text PRIMARY KEY);
INSERT INTO post VALUES ('a'), ('b');
CREATE TABLE one (id int PRIMARY KEY, email text NOT NULL UNIQUE, note text DEFAULT 'none', code text REFERENCES post, CHECK (id < 100));
CREATE TABLE many (id int PRIMARY KEY, email text, phone listguard.sealed_lookup, list text NOT NULL, at int DEFAULT 7, UNIQUE (list, email));
SELECT listguard.protect('one', '{email}', bulk_threshold => 1000);
SELECT listguard.protect('many', '{email,phone}', list_column => 'list', bulk_threshold => 1000, domain_columns => '{email}');
SELECT listguard.grant_access(r, t, '{view,reveal,domain,insert,delete}') FROM unnest(ARRAY['copy_loader', current_user]::name[]) r, unnest('{one,many}'::regclass[]) t;
GRANT SELECT ON post TO copy_loader;

-- the lists that this session's events of changes name, and what each adds up to
CREATE VIEW changed AS SELECT at, relation, rows, cardinality(lists) AS lists, detail ->> 'digest_new' AS digest
	FROM listguard.audit WHERE kind = 'insert' AND relation LIKE 'public.%' ORDER BY at;

SET ROLE copy_loader;
COPY one (id, email, code) FROM stdin;
1	Ann@Example.org	a
2	ben@example.org	b
3	cem@example.org	\N
\.
COPY one FROM stdin WITH (FORMAT csv);
4,dora@example.org,"a, b",a
5,emil@example.org,,b
\.
SELECT * FROM one ORDER BY id;
COPY many (id, email, phone, list) FROM stdin;
1	ann@example.org	+49 30 1	x
2	ann@example.org	\N	y
3	\N	+49 30 3	x
4	Ben@Example.COM	+49 30 4	z
\.
SELECT * FROM many ORDER BY id;
RESET ROLE;

-- what an INSERT of the same rows adds up to
SELECT relation, rows, lists FROM changed;
DELETE FROM many;
INSERT INTO many (id, email, phone, list) VALUES (1, 'ann@example.org', '+49 30 1', 'x'), (2, 'ann@example.org', NULL, 'y'),
	(3, NULL, '+49 30 3', 'x'), (4, 'Ben@Example.COM', '+49 30 4', 'z');
SELECT count(DISTINCT digest) = 1 AS same_digest, count(*) FROM changed WHERE relation = 'public.many';
-- every value lies under its row's list; the column of domain_columns alone has domain tokens
SELECT count(DISTINCT listguard.domain(email)) FROM many;
SELECT list, count(*) FROM many GROUP BY list ORDER BY list;

--
-- Errors have their line, and nothing is stored
--
SET ROLE copy_loader;
COPY one FROM stdin;
10	f@example.org	n	a
11	ben@EXAMPLE.org	n	a
12	g@example.org	n	a
\.
COPY one FROM stdin;
10	f@example.org	n	a
11	no address	n	a
\.
COPY one FROM stdin;
10	f@example.org	n	a
111	g@example.org	n	a
\.
COPY one FROM stdin;
10	f@example.org	n	a
11	\N	n	a
\.
COPY one FROM stdin;
10	f@example.org	n	c
\.
COPY many FROM stdin;
10	f@example.org	1	x	1
11	no address	1	x	1
\.
COPY many FROM stdin;
10	f@example.org	1	x	1
11	g@example.org	1	\N	1
\.
COPY many FROM stdin;
10	f@example.org	1	x	one
\.
COPY many FROM stdin;
10	f***@e***.org	1	x	1
\.
SELECT count(*) FROM one WHERE id >= 10;
SELECT count(*) FROM many WHERE id >= 10;
RESET ROLE;

--
-- Rows of other lists than those that were granted
--
SELECT listguard.revoke_access('copy_loader', 'many');
SELECT listguard.grant_access('copy_loader', 'many', '{insert}', lists => '{x,y}');
SET ROLE copy_loader;
COPY many FROM stdin;
20	h@example.org	1	x	1
21	i@example.org	1	z	1
\.
COPY many FROM stdin;
20	h@example.org	1	x	1
21	i@example.org	1	y	1
\.
RESET ROLE;
SELECT id, list FROM many WHERE id >= 20 ORDER BY id;

--
-- Triggers of others, generated columns, volatile defaults, partitions, binary
--
CREATE TABLE seen (what text);
GRANT INSERT ON seen TO copy_loader;
CREATE FUNCTION saw() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO seen VALUES (TG_WHEN || ' ' || TG_LEVEL);
	RETURN NEW;
END $$;
CREATE TRIGGER after_row AFTER INSERT ON one FOR EACH ROW EXECUTE FUNCTION saw();
CREATE TRIGGER before_statement BEFORE INSERT ON one FOR EACH STATEMENT EXECUTE FUNCTION saw();
SET ROLE copy_loader;
COPY one FROM stdin;
30	k@example.org	n	a
31	l@example.org	n	a
\.
RESET ROLE;
SELECT what, count(*) FROM seen GROUP BY 1 ORDER BY 1;
CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.email = 'changed' || NEW.id || '@example.org';
	RETURN NEW;
END $$;
CREATE TRIGGER before_row BEFORE INSERT ON one FOR EACH ROW EXECUTE FUNCTION change();
SET ROLE copy_loader;
COPY one FROM stdin;
40	m@example.org	n	a
\.
SELECT email FROM one WHERE id = 40;
RESET ROLE;

CREATE SEQUENCE volatile_ids;
CREATE TABLE made (id int DEFAULT nextval('volatile_ids'), email text, len int GENERATED ALWAYS AS (id * 2) STORED, at float8 DEFAULT random());
SELECT listguard.protect('made', '{email}');
SELECT listguard.grant_access(current_user, 'made', '{view,reveal,insert}');
COPY made (email) FROM stdin;
n@example.org
o@example.org
\.
SELECT id, email, len, at BETWEEN 0 AND 1 AS has_default FROM made ORDER BY id;

CREATE TABLE parted (id int, email text, list text NOT NULL) PARTITION BY LIST (list);
CREATE TABLE parted_x PARTITION OF parted FOR VALUES IN ('x');
CREATE TABLE parted_y PARTITION OF parted FOR VALUES IN ('y');
SELECT listguard.protect('parted', '{email}', list_column => 'list');
SELECT listguard.grant_access(current_user, 'parted', '{view,reveal,insert}');
COPY parted FROM stdin;
1	p@example.org	x
2	q@example.org	y
\.
COPY parted_x FROM stdin;
3	r@example.org	x
\.
\set VERBOSITY terse
COPY parted_x FROM stdin;
4	s@example.org	y
\.
\set VERBOSITY default
SELECT tableoid::regclass, * FROM parted ORDER BY id;

-- one event for each row where the table asks for it
CREATE TABLE by_row (id int, email text);
SELECT listguard.protect('by_row', '{email}', audit => 'row');
SELECT listguard.grant_access(current_user, 'by_row', '{insert}');
COPY by_row FROM stdin;
1	t@example.org
2	u@example.org
3	v@example.org
\.
SELECT rows, count(*) FROM changed WHERE relation = 'public.by_row' GROUP BY 1;

-- more rows than one batch, some of them long
CREATE TABLE big (id int, email text, note text);
SELECT listguard.protect('big', '{email}', bulk_threshold => 100000);
SELECT listguard.grant_access(current_user, 'big', '{insert,view}');
COPY big FROM PROGRAM 'for i in $(seq 1 2500); do printf "%d\treader%d@example.org\t%0*d\n" $i $i $((i % 700)) 0; done';
SELECT count(*), count(DISTINCT email), sum(id), max(length(note)) FROM big;
SELECT rows FROM changed WHERE relation = 'public.big';
