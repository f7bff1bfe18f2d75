
# protect_online: an application inserts, updates, deletes and looks up all the
# while, and every address is there at the end; no statement waits for a lock
# for a second; it goes on after kill -9 in every phase; what cannot be sealed
# stops it and leaves the table as it was.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $bound = 60;     # seconds that anything may take
my $node = lg_node('online', <<'CONF');
autovacuum = off
restart_after_crash = on
log_statement = none
max_worker_processes = 16
log_lock_waits = on
deadlock_timeout = 20ms
listguard.session_row_limit = 100000000
listguard.bulk_threshold = 100000000
CONF

sub value { return $node->safe_psql('postgres', shift) }

sub wait_for
{
	my ($what, $code) = @_;
	my $end = time + $bound;

	until ($code->())
	{
		die "timed out waiting for $what" if time > $end;
		usleep 50_000;
	}
	return 1;
}

# The server, while it may be restarting after a crash.
sub try_value
{
	my ($sql) = @_;
	my ($status, $out) = $node->psql('postgres', $sql, on_error_die => 0);
	return defined $status && $status == 0 ? $out : undef;
}

# A psql in the background that runs one text.
sub background
{
	my ($sql, $role) = @_;
	my %b = (in => $sql, out => '', err => '');
	$b{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-U', $role // $ENV{PGUSER} // 'postgres' ],
		'<', \$b{in}, '>', \$b{out}, '2>', \$b{err}, IPC::Run::timeout(4 * $bound));
	return \%b;
}

value(q{
	CREATE EXTENSION listguard CASCADE;
	CREATE EXTENSION citext;
	CREATE ROLE app LOGIN;
	CREATE ROLE boss LOGIN IN ROLE listguard_admin;
	CREATE TABLE subs (id int PRIMARY KEY, email varchar(200) NOT NULL DEFAULT 'nobody@x.example', name text, list text NOT NULL,
		changed int NOT NULL DEFAULT 0, CONSTRAINT one_each UNIQUE (list, email));
	CREATE INDEX by_email ON subs USING hash (email);
	CREATE INDEX by_name ON subs (lower(name) DESC, email) INCLUDE (changed) WITH (fillfactor = 80) WHERE id > 10;
	COMMENT ON COLUMN subs.email IS 'where mail goes';
	COMMENT ON INDEX by_email IS 'for looking up';
	COMMENT ON CONSTRAINT one_each ON subs IS 'once in a list';
	CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.changed := old.changed + 1; RETURN new; END';
	CREATE TRIGGER counts BEFORE UPDATE ON subs FOR EACH ROW EXECUTE FUNCTION count_change();
	CREATE TABLE ledger (id int PRIMARY KEY, email text, changed int NOT NULL DEFAULT 0);
	CREATE SEQUENCE ids START 100001;
	INSERT INTO subs (id, email, name, list) SELECT n, 'Reader' || n || '@zyxwvu' || n || '.example', 'N' || n, 'news' || n % 5 FROM generate_series(1, 30000) n;
	INSERT INTO ledger SELECT id, email FROM subs;
	GRANT SELECT, INSERT, UPDATE, DELETE ON subs, ledger TO app;
	GRANT USAGE ON SEQUENCE ids TO app;
});
# Rows in which table and ledger differ; both ways.
my $differences = q{SELECT count(*) FROM (SELECT id, email::text AS email, changed FROM subs) s FULL JOIN ledger l USING (id)
	WHERE s.email IS DISTINCT FROM l.email OR s.changed IS DISTINCT FROM l.changed};

# ---- with an application ----

