/*-------------------------------------------------------------------------
 *
 * shadow.c
 *		What protect_check, protect_online and unprotect ask of C: would a text
 *		be refused, the trigger that keeps a shadow column in step, rows written
 *		anew batch by batch, values opened for a way back.
 *
 * A shadow column holds what the address column beside it holds, sealed under
 * the row's list.  What cannot be sealed leaves it null: the application goes
 * on as before, and protect_online says so before it goes any further.
 *
 * Rows are written anew without triggers, policies or the executor's guard,
 * as the table's owner, whose index expressions run.
 *
 * Locking: row locks only, for as long as a batch lasts.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "common/normal.h"
#include "key/keyring.h"
#include "policy/policy.h"
#include "policy/unprotect.h"
#include "type/type.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(listguard_why_refused);
PG_FUNCTION_INFO_V1(listguard_normal_digest);
PG_FUNCTION_INFO_V1(listguard_shadow_row);
PG_FUNCTION_INFO_V1(listguard_rewrite_rows);
PG_FUNCTION_INFO_V1(listguard_open_for_unprotect);

/* ---- would it be refused? ---- */

/* A text as UTF-8; wiped by done(). */
typedef struct Utf8
{
	const char *text;
	size_t		len;
	char	   *copy;			/* NULL: the server's encoding is UTF-8 */
} Utf8;

static void
utf8_of(Utf8 *utf8, const char *text, size_t len)
{
	char	   *copy = pg_server_to_any(text, (int) len, PG_UTF8);

	utf8->copy = copy == text ? NULL : copy;
	utf8->text = copy;
	utf8->len = copy == text ? len : strlen(copy);
}

static void
utf8_done(Utf8 *utf8)
{
	if (utf8->copy == NULL)
		return;
	sodium_memzero(utf8->copy, utf8->len);
	pfree(utf8->copy);
}

static int
characters_before(const char *text, size_t len, size_t offset)
{
	int			n = 0;

	for (size_t i = 0; i < offset && i < len; i++)
		if (((unsigned char) text[i] & 0xC0) != 0x80)
			n++;
	return n;
}

/*
 * normal_of
 *		The normal form of an address (palloc'd, to be wiped), or NULL and why
 *		there is none, with the character it is about.
 */
static char *
normal_of(const char *text, size_t len, size_t *normal_len, const char **why, int *position)
{
	char	   *normal;
	size_t		domain;
	size_t		offset = 0;
	Utf8		utf8;
	LgStatus	status;

	*why = NULL;
	utf8_of(&utf8, text, len);
	if (utf8.len > LG_MAX_ADDRESS_BYTES)
	{
		*why = "The address is longer than 1024 octets.";
		*position = 1;
		utf8_done(&utf8);
		return NULL;
	}
	normal = palloc(LG_NORMAL_BOUND(utf8.len));
	if (lg_mask_is(utf8.text, utf8.len))
	{
		status = LG_ERR_MASKED;
		*why = "The text is a mask.";
	}
	else
		status = lg_address_normal(normal, LG_NORMAL_BOUND(utf8.len), normal_len, &domain,
								   utf8.text, utf8.len, &offset, why);
	*position = characters_before(utf8.text, utf8.len, offset) + 1;
	utf8_done(&utf8);
	if (status == LG_OK)
		return normal;
	if (*why == NULL)
		*why = "The text is not of the required form.";
	pfree(normal);
	return NULL;
}

/*
 * _why_refused(text) -> text
 *		What sealed_email would say of it, never the text; NULL: it is taken.
 */
Datum
listguard_why_refused(PG_FUNCTION_ARGS)
{
	text	   *in = PG_GETARG_TEXT_PP(0);
	const char *why;
	int			position;
	size_t		normal_len;
	char	   *normal = normal_of(VARDATA_ANY(in), VARSIZE_ANY_EXHDR(in), &normal_len, &why, &position);

	if (normal != NULL)
	{
		sodium_memzero(normal, normal_len);
		pfree(normal);
		PG_RETURN_NULL();
	}
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("at character %d: %s", position, why)));
}

