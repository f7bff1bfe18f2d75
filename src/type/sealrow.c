/*-------------------------------------------------------------------------
 *
 * sealrow.c
 *		The trigger on protected tables: every sealed value of a row is stored
 *		under the row's list.
 *
 * It fires last of the BEFORE ROW triggers ("~listguard_seal"), so that what
 * they made is sealed too.  Columns are found by type, row by row: a column
 * that was added a moment ago is covered without anybody's telling.
 *
 * Private to the backend: no locks.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/uuid.h"

#include "key/keyring.h"
#include "policy/binding.h"
#include "policy/registry.h"
#include "type/type.h"
#include "worker/worker.h"

/*
 * The list that the last row went to: rows come in runs.  Good for one
 * generation of the registry.
 */
static struct
{
	uint64		generation;
	Oid			relid;			/* protected relation; InvalidOid: nothing cached */
	int32		list_no;
	char		value[LG_WORK_VALUE_MAX];
} last_list;

/*
 * lg_list_value
 *		A list column's value as the registry writes it; palloc'd.
 */
char *
lg_list_value(Datum value, Oid type)
{
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
			return TextDatumGetCString(value);
		case UUIDOID:
			return DatumGetCString(DirectFunctionCall1(uuid_out, value));
		case INT4OID:
			return psprintf("%d", DatumGetInt32(value));
		case INT8OID:
			return psprintf(INT64_FORMAT, DatumGetInt64(value));
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("a list column must be of type text, uuid, integer or bigint")));
	return NULL;
}

static Oid
root_of(Oid relid)
{
	return get_rel_relispartition(relid) ? llast_oid(get_partition_ancestors(relid)) : relid;
}

/*
 * to_come
 *		Is the registry that this row belongs to still on its way?
 *
 * Definitions are restored before data, or rows are replicated to where the
 * keys are not: table and list are unknown here, and every value of the row is
 * under a key that is unknown as well, or under one of this very table.  Such
 * rows come from sessions and workers that armour is accepted from, and are
 * stored as they are.  Making a list for them would give its value a second
 * number and key.
 */
static bool
to_come(Relation rel, HeapTuple row)
{
	TupleDesc	desc = RelationGetDescr(rel);
	Oid			relid = RelationGetRelid(rel);
	bool		known = lg_protected_lookup(relid) != NULL;

	if (!lg_armour_accepted())
		return false;
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		const LgList *list;
		bool		isnull;
		Datum		value;

		if (att->attisdropped || lg_type_of(att->atttypid) == 0)
			continue;
		value = heap_getattr(row, i + 1, desc, &isnull);
		if (isnull)
			continue;
		list = lg_list_by_no(lg_key_list(lg_sealed_key_id(value)));
		if (list != NULL && (known || list->relation == NULL ||
							 strcmp(list->relation, lg_relation_name(root_of(relid))) != 0))
			return false;
	}
	return true;
}

/*
 * check_new_list
 *		May the current user's row be the first of a list?
 *
 * The policies look at the row after this trigger, and the worker's transaction
 * that makes a list is not undone with ours: a row that they will refuse must
 * not leave a list and its key behind.  No grant can name a list that is not
 * there yet, so it takes one on the whole table.
 */
static void
check_new_list(Oid relid)
{
	if (lg_is_internal() || lg_in_worker() || IsLogicalWorker() ||
		check_enable_rls(relid, GetUserId(), true) != RLS_ENABLED ||
		(lg_grants_on_whole(GetUserId(), relid) & (LG_PRIV_INSERT | LG_PRIV_UPDATE)) != 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied to begin a new list of table \"%s\"", get_rel_name(relid)),
			 errhint("Ask for \"insert\" on the whole table or on that list, with listguard.grant_access().")));
}

static bool
is_last_list(Oid relid, const char *value)
{
	return last_list.relid == relid && last_list.generation == lg_registry_generation &&
		strcmp(last_list.value, value) == 0;
}

/*
 * list_for_value
 *		Number of a list by its value; made by the worker where it is new.
 */
static int32
list_for_value(Oid relid, const char *value)
{
	int32		list_no;

	if (is_last_list(relid, value))
		return last_list.list_no;
	if (strlen(value) >= LG_WORK_VALUE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("value of the list column is too long"),
				 errdetail("It may have %d bytes.", LG_WORK_VALUE_MAX - 1)));
	if (lg_list_find(relid, value) == NULL)
		check_new_list(relid);
	list_no = lg_list_ensure(relid, value);
	strlcpy(last_list.value, value, sizeof(last_list.value));
	last_list.list_no = list_no;
	last_list.relid = relid;
	last_list.generation = lg_registry_generation;
	return list_no;
}

/*
 * row_list
 *		Number of the list that a row belongs to; 0 where that cannot be known
 *		yet, 23502 where its list is null.
 */
