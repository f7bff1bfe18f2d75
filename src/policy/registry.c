/*-------------------------------------------------------------------------
 *
 * registry.c
 *		What is protected, as one backend knows it.
 *
 * Everything read from the registry is kept until the registry changes: a
 * trigger on each of its tables sends a relcache invalidation of
 * listguard.protected_table, and our callback counts generations.  The same
 * count rises when roles, memberships or schemas change.  Relations found not
 * to be protected are forgotten one by one, since relcache events are many.
 *
 * The tables are read as catalogs are, never by SPI: a look-up may happen
 * inside any executor node.
 *
 * Private to the backend: no locks.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "common/value.h"
#include "guc.h"
#include "key/keyrow.h"
#include "key/shred.h"
#include "policy/policy.h"

/* Attribute numbers of listguard.protected_table, see 10_catalog.sql. */
#define Anum_relation		1
#define Anum_list_no		2
#define Anum_list_column	3
#define Anum_sealed_columns 4
#define Anum_open_columns	5
#define Anum_domain_columns 6
#define Anum_bulk_threshold 7
#define Anum_mode			8
#define Anum_audit			9

#define MAX_NAMES	24			/* tables and indexes of ours that code asks for */

uint64		lg_registry_generation = 1;

static uint64 relcache_events = 0;	/* a look-up that one interrupts is not kept */
static uint64 loaded = 0;		/* generation that the caches hold; 0: none */
static MemoryContext memory = NULL;

/* The extension, valid for one generation. */
static struct
{
	uint64		generation;
	bool		present;
	Oid			namespace_oid;
	Oid			owner;
	Oid			types[LG_TYPE_TEXT + 1];
	int			n_names;
	struct
	{
		char		name[NAMEDATALEN];
		Oid			oid;
	}			names[MAX_NAMES];
}			extension;
static Oid	registry_relid = InvalidOid;	/* listguard.protected_table, for the callback */

/* A row; public first. */
typedef struct Row
{
	LgProtected public;
	bool		own_threshold;	/* else the setting's, which may change any time */
} Row;

/* A former partition, and the protected relation that it belonged to; by name. */
typedef struct Detached
{
	char	   *name;
	char	   *root;
} Detached;

typedef struct RelEntry
{
	Oid			relid;			/* hash key */
	bool		valid;
	bool		has_children;
	LgProtected *protected;		/* NULL: not protected */
} RelEntry;

static HTAB *relations = NULL;	/* RelEntry; in memory */
static RelEntry *last_entry = NULL; /* of these, the one asked for last */
static List *rows = NIL;		/* of Row; in memory */
static List *detached = NIL;	/* of Detached; in memory */
static bool rows_loaded = false;

static void
relcache_callback(Datum arg, Oid relid)
{
	RelEntry   *entry;

	(void) arg;
	relcache_events++;
	if (!OidIsValid(relid) || relid == registry_relid)
	{
		lg_registry_generation++;
		lg_shred_check();
		return;
	}
	if (relations == NULL)
		return;
	entry = hash_search(relations, &relid, HASH_FIND, NULL);
	if (entry == NULL || !entry->valid)
		return;
	entry->valid = false;
	if (entry->protected != NULL || entry->has_children)
		lg_registry_generation++;
}

static void
syscache_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	(void) arg;
	(void) cacheid;
	(void) hashvalue;
	lg_registry_generation++;
}

/* A new function may be CREATE EXTENSION's: matters while there is none only. */
static void
function_callback(Datum arg, int cacheid, uint32 hashvalue)
{
	(void) arg;
	(void) cacheid;
	(void) hashvalue;
	if (!extension.present)
		lg_registry_generation++;
}

/*
 * lg_registry_install
 *		Register the callbacks; once per backend.
 */
void
lg_registry_install(void)
{
	static bool installed = false;

	if (installed)
		return;
	CacheRegisterRelcacheCallback(relcache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, syscache_callback, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, function_callback, (Datum) 0);
	installed = true;
}

/* ---- the extension ---- */

/*
 * find_extension
 *		Its oid and owner, from pg_extension.
 */
