/*-------------------------------------------------------------------------
 *
 * shmem.c
 *		Reserve and set up listguard's shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"

#include "shmem.h"

#define LG_TRANCHE	"listguard"

static shmem_request_hook_type prev_shmem_request_hook = NULL;
static shmem_startup_hook_type prev_shmem_startup_hook = NULL;
static LWLockPadded *lg_locks = NULL;

static void
lg_shmem_request(void)
{
	if (prev_shmem_request_hook)
		prev_shmem_request_hook();
	RequestAddinShmemSpace(lg_rootkey_shmem_size());
	RequestAddinShmemSpace(lg_shred_shmem_size());
	RequestAddinShmemSpace(lg_meter_shmem_size());
	RequestAddinShmemSpace(lg_burn_shmem_size());
	RequestAddinShmemSpace(lg_spool_shmem_size());
	RequestAddinShmemSpace(lg_worker_shmem_size());
	RequestNamedLWLockTranche(LG_TRANCHE, LG_LOCK_COUNT);
}

/*
 * Runs in the postmaster at start and after a crash.  The spool is set up
 * first: it takes the lock file that keeps a second server away, and the burn
 * file lies in its directory.
 */
static void
lg_shmem_startup(void)
{
	if (prev_shmem_startup_hook)
		prev_shmem_startup_hook();
	lg_locks = GetNamedLWLockTranche(LG_TRANCHE);
	lg_spool_shmem_init();
	lg_burn_shmem_init();
	lg_rootkey_shmem_init();
	lg_shred_shmem_init();
	lg_meter_shmem_init();
	lg_worker_shmem_init();
}

/* The lock of one module; valid once shared memory is set up. */
LWLock *
lg_lock(LgLockId id)
{
	return &lg_locks[id].lock;
}

void
lg_shmem_install(void)
{
	prev_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = lg_shmem_request;
	prev_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = lg_shmem_startup;
}
