
# Copied databases and data directories: noticed once, on record, masked and
# sealed but never revealed until somebody adopts them.  A standby that is
# promoted, a renamed database and a restored dump are no copies.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use lib 'test/t';
use LGTest;

my $lgctl = $ENV{LGCTL} || 'contrib/lgctl/lgctl';
die "no lgctl at $lgctl" unless -x $lgctl;
my $clear = address(1);
my $masked = qr/^r\*\*\*\@z\*\*\*\.example$/;

my $node = PostgreSQL::Test::Cluster->new('origin');
$node->init(allows_streaming => 1, has_archiving => 1);
my $root = $node->basedir . '/root.key';
append_to_file($root, join('', map { sprintf '%02x', int rand 256 } 1 .. 32) . "\n");
chmod 0600, $root or die "chmod: $!";
$node->append_conf('postgresql.conf', "wal_keep_size = '512MB'\nlistguard.root_key_file = '$root'\nlistguard.root_key_command = ''\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE shop');
lg_list($node, 'shop', 20);
$node->safe_psql('shop', q{
	CREATE ROLE dba LOGIN IN ROLE listguard_admin;
	SELECT listguard.grant_access('app', 'subs', '{insert,update,domain,export}')});

# ---- helpers ----

sub as_app
{
	my ($n, $db, $sql) = @_;
	my ($status, $out, $err) = $n->psql($db, $sql, extra_params => [ '-U', 'app', '-v', 'VERBOSITY=verbose' ],
		on_error_stop => 1);
	return $status == 0 ? $out : $err;
}

sub seen { return as_app($_[0], $_[1], 'SELECT email FROM subs WHERE id = 1'); }

sub refused
{
	my ($n, $db, $sql, $name) = @_;
	like(as_app($n, $db, $sql), qr/ERROR:  55000: this database is a copy.*HINT: .*adopt_database\(\)/s, "$name is refused");
	return;
}

sub alarms
{
	my ($n, $db) = @_;
	return $n->safe_psql($db, q{SELECT listguard._drain();
		SELECT count(*) FROM listguard.audit WHERE kind = 'alarm' AND detail ? 'copied'}) =~ s/^\s+//r;
}

sub token
{
	my ($n, $db) = @_;
	my ($err, $token);
	my $claims = as_app($n, $db, q{SELECT listguard.request_export('subs', NULL, NULL, 500, 'test')});
	IPC::Run::run([ $lgctl, 'ticket', 'sign', '--key', $n->basedir . '/alice.key', '--as', 'alice', '--ttl', '10m', '--yes', '-' ],
		'<', \$claims, '>', \$token, '2>', \$err) or die "lgctl: $err";
	return $token =~ /(v4\.public\.[\w.-]+)/ ? $1 : die "no token in: $token";
}

sub adopt { return $_[0]->safe_psql($_[1], 'SET ROLE dba; SELECT listguard.adopt_database()'); }

# What holds of every copy, and that adoption ends it.
sub check_copy
{
	my ($n, $db, $what) = @_;
	like(seen($n, $db), $masked, "$what: rows are masked");
	refused($n, $db, 'SELECT email::text FROM subs WHERE id = 1', "$what: a cast");
	adopt($n, $db);
	is(seen($n, $db), $clear, "$what: reveals once adopted");
	return;
}

# ---- at home ----

my ($out, $err);
IPC::Run::run([ $lgctl, 'keygen', 'approver', '--out', $node->basedir . '/alice.key', '--no-passphrase' ],
	'>', \$out, '2>', \$err) or die "lgctl: $err";
$out =~ /(k4\.public\.[\w-]+)/ or die "no key in: $out";
$node->safe_psql('shop', "SELECT listguard.add_approver('alice', 'Alice', '$1', now() + interval '1 day')");
is(seen($node, 'shop'), $clear, 'at home: reveals');
is($node->safe_psql('shop', q{SELECT system = (SELECT system_identifier::text FROM pg_control_system()), noticed IS NULL,
	database = (SELECT oid FROM pg_database WHERE datname = current_database()) FROM listguard.home}), 't|t|t', 'home is noted');
like($node->psql('shop', 'SET ROLE dba; SELECT listguard.adopt_database()', extra_params => ['-q']) . '', qr/^0/,
	'adopting what is no copy does nothing');
$node->backup('base');
my $token = token($node, 'shop');
my $unused = token($node, 'shop');

# ---- a copied database ----

$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE shop');
like(seen($node, 'copy'), $masked, 'template: rows are masked');
refused($node, 'copy', 'SELECT email::text FROM subs WHERE id = 1', 'template: a cast');
refused($node, 'copy', 'SELECT listguard.domain(email) FROM subs WHERE id = 1', 'template: domain()');
refused($node, 'copy', q{UPDATE subs SET list = 'news7' WHERE id = 1}, 'template: a move to another list');
refused($node, 'copy', qq{SELECT listguard.present_ticket('$token')}, 'template: a ticket');
$node->safe_psql('copy', q{GRANT listguard_admin TO app});
refused($node, 'copy', q{SELECT listguard.unprotect('subs')}, 'template: unprotect');
$node->safe_psql('copy', q{REVOKE listguard_admin FROM app});
like(as_app($node, 'copy', 'COPY (SELECT email FROM subs WHERE id = 1) TO STDOUT'), qr/^lg1:/, 'template: COPY gives armour');
like(as_app($node, 'copy', q{SET listguard.output = 'munged'; SELECT email FROM subs WHERE id = 1}), $masked, 'template: munged is masked');
is(as_app($node, 'copy', q{INSERT INTO subs VALUES (100, 'new@zyxwvu.example', 'New', 'news1');
	SELECT count(*) FROM subs WHERE email = 'NEW@zyxwvu.example'}), '1', 'template: sealing and look-up go on');
like(as_app($node, 'copy', 'SELECT email FROM subs WHERE id = 100'), qr/^n\*\*\*\@/, 'template: new rows are masked as well');
is(alarms($node, 'copy'), 1, 'template: one alarm');
seen($node, 'copy') for 1 .. 3;
$node->restart;
seen($node, 'copy');
is(alarms($node, 'copy'), 1, 'template: one alarm only, after more reads and a restart');
my $lines = () = slurp_file($node->logfile) =~ /LOG:.*this database is a copy/g;
is($lines, 1, 'template: one line in the log');
isnt($node->safe_psql('copy', 'SELECT origin FROM listguard.home'), $node->safe_psql('shop', 'SELECT origin FROM listguard.home'),
	'template: its log has an origin of its own');
is(seen($node, 'shop'), $clear, 'the template itself reveals');
like(as_app($node, 'copy', 'SELECT listguard.adopt_database()'), qr/42501/, 'an application cannot adopt');
like(seen($node, 'copy'), $masked, 'and nothing has changed');
adopt($node, 'copy');
is(seen($node, 'copy'), $clear, 'template: reveals once adopted');
is($node->safe_psql('copy', q{SELECT listguard._drain();
	SELECT count(*) FROM listguard.audit WHERE kind = 'setting' AND detail ? 'adopted'}) =~ s/^\s+//r, 1, 'adoption is on record');
like(as_app($node, 'copy', qq{SELECT listguard.present_ticket('$token')}), qr/LG003/, 'a ticket of the template is good in no copy');
is(as_app($node, 'shop', qq{SELECT listguard.present_ticket('$token')}), '', 'it is in the template');
$node->safe_psql('postgres', 'ALTER DATABASE copy RENAME TO renamed');
is(seen($node, 'renamed'), $clear, 'a renamed database is no copy');
if ($node->pg_version >= 15)
{
	$node->safe_psql('postgres', 'CREATE DATABASE by_file TEMPLATE shop STRATEGY file_copy');
	check_copy($node, 'by_file', 'template by files');
}

# ---- dump and restore ----

my $dump = $node->basedir . '/shop.dump';
command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('shop') ], 'dumps');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
command_ok([ 'pg_restore', '-d', $node->connstr('restored'), $dump ], 'restores');
is(seen($node, 'restored'), $clear, 'a restored dump is no copy');
$node->poll_query_until('restored', 'SELECT count(*) = 1 FROM listguard.home') or die 'no home';
pass('and its home is noted');
is(seen($node, 'restored'), $clear, 'and it still reveals');
$node->poll_query_until('restored', q{SELECT count(*) = 3 FROM listguard.binding WHERE name IN ('app', 'loader', 'public.subs')})
  or die 'not bound';
