/*-------------------------------------------------------------------------
 *
 * shmem.h
 *		Shared memory of listguard: who owns which part, and the lock order.
 *
 * Each module gives its size and initialises its own struct; shmem.c only
 * adds up and calls.  Locks are taken in the order of the enum, never the
 * other way round.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_SHMEM_H
#define LG_SHMEM_H

#include "compat.h"
#include "storage/lwlock.h"

typedef enum LgLockId
{
	LG_LOCK_WORKER,				/* worker/worker.c: databases, requests */
	LG_LOCK_METER,				/* row/meter.c: windows */
	LG_LOCK_BURN,				/* ticket/burn.c: used tickets and their file */
	LG_LOCK_SPOOL,				/* audit/spool.c: append position */
	LG_LOCK_SPOOL_SYNC,			/* audit/spool.c: one fdatasync at a time */
	LG_LOCK_COUNT
} LgLockId;

extern LWLock *lg_lock(LgLockId id);
extern void lg_shmem_install(void);	/* from _PG_init: hooks that reserve and set up */

/* Per module: bytes wanted, and set-up (found: segment already there). */
extern Size lg_rootkey_shmem_size(void);
extern void lg_rootkey_shmem_init(void);
extern Size lg_shred_shmem_size(void);
extern void lg_shred_shmem_init(void);
extern Size lg_meter_shmem_size(void);
extern void lg_meter_shmem_init(void);
extern Size lg_burn_shmem_size(void);
extern void lg_burn_shmem_init(void);
extern Size lg_spool_shmem_size(void);
extern void lg_spool_shmem_init(void);
extern Size lg_worker_shmem_size(void);
extern void lg_worker_shmem_init(void);

#endif							/* LG_SHMEM_H */
