
# What is refused as input, with its SQLSTATE, and changes nothing: armour that
# was cut, altered, made in another database or given without "backup"; masks;
# malformed addresses; rows without a list or on a list of others.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = lg_node('armour');
$node->safe_psql('postgres', 'CREATE DATABASE other');
lg_list($node, 'postgres', 100);
$node->safe_psql('postgres', q{SELECT listguard.grant_access('app', 'subs', '{insert,update}', lists => '{news1}')});
$node->safe_psql('other', q{
	CREATE EXTENSION listguard CASCADE;
	CREATE TABLE mine (id int, email text NOT NULL);
	INSERT INTO mine VALUES (1, 'other@zyxwvu.example');
	SELECT listguard.protect('mine', '{email}')});

# One value as a superuser's sealed session sees it.
sub armour_of
{
	my ($db, $from) = @_;
	return $node->safe_psql($db, "SET listguard.output = sealed; SELECT email FROM $from");
}

sub state_of
{
	return $node->safe_psql('postgres', q{SET listguard.output = sealed; SELECT id, email, list FROM subs WHERE id < 900000 ORDER BY id LIMIT 500});
}

my $before = state_of();
my $good = armour_of('postgres', 'subs WHERE id = 7');
my $foreign = armour_of('other', 'mine');
like($good, qr/^lg1:[\w-]+$/, 'a sealed session sees armour');

my $n = 900_000;
sub try
{
	my ($what, $role, $state, $email, $list) = @_;
	$n++;
	$list = defined $list ? "'$list'" : 'NULL';
	is(sqlstate($node, 'postgres', $role, "INSERT INTO subs VALUES ($n, '$email', 'n', $list)"), $state, $what);
	is($node->safe_psql('postgres', "SELECT id FROM subs WHERE id = $n"), $state eq 'ok' ? $n : '', "$what: stored only if accepted");
	return;
}

try('an address', 'app', 'ok', 'fine@example.org', 'news1');
is(sqlstate($node, 'postgres', 'postgres', "UPDATE subs SET email = '$good' WHERE id = 7"), 'ok', 'armour goes back where it came from');
try('armour from a role without backup', 'app', '42501', $good, 'news1');
try('armour that was cut', 'postgres', '22P02', substr($good, 0, -4), 'news1');
for my $at (10, 40, 70, length($good) - 12, length($good) - 3)
{
	my $bent = $good;
	substr($bent, $at, 1) = substr($bent, $at, 1) eq 'A' ? 'B' : 'A';
	try("armour altered at character $at", 'postgres', '22P02', $bent, 'news1');
}
try('armour of another keyset', 'postgres', '22P02', $foreign, 'news1');
try('a mask', 'app', '22P02', 'r***@z***.example', 'news1');
try('a malformed address', 'app', '22P02', 'no address', 'news1');
try('a row without a list', 'app', '23502', 'null@example.org', undef);
try('a row of a list of others', 'app', '42501', 'others@example.org', 'news0');
try('a row of a list that is nobody\'s yet', 'app', '42501', 'new@example.org', 'unheard-of');
is($node->safe_psql('postgres', q{SELECT count(*) FROM listguard.list WHERE value = 'unheard-of'}), '0',
	'a refused row makes no list');
is(sqlstate($node, 'postgres', 'app', q{UPDATE subs SET email = 'x@' WHERE id = 7}), '22P02', 'UPDATE to a malformed address');
is(sqlstate($node, 'postgres', 'app', q{UPDATE subs SET list = 'news0' WHERE id = 7}), '42501', 'UPDATE to a list of others');
is(state_of(), $before, 'every row is as it was');

my ($status, $out, $err) = $node->psql('postgres', q{INSERT INTO subs VALUES (1, 'ab@c d.example', 'n', 'news1')},
	extra_params => [ '-U', 'app' ]);
like($err, qr/DETAIL:  At character 5: /, 'the position of the fault is told');
$err =~ s/^LINE \d+:.*\n//mg;	# psql's own quotation of what it sent
unlike($err, qr/ab\@c|c d/, 'and not the text') or diag($err);

# Bad input told softly, where the server can take it so.
my $version = $node->safe_psql('postgres', 'SHOW server_version_num');
SKIP:
{
	skip 'soft errors are of 16', 6 if $version < 160000;
	for my $case ([ 'jo@example.com', 't' ], [ 'no address', 'f' ], [ 'r***@z***.example', 'f' ], [ substr($good, 0, -4), 'f' ], [ $foreign, 'f' ])
	{
		is($node->safe_psql('postgres', "SELECT pg_input_is_valid('$case->[0]', 'listguard.sealed_email')"), $case->[1],
			'pg_input_is_valid of ' . substr($case->[0], 0, 20));
	}
	like($node->safe_psql('postgres', q{SELECT message || detail FROM pg_input_error_info('no address', 'listguard.sealed_email')}),
		qr/^invalid input for type sealed_emailAt character \d+/, 'and what is wrong with it');
}
SKIP:
{
	skip 'ON_ERROR is of 17', 2 if $version < 170000;
	my $bad = $node->basedir . '/bad.csv';
	append_to_file($bad, "930001,fine1\@example.org,n,news1\n930002,no address,n,news1\n930003,fine3\@example.org,n,news1\n");
	$node->safe_psql('postgres', "\\copy subs FROM '$bad' WITH (FORMAT csv, ON_ERROR ignore)");
	is($node->safe_psql('postgres', 'SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM subs WHERE id > 930000'), '930001,930003', 'COPY passes bad rows over');
	is($node->safe_psql('postgres', 'SELECT email FROM subs WHERE id = 930003', extra_params => [ '-U', 'app' ]), 'fine3@example.org', 'and seals the others');
	$node->safe_psql('postgres', 'DELETE FROM subs WHERE id > 930000');
}

# Another root key than the one that wrapped the keys: nothing opens, nothing is garbage.
my $file = $node->basedir . '/root.key';
my $key = slurp_file($file);
unlink $file;
append_to_file($file, join('', map { sprintf '%02x', int rand 256 } 1 .. 32) . "\n");
chmod 0600, $file or die "chmod: $!";
$node->restart;
is(sqlstate($node, 'postgres', 'app', 'SELECT email FROM subs WHERE id = 7'), 'LG004', 'with a wrong root key reading is LG004');
is(sqlstate($node, 'postgres', 'app', q{INSERT INTO subs VALUES (910001, 'w@example.org', 'n', 'news1')}), 'LG004', 'and so is writing');
unlink $file;
append_to_file($file, $key);
chmod 0600, $file or die "chmod: $!";
$node->restart;
is(state_of(), $before, 'with the right one all is as it was');
is($node->safe_psql('postgres', 'SELECT email FROM subs WHERE id = 7', extra_params => [ '-U', 'app' ]), address(7), 'and opens');

$node->stop;
done_testing();
