/*-------------------------------------------------------------------------
 *
 * exec_walk.c
 *		Find the places of a started plan at which rows of protected relations
 *		come in, and put taps there.
 *
 * A leaf is a scan of a protected relation.  Its rows are counted where they
 * leave the scan, or at a meter point: the highest node that is reached only
 * through nodes that hand rows on (limits, sorts, joins but anti-joins,
 * aggregates of bounded width), all with trusted expressions; then the charge is
 * the smaller of the two counts.  Any node not known here is opaque: below it
 * counting starts anew.  A scan whose filter calls untrusted code counts every
 * row that it examines.
 *
 * Taps are set by ExecSetExecProcNode, so that EXPLAIN ANALYZE and asynchronous
 * execution stay right, and found again by the node's address.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "parser/parsetree.h"
#include "policy/registry.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "errcodes.h"
#include "row/exec.h"

typedef struct NodeEntry
{
	PlanState  *key;
	LgTap	   *tap;
	char		status;
} NodeEntry;

#define SH_PREFIX node_map
#define SH_ELEMENT_TYPE NodeEntry
#define SH_KEY_TYPE PlanState *
#define SH_KEY key
#define SH_HASH_KEY(tb, key) murmurhash32((uint32) ((uintptr_t) (key) >> 4))
#define SH_EQUAL(tb, a, b) ((a) == (b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

static node_map_hash *nodes = NULL;

PG_FUNCTION_INFO_V1(listguard_tick);

static void walk(LgExec *x, PlanState *ps, LgMeterPoint *meter);
static TupleTableSlot *tap_proc(PlanState *ps);

/* ---- counting ---- */

/* The list of the row in the scan's slot goes on record; a ticket must cover it. */
static void
note_list(LgLeaf *leaf, PlanState *ps)
{
	TupleTableSlot *slot = ((ScanState *) ps)->ss_ScanTupleSlot;
	LgExec	   *x = leaf->exec;
	const LgList *list;
	Datum		value;
	bool		isnull;
	char	   *text;
	MemoryContext old;

	if (TupIsNull(slot))
		return;
	value = slot_getattr(slot, leaf->list_attno, &isnull);
	if (isnull || (leaf->have_last && datumIsEqual(value, leaf->last, leaf->list_byval, leaf->list_len)))
		return;
	old = MemoryContextSwitchTo(x->context);
	if (leaf->have_last && !leaf->list_byval)
		pfree(DatumGetPointer(leaf->last));
	leaf->have_last = false;
	text = OutputFunctionCall(&leaf->list_out, value);
	list = lg_list_find(leaf->read->relid, text);
	pfree(text);
	if (list == NULL)
		leaf->read->n_lists = -1;
	else
		lg_read_note_list(leaf->read, list->list_no);
	if (x->ticket != NULL &&
		(list == NULL || !lg_ticket_covers(x->ticket, leaf->read->relid, list->list_no)))
		lg_refuse(ERRCODE_LG_TICKET, leaf->read, x->charge);
	leaf->last = datumCopy(value, leaf->list_byval, leaf->list_len);
	leaf->have_last = true;
	MemoryContextSwitchTo(old);
}

static void
leaf_start(LgLeaf *leaf)
{
	leaf->at_start = false;
	leaf->first = true;
	leaf->probes++;
	leaf->own++;
	lg_leaf_update(leaf);
}

static void
leaf_row(LgLeaf *leaf, PlanState *ps)
{
	if (leaf->list_attno != 0)
		note_list(leaf, ps);
	if (leaf->examined || leaf->free)
		return;
	if (leaf->first)
		leaf->first = false;	/* the probe has paid for it */
	else
	{
		leaf->own++;
		lg_leaf_update(leaf);
	}
}

