/*-------------------------------------------------------------------------
 *
 * request.c
 *		How a session has its database's worker do something in a transaction
 *		of its own, and waits for it.
 *
 * A slot belongs to the session from FREE to DONE or FAILED; the worker frees
 * it only where the session has gone meanwhile (abandoned).
 *
 * Locking: see workdb.h.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "key/keyring.h"
#include "key/shred.h"
#include "policy/registry.h"
#include "shmem.h"
#include "worker/workdb.h"

#define WAIT_TICK_MS	1000

static bool was_question = false;	/* what this worker served last */

/* Milliseconds left until end, 0 if none. */
static long
left_ms(TimestampTz end)
{
	TimestampTz now = GetCurrentTimestamp();

	return end > now ? (long) ((end - now + 999) / 1000) : 0;
}

static void
wake_entry(LgWorkDb *db)
{
	if (db != NULL && db->latch != NULL)
		SetLatch(db->latch);
	else if (lg_work->launcher != NULL)
		SetLatch(lg_work->launcher);
}

/* Take a free slot and fill it in; -1 if none is free or no database fits in. */
static int
post(Oid dboid, LgWorkKind kind, Oid relid, const char *value)
{
	LgWorkDb   *db;
	int			slot = -1;

	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	db = lg_workdb_find(dboid, true);
	for (int i = 0; db != NULL && i < LG_WORK_REQUESTS && slot < 0; i++)
		if (lg_work->requests[i].state == LG_REQUEST_FREE)
			slot = i;
	if (slot >= 0)
	{
		LgRequest  *req = &lg_work->requests[slot];

		req->state = LG_REQUEST_PENDING;
		req->abandoned = false;
		req->kind = kind;
		req->dboid = dboid;
		req->relid = relid;
		req->has_value = value != NULL;
		strlcpy(req->value, value ? value : "", LG_WORK_VALUE_MAX);
		db->gone = false;
		if (db->absent > 0)
			db->not_before = 0;	/* listguard may have been created since */
		wake_entry(db);
	}
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	return slot;
}

/* Give the slot back, whatever its state; also called on error and exit. */
static void
release(int code, Datum arg)
{
	LgRequest  *req = &lg_work->requests[DatumGetInt32(arg)];

	(void) code;
	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	if (req->state == LG_REQUEST_RUNNING)
		req->abandoned = true;
	else
		req->state = LG_REQUEST_FREE;
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	ConditionVariableBroadcast(&lg_work->changed);
}

static LgRequestState
state_of(int slot)
{
	LgRequestState state;

	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_SHARED);
	state = lg_work->requests[slot].state;
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	return state;
}