/*
 * _normal_digest(text) -> bytea
 *		Equal for what sealed_email holds equal; NULL where it is refused.
 */
Datum
listguard_normal_digest(PG_FUNCTION_ARGS)
{
	text	   *in = PG_GETARG_TEXT_PP(0);
	const char *why;
	int			position;
	size_t		normal_len;
	char	   *normal = normal_of(VARDATA_ANY(in), VARSIZE_ANY_EXHDR(in), &normal_len, &why, &position);
	bytea	   *digest;

	if (normal == NULL)
		PG_RETURN_NULL();
	digest = palloc(VARHDRSZ + 16);
	SET_VARSIZE(digest, VARHDRSZ + 16);
	crypto_generichash((unsigned char *) VARDATA(digest), 16, (unsigned char *) normal, normal_len, NULL, 0);
	sodium_memzero(normal, normal_len);
	pfree(normal);
	PG_RETURN_BYTEA_P(digest);
}

/* ---- shadow columns ---- */

#define MAX_SHADOWS	16

/* Which columns of one table shadow which; by number, as names may change meanwhile. */
typedef struct Shadows
{
	AttrNumber	list;			/* 0: the table is one list */
	int			n;
	AttrNumber	from[MAX_SHADOWS];
	AttrNumber	to[MAX_SHADOWS];
} Shadows;

/*
 * row_list_no
 *		The list of a row of these columns; 0 where it has none to be sealed under.
 */
static int32
row_list_no(Relation rel, const Shadows *shadows, Datum list, bool isnull)
{
	const LgProtected *prot = lg_registered_lookup(RelationGetRelid(rel));
	char	   *value;

	if (prot == NULL)
		return 0;
	if (shadows->list == 0)
		return prot->list_no;
	if (isnull)
		return 0;
	value = lg_list_value(list, TupleDescAttr(RelationGetDescr(rel), shadows->list - 1)->atttypid);
	if (strlen(value) >= LG_WORK_VALUE_MAX)
		return 0;
	return lg_list_ensure(prot->relid, value);
}

/*
 * seal_beside
 *		A column's text sealed; NULL where that cannot be.
 */
static struct varlena *
seal_beside(Datum datum, Oid type, int32 list_no)
{
	text	   *in = DatumGetTextPP(datum);
	const char *text = VARDATA_ANY(in);
	size_t		len = VARSIZE_ANY_EXHDR(in);
	const char *why;
	int			position;
	size_t		normal_len;
	char	   *normal;

	while (type == BPCHAROID && len > 0 && text[len - 1] == ' ')
		len--;
	normal = normal_of(text, len, &normal_len, &why, &position);
	if (normal == NULL || list_no == 0)
		return NULL;
	sodium_memzero(normal, normal_len);
	pfree(normal);
	return lg_sealed_make(LG_TYPE_EMAIL, text, len, list_no);
}

static bool
shadows_of_trigger(Shadows *shadows, const Trigger *trigger)
{
	memset(shadows, 0, sizeof(*shadows));
	if (trigger->tgnargs < 3 || trigger->tgnargs % 2 != 1 || trigger->tgnargs / 2 > MAX_SHADOWS)
		return false;
	shadows->list = (AttrNumber) atoi(trigger->tgargs[0]);
	for (int i = 1; i < trigger->tgnargs; i += 2)
	{
		shadows->from[shadows->n] = (AttrNumber) atoi(trigger->tgargs[i]);
		shadows->to[shadows->n++] = (AttrNumber) atoi(trigger->tgargs[i + 1]);
	}
	return true;
}

