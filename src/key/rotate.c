/*-------------------------------------------------------------------------
 *
 * rotate.c
 *		rotate_root_key(): index keys and list keys of this database under the
 *		current root key.
 *
 * Only the wrapping changes: no value is touched and no session notices.  All
 * rows change in one transaction or none does, so that a crash, or a row that
 * no loaded root opens, leaves the database under the old root as it was.
 *
 * Locking: SHARE ROW EXCLUSIVE on keyset, index_key and key, in this order,
 * which is the order in which keymake.c inserts.  It waits for whoever is
 * inserting a key and keeps others from inserting one, and keeps a second
 * rotation out; reading goes on.  See keymake.c for the other half.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "audit/audit.h"
#include "errcodes.h"
#include "key/keyadmin.h"
#include "key/keyring.h"
#include "key/keyrow.h"
#include "key/rootkey.h"
#include "policy/policy.h"

#define BATCH_ROWS		1000	/* changed by one statement */

PG_FUNCTION_INFO_V1(listguard_rotate_root_key);

/* Keys wrapped anew and not yet written. */
typedef struct Batch
{
	uint8		kind;			/* LG_WRAP_* */
	int			n;
	Datum		ids[BATCH_ROWS];
	Datum		wrapped[BATCH_ROWS];
} Batch;

/*
 * lg_key_tables_lock
 *		What every change of wrapped keys holds to the end of its transaction.
 */
void
lg_key_tables_lock(void)
{
	static const char *const tables[] = {"keyset", "index_key", "key"};

	for (int i = 0; i < lengthof(tables); i++)
	{
		Oid			relid = lg_relation_oid(tables[i]);

		if (!OidIsValid(relid))
			ereport(ERROR,
					(errcode(ERRCODE_LG_KEY),
					 errmsg("listguard is not installed in this database")));
		LockRelationOid(relid, ShareRowExclusiveLock);
	}
}

/*
 * lg_keys_visit
 *		Every row of listguard.index_key or listguard.key, as committed now or
 *		changed by this transaction; wrapped is NULL for a destroyed key.
 */
void
lg_keys_visit(uint8 kind, const uint8 keyset[LG_KEYSET_BYTES], LgKeyVisitor visit, void *arg)
{
	bool		is_index = kind == LG_WRAP_INDEX;
	Relation	rel = lg_key_table_open(is_index ? "index_key" : "key");
	TupleDesc	desc = RelationGetDescr(rel);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		uint8		wrapped[LG_WRAPPED_BYTES];
		LgWrapContext ctx;
		Datum		value;
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		memset(&ctx, 0, sizeof(ctx));
		memcpy(ctx.keyset, keyset, LG_KEYSET_BYTES);
		ctx.kind = kind;
		if (is_index)
			ctx.key_id = (uint32) DatumGetInt16(heap_getattr(tuple, Anum_lg_index_key_epoch, desc, &isnull));
		else
		{
			ctx.key_id = (uint32) DatumGetInt64(heap_getattr(tuple, Anum_lg_key_key_id, desc, &isnull));
			ctx.list_no = (uint32) DatumGetInt32(heap_getattr(tuple, Anum_lg_key_list_no, desc, &isnull));
		}
		value = heap_getattr(tuple, is_index ? Anum_lg_index_key_wrapped : Anum_lg_key_wrapped, desc, &isnull);
		if (!isnull && !lg_wrapped_from_datum(wrapped, value))
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("wrapped key %u is malformed", ctx.key_id)));
		visit(&ctx, isnull ? NULL : wrapped, arg);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* Name of a key in a message. */
const char *
lg_key_describe(const LgWrapContext *ctx)
{
	return ctx->kind == LG_WRAP_INDEX ? psprintf("index key %u", ctx->key_id) :
		psprintf("key %u of list %u", ctx->key_id, ctx->list_no);
}

/*
 * cannot_open
 *		LG004 with the key's name and the id of the root that it needs.
 */
