/*-------------------------------------------------------------------------
 *
 * list.c
 *		Lists: found by number or by relation and value, made where there is
 *		none, and named.
 *
 * A new list's key must not be orphaned by a ROLLBACK of the session that seals
 * its first value: the worker makes list and key in a transaction of its own.
 * Only where protect ran in this very transaction does the session make them
 * itself, since a ROLLBACK then takes the values as well.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "access/genam.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#include "errcodes.h"
#include "key/keyring.h"
#include "policy/policy.h"
#include "worker/worker.h"

/* Attribute numbers of listguard.list, see 10_catalog.sql. */
#define Anum_list_no	1
#define Anum_relation	2
#define Anum_value		3
#define Anum_key_id		4

#define MAX_LISTS		16384	/* remembered at most; then all are forgotten */
#define MAX_TRIES		32		/* for an unused number */
#define NEW_LIST_MS		10000	/* wait for the worker */

typedef struct NumberEntry
{
	int32		list_no;		/* hash key */
	LgList	   *list;
} NumberEntry;

typedef struct ValueKey
{
	Oid			relid;
	uint32		hash;			/* of the value; lists with equal hash are chained */
} ValueKey;

typedef struct ValueEntry
{
	ValueKey	key;
	List	   *lists;			/* of LgList * */
} ValueEntry;

typedef struct RelationName
{
	char	   *name;
	Oid			relid;
} RelationName;

static struct
{
	uint64		generation;
	MemoryContext memory;		/* of lists only: many are forgotten without all else */
	HTAB	   *by_number;
	HTAB	   *by_value;
	List	   *relations;		/* of RelationName * */
	const LgList *last;			/* found by value last, for a run of rows of one list */
	Oid			last_relid;
}			cache;

