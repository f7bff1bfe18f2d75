/*-------------------------------------------------------------------------
 *
 * exec_charge.c
 *		Counting rows of a statement, charging the windows, refusing.
 *
 * Counting one row is an addition and two comparisons.  Windows are charged
 * before rows are released and at the end, whatever the end is; the array of
 * windows is made while the statement starts, so that charging at abort looks
 * at no catalog.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "errcodes.h"
#include "guc.h"
#include "miscadmin.h"
#include "row/exec.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

LgStatement lg_statement = {.cap = INT64_MAX, .threshold = INT64_MAX, .window_left = INT64_MAX};

/* The next statement starts from nothing. */
void
lg_statement_reset(void)
{
	LgStatement *s = &lg_statement;

	s->charge = s->reveals = s->settled = s->extra = 0;
	s->cap = s->threshold = s->window_left = INT64_MAX;
	s->enforced = s->alerted = s->poisoned = false;
	s->n_refs = s->n_reads = 0;
}

/* What the statement has read of a relation; the last place takes what is too much. */
LgRead *
lg_statement_read(Oid relid)
{
	LgStatement *s = &lg_statement;
	LgRead	   *read;

	for (int i = 0; i < s->n_reads; i++)
	{
		if (s->reads[i].relid == relid)
			return &s->reads[i];
	}
	if (s->n_reads == LG_STATEMENT_RELATIONS)
		return &s->reads[LG_STATEMENT_RELATIONS - 1];
	read = &s->reads[s->n_reads++];
	memset(read, 0, sizeof(*read));
	read->relid = relid;
	return read;
}

void
lg_read_note_list(LgRead *read, int32 list_no)
{
	if (read->n_lists < 0)
		return;
	for (int i = 0; i < read->n_lists; i++)
	{
		if (read->lists[i] == list_no)
			return;
	}
	if (read->n_lists == LG_EVENT_LISTS_MAX)
		read->n_lists = -1;
	else
		read->lists[read->n_lists++] = list_no;
}

static bool
superuser_exempt(void)
{
	return !lg_enforce_superuser && superuser_arg(GetSessionUserId());
}

/* What this statement may still read, now that it reads relid as well. */
void
lg_statement_add_windows(Oid relid, int64 threshold, bool alert_only)
{
	LgStatement *s = &lg_statement;
	int			before = s->n_refs;
	LgCase		c = {0};

	if (superuser_exempt())
		return;
	if (!lg_meter_windows(relid, s->refs, &s->n_refs))
		ereport(ERROR,
				(errcode(ERRCODE_LG_LIMIT),
				 errmsg("row limit reached"),
				 errdetail("A limit per actor is set, and this transaction names no actor."),
				 errhint("Set listguard.actor in the transaction.")));
	for (int i = before; i < s->n_refs; i++)
		s->window_left = Min(s->window_left, s->settled + lg_meter_left(&s->refs[i]));
	s->threshold = Min(s->threshold, threshold);
	if (!alert_only)
		s->enforced = true;
	c.threshold = s->threshold;
	c.window_left = s->window_left;
	s->cap = lg_verdict_cap(&c);
}

/* The window that is the tightest now; -1 if there is none. */
static int
tightest_window(int64 *left)
{
	int			at = -1;

	*left = INT64_MAX;
	for (int i = 0; i < lg_statement.n_refs; i++)
	{
		int64		l = lg_meter_left(&lg_statement.refs[i]);

		if (l < *left)
		{
			*left = l;
			at = i;
		}
	}
	return at;
}

pg_noreturn static void refuse_limit(const char *id);

static void
refuse_limit(const char *id)
{
	int64		left;
	int			at = tightest_window(&left);
	TimestampTz relief = at < 0 ? GetCurrentTimestamp() : lg_meter_relief(&lg_statement.refs[at]);

	left = Max(left, 0);
	ereport(ERROR,
			(errcode(ERRCODE_LG_LIMIT),
			 errmsg("row limit reached"),
			 errdetail("%lld rows are left in this window.", (long long) (at < 0 ? 0 : left)),
			 errhint("Rows become free from %s on; view listguard.session_meter shows how many. The event is %s.",
					 timestamptz_to_str(relief), id)));
}

/*
 * Put the refusal on record, remember it (a caught error must not make it
 * undone) and raise it.
 */
void
lg_refuse(int code, LgRead *read, int64 rows)
{
	LgStatement *s = &lg_statement;
	LgEvent		ev;
	LgRead		nothing = {0};
	pg_uuid_t	uuid;
	char	   *id;

	s->poisoned = true;
	lg_read_event(&ev, read ? read : &nothing, LG_OUT_REFUSED, NULL);
	ev.rows = rows;
	ev.sqlstate = code;
	lg_audit_refusal(&ev, &uuid);
	id = DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&uuid)));
	if (code == ERRCODE_LG_LIMIT)
		refuse_limit(id);
	if (code == ERRCODE_LG_TICKET)
		ereport(ERROR,
				(errcode(ERRCODE_LG_TICKET),
				 errmsg("export ticket rejected"),
				 errhint("Ask for a new one with listguard.request_export(); an auditor finds the reason in event %s.", id)));
	ereport(ERROR,
			(errcode(ERRCODE_LG_BULK_READ),
			 errmsg("bulk read without a ticket"),
			 errdetail("One statement may read %lld rows.",
					   (long long) (s->threshold == INT64_MAX ? lg_bulk_threshold : s->threshold)),
			 errhint("Ask for an export ticket with listguard.request_export() and present it in this transaction. The event is %s.",
					 id)));
}

