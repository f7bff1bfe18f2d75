/*-------------------------------------------------------------------------
 *
 * listed.c
 *		What the policies of a role with many lists ask of a row: is its list
 *		one of the role's?
 *
 * A condition of the form list_id = ANY('{...}') costs time for every name in
 * it, each time a statement starts.  Where a role has more than a few lists
 * (20_policy.sql says how many) its policies call listguard.listed() instead,
 * which looks into a set that the backend keeps while the registry stays as
 * it is.
 *
 * The role is an argument, not the current user: a policy counts for the role
 * it was written for, also where a view's owner reads on behalf of others.
 *
 * Private to the backend: no locks.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/stratnum.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "nodes/supportnodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/selfuncs.h"

#include "policy/policy.h"

/* Attribute numbers, see 10_catalog.sql. */
#define Anum_table_relation		1
#define Anum_table_number		2
#define Anum_grant_role			1
#define Anum_grant_relation		2
#define Anum_grant_privileges	3
#define Anum_grant_list_no		4
#define Anum_grant_using_expr	5
#define Anum_list_value			3

#define VALUE_TEXT		40		/* longest int8 or uuid, NUL included */

/* Arguments of listed(). */
#define ARG_VALUE		0
#define ARG_TABLE		1
#define ARG_ROLE		2
#define ARG_PRIVILEGE	3
#define ARG_USING		4

typedef struct Value
{
	const char *bytes;
	Size		len;
} Value;						/* an entry of a set: a list's value, as text */

/* One role's lists in one table, with one privilege and one using_expr. */
typedef struct Set
{
	char	   *role;
	int32		table_no;
	char	   *privilege;
	char	   *using_expr;		/* "": none */
	HTAB	   *values;
} Set;

/* What one call in a plan has found; in the call's own memory. */
typedef struct Found
{
	uint64		generation;
	Set		   *set;
	bool		stable;			/* its other arguments are constants */
	Oid			type;
} Found;

static struct
{
	uint64		generation;
	List	   *sets;			/* of Set *, in the registry's memory */
}			cache;

static uint32
value_hash(const void *key, Size keysize)
{
	const Value *value = key;

	(void) keysize;
	return hash_bytes((const unsigned char *) value->bytes, (int) value->len);
}

static int
value_match(const void *a, const void *b, Size keysize)
{
	const Value *x = a;
	const Value *y = b;

	(void) keysize;
	return x->len == y->len && memcmp(x->bytes, y->bytes, x->len) == 0 ? 0 : 1;
}

static HTAB *
make_values(void)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(Value);
	ctl.entrysize = sizeof(Value);
	ctl.hash = value_hash;
	ctl.match = value_match;
	ctl.hcxt = lg_registry_memory();
	return hash_create("listguard lists of a role", 64, &ctl,
					   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

/* ---- filling a set ---- */

static void
note_relation(HeapTuple tuple, TupleDesc desc, void *arg)
{
	*(char **) arg = lg_registry_text(tuple, Anum_table_relation, desc);
}

/* A list's value into the set. */
static void
add_value(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Set		   *set = arg;
	char	   *text = lg_registry_text(tuple, Anum_list_value, desc);
	Value		value;

	if (text == NULL)
		return;
	value.len = strlen(text);
	value.bytes = MemoryContextStrdup(lg_registry_memory(), text);
	(void) hash_search(set->values, &value, HASH_ENTER, NULL);
}

static bool
has_privilege(HeapTuple tuple, TupleDesc desc, const char *privilege)
{
	bool		isnull;
	Datum		array = heap_getattr(tuple, Anum_grant_privileges, desc, &isnull);
	Datum	   *elems;
	bool	   *nulls;
	int			n;

	deconstruct_array(DatumGetArrayTypePCopy(array), TEXTOID, -1, false, TYPALIGN_INT, &elems, &nulls, &n);
	for (int i = 0; i < n; i++)
		if (!nulls[i] && strcmp(TextDatumGetCString(elems[i]), privilege) == 0)
			return true;
	return false;
}

/* A row of listguard.access_grant: its list, if it is one of the set's. */
static void
add_grant(HeapTuple tuple, TupleDesc desc, void *arg)
{
	Set		   *set = arg;
	int32		list_no = (int32) lg_registry_int(tuple, Anum_grant_list_no, desc, 0);
	char	   *using_expr = lg_registry_text(tuple, Anum_grant_using_expr, desc);
	ScanKeyData key;

	if (list_no == 0 || strcmp(using_expr != NULL ? using_expr : "", set->using_expr) != 0 ||
		!has_privilege(tuple, desc, set->privilege))
		return;
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(list_no));
	lg_registry_scan("list", "list_pkey", 1, &key, add_value, set);
}