static HTAB *
make_hash(const char *name, Size keysize, Size entrysize)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hcxt = cache.memory;
	return hash_create(name, 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
refresh(void)
{
	uint64		generation = lg_registry_refresh();
	MemoryContext memory = cache.memory;

	if (cache.generation == generation && hash_get_num_entries(cache.by_number) < MAX_LISTS)
		return;
	memset(&cache, 0, sizeof(cache));
	if (memory == NULL)
		memory = AllocSetContextCreate(TopMemoryContext, "listguard lists", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(memory);
	cache.memory = memory;
	cache.by_number = make_hash("listguard lists", sizeof(int32), sizeof(NumberEntry));
	cache.by_value = make_hash("listguard list values", sizeof(ValueKey), sizeof(ValueEntry));
	cache.generation = generation;
}

/* A list's relation: one copy of its name, and what that means. */
static const RelationName *
relation_named(char *name)
{
	RelationName *relation;
	ListCell   *lc;

	foreach(lc, cache.relations)
	{
		relation = lfirst(lc);
		if (strcmp(relation->name, name) == 0)
			return relation;
	}
	relation = palloc(sizeof(RelationName));
	relation->name = MemoryContextStrdup(cache.memory, name);
	relation->relid = lg_resolve_relation(name);
	cache.relations = lappend(cache.relations, relation);
	return relation;
}

static void
load_list(HeapTuple tuple, TupleDesc desc, void *arg)
{
	char	   *name = lg_registry_text(tuple, Anum_relation, desc);
	MemoryContext old = MemoryContextSwitchTo(cache.memory);
	LgList	   *list = palloc0(sizeof(LgList));

	list->list_no = (int32) lg_registry_int(tuple, Anum_list_no, desc, 0);
	if (name != NULL)
	{
		const RelationName *relation = relation_named(name);

		list->relation = relation->name;
		list->relid = relation->relid;
	}
	list->value = lg_registry_text(tuple, Anum_value, desc);
	list->key_id = (uint32) lg_registry_int(tuple, Anum_key_id, desc, 0);
	*(LgList **) arg = list;
	MemoryContextSwitchTo(old);
}

static LgList *
read_by_number(int32 list_no)
{
	LgList	   *list = NULL;
	ScanKeyData key;

	ScanKeyInit(&key, Anum_list_no, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(list_no));
	lg_registry_scan("list", "list_pkey", 1, &key, load_list, &list);
	return list;
}

/* One key on a text column, for a scan by hand or by an index COLLATE "C". */
static void
text_key(ScanKey key, int attnum, const char *value)
{
	ScanKeyEntryInitialize(key, 0, attnum, BTEqualStrategyNumber, InvalidOid, C_COLLATION_OID,
						   F_TEXTEQ, CStringGetTextDatum(value));
}

static void
scan_by_name(const char *relation, const char *value, LgRowVisitor visit, void *arg)
{
	ScanKeyData keys[2];

	text_key(&keys[0], Anum_relation, relation);
	if (value != NULL)
		text_key(&keys[1], Anum_value, value);
	lg_registry_scan("list", value != NULL ? "list_value_key" : "list_relation_key",
					 value != NULL ? 2 : 1, keys, visit, arg);
}

static LgList *
read_by_name(const char *relation, const char *value)
{
	LgList	   *list = NULL;

	scan_by_name(relation, value, load_list, &list);
	return list;
}

/*
 * lg_list_by_no
 *		The list with this number; NULL if this database has none.
 */
const LgList *
lg_list_by_no(int32 list_no)
{
	NumberEntry *entry;
	LgList	   *list;

	if (list_no <= 0 || !lg_extension_present())
		return NULL;
	refresh();
	entry = hash_search(cache.by_number, &list_no, HASH_FIND, NULL);
	if (entry != NULL)
		return entry->list;
	list = read_by_number(list_no);
	if (list == NULL)
		return NULL;
	entry = hash_search(cache.by_number, &list_no, HASH_ENTER, NULL);
	entry->list = list;
	return list;
}

static bool
same_value(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

/*
 * remember_value
 *		Into the chain of its hash; that there is no list is not remembered.
 */
static void
remember_value(const ValueKey *key, LgList *list)
{
	MemoryContext old = MemoryContextSwitchTo(cache.memory);
	ValueEntry *entry;
	NumberEntry *number;
	bool		found;

	entry = hash_search(cache.by_value, key, HASH_ENTER, &found);
	entry->lists = lappend(found ? entry->lists : NIL, list);
	number = hash_search(cache.by_number, &list->list_no, HASH_ENTER, NULL);
	number->list = list;
	MemoryContextSwitchTo(old);
}

/*
 * lg_list_find
 *		The list of a protected relation (or of a partition of it) with this
 *		value in the list column, NULL for the whole table; NULL if none.
 */
const LgList *
lg_list_find(Oid relid, const char *value)
{
	const LgProtected *protected;
	ValueKey	key;
	ValueEntry *entry;
	LgList	   *list;
	ListCell   *lc;

	if (!lg_extension_present())
		return NULL;
	do
	{
		refresh();
		protected = lg_registered_lookup(relid);
	} while (cache.generation != lg_registry_loaded());
	if (protected == NULL)
		return NULL;
	if (cache.last != NULL && cache.last_relid == protected->relid && same_value(cache.last->value, value))
		return cache.last;
	memset(&key, 0, sizeof(key));
	key.relid = protected->relid;
	key.hash = value != NULL ? hash_bytes((const unsigned char *) value, strlen(value)) : 0;
	entry = hash_search(cache.by_value, &key, HASH_FIND, NULL);
	cache.last = NULL;
	cache.last_relid = key.relid;
	foreach(lc, entry != NULL ? entry->lists : NIL)
		if (same_value(((LgList *) lfirst(lc))->value, value))
			return cache.last = lfirst(lc);
	list = read_by_name(protected->name, value);
	if (list == NULL)
		return NULL;
	list->relid = key.relid;
	remember_value(&key, list);
	return cache.last = list;
}

/* ---- new lists ---- */

static void
number_used(HeapTuple tuple, TupleDesc desc, void *arg)
{
	(void) tuple;
	(void) desc;
	*(bool *) arg = true;
}

static bool
is_used(const char *table, const char *index, int attnum, int32 list_no)
{
	bool		used = false;
	ScanKeyData key;

	ScanKeyInit(&key, attnum, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(list_no));
	lg_registry_scan(table, index, 1, &key, number_used, &used);
	return used;
}

/* Random, since typmods travel with dumps and must not meet another list's. */
int32
lg_list_unused_number(void)
{
	for (int i = 0; i < MAX_TRIES; i++)
	{
		int32		list_no = (int32) (randombytes_random() & 0x7fffffff);

		if (list_no == 0 || is_used("list", "list_pkey", Anum_list_no, list_no) ||
			is_used("key", "key_list", 2, list_no) ||
			is_used("protected_table", "protected_table_list_no_key", 2, list_no))
			continue;
		return list_no;
	}
	elog(ERROR, "no unused list number found");
	return 0;
}

static void
insert_list(int32 list_no, const char *relation, const char *value, uint32 key_id)
{
	Oid			types[] = {INT4OID, INT8OID, TEXTOID, TEXTOID};
	Datum		values[4];
	const char *sql = "INSERT INTO listguard.list (list_no, key_id) VALUES ($1, $2)";

	values[0] = Int32GetDatum(list_no);
	values[1] = Int64GetDatum((int64) key_id);
	if (relation != NULL)
	{
		values[2] = CStringGetTextDatum(relation);
		sql = "INSERT INTO listguard.list (list_no, key_id, relation) VALUES ($1, $2, $3)";
	}
	if (value != NULL)
	{
		values[3] = CStringGetTextDatum(value);
		sql = "INSERT INTO listguard.list (list_no, key_id, relation, value) VALUES ($1, $2, $3, $4)";
	}
	(void) lg_registry_execute(sql, value != NULL ? 4 : relation != NULL ? 3 : 2, types, values);
}

/* A table that is one list has its own number; protect has chosen it. */
static void
note_number(HeapTuple tuple, TupleDesc desc, void *arg)
{
	*(int32 *) arg = (int32) lg_registry_int(tuple, 2, desc, 0);
}

static int32
number_for(const char *relation, const char *value)
{
	int32		list_no = 0;
	ScanKeyData key;

	if (relation != NULL && value == NULL)
	{
		text_key(&key, 1, relation);
		lg_registry_scan("protected_table", "protected_table_pkey", 1, &key, note_number, &list_no);
	}
	return list_no != 0 ? list_no : lg_list_unused_number();
}

static void
note_list(HeapTuple tuple, TupleDesc desc, void *arg)
{
	*(int32 *) arg = (int32) lg_registry_int(tuple, Anum_list_no, desc, 0);
}

/*
 * lg_list_create
 *		List and key in the current transaction; returns the list's number.
 *
 * relation NULL: the default list.  A list of this name may be here before its
 * table is protected, by import_keys(): then it is that one.
 */
int32
lg_list_create(const char *relation, const char *value)
{
	int32		list_no = 0;

	if (relation != NULL)
		scan_by_name(relation, value, note_list, &list_no);
	if (list_no != 0)
		return list_no;
	if (value != NULL && strlen(value) >= LG_WORK_VALUE_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("value of the list column is too long"),
				 errdetail("At most %d bytes are supported.", LG_WORK_VALUE_MAX - 1)));
	list_no = number_for(relation, value);
	insert_list(list_no, relation, value, lg_key_create(list_no));
	return list_no;
}

static void
note_xmin(HeapTuple tuple, TupleDesc desc, void *arg)
{
	(void) desc;
	*(bool *) arg = TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetXmin(tuple->t_data));
}

/* Did protect run in this transaction? */
static bool
protected_here(const char *relation)
{
	bool		here = false;
	ScanKeyData key;

	text_key(&key, 1, relation);
	lg_registry_scan("protected_table", "protected_table_pkey", 1, &key, note_xmin, &here);
	return here;
}

/*
 * lg_list_ensure
 *		As lg_list_find, but makes the list where there is none; its number.
 *
 * LG004 if the worker does not answer in time.
 */
int32
lg_list_ensure(Oid relid, const char *value)
{
	const LgList *list = lg_list_find(relid, value);
	const LgProtected *protected;

	if (list != NULL)
		return list->list_no;
	protected = lg_registered_lookup(relid);
	if (protected == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("relation with OID %u is not protected", relid)));
	if (lg_in_worker() || protected_here(protected->name))
		return lg_list_create(pstrdup(protected->name), value);
	if (value == NULL || strlen(value) < LG_WORK_VALUE_MAX)
		(void) lg_worker_request(LG_WORK_NEW_LIST, protected->relid, value, NEW_LIST_MS);
	AcceptInvalidationMessages();
	list = lg_list_find(relid, value);
	if (list == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("key of a new list could not be made"),
				 errhint("The server log says why listguard's worker could not make it. Try again.")));
	return list->list_no;
}

