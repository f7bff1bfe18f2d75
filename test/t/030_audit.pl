
# The audit: what was acknowledged is on record, exactly once, whatever is
# killed; one spool belongs to one server; nobody writes to the table.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('audit');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', "restart_after_crash = on\nlistguard.spool_max = 64MB\n");
$node->start;
my $spool = $node->data_dir . '/listguard_spool';

sub sql { return $node->safe_psql('postgres', @_); }

sub sqlstate
{
	my ($sql) = @_;
	my ($status, $out, $err) =
	  $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $status == 0 ? 'ok' : $err =~ /(?:ERROR|FATAL):  (\w+)/ ? $1 : $err;
}

sub drained { return sql("SELECT listguard._drain(); $_[0]") =~ s/^\n//r; }

sql('CREATE EXTENSION listguard CASCADE');
sql('CREATE ROLE aud LOGIN IN ROLE listguard_auditor; CREATE ROLE app LOGIN');

# ---- outside the transaction ----

my $id = sql(q{BEGIN; SELECT listguard._event('setting', 'a.b', '{"n": 1}'); ROLLBACK});
is(drained("SELECT kind, outcome, relation, detail, login_role, node IS NOT NULL FROM listguard.audit WHERE id = '$id'"),
	'setting|ok|a.b|{"n": 1}|postgres|t', 'an event survives ROLLBACK');
is(sqlstate("SELECT listguard._event('nonsense', NULL, NULL)"), '22023', 'an unknown kind is refused');
is(sqlstate("BEGIN; SELECT listguard.present_ticket('jo\@example.com'); COMMIT"), 'LG003', 'a refusal');
is(drained("SELECT kind, sqlstate FROM listguard.refusals"), 'ticket|LG003', 'is on record, though its transaction failed');
is(sql("SELECT count(*) FROM listguard.audit a WHERE a::text LIKE '%example%'"), '0', 'without the text that was sent');

# ---- changes, in the transaction ----

sql(q{CREATE TABLE t (a int, b text);
	CREATE TRIGGER i AFTER INSERT ON t REFERENCING NEW TABLE AS listguard_new FOR EACH STATEMENT EXECUTE FUNCTION listguard.audit_change();
	CREATE TRIGGER u AFTER UPDATE ON t REFERENCING OLD TABLE AS listguard_old NEW TABLE AS listguard_new FOR EACH STATEMENT EXECUTE FUNCTION listguard.audit_change();
	CREATE TRIGGER d AFTER DELETE ON t REFERENCING OLD TABLE AS listguard_old FOR EACH STATEMENT EXECUTE FUNCTION listguard.audit_change();
	CREATE TRIGGER tr BEFORE TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION listguard.audit_change();
	GRANT ALL ON t TO app});
sql(q{SET ROLE app;
	INSERT INTO t SELECT g, 'jo@example.com' FROM generate_series(1, 50) g; -- jo@example.com
	UPDATE t SET b = 'x' WHERE a <= 20;
	DELETE FROM t WHERE a > 45;
	BEGIN; DELETE FROM t; ROLLBACK;
	TRUNCATE t});
is(sql("SELECT string_agg(concat_ws(' ', kind, rows, relation, login_role, effective_role, node, seq), E'\\n' ORDER BY at)
	FROM listguard.changes"),
	join("\n", map { "$_ public.t postgres app" } 'insert 50', 'update 20', 'delete 5', 'truncate 45'),
	'one event for each statement that committed, by a role that may not write to the audit');
is(sql("SELECT count(*) FROM listguard.audit a WHERE a::text LIKE '%example%'"), '0', 'no constant and no comment');
is(sql("SELECT count(*) FROM listguard.changes WHERE xid IS NULL OR statement IS NULL"), '0', 'with their transaction and shape');

# Sealed columns: a keyed digest of tokens, whatever the order of the rows.
sql(q{CREATE TABLE p (id int, list text NOT NULL, email text); SELECT listguard.protect('p', '{email}', 'list');
	CREATE TABLE r (id int, email text); SELECT listguard.protect('r', '{email}', audit => 'row')});
sql(q{SET work_mem = '64kB';
	INSERT INTO p SELECT g, 'l' || g % 2, 'u' || g || '@example.com' FROM generate_series(1, 3000) g;
	INSERT INTO r SELECT g, 'u' || g || '@example.com' FROM generate_series(1, 3000) g;
	UPDATE r SET id = id + 1});
sql(q{DELETE FROM p WHERE id > 2000; DELETE FROM p; INSERT INTO p VALUES (1, 'l1', 'U1@EXAMPLE.COM')});
is(sql(q{SELECT string_agg(concat_ws(' ', kind, rows, cardinality(lists), detail ? 'digest_new', detail ? 'digest_old'), E'\n' ORDER BY at)
	FROM listguard.changes WHERE relation = 'public.p'}),
	"insert 3000 2 t f\ndelete 1000 2 f t\ndelete 2000 2 f t\ninsert 1 1 t f", 'changes of a protected table: rows, lists, digests');
sub digest_sum
{
	my ($kind, $name) = @_;
	return sql(qq{SELECT string_agg(detail ->> '$name', ' ') FROM listguard.changes
		WHERE relation = 'public.p' AND kind = '$kind' AND rows > 1});
}
{
	use bigint;
	my $wrap = 2**128;
	# bytes of two little-endian words
	my $number = sub { my $h = join '', reverse(shift =~ /../g); return hex("0x$h") };
	my $total = 0;
	$total += $number->($_) for split / /, digest_sum('delete', 'digest_old');
	is($total % $wrap, $number->(digest_sum('insert', 'digest_new')), 'digests add up: what was deleted is what was inserted');
}
is(sql(q{SELECT string_agg(concat_ws(' ', kind, n, rows, d), E'\n' ORDER BY kind) FROM (SELECT kind, count(*) AS n, sum(rows) AS rows,
	count(DISTINCT coalesce(detail ->> 'digest_old', '') || (detail ->> 'digest_new')) AS d FROM listguard.changes
	WHERE relation = 'public.r' GROUP BY kind) x}),
	"insert 3000 3000 3000\nupdate 3000 3000 3000", 'or one event for each row');
is(sql(q{SELECT count(*) FROM listguard.changes WHERE relation = 'public.r' AND kind = 'update'
	AND detail ->> 'digest_old' <> detail ->> 'digest_new'}), '0', 'old and new stand together');

sql("INSERT INTO p SELECT g, 'm' || g, 'u' || g || '\@example.com' FROM generate_series(1, 65) g");
is(sql("SELECT rows, lists, detail ->> 'lists_more_than' FROM listguard.changes WHERE rows = 65"), '65||64', 'more lists than an event names');

# ---- who reads, who writes ----

for my $view (qw(audit reads refusals changes exports open_reads))
{
	is(sqlstate("SET ROLE aud; SELECT count(*) FROM listguard.$view"), 'ok', "an auditor reads $view");
	is(sqlstate("SET ROLE app; SELECT count(*) FROM listguard.$view"), '42501', "others do not read $view");
}
my $part = sql("SELECT tableoid::regclass FROM listguard.audit LIMIT 1");
for my $table ('listguard.audit', $part, 'listguard.open_read', 'listguard.drained')
{
	my $column = $table =~ /drained/ ? 'seq' : 'pid';
	for my $write ("UPDATE $table SET $column = 1", "DELETE FROM $table", "TRUNCATE $table",
		"INSERT INTO $table SELECT * FROM $table")
	{
		is(sqlstate($write), '42501', "no superuser: $write");
		is(sqlstate("SET session_replication_role = replica; $write"), '42501', "nor as a replica: $write");
		is(sqlstate("SET ROLE aud; $write"), '42501', "no auditor: $write");
	}
}
is(sqlstate("SET ROLE app; SELECT listguard._event('grant', NULL, NULL)"), '42501', 'no role makes events by hand');

# ---- partitions ----

is(sql(q{SELECT count(*) FROM pg_inherits i JOIN pg_depend d ON d.objid = i.inhrelid AND d.deptype = 'e'
	WHERE i.inhparent = 'listguard.audit'::regclass}), '3', 'this month and the next two, members of the extension');
{
	# Somebody writes, and keeps the transaction open.
	my $writer = $node->background_psql('postgres');
	$writer->query_safe('BEGIN');
	$writer->query_safe('INSERT INTO t VALUES (0, NULL)');
	my $later = sql("SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'listguard.audit'::regclass");
	$writer->query_safe('COMMIT');
	sql("ALTER EXTENSION listguard DROP TABLE $later; DROP TABLE $later");
	$writer->query_safe('BEGIN');
	$writer->query_safe('INSERT INTO t VALUES (0, NULL)');
	sql("SET lock_timeout = '10s'; SELECT listguard._audit_partitions()");
	is(sql("SELECT to_regclass('$later')::text"), $later, 'a new partition waits for no writer');
	is(sql("SELECT count(*) FROM pg_constraint WHERE conrelid = '$later'::regclass AND contype = 'p' AND conparentid <> 0"),
		'1', 'its key is the parent\'s');
	$writer->query_safe('COMMIT');
	$writer->quit;
}
sql("ALTER EXTENSION listguard DROP TABLE $part; DROP TABLE $part; INSERT INTO t VALUES (1, NULL)");
is(sql("SELECT rows, tableoid::regclass FROM listguard.audit WHERE kind = 'insert'"), "1|$part", 'a missing one is made when it is needed');

# ---- kills under load ----

my @clients = 1 .. 3;
my $load = "$PostgreSQL::Test::Utils::tmp_check/load.sql";
append_to_file($load, "SELECT listguard._event('limit', NULL, '{\"load\": true}');\n" x 30000);

# Starts the clients, waits until all are at work, kills, gives the ids that clients have seen.
sub under_load
{
	my ($name, $kill) = @_;
	my @runs;
	my @files;
	for my $client (@clients)
	{
		my $file = "$PostgreSQL::Test::Utils::tmp_check/$name.$client";
		push @files, $file;
		push @runs, IPC::Run::start([ 'psql', '-XAtq', '-f', $load, '-d', $node->connstr('postgres') ],
			'>', $file, '2>', \my $err);
	}
	# 37 bytes for each acknowledged event; psql writes in blocks.
	for (1 .. 600)
	{
		last unless grep { !-e $_ || -s $_ < 8192 } @files;
		select(undef, undef, undef, 0.05);
	}
	$kill->();
	$_->finish for @runs;
	return map { grep { /^[0-9a-f-]{36}$/ } split /\n/, slurp_file($_) } @files;
}

sub check_acked
{
	my ($name, @acked) = @_;
	my $list = "$PostgreSQL::Test::Utils::tmp_check/$name.ids";
	$node->poll_query_until('postgres', 'SELECT true') or die 'no recovery';
	append_to_file($list, join("\n", @acked) . "\n");
	cmp_ok(scalar @acked, '>', 300, "$name: there was load");
	is(drained("CREATE TABLE acked_$name (id uuid); COPY acked_$name FROM '$list';
		SELECT count(*) FROM acked_$name WHERE id NOT IN (SELECT id FROM listguard.audit)"),
		'0', "$name: every acknowledged event is there");
	is(sql('SELECT count(*) - count(DISTINCT id), count(seq) - count(DISTINCT seq),
		max(seq) - min(seq) + 1 - count(seq) FROM listguard.audit'),
		'0|0|0', "$name: once each, and the numbers have no gap");
	return;
}

check_acked('backend', under_load('backend', sub {
	my $pid = sql("SELECT pid FROM pg_stat_activity WHERE query LIKE '%load%' AND pid <> pg_backend_pid() LIMIT 1");
	kill 'KILL', $pid;
}));
check_acked('worker', under_load('worker', sub {
	my $pid = sql("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'listguard worker%' LIMIT 1");
	ok($pid, 'a worker is at work');
	kill 'KILL', $pid;
}));
my @acked = under_load('postmaster', sub { $node->kill9 });
# Its children, who keep the spool's lock, notice by themselves.
my $tries = 0;
until ($node->start(fail_ok => 1) || $tries++ > 300)
{
	$node->stop('fast', fail_ok => 1);
	select(undef, undef, undef, 0.1);
}
check_acked('postmaster', @acked);
@acked = under_load('immediate', sub { $node->stop('immediate') });
$node->start;
check_acked('immediate', @acked);
is(sql("SELECT count(*) FROM listguard.audit WHERE kind = 'alarm'"), '0', 'no alarm so far');

# ---- torn and damaged ends ----

# Where the next record goes: what is drained is all there is.
sub end_of_spool
{
	my ($segment, $offset) = split /\|/, drained('SELECT segment, byte_offset FROM listguard.drained');
	my ($dir) = grep { -d } glob "$spool/*";
	return (sprintf('%s/%016X', $dir, $segment), $offset);
}

sub overwrite
{
	my ($file, $at, $bytes) = @_;
	open my $fh, '+<:raw', $file or die "open: $!";
	seek $fh, $at, 0;
	print $fh $bytes;
	close $fh or die "close: $!";
	return;
}

# Keeps the worker from draining.
sub lock_progress
{
	my $session = $node->background_psql('postgres');
	$session->query_safe('BEGIN');
	$session->query_safe('LOCK TABLE listguard.drained IN ACCESS EXCLUSIVE MODE');
	return $session;
}

my ($file, $end) = end_of_spool();
$node->stop('immediate');
overwrite($file, $end, pack('LL', 0x4752474c, 500) . ('x' x 300));
$node->start;
like(slurp_file($node->logfile), qr/cut a torn record/, 'half a record at the end is cut');
$id = sql("SELECT listguard._event('setting', NULL, NULL)");
is(drained("SELECT seq - (SELECT max(seq) FROM listguard.audit b WHERE b.seq < a.seq) FROM listguard.audit a WHERE id = '$id'"),
	'1', 'and the numbers go on');
is(sql("SELECT count(*) FROM listguard.audit WHERE kind = 'alarm'"), '0', 'without an alarm');

($file, $end) = end_of_spool();
my $lock = lock_progress();
my ($first, $second) = split /\|/,
  sql("SELECT listguard._event('setting', 'first.one', NULL), listguard._event('setting', 'second.one', NULL)");
$node->stop('immediate');
overwrite($file, $end + 70, 'x');
$node->start;
like(slurp_file($node->logfile), qr/of the audit spool is damaged/, 'damage before a good record is no torn end');
my $third = sql("SELECT listguard._event('setting', 'third.one', NULL)");
is(drained("SELECT string_agg(relation, ' ' ORDER BY seq) FROM listguard.audit WHERE id IN ('$first', '$second', '$third')"),
	'second.one third.one', 'what can be read goes on record');
is(sql("SELECT bool_and(outcome = 'alert') AND bool_or(detail ->> 'what' LIKE '%gap%') FROM listguard.audit WHERE kind = 'alarm'"),
	't', 'what is missing is an alarm');

# ---- a full spool ----

$lock = lock_progress();
my $big = q{SELECT count(listguard._event('setting', NULL, jsonb_build_object('x', repeat('x', 60000)))) FROM generate_series(1, %d)};
is(sqlstate(sprintf $big, 1300), 'LG005', 'a full spool refuses');
is(sqlstate(sprintf $big, 1300), 'LG005', 'again');
is(sqlstate('SELECT count(*) FROM t'), 'ok', 'other tables are untouched');
$lock->quit;
ok($node->poll_query_until('postgres', sprintf($big, 10), '10'), 'once it is drained it takes events again, without a restart');
is(drained("SELECT count(*) - count(DISTINCT seq) FROM listguard.audit WHERE node IS NOT NULL"), '0', 'none of them twice');
is(sql(q{SELECT listguard._event('setting', NULL, jsonb_build_object('x', repeat('x', 100000))) IS NOT NULL}), 't',
	'a detail that is too long');
is(drained("SELECT count(*) FROM listguard.audit WHERE detail ? 'cut'"), '1', 'is left out, and says so');

# ---- one spool, one server; a copy is another node ----

my $other = PostgreSQL::Test::Cluster->new('other');
$other->init;
$other->append_conf('postgresql.conf', "listguard.spool_directory = '$spool'\n");
is($other->start(fail_ok => 1), 0, 'a second server on the same spool does not start');
like(slurp_file($other->logfile), qr/FATAL:  (F0001: )?audit spool is in use by another server/, 'and says why');

sub node_of { return (split ' ', slurp_file($_[0]->data_dir . '/listguard_spool/node'))[0]; }

my $me = node_of($node);
$node->backup('base');
$node->restart;
is(node_of($node), $me, 'a restart keeps the node');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
isnt(node_of($standby), $me, 'a copy of the data directory is another node');
my $there = $standby->safe_psql('postgres', "SELECT listguard._event('setting', 'on.standby', NULL)");
like($there, qr/^[0-9a-f-]{36}$/, 'a standby puts events on record');
$node->wait_for_catchup($standby);
$standby->promote;
is($standby->safe_psql('postgres', "SELECT listguard._drain();
	SELECT count(*), count(DISTINCT replace(node::text, '-', '')) FROM listguard.audit
	WHERE id = '$there' AND replace(node::text, '-', '') = '" . node_of($standby) . "'") =~ s/^\n//r,
	'1|1', 'and drains them when it is promoted');
$standby->stop;


my $outside = "$PostgreSQL::Test::Utils::tmp_check/outside";
mkdir $outside;
chmod 0750, $outside;
$other->append_conf('postgresql.conf', "listguard.spool_directory = '$outside'\n");
is($other->start(fail_ok => 1), 0, 'a spool that others may enter is not used');
like(slurp_file($other->logfile), qr/open to others/, 'and the log says why');
chmod 0700, $outside;
is($other->start(fail_ok => 1), 1, 'put right, it is');
$other->stop;
$node->stop;
done_testing();
