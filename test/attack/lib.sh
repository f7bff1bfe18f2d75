# shellcheck shell=bash
#
# lib.sh
#	What the attack scripts share.
#
# An attack is SQL that a thief with the application's password sends.  It runs
# twice: against a table nobody guards, where it must bring home the addresses
# (else it proves nothing), and against the protected one.  What it brings home
# is counted on the client's side: the distinct known addresses in everything
# psql printed, results, notices and errors alike.
#
#	attack_start [ROWS]			a server, the two tables, the role "app"
#	attack NAME MAX SQL			run it; at most MAX addresses may come out
#	sql ROLE SQL				run SQL, print what came
#	ok STATUS TEXT				one more TAP line
#	attack_done					the plan
#
# In SQL, @TABLE@ stands for the table's name.  The tables are alike: id, email,
# name, list_id.  "app" may view and reveal, and owns the schema "loot".
#
set -u
attack_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
. "$attack_dir/../tools/pgserver"

attack_n=0
attack_failed=0
attack_server=
attack_tmp=
attack_threshold=50

attack_cleanup()
{
	[ -z "$attack_server" ] || "$attack_dir/../tools/pgserver" stop "$attack_server"
	rm -rf "${attack_server:-/nonexistent}" "${attack_tmp:-/nonexistent}"
}

ok()
{
	attack_n=$((attack_n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $attack_n - $2"
	else
		attack_failed=$((attack_failed + 1))
		echo "not ok $attack_n - $2"
	fi
}

sql()
{
	timeout 120 psql -XAtq -d attack -U "$1" -v VERBOSITY=verbose -f - 2>&1 <<< "$2"
}

attack_start()
{
	local rows=${1:-500}

	trap attack_cleanup EXIT
	trap 'exit 1' HUP INT TERM
	attack_tmp=$(mktemp -d) || exit 1
	LG_PG_CONFIG=$(lg_pg_config) || lg_die "no server to build against"
	PATH=$("$LG_PG_CONFIG" --bindir):$PATH
	attack_server=$(lg_mktemp attack) || exit 1
	eval "$("$attack_dir/../tools/pgserver" start ${LG_DEST:+--dest "$LG_DEST"} "$attack_server")"
	[ -n "${PGHOST:-}" ] || { echo "Bail out! no server"; exit 1; }
	createdb attack || exit 1
	sql postgres "
		\\set ON_ERROR_STOP on
		CREATE EXTENSION listguard CASCADE;
		CREATE ROLE app LOGIN;
		CREATE SCHEMA loot AUTHORIZATION app;
		CREATE TABLE plain (id int PRIMARY KEY, email text NOT NULL, name text, list_id text NOT NULL);
		INSERT INTO plain SELECT n, format('reader%s@example%s.org', n, n % 7), format('Reader %s', n), 'news' || n % 3
			FROM generate_series(1, $rows) n;
		GRANT SELECT ON plain TO app;
		CREATE TABLE guarded (LIKE plain INCLUDING ALL);
		INSERT INTO guarded SELECT * FROM plain;
		SELECT listguard.protect('guarded', '{email}', list_column => 'list_id', bulk_threshold => $attack_threshold);
		SELECT listguard.grant_access('app', 'guarded', '{view,reveal}');
		" > "$attack_tmp/setup" || { sed 's/^/# /' "$attack_tmp/setup"; echo "Bail out! set-up failed"; exit 1; }
	sql postgres "SELECT lower(email) FROM plain" | LC_ALL=C sort -u > "$attack_tmp/known"
}

# attack_count: how many distinct known addresses are in the text on stdin.
attack_count()
{
	tr 'A-Z' 'a-z' | grep -oE '[^][:space:],;"'\''(){}<>|=[]+@[a-z0-9.-]+' | LC_ALL=C sort -u |
		LC_ALL=C comm -12 - "$attack_tmp/known" | wc -l
}

# attack NAME MAX SQL
attack()
{
	local name=$1 max=$2 text=$3 plain guarded

	sql app "${text//@TABLE@/plain}" > "$attack_tmp/plain"
	sql app "${text//@TABLE@/guarded}" > "$attack_tmp/guarded"
	plain=$(attack_count < "$attack_tmp/plain")
	guarded=$(attack_count < "$attack_tmp/guarded")
	[ "$plain" = "$(wc -l < "$attack_tmp/known")" ]
	ok $? "$name: unguarded, it takes everything ($plain)"
	[ "$guarded" -le "$max" ] && ! grep -qE 'FATAL|PANIC|server closed|XX000' "$attack_tmp/guarded"
	ok $? "$name: guarded, it takes at most $max ($guarded)" || tail -n 5 "$attack_tmp/guarded" | sed 's/^/# /'
}

attack_done()
{
	echo "1..$attack_n"
	[ "$attack_failed" = 0 ]
	exit
}
