/*-------------------------------------------------------------------------
 *
 * builder.c
 *		Indexes for protect_online: a process of their own that runs CREATE INDEX
 *		CONCURRENTLY, since neither a procedure can nor may the database's worker
 *		be kept from its other work for as long as that takes.
 *
 * What is to be built stands in listguard.online_index; an error is written
 * there for the session that polls.  While it works, the process holds an
 * advisory lock, so that another session sees it and no second one starts.
 *
 * Locking: none of listguard's own.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/dest.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "listguard.h"
#include "worker/workdb.h"

#define LOCK_CLASS	"7235811"	/* first key of the advisory lock, see 22_online.sql */

PG_FUNCTION_INFO_V1(listguard_start_builder);
PG_FUNCTION_INFO_V1(listguard_builder_runs);

/* The one that this session has started last. */
static BackgroundWorkerHandle *handle = NULL;
static Oid	handle_index = InvalidOid;

/*
 * _start_builder(index oid)
 *		Have the index that is to stand for this one built.
 */
Datum
listguard_start_builder(PG_FUNCTION_ARGS)
{
	BackgroundWorker worker;
	MemoryContext old;

	lg_require_preload();
	memset(&worker, 0, sizeof(worker));
	snprintf(worker.bgw_name, BGW_MAXLEN, "listguard index builder");
	snprintf(worker.bgw_type, BGW_MAXLEN, "listguard index builder");
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "listguard");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "lg_builder_main");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(PG_GETARG_OID(0));
	memcpy(worker.bgw_extra, &MyDatabaseId, sizeof(Oid));
	worker.bgw_notify_pid = MyProcPid;
	if (handle != NULL)
		pfree(handle);
	handle = NULL;
	old = MemoryContextSwitchTo(TopMemoryContext);
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no background worker is free to build an index"),
				 errhint("Raise max_worker_processes, or call listguard.protect_online() again later.")));
	MemoryContextSwitchTo(old);
	handle_index = PG_GETARG_OID(0);
	PG_RETURN_VOID();
}

/*
 * _builder_runs(index oid) -> boolean
 *		Does the builder that this session started for it still run?
 */
Datum
listguard_builder_runs(PG_FUNCTION_ARGS)
{
	pid_t		pid;
	BgwHandleStatus status;

	if (handle == NULL || handle_index != PG_GETARG_OID(0))
		PG_RETURN_BOOL(false);
	status = GetBackgroundWorkerPid(handle, &pid);
	PG_RETURN_BOOL(status == BGWH_STARTED || status == BGWH_NOT_YET_STARTED);
}

/* ---- the process ---- */

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
}

static void
commit(void)
{
	SPI_finish();
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * take_task
 *		The command to run, in TopMemoryContext; NULL if there is none or another
 *		builder is at it.
 */
static char *
take_task(Oid index)
{
	char	   *command = NULL;
	char	   *query;

	begin();
	query = psprintf("SELECT command FROM listguard.online_index WHERE index = %u AND error IS NULL"
					 " AND pg_catalog.pg_try_advisory_lock(" LOCK_CLASS ", pg_catalog.int4(%u::pg_catalog.int8 - 2147483648))",
					 index, index);
	if (SPI_execute(query, true, 1) == SPI_OK_SELECT && SPI_processed == 1)
		command = MemoryContextStrdup(TopMemoryContext,
									  SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
	commit();
	return command;
}

static void
note_error(Oid index, int sqlstate)
{
	Oid			types[] = {OIDOID, TEXTOID};
	Datum		values[2];

	values[0] = ObjectIdGetDatum(index);
	values[1] = CStringGetTextDatum(unpack_sql_state(sqlstate));
	begin();
	if (SPI_execute_with_args("UPDATE listguard.online_index SET error = $2 WHERE index OPERATOR(pg_catalog.=) $1",
							  2, types, values, NULL, false, 0) < 0)
		elog(ERROR, "could not note an index builder's error");
	commit();
}

/* As a client's own command: CREATE INDEX CONCURRENTLY commits on its way. */
static void
run_command(const char *command)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "listguard builder", ALLOCSET_DEFAULT_SIZES);
	PlannedStmt *stmt = makeNode(PlannedStmt);
	List	   *raw;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	raw = pg_parse_query(command);
	stmt->commandType = CMD_UTILITY;
	stmt->canSetTag = true;
	stmt->utilityStmt = linitial_node(RawStmt, raw)->stmt;
	stmt->stmt_len = 0;
	PushActiveSnapshot(GetTransactionSnapshot());
	ProcessUtility(stmt, command, false, PROCESS_UTILITY_TOPLEVEL, NULL, NULL, None_Receiver, NULL);
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * build
 *		The SQLSTATE it failed with, 0 if it did not.  The log gets the message
 *		only: a DETAIL could hold the values of other columns.
 */
static int
build(const char *command)
{
	MemoryContext context = CurrentMemoryContext;
	volatile int sqlstate = 0;

	PG_TRY();
	{
		run_command(command);
	}
	PG_CATCH();
	{
		ErrorData  *edata;

		HOLD_INTERRUPTS();
		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		sqlstate = edata->sqlerrcode;
		ereport(LOG,
				(errmsg("index builder of listguard failed: %s", edata->message)));
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();
	return sqlstate;
}

/*
 * lg_builder_main
 *		arg: oid of the index that the new one is to stand for.
 */
void
lg_builder_main(Datum arg)
{
	Oid			dboid;
	char	   *command;
	int			sqlstate;

	memcpy(&dboid, MyBgworkerEntry->bgw_extra, sizeof(Oid));
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(dboid, InvalidOid, 0);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	pgstat_report_appname("listguard index builder");
	command = take_task(DatumGetObjectId(arg));
	if (command != NULL)
	{
		pgstat_report_activity(STATE_RUNNING, command);
		sqlstate = build(command);
		if (sqlstate != 0)
			note_error(DatumGetObjectId(arg), sqlstate);
	}
	proc_exit(0);
}
