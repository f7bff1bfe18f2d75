/*-------------------------------------------------------------------------
 *
 * exec_guard.c
 *		The executor's guard: what is looked at when a plan starts, runs and
 *		ends, and where the statement of the client begins and ends.
 *
 * Levels: everything the guard does around the server's own functions restores
 * its counters in PG_FINALLY.  At level 0 the statement ends: windows are
 * charged, events written, counters reset.  Planning is within the statement
 * too, because constant folding runs functions.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "replication/walsender.h"
#include "storage/ipc.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "errcodes.h"
#include "guc.h"
#include "policy/registry.h"
#include "row/exec.h"
#include "row/guard.h"
#include "row/road.h"
#include "worker/worker.h"

#define LG_READS_MAX	LG_STATEMENT_RELATIONS

static LgExec *live = NULL;		/* executors started and not yet ended */
static LgExec *running = NULL;	/* the innermost one inside Run or Finish */
static int	level = 0;			/* Run and Finish, nested */
static bool ticket_used = false;	/* in this transaction */
static bool below_ri = false;	/* inside an executor of a foreign-key check */
static LgRead one_read;			/* of an executor that reads one relation */
static LgExec *one_read_of = NULL;	/* which one has it now */

LgExec *
lg_exec_current(void)
{
	return running;
}

int
lg_exec_level(void)
{
	return level;
}

static LgExec *
find_exec(QueryDesc *desc)
{
	for (LgExec *x = live; x != NULL; x = x->next)
	{
		if (x->desc == desc)
			return x;
	}
	return NULL;
}

/* Does the guard look away? */
static bool
pass(void)
{
	return lg_exec_is_internal() || lg_in_worker() || !IsTransactionState() ||
		!OidIsValid(MyDatabaseId) || !lg_extension_present();
}

/*
 * Plans over lists are serial: workers would read on counters of their own.
 */
static bool
reads_protected(Query *query)
{
	ListCell   *lc;

	foreach(lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION && lg_protected_lookup(rte->relid) != NULL)
			return true;
		if (rte->rtekind == RTE_SUBQUERY && rte->subquery && reads_protected(rte->subquery))
			return true;
	}
	foreach(lc, query->cteList)
	{
		Node	   *cte = lfirst_node(CommonTableExpr, lc)->ctequery;

		if (IsA(cte, Query) && reads_protected((Query *) cte))
			return true;
	}
	return false;
}

static bool
sublink_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
		return reads_protected((Query *) node) ||
			query_tree_walker((Query *) node, sublink_walker, context, 0);
	return expression_tree_walker(node, sublink_walker, context);
}

int
lg_guard_cursor_options(Query *parse, int cursorOptions)
{
	if ((cursorOptions & CURSOR_OPT_PARALLEL_OK) && !pass() &&
		sublink_walker((Node *) parse, NULL))
		return cursorOptions & ~CURSOR_OPT_PARALLEL_OK;
	return cursorOptions;
}

/* Planning belongs to the statement: it may run functions. */
void
lg_guard_plan_enter(void)
{
	level++;
}

void
lg_guard_plan_leave(bool ok)
{
	level--;
	if (!ok && level == 0 && lg_utility_level() == 0)
		lg_statement_end(false);
}

/* What no statement's end has settled is settled with the transaction. */
static void
xact_end(XactEvent event, void *arg)
{
	(void) arg;
	if (event == XACT_EVENT_ABORT && proc_exit_inprogress)
	{
		/* Terminated: nobody else closes the levels. */
		lg_statement_end(false);
		return;
	}
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		ticket_used = false;
	if (level > 0 || lg_utility_level() > 0)
		return;
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
		lg_statement_check_poison();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		lg_statement_settle(false);
		lg_statement_reset();
	}
}

static void
watch_transactions(void)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(xact_end, NULL);
	registered = true;
}

/* ---- start ---- */

/* Rows of a backup that could hold only a part are never given. */
static void
check_whole(void)
{
	if ((lg_session_is_dump() || am_walsender) && !lg_has_backup(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to dump protected tables"),
				 errhint("The role needs the privilege \"backup\": see listguard.grant_access().")));
}