/* In the place of a tapped node's own function. */
static TupleTableSlot *
tap_proc(PlanState *ps)
{
	NodeEntry  *entry = node_map_lookup(nodes, ps);
	LgTap	   *tap;
	TupleTableSlot *slot;

	if (entry == NULL)
		elog(ERROR, "listguard has lost track of a plan node");
	tap = entry->tap;
	if (tap->leaf != NULL && tap->leaf->at_start)
		leaf_start(tap->leaf);
	slot = tap->original(ps);
	if (TupIsNull(slot))
	{
		if (tap->leaf != NULL)
			tap->leaf->at_start = true;
		return slot;
	}
	if (tap->count != NULL)
		(*tap->count)++;
	if (tap->leaf != NULL)
		leaf_row(tap->leaf, ps);
	if (tap->meter != NULL)
	{
		tap->meter->rows += tap->meter->weight;
		for (int i = 0; i < tap->meter->n_leaves; i++)
			lg_leaf_update(tap->meter->leaves[i]);
	}
	return slot;
}

/*
 * listguard._tick(internal): one more row examined; put before an untrusted
 * filter.  An argument of type internal cannot come from SQL.
 */
Datum
listguard_tick(PG_FUNCTION_ARGS)
{
	LgLeaf	   *leaf = (LgLeaf *) PG_GETARG_POINTER(0);

	if (leaf->first)
		leaf->first = false;
	else
	{
		leaf->own++;
		lg_leaf_update(leaf);
	}
	PG_RETURN_BOOL(true);
}

/* ---- taps ---- */

static LgTap *
tap(LgExec *x, PlanState *ps)
{
	NodeEntry  *entry;
	LgTap	   *t;
	bool		found;
	MemoryContext old;

	if (nodes == NULL)
		nodes = node_map_create(TopMemoryContext, 64, NULL);
	entry = node_map_insert(nodes, ps, &found);
	if (found && ps->ExecProcNodeReal == tap_proc)
		return entry->tap;
	entry->tap = NULL;
	t = MemoryContextAllocZero(x->context, sizeof(LgTap));
	t->ps = ps;
	old = MemoryContextSwitchTo(x->context);
	t->original = ps->ExecProcNodeReal;
	entry->tap = t;
	x->taps = lappend(x->taps, t);
	MemoryContextSwitchTo(old);
	ExecSetExecProcNode(ps, tap_proc);
	return t;
}

void
lg_exec_untap(LgExec *x)
{
	ListCell   *lc;

	foreach(lc, x->taps)
		node_map_delete(nodes, ((LgTap *) lfirst(lc))->ps);
	x->taps = NIL;
}

static LgRead *
find_read(LgExec *x, Oid relid)
{
	for (int i = 0; i < x->n_reads; i++)
	{
		if (x->reads[i].relid == relid)
			return &x->reads[i];
	}
	return NULL;
}

/* Where the scan's slot shows the row's list; index-only scans do not. */
static void
leaf_list(LgLeaf *leaf, PlanState *ps, Oid scanned, const LgProtected *prot)
{
	Oid			out;
	bool		varlena;
	Oid			typid;

	if (prot->list_column == NULL)
	{
		lg_read_note_list(leaf->read, prot->list_no);
		if (leaf->exec->ticket != NULL &&
			!lg_ticket_covers(leaf->exec->ticket, prot->relid, prot->list_no))
			lg_refuse(ERRCODE_LG_TICKET, leaf->read, 0);
		return;
	}
	leaf->list_attno = get_attnum(scanned, prot->list_column);
	if (leaf->list_attno == InvalidAttrNumber || IsA(ps, IndexOnlyScanState) ||
		IsA(ps, ModifyTableState))
	{
		leaf->list_attno = 0;
		leaf->read->n_lists = -1;
		if (leaf->exec->ticket != NULL)
			lg_refuse(ERRCODE_LG_TICKET, leaf->read, 0);
		return;
	}
	typid = get_atttype(scanned, leaf->list_attno);
	get_typlenbyval(typid, &leaf->list_len, &leaf->list_byval);
	getTypeOutputInfo(typid, &out, &varlena);
	fmgr_info_cxt(out, &leaf->list_out, leaf->exec->context);
}

