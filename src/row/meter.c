/*-------------------------------------------------------------------------
 *
 * meter.c
 *		Sliding windows in shared memory.
 *
 * A window is cut into LG_BUCKETS parts, and one more is kept: the oldest part
 * counts whole until all of it is out of the window, so that a window never
 * forgets too early.  Everything is under LG_LOCK_METER, exclusive, for a few
 * microseconds.  The table is bounded by listguard.max_windows; where it is full,
 * the window untouched for the longest gives way and its rows are added to the
 * same role's window over all relations, if there is one: never less is counted.
 *
 * The counters are lost with shared memory: at restart and after a crash.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "common/hashfn.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "guc.h"
#include "row/meter.h"
#include "shmem.h"

#define LG_BUCKETS	16

typedef struct LgWindow
{
	LgWindowKey key;
	int64		window_usec;
	int64		max_rows;		/* as last seen, for the views */
	int64		head;			/* number of the newest part since the epoch */
	TimestampTz touched;
	int64		rows[LG_BUCKETS + 1];
} LgWindow;

#define LAST_FOUND	4			/* windows whose place a backend remembers */

static HTAB *windows = NULL;
static LgWindow *last_found[LAST_FOUND];

PG_FUNCTION_INFO_V1(listguard_meter);

Size
lg_meter_shmem_size(void)
{
	return hash_estimate_size(lg_max_windows, sizeof(LgWindow));
}

void
lg_meter_shmem_init(void)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(LgWindowKey);
	ctl.entrysize = sizeof(LgWindow);
	windows = lg_shmem_init_hash("listguard windows", lg_max_windows, &ctl, HASH_ELEM | HASH_BLOBS);
}

static int64
part_usec(int64 window_usec)
{
	return Max(window_usec / LG_BUCKETS, 1);
}

/* Drop the parts that are out of the window by now. */
static void
slide(LgWindow *w, TimestampTz now)
{
	int64		head = now / part_usec(w->window_usec);

	if (head - w->head > LG_BUCKETS)
		memset(w->rows, 0, sizeof(w->rows));
	else
	{
		for (int64 i = w->head + 1; i <= head; i++)
			w->rows[i % (LG_BUCKETS + 1)] = 0;
	}
	w->head = Max(head, w->head);
}

static int64
sum(const LgWindow *w)
{
	int64		total = 0;

	for (int i = 0; i <= LG_BUCKETS; i++)
		total += w->rows[i];
	return total;
}

/* A limit whose length was changed keeps what was counted, as of now. */
static void
fit(LgWindow *w, const LgWindowRef *ref, TimestampTz now)
{
	if (w->window_usec != ref->window_usec)
	{
		int64		total = sum(w);

		memset(w->rows, 0, sizeof(w->rows));
		w->window_usec = ref->window_usec;
		w->head = now / part_usec(w->window_usec);
		w->rows[w->head % (LG_BUCKETS + 1)] = total;
	}
	w->max_rows = ref->max_rows;
	slide(w, now);
}

/* Make room: the window untouched for the longest folds into its role's. */
static void
evict(void)
{
	HASH_SEQ_STATUS seq;
	LgWindow   *w;
	LgWindow   *oldest = NULL;
	LgWindow   *heir;
	LgWindowKey key;

	hash_seq_init(&seq, windows);
	while ((w = hash_seq_search(&seq)) != NULL)
	{
		if (oldest == NULL || w->touched < oldest->touched)
			oldest = w;
	}
	if (oldest == NULL)
		return;
	key = oldest->key;
	if (key.scope != LG_SCOPE_SESSION)
	{
		key.scope = LG_SCOPE_ROLE;
		key.relid = InvalidOid;
		key.extra = 0;
		heir = hash_search(windows, &key, HASH_FIND, NULL);
		if (heir != NULL && heir != oldest)
			heir->rows[heir->head % (LG_BUCKETS + 1)] += sum(oldest);
	}
	key = oldest->key;
	hash_search(windows, &key, HASH_REMOVE, NULL);
	/* Whoever remembers the place must not take it for the window. */
	memset(&oldest->key, 0, sizeof(LgWindowKey));
}

/*
 * The window where it was found last, if it is there still.  A place in the
 * table is never given back to the server, and its key tells whose it is.
 */
