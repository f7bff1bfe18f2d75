/*-------------------------------------------------------------------------
 *
 * worker.c
 *		One process per database that has work: serves requests, drains the
 *		spool, leaves when idle and at once for a database command.
 *
 * Nothing that a session waits for depends on a worker living on: a worker
 * that dies fails its running requests, one that never starts leaves them to
 * time out, and records stay in the spool until they are in the table.
 *
 * Locking: see workdb.h.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <signal.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "key/shred.h"
#include "policy/home.h"
#include "policy/registry.h"
#include "shmem.h"
#include "worker/workdb.h"

#define IDLE_MS			30000	/* that a worker stays with nothing to do */
#define DRAIN_PAUSE_MS	200		/* between two drains, so that records come in batches */
#define DRAIN_RETRY_MS	5000	/* after a drain that failed */
#define ABSENT_MS		10000	/* before another worker for a database without listguard; doubles */
#define ABSENT_DOUBLINGS	6

LgWorkShared *lg_work = NULL;

static LgWorkDb *self = NULL;

Size
lg_worker_shmem_size(void)
{
	return sizeof(LgWorkShared);
}

void
lg_worker_shmem_init(void)
{
	bool		found;

	lg_work = ShmemInitStruct("listguard workers", sizeof(LgWorkShared), &found);
	if (found)
		return;
	memset(lg_work, 0, sizeof(LgWorkShared));
	ConditionVariableInit(&lg_work->changed);
	for (int i = 0; i < LG_WORK_DATABASES; i++)
		pg_atomic_init_u32(&lg_work->dbs[i].wanted, 0);
}

bool
lg_workdb_has_request(Oid dboid)
{
	for (int i = 0; i < LG_WORK_REQUESTS; i++)
		if (lg_work->requests[i].state == LG_REQUEST_PENDING && lg_work->requests[i].dboid == dboid)
			return true;
	return false;
}

/* An entry that nobody misses: its records are found again in the spool. */
static bool
entry_is_dispensable(const LgWorkDb *db)
{
	return db->phase == LG_DB_IDLE && db->commands == 0 &&
		pg_atomic_read_u32((pg_atomic_uint32 *) &db->wanted) == 0 && !lg_workdb_has_request(db->dboid);
}

/*
 * lg_workdb_find
 *		The entry of a database; with create, a new one where there is room.
 */
LgWorkDb *
lg_workdb_find(Oid dboid, bool create)
{
	LgWorkDb   *room = NULL;

	for (int i = 0; i < LG_WORK_DATABASES; i++)
	{
		LgWorkDb   *db = &lg_work->dbs[i];

		if (db->dboid == dboid)
			return db;
		if (!OidIsValid(db->dboid))
			room = room != NULL && !OidIsValid(room->dboid) ? room : db;
		else if (room == NULL && entry_is_dispensable(db))
			room = db;
	}
	if (!create || room == NULL)
		return NULL;
	room->dboid = dboid;
	room->phase = LG_DB_IDLE;
	room->pid = 0;
	room->latch = NULL;
	room->started = room->doubtful = room->gone = false;
	room->absent = room->commands = 0;
	room->away_until = room->not_before = 0;
	room->drained = 0;
	pg_atomic_write_u32(&room->wanted, 0);
	return room;
}

bool
lg_in_worker(void)
{
	return self != NULL;
}

LgWorkDb *
lg_worker_self(void)
{
	return self;
}

bool
lg_worker_must_leave(void)
{
	bool		leave;

	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_SHARED);
	leave = self->away_until > GetCurrentTimestamp();
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	return leave;
}

/* Let go of the entry, at every kind of exit; what we had begun has failed. */
static void
detach(int code, Datum arg)
{
	Oid			dboid = InvalidOid;

	(void) code;
	(void) arg;
	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	if (self != NULL)
	{
		dboid = self->dboid;
		self->phase = LG_DB_IDLE;
		self->pid = 0;
		self->latch = NULL;
		self = NULL;
		lg_request_fail_all(dboid, true, LG_REQUEST_FAILED);
	}
	if (lg_work->launcher)
		SetLatch(lg_work->launcher);
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	ConditionVariableBroadcast(&lg_work->changed);
}

