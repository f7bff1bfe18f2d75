
# unprotect: only for an administrator who may reveal every list; types,
# defaults and privileges as they were or said to be gone; on record as a read;
# the same of partitions; and protect again afterwards.

use strict;
use warnings;

use FindBin;
use lib $FindBin::Bin;
use LGTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rows = 1500;
my $node = lg_node('unprotect');

sub value { return $node->safe_psql('postgres', shift) }

lg_list($node, 'postgres', $rows);
value(q{
	CREATE ROLE boss LOGIN IN ROLE listguard_admin;
	CREATE TABLE plain AS SELECT n AS id, format('reader%s@zyxwvu%s.example', n, n) AS email FROM generate_series(1, 1500) n;
});

# who may
is(sqlstate($node, 'postgres', 'app', q{SELECT listguard.unprotect('subs')}), '42501', 'an application role may not');
is(sqlstate($node, 'postgres', 'boss', q{SELECT listguard.unprotect('subs')}), '42501', 'an administrator without reveal may not');
is(sqlstate($node, 'postgres', 'postgres', q{SELECT listguard.unprotect('subs')}), '42501', 'nor a superuser');
value(q{SELECT listguard.grant_access('boss', 'subs', '{reveal}', '{news1}')});
is(sqlstate($node, 'postgres', 'boss', q{SELECT listguard.unprotect('subs')}), '42501', 'nor who may reveal one list of two');
is(sqlstate($node, 'postgres', 'boss', q{SELECT listguard.unprotect('plain')}), '55000', 'a plain table is refused');
is(sqlstate($node, 'postgres', 'app', q{SELECT listguard._open(email) FROM subs LIMIT 1}), '42501', 'what opens values refuses everywhere else');
is(sqlstate($node, 'postgres', 'boss', q{SELECT listguard._unprotect('subs'::regclass)}), '42501', 'and the work cannot be called beside the check');
value(q{SELECT listguard.grant_access('boss', 'subs', '{reveal}')});

# in a transaction that is rolled back
my ($status, $out, $err) = $node->psql('postgres', q{BEGIN; SELECT listguard.unprotect('subs'); SELECT format_type(atttypid, NULL) FROM pg_attribute
	WHERE attrelid = 'subs'::regclass AND attname = 'email'; ROLLBACK;}, extra_params => [ '-U', 'boss' ]);
like($out, qr/^text$/m, 'it works in a transaction');
is(value(q{SELECT relforcerowsecurity FROM pg_class WHERE oid = 'subs'::regclass}), 't', 'ROLLBACK takes it back');

($status, $out, $err) = $node->psql('postgres', q{SELECT listguard.unprotect('subs')}, extra_params => [ '-U', 'boss' ]);
is($status, 0, 'who may reveal all lists may') or diag $err;
unlike($err, qr/zyxwvu/, 'no address in what it says');
like($err, qr/given by grant_access are revoked/, 'it says whose privileges are gone');
is(value(q{SELECT count(*) FROM subs JOIN plain USING (id, email)}), $rows, 'every address is there in clear');
is(value(q{SELECT relrowsecurity OR relforcerowsecurity FROM pg_class WHERE oid = 'subs'::regclass}), 'f', 'row security is off');
is(value(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'subs'::regclass AND NOT tgisinternal}), '0', 'no trigger is left');
is(value(q{SELECT count(*) FROM pg_policy WHERE polrelid = 'subs'::regclass}), '0', 'no policy');
is(value(q{SELECT count(*) FROM listguard.access_grant}), '0', 'no grant');
is(sqlstate($node, 'postgres', 'app', 'SELECT FROM subs'), '42501', 'roles that had access by grants have none to the plain table');
is(value(q{SELECT count(*) FROM listguard.key k WHERE wrapped IS NOT NULL}), '3', 'keys stay');
value('SELECT listguard._drain()');
is(value(q{SELECT rows || ' ' || reveals || ' ' || login_role FROM listguard.reads WHERE detail ? 'unprotect'}), "$rows $rows boss\n$rows $rows boss", 'each attempt is on record as a read of all rows, ROLLBACK or not');
is(value(q{SELECT detail->>'rows' FROM listguard.audit WHERE kind = 'setting' AND detail ? 'unprotect'}), "$rows\n$rows", 'and as a change of settings');

