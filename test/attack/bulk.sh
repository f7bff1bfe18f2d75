#!/usr/bin/env bash
#
# bulk.sh
#	Roads by which a role with the grants "view" and "reveal" could carry a list
#	away in one statement.  Each is refused before its first row leaves; what a
#	statement says by a side channel on the way is bounded by the threshold.
#
. "$(dirname "$0")/lib.sh"

attack_start "${LG_ATTACK_ROWS:-2000}"
for f in "$attack_dir"/tricks/*.sql; do
	# A NOTICE is a side channel: bounded by the threshold, not closed.
	max=0
	! grep -q '^-- by a side channel' "$f" || max=$attack_threshold
	attack "$(basename "$f" .sql)" "$max" "$(cat "$f")"
done

refusals=$(sql postgres "SET ROLE listguard_auditor; SELECT count(*) FROM listguard.audit WHERE outcome = 'refused' AND login_role = 'app'")
[ "$(tail -n 1 <<< "$refusals")" -gt 0 ] 2> /dev/null
ok $? "the refusals are on record ($refusals)"
attack_done