/* Empty where the role or the table is not what it was when it was bound. */
static void
fill(void *arg)
{
	Set		   *set = arg;
	char	   *relation = NULL;
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], Anum_table_number, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(set->table_no));
	lg_registry_scan("protected_table", "protected_table_list_no_key", 1, keys, note_relation, &relation);
	if (relation == NULL || !OidIsValid(lg_resolve_relation(relation)) || !OidIsValid(lg_resolve_role(set->role)))
		return;
	ScanKeyEntryInitialize(&keys[0], 0, Anum_grant_role, BTEqualStrategyNumber, InvalidOid, C_COLLATION_OID,
						   F_TEXTEQ, CStringGetTextDatum(set->role));
	ScanKeyEntryInitialize(&keys[1], 0, Anum_grant_relation, BTEqualStrategyNumber, InvalidOid, C_COLLATION_OID,
						   F_TEXTEQ, CStringGetTextDatum(relation));
	lg_registry_scan("access_grant", "access_grant_key", 2, keys, add_grant, set);
}

static bool
same_set(const Set *a, const Set *b)
{
	return a->table_no == b->table_no && strcmp(a->role, b->role) == 0 &&
		strcmp(a->privilege, b->privilege) == 0 && strcmp(a->using_expr, b->using_expr) == 0;
}

static Set *
make_set(const Set *wanted)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "listguard listed", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(lg_registry_memory());
	Set		   *set = palloc(sizeof(Set));

	set->table_no = wanted->table_no;
	set->role = pstrdup(wanted->role);
	set->privilege = pstrdup(wanted->privilege);
	set->using_expr = pstrdup(wanted->using_expr);
	set->values = make_values();
	MemoryContextSwitchTo(work);
	lg_registry_at_one_moment(fill, set);
	MemoryContextSwitchTo(lg_registry_memory());
	cache.sets = lappend(cache.sets, set);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(work);
	return set;
}

/* The set that the arguments name, filled where it is new. */
static Set *
find_set(const Set *wanted)
{
	uint64		generation = lg_registry_refresh();
	ListCell   *lc;

	if (cache.generation != generation)
		cache.sets = NIL;
	cache.generation = generation;
	foreach(lc, cache.sets)
		if (same_set(lfirst(lc), wanted))
			return lfirst(lc);
	return make_set(wanted);
}

/* ---- SQL ---- */

static Set *
set_of_call(FunctionCallInfo fcinfo)
{
	Set			wanted;

	wanted.table_no = PG_GETARG_INT32(ARG_TABLE);
	wanted.role = text_to_cstring(PG_GETARG_TEXT_PP(ARG_ROLE));
	wanted.privilege = text_to_cstring(PG_GETARG_TEXT_PP(ARG_PRIVILEGE));
	wanted.using_expr = text_to_cstring(PG_GETARG_TEXT_PP(ARG_USING));
	return find_set(&wanted);
}

static Found *
begin_call(FunctionCallInfo fcinfo)
{
	Found	   *found = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt, sizeof(Found));

	found->stable = true;
	for (int i = ARG_TABLE; i <= ARG_USING; i++)
		found->stable = found->stable && get_fn_expr_arg_stable(fcinfo->flinfo, i);
	found->type = get_fn_expr_argtype(fcinfo->flinfo, ARG_VALUE);
	fcinfo->flinfo->fn_extra = found;
	return found;
}

