#!/usr/bin/env bash
#
# superuser.sh
#	A superuser who uses SQL as it is: masks, the threshold, and a record that
#	he cannot take back.
#
. "$(dirname "$0")/lib.sh"

attack_start 300

# as_dba NAME SQL: no address comes out of the guarded table.
as_dba()
{
	local taken

	sql postgres "$2" > "$attack_tmp/out"
	taken=$(attack_count < "$attack_tmp/out")
	[ "$taken" = 0 ]
	ok $? "$1: no address ($taken)"
}

as_dba "SELECT" "SELECT email FROM guarded LIMIT 20;"
as_dba "a cast" "SELECT email::text FROM guarded LIMIT 20;"
as_dba "a concatenation" "SELECT 'x' || email::text FROM guarded LIMIT 20;"
as_dba "COPY" "COPY guarded TO STDOUT;"
as_dba "format()" "SELECT format('%s', email) FROM guarded LIMIT 20;"
as_dba "to_json" "SELECT to_json(g) FROM guarded g LIMIT 20;"
as_dba "a row as text" "SELECT g::text FROM guarded g LIMIT 20;"
as_dba "an array as text" "SELECT array_agg(email)::text FROM (SELECT email FROM guarded LIMIT 20) s;"
as_dba "statistics" "ANALYZE guarded; SELECT most_common_vals, histogram_bounds FROM pg_stats WHERE tablename = 'guarded';"
as_dba "an error's DETAIL" "INSERT INTO guarded SELECT * FROM guarded WHERE id = 3;"
as_dba "RAISE" "DO \$\$ DECLARE r record; BEGIN FOR r IN SELECT * FROM guarded LIMIT 20 LOOP RAISE NOTICE '%', r; END LOOP; END \$\$;"
as_dba "EXPLAIN" "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM guarded WHERE email = 'nobody@example.org';"

as_dba "settings in the session" "SET listguard.enforce_superuser = off; SET listguard.bulk_threshold = 1000000; SELECT email FROM guarded LIMIT 20;"
grep -q ERROR "$attack_tmp/out"
ok $? "and they are refused"
as_dba "settings by ALTER SYSTEM" "ALTER SYSTEM SET listguard.enforce_superuser = off;"
grep -q ERROR "$attack_tmp/out"
ok $? "and it is refused"
as_dba "settings by ALTER ROLE" "ALTER ROLE postgres SET listguard.enforce_superuser = off;"
grep -q ERROR "$attack_tmp/out"
ok $? "and it is refused"

events=$(sql postgres "SELECT count(*) FROM listguard.audit;" | tail -n 1)
for statement in "DELETE FROM listguard.audit" "TRUNCATE listguard.audit" "UPDATE listguard.audit SET rows = 0" \
	"INSERT INTO listguard.audit (id, at) VALUES (gen_random_uuid(), now())" "DROP TABLE listguard.audit CASCADE" \
	"DROP EXTENSION listguard CASCADE" "DROP SCHEMA listguard CASCADE" "DROP TYPE listguard.sealed_email CASCADE"; do
	sql postgres "$statement;" > "$attack_tmp/out"
	grep -q ERROR "$attack_tmp/out"
	ok $? "$statement is refused"
done
[ "$(sql postgres "SELECT count(*) FROM listguard.audit;" | tail -n 1)" -ge "$events" ] 2> /dev/null
ok $? "no event is lost"
attack_done
