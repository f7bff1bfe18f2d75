/*-------------------------------------------------------------------------
 *
 * protect.c
 *		What protect, grant_access and set_limit (sql/install/20_policy.sql) ask
 *		of C: commands run as another role, keys, lists, and two looks into
 *		expressions.
 *
 * All but listguard._list_number are executable by the extension's owner only.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

#include "errcodes.h"
#include "key/keyring.h"
#include "policy/grant.h"
#include "policy/policy.h"
#include "type/type.h"

PG_FUNCTION_INFO_V1(listguard_as_owner);
PG_FUNCTION_INFO_V1(listguard_internal);
PG_FUNCTION_INFO_V1(listguard_ensure_keyset);
PG_FUNCTION_INFO_V1(listguard_unused_list_number);
PG_FUNCTION_INFO_V1(listguard_create_list);
PG_FUNCTION_INFO_V1(listguard_ensure_list);
PG_FUNCTION_INFO_V1(listguard_list_number);
PG_FUNCTION_INFO_V1(listguard_list_name);
PG_FUNCTION_INFO_V1(listguard_value_list);
PG_FUNCTION_INFO_V1(listguard_index_expression_columns);
PG_FUNCTION_INFO_V1(listguard_trusted_expression);
PG_FUNCTION_INFO_V1(listguard_check_privilege);

/* ---- commands ---- */

/*
 * run_as
 *		One command as a role, with our own guards open; of an owner's command
 *		they are open to itself only, not to the owner's code that it calls.
 *
 * Restricted: what it calls (an index expression, a default) cannot leave
 * anything behind that runs later as somebody else.
 */
static void
run_as(Oid userid, const char *command, bool owners)
{
	Oid			save_user;
	int			save_context;

	lg_require_preload();
	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(userid,
						   save_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	if (owners)
		lg_internal_enter_owner();
	else
		lg_internal_enter();
	if (SPI_connect() != SPI_OK_CONNECT || SPI_execute(command, false, 0) < 0)
		elog(ERROR, "could not run a command of listguard's own");
	SPI_finish();
	lg_internal_leave();
	SetUserIdAndSecContext(save_user, save_context);
}

/*
 * _as_owner(relation, command)
 *		DDL that evaluates expressions of a table runs as the table's owner.
 */
Datum
listguard_as_owner(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	run_as(owner, text_to_cstring(PG_GETARG_TEXT_PP(1)), true);
	PG_RETURN_VOID();
}

/*
 * _internal(command)
 *		DDL that evaluates nothing of the user's runs as the extension's owner.
 */
Datum
listguard_internal(PG_FUNCTION_ARGS)
{
	run_as(lg_extension_owner(), text_to_cstring(PG_GETARG_TEXT_PP(0)), false);
	PG_RETURN_VOID();
}

/* ---- keys and lists ---- */

/*
 * _ensure_keyset()
 *		The database's keyset, made at its first protect.
 */
Datum
listguard_ensure_keyset(PG_FUNCTION_ARGS)
{
	lg_keyset_ensure();
	PG_RETURN_VOID();
}

/*
 * _unused_list_number() -> int4
 */
Datum
listguard_unused_list_number(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(lg_list_unused_number());
}

/*
 * _create_list(relation text, value text or NULL) -> int4
 *		List and key in this transaction: protect's.
 */
Datum
listguard_create_list(PG_FUNCTION_ARGS)
{
	char	   *value = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (PG_ARGISNULL(0))
		elog(ERROR, "a list needs a relation");
	PG_RETURN_INT32(lg_list_create(text_to_cstring(PG_GETARG_TEXT_PP(0)), value));
}

/*
 * _ensure_list(relation, value or NULL) -> int4
 *		The list's number; made by the worker where it is new.
 */
Datum
listguard_ensure_list(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		elog(ERROR, "a list needs a relation");
	PG_RETURN_INT32(lg_list_ensure(PG_GETARG_OID(0),
								   PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

/*
 * _list_number(relation, value) -> int4
 *		Of an existing list.  Part of protect's ALTER TABLE, which runs as the
 *		table's owner; refused elsewhere, since it tells which lists there are.
 */
Datum
listguard_list_number(PG_FUNCTION_ARGS)
{
	const LgList *list;

	if (!lg_is_internal())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", "_list_number")));
	list = lg_list_find(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1)));
	if (list == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("a row's list has no key")));
	PG_RETURN_INT32(list->list_no);
}

/*
 * _value_list(value) -> int4
 *		Number of the list whose key sealed the value; -1 where it is not known.
 */
Datum
listguard_value_list(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(lg_key_list(lg_sealed_key_id(PG_GETARG_DATUM(0))));
}

/*
 * _list_name(number) -> text
 *		As in claims, without the number; NULL where there is no such list.
 */
Datum
listguard_list_name(PG_FUNCTION_ARGS)
{
	const LgList *list = lg_list_by_no(PG_GETARG_INT32(0));

	if (list == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(lg_list_name(list)));
}

/*
 * _is_privilege(name) -> boolean
 */
Datum
listguard_check_privilege(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(lg_privilege_bit(text_to_cstring(PG_GETARG_TEXT_PP(0))) != 0);
}

/* ---- expressions ---- */

/*
 * _index_expression_columns(index) -> int2[]
 *		Columns that an index's expressions and predicate use.
 */
Datum
listguard_index_expression_columns(PG_FUNCTION_ARGS)
{
	Relation	index = index_open(PG_GETARG_OID(0), AccessShareLock);
	Bitmapset  *used = NULL;
	Datum	   *columns;
	int			n = 0;
	int			i = -1;

	pull_varattnos((Node *) RelationGetIndexExpressions(index), 1, &used);
	pull_varattnos((Node *) RelationGetIndexPredicate(index), 1, &used);
	index_close(index, AccessShareLock);
	columns = palloc(sizeof(Datum) * (bms_num_members(used) + 1));
	while ((i = bms_next_member(used, i)) >= 0)
		columns[n++] = Int16GetDatum((int16) (i + FirstLowInvalidHeapAttributeNumber));
	PG_RETURN_ARRAYTYPE_P(construct_array(columns, n, INT2OID, sizeof(int16), true, TYPALIGN_SHORT));
}

/* A function that cannot see a row without our knowing: internal or C, and not volatile. */
static bool
is_untrusted(Oid funcid, void *context)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Form_pg_proc proc;
	bool		untrusted;

	(void) context;
	if (!HeapTupleIsValid(tuple))
		return true;
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	untrusted = proc->provolatile == PROVOLATILE_VOLATILE ||
		(proc->prolang != INTERNALlanguageId && proc->prolang != ClanguageId);
	ReleaseSysCache(tuple);
	return untrusted;
}

