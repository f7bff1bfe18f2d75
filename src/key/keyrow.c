/*-------------------------------------------------------------------------
 *
 * keyrow.c
 *		Read the key tables without SPI.
 *
 * The tables are read as catalogs are, by a snapshot of this moment: a key
 * made by the worker a moment ago has to be seen by a statement that began
 * before.  During logical decoding the current rows count as well, not those
 * of the time being decoded.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "errcodes.h"
#include "key/keyrow.h"
#include "policy/registry.h"

/*
 * lg_key_table_open
 *		Open a registry table for reading.
 */
Relation
lg_key_table_open(const char *name)
{
	Oid			relid = lg_relation_oid(name);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("listguard is not installed in this database")));
	return table_open(relid, AccessShareLock);
}

/*
 * lg_key_snapshot, lg_key_snapshot_done
 *		What to give to systable_beginscan(): NULL, its own choice, but where
 *		that would be the historic snapshot of logical decoding.
 */
Snapshot
lg_key_snapshot(Relation rel)
{
	if (!HistoricSnapshotActive())
		return NULL;
	return RegisterSnapshot(GetNonHistoricCatalogSnapshot(RelationGetRelid(rel)));
}

void
lg_key_snapshot_done(Snapshot snapshot)
{
	if (snapshot != NULL)
		UnregisterSnapshot(snapshot);
}

/*
 * lg_wrapped_from_datum
 *		Copy a bytea of exactly the wrapped length; false for any other.
 */
bool
lg_wrapped_from_datum(uint8 out[LG_WRAPPED_BYTES], Datum value)
{
	bytea	   *bytes = DatumGetByteaPP(value);
	bool		good = VARSIZE_ANY_EXHDR(bytes) == LG_WRAPPED_BYTES;

	if (good)
		memcpy(out, VARDATA_ANY(bytes), LG_WRAPPED_BYTES);
	if ((Pointer) bytes != DatumGetPointer(value))
		pfree(bytes);
	return good;
}

static void
row_from_tuple(LgKeyRow *row, HeapTuple tuple, TupleDesc desc)
{
	bool		isnull;
	Datum		value;

	row->exists = true;
	row->list_no = DatumGetInt32(heap_getattr(tuple, Anum_lg_key_list_no, desc, &isnull));
	value = heap_getattr(tuple, Anum_lg_key_wrapped, desc, &isnull);
	row->shredded = isnull;
	if (!isnull && !lg_wrapped_from_datum(row->wrapped, value))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("wrapped key %u is malformed", row->key_id)));
}

/*
 * lg_key_row_read
 *		The row of a key id; exists tells whether there is one.
 */
void
lg_key_row_read(LgKeyRow *row, uint32 key_id)
{
	Relation	rel = lg_key_table_open("key");
	Oid			index = lg_relation_oid("key_pkey");
	Snapshot	snapshot = lg_key_snapshot(rel);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	memset(row, 0, sizeof(*row));
	row->key_id = key_id;
	ScanKeyInit(&key, Anum_lg_key_key_id, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum((int64) key_id));
	scan = systable_beginscan(rel, index, OidIsValid(index), snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		row_from_tuple(row, tuple, RelationGetDescr(rel));
	systable_endscan(scan);
	lg_key_snapshot_done(snapshot);
	table_close(rel, AccessShareLock);
}

/*
 * lg_keyset_row_read
 *		Id of this database's keyset, from "keyset", or of the values that were
 *		stored before there was one, from "stored_keyset"; false if there is none.
 */
bool
lg_keyset_row_read(const char *table, uint8 out[LG_KEYSET_BYTES])
{
	Relation	rel = lg_key_table_open(table);
	Snapshot	snapshot = lg_key_snapshot(rel);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple = systable_getnext(scan);
	bool		found = HeapTupleIsValid(tuple);

	if (found)
	{
		bool		isnull;
		Datum		value = heap_getattr(tuple, Anum_lg_keyset_id, RelationGetDescr(rel), &isnull);
		bytea	   *bytes = DatumGetByteaPP(value);

		if (VARSIZE_ANY_EXHDR(bytes) != LG_KEYSET_BYTES)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("keyset id is malformed")));
		memcpy(out, VARDATA_ANY(bytes), LG_KEYSET_BYTES);
	}
	systable_endscan(scan);
	lg_key_snapshot_done(snapshot);
	table_close(rel, AccessShareLock);
	return found;
}

/*
 * lg_index_row_read
 *		Epoch and wrapped form of the newest index key; 0 if there is none.
 */
int
lg_index_row_read(uint8 out[LG_WRAPPED_BYTES])
{
	Relation	rel = lg_key_table_open("index_key");
	TupleDesc	desc = RelationGetDescr(rel);
	Snapshot	snapshot = lg_key_snapshot(rel);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0, NULL);
	HeapTuple	tuple;
	int			newest = 0;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		int			epoch = DatumGetInt16(heap_getattr(tuple, Anum_lg_index_key_epoch, desc, &isnull));

		if (epoch <= newest)
			continue;
		if (!lg_wrapped_from_datum(out, heap_getattr(tuple, Anum_lg_index_key_wrapped, desc, &isnull)))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("wrapped index key is malformed")));
		newest = epoch;
	}
	systable_endscan(scan);
	lg_key_snapshot_done(snapshot);
	table_close(rel, AccessShareLock);
	return newest;
}

/*
 * lg_default_list_read
 *		Number of the default list, the one row without a relation; 0 if none.
 */
int32
lg_default_list_read(void)
{
	Relation	rel = lg_key_table_open("list");
	Oid			index = lg_relation_oid("list_relation_key");
	Snapshot	snapshot = lg_key_snapshot(rel);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int32		list_no = 0;

	ScanKeyEntryInitialize(&key, SK_ISNULL | SK_SEARCHNULL, Anum_lg_list_relation,
						   InvalidStrategy, InvalidOid, InvalidOid, InvalidOid, (Datum) 0);
	scan = systable_beginscan(rel, index, OidIsValid(index), snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;

		list_no = DatumGetInt32(heap_getattr(tuple, Anum_lg_list_list_no, RelationGetDescr(rel), &isnull));
	}
	systable_endscan(scan);
	lg_key_snapshot_done(snapshot);
	table_close(rel, AccessShareLock);
	return list_no;
}
