
# The root key through time: two roots, several databases, each rotated by
# itself.  A key that no loaded root opens is LG004, never garbage, and a
# rotation that is killed or fails has changed nothing.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $bound = 60;    # seconds that anything may take

my $node = lg_node('rotation', "restart_after_crash = on\n");
my $base = $node->basedir;
my %file = (A => "$base/root.key");
for my $name (qw(B C))
{
	$file{$name} = "$base/root.$name";
	append_to_file($file{$name}, join('', map { sprintf '%02x', int rand 256 } 1 .. 32) . "\n");
	chmod 0600, $file{$name} or die "chmod: $!";
}

sub value
{
	my ($db, $sql) = @_;
	return $node->safe_psql($db, $sql);
}

sub root_setting
{
	my ($current, $old) = @_;
	$node->append_conf('postgresql.conf', sprintf "listguard.root_key_file = '%s'\nlistguard.root_key_file_old = '%s'\n",
		$current && $file{$current}, $old && $file{$old});
	$node->reload;
	$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_file_settings f JOIN pg_settings s USING (name)
		WHERE f.applied AND f.setting IS DISTINCT FROM s.setting AND name LIKE 'listguard.root_key%'})
	  or die 'settings did not arrive';
	return;
}

# The roots by file names; '' for none.  Dies if they cannot be loaded.
sub roots
{
	root_setting(@_);
	value('postgres', 'SELECT listguard.reload_root_key()');
	return;
}

# Values as a new session of the role app sees them, or its SQLSTATE.
sub reads
{
	my ($db) = @_;
	my ($status, $out, $err) = $node->psql($db, 'SELECT email FROM subs WHERE id <= 3 ORDER BY id',
		extra_params => [ '-U', 'app', '-v', 'VERBOSITY=sqlstate' ]);
	return $status == 0 ? join(' ', split /\n/, $out) : $err =~ /ERROR:  (\w+)/ ? $1 : $err;
}

sub usage
{
	my ($columns) = @_;
	return value('postgres', "SELECT $columns FROM listguard.root_key_usage() WHERE database <> 'postgres' ORDER BY 1, 2");
}

sub wait_for
{
	my ($what, $code) = @_;
	my $end = time + $bound;
	until ($code->())
	{
		die "timed out waiting for $what" if time > $end;
		usleep 100_000;
	}
	return 1;
}

my $clear = join ' ', map { address($_) } 1 .. 3;
my $opens = 'SELECT count(*), count(*) FILTER (WHERE opens), count(DISTINCT root_id) FROM listguard.check_root_key()';

value('postgres', 'CREATE EXTENSION listguard CASCADE; CREATE DATABASE one; CREATE DATABASE nothing');
lg_list($node, 'one', 20);
$node->safe_psql('postgres', 'CREATE DATABASE two');
{
	# the roles are there already
	my $sql = q{
		CREATE EXTENSION listguard CASCADE;
		CREATE TABLE subs (id int PRIMARY KEY, email text NOT NULL, name text, list text NOT NULL);
		INSERT INTO subs SELECT n, format('reader%s@zyxwvu%s.example', n, n), 'x', 'news' || n % 2 FROM generate_series(1, 20) n;
		SELECT listguard.protect('subs', '{email}', list_column => 'list');
		SELECT listguard.grant_access('app', 'subs', '{view,reveal}')};
	value('two', $sql);
}
is(reads($_), $clear, "$_ reads") for qw(one two);
value('two', q{SELECT count(listguard._create_list('no.such', 'list' || n)) FROM generate_series(1, 2100) n});
is(value('one', $opens), '4|4|1', 'one index key, the default list and two lists, all under one root');
my $dump = "$base/old.sql";
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('one') ], 'a dump before the rotation');


