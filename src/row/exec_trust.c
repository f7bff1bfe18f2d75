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
#include "access/transam.h"
#include "catalog/namespace.h"
#include "catalog/pg_aggregate.h"
#include "catalog/pg_language.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "policy/registry.h"
#include "row/exec.h"

/*
 * Answers about functions, good until pg_proc or the registry changes; a place
 * for each remainder of the oid.
 */
#define ANSWERS	64

static struct
{
	uint64		generation;		/* of the registry */
	uint64		functions;		/* changes of pg_proc */
	struct
	{
		Oid			funcid;
		bool		trusted;
	}			of[ANSWERS];
}			answers;
static uint64 function_changes = 1;

static void
function_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	(void) arg;
	(void) cacheid;
	(void) hashvalue;
	function_changes++;
}

/* Forget the answers where they are of another time. */
static void
refresh_answers(void)
{
	static bool registered = false;

	if (!registered)
	{
		CacheRegisterSyscacheCallback(PROCOID, function_callback, (Datum) 0);
		lg_registry_install();
		registered = true;
	}
	if (answers.generation == lg_registry_generation && answers.functions == function_changes)
		return;
	memset(&answers, 0, sizeof(answers));
	answers.generation = lg_registry_generation;
	answers.functions = function_changes;
}

static bool
look_at_function(Oid funcid)
{
	HeapTuple	tup = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Form_pg_proc proc;
	bool		trusted;

	if (!HeapTupleIsValid(tup))
		return false;
	proc = (Form_pg_proc) GETSTRUCT(tup);
	trusted = proc->proleakproof;
	/* pg_input_is_valid() and its like read a type's name, a domain's too. */
	if (strncmp(NameStr(proc->proname), "pg_input_", 9) == 0)
		trusted = false;
	else if (!trusted && proc->provolatile != PROVOLATILE_VOLATILE)
	{
		trusted = proc->prolang == INTERNALlanguageId;
		if (proc->prolang == ClanguageId)
			trusted = proc->pronamespace == PG_CATALOG_NAMESPACE ||
				proc->pronamespace == get_namespace_oid(LG_SCHEMA, true);
	}
	ReleaseSysCache(tup);
	return trusted;
}

bool
lg_trusted_function(Oid funcid)
{
	bool		trusted;

	refresh_answers();
	if (answers.of[funcid % ANSWERS].funcid == funcid)
		return answers.of[funcid % ANSWERS].trusted;
	trusted = look_at_function(funcid);
	/* Not kept if something has changed meanwhile. */
	if (answers.generation == lg_registry_generation && answers.functions == function_changes)
	{
		answers.of[funcid % ANSWERS].funcid = funcid;
		answers.of[funcid % ANSWERS].trusted = trusted;
	}
	return trusted;
}

static bool
untrusted_function(Oid funcid, void *context)
{
	(void) context;
	return !lg_trusted_function(funcid);
}

/*
 * A domain's constraints and a cast of a composite type to json run their
 * maker's functions from within the server's own (array_in, to_json, ...).
 */
static bool
runs_users_code(Oid typid)
{
	Oid			element;
	char		kind;

	/* The server's own arrays are of types of its own. */
	if (typid < FirstNormalObjectId || lg_type_of(typid) != 0)
		return false;
	element = get_element_type(typid);
	if (OidIsValid(element))
		typid = element;
	if (typid < FirstNormalObjectId)
		return false;
	kind = get_typtype(typid);
	return kind == TYPTYPE_DOMAIN || kind == TYPTYPE_COMPOSITE;
}

/* Nodes of which exprType() knows the type; the others hold such nodes. */
static bool
untrusted_type(Node *node)
{
	switch (nodeTag(node))
	{
		case T_Var:
		case T_Const:
		case T_FuncExpr:
		case T_OpExpr:
		case T_Param:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_ConvertRowtypeExpr:
		case T_RelabelType:
		case T_RowExpr:
		case T_ArrayExpr:
			return runs_users_code(exprType(node));
		default:
			return false;
	}
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
			/* What most of a plan is, without the server's walker. */
		case T_Var:
		case T_Const:
			return untrusted_type(node);
		case T_TargetEntry:
			return untrusted_walker((Node *) ((TargetEntry *) node)->expr, context);
		default:
			break;
	}
	if (check_functions_in_node(node, untrusted_function, context) || untrusted_type(node))
		return true;
	return expression_tree_walker(node, untrusted_walker, context);
}