static int
post_within(Oid dboid, LgWorkKind kind, Oid relid, const char *value, TimestampTz end)
{
	int			slot;

	ConditionVariablePrepareToSleep(&lg_work->changed);
	while ((slot = post(dboid, kind, relid, value)) < 0 && left_ms(end) > 0)
		(void) ConditionVariableTimedSleep(&lg_work->changed, Min(left_ms(end), WAIT_TICK_MS), PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
	return slot;
}

/* Copies the answer, if one is wanted, before the slot is given back. */
static LgRequestState
await(int slot, char *answer, TimestampTz end)
{
	LgRequestState state;

	ConditionVariablePrepareToSleep(&lg_work->changed);
	while ((state = state_of(slot)) < LG_REQUEST_DONE && left_ms(end) > 0)
		(void) ConditionVariableTimedSleep(&lg_work->changed, Min(left_ms(end), WAIT_TICK_MS), PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();
	if (state == LG_REQUEST_DONE && answer != NULL)
		strlcpy(answer, lg_work->requests[slot].value, LG_WORK_VALUE_MAX);
	return state;
}

/* timeout_ms covers the wait for a slot, too. */
static LgRequestState
request(Oid dboid, LgWorkKind kind, Oid relid, const char *value, char *answer, int timeout_ms)
{
	TimestampTz end = GetCurrentTimestamp() + (int64) timeout_ms * 1000;
	volatile LgRequestState state = LG_REQUEST_FAILED;
	volatile int slot;

	if (lg_work == NULL || !IsUnderPostmaster || lg_in_worker() || RecoveryInProgress() ||
		!OidIsValid(dboid) || (value != NULL && strlen(value) >= LG_WORK_VALUE_MAX))
		return LG_REQUEST_FAILED;
	slot = post_within(dboid, kind, relid, value, end);
	if (slot < 0)
		return LG_REQUEST_FAILED;
	PG_ENSURE_ERROR_CLEANUP(release, Int32GetDatum(slot));
	{
		state = await(slot, answer, end);
	}
	PG_END_ENSURE_ERROR_CLEANUP(release, Int32GetDatum(slot));
	release(0, Int32GetDatum(slot));
	return state;
}

/*
 * lg_worker_request
 *		See worker.h.
 *
 * False at once where no worker can be: single-user mode, a standby, and in a
 * worker itself.
 */
bool
lg_worker_request(LgWorkKind kind, Oid relid, const char *value, int timeout_ms)
{
	return request(MyDatabaseId, kind, relid, value, NULL, timeout_ms) == LG_REQUEST_DONE;
}

/*
 * lg_worker_ask
 *		See worker.h.
 */
LgAnswer
lg_worker_ask(Oid dboid, LgWorkKind question, char answer[LG_WORK_VALUE_MAX], int timeout_ms)
{
	switch (request(dboid, question, InvalidOid, NULL, answer, timeout_ms))
	{
		case LG_REQUEST_DONE:
			return LG_ANSWER_GIVEN;
		case LG_REQUEST_ABSENT:
			return LG_ANSWER_ABSENT;
		default:
			return LG_ANSWER_NONE;
	}
}

/*
 * lg_worker_wake
 *		See worker.h.
 *
 * The record is written before "wanted" is read here, and the worker clears
 * "wanted" before it reads the spool: one of the two sees the other.
 */
void
lg_worker_wake(void)
{
	static LgWorkDb *mine = NULL;

	if (lg_work == NULL || !IsUnderPostmaster || !OidIsValid(MyDatabaseId))
		return;
	pg_memory_barrier();
	if (mine != NULL && mine->dboid == MyDatabaseId && pg_atomic_read_u32(&mine->wanted) != 0)
		return;
	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	mine = lg_workdb_find(MyDatabaseId, true);
	if (mine != NULL)
	{
		mine->gone = false;
		pg_atomic_write_u32(&mine->wanted, 1);
		wake_entry(mine);
	}
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
}

/*
 * lg_request_fail_all
 *		Fail the requests to a database; the lock is held.
 */
void
lg_request_fail_all(Oid dboid, bool running_only, LgRequestState how)
{
	for (int i = 0; i < LG_WORK_REQUESTS; i++)
	{
		LgRequest  *req = &lg_work->requests[i];

		if (req->dboid == dboid &&
			(req->state == LG_REQUEST_RUNNING || (!running_only && req->state == LG_REQUEST_PENDING)))
			req->state = req->abandoned ? LG_REQUEST_FREE : how;
	}
}

/* The next request to this database, copied; -1 if there is none. */
static int
take(LgRequest *copy)
{
	int			slot = -1;

	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	for (int i = 0; i < LG_WORK_REQUESTS && slot < 0; i++)
		if (lg_work->requests[i].state == LG_REQUEST_PENDING && lg_work->requests[i].dboid == MyDatabaseId)
			slot = i;
	if (slot >= 0)
	{
		lg_work->requests[slot].state = LG_REQUEST_RUNNING;
		*copy = lg_work->requests[slot];
	}
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	return slot;
}

static void
perform(void *arg)
{
	LgRequest  *req = arg;

	switch (req->kind)
	{
		case LG_WORK_NEW_LIST:
			lg_list_create_in_worker(req->relid, req->has_value ? req->value : NULL);
			break;
		case LG_WORK_PARTITIONS:
			lg_drain_partitions();
			break;
		case LG_WORK_SHRED:
			lg_shred_in_worker(atoi(req->value));
			break;
		case LG_WORK_KEYSET:
			lg_keyset_note_in_worker(req->value);
			break;
		case LG_WORK_ROOT_USAGE:
			lg_root_usage_answer(req->value, sizeof(req->value));
			break;
		default:
			elog(ERROR, "unknown request %d to a listguard worker", (int) req->kind);
	}
}

static bool
drain_all(void)
{
	LgDrainResult result;

	do
		result = lg_worker_must_leave() ? LG_DRAIN_FAILED : lg_drain_batch();
	while (result == LG_DRAIN_MORE);
	return result == LG_DRAIN_IDLE;
}

static void
perform_second(void *arg)
{
	lg_shred_remains_in_worker(atoi(((LgRequest *) arg)->value));
}

static bool
serve(LgRequest *req)
{
	if (req->kind == LG_WORK_DRAIN)
		return drain_all();
	return lg_worker_transaction(perform, req) &&
		(req->kind != LG_WORK_SHRED || lg_worker_transaction(perform_second, req));
}

static void
finish(int slot, const LgRequest *served, bool done)
{
	LgRequest  *req = &lg_work->requests[slot];

	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	if (req->abandoned)
		req->state = LG_REQUEST_FREE;
	else
	{
		if (was_question)
			strlcpy(req->value, served->value, LG_WORK_VALUE_MAX);
		req->state = done ? LG_REQUEST_DONE : LG_REQUEST_FAILED;
	}
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	ConditionVariableBroadcast(&lg_work->changed);
}

/*
 * lg_request_serve
 *		In a worker: perform one request, each in a transaction of its own.
 */
bool
lg_request_serve(void)
{
	LgRequest	req;
	int			slot = take(&req);

	if (slot < 0)
		return false;
	was_question = req.kind == LG_WORK_ROOT_USAGE;
	finish(slot, &req, serve(&req));
	return true;
}

bool
lg_request_was_question(void)
{
	return was_question;
}
