# The guard: no road brings a list home in one statement, and what was read is
# charged for good.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 100_000;
my $threshold = 1000;
my $node = PostgreSQL::Test::Cluster->new('guard');
$node->init;
$node->append_conf('postgresql.conf', "listguard.session_row_limit = 5000\n");
$node->start;

$node->safe_psql('postgres', qq{
	CREATE EXTENSION listguard CASCADE;
	CREATE ROLE app LOGIN;
	CREATE ROLE small LOGIN;
	CREATE ROLE writer LOGIN;
	CREATE ROLE stranger LOGIN;
	CREATE ROLE owner LOGIN;
	CREATE SCHEMA loot AUTHORIZATION app;
	CREATE TABLE t (id int PRIMARY KEY, email text NOT NULL, name text, list_id text NOT NULL);
	INSERT INTO t SELECT n, format('reader%s\@example.org', n), 'Reader ' || n, 'news' || n % 4
		FROM generate_series(1, $rows) n;
	ALTER TABLE t OWNER TO owner;
	SELECT listguard.protect('t', '{email}', list_column => 'list_id');
	SELECT listguard.grant_access('app', 't', '{view,reveal}');
	SELECT listguard.grant_access('small', 't', '{view,reveal}');
	SELECT listguard.grant_access('writer', 't', '{view,insert}', lists => '{news0,news1}');
	GRANT SELECT ON t TO stranger;
	GRANT CREATE ON SCHEMA public TO owner;
	SELECT listguard.set_limit('small', 100, interval '1 hour');
	ANALYZE t;
});

# What a role gets for some SQL: status, everything printed, SQLSTATE of the last error.
sub ask
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql,
		connstr => $node->connstr('postgres') . " user=$role",
		on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	my @states = $err =~ /(?:ERROR|FATAL):  (\w{5}):/g;
	return ($out, $err, $states[-1] // 'ok');
}

sub addresses
{
	my %seen = map { $_ => 1 } $_[0] =~ /reader\d+\@example\.org/g;
	return scalar keys %seen;
}

# One road: refused with LG001, and nothing on the wire.
sub refused
{
	my ($name, $sql) = @_;
	my ($out, $err, $state) = ask('app', $sql);
	is($state, 'LG001', "$name: refused");
	is(length($out), 0, "$name: not a byte of a result");
	is(addresses($err), 0, "$name: no address in the message");
	return;
}

refused('SELECT *', 'SELECT * FROM t');
refused('TABLE', 'TABLE t');
refused('ORDER BY', 'SELECT * FROM t ORDER BY name');
refused('other columns alone', 'SELECT id, name FROM t');
refused('COPY TO', 'COPY t TO STDOUT');
refused('COPY TO, columns', 'COPY t (email) TO STDOUT');
refused('COPY TO, binary', 'COPY t TO STDOUT (FORMAT binary)');
refused('COPY of a query', 'COPY (SELECT * FROM t) TO STDOUT');
refused('string_agg', q{SELECT string_agg(email::text, ',') FROM t});
refused('array_agg', 'SELECT array_agg(email) FROM t');
refused('ARRAY()', 'SELECT ARRAY(SELECT email FROM t)');
refused('json_agg', 'SELECT json_agg(name) FROM t');
refused('a window', 'SELECT string_agg(name, $$,$$) OVER () FROM t LIMIT 1');
refused('a sum of numerics', 'SELECT sum(power(10::numeric, id % 1000) * ascii(name)) FROM t');
refused('a CTE', 'WITH c AS MATERIALIZED (SELECT * FROM t) SELECT * FROM c');
refused('a union', 'SELECT email FROM t UNION ALL SELECT email FROM t');
refused('a correlated subquery',
	'SELECT (SELECT email FROM t WHERE t.id = g) FROM generate_series(1, 5000) g');
refused('a collecting filter',
	q{SELECT 1 FROM t WHERE set_config('a.b', left(current_setting('a.b', true) || email::text, 9999), false) = ''});
refused('a statement in a function',
	q{SELECT query_to_xml('SELECT * FROM t', false, false, '')});
refused('an extended-protocol statement', "SELECT * FROM t WHERE id > \$1 \\bind 0 \\g\n")
  if `psql --version` =~ / (1[6-9]|[2-9]\d)/;

