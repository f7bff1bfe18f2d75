/*-------------------------------------------------------------------------
 *
 * limit.c
 *		The row limits that bind a role.
 *
 * A limit set on a role binds its members too.  Limits with an end are left
 * out once it has passed: what is cached is good until the next end.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "catalog/pg_type.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "policy/policy.h"

/* Attribute numbers of listguard.row_limit, see 10_catalog.sql. */
#define Anum_role		1
#define Anum_relation	2
#define Anum_scope		3
#define Anum_max_rows	4
#define Anum_per		5
#define Anum_until		7

typedef struct LimitRow
{
	LgLimit		limit;
	TimestampTz until;			/* DT_NOEND: for good */
} LimitRow;

typedef struct UserEntry
{
	Oid			userid;			/* hash key */
	List	   *limits;			/* of LgLimit * */
	TimestampTz good_until;
} UserEntry;

static struct
{
	uint64		generation;
	List	   *all;			/* of LimitRow * */
	HTAB	   *users;
	UserEntry  *last;			/* of these, the one asked for last */
}			cache;

static LgScope
scope_of(const char *name)
{
	if (strcmp(name, "session") == 0)
		return LG_SCOPE_SESSION;
	return strcmp(name, "actor") == 0 ? LG_SCOPE_ACTOR : LG_SCOPE_ROLE;
}

/* Months of 30 days; an infinite interval comes out as the longest. */
static int64
interval_usec(const Interval *span)
{
	double		usec = (double) span->time + (double) span->day * USECS_PER_DAY +
		(double) span->month * DAYS_PER_MONTH * USECS_PER_DAY;

	if (usec >= (double) (PG_INT64_MAX / 4))
		return PG_INT64_MAX / 4;
	return usec < 1 ? 1 : (int64) usec;
}

static void
load_limit(HeapTuple tuple, TupleDesc desc, void *arg)
{
	char	   *relation = lg_registry_text(tuple, Anum_relation, desc);
	MemoryContext old;
	LimitRow	   *row;
	bool		isnull;
	Datum		value;

	(void) arg;
	old = MemoryContextSwitchTo(lg_registry_memory());
	row = palloc0(sizeof(LimitRow));
	MemoryContextSwitchTo(old);
	row->limit.scope = scope_of(lg_registry_text(tuple, Anum_scope, desc));
	row->limit.roleid = lg_resolve_role(lg_registry_text(tuple, Anum_role, desc));
	row->limit.relid = relation[0] != '\0' ? lg_resolve_relation(relation) : InvalidOid;
	row->limit.max_rows = lg_registry_int(tuple, Anum_max_rows, desc, 0);
	row->limit.window_usec = interval_usec(DatumGetIntervalP(heap_getattr(tuple, Anum_per, desc, &isnull)));
	value = heap_getattr(tuple, Anum_until, desc, &isnull);
	row->until = isnull ? DT_NOEND : DatumGetTimestampTz(value);
	if (!OidIsValid(row->limit.roleid) || (relation[0] != '\0' && !OidIsValid(row->limit.relid)))
		return;
	old = MemoryContextSwitchTo(lg_registry_memory());
	cache.all = lappend(cache.all, row);
	MemoryContextSwitchTo(old);
}

static void
refresh(void)
{
	uint64		generation = lg_registry_refresh();
	HASHCTL		ctl;

	if (cache.generation == generation)
		return;
	memset(&cache, 0, sizeof(cache));
	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(UserEntry);
	ctl.hcxt = lg_registry_memory();
	cache.users = hash_create("listguard limits", 16, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	lg_registry_scan("row_limit", NULL, 0, NULL, load_limit, NULL);
	cache.generation = generation;
}

static void
fill(UserEntry *entry, TimestampTz now)
{
	MemoryContext old = MemoryContextSwitchTo(lg_registry_memory());
	ListCell   *lc;

	entry->limits = NIL;
	entry->good_until = DT_NOEND;
	foreach(lc, cache.all)
	{
		LimitRow	   *row = lfirst(lc);

		if (row->until <= now || !is_member_of_role_nosuper(entry->userid, row->limit.roleid))
			continue;
		entry->limits = lappend(entry->limits, &row->limit);
		entry->good_until = Min(entry->good_until, row->until);
	}
	MemoryContextSwitchTo(old);
}

/*
 * lg_limits_for
 *		Limits in force for a role now; list of LgLimit *.
 */
List *
lg_limits_for(Oid userid)
{
	TimestampTz now = GetCurrentTimestamp();
	UserEntry  *entry;
	bool		found;

	if (!lg_extension_present())
		return NIL;
	refresh();
	entry = cache.last;
	if (entry == NULL || entry->userid != userid)
	{
		entry = hash_search(cache.users, &userid, HASH_ENTER, &found);
		if (!found)
			entry->good_until = DT_NOBEGIN;
		cache.last = entry;
	}
	if (entry->good_until <= now)
		fill(entry, now);
	return entry->limits;
}
