# reseal: every value under its list's current key and otherwise as it was, with
# no trigger fired and nothing charged; after kill -9 in the middle; beside
# sessions that change rows; past rows that others hold.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use MIME::Base64 'decode_base64url';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = lg_node('reseal', "wal_level = logical\nrestart_after_crash = on\nautovacuum = off\n");

sub sql { return $node->safe_psql('postgres', shift); }

# A table with all that could go wrong: partitions, several sealed columns, a
# toasted value, unique keys and a foreign key on tokens, a generated column, a
# dropped one, user triggers of every kind.
sql(q{
	CREATE EXTENSION listguard CASCADE;
	CREATE EXTENSION amcheck;
	CREATE ROLE app LOGIN;
	CREATE TABLE first (email text);	-- a keyset, before values are sealed
	SELECT listguard.protect('first', '{email}');
	CREATE TABLE subs (id int, email text NOT NULL, gone text, phone listguard.sealed_lookup, note listguard.sealed_text, name text, touched int DEFAULT 0,
		list text NOT NULL, shout text GENERATED ALWAYS AS (upper(list)) STORED, PRIMARY KEY (id), UNIQUE (id, email)) PARTITION BY RANGE (id);
	CREATE TABLE subs_1 PARTITION OF subs FOR VALUES FROM (0) TO (1000);
	CREATE TABLE subs_2 PARTITION OF subs FOR VALUES FROM (1000) TO (100000);
	CREATE INDEX ON subs (phone);
	INSERT INTO subs (id, email, gone, phone, note, name, list)
		SELECT n, format('reader%s@zyxwvu%s.example', n, n), 'secret' || n, '+49 30 ' || n,
			CASE WHEN n % 100 = 0 THEN (SELECT string_agg(md5(n || ':' || i), '') FROM generate_series(1, 400) i) ELSE 'note ' || n END,
			'Reader ' || n, 'news' || n % 3 FROM generate_series(1, 3000) n;
	SELECT listguard.protect('subs', '{email,phone,note}', list_column => 'list');
	SELECT listguard.grant_access('app', 'subs', '{view,reveal,insert,update,delete}');
	CREATE TABLE opens (id int, email listguard.sealed_email, FOREIGN KEY (id, email) REFERENCES subs (id, email) ON UPDATE CASCADE);
	INSERT INTO opens SELECT id, email FROM subs WHERE id % 50 = 0;
	CREATE TABLE fired (what text);
	CREATE FUNCTION note_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fired VALUES (TG_NAME); RETURN NEW; END $$;
	CREATE TRIGGER a_row AFTER UPDATE ON subs FOR EACH ROW EXECUTE FUNCTION note_it();
	CREATE TRIGGER b_row BEFORE UPDATE ON subs FOR EACH ROW EXECUTE FUNCTION note_it();
	CREATE TRIGGER stmt AFTER UPDATE ON subs FOR EACH STATEMENT EXECUTE FUNCTION note_it();
	ALTER TABLE subs ENABLE ALWAYS TRIGGER a_row;
	ALTER TABLE subs ENABLE ALWAYS TRIGGER b_row;
	ALTER TABLE subs ENABLE ALWAYS TRIGGER stmt});

# What the rows say, as a role that may read them; in one window, so that the
# limits show what else was charged.
my $clear = q{COPY (SELECT id, email::text, phone::text, md5(note::text), name, list, shout FROM subs ORDER BY id) TO STDOUT};
sub clear_text
{
	$node->append_conf('postgresql.conf', "listguard.bulk_threshold = 1000000\nlistguard.session_row_limit = 100000000\n");
	$node->reload;
	my ($out, $err) = ('', '');
	is($node->psql('postgres', $clear, extra_params => [ '-U', 'app' ], stdout => \$out, stderr => \$err), 0, 'every row is read') or diag($err);
	return $out;
}

# Armour of every value: its key, and its token (16 bytes behind the header of 8).
sub armoured
{
	my ($column) = @_;
	my (%keys, @tokens);
	for (split /\n/, $node->safe_psql('postgres', "SET listguard.output = sealed; SELECT $column FROM subs ORDER BY id"))
	{
		my $bytes = decode_base64url(substr($_, 4));
		$keys{ unpack('N', substr($bytes, 21, 4)) } = 1;
		push @tokens, unpack('H*', substr($bytes, 25, 16)) if $column ne 'note';
	}
	return (join(' ', sort keys %keys), join("\n", @tokens));
}