void
lg_statement_check_poison(void)
{
	if (!lg_statement.poisoned)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_LG_BULK_READ),
			 errmsg("bulk read without a ticket"),
			 errdetail("A part of this statement was refused, and the refusal was caught."),
			 errhint("Ask for an export ticket with listguard.request_export() and present it in this transaction.")));
}

/* A count has gone over its cap: is it let pass, or refused? */
static void
over(LgExec *x, LgRead *read)
{
	LgStatement *s = &lg_statement;
	LgCase		c;

	memset(&c, 0, sizeof(c));
	c.portal = x ? x->charge : 0;
	c.total = s->charge;
	c.reveals = s->reveals;
	c.threshold = Min(s->threshold, x ? x->threshold : INT64_MAX);
	c.window_left = s->window_left;
	c.alert_only = !s->enforced;
	if (x != NULL)
	{
		c.ticketed = x->ticket != NULL;
		c.ticket_left = x->ticket_left;
		c.unlimited = x->unlimited;
		if (c.ticketed)
		{
			c.total = x->charge;
			c.reveals = 0;
		}
	}
	switch (lg_verdict(&c))
	{
		case LG_PASS:
			return;
		case LG_PASS_ALERT:
			s->alerted = true;
			s->cap = INT64_MAX;
			if (x != NULL)
				x->cap = INT64_MAX;
			return;
		case LG_REFUSE_BULK:
			lg_refuse(ERRCODE_LG_BULK_READ, read, Max(c.portal, Max(c.total, c.reveals)));
		case LG_REFUSE_LIMIT:
			lg_refuse(ERRCODE_LG_LIMIT, read, Max(c.total, c.reveals));
		case LG_REFUSE_TICKET:
			lg_refuse(ERRCODE_LG_TICKET, read, c.portal);
	}
}

/* n more rows of a relation; LG001, LG002 or LG003 where that is too many. */
void
lg_exec_add(LgExec *x, LgRead *read, int64 n)
{
	x->charge += n;
	read->rows += n;
	if (x->ticket == NULL && !x->unlimited)
		lg_statement.charge += n;
	if (unlikely(x->charge > x->cap || lg_statement.charge > lg_statement.cap))
		over(x, read);
}

/* n rows of lists that leave without an executor. */
void
lg_statement_add(LgRead *read, int64 n)
{
	LgStatement *s = &lg_statement;

	if (s->threshold == INT64_MAX)
		lg_statement_add_windows(InvalidOid, lg_bulk_threshold, false);
	read->rows += n;
	s->charge += n;
	if (unlikely(s->charge > s->cap))
		over(NULL, read);
}

/* The leaf's charge by its counters; what is more than before is added. */
void
lg_leaf_update(LgLeaf *leaf)
{
	int64		charge;

	if (leaf->free)
		charge = leaf->probes;
	else if (leaf->meter == NULL)
		charge = leaf->own;
	else
		charge = Max(leaf->probes, Min(leaf->own, leaf->meter->rows));
	if (charge > leaf->charge)
	{
		int64		more = charge - leaf->charge;

		leaf->charge = charge;
		lg_exec_add(leaf->exec, leaf->read, more);
	}
}

/* Take from the ticket what was read and not yet taken, before it is released. */
void
lg_exec_take(LgExec *x)
{
	int64		n = x->charge - x->taken;

	if (x->ticket == NULL || n <= 0)
		return;
	x->taken = x->charge;
	if (!lg_ticket_take(x->ticket, n))
		lg_refuse(ERRCODE_LG_TICKET, x->n_reads > 0 ? &x->reads[0] : NULL, x->charge);
}

/* One value was opened inside a plan. */
void
lg_statement_reveal(int32 list_no)
{
	LgStatement *s = &lg_statement;
	LgExec	   *x = lg_exec_current();
	LgRead	   *read;

	if (s->threshold == INT64_MAX)
		lg_statement_add_windows(InvalidOid, lg_bulk_threshold, false);
	read = x != NULL && x->n_reads > 0 ? &x->reads[0] : lg_statement_read(InvalidOid);
	read->reveals++;
	lg_read_note_list(read, list_no);
	if (x != NULL && x->ticket != NULL)
	{
		if (read->reveals > x->ticket_left)
			lg_refuse(ERRCODE_LG_TICKET, read, read->reveals);
		return;
	}
	s->reveals++;
	if (unlikely(s->reveals > s->cap))
		over(x, read);
}

/*
 * Charge the windows with what the statement has read since it last did.  With
 * check, LG002 where a window is overdrawn by that (another session was
 * quicker); without, never raises.
 */
void
lg_statement_settle(bool check)
{
	LgStatement *s = &lg_statement;
	int64		total = Max(s->charge, s->reveals) + s->extra;
	int			bad;

	if (total <= s->settled)
		return;
	for (int i = 0; i < s->n_refs; i++)
		s->refs[i].rows = total - s->settled;
	bad = lg_meter_charge(s->refs, s->n_refs);
	s->settled = total;
	if (!check || bad < 0)
		return;
	if (s->enforced)
		lg_refuse(ERRCODE_LG_LIMIT, s->n_reads > 0 ? &s->reads[0] : NULL, total);
	s->alerted = true;
}
