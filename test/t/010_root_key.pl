
# Where the root key comes from, and what is refused: every fault is LG004 for
# the session and a reason in the server log, and none of them shows the key.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $key = join '', map { sprintf '%02x', int rand 256 } 1 .. 32;
my $node = PostgreSQL::Test::Cluster->new('rootkey');
$node->init;
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
my $dir = $node->basedir;
my $file = "$dir/root.key";
my $other = "$dir/other.key";	# what the commands print: a command line is no secret
append_to_file($other, "$key\n");

# Later lines win over those of TEMP_CONFIG.
sub configure
{
	my ($file_setting, $command) = @_;
	$command =~ s/'/''/g;
	$node->append_conf('postgresql.conf',
		"listguard.root_key_file = '$file_setting'\nlistguard.root_key_command = '$command'\n");
	return;
}

sub write_key
{
	my ($text, $mode) = @_;
	unlink $file;
	append_to_file($file, $text);
	chmod $mode, $file or die "chmod: $!";
	return;
}

# The setting is the session's own view of the file: a new session reads it.
sub reload
{
	$node->reload;
	$node->poll_query_until('postgres',
		"SELECT count(*) = 0 FROM pg_file_settings f JOIN pg_settings s USING (name)
		 WHERE f.applied AND f.setting IS DISTINCT FROM s.setting AND name LIKE 'listguard.root_key%'")
	  or die 'settings did not arrive';
	return $node->psql('postgres', 'SELECT listguard.reload_root_key()');
}

# One fault: reload fails with LG004, and the log gives the reason.
sub refused
{
	my ($what, $reason) = @_;
	my $from = -s $node->logfile;
	my ($status, $out, $err) = reload();
	my $log = substr(slurp_file($node->logfile), $from);
	isnt($status, 0, "$what: refused");
	like($err, qr/ERROR:  (LG004: )?could not load the root key/, "$what: says that, not why");
	like($log, $reason, "$what: the log says why");
	return;
}

sub sqlstate
{
	my ($sql) = @_;
	my ($status, $out, $err) =
	  $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $status == 0 ? 'ok' : $err =~ /ERROR:  (\w+)/ ? $1 : $err;
}

configure('', '');
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION listguard CASCADE');
is(sqlstate('SELECT listguard.check_root_key()'), 'LG004', 'without any setting there is no root key');
is(sqlstate('SELECT listguard.reload_root_key()'), 'LG004', 'nor can it be loaded');

# Faults of the file, while no root key is loaded.
configure($file, '');
refused('no file', qr/could not open root key file/);
write_key("$key\n", 0640);
refused('a file that the group reads', qr/group or world access/);
write_key("$key\n", 0604);
refused('a file that others read', qr/group or world access/);
write_key(substr($key, 1) . "\n", 0600);
refused('63 digits', qr/64 hex digits/);
write_key("${key}0\n", 0600);
refused('65 digits', qr/64 hex digits/);
write_key("$key\n$key\n", 0600);
refused('two keys', qr/64 hex digits/);
write_key(('g' x 64) . "\n", 0600);
refused('other letters', qr/64 hex digits/);
unlink $file;
mkdir $file, 0700;
refused('a directory', qr/not a regular file/);
rmdir $file;
is(sqlstate('SELECT listguard.check_root_key()'), 'LG004', 'after all that there is still none');

write_key("$key\n", 0600);
is((reload())[0], 0, 'a file that is ours alone is taken');
is(sqlstate('SELECT listguard.check_root_key()'), 'ok', 'and the root key is there');

# From here on a fault leaves the loaded key in place.
write_key("$key\n", 0644);
refused('a file laid open later', qr/group or world access/);
is(sqlstate('SELECT listguard.check_root_key()'), 'ok', 'the loaded root key stays');
$node->restart;
is(sqlstate('SELECT listguard.check_root_key()'), 'LG004', 'until the restart');

# Commands.
configure('', "cat $other");
is((reload())[0], 0, 'a command is taken');
is(sqlstate('SELECT listguard.check_root_key()'), 'ok', 'and the root key is there');
configure('', 'false');
refused('a command that fails', qr/command failed/);
configure('', "cat $other; exit 3");
refused('a command that fails after printing', qr/command failed/);
configure('', 'yes');
refused('a command without end', qr/printed too much/);
configure('', 'echo hello');
refused('a command that prints something else', qr/64 hex digits/);
configure($file, "cat $other");
refused('both', qr/Only one of/);

# A command that hangs is ended with the statement that waits for it.
configure('', "cat $other; sleep 600 & sleep 600");
$node->reload;
{
	my ($status, $out, $err) = $node->psql('postgres',
		"SET statement_timeout = '1s'; SELECT listguard.reload_root_key()");
	like($err, qr/statement timeout|could not load/, 'a command that hangs is given up');
}
configure('', "cat $other");
is((reload())[0], 0, 'and the next one is taken');

# A server that starts waits for its root key, and so do its first sessions.
configure('', "sleep 2; cat $other");
$node->restart;
is(sqlstate('SELECT listguard.check_root_key()'), 'ok', 'the first session waits for the root key');

# A crash empties the segment; it is filled again.
{
	my ($in, $out, $err) = ('', '', '');
	my $run = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres') ],
		'<', \$in, '>', \$out, '2>', \$err);
	$in .= "SELECT pg_backend_pid();\n";
	$run->pump until $out =~ /\d+\n/;
	my ($backend) = $out =~ /(\d+)/;
	kill 'KILL', $backend;
	$run->finish;
}
$node->poll_query_until('postgres', 'SELECT true') or die 'no recovery';
is(sqlstate('SELECT listguard.check_root_key()'), 'ok', 'after a crash the root key is loaded again');

# Who may ask.
$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN; GRANT USAGE ON SCHEMA listguard TO nobody');
is(sqlstate('SET ROLE nobody; SELECT listguard.reload_root_key()'), '42501', 'reload is not for everybody');
is(sqlstate('SET ROLE nobody; SELECT listguard.check_root_key()'), '42501', 'nor is the check');

$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/$key/i, 'the server log does not hold the root key');
done_testing();