static bool
shadows_fit(const Shadows *shadows, TupleDesc desc)
{
	for (int i = 0; i < shadows->n; i++)
		if (shadows->from[i] < 1 || shadows->from[i] > desc->natts ||
			shadows->to[i] < 1 || shadows->to[i] > desc->natts ||
			TupleDescAttr(desc, shadows->from[i] - 1)->attlen != -1 ||
			lg_type_of(TupleDescAttr(desc, shadows->to[i] - 1)->atttypid) != LG_TYPE_EMAIL)
			return false;
	return shadows->list >= 0 && shadows->list <= desc->natts;
}

/*
 * listguard_shadow_row
 *		BEFORE INSERT OR UPDATE FOR EACH ROW on a table that protect_online is
 *		preparing.  Arguments: number of the list column or 0, then pairs of
 *		column and shadow.
 */
Datum
listguard_shadow_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Shadows		shadows;
	TupleDesc	desc;
	HeapTuple	row;
	Datum		values[MAX_SHADOWS];
	bool		nulls[MAX_SHADOWS];
	int			columns[MAX_SHADOWS];
	int32		list_no;
	Datum		list = (Datum) 0;
	bool		list_null = true;

	lg_require_preload();
	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("shadow_row is a BEFORE ROW trigger for INSERT and UPDATE")));
	row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	desc = RelationGetDescr(trigger->tg_relation);
	if (!shadows_of_trigger(&shadows, trigger->tg_trigger) || !shadows_fit(&shadows, desc))
		return PointerGetDatum(row);
	if (shadows.list > 0)
		list = heap_getattr(row, shadows.list, desc, &list_null);
	list_no = row_list_no(trigger->tg_relation, &shadows, list, list_null);
	for (int i = 0; i < shadows.n; i++)
	{
		bool		isnull;
		Datum		from = heap_getattr(row, shadows.from[i], desc, &isnull);

		columns[i] = shadows.to[i];
		values[i] = isnull ? (Datum) 0 :
			PointerGetDatum(seal_beside(from, TupleDescAttr(desc, shadows.from[i] - 1)->atttypid, list_no));
		nulls[i] = DatumGetPointer(values[i]) == NULL;
	}
	return PointerGetDatum(heap_modify_tuple_by_cols(row, desc, shadows.n, columns, values, nulls));
}

/* ---- rows written anew ---- */

typedef struct Rewrite
{
	Relation	rel;
	Shadows		shadows;		/* n = 0: only bytes of dropped columns are looked for */
	EState	   *estate;
	ResultRelInfo *target;
	TupleTableSlot *old;
	TupleTableSlot *new;
	MemoryContext row_context;
	int64		rows;
} Rewrite;

/* Has the row anything to be done to? */
static bool
wants_rewrite(Rewrite *rw)
{
	TupleDesc	desc = RelationGetDescr(rw->rel);

	for (int i = 0; i < rw->shadows.n; i++)
		if (!slot_attisnull(rw->old, rw->shadows.from[i]) && slot_attisnull(rw->old, rw->shadows.to[i]))
			return true;
	for (int i = 0; rw->shadows.n == 0 && i < desc->natts; i++)
		if (TupleDescAttr(desc, i)->attisdropped && !slot_attisnull(rw->old, i + 1))
			return true;
	return false;
}

/*
 * make_new
 *		The row as it is to be: no bytes of dropped columns, shadows filled.
 *		False if that changes nothing.
 */
