
# Which tickets come into force, and how often: every fault is one and the same
# LG003, a good ticket counts once on its node whatever ends the transaction,
# and a store of used tickets that is damaged closes.  What is read under a
# ticket is another test's matter; here the registry's rows are made by hand.

use strict;
use warnings;

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $lgctl = $ENV{LGCTL} || 'contrib/lgctl/lgctl';
die "no lgctl at $lgctl" unless -x $lgctl;
my $node = PostgreSQL::Test::Cluster->new('ticket');
$node->init;
my $dir = $node->basedir;
my $burnt = $node->data_dir . '/listguard_spool/burnt';

# Standard output of lgctl, standard input given; its words go to a file.
sub lgctl
{
	my ($input, @args) = @_;
	my ($out, $err);
	IPC::Run::run([ $lgctl, @args ], '<', \$input, '>', \$out, '2>', \$err)
	  or die "lgctl @args: $err";
	return $out;
}

sub approver_key
{
	my ($name) = @_;
	my $out = lgctl('', 'keygen', 'approver', '--out', "$dir/$name.key", '--no-passphrase');
	$out =~ /(k4\.public\.[\w-]+)/ or die "no public key in: $out";
	return $1;
}

sub psql
{
	my ($role, $sql, $db) = @_;
	my ($status, $out, $err) = $node->psql($db || 'postgres', $sql,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=verbose' ], on_error_stop => 1);
	return ($status, $out, $err);
}

sub admin
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

sub request
{
	my ($args, $role) = @_;
	my ($status, $out, $err) = psql($role || 'app', "SELECT listguard.request_export('guarded', $args)");
	die "request_export($args): $err" if $status != 0;
	return decode_json($out);
}

sub sign
{
	my ($claims, %opt) = @_;
	my $name = $opt{name} || 'alice';
	my $out = lgctl(encode_json($claims), 'ticket', 'sign', '--key', "$dir/" . ($opt{key} || $name) . '.key',
		'--as', $name, '--ttl', $opt{ttl} || '10m', '--yes', '-');
	$out =~ /(v4\.public\.[\w.-]+)/ or die "no token in: $out";
	return $1;
}

sub ticket { return sign(request("NULL, NULL, 500, 'test'"), @_); }

# ok, or the SQLSTATE.
sub state_of
{
	my ($role, $sql, $db) = @_;
	my ($status, $out, $err) = psql($role, $sql, $db);
	return $status == 0 ? 'ok' : $err =~ /ERROR:  (\w{5}):/ ? $1 : $err;
}

sub present
{
	my ($tokens, %opt) = @_;
	my $list = join ', ', map { "'$_'" } ref $tokens ? @$tokens : $tokens;
	return state_of($opt{role} || 'app', "SELECT listguard.present_ticket($list)", $opt{db});
}

# ---- set-up ----
append_to_file("$dir/root.key", join('', map { sprintf '%02x', int rand 256 } 1 .. 32) . "\n");
chmod 0600, "$dir/root.key";
$node->append_conf('postgresql.conf', "listguard.root_key_file = '$dir/root.key'\n");
$node->start;
my ($alice, $bob, $carol) = map { approver_key($_) } qw(alice bob carol);
my $user = $node->safe_psql('postgres', 'SELECT current_user');
for my $db (qw(postgres elsewhere))
{
	$node->safe_psql('postgres', 'CREATE DATABASE elsewhere') if $db ne 'postgres';
	$node->safe_psql('postgres', 'CREATE ROLE app LOGIN; CREATE ROLE other LOGIN; CREATE ROLE boss LOGIN; CREATE ROLE manager')
	  if $db eq 'postgres';
	$node->safe_psql($db, "
		CREATE EXTENSION listguard CASCADE;
		CREATE TABLE public.guarded (id int, email text, list_id text);
		INSERT INTO listguard.protected_table (relation, list_no, list_column, sealed_columns)
			VALUES ('public.guarded', 1001, 'list_id', '{email}');
		INSERT INTO listguard.list VALUES (2001, 'public.guarded', 'news', 1), (2002, 'public.guarded', 'a b/c', 2);
		INSERT INTO listguard.access_grant (role, relation, privileges, list_no) VALUES
			('app', 'public.guarded', '{view,export}', NULL), ('other', 'public.guarded', '{view,export}', 2001),
			('boss', 'public.guarded', '{view,export}', NULL);
		SELECT listguard.add_approver('alice', 'Alice', '$alice', now() + interval '1 day');
		SELECT listguard.add_approver('bob', 'Bob', '$bob', now() + interval '1 day', 'boss');
		SELECT listguard.add_approver('carol', 'Carol', '$carol', now() + interval '1 day', 'manager');");
}
admin('GRANT manager TO other');

# ---- what is asked for ----
my $claims = request("'{news,a b/c}', NULL, 500, 'test'");
is_deeply($claims->{'lg:list'}, [ 'public.guarded/news#2001', 'public.guarded/a%20b%2Fc#2002' ],
	'lists are named as the ticket names them');
is_deeply(request("NULL, NULL, 7, 'test'")->{'lg:list'}, ['public.guarded/*#1001'], 'no lists: all of them');
is($claims->{sub}, 'app', 'sub is the session user');
is($claims->{aud}, admin('SELECT listguard.ticket_audience()'), 'aud is the audience of this node');
like($claims->{aud}, qr{^\d+/postgres/1/[0-9a-f]{32}$}, 'which has four parts');
my $ask = "SELECT listguard.request_export('guarded', ";
is(state_of('other', $ask . "'{a b/c}', NULL, 5, 'x')"), '42501', 'no request without export on the list');
is(state_of('app', $ask . "'{nowhere}', NULL, 5, 'x')"), '42501', 'an unknown list is refused alike');
is(state_of('app', $ask . "NULL, '{id}', 5, 'x')"), '22023', 'a sealed column must not be left out');
is(state_of('app', $ask . "NULL, NULL, 0, 'x')"), '22023', 'no export of no row');
is(state_of('app', $ask . "NULL, NULL, 5, '')"), '22023', 'no export without a purpose');
is(state_of('app', $ask . "NULL, NULL, 5, 'x', 'someone')"), '0A000', 'no recipient yet');
is(state_of('app', "SELECT listguard.add_approver('x', 'x', '$alice', 'infinity')"), '42501', 'an application role adds no approver');
is(state_of($user, "SELECT listguard.add_approver('x', 'x', '$alice', 'infinity')"), '23505', 'no key twice');
is(state_of($user, "SELECT listguard.add_approver('x', 'x', 'k4.public.AAAA', 'infinity')"), '22023', 'a broken key is refused');

# ---- one use ----
my $t = ticket();
is(present($t), 'ok', 'a good ticket is accepted');
is(present($t), 'LG003', 'but not again');
$t = sign($claims);
is(state_of('app', "BEGIN; SELECT listguard.present_ticket('$t'); ROLLBACK"), 'ok', 'another, rolled back');
is(present($t), 'LG003', 'is used all the same');
$t = ticket();
is(state_of('app', "BEGIN; SAVEPOINT s; SELECT listguard.present_ticket('$t'); ROLLBACK TO s; SELECT listguard.present_ticket('$t')"),
	'LG003', 'ROLLBACK TO does not give it back');

$t = ticket();
my @at_once;
for (1 .. 8)
{
	my %one = (out => '', err => '');
	$one{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-U', 'app', '-d', $node->connstr('postgres'),
			'-c', "SELECT 'won' FROM (SELECT listguard.present_ticket('$t')) p" ],
		'<', \undef, '>', \$one{out}, '2>', \$one{err});
	push @at_once, \%one;
}
$_->{run}->finish for @at_once;
is(scalar(grep { $_->{out} =~ /won/ } @at_once), 1, 'of eight sessions at once one wins');
is(scalar(grep { $_->{err} =~ /LG003/ } @at_once), 7, 'and seven are refused');

$t = ticket();
is(state_of('app', "BEGIN; SELECT listguard.present_ticket('$t'); PREPARE TRANSACTION 'x'"),
	'0A000', 'a transaction with a ticket is not prepared');

# ---- faults ----
$t = ticket();
my ($status, $out, $err) = psql('other', "SELECT listguard.present_ticket('$t')");
like($err, qr/LG003: export ticket rejected\nHINT:  [^\n]*event [0-9a-f-]{36}\./, 'the message says nothing, the hint names the event');
my $first = $err =~ s/[0-9a-f-]{36}/ID/r;
is(present($t, db => 'elsewhere'), 'LG003', 'not in another database');
is(present($t . 'A'), 'LG003', 'nor with a letter more');
is(present(substr($t, 0, -1)), 'LG003', 'nor with one less');
for my $at (20, 200, length($t) - 80)
{
	my $altered = $t;
	substr($altered, $at, 1) = substr($altered, $at, 1) eq 'A' ? 'B' : 'A';
	is(present($altered), 'LG003', "nor altered at $at");
}
is(present(''), 'LG003', 'an empty one is none');
is(present('v4.public.' . 'A' x 5000), 'LG003', 'nor is a long one');
is(present([ $t, $t ]), 'LG003', 'nor twice the same');
is(present($t), 'ok', 'and it was not used up by all that');
($status, $out, $err) = psql('app', "SELECT listguard.present_ticket('$t')");
is($err =~ s/[0-9a-f-]{36}/ID/r, $first, 'a used one is refused in the same words as a foreign one');

is(present(sign($claims, name => 'alice', key => 'carol')), 'LG003', 'iss must be the name that goes with the key');
approver_key('mallory');
is(present(sign($claims, name => 'alice', key => 'mallory')), 'LG003', 'an unknown key');
is(present(ticket(ttl => '16m')), 'LG003', 'longer than the policy allows');
is(present(ticket(ttl => '15m')), 'ok', 'just as long');
$t = ticket(ttl => '1s');
# exp is in whole seconds, and lies behind us as soon as one has passed since.
my $signed = admin('SELECT clock_timestamp()');
$node->poll_query_until('postgres', "SELECT clock_timestamp() > '$signed'::timestamptz + '1 s'") or die 'time stands still';
is(present($t), 'LG003', 'expired');
my $theirs = request("'{news}', NULL, 5, 'test'", 'other');
is(present(sign($theirs, name => 'carol'), role => 'other'), 'LG003', 'not by a member of the approver\'s role');
is(present(sign($theirs), role => 'other'), 'ok', 'but by another approver');
$theirs = request("NULL, NULL, 5, 'test'", 'boss');
is(present(sign($theirs, name => 'bob'), role => 'boss'), 'LG003', 'nor by the approver');
for my $change ([ 'lg:list' => ['public.guarded/news#2002'] ], [ 'lg:list' => ['public.guarded/*#2001'] ],
	[ 'lg:list' => ['public.other/news#2001'] ], [ 'lg:list' => ['public.guarded#2001'] ],
	[ 'lg:cols' => ['nothing'] ], [ sub => 'other' ], [ aud => "$claims->{aud}0" ],
	[ 'lg:req' => 'a' x 64 ], [ 'lg:to' => 'a' x 40 ], [ 'lg:until' => '2099-01-01T00:00:00Z' ])
{
	my %changed = (%$claims, $change->[0] => $change->[1]);
	is(present(sign(\%changed)), 'LG003', "signed, but with a wrong $change->[0]");
}
$t = ticket();
admin("UPDATE listguard.access_grant SET privileges = '{view}' WHERE role = 'app'");
is(present($t), 'LG003', 'not without export');
admin("UPDATE listguard.access_grant SET privileges = '{view,export}' WHERE role = 'app'");
is(present($t), 'ok', 'and with it');

# ---- policy ----
$t = ticket();
admin("SELECT listguard.set_export_policy('guarded', 1, '10 min', 499)");
is(present($t), 'LG003', 'more rows than the policy allows');
admin("SELECT listguard.set_export_policy('guarded', 2)");
is(present(sign($claims)), 'LG003', 'one token where two are asked for');
$claims = request("NULL, NULL, 500, 'two'");
like($claims->{'lg:req'}, qr/^[0-9a-f]{64}$/, 'a request for two is stored');
my $again = request("NULL, NULL, 500, 'two'");
isnt($again->{'lg:req'}, $claims->{'lg:req'}, 'each has its own digest');
is(present([ sign($claims), sign($claims) ]), 'LG003', 'one person is not two');
is(present([ sign($claims), sign($again, name => 'carol') ]), 'LG003', 'two requests are not one');
my %more = (%$claims, 'lg:max' => 501);
is(present([ sign(\%more), sign(\%more, name => 'carol') ]), 'LG003', 'nor is what the request did not say');
my @two = (sign($claims), sign($claims, name => 'carol'));
is(present($two[0]), 'LG003', 'one of two is too few');
is(present(\@two), 'ok', 'two persons over one request');
is(present([ $two[0], sign($claims, name => 'bob') ]), 'LG003', 'a used token does not count again beside a fresh one');
admin("SELECT listguard.set_export_policy('guarded')");

is(state_of($user, "SELECT listguard.set_export_policy('guarded', max_ttl => '170000000 years')"), 'ok', 'a very long max_ttl');
is(state_of($user, "SELECT listguard.set_export_policy('guarded', max_ttl => '-1 s')"), '22023', 'a negative one');
is(present(ticket(ttl => '1h')), 'ok', 'does not wrap round');
admin("SELECT listguard.set_export_policy('guarded')");

# ---- revoked ----
$t = ticket(name => 'carol');
admin("SELECT listguard.revoke_approver('carol')");
is(present($t), 'LG003', 'a revoked approver');
is(state_of($user, "SELECT listguard.revoke_approver('carol')"), '42704', 'is revoked once');
is(state_of($user, "SELECT listguard.add_approver('carol', 'Carol', '$carol', 'infinity')"), '23505', 'and for good');

# ---- on record ----
$t = ticket();
($status, $out, $err) = psql('other', "SELECT listguard.present_ticket('$t')");
my ($id) = $err =~ /event ([0-9a-f-]{36})/;
is(present($t), 'ok', 'one refused to another role, then used');
admin('SELECT listguard._drain()');
is(admin("SELECT kind || ' ' || outcome || ' ' || login_role || ' ' || (detail ->> 'reason') FROM listguard.audit WHERE id = '$id'"),
	'ticket refused other made for another role', 'the event of the HINT has the reason');
is(admin("SELECT detail -> 'approvers' ->> 0 FROM listguard.audit WHERE kind = 'ticket' AND outcome = 'ok' AND ticket =
		(SELECT ticket FROM listguard.audit WHERE id = '$id')"), 'alice', 'the use is on record with its approver');
is(admin("SELECT count(*) FROM listguard.audit WHERE kind = 'approver' AND detail ->> 'revoked' = 'carol'"), '1', 'so is the revocation');
is(admin("SELECT count(*) > 0 FROM listguard.audit WHERE kind = 'setting' AND relation = 'public.guarded' AND (detail ->> 'quorum')::int = 2"),
	't', 'and the policy');

# ---- crash, damage ----
my $stuck = ticket();
chmod 0400, $burnt;
is(present($stuck), 'LG003', 'no ticket counts whose use cannot be written down');
chmod 0600, $burnt;
is(present($stuck), 'LG003', 'and that one stays refused');
my $kept = ticket();
$t = ticket();
is(present($t), 'ok', 'used just before the server is killed');
is(-s $burnt, 32 * admin("SELECT size / 32 FROM pg_stat_file('listguard_spool/burnt')"), 'records are of 32 bytes');
$node->stop('immediate');
append_to_file($burnt, 'LGB1 a record that was cut');
$node->start;
is(present($t), 'LG003', 'is used after the crash, a torn record behind it or not');
is(present($kept), 'ok', 'and one that was not used is good');
is((-s $burnt) % 32, 0, 'the torn record is gone');
$kept = ticket();
$node->stop;
open my $fh, '+<', $burnt or die "$burnt: $!";
binmode $fh;
seek $fh, 10, 0;
print $fh 'damage';
close $fh or die "$burnt: $!";
$node->start;
is(present($kept), 'LG003', 'a damaged store accepts nothing');
like(slurp_file($node->logfile), qr/file of used tickets is out of order/, 'and the log says so');
unlike(slurp_file($node->logfile), qr/DETAIL:[^\n]*(signature|expired|used before)/, 'the log has no reason of a refusal');
$node->stop;
done_testing();