# ---- lgctl root verify, on real dumps ----
my $lgctl = $ENV{LGCTL} || 'contrib/lgctl/lgctl';
my $says = qr/1 index key and 3 list keys opened, 0 destroyed\nroot key [0-9a-f]{16} opens all of them/;
$node->command_ok([ 'pg_dump', '--inserts', '-f', "$base/inserts.sql", $node->connstr('one') ], 'a dump with INSERTs');
$node->command_ok([ 'pg_dump', '--column-inserts', '--rows-per-insert=2', '-f', "$base/columns.sql", $node->connstr('one') ], 'with columns');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$base/custom", $node->connstr('one') ], 'in custom format');
$node->command_ok([ 'pg_restore', '-f', "$base/restored.sql", "$base/custom" ], 'as pg_restore writes it');
for my $form ($dump, map { "$base/$_.sql" } qw(inserts columns restored))
{
	command_like([ $lgctl, 'root', 'verify', '--key', $file{A}, $form ], $says, 'the root key opens the dump: ' . $form =~ s{.*/}{}r);
	command_fails_like([ $lgctl, 'root', 'verify', '--key', $file{B}, $form ], qr/4 of 4 keys do not open/, 'another does not');
}
command_fails_like([ $lgctl, 'root', 'verify', '--key', $file{A}, "$base/custom" ], qr/pg_restore -f -/, 'custom format: says what to do');
$node->command_ok([ 'pg_dumpall', '-f', "$base/all.sql", '-d', $node->connstr('postgres') ], 'pg_dumpall');
command_like([ $lgctl, 'root', 'verify', '--key', $file{A}, "$base/all.sql" ], qr/database one, .*\n.*database two, .*2103 list keys/,
	'every database of pg_dumpall is looked at');

# ---- who needs which root ----
my $id_a = value('one', "SELECT DISTINCT encode(root_id, 'hex') FROM listguard.check_root_key()");
is(usage('database, root_id, which, index_keys, list_keys'), "one|$id_a|current|1|3\ntwo|$id_a|current|1|2103",
	'each database that holds listguard and its keys is listed, and no other');
is(value('postgres', q{SELECT root_id IS NULL, which, index_keys, list_keys FROM listguard.root_key_usage() WHERE database = 'postgres'}),
	't|none|0|0', 'a database without keys needs no root');
is(sqlstate($node, 'one', 'app', 'SELECT * FROM listguard.root_key_usage()'), '42501', 'not for everybody');
is(sqlstate($node, 'one', 'app', 'SELECT listguard.rotate_root_key()'), '42501', 'nor is the rotation');

# ---- the settings of the old root ----
for my $name (qw(file command))
{
	like($node->psql('one', "ALTER SYSTEM SET listguard.root_key_${name}_old = 'x'", on_error_stop => 1) . '', qr/^[13]$/,
		"root_key_${name}_old is not for ALTER SYSTEM");
	isnt(sqlstate($node, 'one', 'postgres', "SET listguard.root_key_${name}_old = 'x'"), 'ok', 'nor for SET');
}

# The new root alone: nothing opens, and nothing is wrong but that.
roots('B', '');
is(reads($_), 'LG004', "$_: with another root alone, LG004") for qw(one two);
is(value('one', $opens), '4|0|1', 'check_root_key says that no key opens');
is(usage('database, which'), "one|absent\ntwo|absent", 'root_key_usage says whose root is absent');
{
	my ($status, $out, $err) = $node->psql('one', 'SELECT listguard.rotate_root_key()');
	like($err, qr/no loaded root key opens .*$id_a.*HINT:.*root_key_file_old/s, 'no rotation without the old root; the hint says what to do');
	is(sqlstate($node, 'one', 'postgres', 'SELECT listguard.rotate_root_key()'), 'LG004', 'LG004');
	is(value('one', $opens), '4|0|1', 'and nothing was changed');
}

# Files of the old root are held to the same rules.
chmod 0644, $file{A};
root_setting('B', 'A');
my $from = -s $node->logfile;
is(sqlstate($node, 'postgres', 'postgres', 'SELECT listguard.reload_root_key()'), 'LG004', 'an old root key file open to others is refused');
like(substr(slurp_file($node->logfile), $from), qr/could not load the old root key/, 'the log says which');
is(reads('one'), 'LG004', 'it is not used');
chmod 0600, $file{A};
ok(wait_for('the launcher', sub { reads('one') eq $clear }), 'the launcher takes the old root once its file is in order');
roots('B', 'A');
is(reads($_), $clear, "$_: with both roots all is read") for qw(one two);
is(value('one', $opens), '4|4|1', 'check_root_key: the old root opens them');
is(usage('database, root_id, which'), "one|$id_a|old\ntwo|$id_a|old", 'who needs the old root');

