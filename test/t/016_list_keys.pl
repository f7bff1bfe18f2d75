# A list's keys through time: rotate_list_key, and what ROLLBACK does to it;
# drop_key, which finds every use; check_sealed, which finds every fault.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use MIME::Base64 'decode_base64url';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = lg_node('list_keys', "max_prepared_transactions = 5\nwal_level = logical\n");
lg_list($node, 'postgres', 200);
$node->safe_psql('postgres', q{SELECT listguard.grant_access('app', 'subs', '{insert,update,delete}')});

sub sql { return $node->safe_psql('postgres', shift); }

# Id of the key that seals the values of a query with one sealed column, as
# armour shows it; different ids separated by spaces.
sub keys_of
{
	my %ids = map { unpack('N', substr(decode_base64url(substr($_, 4)), 21, 4)) => 1 }
		split /\n/, $node->safe_psql('postgres', "SET listguard.output = sealed; $_[0]");
	return join ' ', sort { $a <=> $b } keys %ids;
}

sub current
{
	return sql("SELECT key_id FROM listguard.list WHERE value = '$_[0]'");
}

sub state
{
	my ($sql, $role) = @_;
	return sqlstate($node, 'postgres', $role // 'postgres', $sql);
}

# ---- rotation ----

my $first = current('news0');
my $other = current('news1');
is(keys_of(q{SELECT email FROM subs WHERE list = 'news0'}), $first, 'values are under the first key');
my $session = $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
$session->query_safe(q{INSERT INTO subs VALUES (1000, 'before@example.org', 'n', 'news0')});
my $second = sql(q{SELECT listguard.rotate_list_key('subs', 'news0')});
is(current('news0'), $second, 'a rotation makes the new key the current one');
isnt($second, $first, 'which is another');
is(current('news1'), $other, 'other lists keep theirs');
$session->query_safe(q{INSERT INTO subs VALUES (1001, 'after@example.org', 'n', 'news0')});
is(keys_of('SELECT email FROM subs WHERE id = 1000'), $first, 'what was there stays');
is(keys_of('SELECT email FROM subs WHERE id = 1001'), $second, 'an open session seals under the new key at once');
is($session->query_safe('SELECT email FROM subs WHERE id IN (1000, 1001) ORDER BY id'), "before\@example.org\nafter\@example.org",
	'values under both keys open');
is(sql(q{SELECT retired IS NOT NULL FROM listguard.key WHERE key_id = } . $first), 't', 'the former key is retired');
is(sql(q{SELECT count(*) FROM listguard.rotate_list_key('subs')}), '2', 'without a list, every list of the table gets a new key');

is(state(q{SELECT listguard.rotate_list_key('subs', 'unheard-of')}), '42704', 'a list that is not there');
is(state(q{SELECT listguard.rotate_list_key('pg_class')}), '55000', 'a table that is not protected');
for my $call (q{SELECT listguard.rotate_list_key('subs')}, q{SELECT listguard.drop_key(1)}, q{SELECT listguard.shred_list('subs', 'news0')},
	q{SELECT listguard.check_sealed('subs')}, q{CALL listguard.reseal('subs')}, q{SELECT listguard._shred(1)},
	q{SELECT listguard._rewrite_batch('subs', 'scrub', '(0,1)', 10, 10, false, '0')})
{
	is(state($call, 'app'), '42501', "not for everybody: $call");
}

# ---- ROLLBACK ----

my $key = current('news0');
is($node->safe_psql('postgres', q{
	BEGIN;
	SELECT count(*) FROM listguard.rotate_list_key('subs', 'news0');
	INSERT INTO subs VALUES (1010, 'undone@example.org', 'n', 'news0');
	ROLLBACK;
	INSERT INTO subs VALUES (1011, 'kept@example.org', 'n', 'news0');
	SELECT count(*) FROM subs WHERE id IN (1010, 1011)}), "1\n1", 'a rotation that is rolled back');
is(keys_of('SELECT email FROM subs WHERE id = 1011'), $key, 'leaves the session with the former key');
is($node->safe_psql('postgres', q{
	BEGIN;
	INSERT INTO subs VALUES (1012, 'outer@example.org', 'n', 'news0');
	SAVEPOINT s;
	SELECT count(*) FROM listguard.rotate_list_key('subs', 'news0');
	INSERT INTO subs VALUES (1013, 'inner@example.org', 'n', 'news0');
	ROLLBACK TO s;
	INSERT INTO subs VALUES (1014, 'again@example.org', 'n', 'news0');
	COMMIT;
	SELECT count(*) FROM subs WHERE id BETWEEN 1012 AND 1014}), "1\n2", 'ROLLBACK TO before a rotation');
is(keys_of('SELECT email FROM subs WHERE id BETWEEN 1012 AND 1014'), $key, 'seals under the former key from there on');
is(current('news0'), $key, 'and leaves it the current one');
is($node->safe_psql('postgres', q{
	BEGIN;
	SELECT count(*) FROM listguard.rotate_list_key('subs', 'news0');
	INSERT INTO subs VALUES (1020, 'prepared@example.org', 'n', 'news0');
	PREPARE TRANSACTION 'p';
	INSERT INTO subs VALUES (1021, 'meanwhile@example.org', 'n', 'news0')}), '1', 'a prepared rotation');
is(keys_of('SELECT email FROM subs WHERE id = 1021'), $key, 'is not in force');
sql(q{ROLLBACK PREPARED 'p'});
sql(q{INSERT INTO subs VALUES (1022, 'rolledback@example.org', 'n', 'news0')});
is(keys_of('SELECT email FROM subs WHERE id IN (1020, 1022)'), $key, 'nor when it is rolled back');
sql(q{
	BEGIN;
	SELECT listguard.rotate_list_key('subs', 'news0');
	INSERT INTO subs VALUES (1023, 'prepared@example.org', 'n', 'news0');
	PREPARE TRANSACTION 'p'});
is(state('SELECT listguard.drop_key(' . current('news1') . ')'), '55006', 'drop_key of a current key');
is(state('SELECT listguard.drop_key(' . $first . ')'), '55006', 'drop_key while a transaction is prepared');
sql(q{COMMIT PREPARED 'p'});
$session->query_safe(q{INSERT INTO subs VALUES (1024, 'thereafter@example.org', 'n', 'news0')});
isnt(current('news0'), $key, 'COMMIT PREPARED puts it in force');
is(keys_of('SELECT email FROM subs WHERE id IN (1023, 1024)'), current('news0'), 'for every session');
is($session->query_safe('SELECT email FROM subs WHERE id = 1023'), 'prepared@example.org', 'which open what it has sealed');
is(sql('SELECT count(*) FROM listguard.check_sealed(\'subs\')'), '0', 'no value is without its key');

# ---- drop_key ----

sub detail_of
{
	my ($out, $err) = ('', '');
	$node->psql('postgres', shift, stdout => \$out, stderr => \$err);
	return $err =~ /DETAIL:  (.*)/ ? $1 : "$out$err";
}

is(state('SELECT listguard.drop_key(77)'), '42704', 'drop_key of a key that is not there');
like(detail_of("SELECT listguard.drop_key($first)"), qr/^public\.subs\.email: 101\.$/, 'where a key is used, and how often');
sql(q{
	CREATE TABLE copies (id int, e listguard.sealed_email) PARTITION BY RANGE (id);
	CREATE TABLE copies_1 PARTITION OF copies FOR VALUES FROM (0) TO (10000);
	CREATE TABLE notes (t listguard.sealed_text);
	CREATE TABLE arrays (a listguard.sealed_email[]);
	SET listguard.output = sealed;
	INSERT INTO copies SELECT id, email FROM subs WHERE id IN (2, 4);
	CREATE MATERIALIZED VIEW seen AS SELECT email AS m FROM subs WHERE id = 6});
$node->safe_psql('postgres', q{CALL listguard.reseal('subs')});
is(keys_of('SELECT email FROM subs WHERE list = \'news0\''), current('news0'), 'after reseal no row of the table needs it');
is(detail_of("SELECT listguard.drop_key($first)"), 'public.copies_1.e: 2, public.seen.m: 1.',
	'values in partitions of tables that are not protected and in materialised views are found');
sql('DROP TABLE copies');
sql('REFRESH MATERIALIZED VIEW seen');

my $temp = $node->background_psql('postgres');
$temp->query_safe('CREATE TEMP TABLE mine (e listguard.sealed_email)');
is(state("SELECT listguard.drop_key($first)"), '55006', 'another session\'s temporary table, which cannot be read');
$temp->query_safe('DROP TABLE mine; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM notes');
my $start = time;
is(state("SELECT listguard.drop_key($first)"), '55006', 'a snapshot of before, which might see its values');
cmp_ok(time - $start, '>=', 9, 'was waited for');
$temp->query_safe('COMMIT');
$temp->quit;
sql(q{SELECT pg_create_logical_replication_slot('slot', 'test_decoding'); CREATE DATABASE elsewhere});
is($node->safe_psql('postgres', qq{
	BEGIN;
	SELECT * FROM listguard.drop_key($first) WHERE unseen <> 'backup' AND unseen <> 'expression' ORDER BY 1, 2;
	ROLLBACK}), "database|elsewhere\nnested type|public.arrays.a\nreplication slot|slot", 'what it cannot look into');
is(sql("SELECT count(*) FROM listguard.key WHERE key_id = $first"), '1', 'ROLLBACK brings the key back');
sql("SELECT listguard.drop_key($first)");
is(sql("SELECT count(*) FROM listguard.key WHERE key_id = $first"), '0', 'a key that nothing needs goes');
is(sql(q{SELECT pg_drop_replication_slot('slot')}), '', 'slot dropped');
is($session->query_safe('SELECT email FROM subs WHERE id = 2'), address(2), 'and every value still opens');

# ---- check_sealed ----

is(sql(q{SELECT count(*) FROM listguard.check_sealed('subs')}), '0', 'a table without a fault');
sql(q{CREATE TABLE loose (id int, e listguard.sealed_email)});
my $armour = sql(q{SET listguard.output = sealed; SELECT email FROM subs WHERE id = 3});
my $bent = $armour;
{
	# one bit of the ciphertext, and a checksum that fits it
	my $script = 'import sys,base64,hashlib; a=sys.argv[1][4:]; b=bytearray(base64.urlsafe_b64decode(a+"="*(-len(a)%4)))[:-4]; b[-20]^=1;'
		. 'b+=hashlib.blake2b(bytes(b),digest_size=4,person=b"lg1 armour").digest(); print("lg1:"+base64.urlsafe_b64encode(bytes(b)).decode().rstrip("="))';
	$bent = `python3 -c '$script' '$armour'`;
	chomp $bent;
}
is(state(qq{INSERT INTO loose VALUES (1, '$bent')}), '22P02', 'altered armour is refused while its key is there');
sql(qq{
	BEGIN;
	CREATE TEMP TABLE kept AS SELECT * FROM listguard.key;
	DELETE FROM listguard.key WHERE key_id = $key OR key_id IN (SELECT key_id FROM listguard.list WHERE value = 'news1');
	INSERT INTO loose VALUES (1, '$bent'), (2, '$armour');
	INSERT INTO listguard.key SELECT * FROM kept k WHERE NOT EXISTS (SELECT FROM listguard.key l WHERE l.key_id = k.key_id);
	COMMIT});
my $found = $node->safe_psql('postgres', q{SELECT * FROM listguard.check_sealed('loose')});
is($found, 'loose|(0,1)|e|damaged or altered', 'armour that was taken in unopened is found out');
unlike($found, qr/\@|reader/, 'and nothing of its text is told');
is($node->safe_psql('postgres', q{
	BEGIN;
	UPDATE listguard.list SET value = 'other' WHERE value = 'news0';
	UPDATE listguard.list SET value = 'news0' WHERE value = 'news1';
	SELECT problem, count(*) FROM listguard.check_sealed('subs') GROUP BY 1 ORDER BY 1;
	ROLLBACK}), sql(q{SELECT 'key is that of another list', count(*) FROM subs WHERE list = 'news0'})
	. "\n" . sql(q{SELECT 'the row''s list is unknown', count(*) FROM subs WHERE list = 'news1'}), 'values of another list, and rows without one');
is($node->safe_psql('postgres', q{
	BEGIN;
	DELETE FROM listguard.key;
	SELECT DISTINCT problem FROM listguard.check_sealed('subs');
	ROLLBACK}), 'key is not in this database', 'keys that are not there');
is(sql(q{SELECT count(*) FROM listguard.check_sealed('subs')}), '0', 'and all is well again');
is(sql(q{SELECT count(*) FROM listguard.check_sealed('seen')}), '0', 'materialised views too');

sql('SELECT listguard._drain()');
is(sql(q{SELECT count(*) FROM listguard.audit WHERE kind = 'key' AND detail ? 'rotate'}) > 3, 1, 'rotations are on record');
is(sql(qq{SELECT count(*) FROM listguard.audit WHERE kind = 'key' AND detail->>'drop' = '$first'}), '2', 'drops are, the one rolled back too');
is(sql(q{SELECT count(*) FROM listguard.audit WHERE kind = 'key' AND detail ? 'check_sealed'}), '7', 'and checks');
$session->quit;
is(sql(q{SELECT count(*) FROM pg_stats WHERE schemaname = 'listguard' AND attname = 'wrapped'}), '0', 'no wrapped key is in the statistics');

$node->stop;
done_testing();
