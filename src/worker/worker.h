/*-------------------------------------------------------------------------
 *
 * worker.h
 *		The launcher (no database) and the workers (one per database that has
 *		work), and how a session asks its database's worker for something.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_WORKER_H
#define LG_WORKER_H

#include "listguard.h"

typedef enum LgWorkKind
{
	LG_WORK_NONE,
	LG_WORK_NEW_LIST,			/* relid, value: list and key, committed */
	LG_WORK_PARTITIONS,			/* audit partitions for this month and the next two */
	LG_WORK_DRAIN,				/* drain all that is in the spool for this database now */
	LG_WORK_ROOT_USAGE,			/* a question: lg_root_usage_answer() writes the answer into value */
	LG_WORK_KEYSET,				/* value: id of the keyset that replicated values belong to, in hex */
	LG_WORK_SHRED				/* value: a list's number; its keys are destroyed */
} LgWorkKind;

#define LG_WORK_VALUE_MAX	1024	/* bytes of a list's value, NUL included */

extern void lg_worker_install(void);	/* from _PG_init: registers the launcher */
/*
 * Ask this database's worker and wait.  False if it did not finish in time or
 * failed (the reason is in the server log); never raises but for a cancel.
 */
extern bool lg_worker_request(LgWorkKind kind, Oid relid, const char *value, int timeout_ms);

typedef enum LgAnswer
{
	LG_ANSWER_GIVEN,
	LG_ANSWER_ABSENT,			/* that database does not hold listguard */
	LG_ANSWER_NONE				/* not in time, or not at all */
} LgAnswer;

/* Ask any database's worker a question; it leaves again unless it has work. */
extern LgAnswer lg_worker_ask(Oid dboid, LgWorkKind question, char answer[LG_WORK_VALUE_MAX], int timeout_ms);
/* Tell the launcher that this database has something to drain; cheap, no wait. */
extern void lg_worker_wake(void);
/* Is this process one of our workers? */
extern bool lg_in_worker(void);
/* For CREATE/DROP/ALTER DATABASE: send the database's worker away and keep it away for a while; waits <= 5 s. */
extern void lg_worker_stand_down(Oid dboid);

#endif							/* LG_WORKER_H */