static int32
row_list(Relation rel, HeapTuple row)
{
	TupleDesc	desc = RelationGetDescr(rel);
	const LgProtected *prot = lg_protected_lookup(RelationGetRelid(rel));
	Oid			relid;
	int			attno;
	bool		isnull;
	Datum		value;
	char	   *name;

	if (prot == NULL && to_come(rel, row))
		return 0;
	if (prot == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not protected", RelationGetRelationName(rel)),
				 errhint("Protect it with listguard.protect().")));
	if (prot->list_column == NULL)
		return prot->list_no;
	relid = prot->relid;
	attno = SPI_fnumber(desc, prot->list_column);
	if (attno <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("list column of table \"%s\" does not exist", RelationGetRelationName(rel))));
	value = heap_getattr(row, attno, desc, &isnull);
	if (isnull)
	{
		name = NameStr(TupleDescAttr(desc, attno - 1)->attname);
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("null value in column \"%s\" of relation \"%s\" violates not-null constraint",
						name, RelationGetRelationName(rel)),
				 errdetail("The column says to which list the row belongs.")));
	}
	name = lg_list_value(value, TupleDescAttr(desc, attno - 1)->atttypid);
	if (!is_last_list(relid, name) && lg_list_find(relid, name) == NULL && to_come(rel, row))
		return 0;
	return list_for_value(relid, name);
}

static HeapTuple
row_of(TriggerData *trigger)
{
	if (!TRIGGER_FIRED_BEFORE(trigger->tg_event) || !TRIGGER_FIRED_FOR_ROW(trigger->tg_event))
		elog(ERROR, "seal_row is a BEFORE ROW trigger");
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		return trigger->tg_trigtuple;
	if (TRIGGER_FIRED_BY_UPDATE(trigger->tg_event))
		return trigger->tg_newtuple;
	elog(ERROR, "seal_row is a trigger for INSERT and UPDATE");
	return NULL;
}

/* Is this a column whose addresses carry the token of their domain? */
static LgDomainWish
domain_wish(Oid relid, Form_pg_attribute att)
{
	const LgProtected *prot;
	ListCell   *lc;

	if (lg_type_of(att->atttypid) != LG_TYPE_EMAIL)
		return LG_DOMAIN_KEEP;
	prot = lg_protected_lookup(relid);
	if (prot == NULL)
		return LG_DOMAIN_KEEP;
	foreach(lc, prot->domain_columns)
	{
		if (strcmp(NameStr(att->attname), lfirst(lc)) == 0)
			return LG_DOMAIN_YES;
	}
	return LG_DOMAIN_NO;
}

LgDomainWish
lg_domain_wish(Relation rel, int attno)
{
	return domain_wish(RelationGetRelid(rel), TupleDescAttr(RelationGetDescr(rel), attno - 1));
}

int
lg_list_column(Relation rel, int32 *list_no)
{
	const LgProtected *prot = lg_protected_lookup(RelationGetRelid(rel));

	if (prot == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not protected", RelationGetRelationName(rel))));
	*list_no = prot->list_no;
	return prot->list_column == NULL ? 0 : SPI_fnumber(RelationGetDescr(rel), prot->list_column);
}

int32
lg_list_of_value(Relation rel, int attno, Datum value)
{
	const LgProtected *prot = lg_protected_lookup(RelationGetRelid(rel));
	Oid			typid = TupleDescAttr(RelationGetDescr(rel), attno - 1)->atttypid;

	return list_for_value(prot->relid, lg_list_value(value, typid));
}

int32
lg_row_list(Relation rel, TupleTableSlot *slot)
{
	/* Not ExecCopySlotHeapTuple: it would make the slot read its own copy of the values, whatever is put in their place. */
	return row_list(rel, heap_form_tuple(slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull));
}

/*
 * reseal_columns
 *		The row with every sealed value under its list and with the domain token
 *		that its column keeps; the same row if all are.
 */
static HeapTuple
reseal_columns(HeapTuple row, Relation rel, int32 list_no)
{
	TupleDesc	desc = RelationGetDescr(rel);
	int			cols[MaxHeapAttributeNumber];
	Datum		values[MaxHeapAttributeNumber];
	bool		nulls[MaxHeapAttributeNumber];
	int			n = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		bool		isnull;
		Datum		value;
		Datum		moved;

		if (att->attisdropped || lg_type_of(att->atttypid) == 0)
			continue;
		value = heap_getattr(row, i + 1, desc, &isnull);
		if (isnull)
			continue;
		moved = lg_sealed_place(value, list_no, domain_wish(RelationGetRelid(rel), att));
		if (moved == value)
			continue;
		cols[n] = i + 1;
		values[n] = moved;
		nulls[n] = false;
		n++;
	}
	return n == 0 ? row : heap_modify_tuple_by_cols(row, desc, n, cols, values, nulls);
}

PG_FUNCTION_INFO_V1(listguard_seal_row);

/*
 * listguard_seal_row
 *		BEFORE INSERT OR UPDATE FOR EACH ROW on every protected table.
 *
 * 42501 where a value would leave a list on which the current user may not
 * reveal, LG004 where a key cannot be had; then nothing is stored.
 */
Datum
listguard_seal_row(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple	row;
	int32		list_no;

	lg_require_preload();
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("seal_row is called as a trigger only")));
	row = row_of(trigger);
	list_no = row_list(trigger->tg_relation, row);
	if (list_no == 0)
		return PointerGetDatum(row);
	return PointerGetDatum(reseal_columns(row, trigger->tg_relation, list_no));
}
