/*-------------------------------------------------------------------------
 *
 * verdict.c
 *		May this statement go on?  See verdict.h.
 *
 * A ticket replaces threshold and windows.  Reveals are counted apart from
 * rows, and the larger of the two is the charge.  Between the two reasons to
 * refuse, the threshold is named first: a smaller statement may then pass,
 * while a window only opens with time.
 *
 *-------------------------------------------------------------------------
 */
#include "common/verdict.h"

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

LgVerdict
lg_verdict(const LgCase *c)
{
	int64_t		charge = larger(c->total, c->reveals);

	if (c->ticketed)
		return larger(c->portal, charge) > c->ticket_left ? LG_REFUSE_TICKET : LG_PASS;
	/* What leaves sealed is no disclosure; what was opened on the way is. */
	if (c->unlimited)
		charge = c->reveals;
	else
		charge = larger(charge, c->portal);
	if (charge > c->threshold)
		return c->alert_only ? LG_PASS_ALERT : LG_REFUSE_BULK;
	if (larger(c->unlimited ? 0 : c->total, c->reveals) > c->window_left)
		return c->alert_only ? LG_PASS_ALERT : LG_REFUSE_LIMIT;
	return LG_PASS;
}

int64_t
lg_verdict_cap(const LgCase *c)
{
	int64_t		cap;

	if (c->ticketed)
		cap = c->ticket_left;
	else if (c->unlimited)
		cap = INT64_MAX;
	else
		cap = smaller(c->threshold, c->window_left);
	return cap < 0 ? 0 : cap;
}
