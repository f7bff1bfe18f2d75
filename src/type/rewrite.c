/*-------------------------------------------------------------------------
 *
 * rewrite.c
 *		Rewrite the rows of a table a batch at a time: under the current keys
 *		of their lists (reseal), or just as they are, without what is left of
 *		dropped columns (scrub).
 *
 * Below the executor: no trigger fires, no policy is asked, nothing is
 * charged.  A row is replaced only if it is the newest version and nobody has
 * it locked, so that no change of others is lost; a row that others have is
 * left for another pass or, with wait, waited for while this transaction holds
 * no row of its own: then it cannot be part of a deadlock between rows.
 * Index expressions are the owner's code and run as the owner, restricted.
 *
 * Locking: RowExclusiveLock on the table, kept to the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/xid8.h"

#include "key/keyring.h"
#include "policy/registry.h"
#include "type/type.h"

#define ROWS_LOOKED_AT	50		/* for each row that a batch may rewrite */
#define BATCH_COLUMNS	5

PG_FUNCTION_INFO_V1(listguard_rewrite_batch);

typedef struct Batch
{
	Relation	rel;
	bool		scrub;			/* else reseal */
	bool		wait;
	TransactionId before;		/* scrub: rows this old only; Invalid: all */
	Snapshot	snapshot;
	EState	   *estate;
	ResultRelInfo *result;
	TupleTableSlot *row;
	TupleTableSlot *replacement;
	MemoryContext memory;		/* emptied after each row */
	uint32		good_key;		/* current of its list, as of generation; 0: none */
	uint64		generation;
	int64		looked_at;
	int64		rewritten;
	int64		left;			/* rows that need it and were others' */
	int64		closed;			/* values whose key is not here */
} Batch;

typedef enum RowResult
{
	ROW_DONE,
	ROW_STOP					/* the batch has to end before this row */
} RowResult;

/*
 * target_list
 *		The list under whose current key a value should be, 0 if it is.
 */
static int32
target_list(Batch *batch, Datum value)
{
	uint32		key_id = lg_sealed_key_id(value);
	const LgList *list;
	int32		list_no;

	if (batch->good_key == key_id && batch->generation == lg_registry_generation)
		return 0;
	if (lg_key_state(key_id) != LG_KEY_LIVE)
	{
		batch->closed++;
		return 0;
	}
	list_no = lg_key_list(key_id);
	list = lg_list_by_no(list_no);
	if (list == NULL || lg_key_state(list->key_id) != LG_KEY_LIVE)
	{
		batch->closed++;
		return 0;
	}
	if (list->key_id != key_id)
		return list_no;
	batch->good_key = key_id;
	batch->generation = lg_registry_generation;
	return 0;
}

/*
 * make_replacement
 *		The row as it should be in batch->replacement; false if it is so.
 *
 * What is left of dropped columns goes; other toasted values stay where they
 * are, as in any UPDATE.
 */
static bool
make_replacement(Batch *batch)
{
	TupleDesc	desc = RelationGetDescr(batch->rel);
	TupleTableSlot *to = batch->replacement;
	bool		wanted = batch->scrub;

	ExecClearTuple(to);
	slot_getallattrs(batch->row);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		int32		list_no = 0;

		to->tts_values[i] = batch->row->tts_values[i];
		to->tts_isnull[i] = batch->row->tts_isnull[i] || att->attisdropped;
		if (to->tts_isnull[i] || batch->scrub || lg_type_of(att->atttypid) == 0)
			continue;
		list_no = target_list(batch, to->tts_values[i]);
		if (list_no == 0)
			continue;
		to->tts_values[i] = PointerGetDatum(lg_sealed_reseal(PG_DETOAST_DATUM_PACKED(to->tts_values[i]), list_no));
		wanted = true;
	}
	ExecStoreVirtualTuple(to);
	return wanted;
}