pass('and its names are bound');

# ---- standby, promoted ----

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
$standby->promote;
is(seen($standby, 'shop'), $clear, 'a promoted standby reveals');
$standby->restart;
is(seen($standby, 'shop'), $clear, 'after a restart, too');
like(as_app($standby, 'shop', qq{SELECT listguard.present_ticket('$unused')}), qr/LG003/, 'a ticket of the primary is not good on it');
is(as_app($node, 'shop', qq{SELECT listguard.present_ticket('$unused')}), '', 'but on the primary');
$standby->stop;

# ---- recovery to a point in time, from the archive ----

my $pitr = PostgreSQL::Test::Cluster->new('pitr');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
$pitr->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
$pitr->start;
$pitr->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'in recovery';
check_copy($pitr, 'shop', 'recovered clone');
is(alarms($pitr, 'shop'), 1, 'recovered clone: one alarm');
$pitr->stop;

# ---- copied files ----

sub copy_files
{
	my ($from, $to) = @_;
	system('cp', '-a', $from, $to) == 0 or die "cp: $?";
	return;
}

my $cold = PostgreSQL::Test::Cluster->new('cold');
$node->stop;
copy_files($node->data_dir, $cold->data_dir);
$cold->append_conf('postgresql.conf', 'port = ' . $cold->port . "\nunix_socket_directories = '" . $cold->host . "'\n");
$cold->start;
check_copy($cold, 'shop', 'copied files');
$cold->stop;
$node->start;
is(seen($node, 'shop'), $clear, 'what they were copied from reveals');

