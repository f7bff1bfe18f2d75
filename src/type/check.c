/*-------------------------------------------------------------------------
 *
 * check.c
 *		check_sealed(): is every sealed value of a table what it should be?
 *
 * Below the executor: no policy is asked, nothing is charged.  Texts are
 * opened and compared with their tokens in memory that is wiped; what comes
 * out names rows and columns, never a text.
 *
 * Private to the backend: no locks of its own.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"

#include "audit/audit.h"
#include "common/normal.h"
#include "key/keyring.h"
#include "policy/registry.h"
#include "type/type.h"

#define FINDING_COLUMNS	4

PG_FUNCTION_INFO_V1(listguard_check_sealed);

typedef struct Check
{
	ReturnSetInfo *rsinfo;
	Relation	rel;			/* the table being looked at */
	int			list_attno;		/* its list column; 0: none */
	int32		list_no;		/* of the whole table; 0: not protected, or by the list column */
	int64		values;
	int64		findings;
} Check;

static void
put_finding(Check *check, ItemPointer tid, int attno, const char *problem)
{
	Datum		values[FINDING_COLUMNS];
	bool		nulls[FINDING_COLUMNS] = {0};

	values[0] = ObjectIdGetDatum(RelationGetRelid(check->rel));
	values[1] = PointerGetDatum(tid);
	values[2] = NameGetDatum(&TupleDescAttr(RelationGetDescr(check->rel), attno - 1)->attname);
	values[3] = CStringGetTextDatum(problem);
	tuplestore_putvalues(check->rsinfo->setResult, check->rsinfo->setDesc, values, nulls);
	check->findings++;
}

/* Are the tokens those of the text?  NULL: they are, else what is wrong. */
static const char *
token_problem(const LgValueView *view, const char *text, size_t len)
{
	const LgIndexKeys *keys = lg_index_keys();
	size_t		bound = LG_NORMAL_BOUND(len);
	char	   *normal = palloc(bound);
	size_t		normal_len = 0;
	size_t		domain_off = 0;
	size_t		err_pos;
	const char *why;
	uint8		token[LG_TOKEN_BYTES];
	uint8		domain[LG_DOMAIN_TOKEN_BYTES];
	const char *problem = NULL;
	bool		email = view->type == LG_TYPE_EMAIL;
	LgStatus	status;

	if (email)
		status = lg_address_normal(normal, bound, &normal_len, &domain_off, text, len, &err_pos, &why);
	else
		status = lg_normal_text(normal, bound, &normal_len, text, len, &err_pos);
	if (status != LG_OK)
		problem = email ? "text is no address" : "text has no normal form";
	else if (view->epoch != keys->epoch)
		problem = "unknown index key";
	else
	{
		lg_token_make(token, email ? keys->email : keys->lookup, view->type, normal, normal_len);
		if (memcmp(token, view->token, LG_TOKEN_BYTES) != 0)
			problem = "token is not that of the text";
		else if (view->domain_token != NULL)
		{
			lg_domain_token_make(domain, keys->domain, normal + domain_off, normal_len - domain_off);
			if (memcmp(domain, view->domain_token, LG_DOMAIN_TOKEN_BYTES) != 0)
				problem = "domain token is not that of the text";
		}
	}
	sodium_memzero(normal, normal_len);
	pfree(normal);
	return problem;
}

/* The value opened: NULL if all is well. */
static const char *
text_problem(const LgValueView *view)
{
	const LgKey *key = lg_key_by_id(view->key_id, false);
	size_t		bound = lg_value_text_bound(view);
	char	   *text = palloc(bound);
	size_t		len;
	const char *problem = NULL;

	if (lg_value_open(text, &len, key->keys, view) != LG_OK)
		problem = "damaged or altered";
	else if (view->token != NULL)
		problem = token_problem(view, text, len);
	sodium_memzero(text, bound);
	pfree(text);
	return problem;
}

/*
 * value_problem
 *		What is wrong with a value, NULL if nothing is; list_no is that of its
 *		row, 0 if no list is required.
 */
