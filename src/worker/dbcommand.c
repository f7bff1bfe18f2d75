/*-------------------------------------------------------------------------
 *
 * dbcommand.c
 *		CREATE, DROP and ALTER DATABASE find no worker in their way.
 *
 * The server waits five seconds for other sessions to leave the database and
 * then gives up; a worker would be such a session.
 *
 * Locking: see workdb.h.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <signal.h>

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "shmem.h"
#include "worker/workdb.h"

#define AWAY_MS			60000	/* that no worker comes back, at most */
#define WAIT_MS			5000	/* that we wait for it to leave */
#define PATIENCE_MS		2000	/* before it is told by a signal */
#define TICK_MS			100

#define UTILITY_ARGS \
	PlannedStmt *pstmt, const char *queryString, bool readOnlyTree, \
	ProcessUtilityContext context, ParamListInfo params, \
	QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc

static ProcessUtility_hook_type prev_process_utility = NULL;

/* Send the worker away; true once it has gone. */
static bool
send_away(Oid dboid, TimestampTz until, bool hard)
{
	LgWorkDb   *db;
	bool		gone;

	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	db = lg_workdb_find(dboid, true);
	if (db != NULL && until != 0)
	{
		db->commands = db->away_until > GetCurrentTimestamp() ? db->commands + 1 : 1;
		db->away_until = until;
	}
	gone = db == NULL || db->phase == LG_DB_IDLE;
	if (!gone && db->latch != NULL)
		SetLatch(db->latch);
	if (!gone && hard && db->pid != 0)
		kill(db->pid, SIGTERM);
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
	return gone;
}

/*
 * lg_worker_stand_down
 *		See worker.h.  Its entry is ours until it has gone, so that the signal
 *		meets no other process.
 */
void
lg_worker_stand_down(Oid dboid)
{
	TimestampTz start = GetCurrentTimestamp();
	TimestampTz until = start + (int64) AWAY_MS * 1000;

	if (lg_work == NULL || !IsUnderPostmaster || !OidIsValid(dboid))
		return;
	ConditionVariablePrepareToSleep(&lg_work->changed);
	while (!send_away(dboid, until, TimestampDifferenceExceeds(start, GetCurrentTimestamp(), PATIENCE_MS)))
	{
		until = 0;
		if (TimestampDifferenceExceeds(start, GetCurrentTimestamp(), WAIT_MS))
			break;
		(void) ConditionVariableTimedSleep(&lg_work->changed, TICK_MS, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
}

/*
 * call_back
 *		The command is over: the worker may come again, once all commands are.
 *
 * A session that dies in between leaves it to away_until.
 */
static void
call_back(Oid dboid)
{
	LgWorkDb   *db;

	LWLockAcquire(lg_lock(LG_LOCK_WORKER), LW_EXCLUSIVE);
	db = lg_workdb_find(dboid, false);
	if (db != NULL && db->commands > 0 && --db->commands == 0)
		db->away_until = 0;
	if (lg_work->launcher != NULL)
		SetLatch(lg_work->launcher);
	LWLockRelease(lg_lock(LG_LOCK_WORKER));
}

static bool
may_create_databases(void)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	bool		may = false;

	if (HeapTupleIsValid(tuple))
	{
		Form_pg_authid form = (Form_pg_authid) GETSTRUCT(tuple);

		may = form->rolcreatedb || form->rolsuper;
		ReleaseSysCache(tuple);
	}
	return may;
}

/* Its owner, and who may copy databases; others get core's refusal with the worker in place. */
static bool
may_disturb(Oid dboid)
{
	HeapTuple	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(dboid));
	bool		may = false;

	if (HeapTupleIsValid(tuple))
	{
		may = has_privs_of_role(GetUserId(), ((Form_pg_database) GETSTRUCT(tuple))->datdba);
		ReleaseSysCache(tuple);
	}
	return may || may_create_databases();
}

static const char *
template_of(CreatedbStmt *stmt)
{
	ListCell   *cell;

	foreach(cell, stmt->options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, "template") == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return "template1";
}

/* The database that nobody else may use during the command; NULL if there is none. */
static const char *
database_of(Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_CreatedbStmt:
			return template_of((CreatedbStmt *) stmt);
		case T_DropdbStmt:
			return ((DropdbStmt *) stmt)->dbname;
		case T_AlterDatabaseStmt:
			return ((AlterDatabaseStmt *) stmt)->dbname;
		case T_RenameStmt:
			return ((RenameStmt *) stmt)->renameType == OBJECT_DATABASE ? ((RenameStmt *) stmt)->subname : NULL;
		default:
			return NULL;
	}
}

static void
pass_on(UTILITY_ARGS)
{
	if (prev_process_utility)
		prev_process_utility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	else
		standard_ProcessUtility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
}

static void
dbcommand_utility(UTILITY_ARGS)
{
	const char *name = context == PROCESS_UTILITY_TOPLEVEL ? database_of(pstmt->utilityStmt) : NULL;
	Oid			dboid = name != NULL ? get_database_oid(name, true) : InvalidOid;

	if (lg_work == NULL || !OidIsValid(dboid) || !may_disturb(dboid))
	{
		pass_on(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
		return;
	}
	lg_worker_stand_down(dboid);
	PG_TRY();
	{
		pass_on(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	}
	PG_FINALLY();
	{
		call_back(dboid);
	}
	PG_END_TRY();
}

void
lg_dbcommand_install(void)
{
	prev_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = dbcommand_utility;
}