my $aside = $node->basedir . '/aside';
$node->stop;
rename $node->data_dir, $aside or die "rename: $!";
mkdir $node->data_dir, 0700 or die "mkdir: $!";
copy_files($_, $node->data_dir) for glob "$aside/*";
$node->start;
check_copy($node, 'shop', 'restored in place');
my $destdir = $node->safe_psql('postgres', "SELECT count(*) FROM pg_settings WHERE name = 'extension_destdir'");
$node->stop;

# ---- pg_upgrade: another system identifier ----

SKIP:
{
	# pg_upgrade loads $libdir/listguard, and only Debian's own setting says that it lies elsewhere.
	skip 'pg_upgrade finds no module outside of the server\'s own directory', 4 unless $destdir;

	my $upgraded = PostgreSQL::Test::Cluster->new('upgraded');
	my $bin = $node->config_data('--bindir');
	$upgraded->init;
	$upgraded->append_conf('postgresql.conf', "listguard.root_key_file = '$root'\nlistguard.root_key_command = ''\n");
	my $work = $node->basedir . '/upgrade';
	mkdir $work or die "mkdir: $!";
	ok(IPC::Run::run([ 'pg_upgrade', '-b', $bin, '-B', $bin, '-d', $node->data_dir, '-D', $upgraded->data_dir,
			'-p', $node->port, '-P', $upgraded->port, '-s', $node->host ],
		'>', "$work/out", '2>&1', init => sub { chdir $work or die "chdir: $!" }), 'pg_upgrade') or diag(slurp_file("$work/out"));
	$upgraded->start;
	check_copy($upgraded, 'shop', 'upgraded');
	$upgraded->stop;
}

done_testing();
