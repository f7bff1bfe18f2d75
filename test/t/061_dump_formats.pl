
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

$node->stop;
done_testing();
