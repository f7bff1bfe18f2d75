/*-------------------------------------------------------------------------
 *
 * change.c
 *		Changes of protected tables: statement triggers with transition tables,
 *		one event for each statement, in the same transaction.
 *
 * The event's detail holds a digest of the tokens in the sealed columns: the
 * sum modulo 2^128 of SipHash-2-4-128 of each row's tokens, so that it does not
 * depend on the order of rows and needs no memory.  Its key is made of the audit
 * key: the event of a single row cannot be joined with a table.
 *
 * COPY counts its rows as it stores them (lg_change_begin): writing them all to a
 * transition table and reading them again costs as much as sealing them.  The
 * trigger fires all the same, and puts down what was counted.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "access/tableam.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "audit/change.h"
#include "audit/record.h"
#include "common/kdf.h"
#include "key/keyring.h"
#include "policy/registry.h"

#define DIGEST_BYTES	16
#define COLUMN_BYTES	(3 + LG_TOKEN_BYTES)	/* one column's part of what is hashed */

/* The sealed columns of one relation. */
typedef struct Columns
{
	int			n;
	AttrNumber	at[LG_MAX_SEALED_COLUMNS];
} Columns;

/* What a set of rows adds up to. */
typedef struct Summary
{
	int64		rows;
	uint64		sum[2];			/* little end first */
	int			n_lists;		/* -1: more than the array holds */
	int32		lists[LG_EVENT_LISTS_MAX];
} Summary;

static void
find_columns(TupleDesc desc, Columns *columns)
{
	int			i;

	columns->n = 0;
	for (i = 0; i < desc->natts && columns->n < LG_MAX_SEALED_COLUMNS; i++)
	{
		Form_pg_attribute attr = TupleDescAttr(desc, i);

		if (!attr->attisdropped && lg_type_of(attr->atttypid) != 0)
			columns->at[columns->n++] = attr->attnum;
	}
}

static void
note_list(Summary *sum, uint32 key_id)
{
	int32		list_no = lg_key_list(key_id);
	int			i;

	if (list_no < 0 || sum->n_lists < 0)
		return;
	for (i = sum->n_lists - 1; i >= 0; i--)
	{
		if (sum->lists[i] == list_no)
			return;
	}
	if (sum->n_lists == LG_EVENT_LISTS_MAX)
		sum->n_lists = -1;
	else
		sum->lists[sum->n_lists++] = list_no;
}

/*
 * put_column
 *		Column number, then the token, or as much as says that there is none;
 *		returns how many bytes that is.
 */
static size_t
put_column(uint8_t out[COLUMN_BYTES], Summary *sum, AttrNumber column, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		datum = slot_getattr(slot, column, &isnull);
	struct varlena *value;
	LgValueView view;
	size_t		n = 3;

	out[0] = (uint8_t) (column >> 8);
	out[1] = (uint8_t) column;
	out[2] = 0;
	if (isnull)
		return n;
	value = PG_DETOAST_DATUM_PACKED(datum);
	if (lg_value_parse(&view, (const uint8_t *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)) == LG_OK)
	{
		note_list(sum, view.key_id);
		out[2] = view.token ? 2 : 1;
		if (view.token)
		{
			memcpy(out + n, view.token, LG_TOKEN_BYTES);
			n += LG_TOKEN_BYTES;
		}
	}
	if ((void *) value != DatumGetPointer(datum))
		pfree(value);
	return n;
}

static void
add_row(Summary *sum, const Columns *columns, const uint8_t *key, TupleTableSlot *slot)
{
	uint8_t		bytes[LG_MAX_SEALED_COLUMNS * COLUMN_BYTES];
	uint64		row[2];
	size_t		n = 0;
	int			i;

	sum->rows++;
	if (columns->n == 0)
		return;
	for (i = 0; i < columns->n; i++)
		n += put_column(bytes + n, sum, columns->at[i], slot);
	crypto_shorthash_siphashx24((unsigned char *) row, bytes, n, key);
	sum->sum[0] += row[0];
	sum->sum[1] += row[1] + (sum->sum[0] < row[0] ? 1 : 0);
}

/* The digest's own key; the caller wipes it. */
static void
digest_key(uint8_t key[crypto_shorthash_siphashx24_KEYBYTES])
{
	uint8_t		subkey[LG_KEY_BYTES];

	lg_kdf_subkey(subkey, lg_index_keys()->audit, "listguard v1 change digest");
	memcpy(key, subkey, crypto_shorthash_siphashx24_KEYBYTES);
	sodium_memzero(subkey, sizeof(subkey));
}

