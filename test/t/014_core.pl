
# A core dump of a process that has sealed, revealed, wrapped and unwrapped
# holds no key: not the root, no list key, nothing derived of them.  The search
# is shown to be able to fail twice: by words planted in ordinary memory, and by
# cores made against the kernel's marks, which do hold the keys.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my $top = "$FindBin::Bin/../..";
my $tmp = PostgreSQL::Test::Utils::tempdir();
my $search = "$tmp/core_search";

# Can we make cores here at all?
sub why_not
{
	my $cc = $ENV{CC} // 'cc';
	my @sources = map { "$top/src/common/$_.c" } qw(aead kdf value wrap);

	return 'there is no C compiler' unless grep { -x "$_/$cc" } split /:/, $ENV{PATH};
	command_ok([ $cc, '-O1', "-I$top/src", '-o', $search, "$top/test/tools/core_search.c", @sources, '-lsodium', '-lcrypto' ],
		'the search can be built');
	die 'core_search cannot be built' unless -x $search;
	return 'gdb is not installed' unless grep { -x "$_/gdb" } split /:/, $ENV{PATH};
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		exec 'sleep', '60' or exit 1;
	}
	make_core($pid, 'probe', 'off');
	kill 'KILL', $pid;
	waitpid $pid, 0;
	return 'gdb may not look into other processes here (ptrace)' unless -s "$tmp/probe";
	return;
}

sub make_core
{
	my ($pid, $name, $all) = @_;
	run_command([ 'timeout', '120', 'gdb', '-nx', '-batch', '-p', $pid, '-ex', "set dump-excluded-mappings $all",
		'-ex', "generate-core-file $tmp/$name" ]);
	return;
}

my $reason = why_not();
if (defined $reason)
{
	SKIP:
	{
		skip $reason, 1;
	}
	done_testing();
	exit;
}

sub word
{
	return join '', map { ('a' .. 'z', 'A' .. 'Z', 0 .. 9)[ rand 62 ] } 1 .. 32;
}

my %planted = (all => word(), session => word());
my $node = lg_node('core', "shared_buffers = '1MB'\ntest.needle = '$planted{all}'\n");
my $old_file = $node->basedir . '/root.key';
my $file = $node->basedir . '/root.new';
append_to_file($file, join('', map { sprintf '%02x', int rand 256 } 1 .. 32) . "\n");
chmod 0600, $file or die "chmod: $!";
lg_list($node, 'postgres', 300);
$node->safe_psql('postgres', q{SELECT listguard.grant_access('app', 'subs', '{insert}')});

# It is connected to nothing, and so in no view.
sub launcher
{
	my ($path) = grep { -r $_ && slurp_file($_) =~ /listguard launcher/ && slurp_file($_ =~ s/cmdline/stat/r) =~ /\) \S+ $node->{_pid} / }
	  glob '/proc/[0-9]*/cmdline';
	return ($path // '') =~ m{/(\d+)/} ? $1 : '';
}

# Both roots are there, and new keys are made by the worker.
sub rotate
{
	$node->append_conf('postgresql.conf', "listguard.root_key_file = '$file'\nlistguard.root_key_file_old = '$old_file'\n");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT setting = '$old_file' FROM pg_settings WHERE name = 'listguard.root_key_file_old'")
	  or die 'settings did not arrive';
	return $node->background_psql('postgres');
}
my $admin = rotate();
$admin->query_safe('SELECT listguard.reload_root_key()');
is($admin->query_safe('SELECT listguard.rotate_root_key() > 2'), 't', 'a session rotates the root key');
$admin->query_safe('SELECT count(*) FROM listguard.check_root_key()');
$admin->query_safe(q{SELECT listguard._create_list('no.table', 'x')});

my $session = $node->background_psql('postgres', extra_params => [ '-U', 'app' ]);
$session->query_safe("SELECT set_config('test.session', '$planted{session}', false)");
$session->query_safe(q{INSERT INTO subs SELECT n, format('reader%s@zyxwvu%s.example', n, n), 'n', 'fresh' || n % 5 FROM generate_series(1001, 1200) n});
is($session->query_safe('SELECT email FROM subs WHERE id = 1'), address(1), 'a session reveals');
is($session->query_safe(q{SELECT id FROM subs WHERE email = 'READER1100@zyxwvu1100.example'}), '1100', 'finds');
is($session->query_safe('SELECT count(email::text) FROM subs WHERE id < 200'), '199', 'opens');

# Every key of the database, for the search.
my $rows = $node->safe_psql('postgres', q{
	SELECT format('list %s %s %s %s', encode(s.id, 'hex'), k.list_no, k.key_id, encode(k.wrapped, 'hex'))
	FROM listguard.key k, listguard.keyset s WHERE k.wrapped IS NOT NULL
	UNION ALL
	SELECT format('index %s 0 %s %s', encode(s.id, 'hex'), i.epoch, encode(i.wrapped, 'hex')) FROM listguard.index_key i, listguard.keyset s});

# search CORE: name of each secret => [ pieces, pieces found ]
sub search
{
	my ($core, $root) = @_;
	my $given = ($root // $file) eq $file ? $rows : '';
	my $out = '';
	my @words = map { "text $_" } sort values %planted;

	IPC::Run::run([ $search, $root // $file, "$tmp/$core" ], '<', \join("\n", $given || (), @words, ''), '>', \$out)
	  or die 'core_search failed';
	return { map { my ($name, @n) = split / /; ($name => \@n) } split /\n/, $out };
}

my @secrets = qw(root wrap list working round index token);
my %pid = (
	session => $session->query_safe('SELECT pg_backend_pid()'),
	admin => $admin->query_safe('SELECT pg_backend_pid()'),
	launcher => launcher(),
	worker => $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'listguard worker'"),
	postmaster => $node->{_pid});

for my $who (sort keys %pid)
{
	like($pid{$who}, qr/^\d+$/, "$who: it is there");
	make_core($pid{$who}, "$who.core", 'off');
	my $found = search("$who.core");

	cmp_ok($found->{text}[1], '>=', 2, "$who: the word planted in its ordinary memory is found");
	is($found->{text}[1], 4, "$who: the session's own too") if $who eq 'session';
	for my $secret (@secrets)
	{
		cmp_ok($found->{$secret}[0], '>', 1, "there are $secret keys to look for") if $who eq 'admin' && $secret ne 'round';
		is($found->{$secret}[1], 0, "$who: no piece of any $secret key");
	}
	is(search("$who.core", $old_file)->{root}[1], 0, "$who: nor of the old root key");
	unlink "$tmp/$who.core";
}

# The same search, where the marks are disregarded: it knows what to look for.
make_core($pid{launcher}, 'launcher.all', 'on');
is(search('launcher.all')->{root}[1], 2, 'a core against the marks holds the root key');
is(search('launcher.all', $old_file)->{root}[1], 2, 'and the old one');
make_core($pid{session}, 'session.all', 'on');
my $all = search('session.all');
cmp_ok($all->{$_}[1], '>', 1, "and a session's holds $_ keys") for qw(working token);
SKIP:
{
	skip 'no AES in this processor', 1 unless $all->{round}[0];
	cmp_ok($all->{round}[1], '>', 14, 'and round keys');
}
unlink glob "$tmp/*.all";

$session->quit;
$admin->quit;
$node->stop;
done_testing();
