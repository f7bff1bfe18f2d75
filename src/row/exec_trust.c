/*-------------------------------------------------------------------------
 *
 * exec_trust.c
 *		Which expressions cannot carry a row's values anywhere but into their
 *		result?
 *
 * Trusted is a function that is leakproof, or not volatile and written in C by
 * the server or by listguard: it has no place to put a value (set_config and
 * the like are volatile).  Subplans, domains' constraints and all else are not.
 * An error's text may still carry one value; the probe pays for that.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_language.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "row/exec.h"

bool
lg_trusted_function(Oid funcid)
{
	HeapTuple	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Form_pg_proc proc;
	bool		trusted;

	if (!HeapTupleIsValid(tup))
		return false;
	proc = (Form_pg_proc) GETSTRUCT(tup);
	trusted = proc->proleakproof;
	if (!trusted && proc->provolatile != PROVOLATILE_VOLATILE)
	{
		trusted = proc->prolang == INTERNALlanguageId;
		if (proc->prolang == ClanguageId)
			trusted = proc->pronamespace == PG_CATALOG_NAMESPACE ||
				proc->pronamespace == get_namespace_oid(LG_SCHEMA, true);
	}
	ReleaseSysCache(tup);
	return trusted;
}

static bool
untrusted_function(Oid funcid, void *context)
{
	(void) context;
	return !lg_trusted_function(funcid);
}

static bool
untrusted_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_SubPlan:
		case T_AlternativeSubPlan:
		case T_CoerceToDomain:
		case T_NextValueExpr:
			return true;
		default:
			break;
	}
	if (check_functions_in_node(node, untrusted_function, context))
		return true;
	return expression_tree_walker(node, untrusted_walker, context);
}

bool
lg_trusted_expr(Node *node)
{
	return !untrusted_walker(node, NULL);
}

/* Is the aggregate's state of bounded width, whatever it is fed? */
static bool
bounded_aggregate(Aggref *agg)
{
	char	   *name;
	Oid			arg = agg->aggargtypes ? linitial_oid(agg->aggargtypes) : InvalidOid;

	if (agg->aggfnoid >= FirstGenbkiObjectId || agg->aggdirectargs != NIL)
		return false;
	name = get_func_name(agg->aggfnoid);
	if (name == NULL)
		return false;
	if (strcmp(name, "count") == 0 || strcmp(name, "min") == 0 || strcmp(name, "max") == 0 ||
		strcmp(name, "bool_and") == 0 || strcmp(name, "bool_or") == 0 || strcmp(name, "every") == 0 ||
		strcmp(name, "any_value") == 0)
		return true;
	/* A sum of numeric can hold a whole list, one group of digits per row. */
	if (strcmp(name, "sum") == 0 || strcmp(name, "avg") == 0)
		return arg == INT2OID || arg == INT4OID || arg == INT8OID || arg == FLOAT4OID ||
			arg == FLOAT8OID || arg == INTERVALOID || arg == CASHOID;
	return false;
}

typedef struct AggregateCount
{
	int			reading;		/* calls that read a column */
	bool		unbounded;
} AggregateCount;

static bool
find_var_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return true;
	return expression_tree_walker(node, find_var_walker, context);
}

static bool
aggregate_walker(Node *node, void *context)
{
	AggregateCount *count = context;

	if (node == NULL)
		return false;
	if (IsA(node, Aggref))
	{
		Aggref	   *agg = (Aggref *) node;

		if (!bounded_aggregate(agg))
		{
			count->unbounded = true;
			return true;
		}
		if (find_var_walker((Node *) agg->args, NULL))
			count->reading++;
		return false;
	}
	return expression_tree_walker(node, aggregate_walker, context);
}

/* Lists' rows that one row of this aggregation can carry. */
int
lg_aggregate_weight(List *tlist, List *qual)
{
	AggregateCount count = {0, false};

	aggregate_walker((Node *) tlist, &count);
	aggregate_walker((Node *) qual, &count);
	return count.unbounded ? -1 : Max(count.reading, 1);
}

/* Row triggers that are not the server's or listguard's own, transition tables too. */
bool
lg_has_user_triggers(Oid relid)
{
	Relation	rel = table_open(relid, NoLock);
	TriggerDesc *desc = rel->trigdesc;
	Oid			ours = get_namespace_oid(LG_SCHEMA, true);
	bool		found = false;

	for (int i = 0; desc != NULL && i < desc->numtriggers; i++)
	{
		Trigger    *trigger = &desc->triggers[i];

		if (!trigger->tgisinternal && get_func_namespace(trigger->tgfoid) != ours &&
			(TRIGGER_FOR_ROW(trigger->tgtype) || trigger->tgoldtable || trigger->tgnewtable))
			found = true;
	}
	table_close(rel, NoLock);
	return found;
}
