/*-------------------------------------------------------------------------
 *
 * copy_batch.c
 *		COPY FROM into a protected table, many rows at a time.
 *
 * The trigger that puts a row's values under its list makes the server's COPY
 * insert row by row.  Here its work is done while the rows are gathered, and
 * they are stored as COPY stores them.  The INSERT of copy_from.c is planned and
 * started as ever, so that privileges, grants, policies, limits and the audit
 * are what they are for INSERT; only its running is ours.
 *
 * That holds for plain tables without row triggers BEFORE INSERT but our own,
 * generated columns and volatile defaults: anything that could look at the table
 * and miss rows not yet stored.  All else takes the INSERT.
 *
 * Where a table has a list column, a row's list is known only when the whole
 * line has been read.  The text of a sealed column is then kept as it is until
 * the line has been read, and sealed once; sealing it under '-' first and moving
 * it, as the trigger has to, would cost three times as much.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/copyfrom_internal.h"
#include "commands/progress.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "tcop/dest.h"
#include "utils/backend_progress.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "audit/change.h"
#include "policy/registry.h"
#include "row/guard.h"
#include "row/util.h"
#include "type/type.h"

#define BATCH_ROWS		1000
#define BATCH_BYTES		65535	/* of tuples; then the batch is stored */

/* A sealed column of the rows that come in. */
typedef struct Column
{
	int			attno;
	int			type;			/* LG_TYPE_* */
	LgDomainWish wish;
	bool		staged;			/* its texts are kept until the row's list is known */
	char	   *text;			/* of this row, in the reader's buffer; NULL: none */
} Column;

typedef struct Batch
{
	CopyFromState state;
	Relation	rel;
	ResultRelInfo *rri;
	TransitionCaptureState *capture;	/* NULL where change counts the rows */
	LgChange   *change;
	EState	   *estate;
	BulkInsertState bulk;
	Column		columns[LG_MAX_SEALED_COLUMNS];
	int			n_columns;
	uint64		generation;		/* of the registry; list_no and the wishes are of this one */
	int			list_attno;		/* the list column; 0: the table is one list */
	int32		list_no;		/* of the table as a whole */
	int			n_rows;
	Size		bytes;
	TupleTableSlot *slots[BATCH_ROWS];
	uint64		lines[BATCH_ROWS];
} Batch;

static Batch *running = NULL;	/* what run_batch() is to run */

/* ---- can it be done? ---- */

/* Is every row trigger BEFORE INSERT our own, and at work? */
static bool
only_our_trigger(Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;
	Oid			seal_row;

	if (triggers == NULL)
		return false;
	if (triggers->trig_insert_instead_row)
		return false;
	seal_row = LookupFuncName(list_make2(makeString(LG_SCHEMA), makeString("seal_row")), 0, NULL, false);
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (TRIGGER_TYPE_MATCHES(trigger->tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE,
								 TRIGGER_TYPE_INSERT) &&
			(trigger->tgfoid != seal_row || trigger->tgenabled != TRIGGER_FIRES_ALWAYS ||
			 trigger->tgqual != NULL))
			return false;
	}
	return triggers->trig_insert_before_row;
}

/*
 * lg_copy_can_batch
 *		May rows of this COPY be gathered?  state is NULL before it has begun.
 */
bool
lg_copy_can_batch(Relation rel, CopyFromState state)
{
	TupleDesc	desc = RelationGetDescr(rel);

	if (rel->rd_rel->relkind != RELKIND_RELATION || (state != NULL && state->volatile_defexprs))
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		if (TupleDescAttr(desc, i)->attgenerated != '\0')
			return false;
	}
	return only_our_trigger(rel);
}

/* Is the audit's trigger the only one with a transition table, and does it want no single rows? */
static bool
can_count(Relation rel)
{
	TriggerDesc *triggers = rel->trigdesc;
	const LgProtected *prot = lg_protected_lookup(RelationGetRelid(rel));
	Oid			audit;

	if (prot == NULL || prot->audit_rows)
		return false;
	audit = LookupFuncName(list_make2(makeString(LG_SCHEMA), makeString("audit_change")), 0, NULL, false);
	for (int i = 0; i < triggers->numtriggers; i++)
	{
		Trigger    *trigger = &triggers->triggers[i];

		if (trigger->tgnewtable != NULL && TRIGGER_FOR_INSERT(trigger->tgtype) && trigger->tgfoid != audit)
			return false;
	}
	return true;
}

