
# protect_check: finds what protect and protect_online would refuse, break or
# change; says where, never which address; changes nothing.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = lg_node('check', "wal_level = logical\n");

sub value { return $node->safe_psql('postgres', shift) }

value(q{
	CREATE EXTENSION listguard CASCADE;
	CREATE EXTENSION pg_trgm;
	CREATE ROLE boss LOGIN IN ROLE listguard_admin;
	CREATE ROLE reader LOGIN;
	CREATE TABLE people (email text PRIMARY KEY);
	CREATE TABLE t (id int PRIMARY KEY, email text DEFAULT 'nobody@zyxwvu.example', list int, other numeric, kind text, UNIQUE (list, email));
	CREATE TABLE child (email text);
	INSERT INTO t (id, email, list) VALUES (1, 'jo@zyxwvu.example', 1), (2, 'JO@zyxwvu.example', 1), (3, 'Jo@ZYXWVU.example', 2), (4, 'zyxwvu no address', 1),
		(5, '', 1), (6, NULL, 1), (7, 'j***@z***.example', 1), (8, 'fine@zyxwvu.example', 1);
	GRANT SELECT ON t TO reader;
	CREATE VIEW v AS SELECT email FROM t;
	CREATE MATERIALIZED VIEW mv AS SELECT id, email FROM t;
	CREATE RULE r AS ON UPDATE TO t WHERE new.email = 'x' DO ALSO NOTHING;
	CREATE FUNCTION by_body() RETURNS text LANGUAGE sql AS 'SELECT email FROM t LIMIT 1';
	CREATE FUNCTION by_plpgsql() RETURNS void LANGUAGE plpgsql AS 'BEGIN UPDATE t SET email = lower(email); END';
	CREATE FUNCTION by_dependency() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT email FROM t LIMIT 1; END;
	CREATE FUNCTION unrelated() RETURNS text LANGUAGE sql AS 'SELECT kind FROM t LIMIT 1';
	CREATE INDEX by_lower ON t (lower(email));
	CREATE INDEX by_part ON t (id) WHERE email LIKE '%x%';
	CREATE INDEX by_trgm ON t USING gin (email gin_trgm_ops);
	CREATE INDEX by_pattern ON t (email text_pattern_ops);
	CREATE INDEX plain_index ON t (email);
	ALTER TABLE t ADD CONSTRAINT looks CHECK (email <> 'q');
	ALTER TABLE t ADD COLUMN dom text GENERATED ALWAYS AS (split_part(email, '@', 2)) STORED;
	CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
	CREATE TRIGGER of_column BEFORE UPDATE OF email ON t FOR EACH ROW EXECUTE FUNCTION tf();
	CREATE TRIGGER "~zlate" BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION tf();
	CREATE STATISTICS st ON email, list FROM t;
	CREATE POLICY own ON t USING (true);
	CREATE POLICY on_email ON t AS RESTRICTIVE USING (email <> '');
	ALTER TABLE t ADD CONSTRAINT outside FOREIGN KEY (email) REFERENCES people NOT VALID;
	ALTER TABLE t ADD CONSTRAINT solo UNIQUE (id, email);
	CREATE PUBLICATION whole FOR TABLE people;
	CREATE PUBLICATION filtered FOR TABLE t (id, email) WHERE (email <> '');
});
my $before = value(q{SELECT string_agg(c::text, ',' ORDER BY oid) FROM pg_class c WHERE relname IN ('t', 'people')}) . value(q{SELECT count(*) FROM pg_attribute});

my ($status, $found, $err) = $node->psql('postgres', q{SELECT * FROM listguard.protect_check('t', '{email,other}')}, extra_params => [ '-U', 'boss' ]);
is($status, 0, 'an administrator may') or diag $err;
note $found;
unlike("$found$err", qr/zyxwvu/i, 'no address in what it says');
my @wanted = (
	[ qr/^value\|email\|refused: 3 values.* id 4 at character \d+: .*id 5 at character.*id 7 at character/m, 'values that are no address, where' ],
	[ qr/^duplicate\|email\|refused: 1 groups of rows \(2 rows\).*t_list_email_key.*id 1 and id 2/m, 'values that become equal, under which index' ],
	[ qr/^type\|other\|refused: numeric/m, 'a type that cannot be sealed' ],
	[ qr/^view\|email\|refused: (public\.)?v:/m, 'a view' ],
	[ qr/^view\|email\|refused: (public\.)?mv:/m, 'a materialised view' ],
	[ qr/^rule\|email\|refused: r on/m, 'a rule' ],
	[ qr/^function\|email\|refused: (public\.)?by_dependency\(\): found by dependency/m, 'a function by dependency' ],
	[ qr/^function\|email\|may break: (public\.)?by_body\(\): found by searching/m, 'a function by its text' ],
	[ qr/^function\|email\|may break: (public\.)?by_plpgsql\(\): found by searching/m, 'another language' ],
	[ qr/^index\|email\|refused: (public\.)?by_lower/m, 'lower()' ],
	[ qr/^index\|email\|refused: (public\.)?by_part/m, 'a partial index' ],
	[ qr/^index\|email\|refused: (public\.)?by_trgm/m, 'trigrams' ],
	[ qr/^index\|email\|refused: (public\.)?by_pattern/m, 'patterns' ],
	[ qr/^index\|email\|changes: (public\.)?plain_index/m, 'a plain index changes' ],
	[ qr/^check constraint\|email\|refused: looks/m, 'a CHECK' ],
	[ qr/^generated column\|email\|refused: (public\.)?t\.dom/m, 'a generated column' ],
	[ qr/^trigger\|email\|refused: of_column/m, 'a trigger on the column' ],
	[ qr/^trigger\|\|refused: "~zlate"/m, 'a trigger that would fire too late' ],
	[ qr/^trigger\|\|changes: of_column/m, 'a trigger that sees sealed values' ],
	[ qr/^default\|email\|changes/m, 'a default' ],
	[ qr/^statistics\|email\|changes \(protect_online: refused\): (public\.)?st/m, 'statistics' ],
	[ qr/^policy\|email\|refused: on_email/m, 'a policy on the column' ],
	[ qr/^policy\|\|refused: own/m, 'a permissive policy' ],
	[ qr/^policy\|\|changes: on_email/m, 'a restrictive policy' ],
	[ qr/^foreign key\|email\|refused: outside/m, 'a foreign key' ],
	[ qr/^publication\|email\|refused: filtered/m, 'a publication' ],
	[ qr/^column position\|email/m, 'the column moves' ],
	[ qr/^privilege\|\|changes: what reader/m, 'privileges' ]);
