/*-------------------------------------------------------------------------
 *
 * workdb.h
 *		What launcher, workers and sessions share: one entry for each database
 *		with work, and the slots of requests.
 *
 * Locking: LG_LOCK_WORKER, exclusive for every change.  "wanted" alone is
 * atomic, so that a session which has just written a record looks at one word.
 * Latch pointers are those of PGPROC entries and are cleared, under the lock,
 * before their process lets go of its entry.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_WORKDB_H
#define LG_WORKDB_H

#include "audit/spool.h"
#include "worker/worker.h"

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/latch.h"

#define LG_WORK_DATABASES	64
#define LG_WORK_REQUESTS	64

typedef enum LgDbPhase
{
	LG_DB_IDLE,
	LG_DB_STARTING,				/* the launcher has asked the postmaster */
	LG_DB_RUNNING				/* the worker has taken its entry */
} LgDbPhase;

typedef struct LgWorkDb
{
	Oid			dboid;			/* InvalidOid: entry is free */
	LgDbPhase	phase;
	pid_t		pid;			/* of the worker, while running */
	Latch	   *latch;			/* of the worker, while running */
	int			absent;			/* workers in a row that found no listguard here */
	bool		started;		/* a worker has been asked for and has not said how it went */
	bool		doubtful;		/* a worker could not connect: is there such a database? */
	bool		gone;			/* there is no such database */
	TimestampTz away_until;		/* no worker before that: CREATE, DROP, ALTER DATABASE */
	int			commands;		/* that want it away until then */
	TimestampTz not_before;		/* no new worker before that: the last one failed */
	pg_atomic_uint32 wanted;	/* there are records since its worker last began to drain */
	LgSpoolPos	drained;		/* this database is drained up to here; 0: not known */
} LgWorkDb;

typedef enum LgRequestState
{
	LG_REQUEST_FREE,
	LG_REQUEST_PENDING,
	LG_REQUEST_RUNNING,
	LG_REQUEST_DONE,
	LG_REQUEST_FAILED,
	LG_REQUEST_ABSENT			/* failed: the database does not hold listguard */
} LgRequestState;

typedef struct LgRequest
{
	LgRequestState state;
	bool		abandoned;		/* the session has gone: the worker frees the slot */
	LgWorkKind	kind;
	Oid			dboid;
	Oid			relid;
	bool		has_value;
	char		value[LG_WORK_VALUE_MAX];
} LgRequest;

typedef struct LgWorkShared
{
	Latch	   *launcher;		/* NULL: none runs */
	ConditionVariable changed;	/* a request's state or a database's phase has changed */
	LgWorkDb	dbs[LG_WORK_DATABASES];
	LgRequest	requests[LG_WORK_REQUESTS];
} LgWorkShared;

extern LgWorkShared *lg_work;	/* NULL without shared memory */

/* worker.c; the lock is held in exclusive mode */
extern LgWorkDb *lg_workdb_find(Oid dboid, bool create);	/* NULL: not there, or no room */
extern bool lg_workdb_has_request(Oid dboid);

/* launcher.c and worker.c: entry points of the processes */
extern PGDLLEXPORT void lg_launcher_main(Datum arg);
extern PGDLLEXPORT void lg_worker_main(Datum arg);
extern PGDLLEXPORT void lg_scout_main(Datum arg);
extern PGDLLEXPORT void lg_builder_main(Datum arg);

/* worker.c */
extern LgWorkDb *lg_worker_self(void);	/* this worker's entry; NULL elsewhere */
extern bool lg_worker_must_leave(void);	/* a database command wants us away */
/* In a worker: run body in a transaction of its own; false, logged, if it failed. */
extern bool lg_worker_transaction(void (*body) (void *arg), void *arg);

/* request.c */
extern bool lg_request_serve(void);	/* serves one, false if there was none */
extern bool lg_request_was_question(void);	/* the one served last */
extern void lg_request_fail_all(Oid dboid, bool running_only, LgRequestState how);

/* drain.c */
typedef enum LgDrainResult
{
	LG_DRAIN_IDLE,				/* nothing left to do */
	LG_DRAIN_MORE,				/* a batch is in the table, there is more */
	LG_DRAIN_FAILED
} LgDrainResult;

extern LgDrainResult lg_drain_batch(void);
extern void lg_drain_partitions(void);	/* in a transaction */
/* Is it time to look for begun reads whose session has gone?  Are there begun reads at all? */
extern bool lg_drain_reap_due(void);
extern bool lg_drain_reads_open(void);

/* survey.c: the launcher's view of the spool */
/* Look through what is new in the spool; true if there is more to look through. */
extern bool lg_survey_spool(void);
extern void lg_survey_recycle(void);

/* dbcommand.c */
extern void lg_dbcommand_install(void);

#endif							/* LG_WORKDB_H */
