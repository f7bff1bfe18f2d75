/*-------------------------------------------------------------------------
 *
 * usage.c
 *		root_key_usage(): which root keys the databases of this server need.
 *
 * Each database is asked through its worker, so that the answer is what is
 * committed there and nothing is said of a database that did not answer.  The
 * answer is text, one line for each root: its id, index keys, list keys.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_database.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "key/keyadmin.h"
#include "key/keyring.h"
#include "key/rootkey.h"
#include "worker/worker.h"

#define MAX_ROOTS		16		/* that one database's keys are wrapped under */
#define ANSWER_MS		10000	/* that a database has to answer */
#define COLUMNS			5
#define ROOT_HEX		(2 * LG_ROOT_ID_BYTES)

PG_FUNCTION_INFO_V1(listguard_root_key_usage);

typedef struct RootCount
{
	uint8		id[LG_ROOT_ID_BYTES];
	int64		keys[LG_WRAP_INDEX + 1];	/* by kind */
} RootCount;

typedef struct RootCounts
{
	int			n;
	RootCount	roots[MAX_ROOTS];
} RootCounts;

/* ---- in the worker ---- */

static void
count_key(const LgWrapContext *ctx, const uint8 *wrapped, void *arg)
{
	RootCounts *counts = arg;
	int			i = 0;

	if (wrapped == NULL)
		return;
	while (i < counts->n && memcmp(counts->roots[i].id, wrapped + LG_WRAPPED_ROOT_ID, LG_ROOT_ID_BYTES) != 0)
		i++;
	if (i == MAX_ROOTS)
		elog(ERROR, "keys of this database are wrapped under more than %d root keys", MAX_ROOTS);
	if (i == counts->n)
		memcpy(counts->roots[counts->n++].id, wrapped + LG_WRAPPED_ROOT_ID, LG_ROOT_ID_BYTES);
	counts->roots[i].keys[ctx->kind]++;
}

/*
 * lg_root_usage_answer
 *		What this database says of itself.
 */
void
lg_root_usage_answer(char *out, Size size)
{
	static const uint8 no_keyset[LG_KEYSET_BYTES] = {0};
	RootCounts	counts;
	Size		used = 0;

	memset(&counts, 0, sizeof(counts));
	lg_keys_visit(LG_WRAP_INDEX, no_keyset, count_key, &counts);
	lg_keys_visit(LG_WRAP_LIST, no_keyset, count_key, &counts);
	out[0] = '\0';
	for (int i = 0; i < counts.n; i++)
	{
		RootCount  *root = &counts.roots[i];
		char		hex[ROOT_HEX + 1];

		sodium_bin2hex(hex, sizeof(hex), root->id, LG_ROOT_ID_BYTES);
		used += snprintf(out + used, size - used, "%s " INT64_FORMAT " " INT64_FORMAT "\n", hex,
						 root->keys[LG_WRAP_INDEX], root->keys[LG_WRAP_LIST]);
		if (used >= size)
			elog(ERROR, "root keys of this database do not fit into an answer");
	}
}

/* ---- in the session ---- */

typedef struct Database
{
	Oid			oid;
	NameData	name;
} Database;

static List *
all_databases(void)
{
	Relation	rel = table_open(DatabaseRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, DatabaseNameIndexId, true, NULL, 0, NULL);
	List	   *all = NIL;
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);
		Database   *database = palloc(sizeof(Database));

		database->oid = form->oid;
		database->name = form->datname;
		all = lappend(all, database);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return all;
}

/* One row; root NULL where no root is needed or nothing is known. */
static void
put_row(ReturnSetInfo *rsinfo, const Database *database, const char *root, const char *which,
		const int64 *keys)
{
	Datum		values[COLUMNS] = {0};
	bool		nulls[COLUMNS] = {0};

	values[0] = NameGetDatum(&database->name);
	nulls[1] = root == NULL;
	if (root != NULL)
		values[1] = CStringGetTextDatum(root);
	values[2] = CStringGetTextDatum(which);
	nulls[3] = nulls[4] = keys == NULL;
	if (keys != NULL)
	{
		values[3] = Int64GetDatum(keys[0]);
		values[4] = Int64GetDatum(keys[1]);
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

static const char *
place_of(const char *hex)
{
	uint8		id[LG_ROOT_ID_BYTES];

	if (sodium_hex2bin(id, sizeof(id), hex, ROOT_HEX, NULL, NULL, NULL) != 0)
		elog(ERROR, "malformed answer of a listguard worker");
	switch (lg_rootkey_place(id))
	{
		case LG_ROOT_CURRENT:
			return "current";
		case LG_ROOT_OLD:
			return "old";
		default:
			return "absent";
	}
}

static void
put_answer(ReturnSetInfo *rsinfo, const Database *database, char *answer)
{
	static const int64 none[2] = {0, 0};
	char	   *rest = NULL;

	if (answer[0] == '\0')
		put_row(rsinfo, database, NULL, "none", none);
	for (char *line = strtok_r(answer, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
	{
		char		hex[ROOT_HEX + 1];
		int64		keys[2];

		if (sscanf(line, "%16s " INT64_FORMAT " " INT64_FORMAT, hex, &keys[0], &keys[1]) != 3)
			elog(ERROR, "malformed answer of a listguard worker");
		put_row(rsinfo, database, hex, place_of(hex), keys);
	}
}

/*
 * listguard_root_key_usage
 *		root_key_usage(): for every database of this server that holds listguard,
 *		the root keys that its keys need.
 *
 * A database that gives no answer within 10 s is 'unknown', never left out.
 */
Datum
listguard_root_key_usage(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	ListCell   *lc;

	lg_key_require_admin("root_key_usage");
	PreventCommandDuringRecovery("root_key_usage()");
	InitMaterializedSRF(fcinfo, 0);
	foreach(lc, all_databases())
	{
		const Database *database = lfirst(lc);
		char		answer[LG_WORK_VALUE_MAX];

		switch (lg_worker_ask(database->oid, LG_WORK_ROOT_USAGE, answer, ANSWER_MS))
		{
			case LG_ANSWER_GIVEN:
				put_answer(rsinfo, database, answer);
				break;
			case LG_ANSWER_ABSENT:
				break;
			case LG_ANSWER_NONE:
				put_row(rsinfo, database, NULL, "unknown", NULL);
				break;
		}
	}
	PG_RETURN_VOID();
}