my $script = $node->basedir . '/app.sql';
append_to_file($script, <<'SQL');
\set id random(1, 30000)
\set gone random(1, 30000)
\set list random(0, 7)
BEGIN;
SELECT nextval('ids') AS new \gset
INSERT INTO subs (id, email, name, list) VALUES (:new, 'Late' || :new || '@zyxwvu.example', 'L', 'news' || :list);
INSERT INTO ledger VALUES (:new, 'Late' || :new || '@zyxwvu.example');
END;
BEGIN;
SELECT id FROM ledger WHERE id = :id FOR UPDATE;
UPDATE subs SET email = 'Moved' || :new || '@zyxwvu.example' WHERE id = :id;
UPDATE ledger SET email = 'Moved' || :new || '@zyxwvu.example', changed = changed + 1 WHERE id = :id;
END;
BEGIN;
SELECT id FROM ledger WHERE id = :gone FOR UPDATE;
DELETE FROM subs WHERE id = :gone;
DELETE FROM ledger WHERE id = :gone;
END;
SELECT 1 / count(*) FROM subs WHERE email = 'Late' || :new || '@zyxwvu.example';
SQL
my %app = (out => '', err => '');
my $run = IPC::Run::start([ 'pgbench', '-n', '-c', '4', '-T', '600', '-f', $script, '-h', $node->host, '-p', $node->port, '-U', 'app', 'postgres' ],
	'>', \$app{out}, '2>', \$app{err}, IPC::Run::timeout(8 * $bound));
wait_for('the application', sub {
	$run->pump_nb if $run->pumpable;
	die $app{err} if $app{err} =~ /error/;
	value('SELECT last_value FROM ids') > 100050;
});

my ($status, $out, $err) = $node->psql('postgres', q{CALL listguard.protect_online('subs', '{email}', 'list', 2000, keep_access => true)},
	extra_params => [ '-U', 'boss' ]);
is($status, 0, 'protected while the application runs') or diag $err;
like($err, qr/NOTICE:  column "email" is sealed_email now, and the last column/, 'it says that the column has moved');
like($err, qr/addresses remain in clear in WAL/, 'and where plain text is left');
unlike($err, qr/zyxwvu/, 'but no address');
my $at = value('SELECT last_value FROM ids');
wait_for('the application after it', sub { value('SELECT last_value FROM ids') > $at + 20 });
ok($run->pumpable, 'the application still runs');
$run->signal('INT');
wait_for('its end', sub { $run->pump_nb if $run->pumpable; !$run->pumpable });
eval { $run->finish };
unlike($app{err}, qr/error|abort/i, 'and no statement of it has failed') or diag $app{err};
my $inserted = value('SELECT last_value FROM ids') - 100000;
note "$inserted rounds of the application";

value(q{SELECT listguard.grant_access(session_user::name, 'subs', '{reveal}')});
is(value($differences), '0', 'every address is the one that the application wrote last, and no trigger of its own fired more often');
is(value(q{SELECT format_type(atttypid, NULL) || attnotnull FROM pg_attribute WHERE attrelid = 'subs'::regclass AND attname = 'email'}),
	'listguard.sealed_emailtrue', 'the column is sealed, and not null');
