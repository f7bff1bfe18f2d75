/*-------------------------------------------------------------------------
 *
 * exec_shape.c
 *		Sealed values in a statement's result that no scan of a protected
 *		relation has paid for: where they are, and for how many rows of a list
 *		one row of the result counts.
 *
 * A sealed value lies in a column, or inside one: in arrays, composites, records,
 * domains and ranges, to any depth.  Columns that come from one table count as one
 * row of it, however many they are; each value of an array, and each composite,
 * counts for itself.  Where a protected relation is read as well, only columns
 * are counted that may come from elsewhere, and only if the plan has such a
 * place at all: a table that is not protected, or code that is not trusted.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/transam.h"
#include "access/tupdesc.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/rel.h"
#include "utils/typcache.h"

#include "guc.h"
#include "key/keyring.h"
#include "policy/registry.h"
#include "row/exec.h"
#include "type/type.h"

typedef enum Holds
{
	HOLDS_NOTHING,
	HOLDS_VALUE,				/* is sealed itself */
	HOLDS_INSIDE,
	HOLDS_UNKNOWN				/* a record: its rows tell */
} Holds;

/* A column of the result that is counted. */
typedef struct Column
{
	int			attno;
	Oid			typid;
	Holds		holds;
} Column;

/* Where a row's values are counted. */
typedef struct Count
{
	LgRead	   *read;
	bool		unlimited;		/* no threshold or window holds */
	int32		last_list;		/* that was noted; 0: none */
} Count;

struct LgShape
{
	Count		count;
	int64		flat;			/* rows that the plain columns of one row count for */
	int			n;
	Column	   *columns;
};

static int64 value_weight(Oid typid, Datum value, Count *count);

/* ---- types ---- */

static Holds type_holds(Oid typid);

static Holds
desc_holds(TupleDesc desc)
{
	Holds		most = HOLDS_NOTHING;

	for (int i = 0; i < desc->natts && most != HOLDS_INSIDE; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Holds		holds = att->attisdropped ? HOLDS_NOTHING : type_holds(att->atttypid);

		if (holds != HOLDS_NOTHING)
			most = holds == HOLDS_UNKNOWN ? HOLDS_UNKNOWN : HOLDS_INSIDE;
	}
	return most;
}

static Holds
inside(Holds holds)
{
	return holds == HOLDS_VALUE ? HOLDS_INSIDE : holds;
}

static Holds
type_holds(Oid typid)
{
	TupleDesc	desc;
	Holds		holds;
	Oid			element;

	check_stack_depth();
	if (typid == RECORDOID || typid == RECORDARRAYOID)
		return HOLDS_UNKNOWN;
	if (typid < FirstNormalObjectId)
		return HOLDS_NOTHING;
	if (lg_type_of(typid) != 0)
		return HOLDS_VALUE;
	switch (get_typtype(typid))
	{
		case TYPTYPE_BASE:
			element = get_element_type(typid);
			return OidIsValid(element) ? inside(type_holds(element)) : HOLDS_NOTHING;
		case TYPTYPE_DOMAIN:
			return type_holds(getBaseType(typid));
		case TYPTYPE_RANGE:
			return inside(type_holds(get_range_subtype(typid)));
		case TYPTYPE_MULTIRANGE:
			return inside(type_holds(get_multirange_range(typid)));
		case TYPTYPE_COMPOSITE:
			desc = lookup_rowtype_tupdesc(typid, -1);
			holds = desc_holds(desc);
			ReleaseTupleDesc(desc);
			return holds;
		default:
			return HOLDS_NOTHING;
	}
}

/* ---- rows ---- */

static int64
row_weight(TupleDesc desc, const Datum *values, const bool *nulls, Count *count)
{
	int64		weight = 0;
	bool		flat = false;

	for (int i = 0; i < desc->natts; i++)
	{
		Oid			typid = TupleDescAttr(desc, i)->atttypid;

		if (nulls[i] || TupleDescAttr(desc, i)->attisdropped)
			continue;
		if (lg_type_of(getBaseType(typid)) == 0)
			weight += value_weight(typid, values[i], count);
		else if (value_weight(typid, values[i], count) > 0)
			flat = true;
	}
	return weight + (flat ? 1 : 0);
}

static int64
record_weight(Datum value, Count *count)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
	int64		weight = 0;

	if (desc_holds(desc) != HOLDS_NOTHING)
	{
		Datum	   *values = palloc(sizeof(Datum) * desc->natts);
		bool	   *nulls = palloc(sizeof(bool) * desc->natts);
		HeapTupleData tuple;

		tuple.t_len = HeapTupleHeaderGetDatumLength(header);
		ItemPointerSetInvalid(&tuple.t_self);
		tuple.t_tableOid = InvalidOid;
		tuple.t_data = header;
		heap_deform_tuple(&tuple, desc, values, nulls);
		weight = row_weight(desc, values, nulls, count);
		pfree(values);
		pfree(nulls);
	}
	ReleaseTupleDesc(desc);
	return weight;
}

