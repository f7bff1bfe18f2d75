/*-------------------------------------------------------------------------
 *
 * util.h
 *		What the parts of the utility guard share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_UTIL_H
#define LG_UTIL_H

#include "listguard.h"
#include "commands/copy.h"
#include "nodes/parsenodes.h"
#include "tcop/cmdtag.h"
#include "utils/relcache.h"

/* ddl_guard.c: refuse, or remember what is to be put on record after the command. */
extern void lg_ddl_check(Node *stmt);
/* Around a command that drops: the sealed types, and with them columns, must outlive it. */
typedef struct LgDropWatch
{
	Oid			types[3];
} LgDropWatch;

extern bool lg_drop_watch(Node *stmt, LgDropWatch *watch);
extern void lg_drop_check(const LgDropWatch *watch);

/* copy_to.c: COPY of a protected table as COPY of a query; else the statement itself. */
extern CopyStmt *lg_copy_to_query(CopyStmt *stmt);

/* copy_from.c: true if the command was run here (a protected table under row security). */
extern bool lg_copy_from(CopyStmt *stmt, const char *queryString, QueryCompletion *qc);

/* copy_batch.c: the INSERT of a COPY, many rows at a time; false if it cannot be done so. */
extern bool lg_copy_can_batch(Relation rel, CopyFromState state);
extern bool lg_copy_batch(const char *insert, Relation rel, CopyFromState state, uint64 *processed);

#endif							/* LG_UTIL_H */