/* Was the row there before the time that scrub was asked for? */
static bool
is_old(Batch *batch)
{
	bool		isnull;
	TransactionId xmin;

	if (!TransactionIdIsValid(batch->before))
		return true;
	xmin = DatumGetTransactionId(slot_getsysattr(batch->row, MinTransactionIdAttributeNumber, &isnull));
	return !TransactionIdIsNormal(xmin) || TransactionIdPrecedes(xmin, batch->before);
}

/* Wait until nobody else has the row; true if it is still the newest version. */
static bool
wait_for_row(Batch *batch, ItemPointer tid)
{
	TupleTableSlot *locked = table_slot_create(batch->rel, NULL);
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(batch->rel, tid, batch->snapshot, locked, GetCurrentCommandId(true),
							  LockTupleExclusive, LockWaitBlock, 0, &failure);
	ExecDropSingleTupleTableSlot(locked);
	return result == TM_Ok;
}

/* mine: this transaction has locked the row. */
static TM_Result
update_row(Batch *batch, ItemPointer tid, bool mine)
{
	TM_FailureData failure;
	LockTupleMode lockmode;
	LgUpdateIndexes indexes;
	TM_Result	result;

	result = lg_table_tuple_update(batch->rel, tid, batch->replacement, GetCurrentCommandId(true),
								   batch->snapshot, mine, &failure, &lockmode, &indexes);
	if (result == TM_Ok && batch->result->ri_NumIndices > 0 && lg_updates_indexes(indexes))
		(void) lg_insert_index_tuples(batch->result, batch->replacement, batch->estate, indexes);
	return result;
}

/*
 * rewrite_row
 *		The row in batch->row, if it needs it.
 */
static RowResult
rewrite_row(Batch *batch)
{
	ItemPointerData tid = batch->row->tts_tid;
	TM_Result	result;

	if ((batch->scrub && !is_old(batch)) || !make_replacement(batch))
		return ROW_DONE;
	result = update_row(batch, &tid, false);
	if (result == TM_BeingModified && batch->wait)
	{
		if (batch->rewritten > 0)
			return ROW_STOP;
		if (wait_for_row(batch, &tid))
			result = update_row(batch, &tid, true);
		else
			result = TM_Updated;
	}
	if (result == TM_Ok)
		batch->rewritten++;
	else if (result != TM_Deleted)
		batch->left++;
	return ROW_DONE;
}

static void
begin_batch(Batch *batch)
{
	batch->snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(batch->snapshot);
	batch->estate = CreateExecutorState();
	batch->estate->es_snapshot = batch->snapshot;
	batch->result = makeNode(ResultRelInfo);
	InitResultRelInfo(batch->result, batch->rel, 0, NULL, 0);
	ExecOpenIndices(batch->result, false);
	batch->row = table_slot_create(batch->rel, NULL);
	batch->replacement = MakeSingleTupleTableSlot(RelationGetDescr(batch->rel), &TTSOpsVirtual);
	batch->memory = AllocSetContextCreate(CurrentMemoryContext, "listguard rewrite", ALLOCSET_DEFAULT_SIZES);
}

static void
end_batch(Batch *batch)
{
	ExecDropSingleTupleTableSlot(batch->row);
	ExecDropSingleTupleTableSlot(batch->replacement);
	ExecCloseIndices(batch->result);
	FreeExecutorState(batch->estate);
	MemoryContextDelete(batch->memory);
	PopActiveSnapshot();
	UnregisterSnapshot(batch->snapshot);
}

static void
where(void *arg)
{
	Batch	   *batch = arg;

	if (ItemPointerIsValid(&batch->row->tts_tid))
		errcontext("rewriting row (%u,%u) of table \"%s\"", ItemPointerGetBlockNumber(&batch->row->tts_tid),
				   ItemPointerGetOffsetNumber(&batch->row->tts_tid), RelationGetRelationName(batch->rel));
}

/*
 * run_batch
 *		Rows from *from on, up to the block "blocks"; true if all were looked at,
 *		else *from is where to go on.
 */
