#!/usr/bin/env bash
#
# ticket_replay.sh
#	One ticket, many uses: again, after ROLLBACK, after kill -9 of the server,
#	twenty sessions at once, by another role, altered.  It opens once.
#
. "$(dirname "$0")/lib.sh"

attack_start 500
lgctl=${LGCTL:-}
[ -x "$lgctl" ] || lgctl=$attack_server/tree/contrib/lgctl/lgctl
[ -x "$lgctl" ] || { echo "Bail out! no lgctl"; exit 1; }

public=$("$lgctl" keygen approver --out "$attack_tmp/key" --no-passphrase | grep -o 'k4\.public\.[A-Za-z0-9_-]*')
sql postgres "SELECT listguard.add_approver('alice', 'Alice', '$public', now() + interval '1 day');
	CREATE ROLE exporter LOGIN; CREATE ROLE other LOGIN;
	SELECT listguard.grant_access('exporter', 'guarded', '{view,reveal,export}');
	SELECT listguard.grant_access('other', 'guarded', '{view,reveal,export}');" > "$attack_tmp/setup"
! grep ERROR "$attack_tmp/setup" | sed 's/^/# /' | grep .
ok $? "an approver and two exporters"

ticket()
{
	sql exporter "SELECT listguard.request_export('guarded', NULL, '{email}', 500, 'test')" > "$attack_tmp/claims"
	"$lgctl" ticket sign --key "$attack_tmp/key" --as alice --ttl 10m --yes "$attack_tmp/claims" 2> "$attack_tmp/words" | tail -n 1
}

# use ROLE TOKEN [END]: how many addresses it brings.
use()
{
	sql "$1" "BEGIN; SELECT listguard.present_ticket('$2'); COPY (SELECT email FROM guarded) TO STDOUT; ${3:-COMMIT};" > "$attack_tmp/out"
	attack_count < "$attack_tmp/out"
}

t=$(ticket)
case $t in v4.public.*) true ;; *) false ;; esac
ok $? "lgctl signs a ticket"
[ "$(use other "$t")" = 0 ]
ok $? "it is no good to another role"
other=A
[ "${t:60:1}" != A ] || other=B
[ "$(use exporter "${t%?}")" = 0 ] && [ "$(use exporter "${t:0:60}$other${t:61}")" = 0 ]
ok $? "nor cut, nor altered"
[ "$(use exporter "$t")" = 500 ]
ok $? "it opens for its role"
[ "$(use exporter "$t")" = 0 ] && grep -q LG003 "$attack_tmp/out"
ok $? "and does not a second time"

t=$(ticket)
[ "$(use exporter "$t" ROLLBACK)" = 500 ]
ok $? "another opens in a transaction that rolls back"
[ "$(use exporter "$t")" = 0 ] && grep -q LG003 "$attack_tmp/out"
ok $? "and is burnt all the same"

t=$(ticket)
[ "$(use exporter "$t")" = 500 ]
ok $? "a third opens"
"$attack_dir/../tools/pgserver" crash "$attack_server" && "$attack_dir/../tools/pgserver" start "$attack_server" > /dev/null
ok $? "the server is killed and started again"
[ "$(use exporter "$t")" = 0 ] && grep -q LG003 "$attack_tmp/out"
ok $? "it is burnt after the crash"

t=$(ticket)
for i in {1..20}; do
	sql exporter "BEGIN; SELECT listguard.present_ticket('$t'); COPY (SELECT email FROM guarded) TO STDOUT; COMMIT;" > "$attack_tmp/at-once.$i" &
done
wait
winners=0
for i in {1..20}; do
	[ "$(attack_count < "$attack_tmp/at-once.$i")" = 0 ] || winners=$((winners + 1))
done
[ "$winners" = 1 ]
ok $? "of twenty sessions at once one wins ($winners)"
[ "$(use exporter "")" = 0 ]
ok $? "no ticket, no rows"
attack_done