# Tables that keep nothing.
refused('CREATE TABLE AS', 'CREATE TABLE loot.a AS SELECT * FROM t');
refused('SELECT INTO', 'SELECT * INTO loot.a FROM t');
refused('a materialised view', 'CREATE MATERIALIZED VIEW loot.a AS SELECT * FROM t');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class WHERE relnamespace = 'loot'::regnamespace}),
	'0', 'no table is left behind');
ask('app', 'CREATE TABLE loot.b (email text)');
refused('INSERT SELECT', 'INSERT INTO loot.b SELECT email::text FROM t');
refused('a caught refusal', q{DO $$ BEGIN
	INSERT INTO loot.b SELECT email::text FROM t;
	EXCEPTION WHEN OTHERS THEN NULL; END $$});
is($node->safe_psql('postgres', 'SELECT count(*) FROM loot.b'), '0', 'no row is left behind');

# A cursor adds up over its FETCHes.
{
	my ($out, $err, $state) = ask('app', q{BEGIN; DECLARE c CURSOR FOR SELECT email FROM t;
		FETCH 300 FROM c; FETCH 300 FROM c; FETCH 300 FROM c; FETCH 300 FROM c; FETCH 300 FROM c; COMMIT});
	is($state, '25P02', 'a cursor: the transaction is over');
	like($err, qr/LG001/, 'a cursor: refused');
	cmp_ok(addresses($out), '<=', $threshold, 'a cursor: at most the threshold');
	is(addresses($out), 900, 'a cursor: what was fetched before, nothing of the FETCH refused');
}