static Oid
find_extension(Oid *owner)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	Oid			oid = InvalidOid;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("listguard"));
	scan = systable_beginscan(rel, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		oid = ((Form_pg_extension) GETSTRUCT(tuple))->oid;
		*owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return oid;
}

/* While its script runs, or pg_upgrade makes it again piece by piece, the registry may be there in part. */
static bool
half_made(Oid extension_oid, Oid nsp)
{
	static const char *const last[] = {"protected_table", "list", "access_grant", "row_limit", "binding",
	"keyset", "key", "index_key", "home", "detached"};

	if (!IsBinaryUpgrade && (!creating_extension || CurrentExtensionObject != extension_oid))
		return false;
	for (int i = 0; i < lengthof(last); i++)
		if (!OidIsValid(get_relname_relid(last[i], nsp)))
			return true;
	return false;
}

/*
 * lg_extension_present
 *		Is listguard installed in this database?
 */
bool
lg_extension_present(void)
{
	uint64		generation;
	Oid			oid;
	Oid			owner = InvalidOid;
	Oid			nsp;

	if (extension.generation == lg_registry_generation)
		return extension.present;
	if (!IsTransactionState() || !OidIsValid(MyDatabaseId))
		return false;
	lg_registry_install();
	generation = lg_registry_generation;
	oid = find_extension(&owner);
	nsp = OidIsValid(oid) ? get_namespace_oid(LG_SCHEMA, true) : InvalidOid;
	if (OidIsValid(nsp) && half_made(oid, nsp))
		return false;
	memset(&extension, 0, sizeof(extension));
	extension.present = OidIsValid(nsp);
	extension.namespace_oid = nsp;
	extension.owner = owner;
	registry_relid = OidIsValid(nsp) ? get_relname_relid("protected_table", nsp) : InvalidOid;
	extension.generation = generation;
	return extension.present;
}

/*
 * lg_extension_owner
 *		Role that owns the extension; InvalidOid without one.
 */
Oid
lg_extension_owner(void)
{
	return lg_extension_present() ? extension.owner : InvalidOid;
}

/*
 * lg_relation_oid
 *		A table or an index in schema listguard; InvalidOid if there is none.
 */
Oid
lg_relation_oid(const char *relname)
{
	Oid			oid;

	if (!lg_extension_present())
		return InvalidOid;
	for (int i = 0; i < extension.n_names; i++)
		if (strcmp(extension.names[i].name, relname) == 0)
			return extension.names[i].oid;
	oid = get_relname_relid(relname, extension.namespace_oid);
	if (OidIsValid(oid) && extension.n_names < MAX_NAMES)
	{
		strlcpy(extension.names[extension.n_names].name, relname, NAMEDATALEN);
		extension.names[extension.n_names++].oid = oid;
	}
	return oid;
}

/*
 * lg_type_oid
 *		Oid of a sealed type (LG_TYPE_*), InvalidOid without the extension.
 */
Oid
lg_type_oid(int lg_type)
{
	static const char *const names[] = {NULL, "sealed_email", "sealed_lookup", "sealed_text"};

	if (lg_type < LG_TYPE_EMAIL || lg_type > LG_TYPE_TEXT || !lg_extension_present())
		return InvalidOid;
	if (!OidIsValid(extension.types[lg_type]))
		extension.types[lg_type] = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
												   CStringGetDatum(names[lg_type]),
												   ObjectIdGetDatum(extension.namespace_oid));
	return extension.types[lg_type];
}

/*
 * lg_type_of
 *		Which sealed type (LG_TYPE_*) an oid is; 0: none.
 */
int
lg_type_of(Oid typid)
{
	if (typid < FirstNormalObjectId)
		return 0;
	for (int type = LG_TYPE_EMAIL; type <= LG_TYPE_TEXT; type++)
		if (lg_type_oid(type) == typid)
			return type;
	return 0;
}

/* ---- reading the tables ---- */

static Snapshot pinned = NULL;	/* that of lg_registry_at_one_moment() */

/*
 * lg_registry_at_one_moment
 *		Run body with all its scans of the registry seeing the same rows: a role
 *		that is given its new name in between would be in none of them.
 */
