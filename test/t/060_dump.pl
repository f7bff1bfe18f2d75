
# A dump holds ciphertext and restores exactly, into a fresh database and with
# the same root key; nobody who could dump only a part gets a dump.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 3000;
my $node = lg_node('dump');
$node->safe_psql('postgres', 'CREATE DATABASE src');
$node->safe_psql('postgres', 'CREATE DATABASE dst');
$node->safe_psql('postgres', 'CREATE DATABASE dst2');
lg_list($node, 'src', $rows);
$node->safe_psql('src', q{
	CREATE TABLE whole (id int PRIMARY KEY, mail text UNIQUE);
	INSERT INTO whole SELECT n, format('single%s@zyxwvu%s.example', n, n) FROM generate_series(1, 500) n;
	SELECT listguard.protect('whole', '{mail}');
	SELECT listguard.grant_access('app', 'whole', '{view,reveal}')});

# What a revealing role reads, in bites under the threshold.
sub revealed
{
	my ($db) = @_;
	my $out = '';
	for (my $from = 1; $from <= $rows; $from += 500)
	{
		my $to = $from + 499;
		$out .= $node->safe_psql($db, "SELECT id, email, name, list FROM subs WHERE id BETWEEN $from AND $to ORDER BY id",
			extra_params => [ '-U', 'app' ]) . "\n";
	}
	return $out . $node->safe_psql($db, 'SELECT id, mail FROM whole ORDER BY id', extra_params => [ '-U', 'app' ]);
}

my $before = revealed('src');
like($before, qr/^1\|reader1\@zyxwvu1\.example\|/m, 'the source reads in clear for who may');
is(() = $before =~ /\@zyxwvu/g, $rows + 500, 'all of it');

my $plain = $node->basedir . '/dump.sql';
my $custom = $node->basedir . '/dump.custom';
$node->command_ok([ 'pg_dump', '-f', $plain, $node->connstr('src') ], 'pg_dump as superuser');
$node->command_ok([ 'pg_dump', '-Fc', '-f', $custom, $node->connstr('src') ], 'pg_dump -Fc as superuser');
my $text = slurp_file($plain);
unlike($text, qr/zyxwvu/, 'no address in the dump');
unlike($text, qr/\*\*\*\@/, 'and no mask');
is(() = $text =~ /lg1:/g, $rows + 500, 'one armoured value for each');

$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $plain, $node->connstr('dst') ], 'restored by psql');
is(revealed('dst'), $before, 'every address is equal after psql');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('dst2'), $custom ], 'restored by pg_restore');
is(revealed('dst2'), $before, 'every address is equal after pg_restore');
is($node->safe_psql('dst', q{SELECT id FROM subs WHERE email = 'READER7@ZYXWVU7.example'}, extra_params => [ '-U', 'app' ]),
	'7', 'and is found by its address');
is(sqlstate($node, 'dst', 'app', 'SELECT * FROM subs'), 'LG001', 'the threshold holds in the restored database');
is(sqlstate($node, 'dst', 'loader', q{INSERT INTO subs VALUES (90001, 'new@example.org', 'n', 'news0')}), 'ok',
	'and inserting goes on');

$node->command_fails([ 'pg_dump', '-U', 'app', '-t', 'subs', '-f', $node->basedir . '/part.sql', $node->connstr('src') ],
	'a role that sees rows by policies gets no dump');
$node->command_fails([ 'pg_dump', '-U', 'app', '--enable-row-security', '-t', 'subs', '-f', $node->basedir . '/part.sql', $node->connstr('src') ],
	'not with --enable-row-security either');

$node->stop;
done_testing();