sub current_keys { return join ' ', sort split /\n/, sql(q{SELECT key_id FROM listguard.list WHERE relation = 'public.subs'}); }

sub all_current
{
	my ($what) = @_;
	for my $column (qw(email phone note))
	{
		is((armoured($column))[0], current_keys(), "$what: every $column is under the current key of a list");
	}
	is(sql(q{SELECT count(*) FROM listguard.check_sealed('subs')}), '0', "$what: and every value is sound");
	is(sql(q{SELECT count(bt_index_check(indexrelid, true)) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
		WHERE i.indrelid IN ('subs_1'::regclass, 'subs_2'::regclass)}), '6', "$what: every index has every row");
	return;
}

my $before = clear_text();
my %tokens = map { $_ => (armoured($_))[1] } qw(email phone);
is(scalar(split /\n/, $before), 3000, 'the rows as they were');
sql('SELECT listguard._drain()');
my $events = sql(q{SELECT count(*) FROM listguard.audit WHERE kind = 'update'});
my $charged = sql(q{SELECT coalesce(sum(used), 0) FROM listguard.role_meter});

# ---- all at once ----

sql(q{SELECT listguard.rotate_list_key('subs')});
my ($out, $err) = ('', '');
$node->psql('postgres', q{CALL listguard.reseal('subs', 100)}, stdout => \$out, stderr => \$err);
like($err, qr/NOTICE:  3000 rows of public\.subs were sealed anew/, 'reseal says how many');
all_current('resealed');
is((armoured('email'))[1], $tokens{email}, 'tokens of addresses are as they were');
is((armoured('phone'))[1], $tokens{phone}, 'tokens of phones are');
is(sql('SELECT count(*) FROM fired'), '0', 'no trigger has fired');
sql('SELECT listguard._drain()');
is(sql(q{SELECT count(*) FROM listguard.audit WHERE kind = 'update'}), $events, 'no update is on record');
is(sql(q{SELECT detail->>'reseal' FROM listguard.audit WHERE kind = 'key' AND detail ? 'reseal'}), '3000', 'but one event with the count');
is(sql(q{SELECT coalesce(sum(used), 0) FROM listguard.role_meter}), $charged, 'nothing was charged');
is(sql(q{SELECT phase, done = total, finished IS NOT NULL, running FROM listguard.progress}), 'done|t|t|f', 'view progress shows it');
is(clear_text(), $before, 'every text is as it was');
is(sql(q{SET enable_seqscan = off; SELECT id FROM subs WHERE email = 'READER77@zyxwvu77.example' AND id = 77}), '77', 'and found by its index');
is(sqlstate($node, 'postgres', 'postgres', q{INSERT INTO opens SELECT 50, email FROM subs WHERE id = 51}), '23503', 'foreign keys hold');
is(sqlstate($node, 'postgres', 'postgres', q{INSERT INTO subs (id, email, list) VALUES (77, 'x@example.org', 'news0')}), '23505', 'unique keys hold');
sql(q{CALL listguard.reseal('subs')});
is(sql(q{SELECT position->>'rewritten' FROM listguard.job ORDER BY id DESC LIMIT 1}), '0', 'a second call has nothing to do');

is(sqlstate($node, 'postgres', 'postgres', q{BEGIN; CALL listguard.reseal('subs')}), '2D000', 'not inside a transaction block');
is(sqlstate($node, 'postgres', 'postgres', q{CALL listguard.reseal('subs', 0)}), '22023', 'not in batches of nothing');
is(sqlstate($node, 'postgres', 'postgres', q{CALL listguard.reseal('fired')}), '55000', 'not a table without a sealed column');
sql(q{CALL listguard.reseal('opens')});
is((split /\|/, sql(q{SELECT position->>'rewritten' FROM listguard.job ORDER BY id DESC LIMIT 1}))[0], '60', 'but a table that is not protected');
is(sql(q{SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND mode = 'ExclusiveLock'}), '0', 'what failed holds no lock');

# ---- as an administrator who is no superuser, with a search_path of somebody's choice ----

sql(q{CREATE ROLE dba LOGIN IN ROLE listguard_admin; CREATE ROLE aud LOGIN IN ROLE listguard_auditor; CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO PUBLIC;
	CREATE DOMAIN evil.int8 AS text; CREATE DOMAIN evil.bool AS text; CREATE TABLE evil.job ()});