static LgWindow *
remembered(const LgWindowRef *ref)
{
	LgWindow   *w = last_found[ref->key.id % LAST_FOUND];

	return w != NULL && memcmp(&w->key, &ref->key, sizeof(LgWindowKey)) == 0 ? w : NULL;
}

/* The window, made where there is none; NULL only if there is no room at all. */
static LgWindow *
find(const LgWindowRef *ref, TimestampTz now)
{
	bool		found;
	LgWindow   *w;

	w = remembered(ref);
	if (w == NULL)
		w = hash_search(windows, &ref->key, HASH_FIND, NULL);
	if (w == NULL)
	{
		while (hash_get_num_entries(windows) >= lg_max_windows)
			evict();
		w = hash_search(windows, &ref->key, HASH_ENTER_NULL, &found);
		if (w == NULL)
			return NULL;
		memset((char *) w + sizeof(LgWindowKey), 0, sizeof(LgWindow) - sizeof(LgWindowKey));
		w->window_usec = ref->window_usec;
		w->head = now / part_usec(w->window_usec);
	}
	last_found[ref->key.id % LAST_FOUND] = w;
	fit(w, ref, now);
	w->touched = now;
	return w;
}

static LgWindowKey
window_key(LgScope scope, Oid roleid, Oid relid)
{
	LgWindowKey key;
	const char *actor;

	memset(&key, 0, sizeof(key));
	key.dboid = MyDatabaseId;
	key.relid = relid;
	key.scope = scope;
	key.id = roleid;
	if (scope == LG_SCOPE_SESSION)
	{
		/* The start keeps a later session with the same number apart. */
		key.id = (uint32) MyProcPid;
		key.extra = (uint64) MyStartTimestamp;
	}
	else if (scope == LG_SCOPE_ACTOR && (actor = lg_actor_setting()) != NULL)
		key.extra = hash_bytes_extended((const unsigned char *) actor, strlen(actor), 0);
	return key;
}

/* Append one window, unless it is there or (never in practice) the array is full. */
static void
append(LgWindowRef *refs, int *n, LgWindowKey key, int64 max_rows, int64 window_usec)
{
	for (int i = 0; i < *n; i++)
	{
		if (memcmp(&refs[i].key, &key, sizeof(key)) == 0)
		{
			refs[i].max_rows = Min(refs[i].max_rows, max_rows);
			return;
		}
	}
	if (*n >= LG_WINDOW_REFS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many limits apply to one statement")));
	refs[*n].key = key;
	refs[*n].max_rows = max_rows;
	refs[*n].window_usec = window_usec;
	refs[*n].rows = 0;
	(*n)++;
}

/* The windows of one user; *session: a session limit of its own was found. */
static bool
user_windows(Oid userid, Oid relid, LgWindowRef *refs, int *n, bool *session)
{
	ListCell   *lc;

	foreach(lc, lg_limits_for(userid))
	{
		const LgLimit *limit = lfirst(lc);

		if (OidIsValid(limit->relid) && limit->relid != relid)
			continue;
		if (limit->scope == LG_SCOPE_ACTOR && lg_actor_setting() == NULL)
			return false;
		if (limit->scope == LG_SCOPE_SESSION && !OidIsValid(limit->relid))
			*session = true;
		append(refs, n, window_key(limit->scope, limit->roleid, limit->relid),
			   limit->max_rows, limit->window_usec);
	}
	return true;
}

bool
lg_meter_windows(Oid relid, LgWindowRef *refs, int *n)
{
	bool		session = false;

	if (!user_windows(GetSessionUserId(), relid, refs, n, &session))
		return false;
	if (GetUserId() != GetSessionUserId() &&
		!user_windows(GetUserId(), relid, refs, n, &session))
		return false;
	if (!session)
		append(refs, n, window_key(LG_SCOPE_SESSION, InvalidOid, InvalidOid),
			   lg_session_row_limit, (int64) lg_session_row_window * USECS_PER_SEC);
	return true;
}

int64
lg_meter_left(const LgWindowRef *ref)
{
	TimestampTz now = GetCurrentTimestamp();
	LgWindow   *w;
	int64		left;

	LWLockAcquire(lg_lock(LG_LOCK_METER), LW_EXCLUSIVE);
	w = find(ref, now);
	left = w == NULL ? 0 : ref->max_rows - sum(w);
	LWLockRelease(lg_lock(LG_LOCK_METER));
	return left;
}

int
lg_meter_charge(const LgWindowRef *refs, int n)
{
	TimestampTz now = GetCurrentTimestamp();
	int			over = -1;

	LWLockAcquire(lg_lock(LG_LOCK_METER), LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		LgWindow   *w;

		if (refs[i].rows == 0)
			continue;
		w = find(&refs[i], now);
		if (w != NULL)
			w->rows[w->head % (LG_BUCKETS + 1)] += refs[i].rows;
		if (over < 0 && (w == NULL || sum(w) > refs[i].max_rows))
			over = i;
	}
	LWLockRelease(lg_lock(LG_LOCK_METER));
	return over;
}

TimestampTz
lg_meter_relief(const LgWindowRef *ref)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz at = now;
	LgWindow   *w;

	LWLockAcquire(lg_lock(LG_LOCK_METER), LW_EXCLUSIVE);
	w = find(ref, now);
	for (int64 i = w ? w->head - LG_BUCKETS : 0; w != NULL && i <= w->head; i++)
	{
		if (w->rows[i % (LG_BUCKETS + 1)] > 0)
		{
			at = (i + LG_BUCKETS + 1) * part_usec(w->window_usec);
			break;
		}
	}
	LWLockRelease(lg_lock(LG_LOCK_METER));
	return at;
}