static int64
array_weight(Oid element, Datum value, Count *count)
{
	ArrayType  *array = DatumGetArrayTypeP(value);
	int64		weight = 0;
	int16		len;
	bool		byval;
	char		align;
	Datum	   *values;
	bool	   *nulls;
	int			n;

	get_typlenbyvalalign(element, &len, &byval, &align);
	deconstruct_array(array, element, len, byval, align, &values, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			weight += value_weight(element, values[i], count);
	pfree(values);
	pfree(nulls);
	return weight;
}

static int64
range_weight(TypeCacheEntry *type, const RangeType *range, Count *count)
{
	RangeBound	lower;
	RangeBound	upper;
	bool		empty;
	int64		weight = 0;

	range_deserialize(type, range, &lower, &upper, &empty);
	if (!empty && !lower.infinite)
		weight += value_weight(type->rngelemtype->type_id, lower.val, count);
	if (!empty && !upper.infinite)
		weight += value_weight(type->rngelemtype->type_id, upper.val, count);
	return weight;
}

static int64
multirange_weight(Oid typid, Datum value, Count *count)
{
	TypeCacheEntry *type = lookup_type_cache(typid, TYPECACHE_MULTIRANGE_INFO)->rngtype;
	RangeType **ranges;
	int32		n;
	int64		weight = 0;

	multirange_deserialize(type, DatumGetMultirangeTypeP(value), &n, &ranges);
	for (int i = 0; i < n; i++)
		weight += range_weight(type, ranges[i], count);
	return weight;
}

/* A value of this list leaves: on record, and under the threshold and the limits of its table. */
static void
note_source(int32 list_no, Count *count)
{
	const LgList *list = lg_list_by_no(list_no);
	const LgProtected *prot;

	count->last_list = list_no;
	lg_read_note_list(count->read, list_no);
	prot = list != NULL && OidIsValid(list->relid) ? lg_protected_lookup(list->relid) : NULL;
	if (prot != NULL && !count->unlimited)
		lg_statement_add_windows(prot->relid,
								 prot->bulk_threshold >= 0 ? prot->bulk_threshold : lg_bulk_threshold, false);
}

static int64
sealed_weight(Datum value, Count *count)
{
	int32		list_no = lg_key_list(lg_sealed_key_id(value));

	if (list_no > 0 && list_no != count->last_list)
		note_source(list_no, count);
	return 1;
}

/* Rows of lists that one value of the result can carry. */
static int64
value_weight(Oid typid, Datum value, Count *count)
{
	Oid			element;

	check_stack_depth();
	typid = getBaseType(typid);
	if (lg_type_of(typid) != 0)
		return sealed_weight(value, count);
	if (type_holds(typid) == HOLDS_NOTHING)
		return 0;
	element = get_element_type(typid);
	if (OidIsValid(element) || typid == RECORDARRAYOID)
		return array_weight(OidIsValid(element) ? element : RECORDOID, value, count);
	switch (get_typtype(typid))
	{
		case TYPTYPE_RANGE:
			return range_weight(lookup_type_cache(typid, TYPECACHE_RANGE_INFO), DatumGetRangeTypeP(value), count);
		case TYPTYPE_MULTIRANGE:
			return multirange_weight(typid, value, count);
		default:
			return record_weight(value, count);
	}
}

/* ---- the statement ---- */

/* Has a relation a column that holds sealed values? */
static bool
relation_holds(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	bool		holds;

	if (rel == NULL)
		return false;
	holds = desc_holds(RelationGetDescr(rel)) != HOLDS_NOTHING;
	relation_close(rel, AccessShareLock);
	return holds;
}

/* Can the plan have sealed values from elsewhere than protected relations? */
static bool
reads_elsewhere(PlannedStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->rtable)
	{
		RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind == RTE_RELATION && OidIsValid(rte->relid) && rte->relkind != RELKIND_VIEW &&
			lg_protected_lookup(rte->relid) == NULL && relation_holds(rte->relid))
			return true;
		if (rte->rtekind == RTE_FUNCTION && !lg_trusted_expr((Node *) rte->functions))
			return true;
	}
	return !lg_trusted_expr((Node *) stmt->planTree->targetlist);
}

/*
 * expr_holds
 *		A ROW() says what it holds, which its type does not.
 */
static Holds
expr_holds(Node *expr)
{
	ListCell   *lc;
	Holds		most = HOLDS_NOTHING;

	if (!IsA(expr, RowExpr) || exprType(expr) != RECORDOID)
		return type_holds(exprType(expr));
	check_stack_depth();
	foreach(lc, ((RowExpr *) expr)->args)
	{
		Holds		holds = inside(expr_holds(lfirst(lc)));

		most = Max(most, holds);
	}
	return most;
}

