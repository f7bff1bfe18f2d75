# The server log holds no literal, parameter or value, whichever way it is written:
# each is looked for with redact_logs off, where it must be found, and then on.

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use lib 'test/t';
use LGTest;

my $node = lg_node('hygiene', q{
logging_collector = on
log_destination = 'stderr,csvlog,jsonlog'
log_directory = 'lg_log'
log_filename = 'server.log'
log_rotation_age = 0
log_rotation_size = 0
log_statement = 'all'
log_min_duration_statement = 0
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_error_verbosity = verbose
log_min_messages = notice
deadlock_timeout = 20ms
restart_after_crash = on
session_preload_libraries = 'auto_explain'
auto_explain.log_nested_statements = on
auto_explain.log_verbose = on
listguard.redact_logs = off
});

$node->safe_psql('postgres', q{
	CREATE EXTENSION listguard CASCADE;
	CREATE EXTENSION dblink;
	CREATE TABLE subs (id int PRIMARY KEY, email text UNIQUE, note listguard.sealed_text);
	CREATE TABLE plain (id int PRIMARY KEY, name text UNIQUE, n int NOT NULL DEFAULT 1, CHECK (id <> 99));
	CREATE TABLE parted (name text) PARTITION BY LIST (name);
	CREATE VIEW checked AS SELECT id, name FROM plain WHERE id < 50 WITH CHECK OPTION;
	CREATE TYPE colour AS ENUM ('red');
	SELECT listguard.protect('subs', '{email}');
	CREATE ROLE app LOGIN;
	SELECT listguard.grant_access('app', 'subs', '{view,reveal,insert}');
	GRANT ALL ON plain, parted, checked TO app;
	GRANT EXECUTE ON FUNCTION pg_log_backend_memory_contexts(int) TO app;
	GRANT USAGE ON SCHEMA listguard TO app;
});

