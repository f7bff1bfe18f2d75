/*-------------------------------------------------------------------------
 *
 * guard.h
 *		The executor's and the utility guard's entry points; hooks.c calls
 *		them and nothing else does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_GUARD_H
#define LG_GUARD_H

#include "listguard.h"
#include "executor/execdesc.h"
#include "tcop/utility.h"

extern int	lg_guard_cursor_options(Query *parse, int cursorOptions);	/* no parallel plan over lists */
extern void lg_guard_plan_enter(void);
extern void lg_guard_plan_leave(bool ok);
extern void lg_guard_before_start(QueryDesc *queryDesc, int eflags);
extern void lg_guard_after_start(QueryDesc *queryDesc, int eflags);
extern void lg_guard_run(LG_EXECUTOR_RUN_ARGS, void (*next) (LG_EXECUTOR_RUN_ARGS));
extern void lg_guard_finish(QueryDesc *queryDesc, void (*next) (QueryDesc *));
extern void lg_guard_end(QueryDesc *queryDesc, void (*next) (QueryDesc *));
/* May run the command itself (COPY), refuse it, or hand it on. */
extern void lg_guard_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
							 ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *queryEnv,
							 DestReceiver *dest, QueryCompletion *qc, ProcessUtility_hook_type next);

#endif							/* LG_GUARD_H */