/*
 * flat_weight
 *		Rows that a plain column adds: none where another column of its table
 *		has been counted, but one more for each time that it stands there again.
 */
static int64
flat_weight(List *tlist, const TargetEntry *tle)
{
	ListCell   *lc;
	bool		table_seen = false;

	if (!OidIsValid(tle->resorigtbl))
		return 1;
	foreach(lc, tlist)
	{
		TargetEntry *other = lfirst_node(TargetEntry, lc);

		if (other == tle)
			break;
		if (other->resjunk || other->resorigtbl != tle->resorigtbl || expr_holds((Node *) other->expr) != HOLDS_VALUE)
			continue;
		if (other->resorigcol == tle->resorigcol)
			return 1;
		table_seen = true;
	}
	return table_seen ? 0 : 1;
}

/* A column that protect_online is filling: the plain text still lies beside it. */
static bool
is_shadow(Oid relid, AttrNumber attno)
{
	const LgProtected *prot = OidIsValid(relid) && attno > 0 ? lg_registered_lookup(relid) : NULL;
	char	   *name = prot != NULL && prot->preparing ? get_attname(relid, attno, true) : NULL;

	return name != NULL && strncmp(name, LG_SHADOW_PREFIX, strlen(LG_SHADOW_PREFIX)) == 0;
}

/*
 * lg_result_shape
 *		What is to be counted of the result's rows; NULL if nothing.  In the
 *		executor's context.
 */
LgShape *
lg_result_shape(QueryDesc *desc, bool protected)
{
	PlannedStmt *stmt = desc->plannedstmt;
	List	   *tlist = stmt->planTree->targetlist;
	LgShape    *shape = NULL;
	ListCell   *lc;
	int			attno = 0;
	bool		sure = false;

	if (desc->operation != CMD_SELECT && !stmt->hasReturning)
		return NULL;
	foreach(lc, tlist)
	{
		TargetEntry *tle = lfirst_node(TargetEntry, lc);
		Holds		holds;

		if (tle->resjunk)
			continue;
		attno++;
		holds = expr_holds((Node *) tle->expr);
		if (holds == HOLDS_NOTHING || is_shadow(tle->resorigtbl, tle->resorigcol) ||
			(protected && OidIsValid(tle->resorigtbl) && lg_protected_lookup(tle->resorigtbl) != NULL))
			continue;
		if (shape == NULL)
		{
			shape = MemoryContextAllocZero(desc->estate->es_query_cxt, sizeof(LgShape));
			shape->columns = MemoryContextAlloc(desc->estate->es_query_cxt, sizeof(Column) * list_length(tlist));
		}
		if (holds == HOLDS_VALUE)
			shape->flat += flat_weight(tlist, tle);
		sure |= holds != HOLDS_UNKNOWN;
		shape->columns[shape->n].attno = attno;
		shape->columns[shape->n].typid = exprType((Node *) tle->expr);
		shape->columns[shape->n++].holds = holds;
	}
	if (shape != NULL && (protected || !sure) && !reads_elsewhere(stmt))
		return NULL;
	return shape;
}

/* Rows of lists that a row of the result counts for. */
static int64
shape_weight(LgShape *shape, TupleTableSlot *slot)
{
	int64		weight = shape->flat;

	for (int i = 0; i < shape->n; i++)
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, shape->columns[i].attno, &isnull);
		int64		w = isnull ? 0 : value_weight(shape->columns[i].typid, value, &shape->count);

		if (shape->columns[i].holds != HOLDS_VALUE)
			weight += w;
	}
	return weight;
}

/*
 * lg_exec_count_result
 *		Charge one row of the result for what no scan pays for; its lists go on
 *		record.  LG001, LG002 or LG003 where that is too much.
 */
void
lg_exec_count_result(LgExec *x, TupleTableSlot *slot)
{
	int64		weight;

	if (x->shape == NULL)
		return;
	x->shape->count.read = &x->reads[x->n_reads - 1];
	x->shape->count.unlimited = x->unlimited || x->ticket != NULL;
	weight = shape_weight(x->shape, slot);
	if (weight > 0)
		lg_exec_add(x, x->shape->count.read, weight);
}

/*
 * lg_statement_count_row
 *		Charge a row that no executor makes: what CALL gives back.
 */
void
lg_statement_count_row(TupleTableSlot *slot)
{
	Count		count = {0};
	int64		weight;

	if (desc_holds(slot->tts_tupleDescriptor) == HOLDS_NOTHING)
		return;
	slot_getallattrs(slot);
	count.read = lg_statement_read(InvalidOid);
	weight = row_weight(slot->tts_tupleDescriptor, slot->tts_values, slot->tts_isnull, &count);
	if (weight > 0)
		lg_statement_add(count.read, weight);
}
