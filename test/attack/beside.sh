#!/usr/bin/env bash
#
# beside.sh
#	A column that is not sealed counts like one that is.  Each road hands it, row
#	by row, to a function of the thief's that RAISEs it: from where it is neither
#	in the scan's filter nor in the result (a join's inner side, an aggregate's
#	argument, an UPDATE's new value, a domain's constraint within array_in).  A
#	NOTICE leaves before the statement ends: the threshold and one more bound it.
#
. "$(dirname "$0")/lib.sh"

attack_start 300
sql postgres "
	\\set ON_ERROR_STOP on
	UPDATE guarded SET name = 'alias' || id || '@example.net';
	UPDATE plain SET name = 'alias' || id || '@example.net';
	GRANT INSERT, UPDATE ON plain TO app;
	SELECT listguard.grant_access('app', 'guarded', '{view,reveal,insert,update}');
	SET ROLE app;
	CREATE FUNCTION loot.say(t text) RETURNS text LANGUAGE plpgsql COST 0.0001 AS \$\$
		BEGIN RAISE NOTICE '%', t; RETURN t; END \$\$;
	CREATE FUNCTION loot.none(t text) RETURNS SETOF int LANGUAGE plpgsql AS \$\$
		BEGIN RAISE NOTICE '%', t; RETURN; END \$\$;
	CREATE TABLE loot.n AS SELECT id FROM generate_series(1, 300) id;
	ANALYZE loot.n;
	CREATE DOMAIN loot.told AS text CHECK (loot.say(value) IS NOT NULL);
	CREATE TYPE loot.told_row AS (a loot.told);
	CREATE DOMAIN loot.d_plain AS text;
	CREATE DOMAIN loot.d_guarded AS text;
	CREATE TABLE loot.t_plain AS SELECT id, email, name::loot.d_plain FROM plain;
	CREATE TABLE loot.t_guarded AS SELECT id, email, name::loot.d_guarded FROM plain;
	RESET ROLE;
	SELECT listguard.protect('loot.t_guarded', '{email}', bulk_threshold => $attack_threshold);" > "$attack_tmp/setup"
! grep -E 'ERROR|FATAL' "$attack_tmp/setup" | sed 's/^/# /' | grep .
ok $? "the thief has his functions"
sql postgres "SELECT name FROM plain" | LC_ALL=C sort -u > "$attack_tmp/known"

# aside NAME SQL
aside()
{
	attack "$1" $((attack_threshold + 1)) "BEGIN; $2; ROLLBACK;"
}

aside "a function in LATERAL" "SELECT count(*) FROM @TABLE@ t, LATERAL loot.none(t.name)"
aside "ROWS FROM" "SELECT count(*) FROM @TABLE@ t, ROWS FROM (loot.none(t.name), generate_series(1, 0)) f (a, b)"
aside "VALUES in LATERAL" "SELECT count(*) FROM @TABLE@ t, LATERAL (VALUES (loot.say(t.name))) v (a) WHERE a = 'x'"
aside "a subquery's LIMIT" "SELECT count(*) FROM @TABLE@ t, LATERAL (SELECT 1 FROM loot.n LIMIT length(loot.say(t.name)) * 0) l"
aside "an initplan of a subquery" "SELECT count(*) FROM @TABLE@ t, LATERAL (SELECT 1 WHERE (SELECT loot.say(t.name)) = 'x' OFFSET 0) l"
aside "an aggregate's argument" "SELECT count(DISTINCT loot.say(name)) FROM @TABLE@"
aside "an aggregate's FILTER" "SELECT count(*) FILTER (WHERE loot.say(name) = 'x') FROM @TABLE@"
aside "a domain in array_in" "SELECT count(*) FROM @TABLE@ WHERE (ARRAY[name]::text)::loot.told[] IS NULL"
aside "a domain in a record" "SELECT count(*) FROM @TABLE@ WHERE (json_populate_record(NULL::loot.told_row, json_build_object('a', name))).a = 'x'"
aside "the join of an UPDATE" "UPDATE @TABLE@ t SET name = t.name FROM loot.n WHERE n.id = t.id AND loot.say(t.name || left(n.id::text, 0)) = 'x'"
aside "the new value of an UPDATE with a join" "UPDATE @TABLE@ t SET name = loot.say(t.name) FROM loot.n WHERE n.id = t.id"
aside "ON CONFLICT DO UPDATE WHERE ... RETURNING" "INSERT INTO @TABLE@ AS t SELECT id, 'new' || id || '@example.org', 'x', 'news1' FROM loot.n ON CONFLICT (id) DO UPDATE SET name = t.name WHERE loot.say(t.name) = 'x' RETURNING 1"
attack "a new constraint of a column's domain" 0 "ALTER DOMAIN loot.d_@TABLE@ ADD CHECK (loot.say(value) IS NOT NULL);"

# Each row is a statement of its own, but none of the client's.
sql postgres "CREATE TABLE loot.asked (id int); ALTER TABLE loot.asked OWNER TO app;"
later()
{
	attack "$1" $((attack_threshold + 1)) "CREATE FUNCTION loot.tell() RETURNS trigger LANGUAGE plpgsql AS \$\$
		DECLARE t text; BEGIN SELECT name INTO t FROM @TABLE@ WHERE id = new.id; RAISE NOTICE '%', t; RETURN NULL; $2 END \$\$;
		CREATE CONSTRAINT TRIGGER tell AFTER INSERT ON loot.asked DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION loot.tell();
		BEGIN; INSERT INTO loot.asked SELECT id FROM loot.n; COMMIT;
		DROP FUNCTION loot.tell() CASCADE;"
}
later "a trigger deferred to COMMIT" ""
later "a deferred trigger that swallows errors" "EXCEPTION WHEN OTHERS THEN RETURN NULL;"

# What stays in the row costs one, with a join as without.
sql app "BEGIN; UPDATE guarded t SET name = 'x' FROM loot.n WHERE n.id = t.id; ROLLBACK;" > "$attack_tmp/out"
[ ! -s "$attack_tmp/out" ]
ok $? "an honest UPDATE of all rows with a join passes" || sed 's/^/# /' "$attack_tmp/out"
sql app "SELECT count(*) FROM guarded t JOIN loot.n USING (id);" > "$attack_tmp/out"
[ "$(cat "$attack_tmp/out")" = 300 ]
ok $? "an honest count over a join passes" || sed 's/^/# /' "$attack_tmp/out"
attack_done
