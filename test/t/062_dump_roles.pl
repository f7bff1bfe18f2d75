
# Who gets a dump, and what becomes of one in a database that is not empty or
# knows other roles: whole dumps only, no mask is ever stored, and a grant
# counts for whom it was given.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use LGDump;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 40;
my $node = lg_node('roles', dump_conf());
dump_roles($node);
dump_source($node, 'src', $rows);
my $addresses = addresses($node, 'src');
my $definitions = definitions($node, 'src');
my $dir = $node->basedir;

sub fresh
{
	my ($db) = @_;
	$node->safe_psql('postgres', "DROP DATABASE IF EXISTS $db");
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	return $node->connstr($db);
}

# Runs a command: its errors, one a line.
sub errors_of
{
	my (@command) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run(\@command, '>', \$out, '2>', \$err);
	return join "\n", grep { /(?:ERROR|FATAL):/ } split /\n/, $err;
}

# ---- who ----

my $whole = "$dir/saver.sql";
$node->command_ok([ 'pg_dump', '-U', 'saver', '-f', $whole, $node->connstr('src') ], 'a role with BYPASSRLS and "backup" dumps everything');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $whole, fresh('copy') ], 'its dump is restored');
same_database($node, 'copy', $addresses, $definitions, 'by a backup role');

my $file = "$dir/refused.sql";
for my $case ([ 'a role that may reveal', 'app', [] ],
	[ 'the same for rows that policies leave', 'app', ['--enable-row-security'] ],
	[ 'the same, whatever it calls itself', 'app', ['--enable-row-security'], 'reports' ],
	[ 'a role that sees masks', 'viewer', ['--enable-row-security'] ],
	[ 'a role of some lists', 'clerk', ['--enable-row-security'] ],
	[ 'the owner', 'boss', [], undef, 'whole' ],
	[ 'the owner, for rows that policies leave', 'boss', ['--enable-row-security'], undef, 'whole' ],
	[ 'BYPASSRLS without "backup"', 'plainbypass', [] ])
{
	my ($what, $role, $options, $name, $table) = @$case;
	local $ENV{PGAPPNAME} = $name // 'pg_dump';
	unlink $file;
	$node->command_fails_like([ 'pg_dump', '-U', $role, @$options, '-t', $table // 'subs', '-f', $file, $node->connstr('src') ],
		qr/permission denied|row-level security|no listguard grant/, "$what gets no dump");
	my $part = -e $file ? slurp_file($file) : '';
	unlike($part, qr/zyxwvu|\*\*\*|lg1:/i, "$what: no address, mask or armour of it");
}

# Without pg_dump's marks it is a reader like any other: masks, and they are never stored.
my $copy = $node->safe_psql('src', 'COPY (SELECT id, email, name, list FROM subs WHERE id < 10) TO STDOUT', extra_params => [ '-U', 'viewer' ]);
unlike($copy, qr/zyxwvu|\*\*\*/i, 'COPY by a role that sees masks writes armour');
my ($mask) = $node->safe_psql('src', 'SELECT email FROM subs WHERE id = 1', extra_params => [ '-U', 'viewer' ]);
like($mask, qr/\*\*\*/, 'a SELECT shows the mask');
is(sqlstate($node, 'src', 'loader', "INSERT INTO subs VALUES (9999, '$mask', 'x', 'news0')"), '22P02', 'which cannot be stored');

# ---- the audit stays ----

unlike(slurp_file($whole), qr/COPY listguard\.audit|COPY listguard\.binding|COPY listguard\.progress/, 'audit, bindings and progress are in no dump');

# ---- into a used database ----

# one that holds the same: nothing is changed, and the refusal says why
my $again = errors_of('psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-1', '-f', $whole, $node->connstr('copy'));
like($again, qr/already exists/, 'over itself, without --clean: refused');
same_database($node, 'copy', $addresses, $definitions, 'and nothing is changed');

# one with a keyset of its own
fresh('used');
$node->safe_psql('used', q{
	CREATE EXTENSION listguard CASCADE;
	CREATE TABLE mine (id int PRIMARY KEY, email text);
	INSERT INTO mine VALUES (1, 'mine@example.org');
	SELECT listguard.protect('mine', '{email}');
	SELECT listguard.grant_access('app', 'mine', '{view,reveal}')});
my $keys = q{SELECT (SELECT id FROM listguard.keyset), (SELECT count(*) FROM listguard.key), (SELECT count(*) FROM listguard.list),
	(SELECT count(*) FROM listguard.protected_table), (SELECT count(*) FROM listguard.access_grant)};
my $before = $node->safe_psql('used', $keys);
like(errors_of('psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-1', '-f', $whole, $node->connstr('used')),
	qr/already exists|keyset/, 'into a database with another keyset: refused');
is($node->safe_psql('used', $keys), $before, 'its registry is as it was');
my $errors = errors_of('psql', '-XqAt', '-f', $whole, $node->connstr('used'));
like($errors, qr/ERROR:  this database holds another keyset/, 'the same with errors passed over');
is($node->safe_psql('used', $keys), $before, 'its registry is still as it was');
is($node->safe_psql('used', q{SELECT email FROM mine}, extra_params => [ '-U', 'app' ]), 'mine@example.org', 'its own values open');
is($node->safe_psql('used', q{SET listguard.output = sealed; SELECT count(*) FROM subs WHERE email::text COLLATE "C" NOT LIKE 'lg1:%'}), '0',
	'nothing of the other keyset is stored as something else');

# ---- names ----

# roles that do not exist here: their grants are inert until they do
$node->safe_psql('postgres', 'CREATE ROLE temp_reader LOGIN');
$node->safe_psql('src', q{SELECT listguard.grant_access('temp_reader', 'subs', '{view,reveal}')});
my $with = "$dir/with.sql";
$node->command_ok([ 'pg_dump', '-f', $with, $node->connstr('src') ], 'a dump that names a role');
$node->safe_psql('src', q{SELECT listguard.revoke_access('temp_reader', 'subs')});
$node->safe_psql('postgres', 'DROP ROLE temp_reader');
like(errors_of('psql', '-XqAt', '-f', $with, fresh('copy')), qr/role "temp_reader" does not exist/, 'restored where the role is missing: psql says so');
is($node->safe_psql('copy', q{SELECT count(*) FROM listguard.grants WHERE role = 'temp_reader'}), '1', 'its grant is there');
is(addresses($node, 'copy'), $addresses, 'everything else is as it was');

# names are bound to oids at the first look-up, as an event
$node->poll_query_until('copy', q{SELECT count(*) > 0 FROM listguard.binding WHERE kind = 'role' AND name = 'app'}) or die 'no binding';
$node->poll_query_until('copy', q{SELECT count(*) > 0 FROM listguard.audit WHERE kind = 'setting' AND detail ? 'bound'}) or die 'no event';
pass('names are bound at the first look-up, and an event says so');

# renamed before anything was bound
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $whole, fresh('copy') ], 'a dump is restored');
$node->safe_psql('copy', 'ALTER TABLE whole RENAME TO renamed; ALTER SCHEMA aaa RENAME TO zzz');
is($node->safe_psql('copy', 'SELECT id, email FROM renamed ORDER BY id', extra_params => [ '-U', 'app' ]),
	$node->safe_psql('src', 'SELECT id, email FROM whole ORDER BY id', extra_params => [ '-U', 'app' ]), 'renamed at once: the registry follows');