/* LG006: privileges without the grant would make an empty result of a full table. */
static void
check_grants(QueryDesc *desc, RangeTblEntry *rte, Oid protected_relid)
{
	Oid			userid;
	AclMode		perms = lg_rte_required_perms(desc->plannedstmt, rte, &userid);
	int			held;

	if (perms == 0)
		return;
	if (!OidIsValid(userid))
		userid = GetUserId();
	if (InNoForceRLSOperation() || superuser_arg(userid))
		return;
	held = lg_grants_on_relation(userid, protected_relid);
	if ((((perms & ACL_SELECT) &&
		  !(held & (LG_PRIV_VIEW | LG_PRIV_DOMAIN | LG_PRIV_REVEAL | LG_PRIV_MATCH | LG_PRIV_EXPORT | LG_PRIV_BACKUP))) ||
		 ((perms & ACL_INSERT) && !(held & LG_PRIV_INSERT)) ||
		 ((perms & ACL_UPDATE) && !(held & LG_PRIV_UPDATE)) ||
		 ((perms & ACL_DELETE) && !(held & LG_PRIV_DELETE))) &&
		!has_bypassrls_privilege(userid))
		ereport(ERROR,
				(errcode(ERRCODE_LG_NO_GRANT),
				 errmsg("no listguard grant on table \"%s\"", get_rel_name(protected_relid)),
				 errdetail("Role \"%s\" has the table's privileges but not listguard's.",
						   GetUserNameFromId(userid, false)),
				 errhint("Use listguard.grant_access() instead of GRANT.")));
}

/* One place per protected relation that the plan names. */
static int
collect_reads(QueryDesc *desc, LgRead *reads)
{
	ListCell   *lc;
	int			n = 0;

	foreach(lc, desc->plannedstmt->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		const LgProtected *prot;
		int			i;

		if (rte->rtekind != RTE_RELATION || !OidIsValid(rte->relid) ||
			(prot = lg_protected_lookup(rte->relid)) == NULL)
			continue;
		for (i = 0; i < n && reads[i].relid != prot->relid; i++)
			;
		if (i < n)
			continue;
		if (n == LG_READS_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("too many protected tables in one statement")));
		memset(&reads[n], 0, sizeof(LgRead));
		reads[n].relid = prot->relid;
		strlcpy(reads[n].name, prot->name, sizeof(reads[n].name));
		reads[n].alert_only = prot->alert_only;
		n++;
	}
	return n;
}

/* The executor's memory goes: on record with what it has read, whatever the end. */
static void
exec_gone(void *arg)
{
	LgExec	   *x = arg;

	for (LgExec **p = &live; *p != NULL; p = &(*p)->next)
	{
		if (*p == x)
		{
			*p = x->next;
			break;
		}
	}
	if (running == x)
		running = NULL;
	lg_exec_untap(x);
	lg_exec_close(x);
	lg_exec_merge(x);
	if (one_read_of == x)
		one_read_of = NULL;
}

static LgExec *
make_exec(QueryDesc *desc, const LgRead *reads, int n, LgShape *shape)
{
	MemoryContext context = desc->estate->es_query_cxt;
	LgExec	   *x = MemoryContextAllocZero(context, sizeof(LgExec));

	x->desc = desc;
	x->context = context;
	x->sealed_only = n == 0;
	x->shape = shape;
	x->n_reads = shape != NULL ? n + 1 : n;
	/* An LgRead is large: that of a look-up is not to make its executor's memory grow. */
	if (n == 1 && shape == NULL && one_read_of == NULL)
	{
		x->reads = &one_read;
		one_read_of = x;
	}
	else
		x->reads = MemoryContextAllocZero(context, sizeof(LgRead) * x->n_reads);
	if (n > 0)
		memcpy(x->reads, reads, sizeof(LgRead) * n);
	x->cap = x->threshold = INT64_MAX;
	x->alert_only = n > 0;
	x->callback.func = exec_gone;
	x->callback.arg = x;
	MemoryContextRegisterResetCallback(context, &x->callback);
	x->next = live;
	live = x;
	return x;
}

