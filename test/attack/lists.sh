#!/usr/bin/env bash
#
# lists.sh
#	A role that may reveal one list tries to get at another by moving its values:
#	under its own list's key they would open.  Each road is refused and leaves
#	nothing behind.
#
. "$(dirname "$0")/lib.sh"

# Fewer rows a list than the threshold: they are counted below.
attack_start 120
sql postgres "CREATE ROLE one LOGIN;
	CREATE SCHEMA hold AUTHORIZATION one;
	SELECT listguard.grant_access('one', 'guarded', '{view,insert,update,delete}');
	SELECT listguard.grant_access('one', 'guarded', '{reveal}', lists => '{news1}');
	CREATE TABLE other (id int PRIMARY KEY, email text NOT NULL UNIQUE, name text);
	SELECT listguard.protect('other', '{email}');
	SELECT listguard.grant_access('one', 'other', '{view,reveal,insert,update,delete}');" > "$attack_tmp/setup"
! grep ERROR "$attack_tmp/setup" | sed 's/^/# /' | grep .
ok $? "a role that may see masks of all lists and reveal news1"
# Addresses of the lists that it may not reveal.
sql postgres "SELECT lower(email) FROM plain WHERE list_id <> 'news1'" | LC_ALL=C sort -u > "$attack_tmp/known"
before=$(sql postgres "SELECT count(*) FROM guarded WHERE list_id = 'news1'; SELECT count(*) FROM other;")

# road NAME SQL: nothing in clear, refused for what it is, and as many rows as before.
road()
{
	local taken

	sql one "$2" > "$attack_tmp/out"
	taken=$(attack_count < "$attack_tmp/out")
	[ "$taken" = 0 ]
	ok $? "$1: no address of another list ($taken)"
	grep -qE 'ERROR:  (42501|LG006|0A000|22P02)' "$attack_tmp/out"
	ok $? "$1: refused" || sed 's/^/# /' "$attack_tmp/out" | head -n 5
	[ "$(sql postgres "SELECT count(*) FROM guarded WHERE list_id = 'news1'; SELECT count(*) FROM other;")" = "$before" ]
	ok $? "$1: nothing is stored"
}

sql one "SELECT email FROM guarded WHERE list_id <> 'news1' LIMIT 10" > "$attack_tmp/out"
[ "$(attack_count < "$attack_tmp/out")" = 0 ] && grep -q '\*\*\*@' "$attack_tmp/out"
ok $? "as they lie, it sees masks"
sql one "SELECT email FROM guarded WHERE list_id = 'news1' LIMIT 10" > "$attack_tmp/out"
grep -q 'reader[0-9]*@' "$attack_tmp/out"
ok $? "and its own list in clear"

road "UPDATE of the list column" "UPDATE guarded SET list_id = 'news1' WHERE id = 3;"
road "INSERT ... SELECT into its own list" "INSERT INTO guarded SELECT id + 1000, email, name, 'news1' FROM guarded WHERE id = 3;"
road "INSERT ... SELECT into another table" "INSERT INTO other SELECT id, email, name FROM guarded WHERE id = 3;"
road "ON CONFLICT DO UPDATE" "INSERT INTO guarded SELECT 1, email, name, 'news1' FROM guarded WHERE id = 3 ON CONFLICT (id) DO UPDATE SET email = excluded.email;"
road "UPDATE ... FROM" "UPDATE guarded g SET email = s.email FROM guarded s WHERE g.id = 1 AND s.id = 3;"
road "MERGE" "MERGE INTO other USING (SELECT * FROM guarded WHERE id = 3) s ON other.id = s.id WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.email, s.name);"
road "a mask as input" "INSERT INTO other VALUES (7, (SELECT email::text FROM guarded WHERE id = 3), NULL);"
sql one "SET listguard.output = 'sealed'; SELECT email FROM guarded WHERE id = 3;" > "$attack_tmp/armour"
armour=$(grep -o 'lg1:[^ ]*' "$attack_tmp/armour" | head -n 1)
road "its armour as input" "INSERT INTO other VALUES (8, '${armour:-lg1:x}', NULL);"
attack_done
