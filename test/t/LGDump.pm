# A database with every kind of sealed column, and what a copy of it has to be
# equal in: for the tests of dumps, replicas and commands that rewrite tables.
package LGDump;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use LGTest;

our @EXPORT = qw(dump_conf dump_roles dump_source addresses definitions same_database count_addresses);

# Thresholds that let a test read all in one statement.
sub dump_conf
{
	return "listguard.bulk_threshold = 1000000\nlistguard.session_row_limit = 100000000\n";
}

# Roles that the source names.
sub dump_roles
{
	my ($node) = @_;
	$node->safe_psql('postgres', q{
		CREATE ROLE app LOGIN; CREATE ROLE viewer LOGIN; CREATE ROLE loader LOGIN; CREATE ROLE clerk LOGIN; CREATE ROLE analyst LOGIN;
		CREATE ROLE boss LOGIN; CREATE ROLE saver LOGIN BYPASSRLS; CREATE ROLE plainbypass LOGIN BYPASSRLS});
	return;
}

# Tables: what is in each is said by its name.
my @tables = (
	[ 'aaa.early', 'id, email', 'a schema that is restored before the registry' ],
	[ 'subs', 'id, email, name, list', 'a list column' ],
	[ 'whole', 'id, email', 'one list, owned by another role' ],
	[ 'contacts', 'id, email, phone, note', 'three sealed types' ],
	[ 'parts', 'id, email, list', 'partitions by list' ],
	[ 'hashed', 'id, email', 'partitions by the hash of the sealed column' ],
	[ 'parent', 'id, email', 'a key that is referred to' ],
	[ 'child', 'id, email', 'refers to a sealed column' ]);

# dump_source NODE, DB, ROWS: makes database and tables.
sub dump_source
{
	my ($node, $db, $rows) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $db") if $db ne 'postgres';
	my $address = q{format('Reader%s@Zyxwvu%s.example', n, n)};
	$node->safe_psql($db, qq{
		CREATE EXTENSION listguard CASCADE;
		GRANT CREATE ON SCHEMA public TO boss;
		CREATE SCHEMA aaa;
		GRANT USAGE ON SCHEMA aaa TO PUBLIC;
		CREATE TABLE aaa.early (id int PRIMARY KEY, email text UNIQUE);
		CREATE TABLE subs (id int PRIMARY KEY, email text NOT NULL, name text, list text NOT NULL, UNIQUE (list, email));
		SET ROLE boss;
		CREATE TABLE whole (id int PRIMARY KEY, email text UNIQUE);
		RESET ROLE;
		CREATE TABLE contacts (id int PRIMARY KEY, email text, phone listguard.sealed_lookup, note listguard.sealed_text);
		CREATE INDEX contacts_phone ON contacts USING hash (phone);
		CREATE TABLE parts (id int NOT NULL, email text NOT NULL, list int NOT NULL, PRIMARY KEY (list, email)) PARTITION BY LIST (list);
		CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
		CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
		CREATE TABLE hashed (id int NOT NULL, email listguard.sealed_email NOT NULL, PRIMARY KEY (email)) PARTITION BY HASH (email);
		CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
		CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
		CREATE TABLE parent (id int, email text PRIMARY KEY);
		CREATE TABLE child (id int PRIMARY KEY, email listguard.sealed_email);
		INSERT INTO aaa.early SELECT n, $address FROM generate_series(1, $rows) n;
		SELECT listguard.protect('aaa.early', '{email}');
		INSERT INTO subs SELECT n, $address, 'Reader ' || n, 'news' || n % 3 FROM generate_series(1, $rows) n;
		INSERT INTO whole SELECT n, $address FROM generate_series(1, $rows) n;
		INSERT INTO contacts SELECT n, $address, '+44 ' || n, 'Zyxwvu Street ' || n FROM generate_series(1, $rows) n;
		INSERT INTO parts SELECT n, $address, n % 3 FROM generate_series(1, $rows) n;
		INSERT INTO parent SELECT n, $address FROM generate_series(1, $rows) n;
		SELECT listguard.protect('subs', '{email}', list_column => 'list', open_columns => '{id}', bulk_threshold => 500000, audit => 'row');
		SELECT listguard.protect('whole', '{email}', mode => 'alert');
		SELECT listguard.protect('contacts', '{email}', domain_columns => '{email}');
		SELECT listguard.protect('parts', '{email}', list_column => 'list');
		SELECT listguard.protect('parent', '{email}');
		SELECT listguard.protect('child', '{email}');
		ALTER TABLE child ADD FOREIGN KEY (email) REFERENCES parent ON UPDATE CASCADE ON DELETE CASCADE;
		SELECT listguard.protect('hashed', '{email}');
		INSERT INTO hashed SELECT n, $address FROM generate_series(1, $rows) n;
		INSERT INTO child SELECT n, $address FROM generate_series(1, $rows) n;
		CREATE VIEW subs_view WITH (security_barrier) AS SELECT id, email FROM subs WHERE list = 'news1';
		CREATE MATERIALIZED VIEW subs_counts AS SELECT list, count(*) FROM subs GROUP BY list;
		CREATE MATERIALIZED VIEW whole_copy AS SELECT id, email FROM whole;
		CREATE UNIQUE INDEX ON whole_copy (email);
		CREATE TABLE loose (id int PRIMARY KEY, email listguard.sealed_email, note listguard.sealed_text);
		INSERT INTO loose SELECT n, $address, 'loose ' || n FROM generate_series(1, 5) n;
		GRANT SELECT ON subs_view, loose, whole_copy TO app, viewer});
	for my $t (@tables)
	{
		$node->safe_psql($db, "SELECT listguard.grant_access('app', '$t->[0]', '{view,reveal}'); SELECT listguard.grant_access('saver', '$t->[0]', '{backup}')");
	}
	$node->safe_psql($db, q{
		SELECT listguard.grant_access('viewer', 'subs', '{view}', using_expr => 'id < 100');
		SELECT listguard.grant_access('analyst', 'contacts', '{domain,view}');
		SELECT listguard.grant_access('loader', 'subs', '{insert,update,delete}');
		SELECT listguard.grant_access('clerk', 'subs', '{view,reveal}', lists => '{news0,news1}');
		SELECT listguard.set_limit('viewer', 1000000, '1 hour');
		SELECT listguard.set_limit('clerk', 100, '1 day', 'subs', scope => 'actor');
		GRANT SELECT ON subs_view, subs_counts, loose, whole_copy TO saver;
		GRANT USAGE ON SCHEMA aaa TO saver;
		ANALYZE});
	return;
}