/* Take the database's entry; false if another worker has it or it is not wanted now. */
static bool
attach(Oid dboid)
{
	LgWorkDb   *db;
	bool		mine;

	before_shmem_exit(detach, (Datum) 0);
	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	db = lg_workdb_find(dboid, true);
	mine = db != NULL && db->pid == 0 && db->away_until <= GetCurrentTimestamp();
	if (mine)
	{
		db->phase = LG_DB_RUNNING;
		db->pid = MyProcPid;
		db->latch = MyLatch;
		self = db;
	}
	else if (db != NULL && db->phase == LG_DB_STARTING)
	{
		db->phase = LG_DB_IDLE;
		db->started = false;
	}
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	return mine;
}

/*
 * settle
 *		Settings that ALTER DATABASE may have given to this database do not
 *		count for the worker.
 */
static void
settle(void)
{
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("session_replication_role", "origin", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_isolation", "read committed", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", "5s", PGC_USERSET, PGC_S_OVERRIDE);
	SetConfigOption("application_name", "listguard worker", PGC_USERSET, PGC_S_OVERRIDE);
	if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF)
		SetConfigOption("synchronous_commit", "on", PGC_USERSET, PGC_S_OVERRIDE);
}

/*
 * lg_worker_transaction
 *		Run body in a transaction of its own with a snapshot, as listguard.
 *
 * The transaction's end, with its deferred triggers, leaves listguard's own
 * mode.  An error is logged and rolled back; cancellation by pg_cancel_backend
 * is an error like others.  Termination goes through.
 */
bool
lg_worker_transaction(void (*body) (void *arg), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = false;

	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		lg_internal_enter();
		body(arg);
		PopActiveSnapshot();
		CommitTransactionCommand();
		done = true;
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		AbortCurrentTransaction();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return done;
}

/* True if the database is gone, and we did not know. */
static bool
settle_doubt(LgWorkDb *db, Oid dboid, bool there)
{
	bool		gone = false;

	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	if (db->dboid == dboid && db->doubtful && db->phase == LG_DB_IDLE)
	{
		db->doubtful = false;
		gone = db->gone = !there;
		if (gone)
			pg_atomic_write_u32(&db->wanted, 0);
	}
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	return gone;
}

/* The catalog is not read under the lock: a look-up may wait for other locks. */
static void
look_for_databases(void *arg)
{
	(void) arg;
	for (int i = 0; i < LG_WORK_DATABASES; i++)
	{
		LgWorkDb   *db = &lg_work->dbs[i];
		Oid			dboid = db->dboid;
		bool		there = SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(dboid));

		if (settle_doubt(db, dboid, there))
			ereport(LOG,
					(errmsg("database with OID %u is no more", dboid),
					 errdetail("Its records stay in the audit spool as long as listguard.spool_keep says.")));
	}
}

static void
look_for_extension(void *arg)
{
	*(bool *) arg = OidIsValid(get_extension_oid("listguard", true));
}

/* Connected: say whether there is anything for us in this database. */
static bool
report_start(void)
{
	bool		present = false;
	bool		looked = lg_worker_transaction(look_for_extension, &present);

	if (!looked)
		present = false;
	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	self->started = self->doubtful = false;
	if (present)
		self->absent = 0;
	else
	{
		self->not_before = GetCurrentTimestamp() +
			((int64) ABSENT_MS * 1000 << Min(self->absent, ABSENT_DOUBLINGS));
		self->absent++;
		pg_atomic_write_u32(&self->wanted, 0);
		lg_request_fail_all(self->dboid, false, looked ? LG_REQUEST_ABSENT : LG_REQUEST_FAILED);
	}
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	ConditionVariableBroadcast(&lg_work->changed);
	return present;
}

/* Leave for good unless something has come in the meantime. */
static bool
leave_if_idle(void)
{
	bool		leave;

	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	leave = pg_atomic_read_u32(&self->wanted) == 0 && !lg_workdb_has_request(self->dboid) &&
		!lg_drain_reads_open();
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	return leave;
}