/* A leaf at this node for relation `scanned`; NULL if it is not protected. */
static LgLeaf *
make_leaf(LgExec *x, PlanState *ps, Oid scanned, LgMeterPoint *meter)
{
	const LgProtected *prot = lg_protected_lookup(scanned);
	LgRead	   *read = prot ? find_read(x, prot->relid) : NULL;
	LgLeaf	   *leaf;

	if (prot == NULL)
		return NULL;
	if (read == NULL)
		elog(ERROR, "listguard found a scan of a relation that the plan does not name");
	leaf = MemoryContextAllocZero(x->context, sizeof(LgLeaf));
	leaf->exec = x;
	leaf->read = read;
	leaf->at_start = true;
	leaf->meter = meter;
	leaf_list(leaf, ps, scanned, prot);
	if (meter != NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(x->context);

		if (meter->n_leaves == meter->max_leaves)
		{
			meter->max_leaves = Max(4, meter->max_leaves * 2);
			meter->leaves = meter->leaves
				? repalloc(meter->leaves, meter->max_leaves * sizeof(LgLeaf *))
				: palloc(meter->max_leaves * sizeof(LgLeaf *));
		}
		meter->leaves[meter->n_leaves++] = leaf;
		MemoryContextSwitchTo(old);
	}
	tap(x, ps)->leaf = leaf;
	return leaf;
}

/* Count every row before an untrusted filter sees it. */
static void
tick_before_qual(LgExec *x, PlanState *ps, LgLeaf *leaf)
{
	static const Oid argtypes[1] = {INTERNALOID};
	Oid			funcid;
	Const	   *arg;
	FuncExpr   *call;
	MemoryContext old = MemoryContextSwitchTo(x->desc->estate->es_query_cxt);

	funcid = LookupFuncName(list_make2(makeString(LG_SCHEMA), makeString("_tick")), 1, argtypes, false);
	arg = makeConst(INTERNALOID, -1, InvalidOid, sizeof(void *), PointerGetDatum(leaf), false, true);
	call = makeFuncExpr(funcid, BOOLOID, list_make1(arg), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	ps->qual = ExecInitQual(lcons(call, list_copy(ps->plan->qual)), ps);
	leaf->examined = true;
	leaf->meter = NULL;
	MemoryContextSwitchTo(old);
}

/* Is this the row that an UPDATE or DELETE writes back to where it lay? */
static bool
writes_back(LgExec *x, PlanState *ps, Index scanrelid)
{
	PlannedStmt *stmt = x->desc->plannedstmt;
	ListCell   *lc;

	if (!IsA(stmt->planTree, ModifyTable) || stmt->hasReturning || stmt->hasModifyingCTE ||
		(stmt->commandType != CMD_UPDATE && stmt->commandType != CMD_DELETE) ||
		!lg_is_result_relation(stmt, scanrelid))
		return false;
	if (!lg_trusted_expr((Node *) ps->plan->targetlist) || !lg_trusted_expr((Node *) ps->plan->qual))
		return false;
	foreach(lc, x->trigger_relids)
	{
		if (lfirst_oid(lc) == exec_rt_fetch(scanrelid, x->desc->estate)->relid)
			return false;
	}
	return x->writes_trusted;
}

static void
walk_scan(LgExec *x, PlanState *ps, LgMeterPoint *meter)
{
	Index		scanrelid = ((Scan *) ps->plan)->scanrelid;
	RangeTblEntry *rte;
	LgLeaf	   *leaf;

	if (scanrelid == 0)
		return;
	rte = exec_rt_fetch(scanrelid, x->desc->estate);
	if (rte->rtekind != RTE_RELATION || !OidIsValid(rte->relid))
		return;
	if (!lg_trusted_expr((Node *) ps->plan->targetlist))
		meter = NULL;
	leaf = make_leaf(x, ps, rte->relid, meter);
	if (leaf == NULL)
		return;
	if (IsA(ps, CustomScanState))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("custom scans cannot read protected tables")));
	if (writes_back(x, ps, scanrelid))
		leaf->free = true;
	else if (ps->qual != NULL && !lg_trusted_expr((Node *) ps->plan->qual))
		tick_before_qual(x, ps, leaf);
}

/* A scan without a relation of its own (push-down) must not hold a protected one. */
static void
refuse_pushed_down(LgExec *x, Bitmapset *relids)
{
	int			i = -1;

	while ((i = bms_next_member(relids, i)) >= 0)
	{
		RangeTblEntry *rte = exec_rt_fetch(i, x->desc->estate);

		if (rte->rtekind == RTE_RELATION && lg_protected_lookup(rte->relid) != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("custom scans cannot read protected tables")));
	}
}

