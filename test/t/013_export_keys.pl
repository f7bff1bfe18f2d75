
# Keys carried from one database to another: what was sealed there opens here,
# for who holds the grant here.  A damaged, partial or foreign export changes
# nothing.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = lg_node('carry');
my $base = $node->basedir;
my $own = "$base/root.own";
append_to_file($own, join('', map { sprintf '%02x', int rand 256 } 1 .. 32) . "\n");
chmod 0600, $own or die "chmod: $!";
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(src dst other late);
lg_list($node, 'src', 40);
$node->safe_psql('src', q{
	CREATE ROLE dba LOGIN IN ROLE listguard_admin;
	CREATE TABLE whole (id int PRIMARY KEY, mail text UNIQUE);
	INSERT INTO whole SELECT n, format('single%s@zyxwvu%s.example', n, n) FROM generate_series(1, 20) n;
	SELECT listguard.protect('whole', '{mail}');
	SELECT listguard.grant_access('app', 'whole', '{view,reveal}')});
$node->safe_psql($_, 'CREATE EXTENSION listguard CASCADE') for qw(dst other late);

sub value
{
	my ($db, $sql, @options) = @_;
	return $node->safe_psql($db, $sql, @options);
}

sub as_app
{
	my ($db, $sql) = @_;
	return value($db, $sql, extra_params => [ '-U', 'app' ]);
}

# SQLSTATE of an import, and what keys the database has after it.
sub import_of
{
	my ($db, $text) = @_;
	my ($out, $err) = ('', '');
	$text =~ s/'/''/g;
	my $sql = "SELECT listguard.import_keys('$text')";
	IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', '-d', $node->connstr($db) ],
		'<', \$sql, '>', \$out, '2>', \$err);
	my $state = $err =~ /ERROR:  (\w+)/ ? $1 : 'ok ' . $out =~ s/\s+\z//r;
	return wantarray ? ($state, $err) : $state;
}

my $count = 'SELECT (SELECT count(*) FROM listguard.keyset), (SELECT count(*) FROM listguard.index_key), (SELECT count(*) FROM listguard.key), (SELECT count(*) FROM listguard.list)';
my $export = value('src', 'SELECT listguard.export_keys()', extra_params => [ '-U', 'dba' ]);

# ---- the text ----
like($export, qr/\Alistguard-keys 1\nroot [0-9a-f]{16}\nkeyset [0-9a-f]{32}\nindex 1 [0-9a-f]{228}\n/, 'an export begins with version, root, keyset, index key');
is(scalar(() = $export =~ /^key \d+ \d+ - [0-9a-f]{228}$/mg), 4, 'four list keys, wrapped');
is(scalar(() = $export =~ /^list \d+ \d+ (?:=[0-9a-f]+|-) (?:=[0-9a-f]+|-)$/mg), 4, 'and the lists');
like($export, qr/^seal [0-9a-f]{64}\n\z/m, 'a seal at its end');
unlike($export, qr/zyxwvu/, 'no address');
is(sqlstate($node, 'src', 'app', 'SELECT listguard.export_keys()'), '42501', 'not for everybody');
is(sqlstate($node, 'src', 'app', "SELECT listguard.import_keys('x')"), '42501', 'nor is the import');
is(sqlstate($node, 'dst', 'postgres', 'SELECT listguard.export_keys()'), 'LG004', 'a database without keys has nothing to export');

