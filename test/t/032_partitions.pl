
# Partitions in every operation: attached, detached, made, dropped, moved
# between, asked directly.  Protection, lists and charges stay what they were.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib 'test/t';
use LGTest;

my $node = lg_node('partitions', "listguard.session_row_limit = 100000\nlistguard.bulk_threshold = 50\n");

sub admin { return $node->safe_psql('postgres', shift); }

# Output, or the SQLSTATE and the message.
sub as
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 1,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose' ]);
	return $status == 0 ? $out : $err =~ /ERROR:  (\w{5}: [^\n]*)/ ? $1 : $err;
}

# List of every value in a table, as the registry names it.
sub lists_of
{
	my ($table) = @_;
	return admin("SELECT string_agg(DISTINCT coalesce(l.relation, '-') || coalesce('/' || l.value, ''), ' ')
		FROM $table t JOIN listguard.list l ON l.list_no = listguard._value_list(t.email)");
}

# Guarded means: row security forced, five triggers of ours, all ALWAYS.
sub guarded
{
	my ($table) = @_;
	return admin("SELECT relrowsecurity AND relforcerowsecurity AND 5 = (SELECT count(*) FROM pg_trigger t
		WHERE t.tgrelid = c.oid AND tgname ~ '^~?listguard' AND tgenabled = 'A') FROM pg_class c WHERE oid = '$table'::regclass");
}

admin(q{
	CREATE EXTENSION listguard CASCADE;
	CREATE ROLE app LOGIN; CREATE ROLE half LOGIN; CREATE ROLE third LOGIN; CREATE ROLE owner LOGIN; CREATE ROLE dba LOGIN IN ROLE listguard_admin, owner;
	GRANT CREATE ON SCHEMA public TO owner;
	SET ROLE owner;
	CREATE TABLE subs (id int NOT NULL, email text NOT NULL, name text, list text NOT NULL) PARTITION BY LIST (list);
	CREATE TABLE subs_a PARTITION OF subs FOR VALUES IN ('a');
	CREATE TABLE subs_b (list text NOT NULL, gone int, name text, email text NOT NULL, id int NOT NULL);
	ALTER TABLE subs_b DROP COLUMN gone;
	ALTER TABLE subs ATTACH PARTITION subs_b FOR VALUES IN ('b');
	CREATE TABLE subs_rest PARTITION OF subs DEFAULT PARTITION BY RANGE (id);
	CREATE TABLE subs_rest_1 PARTITION OF subs_rest FOR VALUES FROM (MINVALUE) TO (1000);
	INSERT INTO subs SELECT n, format('reader%s@zyxwvu.example', n), 'Reader', (ARRAY['a', 'b', 'c'])[n % 3 + 1] FROM generate_series(1, 30) n;
	RESET ROLE;
	SET client_min_messages = warning;
	SELECT listguard.protect('subs', '{email}', list_column => 'list');
	SELECT listguard.grant_access('app', 'subs', '{view,reveal,insert,update,delete}');
	SELECT listguard.grant_access('half', 'subs', '{view,reveal}', '{a}');
});

# ---- protect on a tree, with columns in another order and a sub-partition ----

is(guarded($_), 't', "$_ is guarded") for qw(subs subs_a subs_b subs_rest subs_rest_1);
is(lists_of('subs_b'), 'public.subs/b', 'a partition with other column order is sealed under its list');
is(as('app', 'SELECT id, email FROM subs ORDER BY id LIMIT 2'), "1|reader1\@zyxwvu.example\n2|reader2\@zyxwvu.example", 'all of it reveals');
is(as('half', 'SELECT count(*), min(list) FROM subs'), '10|a', 'a role of one list sees its rows');
like(as('app', 'SELECT email FROM subs_b'), qr/^42501/, 'a partition asked directly is refused');
like(as('owner', 'SELECT email FROM subs_b'), qr/^LG006/, 'to its owner, too');
admin('GRANT SELECT ON subs_b TO half');
is(as('half', 'SELECT count(*) FROM subs_b'), '0', 'with a privilege that somebody gave, policies hold');
admin('REVOKE SELECT ON subs_b FROM half');
is(as('app', 'SET enable_partitionwise_join = on; SET enable_partitionwise_aggregate = on;
	SELECT list, count(*) FROM subs JOIN subs o USING (list, email) GROUP BY list ORDER BY list'), "a|10\nb|10\nc|10", 'partition-wise plans');

# ---- new ones ----

admin(q{SET ROLE owner; CREATE TABLE subs_d PARTITION OF subs FOR VALUES IN ('d');
	CREATE TABLE subs_rest_2 PARTITION OF subs_rest FOR VALUES FROM (1000) TO (2000)});
is(guarded($_), 't', "$_ comes under protection by itself") for qw(subs_d subs_rest_2);
is(as('app', q{INSERT INTO subs VALUES (40, 'd@zyxwvu.example', 'D', 'd'), (1001, 'e@zyxwvu.example', 'E', 'e')}), '', 'rows go in');
is(lists_of('subs_d') . ' ' . lists_of('subs_rest_2'), 'public.subs/d public.subs/e', 'and are sealed under their lists');
like(as('app', q{INSERT INTO subs_d VALUES (41, 'x@zyxwvu.example', 'D', 'd')}), qr/^42501/, 'not into a partition directly');

# ---- moves ----

is(as('app', q{UPDATE subs SET list = 'b' WHERE id = 40}), '', 'a row moves to another partition and list');
is(lists_of('subs_b'), 'public.subs/b', 'and is sealed under the new one');
is(as('app', 'SELECT email FROM subs WHERE id = 40'), 'd@zyxwvu.example', 'and reveals');
admin(q{SELECT listguard.grant_access('half', 'subs', '{update,insert}', '{a,b}');
	SELECT listguard.grant_access('half', 'subs', '{view}', '{b}')});
like(as('half', q{UPDATE subs SET list = 'a' WHERE id = 40}), qr/^42501: permission denied to move/, 'a move without reveal on the source is refused');
is(lists_of('subs_a'), 'public.subs/a', 'and nothing is stored');

# ---- attached ----

admin(q{SET ROLE owner; CREATE TABLE plain (id int NOT NULL, email text NOT NULL, name text, list text NOT NULL)});
like(as('dba', q{ALTER TABLE subs ATTACH PARTITION plain FOR VALUES IN ('f')}), qr/^42804/, 'a table with plain text is refused');
admin(q{SET ROLE owner; CREATE TABLE loose (LIKE subs);
	INSERT INTO loose VALUES (50, 'loose@zyxwvu.example', 'L', 'f')});
like(as('owner', q{ALTER TABLE subs ATTACH PARTITION loose FOR VALUES IN ('f')}), qr/^42501/, 'the owner alone cannot attach');
like(as('dba', q{ALTER TABLE subs ATTACH PARTITION loose FOR VALUES IN ('f')}), qr/^55000: table public.loose holds values/,
	'a table with values of no list is refused');
is(admin(q{SELECT count(*) FROM pg_inherits WHERE inhrelid = 'loose'::regclass}), 0, 'and stays outside');
admin('SET ROLE owner; DELETE FROM loose');
is(as('dba', q{SET client_min_messages = error; ALTER TABLE subs ATTACH PARTITION loose FOR VALUES IN ('f')}), '', 'an empty one is attached');
is(guarded('loose'), 't', 'and guarded');
like(as('owner', 'SELECT * FROM loose'), qr/^LG006/, 'and protected');

# ---- detached ----

is(as('dba', q{SET client_min_messages = error; ALTER TABLE subs DETACH PARTITION subs_a}), '', 'a partition is detached');
is(guarded('subs_a'), 't', 'it stays guarded');
like(as('owner', 'SELECT * FROM subs_a'), qr/^LG006/, 'and protected');
like($node->psql('postgres', 'SELECT count(email::text), count(*) FROM subs_a') . '', qr/^0/, 'a superuser reads it');
admin('GRANT SELECT ON subs_a TO app, half, third');
is(as('app', 'SELECT email FROM subs_a ORDER BY id LIMIT 1'), 'reader3@zyxwvu.example', 'the grants hold');
admin(q{SELECT listguard.grant_access('third', 'subs', '{view}', '{b}')});
is(as('third', 'SELECT count(*) FROM subs_a'), '0', 'a new grant reaches its policies');
is((split /\n/, as('app', 'SELECT id, email FROM subs_a; SELECT used FROM listguard.session_meter'))[-1], 10, 'and what is read of it is charged');
admin(q{INSERT INTO subs_a (id, email, name, list) SELECT n, format('bulk%s@zyxwvu.example', n), '', 'a' FROM generate_series(100, 160) n});
like(as('app', 'SELECT name FROM subs_a'), qr/^LG001/, 'its threshold holds, for plain columns, too');
admin('ALTER TABLE subs_a RENAME TO former_a');
like(as('owner', 'SELECT * FROM former_a'), qr/^LG006/, 'under a new name as well');
like(as('owner', 'CREATE TABLE o (LIKE subs) PARTITION BY LIST (list); ALTER TABLE o ATTACH PARTITION former_a DEFAULT'),
	qr/^(0A000: protected table|42501)/, 'its owner cannot attach it elsewhere');
is(as('dba', q{SET client_min_messages = error; ALTER TABLE subs ATTACH PARTITION former_a FOR VALUES IN ('a')}), '', 'it can come back');
is(admin('SELECT count(*) FROM listguard.detached'), 0, 'and is a partition like any other');
is(as('app', q{SELECT count(*) FROM subs WHERE list = 'a'}), 71, 'with its rows');
is(as('dba', q{SET client_min_messages = error; ALTER TABLE subs DETACH PARTITION subs_rest}), '', 'a default partition with partitions is detached');
is(as('dba', q{SET client_min_messages = error; ALTER TABLE subs DETACH PARTITION subs_b CONCURRENTLY}), '', 'another concurrently');
like(as('owner', "SELECT * FROM $_"), qr/^(LG006|42501)/, "$_ is protected") for qw(subs_b subs_rest subs_rest_1);
is(as('dba', 'DROP TABLE subs_b; TRUNCATE loose'), '', 'one is dropped, one truncated');
like(as('app', q{SELECT list, count(*) FROM subs GROUP BY list ORDER BY list}), qr/^a\|71$/, 'the others stay');

admin(q{SELECT listguard.grant_access('dba', 'subs', '{reveal}')});
like(as('dba', q{SELECT listguard.unprotect('subs')}), qr/^55000: table public.subs_rest was detached/, 'unprotect is refused while one is left');

# ---- what may not become a part ----

admin(q{CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw});
like(as($ENV{PGUSER} || admin('SELECT current_user'),
	q{CREATE FOREIGN TABLE far_z PARTITION OF subs FOR VALUES IN ('z') SERVER far}), qr/^42809: partition public.far_z/, 'a foreign partition is refused');
admin(q{SET ROLE owner; CREATE TABLE up (LIKE subs)});
like(as('owner', 'ALTER TABLE former_a INHERIT up'), qr/^(0A000|42)/, 'a partition cannot inherit from another');
admin(q{SET ROLE owner; CREATE TABLE tree (id int, email text); CREATE TABLE tree_more (extra text) INHERITS (tree);
	INSERT INTO tree VALUES (1, 'one@zyxwvu.example'); INSERT INTO tree_more VALUES (2, 'two@zyxwvu.example', 'x');
	RESET ROLE; SET client_min_messages = warning; SELECT listguard.protect('tree', '{email}');
	SELECT listguard.grant_access('app', 'tree', '{view,reveal}')});
is(guarded('tree_more'), 't', 'a child with a further column is guarded');
is(as('app', 'SELECT email FROM tree ORDER BY id'), "one\@zyxwvu.example\ntwo\@zyxwvu.example", 'and read through its parent');
like(as('owner', 'SELECT extra FROM tree_more'), qr/^LG006/, 'but not past it');
admin(q{SET ROLE owner; SET client_min_messages = error; CREATE TABLE tree_new () INHERITS (tree)});
is(guarded('tree_new'), 't', 'a new child comes under protection by itself');
like(as('owner', 'CREATE TEMP TABLE tree_temp () INHERITS (tree)'), qr/^42809: partition/, 'a temporary one is refused');
like(as('owner', 'ALTER TABLE tree NO INHERIT up'), qr/^42/, 'nonsense is the server\'s to refuse');
like(as('dba', 'CREATE TABLE above (id int, email listguard.sealed_email(' .
	admin(q{SELECT list_no FROM listguard.protected_table WHERE relation = 'public.tree'}) . ')); ALTER TABLE tree INHERIT above'),
	qr/^0A000: protected table "tree"/, 'a protected table gets no unprotected parent');
like(as('owner', 'CREATE TABLE beyond (n int); CREATE TABLE two_parents () INHERITS (tree, beyond)'), qr/^0A000: protected table public.two_parents/,
	'nor does a child of it');
is(as('dba', 'SET client_min_messages = error; ALTER TABLE tree_more NO INHERIT tree'), '', 'a child leaves');
like(as('owner', 'SELECT extra FROM tree_more'), qr/^LG006/, 'and stays protected');

# ---- hash partitions on the sealed column, and plans made before protect ----

admin(q{SET ROLE owner; CREATE TABLE hashed (email listguard.sealed_email NOT NULL, n int) PARTITION BY HASH (email);
	CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	CREATE TABLE later (id int, email text, list text NOT NULL); INSERT INTO later VALUES (1, 'later@zyxwvu.example', 'l');
	GRANT SELECT ON later TO app});
my $session = $node->background_psql('postgres', extra_params => [ '-U', 'app' ], on_error_stop => 0);
$session->query_safe('PREPARE l AS SELECT list FROM later; EXECUTE l; EXECUTE l; EXECUTE l; EXECUTE l; EXECUTE l; EXECUTE l');
admin(q{SET client_min_messages = warning; SELECT listguard.protect('later', '{email}', list_column => 'list')});
is($session->query('EXECUTE l'), '', 'a plan made before protect is made again');
like($session->{stderr}, qr/permission denied|LG006|no listguard grant/, 'and refused');
$session->quit;

done_testing();