static void
cannot_open(const LgWrapContext *ctx, const uint8 wrapped[LG_WRAPPED_BYTES])
{
	char		root[2 * LG_ROOT_ID_BYTES + 1];
	bool		absent = lg_rootkey_place(wrapped + LG_WRAPPED_ROOT_ID) == LG_ROOT_ABSENT;

	sodium_bin2hex(root, sizeof(root), wrapped + LG_WRAPPED_ROOT_ID, LG_ROOT_ID_BYTES);
	ereport(ERROR,
			(errcode(ERRCODE_LG_KEY),
			 errmsg("no loaded root key opens %s", lg_key_describe(ctx)),
			 absent ? errdetail("It is wrapped under root key %s. Nothing was changed.", root) :
			 errdetail("It names root key %s, which is loaded: the stored key was altered, or belongs to another keyset or list. Nothing was changed.", root),
			 absent ? errhint("Set that root key as listguard.root_key_file_old or listguard.root_key_command_old, call listguard.reload_root_key(), and try again.") :
			 errhint("Restore this row from a backup; listguard.check_root_key() lists all that do not open.")));
}

/*
 * lg_key_rewrap
 *		The same key under another root key.  LG004 where no loaded root opens it.
 */
void
lg_key_rewrap(uint8 out[LG_WRAPPED_BYTES], const LgWrapContext *ctx,
			  const uint8 wrapped[LG_WRAPPED_BYTES], const uint8 new_root[LG_KEY_BYTES])
{
	uint8		root[LG_KEY_BYTES];
	uint8		key[LG_KEY_BYTES];
	LgStatus	status = LG_ERR_KEY;

	if (lg_rootkey_find(root, wrapped + LG_WRAPPED_ROOT_ID))
		status = lg_key_unwrap(key, root, ctx, wrapped);
	sodium_memzero(root, sizeof(root));
	if (status == LG_OK)
		status = lg_key_wrap(out, new_root, ctx, key);
	sodium_memzero(key, sizeof(key));
	if (status != LG_OK)
		cannot_open(ctx, wrapped);
}

/* The batch into its table; its rows are locked against others, but may be newer than our snapshot. */
static void
write_batch(Batch *batch)
{
	bool		is_index = batch->kind == LG_WRAP_INDEX;
	Oid			types[] = {INT8ARRAYOID, BYTEAARRAYOID};
	Datum		values[2];

	if (batch->n == 0)
		return;
	values[0] = PointerGetDatum(construct_array(batch->ids, batch->n, INT8OID, 8, sizeof(Datum) >= 8, TYPALIGN_DOUBLE));
	values[1] = PointerGetDatum(construct_array(batch->wrapped, batch->n, BYTEAOID, -1, false, TYPALIGN_INT));
	if (lg_registry_execute(is_index ?
							"UPDATE listguard.index_key k SET wrapped = n.wrapped"
							" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) n(id, wrapped) WHERE k.epoch OPERATOR(pg_catalog.=) n.id" :
							"UPDATE listguard.key k SET wrapped = n.wrapped"
							" FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) n(id, wrapped) WHERE k.key_id OPERATOR(pg_catalog.=) n.id",
							2, types, values) != (uint64) batch->n)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent update"),
				 errhint("Call listguard.rotate_root_key() in a READ COMMITTED transaction.")));
	batch->n = 0;
}

/* What the visit of a table collects: the keys that need another root. */
typedef struct Outdated
{
	uint8		current[LG_ROOT_ID_BYTES];
	List	   *contexts;		/* of LgWrapContext * */
	List	   *wrapped;		/* of uint8[LG_WRAPPED_BYTES] */
} Outdated;

static void
note_outdated(const LgWrapContext *ctx, const uint8 *wrapped, void *arg)
{
	Outdated   *outdated = arg;

	if (wrapped == NULL || memcmp(wrapped + LG_WRAPPED_ROOT_ID, outdated->current, LG_ROOT_ID_BYTES) == 0)
		return;
	outdated->contexts = lappend(outdated->contexts, memcpy(palloc(sizeof(*ctx)), ctx, sizeof(*ctx)));
	outdated->wrapped = lappend(outdated->wrapped, memcpy(palloc(LG_WRAPPED_BYTES), wrapped, LG_WRAPPED_BYTES));
}