/* The subplans of policies need the plan tree that runs them. */
static bool
plan_fits(PlannedStmt *stmt)
{
	return stmt->commandType == CMD_INSERT && IsA(stmt->planTree, ModifyTable) &&
		stmt->subplans == NIL && !stmt->hasModifyingCTE && !stmt->hasReturning;
}

/* ---- columns ---- */

/* In the place of a sealed type's input function: the text stays for seal_row(). */
static Datum
stage_text(PG_FUNCTION_ARGS)
{
	Column	   *column = fcinfo->flinfo->fn_extra;

	column->text = PG_GETARG_CSTRING(0);
	PG_RETURN_CSTRING(column->text);
}

static void
find_columns(Batch *batch)
{
	TupleDesc	desc = RelationGetDescr(batch->rel);
	bool		stage;

	batch->list_attno = lg_list_column(batch->rel, &batch->list_no);
	if (batch->list_attno < 0)
		elog(ERROR, "the list column does not exist");
	stage = batch->list_attno != 0 && !lg_copy_is_binary(batch->state->opts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int			type = att->attisdropped ? 0 : lg_type_of(att->atttypid);
		Column	   *column;

		if (type == 0)
			continue;
		if (batch->n_columns == LG_MAX_SEALED_COLUMNS)
			elog(ERROR, "too many sealed columns");
		column = &batch->columns[batch->n_columns++];
		column->attno = i + 1;
		column->type = type;
		column->staged = stage && list_member_int(batch->state->attnumlist, i + 1);
		if (column->staged)
		{
			batch->state->in_functions[i].fn_addr = stage_text;
			batch->state->in_functions[i].fn_extra = column;
		}
	}
}

/* The value of a text that was kept; an error names its column, as COPY does. */
static Datum
seal_text(Batch *batch, Column *column, int32 list_no)
{
	CopyFromState state = batch->state;
	Size		len = strlen(column->text);
	struct varlena *value;

	state->cur_attname = NameStr(TupleDescAttr(RelationGetDescr(batch->rel), column->attno - 1)->attname);
	state->cur_attval = column->text;
	value = list_no < 0 ? lg_sealed_input(column->type, column->text, len, -1) :
		lg_sealed_make(column->type, column->text, len, list_no);
	state->cur_attname = NULL;
	state->cur_attval = NULL;
	return PointerGetDatum(value);
}

/* What holds for all rows is asked again when the registry has changed. */
static void
refresh(Batch *batch)
{
	uint64		generation = lg_registry_generation;

	if (batch->generation == generation)
		return;
	(void) lg_list_column(batch->rel, &batch->list_no);
	for (int i = 0; i < batch->n_columns; i++)
		batch->columns[i].wish = lg_domain_wish(batch->rel, batch->columns[i].attno);
	batch->generation = generation;
}

/* Are all texts of this row still to be sealed, and none of them armour? */
static bool
is_plain(const Batch *batch, TupleTableSlot *slot)
{
	if (slot->tts_isnull[batch->list_attno - 1])
		return false;
	for (int i = 0; i < batch->n_columns; i++)
	{
		const Column *column = &batch->columns[i];

		if (!slot->tts_isnull[column->attno - 1] &&
			(column->text == NULL || lg_armour_is(column->text, strlen(column->text))))
			return false;
	}
	return true;
}

static void
seal_texts(Batch *batch, TupleTableSlot *slot, int32 list_no)
{
	for (int i = 0; i < batch->n_columns; i++)
	{
		Column	   *column = &batch->columns[i];

		if (column->text != NULL)
			slot->tts_values[column->attno - 1] = seal_text(batch, column, list_no);
	}
}

/*
 * What the trigger does to a row, on the row in its slot.  One that is not plain
 * text gets values first and its list by them, just as there.
 */
