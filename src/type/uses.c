/*-------------------------------------------------------------------------
 *
 * uses.c
 *		Which values of a table does a key seal?  For drop_key().
 *
 * Below the executor: no policy is asked, nothing is charged.  Only the fixed
 * header of a value is read.
 *
 * Locking: ShareLock on the table, kept to the end of the transaction, so that
 * no value can come in behind the scan.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/relation.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/wait_event.h"

#include "policy/registry.h"
#include "type/type.h"

#define USE_COLUMNS	2
#define POLL_MS		20

PG_FUNCTION_INFO_V1(listguard_key_uses);
PG_FUNCTION_INFO_V1(listguard_wait_for_others);

static void
count_row(TupleTableSlot *slot, uint32 key_id, int64 *counts)
{
	TupleDesc	desc = slot->tts_tupleDescriptor;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		bool		isnull;
		Datum		value;

		if (att->attisdropped || lg_type_of(att->atttypid) == 0)
			continue;
		value = slot_getattr(slot, i + 1, &isnull);
		if (!isnull && lg_sealed_key_id(value) == key_id)
			counts[i]++;
	}
}

static void
count_table(Relation rel, uint32 key_id, int64 *counts)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = lg_table_beginscan(rel, snapshot);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		count_row(slot, key_id, counts);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
}

/*
 * listguard_key_uses
 *		_key_uses(member, id): columns with values under a key, and how many.
 */
Datum
listguard_key_uses(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Relation	rel;
	TupleDesc	desc;
	int64	   *counts;

	lg_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	rel = try_relation_open(PG_GETARG_OID(0), ShareLock);
	if (rel == NULL)
		PG_RETURN_VOID();
	desc = RelationGetDescr(rel);
	counts = palloc0(sizeof(int64) * desc->natts);
	count_table(rel, (uint32) PG_GETARG_INT64(1), counts);
	for (int i = 0; i < desc->natts; i++)
	{
		Datum		values[USE_COLUMNS];
		bool		nulls[USE_COLUMNS] = {0};

		if (counts[i] == 0)
			continue;
		values[0] = NameGetDatum(&TupleDescAttr(desc, i)->attname);
		values[1] = Int64GetDatum(counts[i]);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	relation_close(rel, NoLock);
	PG_RETURN_VOID();
}

/* How many of these transactions run? */
static int
count_running(VirtualTransactionId *vxids, int n)
{
	int			running = 0;

	for (int i = 0; i < n; i++)
		if (!VirtualXactLock(vxids[i], false))
			running++;
	return running;
}

/*
 * listguard_wait_for_others
 *		_wait_for_others(ms): wait until every transaction of this database that
 *		runs now, but this one and VACUUM's, has ended; how many have not in time.
 */
Datum
listguard_wait_for_others(PG_FUNCTION_ARGS)
{
	TimestampTz start = GetCurrentTimestamp();
	int			n;
	VirtualTransactionId *vxids = GetCurrentVirtualXIDs(InvalidTransactionId, false, false,
														PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, &n);
	int			running;

	while ((running = count_running(vxids, n)) > 0 &&
		   !TimestampDifferenceExceeds(start, GetCurrentTimestamp(), PG_GETARG_INT32(0)))
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	PG_RETURN_INT32(running);
}