/*
 * rotate_table
 *		Wrap one table's outdated keys anew; returns how many.
 *
 * They are gathered before the first is written: the scan sees our own changes.
 */
static int64
rotate_table(uint8 kind, const uint8 keyset[LG_KEYSET_BYTES], const uint8 root[LG_KEY_BYTES])
{
	Batch	   *batch = palloc0(sizeof(Batch));
	Outdated	outdated = {{0}, NIL, NIL};
	ListCell   *ctx_cell;
	ListCell   *wrapped_cell;

	batch->kind = kind;
	lg_root_id(outdated.current, root);
	lg_keys_visit(kind, keyset, note_outdated, &outdated);
	forboth(ctx_cell, outdated.contexts, wrapped_cell, outdated.wrapped)
	{
		const LgWrapContext *ctx = lfirst(ctx_cell);
		bytea	   *bytes = palloc(VARHDRSZ + LG_WRAPPED_BYTES);

		CHECK_FOR_INTERRUPTS();
		SET_VARSIZE(bytes, VARHDRSZ + LG_WRAPPED_BYTES);
		lg_key_rewrap((uint8 *) VARDATA(bytes), ctx, lfirst(wrapped_cell), root);
		batch->ids[batch->n] = Int64GetDatum((int64) ctx->key_id);
		batch->wrapped[batch->n++] = PointerGetDatum(bytes);
		if (batch->n == BATCH_ROWS)
			write_batch(batch);
	}
	write_batch(batch);
	return list_length(outdated.contexts);
}

static void
record_rotation(const uint8 root_id[LG_ROOT_ID_BYTES], int64 keys, bool done)
{
	char		hex[2 * LG_ROOT_ID_BYTES + 1];
	LgEvent		ev;

	sodium_bin2hex(hex, sizeof(hex), root_id, LG_ROOT_ID_BYTES);
	lg_event_init(&ev, LG_EV_KEY, done ? LG_OUT_OK : LG_OUT_REFUSED);
	ev.detail = done ?
		psprintf("{\"root key\": \"rotate\", \"root\": \"%s\", \"keys\": " INT64_FORMAT "}", hex, keys) :
		psprintf("{\"root key\": \"rotate\", \"root\": \"%s\"}", hex);
	if (done)
		lg_audit_event(&ev, LG_SYNCED, NULL);
	else
		lg_audit_refusal(&ev, NULL);
}

static int64
rotate(const uint8 keyset[LG_KEYSET_BYTES], const uint8 root[LG_KEY_BYTES])
{
	return rotate_table(LG_WRAP_INDEX, keyset, root) + rotate_table(LG_WRAP_LIST, keyset, root);
}

/*
 * listguard_rotate_root_key
 *		rotate_root_key() -> bigint: wrap every key of this database that is not
 *		under the current root key under it; returns how many those were.
 *
 * The root is taken after the locks: a key made before them, under the root
 * that was current then, is seen.  LG004 where a key opens with neither root.
 */
Datum
listguard_rotate_root_key(PG_FUNCTION_ARGS)
{
	uint8		keyset[LG_KEYSET_BYTES];
	uint8		root_id[LG_ROOT_ID_BYTES];
	uint8		root[LG_KEY_BYTES];
	volatile int64 keys = 0;

	lg_key_require_admin("rotate_root_key");
	PreventCommandIfReadOnly("rotate_root_key()");
	PreventCommandDuringRecovery("rotate_root_key()");
	lg_rootkey_get(root, NULL);
	sodium_memzero(root, sizeof(root));
	lg_key_tables_lock();
	lg_rootkey_get(root, NULL);
	lg_root_id(root_id, root);
	PG_TRY();
	{
		if (lg_keyset_id(keyset))
			keys = rotate(keyset, root);
	}
	PG_CATCH();
	{
		sodium_memzero(root, sizeof(root));
		record_rotation(root_id, 0, false);
		PG_RE_THROW();
	}
	PG_END_TRY();
	sodium_memzero(root, sizeof(root));
	record_rotation(root_id, keys, true);
	PG_RETURN_INT64(keys);
}
