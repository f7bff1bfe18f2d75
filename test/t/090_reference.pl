
# docs/reference.md names every function, view, type, setting and SQLSTATE that
# exists, and none that does not.  Names that start with "_" are internal.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = lg_node('reference');
$node->safe_psql('postgres', 'CREATE EXTENSION listguard CASCADE');
my $page = slurp_file("$FindBin::Bin/../../docs/reference.md");

# What the page's tables name in their first column, by section.
my (%said, $section);
for (split /\n/, $page)
{
	$section = $1 if /^##+ (.*)/;
	$said{$section}{$1} = 1 if defined $section && /^\| `([a-z0-9_.A-Z]+)/;
}

sub same
{
	my ($section, $what, @names) = @_;
	my %is = map { $_ => 1 } @names;
	is(join(' ', grep { !$said{$section}{$_} } sort keys %is), '', "every $what is on the page");
	is(join(' ', grep { !$is{$_} } sort keys %{ $said{$section} }), '', "every $what on the page exists");
	return;
}

sub names
{
	return split /\n/, $node->safe_psql('postgres', shift);
}

same('Types', 'type', names(q{SELECT typname FROM pg_type WHERE typnamespace = 'listguard'::regnamespace AND typtype = 'b' AND typcategory <> 'A'}));
same('Functions', 'function', names(q{
	SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'listguard'::regnamespace AND proname !~ '^_'
		AND prorettype <> 'trigger'::regtype AND proname !~ '^sealed_' AND obj_description(oid, 'pg_proc') !~ '^internal'}));
same('Views and tables to read', 'relation', names(q{
	SELECT relname FROM pg_class WHERE relnamespace = 'listguard'::regnamespace AND (relkind = 'v' OR relname = 'audit')}));
same('Settings', 'setting', names(q{SELECT name FROM pg_settings WHERE name LIKE 'listguard.%' UNION ALL SELECT 'listguard.ticket'}));
my $codes = slurp_file("$FindBin::Bin/../../src/errcodes.h");
same('Error codes', 'SQLSTATE', map { s/[',]//gr } $codes =~ /MAKE_SQLSTATE\(('L','G','0','0','\d')/g);

is($node->safe_psql('postgres', q{
	SELECT string_agg(p.oid::regprocedure::text, ' ') FROM pg_proc p WHERE pronamespace = 'listguard'::regnamespace
		AND coalesce(obj_description(p.oid, 'pg_proc'), '') = ''}), '', 'every function has a COMMENT');
is($node->safe_psql('postgres', q{
	SELECT string_agg(p.oid::regprocedure::text, ' ') FROM pg_proc p WHERE pronamespace = 'listguard'::regnamespace
		AND prosecdef AND NOT coalesce(proconfig::text, '') LIKE '%search_path=pg_catalog, pg_temp%'}), '',
	'every SECURITY DEFINER function has its search_path');

$node->stop;
done_testing();