static bool
make_new(Rewrite *rw)
{
	TupleDesc	desc = RelationGetDescr(rw->rel);
	int32		list_no = 0;
	bool		changed = rw->shadows.n == 0;

	ExecClearTuple(rw->new);
	slot_getallattrs(rw->old);
	memcpy(rw->new->tts_values, rw->old->tts_values, sizeof(Datum) * desc->natts);
	memcpy(rw->new->tts_isnull, rw->old->tts_isnull, sizeof(bool) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
		if (TupleDescAttr(desc, i)->attisdropped)
			rw->new->tts_isnull[i] = true;
	if (rw->shadows.n > 0)
	{
		int			at = rw->shadows.list > 0 ? rw->shadows.list - 1 : 0;

		list_no = row_list_no(rw->rel, &rw->shadows, rw->old->tts_values[at],
							  rw->shadows.list > 0 && rw->old->tts_isnull[at]);
	}
	for (int i = 0; i < rw->shadows.n; i++)
	{
		int			from = rw->shadows.from[i] - 1;
		int			to = rw->shadows.to[i] - 1;
		struct varlena *sealed;

		if (rw->old->tts_isnull[from] || !rw->old->tts_isnull[to])
			continue;
		sealed = seal_beside(rw->old->tts_values[from], TupleDescAttr(desc, from)->atttypid, list_no);
		if (sealed == NULL)
			continue;
		rw->new->tts_values[to] = PointerGetDatum(sealed);
		rw->new->tts_isnull[to] = false;
		changed = true;
	}
	ExecStoreVirtualTuple(rw->new);
	return changed;
}

/*
 * rewrite_row
 *		The row in rw->old, unless somebody else has changed it since: then its
 *		new version is in step already.
 */
static void
rewrite_row(Rewrite *rw, Snapshot snapshot)
{
	TM_FailureData failure;
	ItemPointerData tid = rw->old->tts_tid;
	TM_Result	result;
	MemoryContext old;

	if (!wants_rewrite(rw))
		return;
	result = table_tuple_lock(rw->rel, &tid, snapshot, rw->old, GetCurrentCommandId(false),
							  LockTupleNoKeyExclusive, LockWaitBlock, 0, &failure);
	if (result != TM_Ok)
		return;
	MemoryContextReset(rw->row_context);
	old = MemoryContextSwitchTo(rw->row_context);
	if (make_new(rw))
	{
		ExecSimpleRelationUpdate(rw->target, rw->estate, NULL, rw->old, rw->new);
		rw->rows++;
	}
	MemoryContextSwitchTo(old);
	ResetPerTupleExprContext(rw->estate);
}

static void
rewrite_open(Rewrite *rw, Oid relid)
{
	rw->rel = table_open(relid, RowExclusiveLock);
	if (rw->rel->rd_rel->relkind != RELKIND_RELATION)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", RelationGetRelationName(rw->rel))));
	if (rw->shadows.n > 0 && !shadows_fit(&rw->shadows, RelationGetDescr(rw->rel)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("columns of table \"%s\" have changed", RelationGetRelationName(rw->rel))));
	rw->estate = CreateExecutorState();
	rw->target = makeNode(ResultRelInfo);
	InitResultRelInfo(rw->target, rw->rel, 0, NULL, 0);
	rw->target->ri_TrigDesc = NULL;
	ExecOpenIndices(rw->target, false);
	rw->estate->es_output_cid = GetCurrentCommandId(true);
	rw->old = table_slot_create(rw->rel, NULL);
	rw->new = MakeSingleTupleTableSlot(RelationGetDescr(rw->rel), &TTSOpsVirtual);
	rw->row_context = AllocSetContextCreate(CurrentMemoryContext, "listguard rewrite", ALLOCSET_DEFAULT_SIZES);
	rw->rows = 0;
}

static void
rewrite_close(Rewrite *rw)
{
	ExecDropSingleTupleTableSlot(rw->old);
	ExecDropSingleTupleTableSlot(rw->new);
	ExecCloseIndices(rw->target);
	FreeExecutorState(rw->estate);
	MemoryContextDelete(rw->row_context);
	table_close(rw->rel, NoLock);
}

/*
 * rewrite_range
 *		Blocks from first up to, not with, end; whole blocks, until max_rows are
 *		written or max_ms have passed.  The block to go on with.
 */
static int64
rewrite_range(Rewrite *rw, int64 first, int64 end, int64 max_rows, int max_ms)
{
	TimestampTz start = GetCurrentTimestamp();
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	BlockNumber seen = (BlockNumber) first;
	ItemPointerData min;
	ItemPointerData max;
	TableScanDesc scan;
	int64		next = end;

	end = Min(end, (int64) RelationGetNumberOfBlocks(rw->rel));
	rw->estate->es_snapshot = snapshot;
	if (first < end)
	{
		ItemPointerSet(&min, (BlockNumber) first, 1);
		ItemPointerSet(&max, (BlockNumber) (end - 1), MaxOffsetNumber);
		scan = lg_table_beginscan_tidrange(rw->rel, snapshot, &min, &max);
		while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, rw->old))
		{
			BlockNumber block = ItemPointerGetBlockNumber(&rw->old->tts_tid);

			CHECK_FOR_INTERRUPTS();
			if (block != seen && (rw->rows >= max_rows ||
								  TimestampDifferenceExceeds(start, GetCurrentTimestamp(), max_ms)))
			{
				next = block;
				break;
			}
			seen = block;
			rewrite_row(rw, snapshot);
		}
		table_endscan(scan);
	}
	UnregisterSnapshot(snapshot);
	return next;
}