void
lg_registry_at_one_moment(void (*body) (void *arg), void *arg)
{
	if (pinned != NULL)
	{
		body(arg);
		return;
	}
	PG_TRY();
	{
		pinned = RegisterSnapshot(GetNonHistoricCatalogSnapshot(lg_relation_oid("protected_table")));
		body(arg);
	}
	PG_FINALLY();
	{
		if (pinned != NULL)
			UnregisterSnapshot(pinned);
		pinned = NULL;
	}
	PG_END_TRY();
}

static Snapshot
snapshot_for(Relation rel)
{
	return pinned != NULL ? pinned : lg_key_snapshot(rel);
}

static void
snapshot_done(Snapshot snapshot)
{
	if (snapshot != pinned)
		lg_key_snapshot_done(snapshot);
}

/*
 * lg_registry_scan
 *		Call visit for each row; the tuple is good during the call only.
 */
void
lg_registry_scan(const char *table, const char *index, int nkeys, ScanKey keys,
				 LgRowVisitor visit, void *arg)
{
	Relation	rel = lg_key_table_open(table);
	Oid			index_oid = index != NULL ? lg_relation_oid(index) : InvalidOid;
	Snapshot	snapshot = snapshot_for(rel);
	SysScanDesc scan = systable_beginscan(rel, index_oid, OidIsValid(index_oid), snapshot, nkeys, keys);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		visit(tuple, RelationGetDescr(rel), arg);
	systable_endscan(scan);
	snapshot_done(snapshot);
	table_close(rel, AccessShareLock);
}

/*
 * lg_registry_first
 *		The same for the first row in the order of the index only.
 */
void
lg_registry_first(const char *table, const char *index, int nkeys, ScanKey keys,
				  LgRowVisitor visit, void *arg)
{
	Relation	rel = lg_key_table_open(table);
	Relation	irel = index_open(lg_relation_oid(index), AccessShareLock);
	Snapshot	snapshot = snapshot_for(rel);
	SysScanDesc scan = systable_beginscan_ordered(rel, irel, snapshot, nkeys, keys);
	HeapTuple	tuple = systable_getnext_ordered(scan, ForwardScanDirection);

	if (HeapTupleIsValid(tuple))
		visit(tuple, RelationGetDescr(rel), arg);
	systable_endscan_ordered(scan);
	snapshot_done(snapshot);
	index_close(irel, AccessShareLock);
	table_close(rel, AccessShareLock);
}

/*
 * lg_registry_text
 *		A text or name column, palloc'd; NULL for null.
 */
char *
lg_registry_text(HeapTuple tuple, int attnum, TupleDesc desc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);

	if (isnull)
		return NULL;
	if (TupleDescAttr(desc, attnum - 1)->atttypid == NAMEOID)
		return pstrdup(NameStr(*DatumGetName(value)));
	return TextDatumGetCString(value);
}

/*
 * lg_registry_int
 *		An int4 or int8 column.
 */
int64
lg_registry_int(HeapTuple tuple, int attnum, TupleDesc desc, int64 if_null)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);

	if (isnull)
		return if_null;
	return TupleDescAttr(desc, attnum - 1)->atttypid == INT8OID ? DatumGetInt64(value) : DatumGetInt32(value);
}

static List *
names_of(HeapTuple tuple, int attnum, TupleDesc desc)
{
	List	   *names = NIL;
	bool		isnull;
	Datum		value = heap_getattr(tuple, attnum, desc, &isnull);
	Datum	   *elems;
	int			n;

	if (isnull)
		return NIL;
	deconstruct_array(DatumGetArrayTypePCopy(value), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &elems, NULL, &n);
	for (int i = 0; i < n; i++)
		names = lappend(names, pstrdup(NameStr(*DatumGetName(elems[i]))));
	return names;
}

