/*-------------------------------------------------------------------------
 *
 * exec_report.c
 *		Put reads on record: one event per statement and relation at its end, or
 *		a begin and an end where rows leave before that.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "row/exec.h"
#include "tcop/tcopprot.h"

void
lg_read_event(LgEvent *ev, const LgRead *read, LgOutcome outcome, const LgExec *x)
{
	lg_event_init(ev, LG_EV_READ, outcome);
	ev->relation = read->name[0] != '\0' ? read->name : NULL;
	ev->n_lists = read->n_lists;
	if (read->n_lists > 0)
		memcpy(ev->lists, read->lists, sizeof(int32) * read->n_lists);
	else if (read->n_lists < 0)
		ev->detail = "{\"lists\": \"not known\"}";
	ev->rows = read->rows;
	ev->reveals = read->reveals;
	ev->statement = x != NULL && x->desc->sourceText != NULL ? x->desc->sourceText : debug_query_string;
	if (x != NULL)
	{
		ev->query_id = (int64) x->desc->plannedstmt->queryId;
		if (x->ticket != NULL)
			ev->ticket = lg_ticket_jti(x->ticket);
	}
}

/* Add what an executor has read to the statement; no memory needed, once only. */
void
lg_exec_merge(LgExec *x)
{
	if (x->merged)
		return;
	x->merged = true;
	for (int i = 0; i < x->n_reads; i++)
	{
		LgRead	   *from = &x->reads[i];
		LgRead	   *to;

		if (from->rows == 0 && from->reveals == 0)
			continue;
		to = lg_statement_read(from->relid);
		strlcpy(to->name, from->name, sizeof(to->name));
		to->rows += from->rows;
		to->reveals += from->reveals;
		to->bulk |= from->bulk;
		if (from->n_lists < 0)
			to->n_lists = -1;
		for (int j = 0; j < from->n_lists; j++)
			lg_read_note_list(to, from->lists[j]);
		from->rows = from->reveals = 0;
	}
}

/* Rows of this executor leave before it is over: put that on record first. */
void
lg_exec_open(LgExec *x, LgSync sync)
{
	if (x->open != NULL || x->merged || x->n_reads == 0)
		return;
	x->open = MemoryContextAllocZero(x->context, sizeof(LgOpenRead *) * x->n_reads);
	for (int i = 0; i < x->n_reads; i++)
	{
		LgEvent		ev;

		lg_read_event(&ev, &x->reads[i], LG_OUT_UNKNOWN, x);
		x->open[i] = lg_audit_begin(&ev, sync, NULL);
	}
}

/* The ends of what lg_exec_open began; never raises. */
void
lg_exec_close(LgExec *x)
{
	if (x->open == NULL)
		return;
	for (int i = 0; i < x->n_reads; i++)
	{
		if (x->open[i] == NULL)
			continue;
		lg_audit_end(x->open[i],
					 !x->complete ? LG_OUT_ABORTED :
					 lg_statement.alerted ? LG_OUT_ALERT : LG_OUT_OK,
					 x->reads[i].rows, x->reads[i].reveals);
		x->open[i] = NULL;
	}
	x->merged = true;
}

/*
 * One event for each relation that the statement has read.  With LG_OUT_OK,
 * LG005 if that fails; else (the statement has failed already) never raises.
 */
void
lg_statement_report(LgOutcome outcome)
{
	LgStatement *s = &lg_statement;

	for (int i = 0; i < s->n_reads; i++)
	{
		LgRead		read = s->reads[i];
		LgEvent		ev;

		if (read.rows == 0 && read.reveals == 0)
			continue;
		s->reads[i].rows = s->reads[i].reveals = 0;
		lg_read_event(&ev, &read, outcome, NULL);
		if (outcome == LG_OUT_OK && s->alerted)
			ev.outcome = LG_OUT_ALERT;
		if (outcome != LG_OUT_OK)
			lg_audit_refusal(&ev, NULL);
		else
			lg_audit_event(&ev, s->alerted || read.bulk ? LG_SYNCED : LG_WRITTEN, NULL);
	}
}