# New keys are made under the current one.
is(sqlstate($node, 'one', 'postgres', q{INSERT INTO subs VALUES (100, 'reader100@zyxwvu100.example', 'n', 'fresh')}), 'ok', 'a new list');
is(value('one', $opens), '5|5|2', 'has its key under the new root');

# ---- rotation ----
# A session of its own has the keys unwrapped, and one is making a key.
my $making = $node->background_psql('one', on_error_stop => 0);
$making->query_safe(q{BEGIN});
$making->query_safe(q{SELECT listguard._create_list('x.y', 'in the making')});
my ($in, $out, $err) = ('', '', '');
my $rotating = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('one'), '-c', 'SELECT listguard.rotate_root_key()' ],
	'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout($bound));
ok(wait_for('the lock', sub {
	value('one', q{SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE NOT granted AND relname IN ('key', 'keyset', 'index_key')}) eq '1' }),
	'rotation waits for a key that is being made');
$making->query_safe('COMMIT');
$making->quit;
$rotating->finish;
is($out, "4\n", 'then all keys that were under the old root are under the new one') or diag($err);
is(value('one', $opens), '6|6|1', 'all of them');
is(value('one', 'SELECT listguard.rotate_root_key()'), '0', 'a second call has nothing to do');
my $id_b = value('one', "SELECT DISTINCT encode(root_id, 'hex') FROM listguard.check_root_key()");
isnt($id_b, $id_a, 'under another root');
is(usage('database, root_id, which, list_keys'), "one|$id_b|current|5\ntwo|$id_a|old|2103", 'the other database still needs the old one');
is(value('one', q{SELECT listguard._drain(); SELECT string_agg(detail ->> 'keys', ' ' ORDER BY seq) FROM listguard.audit
	WHERE kind = 'key' AND detail ->> 'root key' = 'rotate' AND outcome = 'ok'}), "\n4 0", 'both calls are on record');
is(value('one', q{SELECT count(*) > 0 FROM listguard.audit WHERE kind = 'key' AND detail ->> 'root key' = 'rotate' AND outcome = 'refused'}),
	't', 'and those that failed');

# ---- the old root goes ----
roots('B', '');
is(reads('one'), $clear, 'the rotated database works without the old root');
is(reads('two'), 'LG004', 'the other is LG004');
is(sqlstate($node, 'two', 'postgres', q{INSERT INTO subs VALUES (100, 'reader100@zyxwvu100.example', 'n', 'news0')}), 'LG004', 'for storing too');
unlike($node->safe_psql('two', q{SET listguard.output = 'sealed'; SELECT email FROM subs WHERE id = 1}), qr/zyxwvu/, 'no garbage, no address');
is(sqlstate($node, 'two', 'postgres', 'SELECT listguard.rotate_root_key()'), 'LG004', 'it cannot be rotated either');
$node->restart;
is(reads('one'), $clear, 'the same after a restart');
is(reads('two'), 'LG004', 'for both');
roots('C', 'B');
is(reads('one'), $clear, 'an old root that is another one');
is(reads('two'), 'LG004', 'opens what is its own and nothing else');
roots('B', 'A');
is(reads('two'), $clear, 'with the old root back the other database works again');

