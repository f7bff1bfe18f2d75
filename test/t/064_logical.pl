
# Logical replication carries armour: a subscriber with the keys reads every
# address, one without stores what it gets and can pass it on, and nobody who
# could see a part only is sent anything.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = "wal_level = logical\nmax_wal_senders = 10\nmax_replication_slots = 10\nwal_retrieve_retry_interval = 100ms\nlistguard.bulk_threshold = 1000000\nlistguard.session_row_limit = 100000000\n";
my $pub = lg_node('pub', $conf);
my $sub = lg_node('sub', $conf);
my $blind = lg_node('blind', $conf);
my $last = lg_node('last', $conf);
my $key = slurp_file($pub->basedir . '/root.key');

# The publisher's root key, for a server whose databases get its keys.
sub same_root
{
	my ($node) = @_;
	my $file = $node->basedir . '/root.key';
	unlink $file;
	append_to_file($file, $key);
	chmod 0600, $file or die "chmod: $!";
	$node->restart;
	return;
}
same_root($sub);
same_root($last);

lg_list($pub, 'postgres', 50);
$pub->safe_psql('postgres', q{
	CREATE TABLE keyed (email text PRIMARY KEY, id int);
	CREATE TABLE noted (id int, email text, phone listguard.sealed_lookup, seen int DEFAULT 0);
	CREATE TABLE filed (id int PRIMARY KEY, email text, note listguard.sealed_text);
	CREATE TABLE plain (id int PRIMARY KEY, loose listguard.sealed_email);
	INSERT INTO keyed SELECT format('Keyed%s@Zyxwvu.example', n), n FROM generate_series(1, 20) n;
	INSERT INTO noted SELECT n, format('Noted%s@Zyxwvu.example', n), '+44 ' || n FROM generate_series(1, 20) n;
	INSERT INTO plain SELECT n, format('Loose%s@Zyxwvu.example', n) FROM generate_series(1, 5) n;
	SELECT listguard.protect('keyed', '{email}');
	SELECT listguard.protect('noted', '{email}');
	INSERT INTO filed SELECT n, format('Filed%s@Zyxwvu.example', n), 'Note ' || n FROM generate_series(1, 20) n;
	SELECT listguard.protect('filed', '{email}');
	SELECT listguard.grant_access('app', 'filed', '{view,reveal}');
	SELECT listguard.grant_access('app', 'keyed', '{view,reveal}');
	SELECT listguard.grant_access('app', 'noted', '{view,reveal}');
	ALTER TABLE subs DROP CONSTRAINT subs_pkey;
	ALTER TABLE subs REPLICA IDENTITY USING INDEX subs_list_email_key;
	ALTER TABLE keyed REPLICA IDENTITY USING INDEX keyed_pkey;
	ALTER TABLE noted REPLICA IDENTITY FULL;
	CREATE PUBLICATION everything FOR TABLE subs, keyed, noted, filed, plain});

# Definitions for all subscribers, the registry's rows for those that get the keys.
my $dir = $pub->basedir;
$pub->command_ok([ 'pg_dump', '--schema-only', '--no-publications', '-f', "$dir/schema.sql", $pub->connstr('postgres') ], 'definitions');
$pub->command_ok([ 'pg_dump', '--data-only', '-t', 'listguard.*', '-f', "$dir/registry.sql", $pub->connstr('postgres') ], 'registry');
like(slurp_file("$dir/registry.sql"), qr/COPY listguard\.key /, 'its rows can be dumped by themselves');
for my $node ($sub, $blind, $last)
{
	$node->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE ROLE loader LOGIN; CREATE ROLE listguard_admin; CREATE ROLE listguard_auditor');
	$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/schema.sql", $node->connstr('postgres') ], 'definitions restored in ' . $node->name);
}
for my $node ($sub, $last)
{
	$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/registry.sql", $node->connstr('postgres') ], 'registry restored in ' . $node->name);
}

my @queries = ('SELECT id, email, name, list FROM subs ORDER BY id', 'SELECT id, email FROM keyed ORDER BY id', 'SELECT id, email, phone, seen FROM noted ORDER BY id',
	'SELECT id, email, note FROM filed ORDER BY id');
sub revealed
{
	my ($node) = @_;
	return $node->safe_psql('postgres', join('; ', @queries), extra_params => [ '-U', 'app' ]);
}

# What is stored, without the token, which armour gives to dumps and replicas only.
sub stored
{
	my ($node) = @_;
	my ($out, $err) = ('', '');
	return $node->safe_psql('postgres', 'SET listguard.output = sealed; ' . join('; ', @queries, 'SELECT * FROM plain ORDER BY id'));
}

my $connstr = $pub->connstr . ' dbname=postgres';
for my $case ([ $sub, '' ], [ $blind, ', binary = true' ])
{
	my ($node, $options) = @$case;
	my $name = 'from_pub_' . $node->name;
	$node->safe_psql('postgres', "CREATE SUBSCRIPTION $name CONNECTION '$connstr application_name=$name' PUBLICATION everything WITH (streaming = off$options)");
	$node->wait_for_subscription_sync($pub, $name);
}

