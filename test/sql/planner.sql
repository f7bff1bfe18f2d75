--
-- What the planner knows of sealed columns, and the plans that they take part in.
--
SET client_min_messages = warning;
CREATE EXTENSION listguard CASCADE;

CREATE FUNCTION plan_of(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan;
END $$;
-- rows that the highest node is expected to give
CREATE FUNCTION expected(query text) RETURNS numeric LANGUAGE sql AS
	$$ SELECT (plan_of(query) #>> '{0,Plan,Plan Rows}')::numeric $$;
-- does the plan have a node of this type?
CREATE FUNCTION uses(node text, query text) RETURNS boolean LANGUAGE sql AS
	$$ SELECT plan_of(query)::text LIKE '%"Node Type": "' || node || '"%' $$;

-- 3000 rows: email is unique, phone has 100 values, code is null in half of them and else has 50
CREATE TABLE reader (id int PRIMARY KEY, email text NOT NULL UNIQUE, phone text NOT NULL, code text);
INSERT INTO reader SELECT n, format('reader%s@example.org', n), format('+49 30 %s', n % 100), CASE WHEN n % 2 = 0 THEN 'c' || n % 100 END
	FROM generate_series(1, 3000) n;
CREATE TABLE letter (id int, email text NOT NULL);
INSERT INTO letter SELECT n, format('READER%s@Example.ORG', 1 + n % 600) FROM generate_series(1, 3000) n;
SELECT listguard.protect('reader', '{email}', bulk_threshold => 1000000);
ALTER TABLE reader ALTER phone TYPE listguard.sealed_lookup, ALTER code TYPE listguard.sealed_lookup;
SELECT listguard.protect('letter', '{email}', bulk_threshold => 1000000);
SELECT listguard.set_limit(current_user, 10000000, '1 hour', scope => 'session');
CREATE INDEX ON reader (phone);
CREATE INDEX ON letter (email);
VACUUM ANALYZE reader, letter;

--
-- Statistics: distinct values, nulls and width, and nothing else
--
SELECT tablename, attname, n_distinct, null_frac, avg_width > 60 AS wide, most_common_vals, histogram_bounds, correlation
	FROM pg_stats WHERE schemaname = 'public' AND tablename IN ('reader', 'letter') AND attname <> 'id' ORDER BY 1, 2;
SELECT count(*) FROM pg_statistic s JOIN pg_attribute a ON a.attrelid = s.starelid AND a.attnum = s.staattnum
	WHERE a.atttypid IN ('listguard.sealed_email'::regtype, 'listguard.sealed_lookup'::regtype, 'listguard.sealed_text'::regtype)
		AND (stakind1 <> 0 OR stavalues1 IS NOT NULL OR stanumbers1 IS NOT NULL);

--
-- Selectivity of = and IN
--
SELECT expected($$SELECT 1 FROM reader WHERE email = 'reader7@example.org'$$) AS unique_column,
	expected($$SELECT 1 FROM reader WHERE phone = '+49 30 7'$$) AS thirty_each,
	expected($$SELECT 1 FROM reader WHERE code = 'c8'$$) AS half_null,
	expected($$SELECT 1 FROM reader WHERE code IS NULL$$) AS nulls,
	expected($$SELECT 1 FROM reader WHERE phone <> '+49 30 7'$$) AS all_but_thirty;
SELECT expected($$SELECT 1 FROM reader WHERE email IN ('reader1@example.org', 'reader2@example.org', 'reader3@example.org')$$) AS three,
	expected($$SELECT 1 FROM reader WHERE phone IN ('+49 30 1', '+49 30 2')$$) AS twice_thirty,
	expected($$SELECT 1 FROM reader WHERE phone = ANY ('{+49 30 1,+49 30 2,+49 30 3}'::text[])$$) AS ten_are_assumed;
PREPARE by_phone(text) AS SELECT 1 FROM reader WHERE phone = $1;
SET plan_cache_mode = force_generic_plan;
SELECT expected('EXECUTE by_phone(''+49 30 7'')') AS by_parameter;
RESET plan_cache_mode;
SELECT expected('SELECT 1 FROM reader GROUP BY phone') AS groups,
	expected('SELECT DISTINCT email FROM letter') AS distinct_values,
	expected('SELECT 1 FROM reader JOIN letter USING (email)') AS joined;

-- statistics of an inheritance tree, and of an index's expression
CREATE TABLE tree (id int, phone listguard.sealed_lookup) PARTITION BY HASH (id);
CREATE TABLE tree_0 PARTITION OF tree FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE tree_1 PARTITION OF tree FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT listguard.protect('tree', '{phone}', bulk_threshold => 1000000);
INSERT INTO tree SELECT n, format('+49 %s', n % 20) FROM generate_series(1, 1000) n;
ANALYZE tree;
SELECT inherited, n_distinct, null_frac FROM pg_stats WHERE tablename = 'tree' AND attname = 'phone';
SELECT expected($$SELECT 1 FROM tree WHERE phone = '+49 7'$$) AS of_the_tree;
CREATE INDEX reader_code_phone ON reader ((coalesce(code, phone)));
ANALYZE reader;
SELECT n_distinct, null_frac, most_common_vals FROM pg_stats WHERE tablename = 'reader_code_phone';
SELECT expected($$SELECT 1 FROM reader WHERE coalesce(code, phone) = 'c8'$$) AS of_an_expression;
DROP INDEX reader_code_phone;

--
-- Plans, and that each gives what the others give
--
SELECT uses('Index Scan', $$SELECT id FROM reader WHERE email = 'reader7@example.org'$$) AS index_scan,
	uses('Index Only Scan', $$SELECT email FROM reader WHERE email = 'reader7@example.org'$$) AS index_only_scan,
	uses('Hash Join', 'SELECT count(*) FROM reader JOIN letter USING (email)') AS hash_join;
SELECT email = 'reader7@example.org' AS found FROM reader WHERE email = 'READER7@EXAMPLE.ORG';
SELECT count(*) FROM reader JOIN letter USING (email);

SET enable_hashjoin = off;
SET enable_nestloop = off;
SELECT uses('Merge Join', 'SELECT count(*) FROM reader JOIN letter USING (email)') AS merge_join;
SELECT count(*) FROM reader JOIN letter USING (email);
RESET enable_nestloop;
SET enable_mergejoin = off;
SELECT uses('Memoize', 'SELECT count(*) FROM letter l JOIN reader r ON r.email = l.email') AS memoize;
SELECT count(*) FROM letter l JOIN reader r ON r.email = l.email;
RESET enable_mergejoin;
RESET enable_hashjoin;

SELECT count(*) FROM (SELECT DISTINCT email FROM letter) d;
SELECT count(*), min(n), max(n) FROM (SELECT count(*) AS n FROM reader GROUP BY phone) g;
SET enable_hashagg = off;
SELECT count(*) FROM (SELECT DISTINCT email FROM letter) d;
SELECT count(*), min(n), max(n) FROM (SELECT count(*) AS n FROM reader GROUP BY phone) g;
RESET enable_hashagg;
SELECT count(*) FROM (SELECT email FROM reader INTERSECT SELECT email FROM letter) i;
SELECT count(*) FROM (SELECT email FROM reader EXCEPT SELECT email FROM letter) e;

-- sorting: in memory by abbreviated keys, on disk, on top of an index
SELECT bool_and(before OPERATOR(listguard.<=) email), count(*) FROM
	(SELECT email, lag(email) OVER (ORDER BY email) AS before FROM letter) o;
SET work_mem = '64kB';
SELECT bool_and(before OPERATOR(listguard.<=) email), count(*) FROM
	(SELECT email, lag(email) OVER (ORDER BY email) AS before FROM letter) o;
RESET work_mem;
SELECT uses('Incremental Sort', 'SELECT * FROM letter ORDER BY email, id LIMIT 5') AS incremental_sort;
SELECT array_agg(id ORDER BY id) FROM (SELECT id FROM letter WHERE email = 'reader7@example.org' ORDER BY email, id LIMIT 3) l;

-- equal values need not be equal bytes: no btree may merge them
SELECT count(*), bool_or(listguard.sealed_equalimage(0)) FROM pg_amproc p JOIN pg_opfamily f ON f.oid = p.amprocfamily
	WHERE p.amprocnum = 4 AND f.opfname IN ('sealed_email_ops', 'sealed_lookup_ops');
SELECT proname, proleakproof FROM pg_proc WHERE oid IN ('listguard.sealed_email_eq'::regproc, 'listguard.sealed_lookup_eq'::regproc) ORDER BY 1;