# ---- damage ----
my @lines = split /^/, $export;
my ($index_line) = grep { $lines[$_] =~ /^index/ } 0 .. $#lines;
my ($key_line) = grep { $lines[$_] =~ /^key/ } 0 .. $#lines;
my %damaged = (
	'nothing' => '',
	'no export' => "hello\n",
	'a later version' => $export =~ s/-keys 1/-keys 2/r,
	'without its seal' => join('', @lines[ 0 .. $#lines - 1 ]),
	'cut in the seal' => substr($export, 0, -10),
	'cut in the middle' => substr($export, 0, length($export) / 2),
	'without a key' => join('', @lines[ grep { $_ != $key_line } 0 .. $#lines ]),
	'without the index key' => join('', @lines[ grep { $_ != $index_line } 0 .. $#lines ]),
	'a line twice' => join('', @lines[ 0 .. $key_line, $key_line .. $#lines ]),
	'lines exchanged' => join('', @lines[ 0, 1, 2, 4, 3, 5 .. $#lines ]),
	'a digit altered' => $export =~ s/^(key \d+ \d+ - [0-9a-f]{50})(.)/$1 . ($2 eq '0' ? '1' : '0')/mer,
	'another list number' => $export =~ s/^(key \d+ \d+)/${1}0/mr,
	'another seal' => $export =~ s/^seal (.)/'seal ' . ($1 eq '0' ? '1' : '0')/mer,
	'CR LF' => $export =~ s/\n/\r\n/gr,
	'text behind it' => $export . "x\n",
	'text before it' => "\n" . $export);
for my $what (sort keys %damaged)
{
	is(import_of('dst', $damaged{$what}), '22P02', "$what: refused");
}
is(import_of('dst', $export =~ s/^root ./root 0/mr =~ s/^root 0(.)/'root 0' . ($1 eq '0' ? '1' : '0')/mer), 'LG004', 'another root: LG004');
is(value('dst', $count), '0|0|0|0', 'and nothing of any of them was taken');

# ---- a restore of tables without the registry ----
my $dump = "$base/tables.sql";
$node->command_ok([ 'pg_dump', '-t', 'subs', '-t', 'whole', '-f', $dump, $node->connstr('src') ], 'a dump of the tables alone');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('dst') ], 'is restored where there are no keys');
is(import_of('dst', $export), 'ok 5', 'the keys are imported: one index key, four list keys');
is(value('dst', $count), '1|1|4|4', 'with their lists');
is(value('dst', 'SELECT count(*), bool_and(opens) FROM listguard.check_root_key()'), '5|t', 'and open');
unlike(value('dst', q{SELECT email FROM subs WHERE id = 1}), qr/zyxwvu/, 'a key is no grant');
value('dst', q{SELECT listguard.protect('subs', '{email}', list_column => 'list'); SELECT listguard.protect('whole', '{mail}');
	SELECT listguard.grant_access('loader', 'subs', '{view,insert}');
	SELECT listguard.grant_access('app', 'subs', '{view,reveal}', lists => '{news1}')});
is(value('dst', q{SELECT (SELECT list_no FROM listguard.protected_table WHERE relation = 'public.whole') = (SELECT list_no FROM listguard.list WHERE relation = 'public.whole')}),
	't', 'protect takes up the lists that are there');
is(value('dst', 'SELECT count(*) FROM listguard.list'), '4', 'and makes no others');
is(as_app('dst', 'SELECT id, email FROM subs WHERE id = 3'), '3|' . address(3), 'with a grant on its list a value opens');
is(as_app('dst', q{SELECT count(*) FROM subs WHERE list = 'news0'}), '0', 'a list without a grant stays closed');
unlike($node->safe_psql('dst', 'SELECT email FROM subs WHERE id = 3', extra_params => [ '-U', 'loader' ]), qr/reader3/, 'and a role without reveal sees a mask');
value('dst', q{SELECT listguard.grant_access('app', 'subs', '{view,reveal}'); SELECT listguard.grant_access('app', 'whole', '{view,reveal}')});
is(as_app('dst', "SELECT string_agg(email::text, ' ' ORDER BY id) FROM subs"), join(' ', map { address($_) } 1 .. 40), 'every address is the same');
is(as_app('dst', "SELECT string_agg(mail::text, ' ' ORDER BY id) FROM whole"), join(' ', map { "single$_\@zyxwvu$_.example" } 1 .. 20), 'in the other table too');
is(as_app('dst', q{SELECT id FROM subs WHERE email = 'READER7@zyxwvu7.example'}), '7', 'and is found by itself');
is(sqlstate($node, 'dst', 'loader', q{INSERT INTO subs VALUES (900, 'reader7@zyxwvu7.example', 'x', 'news1')}), '23505',
	'the same address is not stored twice: tokens agree');
is(sqlstate($node, 'dst', 'loader', q{INSERT INTO subs VALUES (901, 'reader901@zyxwvu901.example', 'x', 'news1')}), 'ok', 'a new one is');
is(value('dst', 'SELECT count(*) FROM listguard.key'), '4', 'under the key that was imported');

# ---- once more, and later ----
is(import_of('dst', $export), 'ok 0', 'a second import has nothing new');
value('src', q{INSERT INTO subs VALUES (100, 'reader100@zyxwvu100.example', 'x', 'It''s =new= %')});
my $later = value('src', 'SELECT listguard.export_keys()');
is(import_of('dst', $later), 'ok 1', 'a list that came later comes with the next one');
is(value('dst', q{SELECT count(*) FROM listguard.list WHERE value = 'It''s =new= %'}), '1', 'under its name');
value('dst', q{UPDATE listguard.key SET wrapped = NULL WHERE list_no = (SELECT list_no FROM listguard.list WHERE value = 'news0')});
{
	my ($state, $err) = import_of('dst', $later);
	is($state, 'ok 0', 'a key destroyed here');
	like($err, qr/was destroyed here and stays so/, 'stays destroyed, and that is said');
}
is(value('dst', 'SELECT count(*) FROM listguard.key WHERE wrapped IS NULL'), '1', 'it does');
{
	my ($state, $err) = import_of('src', value('dst', 'SELECT listguard.export_keys()'));
	is($state, 'ok 0', 'a key destroyed there');
	like($err, qr/WARNING.*is still here/s, 'is still here, and that is said');
}
is(value('src', 'SELECT count(*) FROM listguard.key WHERE wrapped IS NULL'), '0', 'nothing was destroyed');

# ---- lists of both sides ----
value('dst', q{SELECT listguard._ensure_list('subs', 'both')});
value('src', q{SELECT listguard._ensure_list('subs', 'both')});
is(import_of('dst', value('src', 'SELECT listguard.export_keys()')), 'ok 1', 'two lists of one name');
is(value('dst', q{SELECT count(*), count(*) FILTER (WHERE relation LIKE 'public.subs (imported %)') FROM listguard.list WHERE value = 'both'}),
	'2|1', 'are two lists, and no grant reaches the one that came');

# ---- another keyset ----
value('other', q{CREATE TABLE t (e text); SELECT listguard.protect('t', '{e}')});
my $before = value('other', $count);
{
	my ($state, $err) = import_of('other', $export);
	is($state, '55000', 'where another keyset is, nothing is imported');
	like($err, qr/HINT:  A database has one keyset/, 'the hint says why');
}
is(value('other', $count), $before, 'and nothing has changed');

# ---- a server with a root key of its own ----
$node->append_conf('postgresql.conf', "listguard.root_key_file = '$own'\n");
sub settle
{
	my ($old) = @_;
	$node->append_conf('postgresql.conf', "listguard.root_key_file_old = '$old'\n");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT setting = '$old' FROM pg_settings WHERE name = 'listguard.root_key_file_old'") or die;
	value('late', 'SELECT listguard.reload_root_key()');
	return;
}
settle('');
{
	my ($state, $err) = import_of('late', $export);
	is($state, 'LG004', 'without the root key of the export, LG004');
	like($err, qr/HINT:  Set that root key as listguard.root_key_file_old/, 'the hint says what to do');
}
is(value('late', $count), '0|0|0|0', 'and nothing was imported');
settle("$base/root.key");
is(import_of('late', $export), 'ok 5', 'with it as the old root key the import works');
settle('');
is(value('late', 'SELECT count(*), bool_and(opens) FROM listguard.check_root_key()'), '5|t', 'the keys are under the own root key now');
settle("$base/root.key");
is(value('dst', q{SELECT listguard._drain(); SELECT string_agg(detail ->> 'import', ' ' ORDER BY seq) FROM listguard.audit WHERE kind = 'key' AND detail ? 'import'}),
	"\n5 0 1 0 1", 'imports are on record');
is(value('src', q{SELECT listguard._drain(); SELECT count(*) FROM listguard.audit WHERE kind = 'key' AND detail ? 'export' AND login_role = 'dba'}),
	"\n1", 'and so are exports');

$node->stop;
done_testing();