sub caught_up
{
	$pub->wait_for_catchup("from_pub_$_") for qw(sub blind);
	return;
}

my $addresses = revealed($pub);
like($addresses, qr/^7\|reader7\@zyxwvu7\.example\|/m, 'the publisher reads in clear');
is(revealed($sub), $addresses, 'initial copy: every address is equal where the keys are');
is(stored($sub), stored($pub), 'and every value');

# ---- changes ----

for my $change ([ 'INSERT', q{INSERT INTO subs VALUES (101, 'New101@Zyxwvu.example', 'n', 'news1'); INSERT INTO keyed VALUES ('New@Zyxwvu.example', 101);
		INSERT INTO noted VALUES (101, 'New@Zyxwvu.example', '+1', 0); INSERT INTO filed VALUES (101, 'New@Zyxwvu.example', 'a note'); INSERT INTO plain VALUES (101, 'LooseNew@Zyxwvu.example')} ],
	[ 'UPDATE of another column', q{UPDATE subs SET name = 'other' WHERE email = 'reader7@zyxwvu7.example'; UPDATE keyed SET id = 200 WHERE email = 'keyed7@zyxwvu.example';
		UPDATE noted SET seen = 1 WHERE id = 7} ],
	[ 'UPDATE of the sealed key', q{UPDATE subs SET email = 'Changed8@Zyxwvu.example' WHERE id = 8; UPDATE keyed SET email = 'Changed9@Zyxwvu.example' WHERE id = 9;
		UPDATE noted SET email = 'Changed8@Zyxwvu.example', phone = '+8' WHERE id = 8; UPDATE filed SET note = 'other' WHERE id = 8} ],
	[ 'DELETE', q{DELETE FROM subs WHERE email = 'reader10@zyxwvu10.example'; DELETE FROM keyed WHERE email = 'KEYED10@zyxwvu.example'; DELETE FROM noted WHERE id = 10} ],
	[ 'a change rolled back', q{BEGIN; UPDATE keyed SET email = 'Never@Zyxwvu.example' WHERE id = 11; ROLLBACK; INSERT INTO keyed VALUES ('After@Zyxwvu.example', 111)} ],
	[ 'TRUNCATE', q{TRUNCATE noted; INSERT INTO noted VALUES (1, 'Again@Zyxwvu.example', '+2', 2)} ])
{
	my ($what, $sql) = @$change;
	$pub->safe_psql('postgres', $sql);
	caught_up();
	is(revealed($sub), revealed($pub), "$what: every address is equal");
	is(stored($sub), stored($pub), "$what: every value is equal");
}
is($sub->safe_psql('postgres', q{SELECT id FROM keyed WHERE email = 'CHANGED9@zyxwvu.EXAMPLE'}, extra_params => [ '-U', 'app' ]), '9', 'the subscriber finds by address');

# it has an audit of its own
$sub->poll_query_until('postgres', q{SELECT count(*) > 0 FROM listguard.reads WHERE relation = 'public.keyed' AND login_role = 'app'}) or die 'no event';
pass('reads of the subscriber are on its own record');

# ---- without keys ----

unlike(stored($blind), qr/zyxwvu/i, 'a subscriber without keys holds no address');
unlike($blind->safe_psql('postgres', 'SELECT email FROM keyed'), qr/zyxwvu/i, 'and shows none');
is($blind->safe_psql('postgres', 'SELECT count(*) FROM keyed'), $pub->safe_psql('postgres', 'SELECT count(*) FROM keyed'), 'it has every row');
is($blind->safe_psql('postgres', q{SELECT count(*) FROM listguard.keyset}), '0', 'and no keyset');

# ---- passed on ----

$blind->safe_psql('postgres', 'CREATE PUBLICATION onward FOR TABLE subs, keyed, noted, filed, plain');
my $chain = $blind->connstr . ' dbname=postgres application_name=from_blind';
$last->safe_psql('postgres', "CREATE SUBSCRIPTION from_blind CONNECTION '$chain' PUBLICATION onward");
$last->wait_for_subscription_sync($blind, 'from_blind');
is(revealed($last), revealed($pub), 'through one without keys: every address is equal at the end of the chain');
$pub->safe_psql('postgres', q{UPDATE keyed SET email = 'Chained@Zyxwvu.example' WHERE id = 12; INSERT INTO subs VALUES (102, 'Chained@Zyxwvu.example', 'n', 'news0')});
caught_up();
$blind->wait_for_catchup('from_blind', 'replay', $blind->lsn('insert'));    # its own commits are asynchronous
is(revealed($last), revealed($pub), 'and after changes');

# the keys arrive: everything opens
$_->safe_psql('postgres', 'ALTER SUBSCRIPTION from_pub_' . $_->name . ' DISABLE') for $blind;
same_root($blind);
$blind->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/registry.sql", $blind->connstr('postgres') ], 'the keys come later');
is(revealed($blind), revealed($pub), 'then every address is equal there');
$blind->safe_psql('postgres', 'ALTER SUBSCRIPTION from_pub_blind ENABLE');
$pub->safe_psql('postgres', q{INSERT INTO keyed VALUES ('Afterwards@Zyxwvu.example', 300)});
caught_up();
is(revealed($blind), revealed($pub), 'and replication goes on');