# What honest statements cost.
sub charge
{
	my ($sql, $role) = @_;
	my ($out) = ask($role // 'app', "SET client_min_messages = warning; $sql;
		SELECT 'used', coalesce(max(used), 0) FROM listguard.session_meter WHERE pid = pg_backend_pid()");
	return $out =~ /used\|(\d+)/ ? $1 : $out;
}
is(charge('SELECT * FROM t WHERE id = 7'), 1, 'a look-up costs 1');
is(charge('SELECT * FROM t WHERE id = -7'), 1, 'so does one that finds nothing');
is(charge('SELECT count(*) FROM t'), 1, 'count(*) costs 1');
is(charge(q{SELECT count(*) FROM t WHERE name LIKE '%7'}), 1, 'with a filter as well');
is(charge('SELECT list_id, count(*) FROM t GROUP BY list_id'), 4, 'GROUP BY costs its groups');
is(charge('SELECT * FROM t ORDER BY name LIMIT 20'), 20, 'ORDER BY LIMIT 20 costs 20');
is(charge('SELECT id FROM t WHERE email = $$reader9@example.org$$'), 1, 'a search by address costs 1');
is(charge('BEGIN; SELECT id FROM t LIMIT 50; ROLLBACK'), 50, 'ROLLBACK gives nothing back');
is(charge('BEGIN; SAVEPOINT s; SELECT id FROM t LIMIT 50; ROLLBACK TO s; SELECT id FROM t LIMIT 5; COMMIT'), 55,
	'nor does ROLLBACK TO');
is(charge('SELECT id, 1 / (id - id) FROM t WHERE id < 4'), 1, 'nor an error');
cmp_ok(charge('SELECT * FROM t'), '>', $threshold, 'a refused statement is charged');
is(charge('SELECT 1'), 0, 'what reads no list costs nothing');
is(charge('EXPLAIN SELECT * FROM t'), 0, 'EXPLAIN costs nothing');

# Limits.
{
	my ($out, $err, $state) = ask('app', join(';', ('SELECT email FROM t LIMIT 900') x 6));
	is($state, 'LG002', 'the session limit');
	is(() = $out =~ /\@/g, 4500, 'what was below it came, and no row of the statement above it');
	like($err, qr/DETAIL:  500 rows are left/, 'says how many are left');
	like($err, qr/HINT:  .*from 20\d\d-/, 'and when there will be more');
	($out, $err, $state) = ask('app', 'SELECT email FROM t LIMIT 900');
	is($state, 'ok', 'another session has a limit of its own');

	($out, $err, $state) = ask('small', 'SELECT email FROM t LIMIT 60');
	is($state, 'ok', 'below the role limit');
	($out, $err, $state) = ask('small', 'SELECT email FROM t LIMIT 60');
	is($state, 'LG002', 'the role limit holds across sessions');
	is($out, '', 'without a row');
	($out, $err, $state) = ask('small', 'SELECT email FROM t LIMIT 30');
	is($state, 'LG002', 'the refused rows are charged as well');
}

# Who has privileges but no grant.
is((ask('stranger', 'SELECT * FROM t WHERE id = 1'))[2], 'LG006', 'a privilege without a grant');
is((ask('owner', 'SELECT * FROM t WHERE id = 1'))[2], 'LG006', 'the owner is no exception');
is((ask('owner', q{UPDATE t SET name = 'x'}))[2], 'LG006', 'nor when it writes');

# COPY FROM by a role under policies.
sub copy_from
{
	my ($lines) = @_;
	return ask('writer', "COPY t FROM STDIN;\n$lines\\.\n");
}
{
	my ($out, $err, $state) = copy_from(
		"200001\tnew1\@example.org\tNew\tnews0\n200002\tnew2\@example.org\tNew\tnews1\n");
	is($state, 'ok', 'COPY FROM by a role that may insert') or diag $err;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE id > 200000'), 2, 'brings its rows');
	($out, $err, $state) = copy_from(
		"200003\tnew3\@example.org\tNew\tnews0\n200004\tnew4\@example.org\tNew\tnews3\n");
	is($state, '42501', 'a row of a foreign list is refused');
	like($err, qr/COPY t, line 2/, 'with its line');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM t WHERE id > 200002'), 0, 'and nothing is stored');
	($out, $err, $state) = ask('writer', "COPY t FROM STDIN WHERE id > 0;\n\\.\n");
	is($state, '0A000', 'WHERE is not for COPY under policies');
	is((ask('writer', 'SELECT listguard._copy_rows(NULL::t)'))[2], '55000', 'the reader is nobody else\'s');
	unlike($node->safe_psql('postgres', 'SELECT email FROM t WHERE id = 200001'), qr/new1\@/,
		'what came is sealed');
}

is(charge(q{INSERT INTO t SELECT n, 'x' || n || '@example.org', 'X', 'news0' FROM generate_series(100001 - 20, 100001 - 1) n
	ON CONFLICT DO NOTHING}, 'writer'), 20, 'each row that DO NOTHING skips is an answer');
is(charge(q{INSERT INTO t VALUES (1, 'x@example.org', 'X', 'news0')}, 'writer'), 1, 'so is a key that is taken');

# A row that changed meanwhile is checked again, in a plan of its own: what that reads counts.
$node->safe_psql('postgres', q{CREATE TABLE loot.e (id int PRIMARY KEY, n int, got text);
	INSERT INTO loot.e VALUES (1, 0); ALTER TABLE loot.e OWNER TO app});
{
	my @session = map { { in => '', out => '', err => '' } } 0, 1;
	for my $s (@session)
	{
		$s->{run} = IPC::Run::start(
			[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') . ' user=app' ],
			'<', \$s->{in}, '>', \$s->{out}, '2>', \$s->{err}, IPC::Run::timeout(60));
	}
	$session[0]{in} .= "BEGIN; UPDATE loot.e SET n = 1 RETURNING 'locked';\n";
	$session[0]{run}->pump until $session[0]{out} =~ /locked/;
	$session[1]{in} .= "UPDATE loot.e SET got = (SELECT string_agg(email::text, ',') FROM t WHERE e.n = 1);\n";
	$session[1]{run}->pump_nb;
	$node->poll_query_until('postgres',
		q{SELECT count(*) > 0 FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock'})
	  or die 'the second session does not wait';
	$session[0]{in} .= "COMMIT;\n";
	$_->{run}->finish for @session;
	like($session[1]{err}, qr/LG001/, 'a recheck that collects the list is refused');
	is($node->safe_psql('postgres', 'SELECT count(got) FROM loot.e'), 0, 'and stores nothing');
}

# Definitions, settings.
is((ask('owner', 'CREATE INDEX ON t ((email::text))'))[2], '42501', 'an index over a sealed value is no owner\'s');
is((ask('owner', 'CREATE INDEX ON t (name)'))[2], 'ok', 'a plain one is');
is((ask('owner', 'ALTER TABLE t DISABLE ROW LEVEL SECURITY'))[2], '42501', 'nor may it switch policies off');
is((ask('owner', 'ALTER TABLE t ALTER email TYPE text USING email::text'))[2], '42501', 'nor change the type');
is((ask('owner', 'ALTER TABLE t ADD CHECK (length(email::text) > 0)'))[2], '42501', 'nor add a check');
is((ask('postgres', 'ALTER SYSTEM SET listguard.bulk_threshold = 100000'))[2], '42501', 'ALTER SYSTEM is refused');
is((ask('postgres', 'DROP EXTENSION listguard CASCADE'))[2], '2BP01', 'the extension stays while columns are sealed');

# A superuser is bound as well; a sealed session that holds backup is not.
is((ask('postgres', 'SELECT * FROM t'))[2], 'LG001', 'a superuser meets the threshold');
{
	my ($out, $err, $state) = ask('postgres', 'SET listguard.output = sealed; SELECT email FROM t');
	is($state, 'ok', 'a sealed session of a superuser may read all');
	is(() = $out =~ /^lg1:/mg, $rows + 2, 'and gets armour');
	is((ask('postgres', q{SET listguard.output = sealed; CREATE TABLE x AS SELECT * FROM t}))[2], 'LG001',
		'but not into a table');
}

# Sealed values in a table that nobody guards are still their lists'.
$node->safe_psql('postgres', q{
	CREATE TABLE loot.c (email listguard.sealed_email);
	SET listguard.output = sealed;
	SELECT listguard.drop_limit('small');
	GRANT INSERT, SELECT ON loot.c TO app; GRANT USAGE ON SCHEMA loot TO app;
	ALTER TABLE loot.c OWNER TO app;
});
for my $from (0, 900)
{
	is((ask('app', "INSERT INTO loot.c SELECT email FROM t WHERE id > $from AND id <= $from + 900"))[2], 'ok',
		'a copy in small bites');
}
refused('a copy read at once', 'SELECT * FROM loot.c');
refused('a copy opened at once', 'SELECT count(email::text) FROM loot.c');
like((ask('app', 'SELECT email FROM loot.c LIMIT 1'))[0], qr/^reader/, 'in small bites it opens');

# Dumps: sealed and whole, or refused.
{
	my ($out, $err);
	IPC::Run::run([ 'pg_dump', '-t', 't', $node->connstr('postgres') ], '>', \$out, '2>', \$err);
	is(() = $out =~ /\tlg1:/g, $rows + 2, 'pg_dump writes every row, sealed') or diag $err;
	is(addresses($out), 0, 'and no address');
	IPC::Run::run([ 'pg_dump', '-t', 't', '--enable-row-security', '-d', $node->connstr('postgres') . ' user=app' ],
		'>', \$out, '2>', \$err);
	unlike($out, qr/lg1:|\@example/, 'a role without backup dumps nothing');
	like($err, qr/permission denied to dump/, 'and is told so');
}

# What the record says, however a read ended.
sub last_read
{
	my ($role, $where) = @_;
	$node->poll_query_until('postgres',
		"SELECT count(*) > 0 FROM listguard.audit WHERE kind = 'read' AND login_role = '$role' AND $where")
	  or return 'nothing';
	return $node->safe_psql('postgres',
		"SELECT outcome || ' ' || rows FROM listguard.audit
		 WHERE kind = 'read' AND login_role = '$role' AND $where ORDER BY at DESC, seq DESC LIMIT 1");
}
ask('app', 'SELECT email FROM t WHERE id <= 17');
is(last_read('app', 'rows = 17'), 'ok 17', 'a small read is on record');
ask('app', 'BEGIN; DECLARE c CURSOR FOR SELECT email FROM t; FETCH 23 FROM c; ROLLBACK');
is(last_read('app', 'rows = 23'), 'aborted 23', 'an abandoned cursor, with what it has read');
ask('app', 'BEGIN; DECLARE c CURSOR FOR SELECT email FROM t; FETCH 29 FROM c; SELECT pg_terminate_backend(pg_backend_pid())');
is(last_read('app', 'rows = 29'), 'aborted 29', 'a terminated session as well');
ask('app', 'SELECT id, 1 / (id - 31) FROM t WHERE id <= 31');
is(last_read('app', 'rows = 30'), 'aborted 30', 'a statement that failed on its last row');
is($node->safe_psql('postgres',
	q{SELECT count(*) > 20 FROM listguard.audit WHERE outcome = 'refused' AND sqlstate = 'LG001' AND login_role = 'app'}),
	't', 'refusals are on record');

# The log.
$node->stop;
is(addresses(slurp_file($node->logfile)), 0, 'no address in the server log');
done_testing();