static void
shadows_of_array(Shadows *shadows, ArrayType *array)
{
	Datum	   *elems;
	int			n;

	deconstruct_array(array, INT2OID, sizeof(int16), true, TYPALIGN_SHORT, &elems, NULL, &n);
	memset(shadows, 0, sizeof(*shadows));
	if (n == 0)
		return;
	if (n < 3 || n % 2 != 1 || n / 2 > MAX_SHADOWS)
		elog(ERROR, "columns are not in pairs");
	shadows->list = DatumGetInt16(elems[0]);
	for (int i = 1; i < n; i += 2)
	{
		shadows->from[shadows->n] = DatumGetInt16(elems[i]);
		shadows->to[shadows->n++] = DatumGetInt16(elems[i + 1]);
	}
}

/*
 * _rewrite_rows(relation, shadows int2[], first, end, max_rows, max_ms,
 *               OUT next int8, OUT rows int8)
 *		For the extension's owner; shadows as the trigger's arguments, or empty.
 */
Datum
listguard_rewrite_rows(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Rewrite		rw;
	Oid			save_user;
	int			save_context;
	TupleDesc	desc;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	lg_require_preload();
	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(&rw, 0, sizeof(rw));
	shadows_of_array(&rw.shadows, PG_GETARG_ARRAYTYPE_P(1));
	rewrite_open(&rw, relid);
	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(rw.rel->rd_rel->relowner,
						   save_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	values[0] = Int64GetDatum(rewrite_range(&rw, PG_GETARG_INT64(2), PG_GETARG_INT64(3),
											PG_GETARG_INT64(4), PG_GETARG_INT32(5)));
	SetUserIdAndSecContext(save_user, save_context);
	values[1] = Int64GetDatum(rw.rows);
	rewrite_close(&rw);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}

/* ---- the way back ---- */

/*
 * _open(sealed) -> text
 *		Part of unprotect's ALTER TABLE, which runs as the table's owner: opens
 *		values of that relation's lists and of '-', and refuses elsewhere.
 */
Datum
listguard_open_for_unprotect(PG_FUNCTION_ARGS)
{
	LgValueView view;
	int32		list_no;
	const LgList *list;
	char	   *clear;
	size_t		len;
	text	   *out;

	lg_require_preload();
	lg_sealed_view(&view, (struct varlena *) PG_GETARG_VARLENA_PP(0));
	list_no = lg_key_list(view.key_id);
	list = lg_list_by_no(list_no);
	if (!lg_is_internal() || !OidIsValid(lg_unprotecting()) || list == NULL ||
		(list->relation != NULL && list->relid != lg_unprotecting()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", "_open")));
	clear = lg_sealed_open(&view, &len);
	out = cstring_to_text_with_len(clear, (int) len);
	sodium_memzero(clear, len);
	pfree(clear);
	PG_RETURN_TEXT_P(out);
}