static bool
run_batch(Batch *batch, ItemPointer from, BlockNumber blocks, int64 rows)
{
	TableScanDesc scan;
	ItemPointerData to;
	ErrorContextCallback context;
	bool		all = true;

	if (blocks == 0 || ItemPointerGetBlockNumberNoCheck(from) >= blocks)
		return true;
	ItemPointerSet(&to, blocks - 1, MaxOffsetNumber);
	context.callback = where;
	context.arg = batch;
	context.previous = error_context_stack;
	error_context_stack = &context;
	scan = lg_table_beginscan_tidrange(batch->rel, batch->snapshot, from, &to);
	while (all && table_scan_getnextslot_tidrange(scan, ForwardScanDirection, batch->row))
	{
		MemoryContext old = MemoryContextSwitchTo(batch->memory);

		CHECK_FOR_INTERRUPTS();
		if (batch->rewritten + batch->left >= rows || batch->looked_at >= rows * ROWS_LOOKED_AT ||
			rewrite_row(batch) == ROW_STOP)
		{
			*from = batch->row->tts_tid;
			all = false;
		}
		else
			batch->looked_at++;
		ExecClearTuple(batch->replacement);
		ResetPerTupleExprContext(batch->estate);
		MemoryContextSwitchTo(old);
		MemoryContextReset(batch->memory);
	}
	table_endscan(scan);
	error_context_stack = context.previous;
	return all;
}

/* As the table's owner: what index expressions call must not run as anybody else. */
static bool
run_as_owner(Batch *batch, ItemPointer from, BlockNumber blocks, int64 rows)
{
	Oid			save_user;
	int			save_context;
	bool		all;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(batch->rel->rd_rel->relowner,
						   save_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	begin_batch(batch);
	all = run_batch(batch, from, blocks, rows);
	end_batch(batch);
	SetUserIdAndSecContext(save_user, save_context);
	return all;
}

static Relation
open_table(Oid relid)
{
	Relation	rel = table_open(relid, RowExclusiveLock);

	if (rel->rd_rel->relkind != RELKIND_RELATION || RELATION_IS_OTHER_TEMP(rel))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the rows of \"%s\" cannot be rewritten", RelationGetRelationName(rel))));
	CheckCmdReplicaIdentity(rel, CMD_UPDATE);
	return rel;
}

/*
 * listguard_rewrite_batch
 *		_rewrite_batch(); its arguments and results are told beside its
 *		declaration in sql/install/44_list_keys.sql.
 */
Datum
listguard_rewrite_batch(PG_FUNCTION_ARGS)
{
	char	   *mode = text_to_cstring(PG_GETARG_TEXT_PP(1));
	ItemPointerData from;
	BlockNumber blocks = (BlockNumber) PG_GETARG_INT64(3);
	int64		rows = PG_GETARG_INT32(4);
	Batch		batch;
	TupleDesc	desc;
	Datum		values[BATCH_COLUMNS];
	bool		nulls[BATCH_COLUMNS] = {0};

	lg_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "_rewrite_batch returns a row");
	memset(&batch, 0, sizeof(batch));
	batch.scrub = strcmp(mode, "scrub") == 0;
	if ((!batch.scrub && strcmp(mode, "reseal") != 0) || rows < 1)
		elog(ERROR, "_rewrite_batch cannot be called so");
	batch.wait = PG_GETARG_BOOL(5);
	batch.before = XidFromFullTransactionId(PG_GETARG_FULLTRANSACTIONID(6));
	from = *(ItemPointer) PG_GETARG_POINTER(2);
	batch.rel = open_table(PG_GETARG_OID(0));
	nulls[0] = run_as_owner(&batch, &from, blocks, rows);
	table_close(batch.rel, NoLock);
	values[0] = PointerGetDatum(&from);
	values[1] = Int64GetDatum(batch.looked_at);
	values[2] = Int64GetDatum(batch.rewritten);
	values[3] = Int64GetDatum(batch.left);
	values[4] = Int64GetDatum(batch.closed);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(desc, values, nulls)));
}
