
# Every road of pg_dump and pg_restore brings every address, index, policy,
# trigger, grant, limit and list over, and the copy can be dumped again.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use LGDump;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 60;
my $node = lg_node('formats', dump_conf());
dump_roles($node);
dump_source($node, 'src', $rows);
my $addresses = addresses($node, 'src');
my $definitions = definitions($node, 'src');
my $dir = $node->basedir;
is(count_addresses($addresses), 8 * $rows, 'the source reads in clear for who may');

sub dump_to
{
	my ($db, $file, @options) = @_;
	$node->command_ok([ 'pg_dump', @options, '-f', $file, $node->connstr($db) ], "pg_dump @options");
	return $file;
}

sub fresh
{
	my ($db) = @_;
	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS $db");
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	return $node->connstr($db);
}

# pg_dump leaves materialised views empty between definitions and data.
sub refresh
{
	$node->safe_psql('copy', 'REFRESH MATERIALIZED VIEW subs_counts; REFRESH MATERIALIZED VIEW whole_copy');
	return;
}

# plain texts, by psql
for my $options ([], ['--inserts'], ['--column-inserts'], [ '--rows-per-insert', '17' ])
{
	my $file = dump_to('src', "$dir/plain" . join('', @$options) . '.sql', @$options);
	my $text = slurp_file($file);
	unlike($text, qr/zyxwvu/i, "@$options: no address in the dump");
	unlike($text, qr/\*\*\*/, "@$options: and no mask");
	$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $file, fresh('copy') ], "@$options: restored by psql");
	same_database($node, 'copy', $addresses, $definitions, "plain @$options");
}

# archives, by pg_restore
for my $case ([ 'c', [] ], [ 't', [] ], [ 'd', [] ], [ 'd', [ '-j', '2' ], [ '-j', '2' ] ], [ 'c', [], [ '-j', '2' ] ], [ 'c', [], ['--single-transaction'] ])
{
	my ($format, $dumping, $restoring) = ($case->[0], $case->[1], $case->[2] // []);
	my $what = "format $format @$dumping @$restoring";
	my $file = dump_to('src', "$dir/archive.$format" . join('', @$dumping, @$restoring), "-F$format", @$dumping);
	$node->command_ok([ 'pg_restore', '--exit-on-error', @$restoring, '-d', fresh('copy'), $file ], "$what: restored");
	same_database($node, 'copy', $addresses, $definitions, $what);
}

# the copy dumps as the source did
my $again = dump_to('copy', "$dir/again.sql");
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $again, fresh('second') ], 'a dump of the copy is restored');
same_database($node, 'second', $addresses, $definitions, 'second generation');

# Over itself: everything is dropped, the extension too, and made again.  pg_dump's own "cannot drop inherited constraint"
# of partitioned tables does no harm; nothing else may fail.
my $custom = dump_to('src', "$dir/custom", '-Fc');
my $cleaning = dump_to('src', "$dir/clean.sql", '--clean', '--if-exists');
for my $case ([ '--clean over a copy', 0, 'pg_restore', '--clean', '--if-exists', '-d' ], [ '--clean over nothing', 1, 'pg_restore', '--clean', '--if-exists', '-d' ],
	[ '--clean as text', 0, 'psql', '-XqAt', '-d' ])
{
	my ($what, $anew, @command) = @$case;
	my ($out, $err) = ('', '');
	IPC::Run::run([ @command, $anew ? fresh('copy') : $node->connstr('copy'), $command[0] eq 'psql' ? ('-f', $cleaning) : $custom ], '>', \$out, '2>', \$err);
	is(join("\n", grep { /ERROR:/ && !/inherited constraint/ } split /\n/, $err), '', "$what: nothing fails");
	same_database($node, 'copy', $addresses, $definitions, $what);
}

# in parts
for my $j ([], [ '-j', '2' ])
{
	my $db = fresh('copy');
	$node->command_ok([ 'pg_restore', '--exit-on-error', @$j, "--section=$_", '-d', $db, $custom ], "@$j --section=$_") for qw(pre-data data post-data);
	same_database($node, 'copy', $addresses, $definitions, "sections @$j");
}