is(sqlstate($node, 'postgres', 'dba', q{SET search_path = evil, pg_catalog; SELECT listguard.rotate_list_key('public.subs'); CALL listguard.reseal('public.subs')}),
	'ok', 'an administrator may, whatever the search_path is');
is(sqlstate($node, 'postgres', 'aud', q{SELECT count(*) FROM listguard.progress}), 'ok', 'an auditor sees how far it is');
is(sqlstate($node, 'postgres', 'app', q{SELECT count(*) FROM listguard.progress}), '42501', 'others do not');

# ---- killed ----

sql(q{SELECT listguard.rotate_list_key('subs')});
my $victim = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $victim->query_safe('SELECT pg_backend_pid()');
my $holder = $node->background_psql('postgres');
$holder->query_safe(q{BEGIN; SELECT id FROM subs_2 WHERE id = 2500 FOR UPDATE});
$victim->{stdin} .= "CALL listguard.reseal('subs', 7);\n";
$victim->{run}->pump_nb;
ok($node->poll_query_until('postgres',
	qq{SELECT count(*) > 0 FROM listguard.job j WHERE finished IS NULL AND (position->>'rewritten')::int > 1200}), 'reseal is in the middle');
is(sqlstate($node, 'postgres', 'postgres', q{CALL listguard.reseal('subs')}), '55006', 'a second one beside it is refused');
is(sql(q{SELECT running FROM listguard.progress WHERE finished IS NULL}), 't', 'view progress says that it runs');
kill 'KILL', $pid;
eval { $_->quit } for ($victim, $holder);
ok($node->poll_query_until('postgres', 'SELECT true'), 'the server is back after kill -9');
my $done = sql(q{SELECT position->>'rewritten' FROM listguard.job WHERE finished IS NULL});
cmp_ok($done, '<', 3000, 'reseal was not at its end');
is(sql(q{SELECT running FROM listguard.progress WHERE finished IS NULL}), 'f', 'and no more runs');
$node->psql('postgres', q{CALL listguard.reseal('subs', 500)}, stdout => \$out, stderr => \$err);
like($err, qr/going on where an earlier reseal of public\.subs ended, after $done rows/, 'the next call goes on there');
all_current('killed and resumed');
is(clear_text(), $before, 'killed and resumed: every text is as it was');
is((armoured('email'))[1], $tokens{email}, 'killed and resumed: every token is');

# ---- rows that others hold ----

sql(q{SELECT listguard.rotate_list_key('subs')});
$holder = $node->background_psql('postgres');
$holder->query_safe(q{BEGIN; SELECT id FROM subs WHERE id = 2500 FOR UPDATE});
$node->psql('postgres', q{CALL listguard.reseal('subs')}, stdout => \$out, stderr => \$err);
like($err, qr/WARNING:  1 rows of public\.subs were locked by other transactions/, 'a row that is locked all the time is told');
$holder->query_safe('COMMIT');
$node->psql('postgres', q{CALL listguard.reseal('subs')}, stdout => \$out, stderr => \$err);
like($err, qr/NOTICE:  1 rows of public\.subs were sealed anew/, 'and done by the next call');
$holder->quit;
all_current('after the lock');

# ---- beside writers ----

my $dir = $node->basedir;
append_to_file("$dir/load.sql", <<'E');
\set a random(1, 3000)
\set b random(1, 3000)
BEGIN;
UPDATE subs SET name = name || '.', touched = touched + 1 WHERE id = :a;
UPDATE subs SET touched = touched + 1 WHERE id = :b;
COMMIT;
BEGIN;
SELECT id FROM subs WHERE id = :b FOR UPDATE;
WITH d AS (DELETE FROM subs WHERE id = :a AND id % 10 = 1 RETURNING touched) INSERT INTO lost SELECT touched FROM d;
END;
E
sql('TRUNCATE fired; CREATE TABLE lost (touched int)');
my $load = IPC::Run::start([ 'pgbench', '-n', '-T', '12', '-c', '4', '-h', $node->host, '-p', $node->port, '-U', 'postgres', '--max-tries=1000',
	'-f', "$dir/load.sql", 'postgres' ], '>', \my $bench, '2>', \my $bench_err);