static void
load_row(HeapTuple tuple, TupleDesc desc, void *arg)
{
	MemoryContext old = MemoryContextSwitchTo(memory);
	LgProtected *row = palloc0(sizeof(Row));
	List	   *sealed = names_of(tuple, Anum_sealed_columns, desc);
	ListCell   *lc;

	(void) arg;
	row->name = lg_registry_text(tuple, Anum_relation, desc);
	row->list_no = (int32) lg_registry_int(tuple, Anum_list_no, desc, 0);
	row->list_column = lg_registry_text(tuple, Anum_list_column, desc);
	row->open_columns = names_of(tuple, Anum_open_columns, desc);
	row->domain_columns = names_of(tuple, Anum_domain_columns, desc);
	row->bulk_threshold = lg_registry_int(tuple, Anum_bulk_threshold, desc, -1);
	((Row *) row)->own_threshold = row->bulk_threshold >= 0;
	row->alert_only = strcmp(lg_registry_text(tuple, Anum_mode, desc), "alert") == 0;
	row->preparing = strcmp(lg_registry_text(tuple, Anum_mode, desc), "prepare") == 0;
	row->audit_rows = strcmp(lg_registry_text(tuple, Anum_audit, desc), "row") == 0;
	foreach(lc, sealed)
	{
		if (row->n_sealed == LG_MAX_SEALED_COLUMNS)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("too many sealed columns in listguard.protected_table")));
		row->sealed[row->n_sealed++] = lfirst(lc);
	}
	rows = lappend(rows, row);
	MemoryContextSwitchTo(old);
}

/*
 * lg_registry_memory
 *		Where what is cached of the present generation lives.
 */
MemoryContext
lg_registry_memory(void)
{
	return memory;
}

/*
 * lg_registry_loaded
 *		Generation that the caches now hold.
 */
uint64
lg_registry_loaded(void)
{
	return loaded;
}

/*
 * lg_registry_refresh
 *		Empty all caches if the registry has changed since they were filled.
 *
 * For entry points only, and only where the extension is present.
 */
