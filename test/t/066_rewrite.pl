
# Commands that rewrite, move or copy tables, and a server that stops in the
# middle of a load: every address is compared before and after each.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use LGDump;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 200;
my $node = lg_node('rewrite', dump_conf() . "restart_after_crash = on\nwal_level = minimal\nmax_wal_senders = 0\n");
dump_roles($node);
dump_source($node, 'postgres', $rows);
my $addresses = addresses($node, 'postgres');
my $definitions = definitions($node, 'postgres');
my $space = $node->basedir . '/space';
mkdir $space or die "mkdir: $!";

# ---- rewrites ----

my %after = (
	'CLUSTER subs USING subs_pkey' => 'ALTER TABLE subs SET WITHOUT CLUSTER',
	'CLUSTER whole USING whole_email_key' => 'ALTER TABLE whole SET WITHOUT CLUSTER');
for my $sql ('VACUUM FULL', 'VACUUM FREEZE', 'CLUSTER subs USING subs_pkey', 'CLUSTER whole USING whole_email_key', 'CLUSTER',
	'REINDEX DATABASE postgres', 'REINDEX TABLE CONCURRENTLY subs', 'REINDEX INDEX CONCURRENTLY whole_email_key', 'REINDEX INDEX contacts_phone',
	'ALTER TABLE subs SET UNLOGGED', 'ALTER TABLE subs SET LOGGED',
	"CREATE TABLESPACE space LOCATION '$space'", 'ALTER TABLE contacts SET TABLESPACE space', 'ALTER TABLE contacts SET TABLESPACE pg_default',
	'ALTER TABLE contacts ALTER COLUMN id TYPE int USING id + 0',
	'ALTER TABLE subs ALTER COLUMN email SET STORAGE extended', 'ALTER TABLE subs ALTER COLUMN email SET STORAGE external',
	'REFRESH MATERIALIZED VIEW whole_copy', 'REFRESH MATERIALIZED VIEW CONCURRENTLY whole_copy', 'ANALYZE')
{
	$node->safe_psql('postgres', $sql);
	$node->safe_psql('postgres', $after{$sql}) if $after{$sql};
	same_database($node, 'postgres', $addresses, $definitions, $sql);
}

$node->safe_psql('postgres', 'ALTER TABLE subs ADD COLUMN made float8 DEFAULT random()');
is(addresses($node, 'postgres'), $addresses, 'ADD COLUMN with a volatile default: every address is equal');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT made) > 1 FROM subs'), 't', 'the table was rewritten');
$node->safe_psql('postgres', 'ALTER TABLE subs DROP COLUMN made');
same_database($node, 'postgres', $addresses, $definitions, 'DROP COLUMN');

# a new sealed column joins protection
$node->safe_psql('postgres', 'ALTER TABLE subs ADD COLUMN other listguard.sealed_email');
is($node->safe_psql('postgres', q{SELECT sealed_columns FROM listguard.protected_table WHERE relation = 'public.subs'}), '{email,other}',
	'ADD COLUMN of a sealed type joins protection');
is(sqlstate($node, 'postgres', 'loader', q{INSERT INTO subs VALUES (1001, 'n1@b.example', 'x', 'news0', 'n2@b.example')}), 'ok', 'a row with both');
is($node->safe_psql('postgres', 'SELECT email, other FROM subs WHERE id = 1001', extra_params => [ '-U', 'app' ]), 'n1@b.example|n2@b.example', 'which open');
$node->safe_psql('postgres', 'DELETE FROM subs WHERE id = 1001; ALTER TABLE subs DROP COLUMN other; VACUUM FULL subs');
same_database($node, 'postgres', $addresses, $definitions, 'after it is dropped');

# back to text is unprotect's
for my $role ('postgres', 'boss')
{
	isnt(sqlstate($node, 'postgres', $role, 'ALTER TABLE whole ALTER COLUMN email TYPE text'), 'ok', "ALTER COLUMN TYPE text by $role is refused");
	isnt(sqlstate($node, 'postgres', $role, 'ALTER TABLE whole ALTER COLUMN email TYPE text USING email::text'), 'ok', "with USING by $role as well");
}
same_database($node, 'postgres', $addresses, $definitions, 'after refusals');

