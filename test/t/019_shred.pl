# shred_list: the keys of a list are gone in the tables, in what is left there
# of older versions of rows, and in every process, before the call returns.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = lg_node('shred', "autovacuum = off\nlistguard.bulk_threshold = 100000\nlistguard.session_row_limit = 1000000\n");
lg_list($node, 'postgres', 400);
$node->safe_psql('postgres', q{
	SELECT listguard.grant_access('app', 'subs', '{insert,update,delete}');
	CREATE TABLE whole (id int, email text NOT NULL);
	INSERT INTO whole VALUES (1, 'whole@example.org');
	SELECT listguard.protect('whole', '{email}');
	SELECT listguard.grant_access('app', 'whole', '{view,reveal,insert}')});

sub sql { return $node->safe_psql('postgres', shift); }
sub state { return sqlstate($node, 'postgres', $_[1] // 'postgres', $_[0]); }

sub say_of
{
	my ($out, $err) = ('', '');
	$node->psql('postgres', shift, stdout => \$out, stderr => \$err);
	return $err;
}

sub session
{
	my $session = $node->background_psql('postgres', extra_params => [ '-U', 'app' ], on_error_stop => 0);
	is($session->query('SELECT email FROM subs WHERE id = 2'), address(2), 'a session that has the key');
	return $session;
}

# The file of listguard.key, as it is on the disk.
my $file = $node->data_dir . '/' . sql(q{SELECT pg_relation_filepath('listguard.key')});
sub on_disk
{
	my ($hex) = @_;
	return index(slurp_file($file), pack('H*', $hex)) >= 0 ? 1 : 0;
}

# ---- wrapped keys: of now, of before a rotation, of rows that were updated ----

sql(q{SELECT listguard.rotate_list_key('subs', 'news0')});
sql(q{UPDATE listguard.key SET retired = retired}) for 1 .. 3;
sql('CHECKPOINT');
my $list = sql(q{SELECT list_no FROM listguard.list WHERE value = 'news0'});
my @doomed = split /\n/, sql("SELECT encode(wrapped, 'hex') FROM listguard.key WHERE list_no = $list");
my @kept = split /\n/, sql("SELECT encode(wrapped, 'hex') FROM listguard.key WHERE list_no <> $list");
is(scalar(@doomed), 2, 'a list with two keys');
is(on_disk($_), 1, 'a wrapped key lies in the file') for @doomed, @kept;

# ---- sessions of every kind ----

my $idle = session();
my $in_transaction = session();
$in_transaction->query_safe('BEGIN; SELECT 1');
my $cursor = session();
$cursor->query_safe(q{BEGIN; DECLARE c CURSOR FOR SELECT email FROM subs WHERE list = 'news0' ORDER BY id});
is($cursor->query_safe('FETCH 1 FROM c'), address(2), 'a cursor half-way');
my $prepared = session();
$prepared->query_safe(q{PREPARE q AS SELECT email FROM subs WHERE id = $1; PREPARE t AS SELECT email::text FROM subs WHERE id = $1});
is($prepared->query_safe('EXECUTE q(4)'), address(4), 'a prepared statement');
my $busy = session();
my $busy_pid = $busy->query_safe('SELECT pg_backend_pid()');
$busy->{stdin} .= "SELECT pg_sleep(300);\n";
$busy->{run}->pump_nb;
ok($node->poll_query_until('postgres', "SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $busy_pid"), 'a session that is busy');

# ---- refusals ----

is(state(q{SELECT listguard.shred_list('subs')}), '22023', 'a table of many lists needs a list\'s name');
is(state(q{SELECT listguard.shred_list('subs', 'unheard-of')}), '42704', 'a list that is not there');
is(state(q{SELECT listguard.shred_list('pg_class')}), '55000', 'a table that is not protected');
is(state(q{BEGIN; SELECT listguard.rotate_list_key('subs', 'news0'); SELECT listguard.shred_list('subs', 'news0')}), 'LG004',
	'a list whose key this transaction has made');
is($idle->query_safe('SELECT email FROM subs WHERE id = 2'), address(2), 'nothing has happened yet');

# ---- destroyed, and not undone ----

my $start = time;
my $said = say_of(q{BEGIN; SELECT listguard.shred_list('subs', 'news0'); ROLLBACK});
cmp_ok(time - $start, '<', 30, 'in a bounded time');
like($said, qr/NOTICE:  list public\.subs\/news0: 2 keys destroyed/, 'it says how many keys');
like($said, qr/NOTICE:  backups, archived WAL .* still open with the root key/, 'and what it cannot reach');
like($said, qr/NOTICE:  process $busy_pid has not let go of its keys in time and is terminated/, 'and whom it had to end');
unlike($said, qr/ERROR/, 'nothing failed');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $busy_pid"), '0', 'the busy session has ended');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'}), '4', 'no other has');
is(sql("SELECT count(*), count(wrapped) FROM listguard.key WHERE list_no = $list"), '2|0', 'the rows have lost their keys, ROLLBACK or not');
is(on_disk($_), 0, 'what it was wrapped as is nowhere in the file') for @doomed;
is(on_disk($_), 1, 'other lists\' keys are') for @kept;

is($idle->query('SELECT email FROM subs WHERE id = 2'), '***', 'an idle session sees a mask that shows nothing');
is($in_transaction->query('SELECT email FROM subs WHERE id = 2'), '***', 'one in a transaction does');
is($cursor->query('FETCH 2 FROM c'), "***\n***", 'a cursor goes on with masks');
is($prepared->query('EXECUTE q(4)'), '***', 'a prepared statement too');
is($prepared->query('SELECT email FROM subs WHERE id = 3'), address(3), 'other lists are as they were');
is(state('SELECT email::text FROM subs WHERE id = 2', 'app'), 'LG004', 'a cast to text is an error');
is(state('SELECT listguard.domain(email) FROM subs WHERE id = 2', 'app'), '42501', 'the domain stays closed to who may not see it');
is($prepared->query(q{SELECT id FROM subs WHERE email = 'READER4@zyxwvu4.example'}), '4', 'equality goes on working');
is(state(q{INSERT INTO subs VALUES (1000, 'reader4@zyxwvu4.example', 'n', 'news0')}, 'app'), 'LG004', 'nothing new goes in');
like(say_of(q{INSERT INTO subs VALUES (1000, 'x@example.org', 'n', 'news0')}), qr/HINT:  .*rotate_list_key/, 'and the hint says what to do');
is(state(q{UPDATE subs SET name = 'x' WHERE id = 4}, 'app'), 'ok', 'rows may be changed');
is(state(q{UPDATE subs SET list = 'news1' WHERE id = 4}, 'app'), 'LG004', 'but their values not moved');
is(state('DELETE FROM subs WHERE id = 4', 'app'), 'ok', 'rows may be deleted');
is(sql(q{SELECT DISTINCT problem FROM listguard.check_sealed('subs')}), 'key has been destroyed', 'check_sealed names them');
unlike(say_of(q{SELECT listguard.shred_list('subs', 'news0')}), qr/ERROR/, 'a second call is harmless');
$_->quit for $in_transaction, $cursor, $prepared;

# ---- life goes on ----

sql(q{SELECT listguard.rotate_list_key('subs', 'news0')});
is($idle->query(q{INSERT INTO subs VALUES (1001, 'new@example.org', 'n', 'news0'); SELECT email FROM subs WHERE id IN (2, 1001) ORDER BY id}),
	"***\nnew\@example.org", 'with a new key the list takes new values, and old ones stay closed');
like(say_of(q{CALL listguard.reseal('subs')}), qr/WARNING:  199 values of public\.subs are under keys that are destroyed/, 'reseal leaves them');
unlike(say_of(q{SELECT listguard.shred_list('whole')}), qr/ERROR/, 'a table that is one list');
is($idle->query('SELECT email FROM whole'), '***', 'is closed as a whole');
is($idle->query('SELECT email FROM subs WHERE id = 1001'), 'new@example.org', 'and no other list is');
$idle->quit;

# ---- after a crash, and on record ----

$node->stop('immediate');
$node->start;
is(sql("SELECT count(*) FROM listguard.key WHERE list_no = $list AND wrapped IS NOT NULL"), '1', 'after a crash the list has its new key only');
is(on_disk($_), 0, 'and recovery brings none of the others back') for @doomed;
sql('SELECT listguard._drain()');
is(sql(q{SELECT count(*) FROM listguard.audit WHERE kind = 'key' AND detail ? 'shred'}), '4', 'each call is on record before');
is(sql(q{SELECT count(*) FROM listguard.audit WHERE kind = 'key' AND detail ? 'shredded'}), '3', 'and after what it did');

$node->stop;
done_testing();