static const char *
value_problem(Datum value, int type, int32 list_no)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);
	const char *problem;
	LgValueView view;

	if (lg_value_parse(&view, (const uint8_t *) VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)) != LG_OK)
		return "malformed";
	if (view.type != type)
		return "of another type";
	switch (lg_key_state(view.key_id))
	{
		case LG_KEY_UNKNOWN:
			return "key is not in this database";
		case LG_KEY_DESTROYED:
			return "key has been destroyed";
		case LG_KEY_LIVE:
			break;
	}
	problem = text_problem(&view);
	if (problem == NULL && list_no != 0 && lg_key_list(view.key_id) != list_no)
		problem = list_no < 0 ? "the row's list is unknown" : "key is that of another list";
	return problem;
}

/* Number of the list that a row belongs to; 0: any, -1: none that is known. */
static int32
list_of_row(Check *check, TupleTableSlot *slot)
{
	const LgList *list;
	Oid			out;
	bool		varlena;
	bool		isnull;
	Datum		value;

	if (check->list_attno == 0)
		return check->list_no;
	value = slot_getattr(slot, check->list_attno, &isnull);
	if (isnull)
		return -1;
	getTypeOutputInfo(TupleDescAttr(RelationGetDescr(check->rel), check->list_attno - 1)->atttypid, &out, &varlena);
	list = lg_list_find(RelationGetRelid(check->rel), OidOutputFunctionCall(out, value));
	return list != NULL ? list->list_no : -1;
}

static void
check_row(Check *check, TupleTableSlot *slot)
{
	TupleDesc	desc = RelationGetDescr(check->rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);
		const char *problem;
		bool		isnull;
		Datum		value;

		if (att->attisdropped || lg_type_of(att->atttypid) == 0)
			continue;
		value = slot_getattr(slot, i + 1, &isnull);
		if (isnull)
			continue;
		check->values++;
		problem = value_problem(value, lg_type_of(att->atttypid), list_of_row(check, slot));
		if (problem != NULL)
			put_finding(check, &slot->tts_tid, i + 1, problem);
	}
}

static void
find_list(Check *check)
{
	const LgProtected *prot = lg_protected_lookup(RelationGetRelid(check->rel));

	check->list_attno = 0;
	check->list_no = 0;
	if (prot == NULL)
		return;
	if (prot->list_column == NULL)
		check->list_no = prot->list_no;
	else
		check->list_attno = get_attnum(RelationGetRelid(check->rel), prot->list_column);
}

static void
check_table(Check *check)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(check->rel, NULL);
	TableScanDesc scan = lg_table_beginscan(check->rel, snapshot);
	MemoryContext memory = AllocSetContextCreate(CurrentMemoryContext, "listguard check", ALLOCSET_DEFAULT_SIZES);

	find_list(check);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(memory);

		CHECK_FOR_INTERRUPTS();
		check_row(check, slot);
		MemoryContextSwitchTo(old);
		MemoryContextReset(memory);
	}
	MemoryContextDelete(memory);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
}

static void
put_event(Oid relid, const Check *check)
{
	LgEvent		ev;

	lg_event_init(&ev, LG_EV_KEY, LG_OUT_OK);
	ev.relation = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), get_rel_name(relid));
	ev.detail = psprintf("{\"check_sealed\": " INT64_FORMAT ", \"findings\": " INT64_FORMAT "}",
						 check->values, check->findings);
	lg_audit_event(&ev, LG_SYNCED, NULL);
}

/*
 * listguard_check_sealed
 *		check_sealed(relation): one row for each value that is not what it should
 *		be; partitions too.
 *
 * LG004 where the root key cannot be had: nothing could be checked then.
 */
Datum
listguard_check_sealed(PG_FUNCTION_ARGS)
{
	Oid			relid = PG_GETARG_OID(0);
	Check		check;
	ListCell   *lc;

	lg_require_preload();
	if (!lg_is_admin(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", "check_sealed")));
	memset(&check, 0, sizeof(check));
	InitMaterializedSRF(fcinfo, 0);
	check.rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	foreach(lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		check.rel = relation_open(lfirst_oid(lc), AccessShareLock);
		if (check.rel->rd_rel->relkind == RELKIND_RELATION || check.rel->rd_rel->relkind == RELKIND_MATVIEW)
			check_table(&check);
		else if (check.rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" holds no rows of its own", RelationGetRelationName(check.rel))));
		relation_close(check.rel, NoLock);
	}
	put_event(relid, &check);
	PG_RETURN_VOID();
}