uint64
lg_registry_refresh(void)
{
	HASHCTL		ctl;

	if (loaded == lg_registry_generation)
		return loaded;
	lg_registry_install();
	relations = NULL;
	last_entry = NULL;
	rows = detached = NIL;
	rows_loaded = false;
	loaded = 0;
	if (memory == NULL)
		memory = AllocSetContextCreate(TopMemoryContext, "listguard registry", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(memory);
	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(RelEntry);
	ctl.hcxt = memory;
	relations = hash_create("listguard relations", 128, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	loaded = lg_registry_generation;
	return loaded;
}

/* ---- protected relations ---- */

static void
load_detached(HeapTuple tuple, TupleDesc desc, void *arg)
{
	MemoryContext old = MemoryContextSwitchTo(memory);
	Detached   *row = palloc(sizeof(Detached));

	(void) arg;
	row->name = lg_registry_text(tuple, 1, desc);
	row->root = lg_registry_text(tuple, 2, desc);
	detached = lappend(detached, row);
	MemoryContextSwitchTo(old);
}

static void
load_rows(void)
{
	if (rows_loaded)
		return;
	rows = detached = NIL;
	lg_registry_scan("protected_table", NULL, 0, NULL, load_row, NULL);
	lg_registry_scan("detached", NULL, 0, NULL, load_detached, NULL);
	rows_loaded = true;
}

/*
 * row_of
 *		The registry's row of exactly this relation.
 */
static LgProtected *
row_of(Oid relid)
{
	char	   *name = lg_relation_name(relid);
	ListCell   *lc;

	if (name == NULL)
		return NULL;
	foreach(lc, rows)
	{
		LgProtected *row = lfirst(lc);

		if (strcmp(row->name, name) != 0)
			continue;
		if (lg_resolve_relation(name) != relid)
			return NULL;
		row->relid = relid;
		return row;
	}
	return NULL;
}

static List *
parents_of(Oid relid)
{
	Relation	rel = table_open(InheritsRelationId, AccessShareLock);
	List	   *parents = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		parents = lappend_oid(parents, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return parents;
}

/* The row of the relation that relid was a partition of. */
static LgProtected *
row_of_former_root(Oid relid)
{
	char	   *name = detached != NIL ? lg_relation_name(relid) : NULL;
	ListCell   *lc;

	foreach(lc, name != NULL ? detached : NIL)
	{
		Detached   *row = lfirst(lc);
		Oid			root;

		if (strcmp(row->name, name) != 0 || lg_resolve_relation(name) != relid)
			continue;
		root = lg_resolve_relation(row->root);
		return OidIsValid(root) ? row_of(root) : NULL;
	}
	return NULL;
}

/* relid's own row, or that of the nearest ancestor, or of one that it has left. */
static LgProtected *
resolve(Oid relid)
{
	LgProtected *found = row_of(relid);
	ListCell   *lc;

	if (found != NULL)
		return found;
	foreach(lc, parents_of(relid))
	{
		found = resolve(lfirst_oid(lc));
		if (found != NULL)
			return found;
	}
	return row_of_former_root(relid);
}

static void
remember(Oid relid, LgProtected *protected)
{
	RelEntry   *entry = hash_search(relations, &relid, HASH_ENTER, NULL);

	entry->protected = protected;
	entry->has_children = has_subclass(relid);
	entry->valid = true;
}

static const LgProtected *
with_threshold(LgProtected *protected)
{
	if (protected != NULL && !((Row *) protected)->own_threshold)
		protected->bulk_threshold = lg_bulk_threshold;
	return protected;
}

/*
 * lg_registered_lookup
 *		The registry's row of the relation that relid is, or is a descendant of.
 */
const LgProtected *
lg_registered_lookup(Oid relid)
{
	RelEntry   *entry;
	LgProtected *protected = NULL;
	uint64		events;

	if (relid < FirstNormalObjectId || !lg_extension_present())
		return NULL;
	lg_registry_refresh();
	/* A statement asks for the same relation several times. */
	if (last_entry != NULL && last_entry->relid == relid && last_entry->valid)
		return with_threshold(last_entry->protected);
	entry = hash_search(relations, &relid, HASH_FIND, NULL);
	if (entry != NULL && entry->valid)
	{
		last_entry = entry;
		return with_threshold(entry->protected);
	}
	events = relcache_events;
	load_rows();
	if (rows != NIL)
		protected = resolve(relid);
	if (events == relcache_events)
		remember(relid, protected);
	return with_threshold(protected);
}

/*
 * lg_protected_lookup
 *		The protected relation that relid is, or is a descendant of; else NULL.
 */
const LgProtected *
lg_protected_lookup(Oid relid)
{
	const LgProtected *protected = lg_registered_lookup(relid);

	return protected != NULL && !protected->preparing ? protected : NULL;
}

/* ---- SQL ---- */

PG_FUNCTION_INFO_V1(listguard_guard);
PG_FUNCTION_INFO_V1(listguard_registry_changed);

/*
 * guard() -> boolean
 *		True, or 55000 where the library was not preloaded.
 */
Datum
listguard_guard(PG_FUNCTION_ARGS)
{
	lg_require_preload();
	PG_RETURN_BOOL(true);
}

static bool rows_added = false;	/* to a cached table, in this transaction */

static void
forget_added(void)
{
	if (rows_added)
		lg_registry_generation++;
}

static void
xact_callback(XactEvent event, void *arg)
{
	(void) arg;
	if (event == XACT_EVENT_ABORT)
		forget_added();
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		rows_added = false;
}

static void
subxact_callback(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	(void) subid;
	(void) parent;
	(void) arg;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget_added();
}

/*
 * Nobody remembers that a list or key is missing, so that a new one changes
 * nothing for others: while 100000 lists are made every session keeps what it
 * knows.  The session that made it forgets it if that is rolled back.
 */
static void
note_added(void)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterXactCallback(xact_callback, NULL);
		RegisterSubXactCallback(subxact_callback, NULL);
		registered = true;
	}
	rows_added = true;
}

/* listguard.list and listguard.key; the others are few rows that are read as a whole. */
static bool
is_looked_up(Relation rel)
{
	return strcmp(RelationGetRelationName(rel), "list") == 0 || strcmp(RelationGetRelationName(rel), "key") == 0;
}

/*
 * registry_changed() -> trigger
 *		Make every session forget what it cached.
 */
Datum
listguard_registry_changed(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Oid			relid;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" was not called by trigger manager", "registry_changed")));
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event) && is_looked_up(trigger->tg_relation))
	{
		note_added();
		return PointerGetDatum(NULL);
	}
	relid = get_relname_relid("protected_table", RelationGetNamespace(trigger->tg_relation));
	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
	return PointerGetDatum(NULL);
}
