#!/usr/bin/env bash
#
# psql.sh
#	psql as an application's client: \bind is of 16, so parameters go by PREPARE.
#	Started by run, which see.
#
set -u
n=0

# is TEXT EXPECTED GOT
is()
{
	n=$((n + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		printf '# expected: %s\n# got: %s\n' "$2" "$3"
	fi
}

# q SQL...: each in one transaction of its own, tuples only; errors as SQLSTATE.
q()
{
	local sql args=()

	for sql in "$@"; do
		args+=(-c "$sql")
	done
	psql -XAtq -v VERBOSITY=sqlstate "${args[@]}" 2>&1 | sed 's/^ERROR:  //'
}

first=$(sed -n 1p "$LG_ADDRESSES")
bad=no-address.$LG_CLIENT.clients.example

# COPY in, as text, csv and binary, twenty rows each.
sed 's/\\/\\\\/g' "$LG_ADDRESSES" | awk '{printf "1\t%d\t%s\n", NR, $0}' > all.text
sed -n 1,20p all.text > a.text
awk 'NR > 20 && NR <= 40 {gsub(/"/, "\"\""); printf "1,%d,\"%s\"\n", NR, $0}' "$LG_ADDRESSES" > b.csv
q "\\copy subscriber (list_id, ref, email) FROM a.text"
q "\\copy subscriber (list_id, ref, email) FROM b.csv (FORMAT csv)"
q "CREATE TEMP TABLE c (list_id int, ref int, email text)" "\\copy c FROM all.text" "DELETE FROM c WHERE ref <= 40" \
	"\\copy c TO c.bin (FORMAT binary)"
q "\\copy subscriber (list_id, ref, email) FROM c.bin (FORMAT binary)"
is "COPY FROM text, csv and binary" 60 "$(q "SELECT count(*) FROM subscriber")"

# COPY out.
q "\\copy (SELECT email FROM subscriber WHERE ref <= 20 ORDER BY ref) TO out.csv (FORMAT csv)"
is "COPY TO csv" "$(sed -n 1,20p "$LG_ADDRESSES" | awk '/[",\\]/ {gsub(/"/, "\"\""); $0 = "\"" $0 "\""} {print}' | tr -d '"')" \
	"$(tr -d '"' < out.csv)"
q "\\copy (SELECT list_id, ref, email FROM subscriber WHERE ref <= 20 ORDER BY ref) TO out.text"
is "COPY TO text" "$(cat a.text)" "$(cat out.text)"
q "\\copy (SELECT list_id, ref, email FROM subscriber WHERE ref > 40 ORDER BY ref) TO out.bin (FORMAT binary)"
is "COPY TO binary" "$(od -c c.bin)" "$(od -c out.bin)"
is "COPY TO over the threshold" LG001 "$(q "COPY subscriber (email) TO STDOUT")"
is "a masked role's COPY TO gets armour" 5 "$(PGUSER=masked q "COPY (SELECT email FROM subscriber WHERE ref <= 5) TO STDOUT" | grep -c '^lg1:')"

# Parameters, each type an application may declare.
for type in unknown text varchar 'varchar(320)' 'char(80)'; do
	is "looked up by a parameter of type $type" 1 "$(q "
		PREPARE by$([ "$type" = unknown ] || echo "($type)") AS SELECT ref FROM subscriber WHERE email = \$1;
		EXECUTE by(upper('$first'))")"
done
is "= ANY(text[])" "1 2" "$(q "PREPARE a(text[]) AS SELECT ref FROM subscriber WHERE email = ANY(\$1) ORDER BY 1" \
	"EXECUTE a(ARRAY['$first', 'UPPER.CASE@upper.$LG_CLIENT.clients.example'])" | paste -sd ' ')"
is "lower(email) = lower(\$1)" 1 "$(q "PREPARE a(text) AS SELECT ref FROM subscriber WHERE lower(email) = lower(\$1)" "EXECUTE a(upper('$first'))")"
is "IN (\$1, \$2)" 1 "$(q "PREPARE a(varchar, varchar) AS SELECT ref FROM subscriber WHERE email IN (\$1, \$2)" \
	"EXECUTE a('$first', 'nobody@psql.clients.example')")"
is "a generic plan, ten times over" "$(yes 1 | head -n 10)" "$(q "PREPARE a(text) AS SELECT ref FROM subscriber WHERE email = \$1" \
	"SET plan_cache_mode = force_generic_plan" "$(yes "EXECUTE a('$first');" | head -n 10)")"

# Changes.
is "ON CONFLICT DO NOTHING" "" "$(q "INSERT INTO subscriber (list_id, email) VALUES (1, '$first') ON CONFLICT DO NOTHING RETURNING id")"
is "ON CONFLICT DO UPDATE RETURNING" "1|+49-555-psql" "$(q "INSERT INTO subscriber (list_id, email, phone) VALUES (1, '$first', '+49-555-psql')
	ON CONFLICT (list_id, email) DO UPDATE SET phone = excluded.phone RETURNING ref, phone")"
is "UPDATE RETURNING" "$first|secret-name-psql" "$(q "UPDATE subscriber SET name = 'secret-name-psql' WHERE email = lower('$first') RETURNING email, name")"
is "a duplicate" 23505 "$(q "INSERT INTO subscriber (list_id, email) VALUES (1, '$first')")"
is "DELETE RETURNING" "$first|$first" "$(q "BEGIN" "DELETE FROM subscriber WHERE email = '$first' RETURNING email || '|' || email::text" "ROLLBACK")"
is "a bad address" 22P02 "$(q "INSERT INTO subscriber (list_id, email) VALUES (1, '$bad')")"
is "a savepoint outlives it" "22P02 1" "$(q BEGIN "SAVEPOINT a" "SELECT 1 FROM subscriber WHERE email = '$bad'" "ROLLBACK TO a" \
	"SELECT ref FROM subscriber WHERE email = '$first'" COMMIT | paste -sd ' ')"
is "another list's rows are not there" 0 "$(q "SELECT count(*) FROM subscriber WHERE list_id = 2")"
is "nor may be made" 42501 "$(q "INSERT INTO subscriber (list_id, email) VALUES (2, 'x@psql.clients.example')")"

# Bulk: by a select, by a cursor, by FETCH_COUNT.
is "a SELECT over the threshold" LG001 "$(q "SELECT email FROM subscriber")"
is "a cursor adds up" "40 LG001" "$(q BEGIN "DECLARE c CURSOR FOR SELECT email FROM subscriber" "FETCH 20 FROM c" "FETCH 20 FROM c" "FETCH 20 FROM c" |
	awk '/@/ {n++} /LG001/ {e = $0} END {print n, e}')"