static void
seal_row(Batch *batch, TupleTableSlot *slot)
{
	int32		list_no;

	refresh(batch);
	list_no = batch->list_no;
	if (batch->list_attno != 0 && is_plain(batch, slot))
	{
		list_no = lg_list_of_value(batch->rel, batch->list_attno, slot->tts_values[batch->list_attno - 1]);
		seal_texts(batch, slot, list_no);
	}
	else if (batch->list_attno != 0)
	{
		seal_texts(batch, slot, -1);
		list_no = lg_row_list(batch->rel, slot);
		if (list_no == 0)
			return;
	}
	for (int i = 0; i < batch->n_columns; i++)
	{
		Column	   *column = &batch->columns[i];
		int			at = column->attno - 1;

		if (!slot->tts_isnull[at])
			slot->tts_values[at] = lg_sealed_place(slot->tts_values[at], list_no, column->wish);
	}
}

/* ---- rows ---- */

/* The next row, sealed, in an empty slot of the batch; NULL at the end. */
static TupleTableSlot *
next_row(Batch *batch)
{
	TupleTableSlot *slot = batch->slots[batch->n_rows];
	MemoryContext old;
	bool		more;

	if (slot == NULL)
		slot = batch->slots[batch->n_rows] = table_slot_create(batch->rel, NULL);
	CHECK_FOR_INTERRUPTS();
	ResetPerTupleExprContext(batch->estate);
	for (int i = 0; i < batch->n_columns; i++)
		batch->columns[i].text = NULL;
	ExecClearTuple(slot);
	old = MemoryContextSwitchTo(GetPerTupleMemoryContext(batch->estate));
	more = NextCopyFrom(batch->state, GetPerTupleExprContext(batch->estate),
						slot->tts_values, slot->tts_isnull);
	if (more)
	{
		ExecStoreVirtualTuple(slot);
		slot->tts_tableOid = RelationGetRelid(batch->rel);
		seal_row(batch, slot);
	}
	MemoryContextSwitchTo(old);
	return more ? slot : NULL;
}

/* In the order of INSERT: policies, constraints, the partition's bounds. */
static void
check_row(Batch *batch, TupleTableSlot *slot)
{
	ResultRelInfo *rri = batch->rri;

	if (rri->ri_WithCheckOptions != NIL)
		ExecWithCheckOptions(WCO_RLS_INSERT_CHECK, rri, slot, batch->estate);
	if (RelationGetDescr(batch->rel)->constr != NULL)
		ExecConstraints(rri, slot, batch->estate);
	if (batch->rel->rd_rel->relispartition)
		ExecPartitionCheck(rri, slot, batch->estate, true);
}

/* Store what was gathered; an error names the line of the row that it is about. */
static void
flush(Batch *batch)
{
	CopyFromState state = batch->state;
	uint64		line = state->cur_lineno;
	bool		line_valid = state->line_buf_valid;
	MemoryContext old;

	if (batch->n_rows == 0)
		return;
	state->line_buf_valid = false;
	old = MemoryContextSwitchTo(GetPerTupleMemoryContext(batch->estate));
	table_multi_insert(batch->rel, batch->slots, batch->n_rows, batch->estate->es_output_cid, 0, batch->bulk);
	MemoryContextSwitchTo(old);
	for (int i = 0; i < batch->n_rows; i++)
	{
		List	   *recheck = NIL;

		state->cur_lineno = batch->lines[i];
		if (batch->rri->ri_NumIndices > 0)
			recheck = lg_insert_new_index_tuples(batch->rri, batch->slots[i], batch->estate);
		if (batch->change != NULL)
			lg_change_row(batch->change, batch->slots[i]);
		ExecARInsertTriggers(batch->estate, batch->rri, batch->slots[i], recheck, batch->capture);
		list_free(recheck);
		ExecClearTuple(batch->slots[i]);
	}
	state->line_buf_valid = line_valid;
	state->cur_lineno = line;
	batch->n_rows = 0;
	batch->bytes = 0;
}