$node->safe_psql('postgres', q{CREATE ROLE chief LOGIN; GRANT listguard_admin TO chief; SELECT listguard.grant_access('chief', 'hashed', '{view,reveal}')});
isnt(sqlstate($node, 'postgres', 'chief', q{SELECT listguard.unprotect('hashed')}), 'ok', 'unprotect of a table partitioned by the sealed column is refused');
$node->safe_psql('postgres', q{SELECT listguard.revoke_access('chief', 'hashed')});
same_database($node, 'postgres', $addresses, $definitions, 'which changes nothing');

# ---- copies ----

$node->safe_psql('postgres', 'CREATE DATABASE twin TEMPLATE postgres');
is($node->safe_psql('twin', 'SELECT count(*) FROM subs WHERE email = ' . "'READER7\@zyxwvu7.example'"), '1', 'CREATE DATABASE TEMPLATE: values are found by address');
my $q = q{SET listguard.output = sealed; SELECT * FROM subs ORDER BY id; SELECT * FROM hashed ORDER BY id; SELECT * FROM contacts ORDER BY id};
is($node->safe_psql('twin', $q), $node->safe_psql('postgres', $q), 'and every value is equal');
$node->safe_psql('postgres', 'DROP DATABASE twin');

my $stored = q{SET listguard.output = sealed; SELECT id, email FROM %s ORDER BY id};
$node->safe_psql('postgres', q{CREATE TABLE ctas AS SELECT id, email FROM subs; CREATE TABLE liked (LIKE subs INCLUDING ALL); SELECT id, email INTO into_ FROM whole;
	CREATE TABLE typed AS SELECT * FROM whole; INSERT INTO liked SELECT * FROM subs});
is($node->safe_psql('postgres', sprintf $stored, $_->[0]), $node->safe_psql('postgres', sprintf $stored, $_->[1]), "$_->[0] holds what $_->[1] does")
  for [ 'ctas', 'subs' ], [ 'liked', 'subs' ], [ 'into_', 'whole' ], [ 'typed', 'whole' ];
$node->safe_psql('postgres', 'GRANT SELECT ON ctas TO app, viewer');
like($node->safe_psql('postgres', 'SELECT email FROM ctas WHERE id = 7', extra_params => [ '-U', 'app' ]), qr/^Reader7\@/, 'protection follows the value: who may reveal');
like($node->safe_psql('postgres', 'SELECT email FROM ctas WHERE id = 7', extra_params => [ '-U', 'viewer' ]), qr/\*\*\*/, 'and who may not');
$node->safe_psql('postgres', 'DROP TABLE ctas, liked, into_, typed');

# ---- from list to list ----

$node->safe_psql('postgres', q{
	CREATE TABLE target (id int PRIMARY KEY, email text UNIQUE);
	INSERT INTO target VALUES (0, 'zero@b.example');
	SELECT listguard.protect('target', '{email}');
	SELECT listguard.grant_access('app', 'target', '{view,reveal,insert,update}');
	SELECT listguard.grant_access('viewer', 'target', '{view,reveal,insert}')});
is(sqlstate($node, 'postgres', 'viewer', 'INSERT INTO target SELECT id, email FROM subs WHERE id < 10'), '42501', 'INSERT SELECT without reveal on the source');
is($node->safe_psql('postgres', 'SELECT count(*) FROM target'), '1', 'stores nothing');
is(sqlstate($node, 'postgres', 'app', 'INSERT INTO target SELECT id, email FROM subs'), 'ok', 'INSERT SELECT with it');
is($node->safe_psql('postgres', 'SELECT id, email FROM target WHERE id > 0 ORDER BY id', extra_params => [ '-U', 'app' ]),
	$node->safe_psql('postgres', 'SELECT id, email FROM subs ORDER BY id', extra_params => [ '-U', 'app' ]), 'every address arrived');
isnt($node->safe_psql('postgres', sprintf($stored, 'target WHERE id = 7')), $node->safe_psql('postgres', sprintf($stored, 'subs WHERE id = 7')), 'under the key of its new list');
is($node->safe_psql('postgres', 'SELECT count(*) FROM target t JOIN subs s ON t.email = s.email'), $rows, 'and equal to where it came from');
$node->safe_psql('postgres', 'DROP TABLE target');
# what was said of it stays, inert, and the key with it
$definitions = definitions($node, 'postgres');

# ---- keys that are referred to ----

