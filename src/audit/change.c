/*-------------------------------------------------------------------------
 *
 * change.c
 *		Changes of protected tables: statement triggers with transition tables,
 *		one event for each statement, in the same transaction.
 *
 * The event's detail holds a digest of the tokens in the sealed columns: the
 * sum modulo 2^128 of BLAKE2b-128 of each row's tokens, so that it does not
 * depend on the order of rows and needs no memory.
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
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "audit/record.h"
#include "common/value.h"
#include "key/keyring.h"
#include "policy/registry.h"

#define DIGEST_BYTES	16

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
	bool		sealed;			/* there are sealed columns: the sum means something */
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

/* Column number, then the token, or as much as says that there is none. */
static void
hash_column(crypto_generichash_state *hash, Summary *sum, AttrNumber column, TupleTableSlot *slot)
{
	bool		isnull;
	Datum		datum = slot_getattr(slot, column, &isnull);
	struct varlena *value;
	LgValueView view;
	uint8_t		head[3] = {(uint8_t) (column >> 8), (uint8_t) column, 0};

	if (isnull)
	{
		crypto_generichash_update(hash, head, sizeof(head));
		return;
	}
	value = PG_DETOAST_DATUM_PACKED(datum);
	if (lg_value_parse(&view, (const uint8_t *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)) == LG_OK)
	{
		note_list(sum, view.key_id);
		head[2] = view.token ? 2 : 1;
		crypto_generichash_update(hash, head, sizeof(head));
		if (view.token)
			crypto_generichash_update(hash, view.token, LG_TOKEN_BYTES);
	}
	if ((void *) value != DatumGetPointer(datum))
		pfree(value);
}

static void
add_row(Summary *sum, const Columns *columns, TupleTableSlot *slot)
{
	crypto_generichash_state hash;
	uint64		row[2];
	int			i;

	sum->rows++;
	if (columns->n == 0)
		return;
	crypto_generichash_init(&hash, NULL, 0, DIGEST_BYTES);
	for (i = 0; i < columns->n; i++)
		hash_column(&hash, sum, columns->at[i], slot);
	crypto_generichash_final(&hash, (unsigned char *) row, DIGEST_BYTES);
	sum->sum[0] += row[0];
	sum->sum[1] += row[1] + (sum->sum[0] < row[0] ? 1 : 0);
}

static void
sum_tuplestore(Tuplestorestate *rows, Relation rel, Summary *sum)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel), &TTSOpsMinimalTuple);
	Columns		columns;
	int			pointer = tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND);

	find_columns(RelationGetDescr(rel), &columns);
	sum->sealed = columns.n > 0;
	tuplestore_select_read_pointer(rows, pointer);
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		CHECK_FOR_INTERRUPTS();
		add_row(sum, &columns, slot);
	}
	tuplestore_select_read_pointer(rows, 0);
	ExecDropSingleTupleTableSlot(slot);
}

/* TRUNCATE has no transition table: its lock is held, the rows are counted. */
static void
count_heap(Relation rel, Summary *sum)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan(rel, snapshot, 0, NULL);

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
put_digest(StringInfo detail, const char *name, const Summary *sum)
{
	char		hex[2 * DIGEST_BYTES + 1];

	if (!sum->sealed)
		return;
	sodium_bin2hex(hex, sizeof(hex), (const unsigned char *) sum->sum, DIGEST_BYTES);
	appendStringInfo(detail, "%s\"%s\": \"%s\"", detail->len > 1 ? ", " : "", name, hex);
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

static void
insert_event(const LgEvent *ev)
{
	LgIdentity	who;
	LgAuditRow	row;
	pg_uuid_t	id;

	if (!pg_strong_random(id.data, UUID_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random values")));
	id.data[6] = (id.data[6] & 0x0f) | 0x40;
	id.data[8] = (id.data[8] & 0x3f) | 0x80;
	lg_identity_take(&who);
	lg_row_from_event(&row, ev, &who, &id, GetCurrentTimestamp());
	SPI_connect();
	lg_audit_insert(&row);
	SPI_finish();
}

static void
check_call(FunctionCallInfo fcinfo, TriggerData *trigger)
{
	if (!CALLED_AS_TRIGGER(fcinfo) || TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("listguard.audit_change is a statement trigger function")));
	if (!TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event) &&
		trigger->tg_newtable == NULL && trigger->tg_oldtable == NULL)
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
	Summary		old = {0};
	Summary		new = {0};
	StringInfoData detail;
	LgEvent		ev;
	Relation	rel;

	check_call(fcinfo, trigger);
	lg_require_preload();
	rel = trigger->tg_relation;
	initStringInfo(&detail);
	appendStringInfoChar(&detail, '{');
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
	{
		if (rel->rd_rel->relkind == RELKIND_RELATION)
			count_heap(rel, &old);
	}
	if (trigger->tg_oldtable)
	{
		sum_tuplestore(trigger->tg_oldtable, rel, &old);
		put_digest(&detail, "digest_old", &old);
	}
	if (trigger->tg_newtable)
	{
		sum_tuplestore(trigger->tg_newtable, rel, &new);
		put_digest(&detail, "digest_new", &new);
	}
	appendStringInfoChar(&detail, '}');
	lg_event_init(&ev, kind_of(trigger->tg_event), LG_OUT_OK);
	ev.relation = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
											 RelationGetRelationName(rel));
	ev.rows = Max(old.rows, new.rows);
	ev.detail = detail.len > 2 ? detail.data : NULL;
	ev.statement = debug_query_string;
	merge_lists(&ev, &old, &new);
	insert_event(&ev);
	PG_RETURN_POINTER(NULL);
}
