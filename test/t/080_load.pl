
# COPY FROM by a role that is not the owner: many rows, and one foreign row that
# fails the whole with its line.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = $ENV{LG_LOAD_ROWS} || 1_000_000;
my $node = lg_node('load', "max_wal_size = '4GB'\n");
lg_list($node, 'postgres', 10);

my $file = $node->basedir . '/rows';
open my $fh, '>', $file or die "rows: $!";
print $fh "$_\treader$_\@zyxwvu$_.example\tReader $_\tnews" . $_ % 2 . "\n" for 11 .. $rows + 10;
close $fh;
my ($out, $err) = ("", "");
my $status = IPC::Run::run([ 'psql', '-Xqt', '-U', 'loader', '-d', $node->connstr('postgres'), '-c', 'COPY subs FROM STDIN' ],
	'<', $file, '>', \$out, '2>', \$err, IPC::Run::timeout(300));
ok($status, "a role with insert loads $rows rows") or diag($err);
is($node->safe_psql('postgres', 'SELECT n_tup_ins >= 0 FROM pg_stat_user_tables WHERE relname = \'subs\''), 't', 'statistics are there');
is($node->safe_psql('postgres', 'SELECT max(id) FROM ONLY subs WHERE id = ' . ($rows + 10)), $rows + 10, 'the last row is there');

open $fh, '>', $file or die "rows: $!";
my $id = $rows + 100;
print $fh $id + $_ . "\tlate$_\@zyxwvu.example\tLate\t" . ($_ == 37 ? 'foreign' : 'news1') . "\n" for 1 .. 50;
close $fh;
$status = IPC::Run::run([ 'psql', '-Xqt', '-U', 'loader', '-d', $node->connstr('postgres'), '-v', 'VERBOSITY=verbose', '-c', 'COPY subs FROM STDIN' ],
	'<', $file, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
ok(!$status, 'one row of a list the role holds no insert on fails the load');
like($err, qr/ERROR:  42501: /, 'with 42501');
like($err, qr/COPY subs, line 37\b/, 'and its line');
is($node->safe_psql('postgres', 'SELECT id FROM subs WHERE id = ' . ($id + 1)), '', 'and nothing is stored');

# ---- binary rows come under their lists as others do ----

$id += 1000;
$node->safe_psql('postgres', qq{
	CREATE TABLE plain (id int, email text, name text, list text);
	INSERT INTO plain SELECT $id + n, 'binary' || n || '\@zyxwvu.example', 'Binary', 'news' || n % 2 FROM generate_series(1, 20) n;
});
my $binary = $node->basedir . '/binary';
my @copy = ('psql', '-Xqt', '-d', $node->connstr('postgres'), '-U');
ok(IPC::Run::run([ @copy[0 .. 3], '-c', 'COPY plain TO STDOUT (FORMAT binary)' ], '>', $binary, '2>', \$err), 'a binary file');
ok(IPC::Run::run([ @copy, 'loader', '-c', 'COPY subs FROM STDIN (FORMAT binary)' ], '<', $binary, '2>', \$err), 'is loaded') or diag($err);
is($node->safe_psql('postgres', "SELECT string_agg(email::text, ' ' ORDER BY id) FROM subs WHERE id > $id", extra_params => [ '-U', 'app' ]),
	join(' ', map { "binary$_\@zyxwvu.example" } 1 .. 20), 'and opens for who may reveal its lists');
is($node->safe_psql('postgres', "SELECT count(*) FROM listguard.check_sealed('subs')"), '0', 'every value is under the list of its row');

$node->stop;
done_testing();
