
# Launcher and workers: what is on record gets into listguard.audit exactly
# once, whoever is killed; database commands find nobody in their way; the root
# key is taken when it appears.  Every reload_root_key() puts one event on
# record, synced: that is the load here.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $bound = 60;    # seconds that anything may take
my $now;           # events in the table
my $node = PostgreSQL::Test::Cluster->new('worker');
$node->init(allows_streaming => 1);
my $file = $node->basedir . '/root.key';
$node->append_conf('postgresql.conf', <<"CONF");
restart_after_crash = on
max_connections = 20
listguard.root_key_file = '$file'
listguard.root_key_command = ''
CONF

# Until the code is true, or die.
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

sub sqlstate
{
	my ($sql, $db) = @_;
	my ($status, $out, $err) =
	  $node->psql($db // 'postgres', $sql, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $status == 0 ? 'ok' : $err =~ /(?:ERROR|FATAL):  (\w+)/ ? $1 : $err;
}

sub value
{
	my ($sql, $db) = @_;
	return $node->safe_psql($db // 'postgres', $sql);
}

sub drain
{
	my ($db) = @_;
	return value('SELECT listguard._drain()', $db);
}

sub worker_pid
{
	my ($db) = @_;
	$db //= 'postgres';
	return value("SELECT pid FROM pg_stat_activity WHERE backend_type = 'listguard worker' AND datname = '$db'");
}

# A server whose postmaster was killed starts when the last of its children has
# gone.  Where nobody waits for the dead postmaster it looks alive: not to us.
sub try_start
{
	my ($dead) = @_;
	my $stat = -e "/proc/$dead/stat" ? slurp_file("/proc/$dead/stat") : '';
	my $pidfile = $node->data_dir . '/postmaster.pid';

	if ($stat =~ /\) Z /)
	{
		my $left = grep { (readlink("$_/cwd") // '') eq $node->data_dir } glob '/proc/[0-9]*';
		return 0 if $left;
		unlink $pidfile;
	}
	return 1 if $node->start(fail_ok => 1);
	$node->{_pid} = undef;
	return 0;
}

my $events = "FROM listguard.audit WHERE kind = 'key' AND seq IS NOT NULL";

# Sessions that put events on record until they are told to stop or killed.
sub start_load
{
	my ($sessions) = @_;
	my @load;

	for (1 .. $sessions)
	{
		my %l = (in => "SELECT 'put' || listguard.reload_root_key()::text;\n" x 20000, out => '', err => '');
		$l{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
			'<', \$l{in}, '>', \$l{out}, '2>', \$l{err}, IPC::Run::timeout(4 * $bound));
		push @load, \%l;
	}
	for my $l (@load)
	{
		$l->{run}->pump until $l->{out} =~ /(?:put\n){20}/;
	}
	return @load;
}

# How many events the sessions were told of.
sub finish_load
{
	my (@load) = @_;
	my $n = 0;

	for my $l (@load)
	{
		eval { $l->{run}->finish };
		$n += () = $l->{out} =~ /put\n/g;
	}
	return $n;
}

# Change a byte of a record in the newest segment that has any; -1 is the last one.
sub spoil_record
{
	my ($which) = @_;
	my @written = grep { slurp_file($_) =~ /LGRG/ } sort glob $node->data_dir . '/listguard_spool/*/*';
	my $bytes = slurp_file($written[-1]);
	my @at;

	push @at, $-[0] while $bytes =~ /LGRG/g;
	open my $fh, '+<:raw', $written[-1] or die "open: $!";
	seek $fh, $at[$which] + 80, 0;
	print $fh chr(ord(substr $bytes, $at[$which] + 80, 1) ^ 1);
	close $fh or die "close: $!";
	return;
}

# Nothing twice, nothing lost, nothing raised an alarm.
sub exactly_once
{
	my ($what, $least) = @_;

	drain();
	my ($count, $distinct) = split /\|/, value("SELECT count(*), count(DISTINCT (node, seq)) $events");
	is($count, $distinct, "$what: no event is there twice");
	cmp_ok($count, '>=', $least, "$what: each event that a session was told of is there");
	is(value("SELECT count(*) FROM listguard.audit WHERE kind = 'alarm'"), '0', "$what: no alarm");
	is(value('SELECT max(seq) - min(seq) + 1 - count(*) FROM listguard.audit WHERE seq IS NOT NULL'),
		'0', "$what: the numbers have no gap");
	return $count;
}

# The root key appears after the start.
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION listguard CASCADE');
is(sqlstate('SELECT listguard.check_root_key()'), 'LG004', 'without its file there is no root key');
is(worker_pid(), '', 'and no worker, as there is nothing to do') or diag(slurp_file($node->logfile));
append_to_file($file, (join '', map { sprintf '%02x', int rand 256 } 1 .. 32) . "\n");
chmod 0600, $file or die "chmod: $!";
ok(wait_for('the root key', sub { sqlstate('SELECT listguard.check_root_key()') eq 'ok' }),
	'the launcher finds the root key that appears later');

# Events come into the table, by themselves and on demand.
value('SELECT listguard.reload_root_key() FROM generate_series(1, 20)');
drain();
is(value("SELECT count(*) $events"), '20', 'twenty events are twenty rows');
my $pid = worker_pid();
like($pid, qr/^\d+$/, 'one worker serves the database');
value('SELECT listguard.reload_root_key()');
ok(wait_for('a row', sub { value("SELECT count(*) $events") eq '21' }), 'a row comes without being asked for');
is(value('BEGIN; SELECT listguard.reload_root_key(); ROLLBACK; SELECT 1'), "\n1", 'an event in a transaction rolled back');
is(exactly_once('ROLLBACK', 22), '22', 'is on record all the same');
is(sqlstate('SET ROLE listguard_admin; SELECT listguard._drain()'), '42501', 'the drain is for superusers');

# A worker that goes is replaced.
value("SELECT pg_terminate_backend($pid, 10000)");
value('SELECT listguard.reload_root_key()');
is(exactly_once('a worker sent away', 23), '23', 'another worker drains');
isnt(worker_pid(), $pid, 'it is another one');

# A new list: the worker makes it in a transaction of its own, and once.
$node->safe_psql('postgres', "CREATE TABLE p (id int, list text NOT NULL, email text);
	SELECT listguard.protect('p', '{email}', 'list')");
value("BEGIN; INSERT INTO p VALUES (1, 'first', 'jo\@example.com'); ROLLBACK");
is(value("SELECT count(*) FROM listguard.list l JOIN listguard.key k USING (list_no) WHERE value = 'first'"), '1',
	'a list and its key survive the ROLLBACK of the session that needed them');
my @sessions = map {
	IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c',
		"INSERT INTO p SELECT g, 'l' || g % 20, 'u' || g || '\@example.com' FROM generate_series(1, 100) g" ],
		'<', \undef, '>', '/dev/null', '2>&1', IPC::Run::timeout($bound))
} 1 .. 4;
is(scalar(grep { $_->finish } @sessions), 4, 'four sessions store values of the same twenty new lists');
is(value('SELECT count(*), count(DISTINCT list) FROM p'), '400|20', 'all of them');
is(value("SELECT count(*), count(DISTINCT value) FROM listguard.list WHERE value ~ '^l[0-9]'"), '20|20', 'each list is made once');
$now = exactly_once('new lists', 23);

# Killed in the middle of its work: all sessions go with it, and no event.
my @load = start_load(2);
$pid = worker_pid();
ok($pid, 'a worker is at work');
kill 'KILL', $pid;
my $told = finish_load(@load) + $now;
ok(wait_for('recovery', sub { sqlstate('SELECT 1') eq 'ok' }), 'the server comes back');
$now = exactly_once('kill -9 of the worker', $told);

@load = start_load(2);
my $postmaster = $node->{_pid};
$node->kill9;
$told = finish_load(@load) + $now;
ok(wait_for('a start', sub { try_start($postmaster) }), 'the server starts after its postmaster was killed');
isnt($node->{_pid}, $postmaster, 'it is another one');
$now = exactly_once('kill -9 of the postmaster', $told);

# Database commands.
sub quickly
{
	my ($what, @sql) = @_;
	my $start = time;

	$node->safe_psql('template1', $_) for @sql;
	cmp_ok(time - $start, '<', 4, "$what is not held up");
	return;
}

value('SELECT listguard.reload_root_key()');
drain();
ok(worker_pid(), 'a worker is in the database to be copied');
quickly('CREATE DATABASE TEMPLATE', 'CREATE DATABASE copy TEMPLATE postgres');
is(sqlstate('SELECT listguard._drain()'), 'ok', 'the worker is back at once');
value('SELECT listguard.reload_root_key()', 'copy');
drain('copy');
ok(worker_pid('copy'), 'a worker is in the copy');
quickly('ALTER DATABASE RENAME', 'ALTER DATABASE copy RENAME TO copied');
value('SELECT listguard.reload_root_key()', 'copied');
drain('copied');
ok(worker_pid('copied'), 'and again');
quickly('DROP DATABASE', 'DROP DATABASE copied');

# Nor does the database that is gone hold up the others.
value('SELECT listguard.reload_root_key()');
is(sqlstate('SELECT listguard._drain()'), 'ok', 'the others are drained');
is(value("SELECT count(*) FROM listguard.audit WHERE kind = 'alarm'"), '0', 'without an alarm');

# No worker process to be had: said once, and made good later.
my $offset = -s $node->logfile;
$node->append_conf('postgresql.conf', 'max_worker_processes = 2');    # launchers: replication's and ours
$node->restart;
value('SELECT listguard.reload_root_key()');
is(sqlstate("SET statement_timeout = '4s'; SELECT listguard._drain()"), '57014', 'without a worker the drain waits');
my $log = substr slurp_file($node->logfile), $offset;
is(scalar(() = $log =~ /no free worker process/g), 1, 'the log says why, once');

# Meanwhile a database is dropped with its records not drained, and bytes of a
# record of ours are lost on the disk.
$node->safe_psql('postgres', 'CREATE DATABASE lost');
$node->safe_psql('lost', 'CREATE EXTENSION listguard CASCADE; SELECT listguard.reload_root_key()');
$node->safe_psql('postgres', 'DROP DATABASE lost');
$now = value("SELECT count(*) $events");
value('SELECT listguard.reload_root_key() FROM generate_series(1, 3)');
$node->stop;
spoil_record(-2);
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->start;
is(sqlstate('SELECT listguard._drain()'), 'ok', 'and it is made good');
is(value("SELECT count(*) $events"), $now + 3, 'the records that can be read are there');
is(value(q{SELECT count(*) > 0 FROM listguard.audit WHERE kind = 'alarm' AND detail ->> 'what' = 'gap in the spool'
		AND detail -> 'from' = detail -> 'to'}),
	't', 'and an alarm says which one is missing');
ok(wait_for('the scout', sub { substr(slurp_file($node->logfile), $offset) =~ /database with OID \d+ is no more/ }),
	'it is noticed that the dropped database is no more');

# A standby has no worker.
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my ($status, $out, $err) = $standby->psql('postgres', 'SELECT listguard._drain()');
isnt($status, 0, 'on a standby nothing is drained');
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'listguard worker'"),
	'0', 'and there is no worker');
$standby->stop;
$node->stop;
done_testing();