# ---- parts ----

$pub->safe_psql('postgres', q{CREATE PUBLICATION part FOR TABLE subs (id, email, list) WHERE (list = 'news1'), keyed (email)});
$pub->safe_psql('postgres', 'CREATE DATABASE unused');
$sub->safe_psql('postgres', 'CREATE DATABASE part');
$sub->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/schema.sql", $sub->connstr('part') ], 'definitions for a part');
$sub->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/registry.sql", $sub->connstr('part') ], 'and registry');
$sub->safe_psql('part', "CREATE SUBSCRIPTION of_part CONNECTION '$connstr application_name=of_part' PUBLICATION part");
$sub->wait_for_subscription_sync($pub, 'of_part', 'part');
is($sub->safe_psql('part', 'SELECT id, email FROM subs ORDER BY id; SELECT email FROM keyed ORDER BY email::text', extra_params => [ '-U', 'app' ]),
	$pub->safe_psql('postgres', q{SELECT id, email FROM subs WHERE list = 'news1' ORDER BY id; SELECT email FROM keyed ORDER BY email::text}, extra_params => [ '-U', 'app' ]),
	'row filter and column list on sealed tables: every address of the part');

# ---- who ----

$pub->safe_psql('postgres', q{CREATE ROLE copier LOGIN REPLICATION; GRANT SELECT ON subs, keyed, noted, filed, plain TO copier});
my ($out, $err) = ('', '');
$pub->safe_psql('postgres', q{SELECT pg_create_logical_replication_slot('by_sql', 'test_decoding'); INSERT INTO keyed VALUES ('Decoded@Zyxwvu.example', 301); UPDATE keyed SET id = 302 WHERE id = 301});
my $changes = $pub->safe_psql('postgres', q{SELECT data FROM pg_logical_slot_peek_changes('by_sql', NULL, NULL)});
like($changes, qr/table public\.keyed: INSERT: email\[listguard\.sealed_email\]:'lg1:/, 'test_decoding gives armour');
unlike($changes, qr/zyxwvu/i, 'and no address');
my $by_role = $pub->safe_psql('postgres', q{SELECT data FROM pg_logical_slot_peek_changes('by_sql', NULL, NULL)}, extra_params => [ '-U', 'copier' ]);
unlike($by_role, qr/zyxwvu/i, 'nor to a role with REPLICATION');
my $received = '';
$pub->command_ok([ 'pg_recvlogical', '-d', $pub->connstr('postgres'), '-S', 'by_sql', '--start', '--no-loop', '-f', "$dir/received", '-E', $pub->lsn('insert') ], 'pg_recvlogical');
$received = slurp_file("$dir/received");
like($received, qr/'lg1:/, 'gives armour');
unlike($received, qr/zyxwvu/i, 'and no address');
$pub->safe_psql('postgres', q{SELECT pg_drop_replication_slot('by_sql')});

# the initial copy reads rows: a role that policies bind gets none, not a part
$sub->safe_psql('postgres', 'CREATE DATABASE refused');
$sub->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/schema.sql", $sub->connstr('refused') ], 'definitions once more');
$sub->safe_psql('refused', "CREATE SUBSCRIPTION by_copier CONNECTION '$connstr user=copier application_name=by_copier' PUBLICATION everything");
$sub->poll_query_until('refused', q{SELECT count(*) > 0 FROM pg_stat_subscription_stats WHERE subname = 'by_copier' AND sync_error_count > 2}) or die 'no refusal';
is($sub->safe_psql('refused', 'SELECT (SELECT count(*) FROM subs) + (SELECT count(*) FROM keyed) + (SELECT count(*) FROM noted)'), '0',
	'a role with REPLICATION alone is refused the initial copy');
$sub->safe_psql('refused', 'DROP SUBSCRIPTION by_copier');

# a subscription's owner that is not superuser: BYPASSRLS and backup
SKIP:
{
	my $version = $pub->safe_psql('postgres', 'SHOW server_version_num');
	skip 'run_as_owner is of 16', 1 if $version < 160000;
	$sub->safe_psql('postgres', 'CREATE DATABASE owned');
	$sub->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/schema.sql", $sub->connstr('owned') ], 'definitions for run_as_owner');
	$sub->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/registry.sql", $sub->connstr('owned') ], 'and registry');
	$sub->safe_psql('owned', "CREATE SUBSCRIPTION owned CONNECTION '$connstr application_name=owned' PUBLICATION everything WITH (run_as_owner = true)");
	$sub->wait_for_subscription_sync($pub, 'owned', 'owned');
	$pub->safe_psql('postgres', q{INSERT INTO keyed VALUES ('Owned@Zyxwvu.example', 400)});
	$pub->wait_for_catchup('owned');
	is($sub->safe_psql('owned', join('; ', @queries), extra_params => [ '-U', 'app' ]), revealed($pub), 'run_as_owner: every address is equal');
}

$_->stop for $last, $blind, $sub, $pub;
done_testing();
