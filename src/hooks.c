/*-------------------------------------------------------------------------
 *
 * hooks.c
 *		Hooks of the server: saved, chained, handed to the guards; no more.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "executor/executor.h"
#include "optimizer/planner.h"
#include "tcop/utility.h"

#include "hooks.h"
#include "policy/follow.h"
#include "row/guard.h"
#include "row/redact.h"

static planner_hook_type prev_planner = NULL;
static ExecutorStart_hook_type prev_start = NULL;
static ExecutorRun_hook_type prev_run = NULL;
static ExecutorFinish_hook_type prev_finish = NULL;
static ExecutorEnd_hook_type prev_end = NULL;
static ProcessUtility_hook_type prev_utility = NULL;
static emit_log_hook_type prev_log = NULL;

static PlannedStmt *
plan_serially(LG_PLANNER_ARGS)
{
	cursorOptions = lg_guard_cursor_options(parse, cursorOptions);
	if (prev_planner)
		return prev_planner(LG_PLANNER_PASS);
	return standard_planner(LG_PLANNER_PASS);
}

static PlannedStmt *
plan(LG_PLANNER_ARGS)
{
	PlannedStmt *volatile result = NULL;

	lg_guard_plan_enter();
	PG_TRY();
	{
		result = plan_serially(LG_PLANNER_PASS);
	}
	PG_FINALLY();
	{
		lg_guard_plan_leave(result != NULL);
	}
	PG_END_TRY();
	return result;
}

static void
start(QueryDesc *queryDesc, int eflags)
{
	lg_guard_before_start(queryDesc, eflags);
	if (prev_start)
		prev_start(queryDesc, eflags);
	else
		standard_ExecutorStart(queryDesc, eflags);
	lg_guard_after_start(queryDesc, eflags);
}

static void
run(LG_EXECUTOR_RUN_ARGS)
{
	lg_guard_run(LG_EXECUTOR_RUN_PASS, prev_run ? prev_run : standard_ExecutorRun);
}

static void
finish(QueryDesc *queryDesc)
{
	lg_guard_finish(queryDesc, prev_finish ? prev_finish : standard_ExecutorFinish);
}

static void
end(QueryDesc *queryDesc)
{
	lg_guard_end(queryDesc, prev_end ? prev_end : standard_ExecutorEnd);
}

/* The command itself, then what the registry has to learn of it. */
static void
utility_and_follow(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				   ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
				   DestReceiver *dest, QueryCompletion *qc)
{
	lg_policy_precede(pstmt->utilityStmt);
	(prev_utility ? prev_utility : standard_ProcessUtility)
		(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	lg_policy_follow(pstmt->utilityStmt);
}

static void
utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
		ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
		DestReceiver *dest, QueryCompletion *qc)
{
	lg_guard_utility(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc,
					 utility_and_follow);
}

static void
log_message(ErrorData *edata)
{
	lg_redact(edata);
	if (prev_log)
		prev_log(edata);
}

void
lg_hooks_install(void)
{
	prev_planner = planner_hook;
	planner_hook = plan;
	prev_start = ExecutorStart_hook;
	ExecutorStart_hook = start;
	prev_run = ExecutorRun_hook;
	ExecutorRun_hook = run;
	prev_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish;
	prev_end = ExecutorEnd_hook;
	ExecutorEnd_hook = end;
	prev_utility = ProcessUtility_hook;
	ProcessUtility_hook = utility;
	prev_log = emit_log_hook;
	emit_log_hook = log_message;
}
