/*-------------------------------------------------------------------------
 *
 * rootkey.c
 *		The root key as all processes of the server share it.
 *
 * It lies in a mapping of its own, made by the postmaster and inherited by
 * every process, kept out of core dumps and, where the limits allow, out of
 * swap; not in the server's shared memory, which core dumps contain.
 *
 * Locking: segment->mutex protects all of the segment and is held for a copy
 * of a few dozen bytes only.  It is never held together with another lock.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>
#include <sys/mman.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/spin.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "errcodes.h"
#include "guc.h"
#include "key/keyring.h"
#include "key/rootkey.h"
#include "shmem.h"

#define ROOT_SLOTS			2	/* the current root, and the former one during a rotation */
#define WAIT_SECONDS		10	/* that a session waits for a root key being loaded */
#define POLL_MS				50

typedef enum RootState
{
	ROOT_LOADING,				/* first attempt since start not over */
	ROOT_READY,
	ROOT_FAILED
} RootState;

typedef struct RootSlot
{
	bool		used;
	uint8_t		id[LG_ROOT_ID_BYTES];
	uint8_t		key[LG_KEY_BYTES];
} RootSlot;

typedef struct RootSegment
{
	slock_t		mutex;
	RootState	state;
	RootSlot	slots[ROOT_SLOTS];	/* slots[0] is the current root */
} RootSegment;

static RootSegment *segment = NULL;

Size
lg_rootkey_shmem_size(void)
{
	return 0;
}

/*
 * lg_rootkey_shmem_init
 *		Make the segment, in the postmaster; again, emptied, after a crash.
 *
 * After a crash no process is left that could hold the mutex, and whatever
 * brought one down may have written into the segment.
 */
void
lg_rootkey_shmem_init(void)
{
	Size		size = TYPEALIGN(sysconf(_SC_PAGESIZE), sizeof(RootSegment));

	if (segment == NULL)
	{
		void	   *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			ereport(FATAL,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("could not map memory for the root key: %m")));
		if (madvise(p, size, MADV_DONTDUMP) != 0)
			ereport(FATAL,
					(errcode(ERRCODE_SYSTEM_ERROR),
					 errmsg("could not keep the root key out of core dumps: %m")));
		if (mlock(p, size) != 0)
			ereport(LOG,
					(errmsg("could not lock the root key in memory: %m"),
					 errdetail("It may be written to swap space.")));
		segment = p;
	}
	sodium_memzero(segment, sizeof(RootSegment));
	SpinLockInit(&segment->mutex);
	segment->state = ROOT_LOADING;
}

static void
store_root(const uint8_t key[LG_KEY_BYTES])
{
	uint8_t		id[LG_ROOT_ID_BYTES];

	lg_root_id(id, key);
	SpinLockAcquire(&segment->mutex);
	memcpy(segment->slots[0].id, id, LG_ROOT_ID_BYTES);
	memcpy(segment->slots[0].key, key, LG_KEY_BYTES);
	segment->slots[0].used = true;
	segment->state = ROOT_READY;
	SpinLockRelease(&segment->mutex);
}

/*
 * lg_rootkey_load
 *		Read the root key by the settings and put it into the segment.
 *
 * A failure is logged and leaves a root key that is there in place: a file
 * that cannot be read for a moment must not close the lists.  Raises nothing.
 */
bool
lg_rootkey_load(void)
{
	uint8_t		key[LG_KEY_BYTES];

	if (segment == NULL)
		return false;
	if (lg_rootsource_read(key, lg_root_key_file, lg_root_key_command))
	{
		store_root(key);
		sodium_memzero(key, sizeof(key));
		return true;
	}
	SpinLockAcquire(&segment->mutex);
	if (segment->state == ROOT_LOADING)
		segment->state = ROOT_FAILED;
	SpinLockRelease(&segment->mutex);
	return false;
}

static RootState
current_state(void)
{
	RootState	state;

	SpinLockAcquire(&segment->mutex);
	state = segment->state;
	SpinLockRelease(&segment->mutex);
	return state;
}

bool
lg_rootkey_available(void)
{
	return segment != NULL && current_state() == ROOT_READY;
}

/*
 * wait_while_loading
 *		Give the launcher's first attempt a bounded time.
 *
 * Without a postmaster (single-user mode) there is no launcher.
 */
static void
wait_while_loading(void)
{
	TimestampTz start = GetCurrentTimestamp();

	if (!IsUnderPostmaster && current_state() == ROOT_LOADING)
		lg_rootkey_load();
	while (current_state() == ROOT_LOADING &&
		   !TimestampDifferenceExceeds(start, GetCurrentTimestamp(), WAIT_SECONDS * 1000))
	{
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

bool
lg_rootkey_find(uint8_t out[LG_KEY_BYTES], const uint8_t *root_id)
{
	bool		found = false;

	if (segment == NULL)
		return false;
	SpinLockAcquire(&segment->mutex);
	for (int i = 0; i < ROOT_SLOTS && !found; i++)
	{
		RootSlot   *slot = &segment->slots[i];

		if (!slot->used ||
			(root_id != NULL && memcmp(slot->id, root_id, LG_ROOT_ID_BYTES) != 0))
			continue;
		memcpy(out, slot->key, LG_KEY_BYTES);
		found = true;
	}
	SpinLockRelease(&segment->mutex);
	return found;
}

/*
 * lg_rootkey_get
 *		Copy the current root (root_id NULL) or the one named to out.
 *
 * Waits up to 10 s for a server that has just started.  LG004 if the key is
 * not here.  The caller wipes out.
 */
void
lg_rootkey_get(uint8_t out[LG_KEY_BYTES], const uint8_t *root_id)
{
	lg_require_preload();
	wait_while_loading();
	if (current_state() != ROOT_READY)
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("root key is not available"),
				 errdetail("It could not be loaded; the server log says why."),
				 errhint("Set listguard.root_key_file or listguard.root_key_command, then call listguard.reload_root_key().")));
	if (!lg_rootkey_find(out, root_id))
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("root key does not fit this database"),
				 errdetail("Its keys are wrapped under another root key."),
				 errhint("Call listguard.check_root_key() to see which keys the loaded root key opens.")));
}