/* The ticket in force, if all that is read is named in it. */
static void
look_for_ticket(LgExec *x)
{
	LgTicket   *ticket = lg_ticket_current();

	if (ticket == NULL || x->sealed_only)
		return;
	for (int i = 0; i < x->n_reads; i++)
	{
		if (!lg_ticket_touches(ticket, x->reads[i].relid))
			return;
		x->reads[i].bulk = true;
	}
	if (lg_utility_is_hold())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a cursor WITH HOLD cannot read under an export ticket")));
	ticket_used = true;
	x->ticket = ticket;
	x->ticket_left = lg_ticket_left(ticket);
}

static void
set_threshold(LgExec *x)
{
	for (int i = 0; i < x->n_reads; i++)
	{
		const LgProtected *prot = OidIsValid(x->reads[i].relid) ? lg_protected_lookup(x->reads[i].relid) : NULL;
		int64		threshold = prot && prot->bulk_threshold >= 0 ? prot->bulk_threshold : lg_bulk_threshold;
		bool		alert_only = prot ? prot->alert_only : false;

		if (!lg_enforce_superuser && superuser_arg(GetSessionUserId()))
			continue;
		if (!alert_only)
			x->alert_only = false;
		x->threshold = Min(x->threshold, threshold);
	}
	x->cap = x->ticket != NULL ? x->ticket_left : x->threshold;
}

/* What user code could see of an UPDATE's or DELETE's rows. */
static void
look_at_writes(LgExec *x)
{
	PlannedStmt *stmt = x->desc->plannedstmt;
	ListCell   *lc;
	Index		rti = 0;
	MemoryContext old = MemoryContextSwitchTo(x->context);

	x->writes_trusted = stmt->subplans == NIL && lg_trusted_plan(outerPlan(stmt->planTree));
	foreach(lc, stmt->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		rti++;
		if (rte->rtekind == RTE_RELATION && lg_is_result_relation(stmt, rti) &&
			lg_has_user_triggers(rte->relid))
			x->trigger_relids = lappend_oid(x->trigger_relids, rte->relid);
	}
	if (x->trigger_relids != NIL)
		x->writes_trusted = false;
	MemoryContextSwitchTo(old);
}

void
lg_guard_before_start(QueryDesc *queryDesc, int eflags)
{
	(void) queryDesc;
	(void) eflags;
	watch_transactions();
}

static void
guard_start(QueryDesc *queryDesc, int eflags)
{
	LgRead		reads[LG_READS_MAX];
	ListCell   *lc;
	LgExec	   *x;
	LgShape    *shape;
	int			n;

	if (pass())
		return;
	n = collect_reads(queryDesc, reads);
	shape = lg_result_shape(queryDesc, n > 0);
	if (n == 0 && shape == NULL)
		return;
	foreach(lc, queryDesc->plannedstmt->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);
		const LgProtected *prot;

		if (rte->rtekind == RTE_RELATION && OidIsValid(rte->relid) &&
			(prot = lg_protected_lookup(rte->relid)) != NULL)
			check_grants(queryDesc, rte, prot->relid);
	}
	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)
		return;
	/* The server's own foreign-key check; what runs below one is not exempt. */
	if (InNoForceRLSOperation() && !below_ri)
		return;
	if (IsParallelWorker())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("parallel workers cannot read protected tables")));
	if (n > 0)
		check_whole();
	if (!lg_audit_ready())
		ereport(ERROR,
				(errcode(ERRCODE_LG_AUDIT),
				 errmsg("audit cannot be written"),
				 errdetail("Protected tables cannot be read until it can."),
				 errhint("See the server log.")));
	x = make_exec(queryDesc, reads, n, shape);
	look_for_ticket(x);
	set_threshold(x);
	look_at_writes(x);
	lg_exec_tap_plan(x);
}

