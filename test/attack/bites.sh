#!/usr/bin/env bash
#
# bites.sh
#	The patient thief: many small reads, none over the threshold.  They add up,
#	over statements, transactions that roll back, cursors and sessions.
#
. "$(dirname "$0")/lib.sh"

limit=100
bite=20

attack_start 500
sql postgres "SELECT listguard.set_limit('app', $limit, '1 hour')" > "$attack_tmp/limit"
! grep -q ERROR "$attack_tmp/limit"
ok $? "a limit of $limit rows an hour is set"

# bites TABLE SQL: 25 sessions, each with SQL for its own page of 20 rows.
bites()
{
	local page text

	for ((page = 0; page < 25; page++)); do
		text=${2//@TABLE@/$1}
		text=${text//@FROM@/$((page * bite))}
		sql app "${text//@TO@/$(((page + 1) * bite))}"
	done
}


page="SELECT email FROM @TABLE@ WHERE id > @FROM@ AND id <= @TO@;"
[ "$(bites plain "$page" | attack_count)" = 500 ]
ok $? "unguarded, small bites take everything"

bites guarded "$page" > "$attack_tmp/taken"
taken=$(attack_count < "$attack_tmp/taken")
[ "$taken" -le "$limit" ] && [ "$taken" -gt 0 ]
ok $? "guarded, they take the limit and no more ($taken)"
grep -q LG002 "$attack_tmp/taken"
ok $? "and then meet LG002"

sql app "SELECT email FROM guarded WHERE id = 1;" > "$attack_tmp/taken"
[ "$(attack_count < "$attack_tmp/taken")" = 0 ]
ok $? "a new session of the same role starts with what is left: nothing"

# Whatever rolls back has been read all the same.
bites guarded "BEGIN; $page ROLLBACK;" > "$attack_tmp/taken"
[ "$(attack_count < "$attack_tmp/taken")" = 0 ]
ok $? "ROLLBACK gives nothing back"

threshold=$(sql app "BEGIN; DECLARE c CURSOR FOR SELECT email FROM guarded; $(printf 'FETCH 20 FROM c; %.0s' {1..25}) ROLLBACK;" |
	attack_count)
[ "$threshold" -le "$attack_threshold" ]
ok $? "a cursor in small steps stays under the threshold of $attack_threshold ($threshold)"
attack_done