/* One transition table being read; rows is NULL where the statement has none. */
typedef struct LgChange
{
	struct LgChange *outer;		/* counted rows only: of the statement around this one */
	Oid			relid;
	const char *name;			/* of its digest */
	Tuplestorestate *rows;
	TupleTableSlot *slot;
	Columns		columns;
	int			pointer;
	Summary		sum;
	bool		has_key;
	uint8_t		key[crypto_shorthash_siphashx24_KEYBYTES];
} LgChange;

typedef LgChange Side;

static Side *counted = NULL;	/* innermost statement that counts its own rows */

static void
side_open(Side *side, const char *name, Tuplestorestate *rows, Relation rel)
{
	memset(side, 0, sizeof(*side));
	side->name = name;
	side->rows = rows;
	if (rows == NULL)
		return;
	/* Rows restored or replicated before the keys are counted, without a digest. */
	if (lg_index_keys_here())
		find_columns(RelationGetDescr(rel), &side->columns);
	side->slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	side->pointer = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);
	tuplestore_select_read_pointer(rows, side->pointer);
	tuplestore_rescan(rows);
}

static void
side_add(Side *side, TupleTableSlot *slot)
{
	if (side->columns.n > 0 && !side->has_key)
	{
		digest_key(side->key);
		side->has_key = true;
	}
	add_row(&side->sum, &side->columns, side->key, slot);
}

/* Adds the next row to the sum; false at the end. */
static bool
side_next(Side *side)
{
	bool		there;

	if (side->rows == NULL)
		return false;
	CHECK_FOR_INTERRUPTS();
	tuplestore_select_read_pointer(side->rows, side->pointer);
	there = tuplestore_gettupleslot(side->rows, true, false, side->slot);
	if (there)
		side_add(side, side->slot);
	return there;
}

/* The slot lets go of its row, which may lie in memory about to be reset. */
static void
side_forget(Side *side)
{
	if (side->rows != NULL)
		ExecClearTuple(side->slot);
}

static void
side_close(Side *side)
{
	if (side->rows == NULL)
		return;
	sodium_memzero(side->key, sizeof(side->key));
	tuplestore_select_read_pointer(side->rows, 0);
	ExecDropSingleTupleTableSlot(side->slot);
}

/* TRUNCATE has no transition table: its lock is held, the rows are counted. */
static void
count_heap(Relation rel, Summary *sum)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = lg_table_beginscan(rel, snapshot);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		sum->rows++;
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
}

static void
put_digest(StringInfo detail, const Side *side)
{
	char		hex[2 * DIGEST_BYTES + 1];

	if (side->columns.n == 0)
		return;
	sodium_bin2hex(hex, sizeof(hex), (const unsigned char *) side->sum.sum, DIGEST_BYTES);
	appendStringInfo(detail, "%s\"%s\": \"%s\"", detail->len > 1 ? ", " : "", side->name, hex);
}

static LgEventKind
kind_of(TriggerEvent event)
{
	if (TRIGGER_FIRED_BY_INSERT(event))
		return LG_EV_INSERT;
	if (TRIGGER_FIRED_BY_UPDATE(event))
		return LG_EV_UPDATE;
	if (TRIGGER_FIRED_BY_DELETE(event))
		return LG_EV_DELETE;
	return LG_EV_TRUNCATE;
}

static void
merge_lists(LgEvent *ev, const Summary *a, const Summary *b)
{
	Summary		both = *a;
	int			i;
	int			j;

	for (i = 0; i < b->n_lists; i++)
	{
		for (j = 0; j < both.n_lists && both.lists[j] != b->lists[i]; j++)
			;
		if (j < both.n_lists || both.n_lists < 0)
			continue;
		if (both.n_lists == LG_EVENT_LISTS_MAX)
			both.n_lists = -1;
		else
			both.lists[both.n_lists++] = b->lists[i];
	}
	if (b->n_lists < 0)
		both.n_lists = -1;
	ev->n_lists = both.n_lists;
	if (both.n_lists > 0)
		memcpy(ev->lists, both.lists, both.n_lists * sizeof(int32));
}

/*
 * lg_change_begin
 *		The rows of the INSERT that runs now are given one by one.
 *
 * Its trigger takes what they add up to; the caller sees to it that the
 * statement has no transition table, and calls lg_change_end() whatever happens.
 */
LgChange *
lg_change_begin(Relation rel)
{
	Side	   *side = palloc0(sizeof(Side));

	side_open(side, "digest_new", NULL, rel);
	find_columns(RelationGetDescr(rel), &side->columns);
	side->relid = RelationGetRelid(rel);
	side->outer = counted;
	counted = side;
	return side;
}