my $calls = 0;
my $until = time + 9;
while (time < $until)
{
	sql(q{SELECT listguard.rotate_list_key('subs')});
	$node->psql('postgres', q{CALL listguard.reseal('subs', 200)}, stderr => \$err);
	unlike($err, qr/ERROR/, 'reseal beside writers') or diag($err);
	$calls++;
}
$load->finish;
is($load->result(0), 0, "pgbench beside $calls calls of reseal") or diag($bench_err);
like($bench, qr/number of transactions actually processed: \d{3,}/, 'has changed rows');
sql(q{CALL listguard.reseal('subs')});
all_current('beside writers');
my %was = map { (split /\t/)[0] => join('|', (split /\t/)[ 1, 2, 3, 5, 6 ]) } split /\n/, $before;
my %is = map { (split /\t/)[0] => join('|', (split /\t/)[ 1, 2, 3, 5, 6 ]) } split /\n/, clear_text();
is(join(' ', grep { $is{$_} ne $was{$_} } keys %is), '', 'every address, phone and note that is left is as it was');
is(join(' ', grep { !exists $is{$_} && $_ % 10 != 1 } keys %was), '', 'and nothing is missing but what was deleted');
cmp_ok(scalar(keys %is), '<', 3000, 'something was');
is(sql(q{SELECT (SELECT sum(touched) FROM subs) + (SELECT sum(touched) FROM lost) = (SELECT count(*) FROM fired WHERE what = 'a_row')}), 't',
	'no update was lost: what rows count is what a trigger counted');
my $log = slurp_file($node->logfile);
unlike($log, qr/deadlock detected/, 'nobody met a deadlock');

# ---- an update that cannot be replicated ----

sql(q{ALTER TABLE subs_1 REPLICA IDENTITY NOTHING; CREATE PUBLICATION p FOR TABLE subs_1; SELECT listguard.rotate_list_key('subs')});
is(sqlstate($node, 'postgres', 'postgres', q{CALL listguard.reseal('subs')}), '55000', 'a published table without replica identity');
sql(q{ALTER TABLE subs_1 REPLICA IDENTITY USING INDEX subs_1_id_email_key; SELECT pg_create_logical_replication_slot('s', 'test_decoding')});
sql(q{CALL listguard.reseal('subs')});
my $rows = sql(q{SELECT count(*) FROM subs_1});
is(sql(q{SELECT count(*) FROM pg_logical_slot_get_changes('s', NULL, NULL) WHERE data ~ 'table public.subs_1: UPDATE: old-key: .*email.*lg1:.* new-tuple: .*lg1:'}),
	$rows, 'each change carries the old key where the identity is the sealed column');
sql(q{SELECT pg_drop_replication_slot('s'); DROP PUBLICATION p});

# ---- scrub ----

sql(q{CREATE EXTENSION pageinspect; ALTER TABLE subs DROP COLUMN gone});
my $left = q{SELECT count(*) FROM generate_series(0, pg_relation_size('subs_1')::int / 8192 - 1) b,
	heap_page_item_attrs(get_raw_page('subs_1', b), 'subs_1') h WHERE encode(array_to_string(ARRAY(SELECT encode(x, 'hex') FROM unnest(t_attrs) x), '')::bytea, 'escape') LIKE '%736563726574%'};
sql('VACUUM FREEZE subs_1');
is(sql($left), $rows, 'a dropped column\'s text lies on in every row');
my $xid = sql('SELECT pg_current_xact_id()');
my $blocks = sql(q{SELECT pg_relation_size('subs_1') / 8192});
my ($next, $n, $rewritten) = ('(0,1)', 0, 0);
while ($next ne '' && $n++ < 1000)
{
	my $add;
	($next, $add) = split /\|/, sql(qq{SELECT next_tid, rewritten FROM listguard._rewrite_batch('subs_1', 'scrub', '$next', $blocks, 100, true, '$xid')});
	$rewritten += $add;
}
is($rewritten, $rows, 'scrub writes each row once');
sql('VACUUM subs_1');
is(sql($left), '0', 'and no row has the dropped column any more');
is(sql(qq{SELECT rewritten FROM listguard._rewrite_batch('subs_1', 'scrub', '(0,1)', pg_relation_size('subs_1') / 8192, 10000, true, '$xid')}), '0',
	'a second pass passes over what is new');
all_current('scrubbed');

$node->stop;
done_testing();