/* One row of listguard_meter, of a copy. */
static void
meter_row(Tuplestorestate *store, TupleDesc desc, LgWindow *w, TimestampTz now)
{
	Datum		values[9];
	bool		nulls[9] = {false};
	int64		used;

	slide(w, now);
	used = sum(w);
	values[0] = Int32GetDatum((int32) w->key.scope);
	values[1] = ObjectIdGetDatum(w->key.scope == LG_SCOPE_SESSION ? InvalidOid : w->key.id);
	nulls[1] = w->key.scope == LG_SCOPE_SESSION;
	values[2] = Int32GetDatum((int32) w->key.id);
	nulls[2] = w->key.scope != LG_SCOPE_SESSION;
	values[3] = TimestampTzGetDatum((TimestampTz) w->key.extra);
	nulls[3] = w->key.scope != LG_SCOPE_SESSION;
	values[4] = ObjectIdGetDatum(w->key.relid);
	nulls[4] = !OidIsValid(w->key.relid);
	values[5] = Int64GetDatum(used);
	values[6] = Int64GetDatum(w->max_rows);
	values[7] = Int64GetDatum(Max(w->max_rows - used, 0));
	values[8] = Int64GetDatum(w->window_usec);
	tuplestore_putvalues(store, desc, values, nulls);
}

/* Own session, own roles; all of them for administrators and auditors. */
static bool
may_see(const LgWindowKey *key, bool all)
{
	if (all)
		return true;
	if (key->scope == LG_SCOPE_SESSION)
		return key->id == (uint32) MyProcPid && key->extra == (uint64) MyStartTimestamp;
	return has_privs_of_role(GetUserId(), key->id);
}

/*
 * listguard._meter(): the windows of this database that the role may see.  A
 * copy is made first: nothing may fail while the lock is held.
 */
Datum
listguard_meter(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz now = GetCurrentTimestamp();
	HASH_SEQ_STATUS seq;
	LgWindow   *w;
	LgWindow   *copy;
	int			n = 0;
	Oid			auditor = get_role_oid("listguard_auditor", true);
	bool		all = lg_is_admin(GetUserId()) ||
		(OidIsValid(auditor) && has_privs_of_role(GetUserId(), auditor));

	lg_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	copy = palloc_extended(sizeof(LgWindow) * (Size) lg_max_windows, MCXT_ALLOC_HUGE);
	LWLockAcquire(lg_lock(LG_LOCK_METER), LW_SHARED);
	hash_seq_init(&seq, windows);
	while ((w = hash_seq_search(&seq)) != NULL)
	{
		if (w->key.dboid == MyDatabaseId && n < lg_max_windows)
			copy[n++] = *w;
	}
	LWLockRelease(lg_lock(LG_LOCK_METER));
	for (int i = 0; i < n; i++)
	{
		if (may_see(&copy[i].key, all))
			meter_row(rsinfo->setResult, rsinfo->setDesc, &copy[i], now);
	}
	pfree(copy);
	return (Datum) 0;
}