/*
 * lg_list_create_in_worker
 *		What LG_WORK_NEW_LIST asks for, in the worker's own transaction.
 */
void
lg_list_create_in_worker(Oid relid, const char *value)
{
	const LgProtected *protected;

	if (lg_list_find(relid, value) != NULL)
		return;
	protected = lg_registered_lookup(relid);
	if (protected == NULL)
		return;
	(void) lg_list_create(pstrdup(protected->name), value);
}

/* ---- names ---- */

static void
append_encoded(StringInfo buf, const char *value)
{
	for (const unsigned char *p = (const unsigned char *) value; *p != '\0'; p++)
	{
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
			*p == '-' || *p == '.' || *p == '_' || *p == '~')
			appendStringInfoChar(buf, *p);
		else
			appendStringInfo(buf, "%%%02X", *p);
	}
}

/*
 * lg_list_name
 *		schema.table, or schema.table/value with the value percent-encoded (RFC
 *		3986, all but unreserved characters); "-" for the default list.  palloc'd.
 */
char *
lg_list_name(const LgList *list)
{
	StringInfoData buf;

	if (list->relation == NULL)
		return pstrdup(LG_DEFAULT_LIST);
	initStringInfo(&buf);
	appendStringInfoString(&buf, list->relation);
	if (list->value != NULL)
	{
		appendStringInfoChar(&buf, '/');
		append_encoded(&buf, list->value);
	}
	return buf.data;
}
