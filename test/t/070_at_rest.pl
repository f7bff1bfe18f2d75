
# After protect no address lies in clear in the table's files, its indexes, WAL
# that is written after a checkpoint, pg_stats or the server's log.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = lg_node('rest', "autovacuum = off\nlog_min_error_statement = error\n");
my $data = $node->data_dir;

# Files below a directory, newer than a time, that hold the pattern; case-blind, compressed pages aside.
sub holding
{
	my ($dir, @names) = @_;
	my ($out, $err) = ('', '');
	my @files = @names ? map { "$dir/$_" } @names : $dir;
	IPC::Run::run([ 'grep', '-rliE', 'zyxwvu[0-9]', @files ], '>', \$out, '2>', \$err);
	return join ' ', sort split /\n/, $out;
}

sub files_of
{
	my ($table) = @_;
	return split /\n/, $node->safe_psql('postgres', qq{
		SELECT pg_relation_filepath(c) FROM (SELECT '$table'::regclass UNION ALL
			SELECT indexrelid FROM pg_index WHERE indrelid = '$table'::regclass UNION ALL
			SELECT reltoastrelid FROM pg_class WHERE oid = '$table'::regclass AND reltoastrelid <> 0) r(c)});
}

$node->safe_psql('postgres', q{
	CREATE TABLE plain (id int PRIMARY KEY, email text UNIQUE);
	INSERT INTO plain SELECT n, format('reader%s@zyxwvu%s.example', n, n) FROM generate_series(1, 2000) n;
	ANALYZE plain; CHECKPOINT});
isnt(holding($data, files_of('plain')), '', 'a plain table shows its addresses on disk');
like($node->safe_psql('postgres', q{SELECT histogram_bounds::text FROM pg_stats WHERE tablename = 'plain' AND attname = 'email'}),
	qr/zyxwvu/, 'and in pg_stats');
$node->safe_psql('postgres', 'DROP TABLE plain');

lg_list($node, 'postgres', 2000);
$node->safe_psql('postgres', 'CHECKPOINT; SELECT pg_switch_wal()');
my $start = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())');

# Writing, finding and failing after it.
for my $n (3001 .. 3020)
{
	my $list = 'news' . $n % 2;
	is(sqlstate($node, 'postgres', 'loader', "INSERT INTO subs VALUES ($n, '" . address($n) . "', 'x', '$list')"), 'ok', "insert $n")
	  if $n <= 3002;
	$node->psql('postgres', "INSERT INTO subs VALUES ($n, '" . address($n) . "', 'x', '$list')", extra_params => [ '-U', 'loader' ])
	  if $n > 3002;
}
my ($status, $out, $err) = $node->psql('postgres', "INSERT INTO subs VALUES (4000, '" . address(3001) . "', 'x', 'news1')",
	extra_params => [ '-U', 'loader' ]);
like($err, qr/duplicate key/, 'a duplicate is found');
unlike($err, qr/zyxwvu/, 'and its message shows no address');
$node->psql('postgres', "SELECT * FROM subs WHERE email = '" . address(5) . "' AND 1 / (id - 5) = 0", extra_params => [ '-U', 'app' ]);
$node->psql('postgres', "SELECT 'not an address zyxwvu9'::listguard.sealed_email", extra_params => [ '-U', 'app' ]);
$node->safe_psql('postgres', 'ANALYZE subs; VACUUM subs; CREATE INDEX more ON subs (email); REINDEX TABLE subs; CHECKPOINT');
my $end = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_insert_lsn())');

is(holding($data, files_of('subs')), '', 'no address in the files of the protected table');
opendir my $wal, "$data/pg_wal" or die "pg_wal: $!";
my @segments = grep { /^[0-9A-F]{24}$/ && $_ ge $start && $_ le $end } readdir $wal;
closedir $wal;
cmp_ok(scalar @segments, '>', 0, 'there is WAL written since');
is(holding("$data/pg_wal", @segments), '', 'and no address in it');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stats WHERE tablename = 'subs' AND attname = 'email'
	AND (most_common_vals IS NOT NULL OR histogram_bounds IS NOT NULL)}), '0', 'pg_stats has no values of the column');
isnt($node->safe_psql('postgres', q{SELECT n_distinct FROM pg_stats WHERE tablename = 'subs' AND attname = 'email'}), '',
	'but knows how many differ');
is(holding("$data/listguard_spool"), '', 'no address in the spool');
is($node->safe_psql('postgres', q{SELECT count(*) FROM listguard.audit a WHERE a::text ~ 'zyxwvu'}), '0', 'nor in the audit');

# protect's own transaction had the clear table: the log is looked at from there on.
my $log = slurp_file($node->logfile);
unlike($log, qr/zyxwvu\d/i, 'no address in the server log');

$node->stop;
done_testing();
