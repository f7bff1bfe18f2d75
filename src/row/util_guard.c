/*-------------------------------------------------------------------------
 *
 * util_guard.c
 *		The utility guard: levels, and which part looks at which command.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"

#include "policy/registry.h"
#include "row/exec.h"
#include "row/guard.h"
#include "row/util.h"
#include "worker/worker.h"

static int	level = 0;
static bool fetching = false;
static bool holding = false;

int
lg_utility_level(void)
{
	return level;
}

bool
lg_utility_is_fetch(void)
{
	return fetching;
}

bool
lg_utility_is_hold(void)
{
	return holding;
}

/* Our settings come from the configuration file or not at all. */
static void
check_alter_system(const AlterSystemStmt *stmt)
{
	const char *name = stmt->setstmt->name;

	if (name != NULL && pg_strncasecmp(name, "listguard.", 10) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("settings of listguard cannot be changed by ALTER SYSTEM"),
				 errhint("Change the configuration file.")));
}

/* What the command must meet before it runs; the statement to run. */
static Node *
check_command(Node *stmt)
{
	if (IsA(stmt, AlterSystemStmt))
		check_alter_system((AlterSystemStmt *) stmt);
	if (IsA(stmt, TransactionStmt) && ((TransactionStmt *) stmt)->kind == TRANS_STMT_PREPARE &&
		lg_ticket_used())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot PREPARE a transaction that has read under an export ticket")));
	if (lg_utility_is_internal() || lg_in_worker() || !IsTransactionState() ||
		IsAbortedTransactionBlockState() || !OidIsValid(MyDatabaseId) || IsA(stmt, TransactionStmt))
		return stmt;
	if (!lg_extension_present())
		return stmt;
	if (IsA(stmt, CopyStmt))
		return (Node *) lg_copy_to_query((CopyStmt *) stmt);
	lg_ddl_check(stmt);
	return stmt;
}

static void
run_command(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
			ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
			DestReceiver *dest, QueryCompletion *qc, ProcessUtility_hook_type next)
{
	Node	   *stmt = check_command(pstmt->utilityStmt);
	LgDropWatch watch;
	bool		watching;

	if (stmt != pstmt->utilityStmt)
	{
		PlannedStmt *changed = makeNode(PlannedStmt);

		memcpy(changed, pstmt, sizeof(PlannedStmt));
		changed->utilityStmt = stmt;
		pstmt = changed;
	}
	if (IsA(stmt, CopyStmt) && !lg_utility_is_internal() && lg_extension_present() &&
		lg_copy_from((CopyStmt *) stmt, queryString, qc))
		return;
	if (IsA(stmt, CallStmt) && level == 1 && lg_exec_level() == 0 && lg_extension_present())
		dest = lg_dest_counting(dest, NULL);
	watching = IsTransactionState() && OidIsValid(MyDatabaseId) && lg_drop_watch(stmt, &watch);
	next(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	if (watching)
		lg_drop_check(&watch);
}

void
lg_guard_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				 ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
				 DestReceiver *dest, QueryCompletion *qc, ProcessUtility_hook_type next)
{
	bool		top = level == 0 && lg_exec_level() == 0;
	int			save_level = level;
	bool		save_fetching = fetching;
	bool		save_holding = holding;
	volatile bool ok = false;

	PG_TRY();
	{
		level++;
		fetching = IsA(pstmt->utilityStmt, FetchStmt);
		holding = IsA(pstmt->utilityStmt, DeclareCursorStmt) &&
			(((DeclareCursorStmt *) pstmt->utilityStmt)->options & CURSOR_OPT_HOLD) != 0;
		run_command(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc, next);
		if (top)
		{
			level = save_level;
			lg_statement_end(true);
		}
		ok = true;
	}
	PG_FINALLY();
	{
		level = save_level;
		fetching = save_fetching;
		holding = save_holding;
		if (top && !ok)
			lg_statement_end(false);
	}
	PG_END_TRY();
}
