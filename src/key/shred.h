/*-------------------------------------------------------------------------
 *
 * shred.h
 *		The end of a list's keys in every process; see shred.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_SHRED_H
#define LG_SHRED_H

#include "listguard.h"
#include "port/atomics.h"

/* How often keys have been destroyed on this server; NULL without shared memory. */
extern pg_atomic_uint64 *lg_shred_epoch;
/* ... as this process has last acted upon it. */
extern uint64 lg_shred_seen;

/* Before keys are read for the first time: this process may hold some from now on. */
extern void lg_shred_register(void);
/* Empty the arena and say so. */
extern void lg_shred_catch_up(void);

/*
 * Have keys been destroyed since?  Then none is kept.  One read where nothing
 * has happened; called at every look-up, when the registry has changed, and by
 * a worker between two jobs.  Pointers to keys are dead after it.
 */
static inline void
lg_shred_check(void)
{
	if (lg_shred_epoch != NULL && pg_atomic_read_u64(lg_shred_epoch) != lg_shred_seen)
		lg_shred_catch_up();
}

/* Worker's handlers of LG_WORK_SHRED: the rows, in a transaction of their own; then what is left of them, in another. */
extern void lg_shred_in_worker(int32 list_no);
extern void lg_shred_remains_in_worker(int32 list_no);

#endif							/* LG_SHRED_H */