static bool
has_untrusted(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink) || IsA(node, NextValueExpr))
		return true;
	if (check_functions_in_node(node, is_untrusted, context))
		return true;
	return expression_tree_walker(node, has_untrusted, context);
}

/* The one expression that a text is; 42601 where it is anything else. */
static Node *
parse_one(const char *source)
{
	List	   *raw = raw_parser(source, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *stmt = (SelectStmt *) linitial_node(RawStmt, raw)->stmt;

	if (!IsA(stmt, SelectStmt) || list_length(stmt->targetList) != 1 || stmt->fromClause != NIL ||
		stmt->whereClause != NULL || stmt->groupClause != NIL || stmt->havingClause != NULL ||
		stmt->windowClause != NIL || stmt->sortClause != NIL || stmt->limitCount != NULL ||
		stmt->limitOffset != NULL || stmt->lockingClause != NIL || stmt->distinctClause != NIL ||
		stmt->intoClause != NULL || stmt->withClause != NULL || stmt->op != SETOP_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("using_expr must be one expression")));
	return linitial_node(ResTarget, stmt->targetList)->val;
}

/*
 * _trusted_expression(relation, source) -> text
 *		The expression over the relation's columns as the server writes it.
 *
 * 0A000 where it holds a subquery or calls what is volatile or neither internal
 * nor C: such code would see rows of other lists.
 */
Datum
listguard_trusted_expression(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	char	   *source = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Relation	rel = table_open(relid, AccessShareLock);
	ParseState *pstate = make_parsestate(NULL);
	Node	   *expr;
	char	   *text;

	pstate->p_sourcetext = source;
	addNSItemToQuery(pstate, addRangeTableEntryForRelation(pstate, rel, AccessShareLock, NULL, false, false),
					 false, true, true);
	expr = transformExpr(pstate, parse_one(source), EXPR_KIND_POLICY);
	expr = coerce_to_boolean(pstate, expr, "USING");
	assign_expr_collations(pstate, expr);
	if (pstate->p_hasSubLinks || has_untrusted(expr, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("using_expr may call trusted functions only"),
				 errdetail("Subqueries, volatile functions and functions in other languages than C would see rows of other lists.")));
	text = deparse_expression(expr, deparse_context_for(RelationGetRelationName(rel), relid), false, false);
	free_parsestate(pstate);
	table_close(rel, AccessShareLock);
	PG_RETURN_TEXT_P(cstring_to_text(text));
}