# What a role gets for some queries, each after its text.
sub read_as
{
	my ($node, $db, $role, @queries) = @_;
	return $node->safe_psql($db, join("\n", map { ("\\echo $_", "$_;") } @queries), extra_params => [ '-U', $role ]) . "\n";
}

# addresses NODE, DB: all that the role "app" reads, table by table.
sub addresses
{
	my ($node, $db) = @_;
	my $out = read_as($node, $db, 'app', map { "SELECT $_->[1] FROM $_->[0] ORDER BY id" } @tables);
	$out .= read_as($node, $db, 'viewer', 'SELECT id, email FROM subs WHERE id < 100 ORDER BY id', 'SELECT * FROM loose ORDER BY id', 'SELECT * FROM whole_copy ORDER BY id');
	$out .= read_as($node, $db, 'analyst', "SELECT listguard.domain(email), count(*) FROM contacts WHERE listguard.domain(email) = 'zyxwvu7.example' GROUP BY 1");
	# what nobody may reveal is compared as it is stored
	$out .= $node->safe_psql($db, 'SET listguard.output = sealed; SELECT * FROM loose ORDER BY id; SELECT * FROM whole_copy ORDER BY id; SELECT * FROM subs_counts ORDER BY 1');
	return $out;
}

sub count_addresses
{
	my ($text) = @_;
	return scalar(() = $text =~ /\@Zyxwvu/g);
}

# definitions NODE, DB: what was said of the tables, without oids.
sub definitions
{
	my ($node, $db) = @_;
	my $ours = q{relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'aaa'))};
	my %queries = (
		relations => "SELECT oid::regclass, relkind, relowner::regrole, relrowsecurity, relforcerowsecurity, (SELECT array_agg(x::text ORDER BY x::text COLLATE \"C\") FROM unnest(relacl) x) FROM pg_class WHERE $ours AND relkind IN ('r', 'p', 'v', 'm')",
		columns => "SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE $ours AND relkind IN ('r', 'p', 'v', 'm') AND attnum > 0 AND NOT attisdropped",
		indexes => "SELECT pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisunique, i.indisprimary FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE $ours",
		constraints => "SELECT conrelid::regclass, conname, pg_get_constraintdef(o.oid), convalidated FROM pg_constraint o JOIN pg_class c ON c.oid = conrelid WHERE $ours AND contype <> 'n'",
		policies => q{SELECT schemaname, tablename, policyname, permissive, roles, cmd, qual, with_check FROM pg_policies},
		triggers => "SELECT tgrelid::regclass, tgname, tgenabled, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE $ours AND NOT tgisinternal",
		'protected tables' => 'SELECT * FROM listguard.protected_table',
		lists => 'SELECT * FROM listguard.list',
		'wrapped keys' => 'SELECT keyset.id, index_key.*, key.* FROM listguard.keyset, listguard.index_key, listguard.key',
		grants => 'SELECT * FROM listguard.access_grant',
		limits => 'SELECT * FROM listguard.row_limit');
	my @names = sort keys %queries;
	my $all = $node->safe_psql($db, join "\n", map { ("\\echo == $_", "$queries{$_};") } @names);
	# sorted, for their order is nobody's promise
	return join "\n", map { join "\n", sort split /\n/ } split /(?=^== )/m, $all;
}

# same_database NODE, DB, ADDRESSES, DEFINITIONS, WHAT: every address and every definition equal; what differs is told.
sub same_database
{
	my ($node, $db, $addresses, $definitions, $what) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir();
	for my $pair ([ 'address', $addresses, addresses($node, $db) ], [ 'definition', $definitions, definitions($node, $db) ])
	{
		my ($kind, $want, $got) = @$pair;
		next if ok($got eq $want, "$what: every $kind is equal");
		my ($out, $err) = ('', '');
		append_to_file("$dir/want$kind", $want);
		append_to_file("$dir/got$kind", $got);
		IPC::Run::run([ 'diff', '-U0', "$dir/want$kind", "$dir/got$kind" ], '>', \$out, '2>', \$err);
		diag(join "\n", grep { defined } (split /\n/, $out)[ 0 .. 8 ]);
	}
	return;
}

1;