static void
add_row(Batch *batch, TupleTableSlot *slot)
{
	HeapTuple	tuple;
	bool		copy;

	ExecMaterializeSlot(slot);
	tuple = ExecFetchSlotHeapTuple(slot, false, &copy);
	batch->bytes += tuple->t_len;
	if (copy)
		heap_freetuple(tuple);
	batch->lines[batch->n_rows++] = batch->state->cur_lineno;
	if (batch->n_rows == BATCH_ROWS || batch->bytes >= BATCH_BYTES)
		flush(batch);
}

static void
all_rows(Batch *batch)
{
	ErrorContextCallback callback;
	TupleTableSlot *slot;

	callback.callback = CopyFromErrorCallback;
	callback.arg = batch->state;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	while ((slot = next_row(batch)) != NULL)
	{
		check_row(batch, slot);
		add_row(batch, slot);
		pgstat_progress_update_param(PROGRESS_COPY_TUPLES_PROCESSED, (int64) ++batch->estate->es_processed);
	}
	flush(batch);
	error_context_stack = callback.previous;
}

/* In the place of the executor's own run; the guard calls it as it calls that. */
static void
run_batch(LG_EXECUTOR_RUN_ARGS)
{
	Batch	   *batch = running;
	EState	   *estate = queryDesc->estate;
	ModifyTableState *modify = castNode(ModifyTableState, queryDesc->planstate);
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);

	running = NULL;
	batch->estate = estate;
	batch->rri = modify->resultRelInfo;
	batch->capture = batch->change != NULL ? NULL : modify->mt_transition_capture;
	batch->bulk = GetBulkInsertState();
	find_columns(batch);
	if (batch->rri->ri_IndexRelationDescs == NULL)
		ExecOpenIndices(batch->rri, false);
	ExecBSInsertTriggers(estate, modify->rootResultRelInfo);
	all_rows(batch);
	FreeBulkInsertState(batch->bulk);
	for (int i = 0; i < BATCH_ROWS && batch->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(batch->slots[i]);
	ExecASInsertTriggers(estate, modify->rootResultRelInfo, batch->capture);
	MemoryContextSwitchTo(old);
}

/* ---- the statement ---- */

static uint64
run_plan(PlannedStmt *stmt, const char *insert, Batch *batch)
{
	QueryDesc  *desc;
	volatile uint64 processed = 0;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	desc = CreateQueryDesc(stmt, insert, GetActiveSnapshot(), InvalidSnapshot, None_Receiver,
						   NULL, NULL, 0);
	ExecutorStart(desc, 0);
	if (can_count(batch->rel))
		batch->change = lg_change_begin(batch->rel);
	PG_TRY();
	{
		running = batch;
		lg_guard_run(LG_RUN_WHOLE(desc), run_batch);
		processed = desc->estate->es_processed;
		ExecutorFinish(desc);
	}
	PG_FINALLY();
	{
		if (batch->change != NULL)
			lg_change_end(batch->change);
	}
	PG_END_TRY();
	ExecutorEnd(desc);
	FreeQueryDesc(desc);
	PopActiveSnapshot();
	return processed;
}

/*
 * lg_copy_batch
 *		Run a COPY whose INSERT is given; false, nothing done, if its plan is of
 *		a kind that only the executor can run.
 */
bool
lg_copy_batch(const char *insert, Relation rel, CopyFromState state, uint64 *processed)
{
	SPIPlanPtr	plan;
	CachedPlan *cached;
	PlannedStmt *stmt;
	Batch	   *batch;
	bool		fits;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare(insert, 0, NULL);
	cached = plan != NULL ? SPI_plan_get_cached_plan(plan) : NULL;
	if (cached == NULL)
		elog(ERROR, "could not plan COPY FROM as INSERT");
	stmt = linitial_node(PlannedStmt, cached->stmt_list);
	fits = plan_fits(stmt);
	if (fits)
	{
		batch = palloc0(sizeof(Batch));
		batch->state = state;
		batch->rel = rel;
		*processed = run_plan(stmt, insert, batch);
	}
	ReleaseCachedPlan(cached, NULL);
	SPI_finish();
	return fits;
}