like($found, $_->[0], $_->[1]) for @wanted;
unlike($found, qr/unrelated/, 'a function that does not name the column is left out');
is(value(q{SELECT string_agg(c::text, ',' ORDER BY oid) FROM pg_class c WHERE relname IN ('t', 'people')}) . value(q{SELECT count(*) FROM pg_attribute}),
	$before, 'and nothing has changed');
is(value('SELECT count(*) FROM listguard.protected_table'), '0', 'nothing is registered');
is(value('SELECT count(*) FROM listguard.keyset'), '0', 'no key is made');
like(value(q{SELECT * FROM listguard.protect_check('people', '{email}')}), qr/^foreign key\|email\|refused: outside/m, 'a foreign key from elsewhere');

is(sqlstate($node, 'postgres', 'reader', q{SELECT * FROM listguard.protect_check('t', '{email}')}), '42501', 'others may not');
is(sqlstate($node, 'postgres', 'boss', q{SELECT * FROM listguard.protect_check('t', '{nocolumn}')}), '42703', 'a column that is not there');
like(value(q{SELECT * FROM listguard.protect_check('v', '{email}')}), qr/^relation\|\|refused/, 'a view is no table');

# what it calls clean is taken; what it calls refused is refused
value(q{
	CREATE TABLE clean (id int, email text UNIQUE);
	INSERT INTO clean SELECT n, 'r' || n || '@x.example' FROM generate_series(1, 100) n;
	CREATE TABLE parted (id int, email text, list int) PARTITION BY HASH (email);
	CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	INSERT INTO parted VALUES (1, 'not an address', 1);
});
unlike(value(q{SELECT * FROM listguard.protect_check('clean', '{email}')}), qr/refused|break/, 'nothing against a clean table');
is(sqlstate($node, 'postgres', 'boss', q{SELECT listguard.protect('clean', '{email}')}), 'ok', 'and protect takes it');
my $parts = value(q{SELECT * FROM listguard.protect_check('parted', '{email}')});
like($parts, qr/^partition key\|email\|refused/m, 'a partition key');
like($parts, qr/^partition\|\|changes: (public\.)?parted_1/m, 'partitions');
like($parts, qr/^value\|email\|refused: 1 values.* (public\.)?parted_[01] ctid \(0,1\) at character/m, 'a row of a partition');
like(value(q{SELECT * FROM listguard.protect_check('parted_0', '{email}')}), qr/^relation\|\|refused: it is a partition/m, 'protect its root');
is(sqlstate($node, 'postgres', 'boss', q{CALL listguard.protect_online('t', '{email}')}), '55000', 'protect_online refuses what it refuses');
value(q{DROP POLICY own ON t; DROP POLICY on_email ON t; DROP TRIGGER "~zlate" ON t; ALTER TABLE t DROP COLUMN dom; ALTER TABLE t DROP CONSTRAINT looks;
	DROP INDEX by_lower, by_part});
for my $drop ('VIEW v', 'MATERIALIZED VIEW mv', 'RULE r ON t', 'FUNCTION by_dependency()', 'TRIGGER of_column ON t', 'STATISTICS st', 'PUBLICATION filtered',
	'INDEX by_trgm', 'INDEX by_pattern')
{
	is(sqlstate($node, 'postgres', 'boss', q{CALL listguard.protect_online('t', '{email}')}), '0A000', "protect_online refuses early: $drop");
	value("DROP $drop");
}
is(sqlstate($node, 'postgres', 'boss', q{CALL listguard.protect_online('t', '{email}')}), '0A000', 'and a foreign key');
is(value(q{SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname ~ 'shadow'}), '0', 'nothing was changed');

$node->stop;
done_testing();