static bool
is_listed(FunctionCallInfo fcinfo, const char *bytes, Size len)
{
	Found	   *found = fcinfo->flinfo->fn_extra;
	Value		value = {bytes, len};

	if (found == NULL)
		found = begin_call(fcinfo);
	if (found->set == NULL || !found->stable || found->generation != lg_registry_generation)
	{
		lg_require_preload();
		if (!lg_extension_present())
			return false;
		found->set = set_of_call(fcinfo);
		found->generation = lg_registry_loaded();
	}
	return hash_search(found->set->values, &value, HASH_FIND, NULL) != NULL;
}

PG_FUNCTION_INFO_V1(listguard_listed_text);
PG_FUNCTION_INFO_V1(listguard_listed_int4);
PG_FUNCTION_INFO_V1(listguard_listed_int8);
PG_FUNCTION_INFO_V1(listguard_listed_uuid);
PG_FUNCTION_INFO_V1(listguard_listed_support);

/*
 * listed(list, table number, role, privilege, using_expr) -> boolean
 *		Has the role been granted the privilege on this list of the protected
 *		table with that number, under that expression ("": none)?
 */
Datum
listguard_listed_text(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(ARG_VALUE);

	PG_RETURN_BOOL(is_listed(fcinfo, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)));
}

Datum
listguard_listed_int4(PG_FUNCTION_ARGS)
{
	char		text[VALUE_TEXT];

	PG_RETURN_BOOL(is_listed(fcinfo, text, pg_ltoa(PG_GETARG_INT32(ARG_VALUE), text)));
}

Datum
listguard_listed_int8(PG_FUNCTION_ARGS)
{
	char		text[VALUE_TEXT];

	PG_RETURN_BOOL(is_listed(fcinfo, text, pg_lltoa(PG_GETARG_INT64(ARG_VALUE), text)));
}

Datum
listguard_listed_uuid(PG_FUNCTION_ARGS)
{
	char	   *text = DatumGetCString(DirectFunctionCall1(uuid_out, PG_GETARG_DATUM(ARG_VALUE)));

	PG_RETURN_BOOL(is_listed(fcinfo, text, strlen(text)));
}

/* A constant argument; false where it is anything else or null. */
static bool
constant_arg(List *args, int n, Datum *value)
{
	Node	   *node = list_nth(args, n);

	if (!IsA(node, Const) || ((Const *) node)->constisnull)
		return false;
	*value = ((Const *) node)->constvalue;
	return true;
}

/* How many lists the role has, of how many that the column holds. */
static bool
estimate(SupportRequestSelectivity *req)
{
	VariableStatData vardata;
	Datum		args[ARG_USING + 1];
	Set			wanted;
	double		lists;
	bool		is_default;

	for (int i = ARG_TABLE; i <= ARG_USING; i++)
		if (!constant_arg(req->args, i, &args[i]))
			return false;
	if (!lg_preloaded || !lg_extension_present())
		return false;
	wanted.table_no = DatumGetInt32(args[ARG_TABLE]);
	wanted.role = TextDatumGetCString(args[ARG_ROLE]);
	wanted.privilege = TextDatumGetCString(args[ARG_PRIVILEGE]);
	wanted.using_expr = TextDatumGetCString(args[ARG_USING]);
	examine_variable(req->root, list_nth(req->args, ARG_VALUE), req->varRelid, &vardata);
	lists = get_variable_numdistinct(&vardata, &is_default);
	ReleaseVariableStats(vardata);
	if (is_default)
		return false;
	req->selectivity = hash_get_num_entries(find_set(&wanted)->values) / Max(lists, 1.0);
	CLAMP_PROBABILITY(req->selectivity);
	return true;
}

/*
 * _listed_support(internal) -> internal
 *		For the planner: which part of the rows listed() lets through.
 */
Datum
listguard_listed_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSelectivity) && !((SupportRequestSelectivity *) request)->is_join &&
		estimate((SupportRequestSelectivity *) request))
		PG_RETURN_POINTER(request);
	PG_RETURN_POINTER(NULL);
}