bool
lg_trusted_expr(Node *node)
{
	return !untrusted_walker(node, NULL);
}

/* What a scan or join computes beside its filter and its result. */
static bool
trusted_node(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_BitmapAnd:
		case T_BitmapOr:
		case T_Material:
		case T_Sort:
		case T_IncrementalSort:
		case T_Unique:
		case T_Group:
		case T_Hash:
		case T_ProjectSet:
		case T_Append:
		case T_MergeAppend:
			return true;
		case T_IndexScan:
			return lg_trusted_expr((Node *) ((IndexScan *) plan)->indexqualorig) &&
				lg_trusted_expr((Node *) ((IndexScan *) plan)->indexorderbyorig);
		case T_IndexOnlyScan:
			return lg_trusted_expr((Node *) ((IndexOnlyScan *) plan)->indexqual) &&
				lg_trusted_expr((Node *) ((IndexOnlyScan *) plan)->indexorderby);
		case T_BitmapIndexScan:
			return lg_trusted_expr((Node *) ((BitmapIndexScan *) plan)->indexqualorig);
		case T_BitmapHeapScan:
			return lg_trusted_expr((Node *) ((BitmapHeapScan *) plan)->bitmapqualorig);
		case T_TidScan:
			return lg_trusted_expr((Node *) ((TidScan *) plan)->tidquals);
		case T_TidRangeScan:
			return lg_trusted_expr((Node *) ((TidRangeScan *) plan)->tidrangequals);
		case T_Agg:
			return lg_aggregate_weight(plan->targetlist, plan->qual) >= 0;
		case T_Limit:
			return lg_trusted_expr(((Limit *) plan)->limitOffset) &&
				lg_trusted_expr(((Limit *) plan)->limitCount);
		case T_FunctionScan:
			return lg_trusted_expr((Node *) ((FunctionScan *) plan)->functions);
		case T_ValuesScan:
			return lg_trusted_expr((Node *) ((ValuesScan *) plan)->values_lists);
		case T_SubqueryScan:
			return lg_trusted_plan(((SubqueryScan *) plan)->subplan);
		case T_Memoize:
			return lg_trusted_expr((Node *) ((Memoize *) plan)->param_exprs);
		case T_Result:
			return lg_trusted_expr(((Result *) plan)->resconstantqual);
		case T_NestLoop:
			return lg_trusted_expr((Node *) ((Join *) plan)->joinqual);
		case T_HashJoin:
			return lg_trusted_expr((Node *) ((Join *) plan)->joinqual) &&
				lg_trusted_expr((Node *) ((HashJoin *) plan)->hashclauses);
		case T_MergeJoin:
			return lg_trusted_expr((Node *) ((Join *) plan)->joinqual) &&
				lg_trusted_expr((Node *) ((MergeJoin *) plan)->mergeclauses);
		default:
			return false;
	}
}

static bool
trusted_plan_list(List *plans)
{
	ListCell   *lc;

	foreach(lc, plans)
	{
		if (!lg_trusted_plan((Plan *) lfirst(lc)))
			return false;
	}
	return true;
}

/*
 * Can nothing below this node hand a row that it is given (by a join's
 * parameter, or from the node's own scans) to untrusted code?  Nodes not known
 * here, and initplans, which may take a parameter from outside, are not trusted.
 */
bool
lg_trusted_plan(Plan *plan)
{
	if (plan == NULL)
		return true;
	check_stack_depth();
	if (plan->initPlan != NIL || !lg_trusted_expr((Node *) plan->targetlist) ||
		!lg_trusted_expr((Node *) plan->qual) || !trusted_node(plan))
		return false;
	if (IsA(plan, Append) && !trusted_plan_list(((Append *) plan)->appendplans))
		return false;
	if (IsA(plan, MergeAppend) && !trusted_plan_list(((MergeAppend *) plan)->mergeplans))
		return false;
	if (IsA(plan, BitmapAnd) && !trusted_plan_list(((BitmapAnd *) plan)->bitmapplans))
		return false;
	if (IsA(plan, BitmapOr) && !trusted_plan_list(((BitmapOr *) plan)->bitmapplans))
		return false;
	return lg_trusted_plan(outerPlan(plan)) && lg_trusted_plan(innerPlan(plan));
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