is(value(q{SELECT string_agg(replace(indexdef, 'public.', ''), E'\n' ORDER BY indexname) FROM pg_indexes WHERE tablename = 'subs'}), <<'DEFS' =~ s/\n\z//r, 'indexes are what they were');
CREATE INDEX by_email ON subs USING hash (email)
CREATE INDEX by_name ON subs USING btree (lower(name) DESC, email) INCLUDE (changed) WITH (fillfactor='80') WHERE (id > 10)
CREATE UNIQUE INDEX one_each ON subs USING btree (list, email)
CREATE UNIQUE INDEX subs_pkey ON subs USING btree (id)
DEFS
is(value(q{SELECT col_description('subs'::regclass, (SELECT attnum FROM pg_attribute WHERE attrelid = 'subs'::regclass AND attname = 'email'))
	|| obj_description('by_email'::regclass, 'pg_class') || (SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'one_each')}),
	'where mail goesfor looking uponce in a list', 'comments too');
is(value(q{SELECT count(*) FROM pg_constraint WHERE conrelid = 'subs'::regclass AND contype <> 'n'}), '2', 'no constraint of ours is left');
is(value(q{SELECT count(*) FROM pg_class WHERE relname ~ '^listguard_shadow'}) . value(q{SELECT count(*) FROM pg_trigger WHERE tgname ~ 'shadow'}), '00', 'nor index nor trigger');
is(value(q{SELECT phase || ' ' || (finished IS NOT NULL) || ' ' || running FROM listguard.progress WHERE relation = 'public.subs'}), 'done true false', 'view progress says so');
value(q{INSERT INTO subs (id, list) VALUES (1000000, 'news0')});
is(value(q{SELECT email::text FROM subs WHERE id = 1000000}), 'nobody@x.example', 'the default works');
is(sqlstate($node, 'postgres', 'boss', 'SELECT * FROM subs'), '42501', 'nobody reads without a grant');
is($node->safe_psql('postgres', q{SELECT email ~ '\*' FROM (SELECT email::text FROM subs LIMIT 1) s}, extra_params => [ '-U', 'app' ]), 't', 'the application sees masks');
is(sqlstate($node, 'postgres', 'boss', q{CALL listguard.protect_online('subs', '{email}', 'list')}), '55000', 'once is enough');

my @waits = map { /after (\d+\.\d+) ms/ ? $1 : () } grep { /acquired .* on relation/ } split /\n/, slurp_file($node->logfile);
my ($longest) = sort { $b <=> $a } @waits, 0;
diag sprintf 'longest wait for a lock on a table: %.0f ms (%d waits of 20 ms or more)', $longest, scalar @waits;
cmp_ok($longest, '<', 1000, 'nobody waited for a lock for a second');

# no plain text is left after VACUUM
value('VACUUM subs; CHECKPOINT');
my $file = $node->data_dir . '/' . value(q{SELECT pg_relation_filepath('subs')});
value('VACUUM FULL subs; CHECKPOINT');
$file = $node->data_dir . '/' . value(q{SELECT pg_relation_filepath('subs')});
unlike(slurp_file($file), qr/zyxwvu/i, 'no row holds its address in clear any more');

# ---- kill -9 in every phase ----

value(q{
	CREATE TABLE killed (id int PRIMARY KEY, email citext UNIQUE, list int);
	INSERT INTO killed SELECT n, 'Reader' || n || '@zyxwvu.example', n % 3 FROM generate_series(1, 20000) n;
	CREATE TABLE killed_copy AS SELECT id, email::text AS email FROM killed;
	CHECKPOINT;
});
my $call = q{CALL listguard.protect_online('killed', '{email}', 'list', 3000);};
my $slow_call = $call =~ s/3000/1/r;
my %hold = (
	columns => 'BEGIN; LOCK TABLE killed IN ACCESS SHARE MODE;',
	constraints => 'BEGIN; LOCK TABLE killed IN ACCESS SHARE MODE;',
	indexes => 'BEGIN; LOCK TABLE killed IN ROW EXCLUSIVE MODE;',
	swap => 'BEGIN; LOCK TABLE listguard.protected_table IN ROW EXCLUSIVE MODE;');
my $where = q{SELECT phase FROM listguard.progress WHERE relation = 'public.killed' AND finished IS NULL};

for my $phase (qw(columns fill constraints validate indexes wait swap scrub))
{
	# A lock keeps it in the phase, or it is caught there by looking all the time, in transactions of their own.
	my $lock = $hold{ $phase eq 'wait' ? 'swap' : $phase };
	my $helper = background(defined $lock ? "$lock\nSELECT 'ready';\n" : "SELECT 'ready';\n" .
		qq{SELECT 'caught' FROM listguard.job WHERE relation = 'public.killed' AND finished IS NULL AND phase = '$phase' AND (done > 0 OR '$phase' !~ 'fill|scrub');\n} x 100000);
	$helper->{run}->pump until $helper->{out} =~ /ready/;
	my $caller = background("SELECT 'pid', pg_backend_pid();\n" . ($phase =~ /fill|scrub/ ? $slow_call : $call) . "\n");
	$caller->{run}->pump until $caller->{out} =~ /pid\|(\d+)/;
	my ($pid) = $caller->{out} =~ /pid\|(\d+)/;
	if (defined $lock)
	{
		# the lock that stops the swap holds it in the phase before or right behind it
		wait_for("phase $phase", sub { (try_value($where) // '') =~ ($phase eq 'wait' ? qr/^(wait|swap)$/ : qr/^$phase$/) });
		usleep 200_000 if $phase ne 'wait';
	}
	else
	{
		$helper->{run}->pump while $helper->{run}->pumpable && $helper->{out} !~ /caught/;
		like($helper->{out}, qr/caught/, "seen in phase $phase");
	}
	kill 9, $pid;
	$_->{run}->kill_kill for $helper, $caller;
	wait_for('the server', sub { (try_value('SELECT 1') // '') eq '1' });
	# what was only seen may have gone on a little
	my %next = (validate => 'indexes', wait => 'swap');
	like(value($where), $next{$phase} ? qr/^($phase|$next{$phase})$/ : qr/^$phase$/, "killed in phase $phase");
	is(value(q{SELECT count(*) FROM killed JOIN killed_copy c USING (id) WHERE killed.email::text = c.email}), '20000', 'no address is lost') if $phase ne 'scrub';
}
($status, $out, $err) = $node->psql('postgres', $call);
is($status, 0, 'called again, it goes on to its end') or diag $err;
value(q{SELECT listguard.grant_access(session_user::name, 'killed', '{reveal}')});
is(value(q{SELECT count(*) FROM killed JOIN killed_copy c USING (id) WHERE killed.email::text = c.email}), '20000', 'and every address is there');
is(value(q{SELECT count(*) FROM pg_index WHERE indrelid = 'killed'::regclass AND indisvalid}) . value(q{SELECT count(*) FROM pg_class WHERE relname ~ '^listguard_shadow'}), '20', 'with its indexes, and no others');
is(value($where), '', 'nothing is open');

# ---- what stops it ----

value(q{
	CREATE TABLE stopped (id int PRIMARY KEY, email text, list int, UNIQUE (email));
	INSERT INTO stopped SELECT n, 'Reader' || n || '@zyxwvu.example', n % 3 FROM generate_series(1, 3000) n;
	INSERT INTO stopped VALUES (3001, 'READER7@zyxwvu.example', 1), (3002, 'zyxwvu no address', 1), (3003, 'listless@zyxwvu.example', NULL);
});
$call = q{CALL listguard.protect_online('stopped', '{email}', 'list')};
is(sqlstate($node, 'postgres', 'boss', "BEGIN; $call; COMMIT"), '2D000', 'not in a transaction block');
is(sqlstate($node, 'postgres', 'app', $call), '42501', 'not for others');
is(value(q{SELECT count(*) FROM listguard.protected_table WHERE relation = 'public.stopped'}), '0', 'and nothing was begun');
($status, $out, $err) = $node->psql('postgres', $call);
like($err, qr/column "list" of table public.stopped contains null values/, 'rows without a list stop it');
value('UPDATE stopped SET list = 2 WHERE id = 3003');
($status, $out, $err) = $node->psql('postgres', $call);
like($err, qr/1 values of column "email" cannot be sealed.*id 3002 at character 7/s, 'a value that is no address stops it, and it says where');
unlike($err, qr/zyxwvu/, 'without the value');
like(value(q{SELECT phase || ' ' || error FROM listguard.progress WHERE relation = 'public.stopped'}), qr/^fill 1 values/, 'view progress shows it');
is(sqlstate($node, 'postgres', 'postgres', q{UPDATE stopped SET email = 'still no address' WHERE id = 3002}), 'ok', 'the application goes on as before');
is(sqlstate($node, 'postgres', 'postgres', q{SELECT * FROM stopped}), 'ok', 'and reads all');
is(sqlstate($node, 'postgres', 'boss', q{SELECT listguard.protect('stopped', '{email}')}), '55000', 'protect is refused meanwhile');
is(sqlstate($node, 'postgres', 'boss', q{SELECT listguard.grant_access('app', 'stopped', '{view}')}), '55000', 'so are grants');
is(sqlstate($node, 'postgres', 'boss', q{CALL listguard.protect_online('stopped', '{email}')}), '55000', 'and other arguments');
value('ALTER TABLE stopped RENAME COLUMN email TO mail; ALTER TABLE stopped RENAME TO halted');
value(q{DELETE FROM halted WHERE id = 3002});
$call = q{CALL listguard.protect_online('halted', '{mail}', 'list')};
($status, $out, $err) = $node->psql('postgres', $call);
like($err, qr/addresses become equal under unique index.*1 groups of rows, the first at id 7 and id 3001/s, 'addresses that become equal stop it, under either name');
unlike($err, qr/zyxwvu/, 'without the address');
is(value(q{SELECT count(*) FROM pg_class WHERE relname ~ '^listguard_shadow'}), '0', 'no half-built index stays');
is(sqlstate($node, 'postgres', 'postgres', q{INSERT INTO halted VALUES (4000, 'READER9@zyxwvu.example', 1)}), 'ok', 'the application goes on as before');

# given up
value(q{SELECT listguard.unprotect('halted')});
is(value(q{SELECT count(*) FROM pg_attribute WHERE attrelid = 'halted'::regclass AND NOT attisdropped AND attnum > 0}), '3', 'unprotect takes all back');
is(value(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'halted'::regclass}) . value(q{SELECT count(*) FROM pg_constraint WHERE conrelid = 'halted'::regclass AND contype <> 'n'}), '02', 'triggers and constraints too');
is(value(q{SELECT count(*) FROM listguard.protected_table WHERE relation = 'public.halted'}), '0', 'and the registry');
value(q{DELETE FROM halted WHERE id > 3000});
is(sqlstate($node, 'postgres', 'boss', $call), 'ok', 'and it can be begun anew');

# ---- one list, a key of addresses, partitions ----

value(q{
	CREATE TABLE keyed (email text PRIMARY KEY, n int);
	ALTER TABLE keyed REPLICA IDENTITY USING INDEX keyed_pkey;
	ALTER TABLE keyed CLUSTER ON keyed_pkey;
	INSERT INTO keyed SELECT 'Reader' || n || '@zyxwvu.example', n FROM generate_series(1, 3000) n;
	CREATE TABLE parted (id int, email text NOT NULL, second text, list int NOT NULL, PRIMARY KEY (id, list, email)) PARTITION BY LIST (list);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
	CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2) PARTITION BY RANGE (id);
	CREATE TABLE parted_2a PARTITION OF parted_2 FOR VALUES FROM (0) TO (500);
	CREATE TABLE parted_2b (second text, email text NOT NULL, junk int, list int NOT NULL, id int NOT NULL);
	ALTER TABLE parted_2b DROP COLUMN junk;
	ALTER TABLE parted_2 ATTACH PARTITION parted_2b FOR VALUES FROM (500) TO (100000);
	CREATE INDEX parted_second ON parted (second, email);
	INSERT INTO parted SELECT n, 'Reader' || n || '@zyxwvu.example', 'Second' || n || '@zyxwvu.example', 1 + n % 2 FROM generate_series(1, 3000) n;
	CREATE TABLE parted_copy AS SELECT * FROM parted;
});
is(sqlstate($node, 'postgres', 'boss', q{CALL listguard.protect_online('keyed', '{email}')}), 'ok', 'a table that is one list');
value(q{SELECT listguard.grant_access(session_user::name, 'keyed', '{reveal}')});
is(value(q{SELECT count(*) FROM keyed WHERE email::text = 'Reader' || n || '@zyxwvu.example'}), '3000', 'every address');
is(value(q{SELECT indisprimary, indisreplident, indisclustered FROM pg_index WHERE indexrelid = 'keyed_pkey'::regclass}), 't|t|t', 'a primary key of addresses, with its marks');
is(value(q{SELECT count(*) FROM pg_attribute WHERE attrelid = 'keyed'::regclass AND attname = 'email' AND atttypmod > 0}), '1', 'the list is in the type');
is(sqlstate($node, 'postgres', 'postgres', q{INSERT INTO keyed (email, n) VALUES ('READER8@zyxwvu.example', 0)}), '23505', 'unique without regard to case');
is(sqlstate($node, 'postgres', 'boss', q{CALL listguard.protect_online('parted', '{email,second}', 'list', 700)}), 'ok', 'partitions');
value(q{SELECT listguard.grant_access(session_user::name, 'parted', '{reveal}')});
is(value(q{SELECT count(*) FROM parted p JOIN parted_copy c USING (id, list) WHERE p.email::text = c.email AND p.second::text = c.second}), '3000', 'every address of two columns');
is(value(q{SELECT count(*), bool_and(indisvalid) FROM pg_index WHERE indrelid::regclass::text ~ '^parted(_..?)?$'}), '10|t', 'indexes of all levels');
is(value(q{SELECT count(*) FROM pg_inherits WHERE inhparent::regclass::text ~ '^parted.*(pkey|second|idx)'}), '8', 'hang together');
is(value(q{SELECT contype FROM pg_constraint WHERE conname = 'parted_pkey'}), 'p', 'and the primary key is one');
is(value(q{SELECT count(DISTINCT tgrelid) FROM pg_trigger WHERE tgname = 'listguard_ins' AND tgrelid::regclass::text ~ '^parted'}), '5', 'every partition is guarded');

$node->stop;
done_testing();
