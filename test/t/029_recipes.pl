
# docs/migration.md: every block of commands, run as it stands there, and every
# address compared before and after.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use Cwd;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 800;
my $node = lg_node("recipes", "max_worker_processes = 16\nlistguard.bulk_threshold = 1000000\nlistguard.session_row_limit = 1000000\n");

sub value { return $node->safe_psql('postgres', shift) }

my $dir = $node->basedir . '/recipes';
mkdir $dir or die "mkdir: $!";
append_to_file("$dir/passphrase.txt", "it's a secret\n");
append_to_file("$dir/key.hex", "000102030405060708090a0b0c0d0e0f\n");

# Each with its addresses in a table of the same name, "_was".
value(qq{
	CREATE EXTENSION listguard CASCADE;
	CREATE EXTENSION citext;
	CREATE ROLE reader LOGIN;
	CREATE TABLE addresses AS SELECT n AS id, 'Reader' || n || '\@zyxwvu' || n || '.example' AS email, n % 4 AS list_id FROM generate_series(1, $rows) n;
	CREATE TABLE subscribers (id int PRIMARY KEY, email text NOT NULL, list_id int, UNIQUE (list_id, email));
	CREATE TABLE members (id int PRIMARY KEY, email text NOT NULL, list_id int);
	CREATE TABLE readers (id int PRIMARY KEY, email citext UNIQUE, list_id int);
	CREATE TABLE pgp_people (id int PRIMARY KEY, email bytea NOT NULL, list_id int);
	CREATE TABLE raw_people (id int PRIMARY KEY, email bytea NOT NULL, iv bytea NOT NULL, list_id int);
	INSERT INTO subscribers SELECT * FROM addresses;
	INSERT INTO members SELECT * FROM addresses;
	INSERT INTO readers SELECT * FROM addresses;
	INSERT INTO pgp_people SELECT id, pgp_sym_encrypt(email, 'it''s a secret'), list_id FROM addresses;
	INSERT INTO raw_people SELECT id, encrypt_iv(convert_to(email, 'UTF8'), '\\x000102030405060708090a0b0c0d0e0f', v, 'aes'), v, list_id
		FROM (SELECT *, gen_random_bytes(16) AS v FROM addresses) a;
	GRANT SELECT, INSERT ON subscribers, members TO reader;
	VACUUM pgp_people, raw_people;
	CHECKPOINT;
});
my $start = value('SELECT pg_walfile_name(pg_switch_wal()) IS NULL; SELECT pg_walfile_name(pg_current_wal_insert_lsn())') =~ s/.*\n//sr;

my $page = slurp_file("$FindBin::Bin/../../docs/migration.md");
my @blocks = $page =~ /^```sql\n(.*?)^```$/msg;
cmp_ok(scalar @blocks, '>=', 9, 'the page has its blocks');

# Run one block by psql, in the directory with the keys.
sub run_block
{
	my ($block) = @_;
	my ($out, $err) = ('', '');
	my $here = getcwd;
	chdir $dir or die "chdir: $!";
	my $ok = IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres') ],
		'<', \$block, '>', \$out, '2>', \$err, IPC::Run::timeout(120));
	chdir $here or die "chdir: $!";
	return ($ok, $out, $err);
}

# What goes wrong with a wrong secret comes first, so that the tables are still there.
my ($pgp) = grep { /pgp_people/ } @blocks;
my ($raw) = grep { /raw_people/ } @blocks;
for my $wrong ([ $pgp, 'cat passphrase.txt', 'echo wrong' ], [ $raw, 'cat key.hex', 'echo 00' . '11' x 15 ])
{
	my ($block, $good, $bad) = @$wrong;
	my $made = value('SELECT count(*) FROM listguard.keyset');
	value(q{CREATE TABLE IF NOT EXISTS seed (email text)}) if $made eq '0';
	value(q{SELECT listguard.protect('seed', '{email}')}) if $made eq '0';
	$block =~ s/\Q$good\E/$bad/ or die 'the block has no such command';
	my ($ok, $out, $err) = run_block($block);
	ok(!$ok, 'a wrong secret stops it') or diag $out;
	unlike($err, qr/zyxwvu/, 'without an address');
}
is(value(q{SELECT string_agg(format_type(atttypid, NULL), ' ') FROM pg_attribute WHERE attrelid IN ('pgp_people'::regclass, 'raw_people'::regclass) AND attname = 'email'}),
	'bytea bytea', 'and changes nothing');

my $walked = 0;
for my $block (@blocks)
{
	my ($first) = $block =~ /^(?!\\|BEGIN)(.{1,60})/m;
	# the way back is the last one: what is sealed until then is compared before it
	compare_sealed() if $block =~ /unprotect/;
	my ($ok, $out, $err) = run_block($block);
	ok($ok, "runs: $first") or diag $err;
	unlike("$out$err", qr/zyxwvu/, 'shows no address');
	$walked++;
}
is($walked, scalar @blocks, 'all blocks were run');

sub compare_sealed
{
	for my $table (qw(subscribers members readers pgp_people raw_people))
	{
		is(value(qq{SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = '$table'::regclass AND attname = 'email'}),
			'listguard.sealed_email', "$table is sealed");
		value(qq{SELECT listguard.grant_access(session_user::name, '$table', '{reveal}')});
		is(value(qq{SELECT count(*) FROM $table t JOIN addresses a USING (id, list_id) WHERE t.email::text = a.email}) // '', $rows, 'every address is there')
		  if $table ne 'readers';
		is(value(qq{SELECT id FROM $table WHERE email = 'READER9\@zyxwvu9.example'}), '9', 'and found without regard to case');
	}
	is($node->safe_psql('postgres', 'SELECT email FROM members WHERE id = 7', extra_params => [ '-U', 'reader' ]), 'R***@z***.example', 'who had access keeps it, masked');
	return;
}

is(value(q{SELECT count(*) FROM readers t JOIN addresses a USING (id) WHERE t.email::text = a.email}), $rows, 'back in clear, every address');
is(value(q{SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = 'readers'::regclass AND attname = 'email'}), 'citext', 'as citext again');

# Encrypted columns never come by the disk in clear: nothing of theirs in their files.
value('CHECKPOINT');
for my $table (qw(pgp_people raw_people members))
{
	unlike(slurp_file($node->data_dir . '/' . value("SELECT pg_relation_filepath('$table')")), qr/zyxwvu/, "no address in the file of $table");
}
unlike(slurp_file($node->logfile), qr/it's a secret|it''s a secret' *, *true/, 'nor the passphrase in the log') if value('SHOW log_statement') eq 'none';

$node->stop;
done_testing();
