
# A ticket from request to rows: it lifts the threshold for the lists it names,
# up to the row it says, once.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 300;
my $lgctl = $ENV{LGCTL} || 'contrib/lgctl/lgctl';
die "no lgctl at $lgctl" unless -x $lgctl;
my $node = PostgreSQL::Test::Cluster->new('export');
$node->init;
my $dir = $node->basedir;

sub lgctl
{
	my ($input, @args) = @_;
	my ($out, $err);
	IPC::Run::run([ $lgctl, @args ], '<', \$input, '>', \$out, '2>', \$err)
	  or die "lgctl @args: $err";
	return $out;
}

sub psql
{
	my ($role, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose' ], on_error_stop => 1);
	return ($out, $status == 0 ? 'ok' : $err =~ /ERROR:  (\w{5}):/ ? $1 : $err);
}

sub ticket
{
	my ($args) = @_;
	my ($claims, $state) = psql('app', "SELECT listguard.request_export('guarded', $args)");
	die "request_export($args): $state" if $state ne 'ok';
	lgctl($claims, 'ticket', 'sign', '--key', "$dir/alice.key", '--as', 'alice', '--ttl', '10m', '--yes', '-') =~
	  /(v4\.public\.[\w.-]+)/ or die 'no token';
	return $1;
}

# What comes out: number of addresses in clear, and the state.
sub bring
{
	my ($carry, $sql, $end) = @_;
	my ($out, $state) = psql('app', 'BEGIN; ' . ($carry ? "$carry; " : '') . "$sql; " . ($end || 'COMMIT'));
	my %seen = map { $_ => 1 } $out =~ /(reader\d+\@example\.org)/g;
	return [ scalar(keys %seen), $state ];
}

sub by_setting { return "SELECT set_config('listguard.ticket', '$_[0]', true) IS NULL"; }
sub by_call { return "SELECT listguard.present_ticket('$_[0]')"; }

append_to_file("$dir/root.key", join('', map { sprintf '%02x', int rand 256 } 1 .. 32) . "\n");
chmod 0600, "$dir/root.key";
$node->append_conf('postgresql.conf', "listguard.root_key_file = '$dir/root.key'\nlistguard.bulk_threshold = 50\n");
$node->start;
lgctl('', 'keygen', 'approver', '--out', "$dir/alice.key", '--no-passphrase') =~ /(k4\.public\.[\w-]+)/ or die 'no key';
$node->safe_psql('postgres', "
	CREATE EXTENSION listguard CASCADE;
	CREATE ROLE app LOGIN;
	CREATE TABLE guarded (id int PRIMARY KEY, email text NOT NULL, list_id text NOT NULL);
	INSERT INTO guarded SELECT n, format('reader%s\@example.org', n), 'news' || n % 3 FROM generate_series(1, $rows) n;
	SELECT listguard.protect('guarded', '{email}', 'list_id');
	SELECT listguard.grant_access('app', 'guarded', '{view,reveal,export}');
	SELECT listguard.add_approver('alice', 'Alice', '$1', now() + interval '1 day');");

my $copy = 'COPY (SELECT email FROM guarded) TO STDOUT';
is_deeply(bring('', $copy), [ 0, 'LG001' ], 'no ticket: over the threshold nothing comes out');
for my $carry (\&by_setting, \&by_call)
{
	my $t = ticket("NULL, NULL, $rows, 'test'");
	is_deeply(bring($carry->($t), $copy), [ $rows, 'ok' ], 'with a ticket all rows come');
	is_deeply(bring($carry->($t), $copy), [ 0, 'LG003' ], 'and not a second time');
}
my $t = ticket("NULL, NULL, $rows, 'test'");
is_deeply(bring(by_setting($t), $copy, 'ROLLBACK'), [ $rows, 'ok' ], 'a transaction that is rolled back');
is_deeply(bring(by_setting($t), $copy), [ 0, 'LG003' ], 'has used it all the same');
$node->stop('immediate');
$node->start;
is_deeply(bring(by_setting($t), $copy), [ 0, 'LG003' ], 'and after a crash too');

$t = ticket("NULL, NULL, " . ($rows - 1) . ", 'test'");
my $short = bring(by_call($t), $copy);
is($short->[1], 'LG003', 'one row too few in the ticket: refused');
cmp_ok($short->[0], '<=', $rows - 1, 'with no row more than it says');
$t = ticket("NULL, NULL, 2 * $rows - 1, 'test'");
my $twice = bring(by_call($t), "$copy; $copy");
is($twice->[1], 'LG003', 'lg:max holds over the statements of the transaction');
$t = ticket("NULL, NULL, 2 * $rows - 1, 'test'");
$twice = bring(by_call($t), "SAVEPOINT s; $copy; ROLLBACK TO s; $copy");
is($twice->[1], 'LG003', 'and ROLLBACK TO gives no row back');
$t = ticket("NULL, NULL, 2 * $rows, 'test'");
is_deeply(bring(by_call($t), "$copy; $copy"), [ $rows, 'ok' ], 'exactly enough is enough');

$t = ticket("'{news1}', NULL, $rows, 'test'");
is_deeply(bring(by_call($t), "COPY (SELECT email FROM guarded WHERE list_id = 'news1') TO STDOUT"),
	[ $rows / 3, 'ok' ], 'one list by a ticket for it');
$t = ticket("'{news1}', NULL, $rows, 'test'");
is_deeply([ bring(by_call($t), "COPY (SELECT email FROM guarded WHERE list_id = 'news2') TO STDOUT")->[1] ], ['LG003'],
	'another list by the same: refused');

# ---- in the statement's own text ----
sub by_comment { return "COPY /*listguard_ticket='$_[0]'*/ (SELECT email FROM guarded) TO STDOUT"; }
sub alone
{
	my ($out, $state) = psql('app', $_[0]);
	my %seen = map { $_ => 1 } $out =~ /(reader\d+\@example\.org)/g;
	return [ scalar(keys %seen), $state ];
}
$t = ticket("NULL, NULL, $rows, 'test'");
is_deeply(alone(by_comment($t)), [ $rows, 'ok' ], 'carried by a comment, in autocommit');
is_deeply(alone(by_comment($t)), [ 0, 'LG003' ], 'once');
$t = ticket("NULL, NULL, 2 * $rows, 'test'");
is_deeply(bring('', by_comment($t) . "; $copy"), [ $rows, 'LG001' ], 'it does not count in the next statement');
$t = ticket("NULL, NULL, 2 * $rows, 'test'");
is_deeply(bring('', by_comment($t) . '; ' . by_comment($t)), [ $rows, 'ok' ], 'but in one that brings it too, in its transaction');
$t = ticket("NULL, NULL, 2 * $rows - 1, 'test'");
is(bring('', by_comment($t) . '; ' . by_comment($t))->[1], 'LG003', 'up to lg:max');
is(alone("SELECT /*listguard_ticket='$t email FROM guarded")->[1], '42601', 'a comment without an end is a syntax error');
$t = ticket("NULL, NULL, $rows, 'test'");
is(alone("SELECT count(email) /*listguard_ticket='$t'*/ FROM guarded /*listguard_ticket='$t'*/")->[1], 'LG003', 'two comments are refused');

# ---- what does not carry ----
$t = ticket("NULL, NULL, $rows, 'test'");
for my $carry (by_setting($t), '')
{
	my $text = $carry ? '' : "/*listguard_ticket='$t'*/";
	is_deeply(bring($carry, "DECLARE c CURSOR WITH HOLD FOR SELECT $text email FROM guarded"),
		[ 0, '0A000' ], 'a cursor WITH HOLD is refused under a ticket' . ($text && ', in its text too'));
}
is_deeply(bring(by_setting($t), 'DECLARE c CURSOR FOR SELECT email FROM guarded; FETCH ALL FROM c'), [ $rows, 'ok' ],
	'without using it up; another cursor is good');
my ($out, $state) = psql('app', "SET listguard.ticket = '" . ticket("NULL, NULL, $rows, 'test'") . "'; $copy");
isnt($state, 'ok', 'a ticket does not reach into the next transaction');
is((psql('app', 'SHOW listguard.ticket'))[0], '', 'and is not shown');
$t = ticket("NULL, NULL, 2 * $rows, 'test'");
$node->safe_psql('postgres', "SELECT listguard.revoke_approver('alice')");
is_deeply(bring(by_call($t), $copy), [ 0, 'LG003' ], 'a revoked approver opens nothing');
$node->stop;
done_testing();