void
lg_change_row(LgChange *change, TupleTableSlot *slot)
{
	side_add(change, slot);
}

void
lg_change_end(LgChange *change)
{
	sodium_memzero(change->key, sizeof(change->key));
	counted = change->outer;
}

/* The event of what the two sides add up to, into the table; SPI is connected. */
static void
insert_event(LgEvent *ev, const Side *old, const Side *new)
{
	StringInfoData detail;
	LgIdentity	who;
	LgAuditRow	row;
	pg_uuid_t	id;

	initStringInfo(&detail);
	appendStringInfoChar(&detail, '{');
	merge_lists(ev, &old->sum, &new->sum);
	put_digest(&detail, old);
	put_digest(&detail, new);
	if (ev->n_lists < 0)
		appendStringInfo(&detail, "%s\"lists_more_than\": %d", detail.len > 1 ? ", " : "", LG_EVENT_LISTS_MAX);
	appendStringInfoChar(&detail, '}');
	ev->detail = detail.len > 2 ? detail.data : NULL;
	ev->rows = Max(old->sum.rows, new->sum.rows);
	if (!pg_strong_random(id.data, UUID_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	id.data[6] = (id.data[6] & 0x0f) | 0x40;
	id.data[8] = (id.data[8] & 0x3f) | 0x80;
	lg_identity_take(&who);
	lg_row_from_event(&row, ev, &who, &id, GetCurrentTimestamp());
	lg_audit_insert(&row);
}

/* One event for the statement. */
static void
by_statement(LgEvent *ev, Side *old, Side *new)
{
	while (side_next(old))
		;
	while (side_next(new))
		;
	insert_event(ev, old, new);
}

/* One event for each row: old and new rows of an UPDATE stand in one order. */
static void
by_row(LgEvent *ev, Side *old, Side *new)
{
	MemoryContext mine = AllocSetContextCreate(CurrentMemoryContext, "listguard row event",
											   ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(mine);

	for (;;)
	{
		bool		any;

		memset(&old->sum, 0, sizeof(Summary));
		memset(&new->sum, 0, sizeof(Summary));
		any = side_next(old);
		any |= side_next(new);
		if (!any)
			break;
		insert_event(ev, old, new);
		side_forget(old);
		side_forget(new);
		MemoryContextReset(mine);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(mine);
}

/* Has this statement counted its rows itself? */
static bool
was_counted(const TriggerData *trigger)
{
	return counted != NULL && TRIGGER_FIRED_BY_INSERT(trigger->tg_event) &&
		trigger->tg_newtable == NULL && counted->relid == RelationGetRelid(trigger->tg_relation);
}

static void
check_call(FunctionCallInfo fcinfo, TriggerData *trigger)
{
	if (!CALLED_AS_TRIGGER(fcinfo) || TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("listguard.audit_change is a statement trigger function")));
	if (!TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event) &&
		trigger->tg_newtable == NULL && trigger->tg_oldtable == NULL && !was_counted(trigger))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("listguard.audit_change needs transition tables")));
}

/*
 * audit_change(): AFTER INSERT, UPDATE or DELETE FOR EACH STATEMENT with
 * transition tables, BEFORE TRUNCATE without.
 */
PG_FUNCTION_INFO_V1(listguard_audit_change);
Datum
listguard_audit_change(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	const LgProtected *protected;
	Relation	rel;
	LgEvent		ev;
	Side		old;
	Side		new;

	check_call(fcinfo, trigger);
	lg_require_preload();
	rel = trigger->tg_relation;
	protected = lg_protected_lookup(RelationGetRelid(rel));
	lg_event_init(&ev, kind_of(trigger->tg_event), LG_OUT_OK);
	ev.relation = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
											 RelationGetRelationName(rel));
	ev.statement = debug_query_string;
	side_open(&old, "digest_old", trigger->tg_oldtable, rel);
	side_open(&new, "digest_new", trigger->tg_newtable, rel);
	if (was_counted(trigger))
	{
		new.columns = counted->columns;
		new.sum = counted->sum;
	}
	if (ev.kind == LG_EV_TRUNCATE && rel->rd_rel->relkind == RELKIND_RELATION)
		count_heap(rel, &old.sum);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (protected != NULL && protected->audit_rows && ev.kind != LG_EV_TRUNCATE)
		by_row(&ev, &old, &new);
	else
		by_statement(&ev, &old, &new);
	SPI_finish();
	side_close(&old);
	side_close(&new);
	PG_RETURN_POINTER(NULL);
}
