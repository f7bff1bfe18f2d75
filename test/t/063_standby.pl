
# A streaming standby shows masks and armour, finds by address, writes nothing,
# catches up after a restart, and opens every address once it is promoted.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use LGDump;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 100;
my $primary = lg_node('primary', dump_conf() . "wal_level = replica\nmax_wal_senders = 5\nhot_standby = on\n" .
	"primary_conninfo = ''\nwal_keep_size = 128MB\nmax_replication_slots = 5\n");
my $conf = slurp_file($primary->data_dir . '/pg_hba.conf');
$primary->append_conf('pg_hba.conf', "local replication all trust\nhost replication all 127.0.0.1/32 trust\n");
$primary->reload;
dump_roles($primary);
dump_source($primary, 'postgres', $rows);
my $addresses = addresses($primary, 'postgres');
my $definitions = definitions($primary, 'postgres');

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));

# As the superuser stores it, both must say the same.
sub stored
{
	my ($node) = @_;
	return $node->safe_psql('postgres', join ' ', 'SET listguard.output = sealed;',
		map { "SELECT * FROM $_ ORDER BY id;" } qw(aaa.early subs whole contacts parts hashed parent child loose whole_copy));
}

is(stored($standby), stored($primary), 'every value is equal on the standby');
is(definitions($standby, 'postgres'), $definitions, 'and every definition');
for my $role (qw(app clerk viewer))
{
	my $actor = $role eq 'clerk' ? q{SET listguard.actor = 'somebody';} : '';
	my $seen = $standby->safe_psql('postgres', "BEGIN; $actor SELECT email FROM subs WHERE id < 50; COMMIT", extra_params => [ '-U', $role ]);
	like($seen, qr/\*\*\*\@/, "$role reads masks there");
	unlike($seen, qr/zyxwvu/i, 'and no address');
}
my $copied = $standby->safe_psql('postgres', 'COPY (SELECT id, email FROM subs WHERE id < 50) TO STDOUT', extra_params => [ '-U', 'app' ]);
like($copied, qr/lg1:/, 'COPY writes armour');
unlike($copied, qr/zyxwvu|\*\*\*/i, 'no address and no mask');
unlike($standby->safe_psql('postgres', 'SELECT email::text FROM subs WHERE id < 50', extra_params => [ '-U', 'app' ]), qr/zyxwvu/i, 'a cast shows no address');
unlike($standby->safe_psql('postgres', q{SET listguard.output = munged; SELECT email FROM subs WHERE id < 50}, extra_params => [ '-U', 'app' ]),
	qr/zyxwvu\d/i, 'nor does munged output');

# by address, through the index
is($standby->safe_psql('postgres', q{SELECT id FROM whole WHERE email = 'READER7@ZYXWVU7.example'}, extra_params => [ '-U', 'app' ]), '7', 'an address is found');
like($standby->safe_psql('postgres', q{SET enable_seqscan = off; EXPLAIN SELECT id FROM whole WHERE email = 'READER7@ZYXWVU7.example'}, extra_params => [ '-U', 'app' ]),
	qr/Index Scan.*whole_email_key/, 'by the index');
is(sqlstate($standby, 'postgres', 'loader', q{INSERT INTO subs VALUES (7777, 'a@b.example', 'x', 'news0')}), '25006', 'writing is refused as everywhere');
is(sqlstate($standby, 'postgres', 'loader', q{INSERT INTO subs VALUES (7777, 'a@b.example', 'x', 'never-heard-of')}), '25006', 'for a new list too');

# a dump of the standby is as good as one of the primary
my $file = $standby->basedir . '/standby.sql';
$standby->command_ok([ 'pg_dump', '-f', $file, $standby->connstr('postgres') ], 'pg_dump of the standby');
unlike(slurp_file($file), qr/zyxwvu/i, 'holds no address');
$primary->safe_psql('postgres', 'CREATE DATABASE copy');
$primary->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $file, $primary->connstr('copy') ], 'and is restored');
is(addresses($primary, 'copy'), $addresses, 'with every address');

# it falls behind, is restarted, catches up: rows, a new list, a grant, a new protected table
$standby->stop;
$primary->safe_psql('postgres', q{INSERT INTO subs VALUES (7001, 'Later7001@Zyxwvu.example', 'later', 'news-later')}, extra_params => [ '-U', 'loader' ]);
$primary->safe_psql('postgres', q{
	UPDATE subs SET email = 'Changed@Zyxwvu.example' WHERE id = 2;
	DELETE FROM subs WHERE id = 3;
	CREATE TABLE late (id int PRIMARY KEY, email text);
	INSERT INTO late VALUES (1, 'Late@Zyxwvu.example');
	SELECT listguard.protect('late', '{email}');
	SELECT listguard.grant_access('app', 'late', '{view,reveal}')});
$addresses = addresses($primary, 'postgres');
$definitions = definitions($primary, 'postgres');
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is(stored($standby), stored($primary), 'after a restart every value is equal');
like($standby->safe_psql('postgres', 'SELECT email FROM subs WHERE id = 7001', extra_params => [ '-U', 'app' ]), qr/^L\*\*\*\@/i, 'a new list is known there');
like($standby->safe_psql('postgres', 'SELECT email FROM late', extra_params => [ '-U', 'app' ]), qr/^L\*\*\*\@/i, 'a new table is protected there');
is(sqlstate($standby, 'postgres', 'viewer', 'SELECT email FROM late'), '42501', 'and its grants hold');
$standby->stop('immediate');
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is(stored($standby), stored($primary), 'after a crash every value is equal');

# promotion
$primary->stop;
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'not promoted';
same_database($standby, 'postgres', $addresses, $definitions, 'promoted');
is($standby->safe_psql('postgres', 'SELECT email FROM late', extra_params => [ '-U', 'app' ]), 'Late@Zyxwvu.example', 'the new table opens');
is(sqlstate($standby, 'postgres', 'loader', q{INSERT INTO subs VALUES (7002, 'after@b.example', 'x', 'news-after')}), 'ok', 'writing goes on, with a new list');
$standby->poll_query_until('postgres', q{SELECT count(*) > 0 FROM listguard.reads WHERE login_role = 'app' AND relation = 'public.late'}) or die 'no event';
pass('reads are on record');

$standby->stop;
done_testing();