void
lg_guard_after_start(QueryDesc *queryDesc, int eflags)
{
	PG_TRY();
	{
		guard_start(queryDesc, eflags);
	}
	PG_CATCH();
	{
		if (level == 0 && lg_utility_level() == 0)
			lg_statement_end(false);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

/* ---- run ---- */

/*
 * The statement of the client is over: windows are charged, its reads put on
 * record, the counters reset.  Rows of an executor that lives on (a cursor) are
 * on record as begun.
 */
void
lg_statement_end(bool ok)
{
	if (ok)
	{
		lg_statement_check_poison();
		lg_statement_settle(true);
		for (LgExec *x = live; x != NULL; x = x->next)
		{
			if (x->complete && x->open == NULL)
				lg_exec_merge(x);
			else if (x->charge > 0)
				lg_exec_open(x, LG_WRITTEN);
		}
	}
	else
	{
		lg_statement_settle(false);
		for (LgExec *x = live; x != NULL; x = x->next)
		{
			if (x->open == NULL)
				lg_exec_merge(x);
		}
	}
	/* A refusal is on record as such, with all that was read. */
	if (ok || !lg_statement.poisoned)
		lg_statement_report(ok ? LG_OUT_OK : LG_OUT_ABORTED);
	/* Outside a portal (deferred triggers at COMMIT) all counts as one, to the transaction's end. */
	if (ActivePortal != NULL)
		lg_statement_reset();
}

bool
lg_ticket_used(void)
{
	return ticket_used;
}

/* An INSERT that failed on a key has told that the key is there. */
static void
charge_oracle(void)
{
	int			code = geterrcode();

	if (code == ERRCODE_UNIQUE_VIOLATION || code == ERRCODE_EXCLUSION_VIOLATION ||
		code == ERRCODE_FOREIGN_KEY_VIOLATION)
		lg_statement.extra++;
}

/* Limits of this Run: who receives the rows is known only now. */
static void
begin_run(LgExec *x, bool to_client)
{
	LgCase		c = {0};

	/* A FETCH of the client's own stores its rows first, and only then sends them. */
	if (lg_utility_is_fetch() && lg_utility_level() == 1 && level == 1)
		to_client = true;

	x->unlimited = to_client && lg_output_mode() == LG_OUTPUT_SEALED && lg_has_backup(GetUserId());
	if (x->n_reads == 0)
		return;
	if (x->ticket == NULL && !x->unlimited)
	{
		for (int i = 0; i < x->n_reads; i++)
			lg_statement_add_windows(x->reads[i].relid, x->threshold, x->alert_only);
	}
	c.threshold = x->threshold;
	c.window_left = INT64_MAX;
	c.ticketed = x->ticket != NULL;
	c.ticket_left = x->ticket_left;
	c.unlimited = x->unlimited;
	x->cap = lg_statement.alerted ? INT64_MAX : lg_verdict_cap(&c);
}

/* Before rows held back are sent: nothing refused, windows charged, on record. */
static void
release(LgExec *x)
{
	lg_statement_check_poison();
	lg_statement_settle(true);
	lg_exec_take(x);
	if (x->complete && x->open == NULL)
	{
		lg_exec_merge(x);
		lg_statement_report(LG_OUT_OK);
	}
	else if (x->charge > 0)
		lg_exec_open(x, LG_WRITTEN);
}

/* Rows that DO NOTHING has skipped tell that their keys are there. */
static void
charge_skipped(LgExec *x)
{
	int64		stored = x->desc->operation == CMD_INSERT ? (int64) x->desc->estate->es_processed : 0;

	if (x->offered > stored)
		lg_statement.extra += x->offered - stored;
	x->offered = 0;
}

/* A Run whose rows go to the client: held back, or streamed under a begun record. */
static void
run_to_client(LgExec *x, LG_EXECUTOR_RUN_ARGS, void (*next) (LG_EXECUTOR_RUN_ARGS))
{
	DestReceiver *real = queryDesc->dest;
	bool		stream = x->ticket != NULL || x->unlimited;
	DestReceiver *wrapped = lg_dest_wrap(real, x, stream);

	if (stream)
		lg_exec_open(x, LG_SYNCED);
	PG_TRY();
	{
		queryDesc->dest = wrapped;
		next(LG_EXECUTOR_RUN_PASS);
	}
	PG_FINALLY();
	{
		queryDesc->dest = real;
	}
	PG_END_TRY();
	if (count == 0 || queryDesc->estate->es_processed < count)
		x->complete = true;
	charge_skipped(x);
	release(x);
	lg_dest_flush(wrapped);
}

static void
run_to_store(LgExec *x, LG_EXECUTOR_RUN_ARGS, void (*next) (LG_EXECUTOR_RUN_ARGS))
{
	DestReceiver *real = queryDesc->dest;

	PG_TRY();
	{
		queryDesc->dest = lg_dest_counting(real, x);
		next(LG_EXECUTOR_RUN_PASS);
	}
	PG_FINALLY();
	{
		queryDesc->dest = real;
	}
	PG_END_TRY();
}

static void
run_guarded(LgExec *x, LG_EXECUTOR_RUN_ARGS, void (*next) (LG_EXECUTOR_RUN_ARGS))
{
	bool		to_client = lg_dest_is_client(queryDesc->dest) && queryDesc->operation != CMD_UNKNOWN;

	begin_run(x, to_client);
	lg_exec_tap_rechecks(x);
	if (to_client)
	{
		run_to_client(x, LG_EXECUTOR_RUN_PASS, next);
		return;
	}
	/* A portal that stores its rows, to send them when all are there. */
	if (x->shape != NULL && queryDesc->dest->mydest == DestTuplestore)
		run_to_store(x, LG_EXECUTOR_RUN_PASS, next);
	else
		next(LG_EXECUTOR_RUN_PASS);
	charge_skipped(x);
	if (!ScanDirectionIsNoMovement(direction) &&
		(count == 0 || queryDesc->estate->es_processed < count))
		x->complete = true;
	lg_exec_take(x);
}

void
lg_guard_run(LG_EXECUTOR_RUN_ARGS, void (*next) (LG_EXECUTOR_RUN_ARGS))
{
	LgExec	   *volatile x = find_exec(queryDesc);
	LgExec	   *save_running = running;
	LgRoad		save_road = lg_road_save();
	bool		save_ri = below_ri;
	int			save_level = level;
	bool		top = level == 0 && lg_utility_level() == 0;
	volatile bool ok = false;

	PG_TRY();
	{
		level++;
		running = x;
		below_ri = below_ri || InNoForceRLSOperation();
		if (x != NULL && x->n_reads > 0)
			run_guarded(x, LG_EXECUTOR_RUN_PASS, next);
		else
			next(LG_EXECUTOR_RUN_PASS);
		if (top)
		{
			level = save_level;
			running = save_running;
			lg_statement_end(true);
		}
		ok = true;
	}
	PG_FINALLY();
	{
		level = save_level;
		running = save_running;
		lg_road_leave(save_road);
		below_ri = save_ri;
		if (!ok && x != NULL)
			charge_oracle();
		if (top && !ok)
			lg_statement_end(false);
	}
	PG_END_TRY();
}

void
lg_guard_finish(QueryDesc *queryDesc, void (*next) (QueryDesc *))
{
	LgExec	   *volatile x = find_exec(queryDesc);
	LgExec	   *save_running = running;
	bool		save_ri = below_ri;
	int			save_level = level;
	bool		top = level == 0 && lg_utility_level() == 0;
	volatile bool ok = false;

	PG_TRY();
	{
		level++;
		running = x;
		below_ri = below_ri || InNoForceRLSOperation();
		next(queryDesc);
		if (top)
		{
			level = save_level;
			running = save_running;
			lg_statement_end(true);
		}
		ok = true;
	}
	PG_FINALLY();
	{
		level = save_level;
		running = save_running;
		below_ri = save_ri;
		if (top && !ok)
			lg_statement_end(false);
	}
	PG_END_TRY();
}

void
lg_guard_end(QueryDesc *queryDesc, void (*next) (QueryDesc *))
{
	next(queryDesc);			/* frees the executor's memory: exec_gone */
}