# Definitions first, then data: the triggers are there while rows come, and the registry is not.
for my $options ([], ['--inserts'], ['--disable-triggers'])
{
	my $what = "--schema-only, then --data-only @$options";
	my $schema = dump_to('src', "$dir/schema" . join('', @$options), '--schema-only');
	my $data = dump_to('src', "$dir/data" . join('', @$options), '--data-only', @$options);
	my $db = fresh('copy');
	$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $schema, $db ], "$what: definitions");
	$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $data, $db ], "$what: data");
	refresh();
	same_database($node, 'copy', $addresses, $definitions, $what);
}
my $db = fresh('copy');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--schema-only', '-d', $db, $custom ], 'definitions from an archive');
$node->command_ok([ 'pg_restore', '--exit-on-error', '--data-only', '--disable-triggers', '-j', '2', '-d', $db, $custom ], 'data in parallel');
refresh();
same_database($node, 'copy', $addresses, $definitions, '--data-only -j 2');

# one table's data, back where it was
my $one = dump_to('src', "$dir/one.sql", '--data-only', '-t', 'subs');
$node->safe_psql('copy', 'TRUNCATE subs');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $one, $db ], "one table's data");
same_database($node, 'copy', $addresses, $definitions, '-t --data-only');

# without owners and privileges: what listguard says stays
my $bare = dump_to('src', "$dir/bare.sql", '--no-owner', '--no-privileges');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $bare, fresh('copy') ], '--no-owner --no-privileges');
is(sqlstate($node, 'copy', 'app', 'SELECT * FROM subs'), '42501', 'a role without table privileges reads nothing');
$node->safe_psql('copy', 'GRANT SELECT ON subs TO app');
is($node->safe_psql('copy', 'SELECT id, email FROM subs ORDER BY id', extra_params => [ '-U', 'app' ]),
	$node->safe_psql('src', 'SELECT id, email FROM subs ORDER BY id', extra_params => [ '-U', 'app' ]), 'with them it reads what the grants allow');

# The whole server, into another one.
my $create = dump_to('src', "$dir/create.sql", '--create');
my $all = "$dir/all.sql";
$node->command_ok([ 'pg_dumpall', '--exclude-database=copy', '--exclude-database=second', '-f', $all, '-d', $node->connstr('postgres') ], 'pg_dumpall');
unlike(slurp_file($all), qr/zyxwvu/i, 'no address in it');
my $other = lg_node('other', dump_conf());
my $key_file = $other->basedir . '/root.key';

sub restore_all
{
	my ($out, $err) = ('', '');
	$other->safe_psql('postgres', 'DROP DATABASE IF EXISTS src');
	IPC::Run::run([ 'psql', '-XqAt', '-f', $all, $other->connstr('postgres') ], '>', \$out, '2>', \$err);
	return join "\n", grep { /ERROR:/ && !/role "\w+" already exists/ } split /\n/, $err;
}

# With a root key that did not wrap the keys, nothing is stored that cannot be checked, nothing opens, nothing is garbage.
like(restore_all(), qr/^psql:\S+ ERROR:  root key does not fit this database$/m, 'with another root key the restore says so');
is(sqlstate($other, 'src', 'app', 'SELECT email FROM aaa.early WHERE id = 1'), 'LG004', 'what came before the keys does not open');
is(sqlstate($other, 'src', 'loader', q{INSERT INTO subs VALUES (9999, 'a@b.example', 'x', 'news1')}), 'LG004', 'and nothing is written');

# Without any, values are stored unopened, until it comes.
$other->stop;
unlink $key_file;
$other->start;
is(restore_all(), '', 'pg_dumpall is restored without a root key');
is(sqlstate($other, 'src', 'app', 'SELECT email FROM subs WHERE id = 1'), 'LG004', 'nothing opens yet');
append_to_file($key_file, slurp_file("$dir/root.key"));
chmod 0600, $key_file or die "chmod: $!";
$other->restart;
same_database($other, 'src', $addresses, $definitions, 'pg_dumpall');
$other->safe_psql('postgres', 'DROP DATABASE src');
$other->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $create, $other->connstr('postgres') ], '--create');
same_database($other, 'src', $addresses, $definitions, '--create');
$other->stop;

$node->stop;
done_testing();