is "FETCH_COUNT below it" "$(sed -n 1,30p "$LG_ADDRESSES")" \
	"$(q "\\set FETCH_COUNT 7" "SELECT email FROM subscriber WHERE ref <= 30 ORDER BY ref")"
is "\\gset takes a value" "$first" "$(psql -XAtq -f - <<< "SELECT email AS e FROM subscriber WHERE ref = 1 \\gset
\\echo :e")"
is "the type's name" "listguard.sealed_email" "$(psql -XAtq -f - <<< 'SELECT email FROM subscriber WHERE ref = 1 \gdesc' | cut -d'|' -f2)"

# Masks.
is "a mask" "J***@p***.example" "$(PGUSER=masked q "SELECT email FROM subscriber WHERE ref = 1")"
is "a masked role finds by the whole address" 1 "$(PGUSER=masked q "SELECT ref FROM subscriber WHERE email = '$first'")"
is "a mask saved back is refused" 22P02 "$(PGUSER=masked q "UPDATE subscriber SET email = 'J***@p***.example' WHERE ref = 1")"
is "SET ROLE to a masked role" "J***@p***.example" "$(q "SET ROLE masked" "SELECT email FROM subscriber WHERE ref = 1")"
is "a masked role never got an address" 0 "$(PGUSER=masked q "SELECT * FROM subscriber WHERE ref <= 30" "SELECT email::text || name FROM subscriber WHERE ref > 30" \
	"COPY (SELECT email FROM subscriber WHERE ref <= 30) TO STDOUT" | grep -cFif "$LG_ADDRESSES")"
echo "1..$n"