# again
value(q{SELECT listguard.protect('subs', '{email}', list_column => 'list'); SELECT listguard.grant_access('boss', 'subs', '{view,reveal}')});
is($node->safe_psql('postgres', q{SELECT email FROM subs WHERE email = 'READER7@zyxwvu7.example'}, extra_params => [ '-U', 'boss' ]), address(7), 'protected again');
is(value(q{SELECT count(*) FROM listguard.lists WHERE relation = 'public.subs'}), '2', 'with lists of its own');
$node->safe_psql('postgres', q{SELECT listguard.unprotect('subs')}, extra_params => [ '-U', 'boss' ]);
is(value(q{SELECT count(*) FROM subs JOIN plain USING (id, email)}), $rows, 'and back again');

# what the columns were; one list; a second column added later; renamed meanwhile; a policy of the table's own
value(q{
	CREATE EXTENSION citext;
	CREATE TABLE kinds (id int, a varchar(80) DEFAULT 'nobody@x.example', b citext, c char(40), d text);
	INSERT INTO kinds VALUES (1, 'A@x.example', 'B@x.example', 'C@x.example', 'D@x.example'), (2, NULL, NULL, NULL, NULL);
	CREATE POLICY narrow ON kinds AS RESTRICTIVE USING (id > 0);
	SELECT listguard.protect('kinds', '{a,b,c}');
	SELECT listguard.protect('kinds', '{d}');
	ALTER TABLE kinds RENAME COLUMN b TO bb;
	ALTER TABLE kinds RENAME TO sorts;
	SELECT listguard.grant_access('boss', 'sorts', '{reveal}');
});
($status, $out, $err) = $node->psql('postgres', q{SELECT listguard.unprotect('sorts')}, extra_params => [ '-U', 'boss' ]);
is($status, 0, 'columns of several types') or diag $err;
is(value(q{SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'sorts'::regclass AND attnum > 1}),
	'a character varying(80), bb citext, c character(40), d text', 'are what they were');
is(value(q{SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'sorts'::regclass}), q{'nobody@x.example'::character varying}, 'the default too');
is(value(q{SELECT a, bb, c, d FROM sorts ORDER BY id}), "A\@x.example|B\@x.example|C\@x.example                             |D\@x.example\n|||", 'and the values');
is(value(q{SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'sorts'::regclass}), 't|f', 'row security stays where the table has a policy of its own');

# partitions, a unique key and a foreign key elsewhere in the table
value(q{
	CREATE TABLE parted (id int, email text, list int, UNIQUE (list, email)) PARTITION BY LIST (list);
	CREATE TABLE parted_0 PARTITION OF parted FOR VALUES IN (0);
	CREATE TABLE parted_1 PARTITION OF parted DEFAULT;
	INSERT INTO parted SELECT id, email, id % 2 FROM plain;
	SELECT listguard.protect('parted', '{email}', 'list');
	CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
	INSERT INTO parted VALUES (9001, 'late@x.example', 2);
	SELECT listguard.grant_access('boss', 'parted', '{reveal}');
});
$node->safe_psql('postgres', q{SELECT listguard.unprotect('parted')}, extra_params => [ '-U', 'boss' ]);
is(value(q{SELECT count(*) FROM parted JOIN plain USING (id, email)}), $rows, 'partitions: every address');
is(value(q{SELECT email FROM parted_2}), 'late@x.example', 'and what came later');
is(value(q{SELECT count(*) FROM pg_trigger WHERE tgrelid::regclass::text ~ 'parted' AND NOT tgisinternal}), '0', 'no trigger is left on a partition');
is(value(q{SELECT count(*) FROM pg_class WHERE relname ~ '^parted' AND (relrowsecurity OR relforcerowsecurity)}), '0', 'nor row security');
is(value(q{SELECT count(*) FROM pg_attribute WHERE attrelid::regclass::text ~ '^parted(_.)?$' AND attname = 'email' AND atttypid <> 'text'::regtype}), '0', 'all columns are text');
value(q{SELECT listguard.protect('parted', '{email}', 'list')});
is(value(q{SELECT count(*) FROM pg_trigger WHERE tgname = 'listguard_ins' AND tgrelid::regclass::text ~ 'parted'}), '4', 'and protected again');

# DROP EXTENSION is possible when the last column is plain
value(q{SELECT listguard.grant_access('boss', 'parted', '{reveal}')});
$node->safe_psql('postgres', q{SELECT listguard.unprotect('parted')}, extra_params => [ '-U', 'boss' ]);
is(sqlstate($node, 'postgres', 'postgres', 'DROP EXTENSION listguard'), 'ok', 'the extension can go');

$node->stop;
done_testing();
