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
#include "nodes/parsenodes.h"
#include "tcop/cmdtag.h"

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

#endif							/* LG_UTIL_H */
