/*-------------------------------------------------------------------------
 *
 * home.h
 *		Is this database where its keys were made, or a copy?  See home.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_HOME_H
#define LG_HOME_H

#include "listguard.h"

/* A copy that nobody has adopted reveals nothing.  Cached: two comparisons. */
extern bool lg_home_copied(void);
/* 55000 with a hint in such a copy; for what must not answer with a mask. */
extern void lg_home_require(void);
/* In the current transaction: note that the database lives here, if nothing is noted. */
extern void lg_home_make(void);
/* In a worker, in a transaction: the same after a restore; put a copy on record, once. */
extern void lg_home_in_worker(void);

#endif							/* LG_HOME_H */