is(sqlstate($node, 'postgres', 'postgres', q{INSERT INTO child VALUES (5000, 'nobody@b.example')}), '23503', 'a foreign key on the sealed column holds');
is(sqlstate($node, 'postgres', 'postgres', q{INSERT INTO child VALUES (5000, 'READER1@ZYXWVU1.example')}), 'ok', 'case-insensitively');
$node->safe_psql('postgres', q{DELETE FROM child WHERE id = 5000; INSERT INTO parent VALUES (5001, 'old@b.example'); INSERT INTO child VALUES (5001, 'old@b.example')});
$node->safe_psql('postgres', q{
	CREATE ROLE mover LOGIN;
	SELECT listguard.grant_access('mover', 'parent', '{view,update}')});
my $change = q{UPDATE parent SET email = 'new@b.example' WHERE id = 5001};
is(sqlstate($node, 'postgres', 'mover', $change), '42501', 'ON UPDATE CASCADE moves a value to another list: not without reveal on the one it comes from');
is(sqlstate($node, 'postgres', 'postgres', $change), '42501', 'not by a superuser either');
$node->safe_psql('postgres', q{SELECT listguard.grant_access('mover', 'parent', '{reveal}')});
is(sqlstate($node, 'postgres', 'mover', $change), 'ok', 'with it, it does');
$node->safe_psql('postgres', q{SELECT listguard.revoke_access('mover', 'parent'); SELECT listguard.grant_access('mover', 'child', '{view,reveal}')});
is($node->safe_psql('postgres', 'SELECT email FROM child WHERE id = 5001', extra_params => [ '-U', 'mover' ]), 'new@b.example', 'to the list of its new place');
$node->safe_psql('postgres', q{SELECT listguard.revoke_access('mover', 'child')});
$node->safe_psql('postgres', q{DELETE FROM parent WHERE id = 5001});
is($node->safe_psql('postgres', 'SELECT count(*) FROM child WHERE id = 5001'), '0', 'ON DELETE CASCADE');
same_database($node, 'postgres', $addresses, $definitions, 'cascades');

# ---- TRUNCATE ----

$node->safe_psql('postgres', 'BEGIN; TRUNCATE subs, hashed; ROLLBACK');
same_database($node, 'postgres', $addresses, $definitions, 'TRUNCATE rolled back');
$node->safe_psql('postgres', 'CREATE TABLE kept AS SELECT * FROM subs; TRUNCATE subs');
is($node->safe_psql('postgres', q{SELECT rows FROM listguard.audit WHERE kind = 'truncate' AND relation = 'public.subs'}), $rows, 'TRUNCATE is on record with its rows');
is($node->safe_psql('postgres', 'SELECT count(*) FROM subs'), '0', 'and truncates');
$node->safe_psql('postgres', 'INSERT INTO subs SELECT * FROM kept; DROP TABLE kept');
same_database($node, 'postgres', $addresses, $definitions, 'put back from a copy');

# ---- the server stops ----

$node->restart;
same_database($node, 'postgres', $addresses, $definitions, 'restart');

my $load = '';
for my $n (10_001 .. 40_000)
{
	$load .= "$n\treader$n\@zyxwvu$n.example\tx\tnews" . $n % 3 . "\n";
}
for my $mode ('immediate', 'kill')
{
	my $file = $node->basedir . "/load.$mode";
	append_to_file($file, "\\copy subs FROM '$file.data'\n");
	append_to_file("$file.data", $load);
	my ($out, $err) = ('', '');
	my $session = IPC::Run::start([ 'psql', '-XqAt', '-f', $file, $node->connstr('postgres') ], '>', \$out, '2>', \$err, IPC::Run::timeout(60));
	my $size = $node->safe_psql('postgres', q{SELECT pg_relation_size('subs')});
	$node->poll_query_until('postgres', "SELECT pg_relation_size('subs') > $size") or die 'no load';
	if ($mode eq 'kill')
	{
		my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE query LIKE 'COPY %subs%' AND pid <> pg_backend_pid()});
		kill 'KILL', $pid if $pid;
	}
	else
	{
		$node->stop('immediate');
		$node->start;
	}
	$session->finish;
	$node->poll_query_until('postgres', 'SELECT true');
	same_database($node, 'postgres', $addresses, $definitions, "$mode stop in the middle of a load");
}

$node->stop;
done_testing();