is($node->safe_psql('copy', 'SELECT id, email FROM zzz.early ORDER BY id', extra_params => [ '-U', 'app' ]),
	$node->safe_psql('src', 'SELECT id, email FROM aaa.early ORDER BY id', extra_params => [ '-U', 'app' ]), 'so with a schema');
is(sqlstate($node, 'copy', 'app', q{INSERT INTO zzz.early VALUES (9999, 'a@b.example')}), '42501', 'and grants hold');

# a role renamed in one database, named in another
$node->safe_psql('postgres', 'ALTER ROLE clerk RENAME TO "Chief Clerk"');
my $actor = q{SET listguard.actor = 'somebody'};
is($node->safe_psql('src', "BEGIN; $actor; SELECT count(*) FROM subs; COMMIT", extra_params => [ '-U', 'Chief Clerk' ]), $rows - int(($rows + 1) / 3),
	'a role renamed elsewhere keeps its lists');
$node->poll_query_until('src', q{SELECT count(*) = 2 FROM listguard.access_grant WHERE role = 'Chief Clerk'}) or die 'no rename';
pass('the registry learns the new name');
like($node->safe_psql('src', "BEGIN; $actor; SELECT email FROM subs WHERE id = 3; COMMIT", extra_params => [ '-U', 'Chief Clerk' ]), qr/^Reader3\@/,
	'and may reveal');
is(sqlstate($node, 'src', 'Chief Clerk', 'SELECT email FROM subs WHERE id = 3'), 'LG002', 'under its limits');
$node->safe_psql('postgres', 'CREATE ROLE clerk LOGIN');
is(sqlstate($node, 'src', 'clerk', 'SELECT email FROM subs WHERE id = 3'), '42501', 'who takes the old name inherits nothing');

# a name that was bound late, by who had not seen the RENAME, is not bound beside the new one
is(sqlstate($node, 'src', 'postgres', q{INSERT INTO listguard.binding SELECT 'role', 'clerk', oid FROM pg_roles WHERE rolname = 'Chief Clerk'}),
	'23505', 'a role is bound under one name');

$node->stop;
done_testing();