# An older dump needs the old root.
value('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'the older dump is restored');
is(reads('restored'), $clear, 'and read with both roots');
roots('B', '');
is(reads('restored'), 'LG004', 'not without the old one');
roots('B', 'A');
is(value('restored', 'SELECT listguard.rotate_root_key()'), '4', 'it is rotated as well');

# ---- rotation is one transaction ----
my $before = value('two', $opens);
is(value('two', 'BEGIN; SELECT listguard.rotate_root_key(); ROLLBACK; ' . $opens), "2104\n$before", 'a rotation rolled back has changed nothing');
my $broken = value('two', q{UPDATE listguard.key SET wrapped = set_byte(wrapped, 50, get_byte(wrapped, 50) # 1)
	WHERE list_no = (SELECT list_no FROM listguard.list WHERE value = 'news1') RETURNING key_id});
{
	my ($status, $out, $err) = $node->psql('two', 'SELECT listguard.rotate_root_key()');
	like($err, qr/no loaded root key opens key $broken of list/, 'a key that was altered is named');
}
is(value('two', q{SELECT count(*) FILTER (WHERE NOT opens), count(DISTINCT root_id) FROM listguard.check_root_key()}), '1|1',
	'and stops the rotation of all');
value('two', q{UPDATE listguard.key SET wrapped = set_byte(wrapped, 50, get_byte(wrapped, 50) # 1) WHERE key_id = } . $broken);
is(value('two', $opens), $before, 'the state is as it was');
is(sqlstate($node, 'two', 'postgres', 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT listguard.rotate_root_key(); ROLLBACK'), 'ok',
	'REPEATABLE READ does as long as nobody was faster');
is(sqlstate($node, 'two', 'postgres', 'BEGIN READ ONLY; SELECT listguard.rotate_root_key()'), '25006', 'READ ONLY does not');

# Killed after the rows were written and before the commit.
my $doomed = $node->background_psql('two', on_error_stop => 0);
$doomed->query_safe('BEGIN');
$doomed->query_safe('SELECT listguard.rotate_root_key()');
my $pid = $doomed->query_safe('SELECT pg_backend_pid()');
is(value('two', $opens), $before, 'others see nothing of a rotation that is not committed');
is(reads('two'), $clear, 'and go on reading meanwhile');
kill 'KILL', $pid;
eval { $doomed->quit };
ok(wait_for('recovery', sub { ($node->psql('two', 'SELECT 1'))[0] == 0 }), 'the server comes back after kill -9');
is(value('two', $opens), $before, 'and nothing was changed');
is(reads('two'), $clear, 'all is read');
is(value('two', 'SELECT listguard.rotate_root_key()'), '2104', 'the next rotation does it all');
roots('B', '');
is(reads($_), $clear, "$_ works without the old root") for qw(one two restored);
is(usage('database, which'), "one|current\nrestored|current\ntwo|current", 'nobody needs the old root');

# ---- what is not known is said ----
value('two', 'SELECT listguard._drain()');
{
	my $lock = $node->background_psql('two', on_error_stop => 0);
	$lock->query_safe('BEGIN');
	$lock->query_safe('LOCK TABLE listguard.key IN ACCESS EXCLUSIVE MODE');
	is(value('postgres', q{SELECT root_id IS NULL, which, index_keys IS NULL FROM listguard.root_key_usage() WHERE database = 'two'}),
		't|unknown|t', 'a database that cannot answer is unknown, not left out');
	$lock->query_safe('ROLLBACK');
	$lock->quit;
}
like(usage('database, which'), qr/^two\|current$/m, 'and is known again');
value('postgres', 'ALTER DATABASE two ALLOW_CONNECTIONS false');
like(usage('database, which'), qr/^two\|current$/m, 'a database closed to sessions answers all the same');

# The old root by a command.
root_setting('B', '');
$node->append_conf('postgresql.conf', "listguard.root_key_command_old = 'cat $file{A}'\n");
$node->reload;
ok(wait_for('the old root', sub {
	value('one', q{SELECT setting <> '' FROM pg_settings WHERE name = 'listguard.root_key_command_old'}) eq 't' }), 'a command for the old root');
value('one', 'SELECT listguard.reload_root_key()');
$node->append_conf('postgresql.conf', "listguard.root_key_command_old = ''\n");

$node->stop;
my $log = slurp_file($node->logfile);
for my $name (sort keys %file)
{
	my ($key) = slurp_file($file{$name}) =~ /(\w+)/;
	unlike($log, qr/$key/i, "the server log does not hold root key $name");
}
done_testing();