# Each way: its name, then SQL, where the needle takes the place of NEEDLE.
my @ways = (
	[ 'string' => q{SELECT 'NEEDLE'} ],
	[ 'escape string' => q{SELECT E'it\\'s NEEDLE'} ],
	[ 'doubled quote' => q{SELECT 'it''s', 'NEEDLE'} ],
	[ 'string with backslash' => q{SELECT 'a\\', 'NEEDLE'} ],
	[ 'unicode string' => q{SELECT U&'NEEDLE'} ],
	[ 'dollar string' => q{SELECT $$it's$$, $$NEEDLE$$, $a$ $$ NEEDLE $a$} ],
	[ 'column name with quote' => q{SELECT 1 AS "it's", 'NEEDLE'} ],
	[ 'line comment' => qq{SELECT 1 -- it's NEEDLE\n, 'x'} ],
	[ 'comment' => q{SELECT /* it's /* NEEDLE */ NEEDLE */ 1} ],
	[ 'address as name' => q{SELECT 1 AS "NEEDLE@hay.example"} ],
	[ 'prepared statement' => q{PREPARE q AS SELECT 'NEEDLE'; EXECUTE q} ],
	[ 'argument of EXECUTE' => q{PREPARE q(text) AS SELECT $1; EXECUTE q('NEEDLE')} ],
	[ 'cursor' => q{BEGIN; DECLARE c CURSOR FOR SELECT 'NEEDLE'; FETCH c; COMMIT} ],
	[ 'CREATE' => q{CREATE TEMP TABLE t (a text DEFAULT 'NEEDLE')} ],
	[ 'COMMENT' => q{CREATE TEMP TABLE t (a text); COMMENT ON TABLE t IS 'NEEDLE'} ],
	[ 'DO' => q{DO $$BEGIN PERFORM 'NEEDLE'; END$$} ],
	[ 'plan, text' => q{SET auto_explain.log_min_duration = 0; SELECT * FROM plain WHERE name = 'NEEDLE'} ],
	[ 'plan, dollars' => q{SET auto_explain.log_min_duration = 0; SELECT * FROM plain WHERE name = $$NEEDLE$$} ],
	[ 'plan, json' => q{SET auto_explain.log_min_duration = 0; SET auto_explain.log_format = json; SELECT name AS "it's" FROM plain WHERE name = $$NEEDLE$$} ],
	[ 'plan, escapes in json' => q{SET auto_explain.log_min_duration = 0; SET auto_explain.log_format = json; SELECT name FROM plain WHERE name = E'it\\'s NEEDLE' -- it's}."\n" ],
	[ 'plan, yaml' => q{SET auto_explain.log_min_duration = 0; SET auto_explain.log_format = yaml; SELECT name FROM plain WHERE name = 'NEEDLE'} ],
	[ 'plan, xml' => q{SET auto_explain.log_min_duration = 0; SET auto_explain.log_format = xml; SELECT name FROM plain WHERE name = 'NEEDLE'} ],
	[ 'plan, nested' => q{SET auto_explain.log_min_duration = 0; DO $$BEGIN PERFORM FROM plain WHERE name = 'NEEDLE'; END$$} ],
	[ 'plan, as a notice' => q{SET auto_explain.log_min_duration = 0; SET auto_explain.log_level = notice; SELECT * FROM plain WHERE name = 'NEEDLE'} ],
	[ 'integer' => q{SELECT 'NEEDLE'::int} ],
	[ 'value with quotes' => q{SELECT 'a" NEEDLE "b'::int} ],
	[ 'date' => q{SELECT 'NEEDLE'::date} ],
	[ 'enum' => q{SELECT 'NEEDLE'::colour} ],
	[ 'boolean' => q{SELECT 'NEEDLE'::boolean} ],
	[ 'uuid' => q{SELECT 'NEEDLE'::uuid} ],
	[ 'json' => qq~SELECT '{"a": 1,\n "b": NEEDLE'::json~ ],
	[ 'array' => q~SELECT '{NEEDLE'::text[]~ ],
	[ 'time zone' => q{SELECT now() AT TIME ZONE 'NEEDLE'} ],
	[ 'encoding' => q{SELECT encode('a', 'NEEDLE')} ],
	[ 'relation by value' => q{SELECT 'NEEDLE'::text::regclass} ],
	[ 'relation by bad value' => q{SELECT 'NEEDLE x'::text::regclass} ],
	[ 'role by value' => q{SELECT 'NEEDLE'::text::regrole} ],
	[ 'regular expression' => q{SELECT 'a' ~ 'NEEDLE('} ],
	[ 'unique' => q{INSERT INTO plain VALUES (1, 'NEEDLE'), (2, 'NEEDLE')} ],
	[ 'not null' => q{INSERT INTO plain VALUES (1, 'NEEDLE', NULL)} ],
	[ 'check' => q{INSERT INTO plain VALUES (99, 'x) NEEDLE (')} ],
	[ 'partition' => q{INSERT INTO parted VALUES ('NEEDLE')} ],
	[ 'conflict of a column with parentheses' => q{INSERT INTO plain VALUES (1, 'x)=(y NEEDLE'), (2, 'x)=(y NEEDLE')} ],
	[ 'syntax error' => q{SELECT 1 'NEEDLE'} ],
	[ 'unterminated string' => q{DO 'BEGIN EXECUTE ''SELECT ''''NEEDLE''; END'} ],
	[ 'unterminated comment' => q{DO 'BEGIN EXECUTE ''SELECT 1 /*listguard_ticket=v4.public.NEEDLE''; END'} ],
	[ 'ticket in a message' => q{DO 'BEGIN RAISE ''bad: v4.public.NEEDLE-x_y.z''; END'} ],
	[ 'query in a function' => q{DO $$BEGIN EXECUTE 'SELECT ''NEEDLE''::int'; END$$} ],
	[ 'query in a function, dollars' => q{DO $$BEGIN EXECUTE 'SELECT $a$NEEDLE$a$::int'; END$$} ],
	[ 'bad query in a function' => q{DO $$BEGIN EXECUTE 'SELECT FROM nowhere WHERE a = ''NEEDLE'''; END$$} ],
	[ 'address in RAISE' => q{DO $$BEGIN RAISE WARNING 'no NEEDLE@hay.example'; END$$} ],
	[ 'address in RAISE, detail' => q{DO $$BEGIN RAISE 'no' USING DETAIL = 'for NEEDLE@hay.example', HINT = 'or <NEEDLE@hay.example>'; END$$} ],
	[ 'quoted local part' => q{DO $$BEGIN RAISE 'no "NEEDLE x"@hay.example'; END$$} ],
	[ 'address literal' => q{DO $$BEGIN RAISE 'no NEEDLE@[192.0.2.1]'; END$$} ],
	[ 'internationalised address' => qq{DO \$\$BEGIN RAISE 'no \xc3\xbcNEEDLE\@b\xc3\xbccher.example'; END\$\$} ],
	[ 'check option' => q{INSERT INTO checked VALUES (99, 'NEEDLE')} ],
	[ 'INTO STRICT' => qq{DO \$\$\n#print_strict_params on\nDECLARE a text := 'NEEDLE'; b int; BEGIN SELECT id INTO STRICT b FROM plain WHERE name = a; END\$\$} ],
	[ 'memory contexts' => q{PREPARE q AS SELECT 'NEEDLE'; SELECT pg_log_backend_memory_contexts(pg_backend_pid()); SELECT 1} ],
	[ 'COPY' => qq{COPY plain FROM STDIN;\n1\tx\tNEEDLE\n\\.\n} ],
	[ 'COPY, json' => qq~CREATE TEMP TABLE j (a json); COPY j FROM STDIN;\n{"a": NEEDLE\n\\.\n~ ],
	[ 'COPY, csv' => qq{COPY plain FROM STDIN (FORMAT csv);\n1,x,"a\nNEEDLE"\n\\.\n} ],
	[ 'sealed text, cast' => q{INSERT INTO subs VALUES (1, NULL, 'NEEDLE'); SELECT note::text::int FROM subs WHERE id = 1} ],
	[ 'sealed address, bad' => q{INSERT INTO subs VALUES (1, 'NEEDLE@')} ],
	[ 'sealed address, twice' => q{INSERT INTO subs VALUES (1, 'NEEDLE@hay.example'), (2, 'NEEDLE@hay.example')} ],
);

# Parameters of the extended protocol, by pgbench.
my @bound = (
	[ 'parameter' => q{SELECT :v::text;} ],
	[ 'parameter on error' => q{SELECT 1 / (length(:v::text) * 0);} ],
	[ 'parameter with quote' => q{SELECT :v::text, 'it''s';} ]);

my $app = $node->connstr('postgres') . ' user=app';

sub needle { my ($round, $name) = @_; $name =~ s/\W+/x/g; return "$round$name"; }

sub run_all
{
	my ($round) = @_;

	foreach my $way (@ways)
	{
		my ($name, $sql) = @$way;
		my $needle = needle($round, $name);
		$sql =~ s/NEEDLE/$needle/g;
		# one by one, as the client sends them, whatever fails
		$node->psql('postgres', "$sql;\n", on_error_stop => 0,
			connstr => $name =~ /^plan/ ? $node->connstr('postgres') : $app);
	}
	foreach my $way (@bound)
	{
		my $file = $node->basedir . '/bound.sql';
		unlink $file;
		append_to_file($file, "$way->[1]\n");
		foreach my $mode ('extended', 'prepared')
		{
			run_log([ 'pgbench', '-n', '-t', '1', '-M', $mode, '-D', "v=it's " . needle($round, $way->[0]),
				'-f', $file, $node->connstr('postgres') ], '>', \my $out, '2>', \my $err);
		}
	}
	# each has what the other waits for, and its statement is shown in a detail of the log
	my $deadlock = needle($round, 'deadlock');
	my $conn = $node->connstr('postgres');
	$conn =~ s/'/''/g;
	$node->psql('postgres', qq{
		SELECT dblink_connect('a', '$conn'), dblink_connect('b', '$conn');
		SELECT dblink_exec(c, 'BEGIN') FROM (VALUES ('a'), ('b')) v(c);
		SELECT * FROM dblink('a', 'SELECT pg_advisory_xact_lock(1)::text') AS t(x text);
		SELECT * FROM dblink('b', 'SELECT pg_advisory_xact_lock(2)::text') AS t(x text);
		SELECT dblink_send_query('a', 'SELECT pg_advisory_xact_lock(2)::text, ''$deadlock''');
		SELECT dblink_send_query('b', 'SELECT pg_advisory_xact_lock(1)::text, ''$deadlock''');
		SELECT * FROM dblink_get_result('a', false) AS t(x text, y text);
		SELECT * FROM dblink_get_result('b', false) AS t(x text, y text);}, on_error_stop => 0);
	# constants of a printed tree are bytes
	$node->psql('postgres', "SET debug_print_parse = on; SELECT '" . needle($round, 'tree') . "'", connstr => $app);
	# the postmaster shows what a killed backend was running
	my $crash = needle($round, 'crash');
	my $sleeper = IPC::Run::start([ 'psql', '-X', '-d', $app, '-c', "SELECT pg_sleep(600), '$crash'" ], '>', \my $out, '2>', \my $err);
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%$crash%'") or die 'no sleeper';
	my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%$crash%'");
	kill 9, $pid;
	$sleeper->finish;
	$node->poll_query_until('postgres', 'SELECT true') or die 'no restart';
	return;
}

sub wait_for_log
{
	my ($mark) = @_;

	$node->safe_psql('postgres', "DO 'BEGIN RAISE LOG ''$mark''; END'");
	foreach my $kind ('log', 'csv', 'json')
	{
		my $file = $node->data_dir . "/lg_log/server.$kind";
		my $seen = 0;
		for (1 .. 600)
		{
			$seen = -e $file && slurp_file($file) =~ /$mark/;
			last if $seen;
			select undef, undef, undef, 0.1;
		}
		die "$mark is not in $file" if !$seen;
	}
	return;
}

run_all('Off');
$node->append_conf('postgresql.conf', 'listguard.redact_logs = on');
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('listguard.redact_logs') = 'on'") or die 'no reload';
run_all('On');
wait_for_log('endOfLog');

my %log = map { $_ => slurp_file($node->data_dir . "/lg_log/server.$_") } ('log', 'csv', 'json');
foreach my $name ((map { $_->[0] } @ways, @bound), 'deadlock', 'crash')
{
	my ($off, $on) = (needle('Off', $name), needle('On', $name));
	my @found = grep { $log{$_} =~ /$off/ } sort keys %log;

	is("@found", 'csv json log', "$name: in the log without redaction");
	@found = grep { $log{$_} =~ /$on/ } sort keys %log;
	is("@found", '', "$name: not with it");
}
my ($off, $on) = map { join ' ', map { ord } split //, needle($_, 'tree') } ('Off', 'On');
ok($log{log} =~ /$off/, 'parse tree: in the log without redaction');
ok($log{log} !~ /$on/, 'parse tree: not with it');
# each is where it was meant to be
foreach my $left (qr/Query Text: SELECT \* FROM plain WHERE name = <redacted>;\s+[^;]*\(plain.name = <redacted>::text\)/,
	qr/"Query Text": "SELECT name AS \\"it<redacted>/, qr/Query Text: "SELECT name FROM plain WHERE name = <redacted>/,
	qr{<Query-Text>SELECT name FROM plain WHERE name = <redacted>}, qr/NOTICE:  [^\n]*duration: .*plan:\s+Query Text: SELECT \* FROM plain WHERE name = <redacted>/,
	qr/Key \(name\)=\(<redacted>/, qr/Failing row contains \(<redacted>/, qr/Failed process was running: SELECT pg_sleep\(600\), <redacted>/,
	qr/CachedPlanSource: [^\n]*: PREPARE q AS SELECT <redacted>/, qr/parameters: a = <redacted>/, qr/arameters: \$1 = <redacted>/,
	qr/COPY plain, line \d+, column n: <redacted>/, qr/JSON data, line 2: <redacted>/, qr/unterminated [^\n]* at or near "<redacted>"/)
{
	like($log{log}, $left, "$left");
}
like($log{log}, qr/Process \d+: SELECT pg_advisory_xact_lock\(1\)::text, <redacted>/, 'what is left of a deadlock says what waited');
like($log{log}, qr/invalid input syntax for type integer: "<redacted>"/, 'and of a cast, what failed');

# The client gets its own words back.
my ($status, $out, $err) = $node->psql('postgres', "SELECT 'own words'::int", connstr => $app);
like($err, qr/"own words"/, 'the client sees its own words');

# Binary carries the bytes of the text form, nested values too: clear for whom may, else armour in COPY.
$node->safe_psql('postgres', q{
	CREATE ROLE looker LOGIN;
	SELECT listguard.grant_access('looker', 'subs', '{view}');
	INSERT INTO subs VALUES (40, 'binary@hay.example', 'n');
});
my $copy = 'COPY (SELECT email, ARRAY[email], ROW(id, email), ARRAY[ROW(email)] FROM subs WHERE id = 40) TO STDOUT (FORMAT binary)';
foreach my $role ('app', 'looker')
{
	my ($bytes, $said);
	IPC::Run::run([ 'psql', '-X', '-d', $node->connstr('postgres') . " user=$role", '-c', $copy ], '>', \$bytes, '2>', \$said);
	my @clear = $bytes =~ /binary\@hay\.example/g;
	my @armour = $bytes =~ /lg1:/g;

	is(scalar @clear . ' ' . scalar @armour, $role eq 'app' ? '4 0' : '0 4', "$role gets what he may, in binary");
	unlike($bytes, qr/\*\*\*/, "$role gets no mask from COPY");
}

# Of hstore too, which makes text of a row itself.
$node->safe_psql('postgres', 'CREATE EXTENSION hstore');
is($node->safe_psql('postgres', "SELECT hstore(s)::text ~ 'lg1:', hstore(s)::text ~ 'hay' FROM subs s WHERE id = 40", connstr => $app), 't|f', 'hstore has armour');

# A view over a sealed constant: the dump holds armour, and brings it back.
$node->safe_psql('postgres', q{
	INSERT INTO subs VALUES (50, 'viewed@hay.example', 'n'), (51, 'other@hay.example', 'n');
	CREATE VIEW one AS SELECT id FROM subs WHERE email = 'viewed@hay.example';
	CREATE TABLE boxes (e listguard.sealed_email DEFAULT 'viewed@hay.example', es listguard.sealed_email[]);
	INSERT INTO boxes VALUES (DEFAULT, ARRAY['viewed@hay.example', NULL]::listguard.sealed_email[]);
});
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('postgres') ], 'a dump of it');
unlike(slurp_file($dump), qr/hay\.example/, 'holds no address');
$node->safe_psql('postgres', 'CREATE DATABASE back');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('back') ], 'is restored');
is($node->safe_psql('back', 'SELECT id FROM one'), '50', 'the view finds its row');
is($node->safe_psql('back', "INSERT INTO boxes VALUES (DEFAULT); SELECT count(*) FROM boxes WHERE e = 'viewed\@hay.example'"), '2', 'so does a default');
is($node->safe_psql('back', "SELECT count(*) FROM boxes WHERE 'viewed\@hay.example' = ANY (es)"), '1', 'and an array');

$node->stop;
done_testing();