/* RETURNING and ON CONFLICT disclose rows of the target that no scan has read. */
static void
walk_modify(LgExec *x, ModifyTableState *mt)
{
	ModifyTable *plan = (ModifyTable *) mt->ps.plan;
	RangeTblEntry *rte = exec_rt_fetch(linitial_int(plan->resultRelations), x->desc->estate);
	PlanState  *source = outerPlanState(&mt->ps);
	LgLeaf	   *leaf = NULL;

	if (lg_protected_lookup(rte->relid) == NULL)
		return;
	if (plan->onConflictAction == ONCONFLICT_NOTHING && source != NULL)
		tap(x, source)->count = &x->offered;
	/* What an UPDATE or DELETE returns has been counted at its scan. */
	if (plan->returningLists != NIL && mt->operation != CMD_UPDATE && mt->operation != CMD_DELETE)
		leaf = make_leaf(x, &mt->ps, rte->relid, NULL);
	if (plan->onConflictAction != ONCONFLICT_UPDATE || source == NULL)
		return;
	/* Every source row may fetch one; written back in trust, it costs one probe. */
	if (!lg_trusted_expr((Node *) plan->onConflictSet) ||
		!lg_trusted_expr(plan->onConflictWhere) || x->trigger_relids != NIL)
	{
		LgTap	   *t = tap(x, source);

		if (leaf == NULL)
			leaf = make_leaf(x, &mt->ps, rte->relid, NULL);
		if (t->leaf == NULL)
			t->leaf = leaf;
	}
	else if (leaf == NULL)
		make_leaf(x, &mt->ps, rte->relid, NULL)->free = true;
}

/* ---- meter points ---- */

static bool
join_passes(PlanState *ps)
{
	Join	   *join = (Join *) ps->plan;
	List	   *clauses = NIL;

	if (join->jointype == JOIN_ANTI || !lg_trusted_expr((Node *) join->joinqual))
		return false;
	if (lg_is_right_anti(join->jointype))
		return false;
	if (IsA(ps, HashJoinState))
		clauses = ((HashJoin *) join)->hashclauses;
	else if (IsA(ps, MergeJoinState))
		clauses = ((MergeJoin *) join)->mergeclauses;
	else if (((NestLoop *) join)->nestParams != NIL && !lg_trusted_plan(innerPlan(join)))
		return false;			/* the outer row goes into the inner plan */
	return lg_trusted_expr((Node *) clauses);
}

/* Rows of a list that one row of this node can carry; 0: the node is opaque. */
static int
row_weight(PlanState *ps)
{
	int			weight = 1;

	if (ps->qual != NULL && !lg_trusted_expr((Node *) ps->plan->qual))
		return 0;
	switch (nodeTag(ps))
	{
		case T_LimitState:
		case T_SortState:
		case T_IncrementalSortState:
		case T_MaterialState:
		case T_MemoizeState:
		case T_UniqueState:
		case T_GroupState:
		case T_LockRowsState:
		case T_AppendState:
		case T_MergeAppendState:
		case T_SubqueryScanState:
			break;
		case T_ResultState:
			if (((Result *) ps->plan)->resconstantqual != NULL &&
				!lg_trusted_expr(((Result *) ps->plan)->resconstantqual))
				return 0;
			break;
		case T_NestLoopState:
		case T_MergeJoinState:
		case T_HashJoinState:
			if (!join_passes(ps))
				return 0;
			break;
		case T_AggState:
			weight = lg_aggregate_weight(ps->plan->targetlist, ps->plan->qual);
			/* Its calls' arguments are computed for each row that goes in. */
			if (weight < 0 || ((Agg *) ps->plan)->groupingSets != NIL ||
				!lg_trusted_expr((Node *) ps->plan->targetlist))
				return 0;
			break;
		default:
			return 0;
	}
	return weight;
}

/* The meter that the children of this node count at. */
static LgMeterPoint *
pass_meter(LgExec *x, PlanState *ps, LgMeterPoint *meter)
{
	int			weight = row_weight(ps);

	if (weight == 0)
		return NULL;
	if (!lg_trusted_expr((Node *) ps->plan->targetlist))
		meter = NULL;			/* it runs once for each row of this node */
	/* A heavier aggregate needs a point of its own. */
	if (meter == NULL || weight > meter->weight)
	{
		meter = MemoryContextAllocZero(x->context, sizeof(LgMeterPoint));
		meter->weight = weight;
		tap(x, ps)->meter = meter;
	}
	return meter;
}

