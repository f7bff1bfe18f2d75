/*-------------------------------------------------------------------------
 *
 * launcher.c
 *		The one process that is always there: keeps the root key loaded and
 *		starts a worker for each database that has something to do.
 *
 * It is connected to no database, so that no database command ever waits for
 * it.  On a standby it loads the root key and starts nobody.
 *
 * Locking: see workdb.h.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <signal.h>

#include "access/xlog.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/procsignal.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "key/keyring.h"
#include "shmem.h"
#include "worker/workdb.h"

#define ROOT_RETRY_MS	10000
#define SURVEY_MS		5000	/* between two looks through the spool */
#define TICK_MS			1000
#define SCOUT_MS		20000	/* between two scouts */
#define START_FAILED_MS	1000	/* before another worker after one could not be started */

static BackgroundWorkerHandle *handles[LG_WORK_DATABASES];
static bool told_full = false;	/* that max_worker_processes is used up */

static void
detach(int code, Datum arg)
{
	(void) code;
	(void) arg;
	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	if (lg_work->launcher == MyLatch)
		lg_work->launcher = NULL;
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
}

/*
 * attach
 *		Enter ourselves; forget what a former launcher had asked for.
 *
 * A worker that it had asked for and that starts now takes its entry itself,
 * and one of two such workers finds it taken and leaves.
 */
static void
attach(void)
{
	before_shmem_exit(detach, (Datum) 0);
	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	lg_work->launcher = MyLatch;
	for (int i = 0; i < LG_WORK_DATABASES; i++)
		if (lg_work->dbs[i].phase == LG_DB_STARTING)
			lg_work->dbs[i].phase = LG_DB_IDLE;
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
}

/* Is a worker due for this entry?  Marks it as starting. */
static bool
claim(LgWorkDb *db)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		due;

	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	due = OidIsValid(db->dboid) && !db->gone && db->phase == LG_DB_IDLE &&
		db->away_until <= now && db->not_before <= now &&
		(pg_atomic_read_u32(&db->wanted) != 0 || lg_workdb_has_request(db->dboid));
	if (due)
	{
		db->phase = LG_DB_STARTING;
		db->started = true;
	}
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	return due;
}

/* A worker did not come up: another try later, and doubt whether there is such a database. */
static void
set_back(LgWorkDb *db, bool doubtful)
{
	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	if (db->phase == LG_DB_STARTING)
		db->phase = LG_DB_IDLE;
	db->started = false;
	db->doubtful |= doubtful;
	db->not_before = GetCurrentTimestamp() + (int64) START_FAILED_MS * 1000 * (doubtful ? 10 : 1);
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	ConditionVariableBroadcast(&lg_work->changed);
}

static bool
register_worker(Oid dboid, const char *function, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "listguard worker for database %u", dboid);
	snprintf(worker.bgw_type, BGW_MAXLEN, "listguard worker");
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "listguard");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "%s", function);
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(dboid);
	worker.bgw_notify_pid = MyProcPid;
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

static void
start_worker(int i)
{
	LgWorkDb   *db = &lg_work->dbs[i];

	if (!claim(db))
		return;
	if (register_worker(db->dboid, "lg_worker_main", &handles[i]))
	{
		told_full = false;
		return;
	}
	set_back(db, false);
	if (!told_full)
		ereport(LOG,
				(errmsg("could not start a listguard worker: no free worker process"),
				 errhint("Consider increasing max_worker_processes.")));
	told_full = true;
}

/* See how the worker that we have asked for fares; forget it once it has stopped. */
static void
follow_worker(int i)
{
	LgWorkDb   *db = &lg_work->dbs[i];
	pid_t		pid;

	if (handles[i] == NULL || GetBackgroundWorkerPid(handles[i], &pid) != BGWH_STOPPED)
		return;
	pfree(handles[i]);
	handles[i] = NULL;
	if (db->started)
		set_back(db, true);
}

/* Have it found out which of the databases that let no worker in are no more. */
static void
send_scout(void)
{
	static TimestampTz last = 0;
	BackgroundWorkerHandle *handle;

	if (!TimestampDifferenceExceeds(last, GetCurrentTimestamp(), SCOUT_MS))
		return;
	last = GetCurrentTimestamp();
	if (register_worker(InvalidOid, "lg_scout_main", &handle))
		pfree(handle);
}

static void
look_after_workers(void)
{
	bool		doubt = false;

	for (int i = 0; i < LG_WORK_DATABASES; i++)
	{
		follow_worker(i);
		if (handles[i] == NULL)
			start_worker(i);
		doubt |= lg_work->dbs[i].doubtful;
	}
	if (doubt)
		send_scout();
}

/* Load the root keys at start, when told to, and as long as one is missing. */
static void
look_after_rootkey(bool now)
{
	static TimestampTz last = 0;

	if (!now && (lg_rootkey_complete() ||
				 !TimestampDifferenceExceeds(last, GetCurrentTimestamp(), ROOT_RETRY_MS)))
		return;
	(void) lg_rootkey_load();
	last = GetCurrentTimestamp();
}

/*
 * survey
 *		Databases that nobody has woken us for, and segments to recycle.
 *
 * An error, of the disk for instance, must not take the launcher with it: the
 * root key would be asked for again at every new start.  True if there is more
 * to look through.
 */
static bool
survey(void)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool more = false;

	PG_TRY();
	{
		more = lg_survey_spool();
		if (!more)
			lg_survey_recycle();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		LWLockReleaseAll();
		FlushErrorState();
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	return more;
}

static void
look_after_spool(void)
{
	static TimestampTz last = 0;

	if (TimestampDifferenceExceeds(last, GetCurrentTimestamp(), SURVEY_MS) && !survey())
		last = GetCurrentTimestamp();
}

static void
main_loop(void)
{
	bool		reload = true;
	MemoryContext work = AllocSetContextCreate(TopMemoryContext, "listguard launcher",
											   ALLOCSET_DEFAULT_SIZES);

	while (!ShutdownRequestPending)
	{
		look_after_rootkey(reload);
		reload = false;
		lg_spool_maintain();
		if (!RecoveryInProgress() && !IsBinaryUpgrade)
		{
			MemoryContextSwitchTo(work);
			look_after_spool();
			MemoryContextSwitchTo(TopMemoryContext);
			look_after_workers();
			MemoryContextReset(work);
		}
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 TICK_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
			reload = true;
		}
	}
}

/*
 * lg_launcher_main
 *		Exits with 1 so that the postmaster starts it again, except at shutdown.
 */
void
lg_launcher_main(Datum arg)
{
	(void) arg;
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGUSR1, procsignal_sigusr1_handler);	/* news of our workers */
	BackgroundWorkerUnblockSignals();
	attach();
	main_loop();
	proc_exit(1);
}
