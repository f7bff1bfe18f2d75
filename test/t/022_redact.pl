# The server log holds no row of a COPY that failed and no literal of a statement
# inside a function, whatever the columns are.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('redact');
$node->init;
$node->start;
$node->safe_psql('postgres', q{
	CREATE EXTENSION listguard CASCADE;
	CREATE ROLE app LOGIN;
	CREATE TABLE t (id int PRIMARY KEY, name text);
	CREATE TABLE c (id int PRIMARY KEY, name listguard.sealed_text, phone listguard.sealed_lookup, email text);
	INSERT INTO t VALUES (1);
	INSERT INTO c (id) VALUES (1);
	SELECT listguard.protect('c', '{email}');
	SELECT listguard.grant_access('app', 'c', '{view,insert}');
	GRANT INSERT ON t TO app;
});

# What the log says of some SQL that fails; the client's copy is tested by the caller.
sub failed
{
	my ($sql, $pattern) = @_;
	my $offset = -s $node->logfile;
	my ($status, $out, $err) = $node->psql('postgres', $sql,
		connstr => $node->connstr('postgres') . ' user=app');

	isnt($status, 0, 'it fails');
	like($err, $pattern, 'the client sees why');
	return substr slurp_file($node->logfile), $offset;
}

my $log = failed("COPY c FROM STDIN;\n2\tJane Hidden\t+49 30 5550100\tjane\@example.org\textra\n\\.\n", qr/Jane Hidden/);
like($log, qr/COPY c, line 1: <redacted>/, 'of a protected table, the line is named');
unlike($log, qr/Hidden|5550100|example/, 'and not shown');

$log = failed("COPY t FROM STDIN;\n9\tJane Hidden\textra\n\\.\n", qr/Jane Hidden/);
like($log, qr/COPY t, line 1/, 'of another table as well');
unlike($log, qr/Hidden/, 'it is not shown');

$log = failed(q{DO $$BEGIN EXECUTE 'INSERT INTO t VALUES (1, ''Jane Hidden'')'; END$$}, qr/Jane Hidden/);
like($log, qr/duplicate key/, 'the error of a statement in a function is logged');
unlike($log, qr/Hidden/, 'its literals are not');

$node->stop;
done_testing();
