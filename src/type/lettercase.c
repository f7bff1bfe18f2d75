/*-------------------------------------------------------------------------
 *
 * lettercase.c
 *		lower() and upper() round a sealed column.
 *
 * Applications compare addresses as lower(email) = lower($1).  The equality of
 * sealed values ignores case already: a support function of the operators takes
 * the calls out of a comparison when it is planned, so that an index serves it
 * and no row is opened.  Anywhere else the calls would have to open a value and
 * seal another: they refuse, and say what to write instead.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "nodes/value.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(listguard_sealed_lettercase);
PG_FUNCTION_INFO_V1(listguard_sealed_compare_support);

/* lower(value), upper(value) where they are computed: never. */
Datum
listguard_sealed_lettercase(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("lower() and upper() of a sealed value exist in = and <> only"),
			 errhint("Compare the column itself: its equality ignores case. Cast it to text to get the letters; each row is then a reveal.")));
	PG_RETURN_NULL();
}

/* Is this a call of the function above, which only a superuser's schema can hold?  Then its argument, else the node. */
static Node *
without_case_call(Node *node, Oid type)
{
	FuncExpr   *call = (FuncExpr *) node;
	char	   *name;

	if (!IsA(node, FuncExpr) || call->funcresulttype != type || list_length(call->args) != 1 ||
		exprType(linitial(call->args)) != type || get_func_namespace(call->funcid) != PG_CATALOG_NAMESPACE)
		return node;
	name = get_func_name(call->funcid);
	if (name == NULL || (strcmp(name, "lower") != 0 && strcmp(name, "upper") != 0))
		return node;
	return without_case_call(linitial(call->args), type);
}

/*
 * The comparison of two nodes by = or <> in pg_catalog; NULL if there is none.
 */
static Node *
comparison(Oid type, bool negated, Node *left, Node *right, Oid collation)
{
	Oid			operator = OpernameGetOprid(list_make2(makeString("pg_catalog"), makeString(negated ? "<>" : "=")), type, type);
	OpExpr	   *op;

	if (!OidIsValid(operator))
		return NULL;
	op = (OpExpr *) make_opclause(operator, BOOLOID, false, (Expr *) left, (Expr *) right, InvalidOid, collation);
	set_opfuncid(op);
	return (Node *) op;
}

/* Planner support of = and <>: without the calls of lower() and upper() on either side. */
Datum
listguard_sealed_compare_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);
	FuncExpr   *call;
	Node	   *left;
	Node	   *right;
	Oid			type;
	char	   *name;
	bool		negated;

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	call = ((SupportRequestSimplify *) request)->fcall;
	type = exprType(linitial(call->args));
	left = without_case_call(linitial(call->args), type);
	right = without_case_call(lsecond(call->args), type);
	if (left == linitial(call->args) && right == lsecond(call->args))
		PG_RETURN_POINTER(NULL);
	name = get_func_name(call->funcid);
	negated = name != NULL && strlen(name) > 3 && strcmp(name + strlen(name) - 3, "_ne") == 0;
	PG_RETURN_POINTER(comparison(type, negated, left, right, call->inputcollid));
}
