# What the TAP tests share: a server with listguard and a root key of its own,
# and a protected list.
package LGTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(lg_node lg_list sqlstate address);

# lg_node NAME [CONF]: initialised, with a root key, started.
sub lg_node
{
	my ($name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init;
	my $file = $node->basedir . '/root.key';
	append_to_file($file, join('', map { sprintf '%02x', int rand 256 } 1 .. 32) . "\n");
	chmod 0600, $file or die "chmod: $!";
	$node->append_conf('postgresql.conf',
		"listguard.root_key_file = '$file'\nlistguard.root_key_command = ''\n" . ($conf // ''));
	$node->start;
	return $node;
}

# The n-th address of every list here: nothing else in a server looks like it.
sub address
{
	my ($n) = @_;
	return "reader$n\@zyxwvu$n.example";
}

# lg_list NODE, DB, ROWS: table "subs" with two lists, protected; the role app
# may view and reveal, the role loader insert.
sub lg_list
{
	my ($node, $db, $rows, $options) = @_;
	$options = defined $options ? ", $options" : '';
	$node->safe_psql($db, qq{
		CREATE EXTENSION IF NOT EXISTS listguard CASCADE;
		CREATE ROLE app LOGIN;
		CREATE ROLE loader LOGIN;
		CREATE TABLE subs (id int PRIMARY KEY, email text NOT NULL, name text, list text NOT NULL, UNIQUE (list, email));
		INSERT INTO subs SELECT n, format('reader%s\@zyxwvu%s.example', n, n), format('Reader %s', n), 'news' || n % 2
			FROM generate_series(1, $rows) n;
		ANALYZE subs;
		SELECT listguard.protect('subs', '{email}', list_column => 'list' $options);
		SELECT listguard.grant_access('app', 'subs', '{view,reveal}');
		SELECT listguard.grant_access('loader', 'subs', '{insert}', lists => '{news0,news1}');
	});
	return;
}

# SQLSTATE of one statement as a role: 'ok', or the five characters.
sub sqlstate
{
	my ($node, $db, $role, $sql) = @_;
	my ($status, $out, $err) = $node->psql($db, $sql,
		extra_params => [ '-U', $role, '-v', 'VERBOSITY=sqlstate' ], on_error_stop => 1);
	return $status == 0 ? 'ok' : $err =~ /(?:ERROR|FATAL):  (\w+)/ ? $1 : $err;
}

1;