static void
walk_children(LgExec *x, PlanState *ps, LgMeterPoint *meter)
{
	switch (nodeTag(ps))
	{
		case T_AppendState:
			for (int i = 0; i < ((AppendState *) ps)->as_nplans; i++)
				walk(x, ((AppendState *) ps)->appendplans[i], meter);
			break;
		case T_MergeAppendState:
			for (int i = 0; i < ((MergeAppendState *) ps)->ms_nplans; i++)
				walk(x, ((MergeAppendState *) ps)->mergeplans[i], meter);
			break;
		case T_SubqueryScanState:
			walk(x, ((SubqueryScanState *) ps)->subplan, meter);
			break;
		case T_CustomScanState:
			{
				ListCell   *lc;

				foreach(lc, ((CustomScanState *) ps)->custom_ps)
					walk(x, lfirst(lc), NULL);
			}
			break;
		default:
			walk(x, outerPlanState(ps), meter);
			walk(x, innerPlanState(ps), meter);
			break;
	}
}

static void
note_recheck(LgExec *x, PlanState *ps)
{
	MemoryContext old = MemoryContextSwitchTo(x->context);

	if (x->desc->plannedstmt->subplans != NIL)
		x->rechecks = lappend(x->rechecks, ps);
	MemoryContextSwitchTo(old);
}

/*
 * A row that was updated meanwhile is checked again in a plan tree of its own,
 * with subplans of its own, which the executor would make when it is needed.
 * They are made now instead, to be tapped.
 */
void
lg_exec_tap_rechecks(LgExec *x)
{
	List	   *rechecks = x->rechecks;
	ListCell   *lc;

	x->rechecks = NIL;
	foreach(lc, rechecks)
	{
		PlanState  *ps = lfirst(lc);
		EPQState   *epq = IsA(ps, ModifyTableState) ? &((ModifyTableState *) ps)->mt_epqstate
			: &((LockRowsState *) ps)->lr_epqstate;
		ListCell   *sub;

		if (epq->plan == NULL)
			continue;
		EvalPlanQualBegin(epq);
		walk(x, epq->recheckplanstate, NULL);
		foreach(sub, epq->recheckestate->es_subplanstates)
			walk(x, (PlanState *) lfirst(sub), NULL);
	}
	x->rechecks = NIL;
}

static void
walk(LgExec *x, PlanState *ps, LgMeterPoint *meter)
{
	if (ps == NULL)
		return;
	check_stack_depth();
	switch (nodeTag(ps))
	{
		case T_SeqScanState:
		case T_SampleScanState:
		case T_IndexScanState:
		case T_IndexOnlyScanState:
		case T_BitmapHeapScanState:
		case T_TidScanState:
		case T_TidRangeScanState:
			walk_scan(x, ps, meter);
			return;				/* below lie index scans without rows */
		case T_ForeignScanState:
			refuse_pushed_down(x, ((ForeignScan *) ps->plan)->fs_relids);
			walk_scan(x, ps, meter);
			break;
		case T_CustomScanState:
			refuse_pushed_down(x, ((CustomScan *) ps->plan)->custom_relids);
			walk_scan(x, ps, NULL);
			break;
		case T_ModifyTableState:
			walk_modify(x, (ModifyTableState *) ps);
			note_recheck(x, ps);
			break;
		case T_LockRowsState:
			note_recheck(x, ps);
			break;
		default:
			break;
	}
	/* A hash table is filled in one go: its join is the one that passes rows. */
	if (!IsA(ps, HashState))
		meter = pass_meter(x, ps, meter);
	walk_children(x, ps, meter);
}

void
lg_exec_tap_plan(LgExec *x)
{
	ListCell   *lc;

	walk(x, x->desc->planstate, NULL);
	foreach(lc, x->desc->estate->es_subplanstates)
		walk(x, (PlanState *) lfirst(lc), NULL);
}