static void
wait_for_work(long timeout_ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 timeout_ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		settle();
	}
}

/*
 * drain_if_due
 *		Drain a batch if it is time; sets when the next one is due.
 */
static bool
drain_if_due(TimestampTz *due)
{
	LgDrainResult result;

	if (GetCurrentTimestamp() < *due ||
		(pg_atomic_read_u32(&self->wanted) == 0 && !lg_drain_reap_due()))
		return false;
	pg_atomic_exchange_u32(&self->wanted, 0);
	result = lg_drain_batch();
	if (result != LG_DRAIN_IDLE)
		pg_atomic_exchange_u32(&self->wanted, 1);
	*due = GetCurrentTimestamp();
	if (result == LG_DRAIN_IDLE)
		*due += (int64) DRAIN_PAUSE_MS * 1000;
	else if (result == LG_DRAIN_FAILED)
		*due += (int64) DRAIN_RETRY_MS * 1000;
	return true;
}

static void
make_partitions(void *arg)
{
	(void) arg;
	lg_drain_partitions();
}

/*
 * keep_partitions
 *		Once a day, and first at the start: partitions for the months to come,
 *		while nobody needs them yet and a lock can be waited for another time.
 */
static void
keep_partitions(TimestampTz *due)
{
	if (GetCurrentTimestamp() < *due)
		return;
	*due = GetCurrentTimestamp() +
		(lg_worker_transaction(make_partitions, NULL) ? USECS_PER_DAY : USECS_PER_HOUR);
}

static void
bind_all(void *arg)
{
	(void) arg;
	lg_bind_names();
	lg_home_in_worker();
}

/*
 * keep_bound
 *		First at the start, and when the registry has changed: names and home
 *		that a restore or a copy has left to be noted.
 */
static void
keep_bound(void)
{
	static uint64 done = 0;

	if (done == lg_registry_generation)
		return;
	(void) lg_worker_transaction(bind_all, NULL);
	done = lg_registry_generation;
}

static void
work_loop(void)
{
	TimestampTz partitions_due = 0;
	TimestampTz last = GetCurrentTimestamp();
	TimestampTz due = 0;

	while (!lg_worker_must_leave())
	{
		bool		served = lg_request_serve();
		bool		asked = pg_atomic_read_u32(&self->wanted) != 0;
		bool		drained = drain_if_due(&due);
		bool		wanted = pg_atomic_read_u32(&self->wanted) != 0;

		keep_partitions(&partitions_due);
		keep_bound();
		lg_shred_check();
		CHECK_FOR_INTERRUPTS();
		if (served && lg_request_was_question())
			last = 0;			/* who asks all databases in turn needs our place */
		else if (served || (drained && asked))
			last = GetCurrentTimestamp();
		else if (TimestampDifferenceExceeds(last, GetCurrentTimestamp(), IDLE_MS) && leave_if_idle())
			return;
		if (!served && !(wanted && GetCurrentTimestamp() >= due))
			wait_for_work(wanted ? DRAIN_PAUSE_MS : IDLE_MS / 10);
	}
}

/*
 * lg_scout_main
 *		Connected to no database: which of the databases that a worker could not
 *		get into are no more?
 */
void
lg_scout_main(Datum arg)
{
	(void) arg;
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(InvalidOid, InvalidOid, 0);
	(void) lg_worker_transaction(look_for_databases, NULL);
	proc_exit(0);
}

/*
 * lg_worker_main
 *		arg: oid of the database.
 *
 * ALLOW_CONNECTIONS false does not keep the worker out: what has been read
 * there before still has to get on record.
 */
void
lg_worker_main(Datum arg)
{
	Oid			dboid = DatumGetObjectId(arg);

	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	if (!attach(dboid))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(dboid, InvalidOid, BGWORKER_BYPASS_ALLOWCONN);
	settle();
	pgstat_report_appname("listguard worker");
	if (report_start())
		work_loop();
	proc_exit(0);
}

void
lg_worker_install(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "listguard launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "listguard launcher");
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "listguard");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "lg_launcher_main");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = 1;
	RegisterBackgroundWorker(&worker);
	lg_dbcommand_install();
}
