/*-------------------------------------------------------------------------
 *
 * rootkey.c
 *		The root keys as all processes of the server share them: the current
 *		one, which wraps and unwraps, and during a rotation the old one, which
 *		only unwraps.
 *
 * They lie in a mapping of its own, made by the postmaster and inherited by
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

#include "common/wipe.h"
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

#define CURRENT				0
#define OLD					1

typedef struct RootSegment
{
	slock_t		mutex;
	RootState	state;			/* of the current root */
	bool		old_pending;	/* the old root's first attempt since start not over */
	bool		old_missing;	/* settings name an old root, and there is none */
	RootSlot	slots[ROOT_SLOTS];
} RootSegment;

/* What one look at the sources has brought. */
typedef struct RootsRead
{
	LgRootFound found[ROOT_SLOTS];
	uint8_t		key[ROOT_SLOTS][LG_KEY_BYTES];
} RootsRead;

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
	segment->old_pending = true;
}

/* The mutex is held. */
static void
fill_slot(int i, const uint8_t key[LG_KEY_BYTES], const uint8_t id[LG_ROOT_ID_BYTES])
{
	memcpy(segment->slots[i].id, id, LG_ROOT_ID_BYTES);
	memcpy(segment->slots[i].key, key, LG_KEY_BYTES);
	segment->slots[i].used = true;
	if (i == CURRENT)
		segment->state = ROOT_READY;
}

/*
 * store
 *		Make the segment what has been read, in one step.
 *
 * Where a source could not be read, what is there stays, all of it: half of an
 * exchange of roots would close lists.  Only empty slots are filled then.
 */
static void
store(const RootsRead *got)
{
	bool		whole = got->found[CURRENT] == LG_ROOT_READ && got->found[OLD] != LG_ROOT_FAILED;
	uint8_t		id[ROOT_SLOTS][LG_ROOT_ID_BYTES];

	for (int i = 0; i < ROOT_SLOTS; i++)
		lg_root_id(id[i], got->key[i]);
	SpinLockAcquire(&segment->mutex);
	for (int i = 0; i < ROOT_SLOTS; i++)
	{
		if (got->found[i] == LG_ROOT_READ && (whole || !segment->slots[i].used))
			fill_slot(i, got->key[i], id[i]);
		else if (got->found[i] == LG_ROOT_UNSET && whole)
			sodium_memzero(&segment->slots[i], sizeof(RootSlot));
	}
	if (segment->state == ROOT_LOADING)
		segment->state = ROOT_FAILED;
	segment->old_pending = false;
	segment->old_missing = got->found[OLD] == LG_ROOT_FAILED && !segment->slots[OLD].used;
	SpinLockRelease(&segment->mutex);
}

/*
 * open_early
 *		At the start, the sessions that wait for the current root need not wait
 *		for the old one.
 */
static void
open_early(const uint8_t key[LG_KEY_BYTES])
{
	uint8_t		id[LG_ROOT_ID_BYTES];

	lg_root_id(id, key);
	SpinLockAcquire(&segment->mutex);
	if (segment->state == ROOT_LOADING)
		fill_slot(CURRENT, key, id);
	SpinLockRelease(&segment->mutex);
}

/*
 * lg_rootkey_load
 *		Read the root keys by the settings and put them into the segment.
 *
 * True if all that the settings name is there.  A failure is logged and leaves
 * the root keys that are there in place: a file that cannot be read for a
 * moment must not close the lists.  Raises nothing.
 */
bool
lg_rootkey_load(void)
{
	RootsRead	got;
	bool		complete;

	if (segment == NULL)
		return false;
	got.found[CURRENT] = lg_rootsource_read(got.key[CURRENT], lg_root_key_file, lg_root_key_command, false);
	if (got.found[CURRENT] == LG_ROOT_READ)
		open_early(got.key[CURRENT]);
	got.found[OLD] = lg_rootsource_read(got.key[OLD], lg_root_key_file_old, lg_root_key_command_old, true);
	store(&got);
	complete = got.found[CURRENT] == LG_ROOT_READ && got.found[OLD] != LG_ROOT_FAILED;
	sodium_memzero(&got, sizeof(got));
	lg_registers_wipe();
	return complete;
}

bool
lg_rootkey_available(void)
{
	bool		ready;

	if (segment == NULL)
		return false;
	SpinLockAcquire(&segment->mutex);
	ready = segment->state == ROOT_READY;
	SpinLockRelease(&segment->mutex);
	return ready;
}

/*
 * lg_rootkey_complete
 *		Is every root key here that the settings name, as far as was seen?
 */
bool
lg_rootkey_complete(void)
{
	bool		complete;

	if (segment == NULL)
		return false;
	SpinLockAcquire(&segment->mutex);
	complete = segment->state == ROOT_READY && !segment->old_missing;
	SpinLockRelease(&segment->mutex);
	return complete;
}

/*
 * still_loading
 *		May the root (NULL: the current one) yet come of the first attempt?
 */
static bool
still_loading(const uint8_t *root_id)
{
	bool		loading;

	SpinLockAcquire(&segment->mutex);
	loading = segment->state == ROOT_LOADING || (root_id != NULL && segment->old_pending &&
		memcmp(segment->slots[CURRENT].id, root_id, LG_ROOT_ID_BYTES) != 0);
	SpinLockRelease(&segment->mutex);
	return loading;
}

/*
 * wait_while_loading
 *		Give the launcher's first attempt a bounded time.
 *
 * Without a postmaster (single-user mode) there is no launcher.
 */
static void
wait_while_loading(const uint8_t *root_id)
{
	TimestampTz start = GetCurrentTimestamp();

	if (!IsUnderPostmaster && still_loading(root_id))
		lg_rootkey_load();
	while (still_loading(root_id) &&
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
	int			slots = root_id != NULL ? ROOT_SLOTS : CURRENT + 1;
	bool		found = false;

	if (segment == NULL)
		return false;
	SpinLockAcquire(&segment->mutex);
	for (int i = 0; i < slots && !found; i++)
	{
		RootSlot   *slot = &segment->slots[i];

		if (!slot->used ||
			(root_id != NULL && memcmp(slot->id, root_id, LG_ROOT_ID_BYTES) != 0))
			continue;
		memcpy(out, slot->key, LG_KEY_BYTES);
		found = true;
	}
	SpinLockRelease(&segment->mutex);
	lg_registers_wipe();
	return found;
}

/*
 * lg_rootkey_place
 *		Where a root key is held now, by its id.
 */
LgRootPlace
lg_rootkey_place(const uint8_t root_id[LG_ROOT_ID_BYTES])
{
	LgRootPlace place = LG_ROOT_ABSENT;

	if (segment == NULL)
		return place;
	SpinLockAcquire(&segment->mutex);
	for (int i = ROOT_SLOTS - 1; i >= 0; i--)
		if (segment->slots[i].used && memcmp(segment->slots[i].id, root_id, LG_ROOT_ID_BYTES) == 0)
			place = i == CURRENT ? LG_ROOT_CURRENT : LG_ROOT_OLD;
	SpinLockRelease(&segment->mutex);
	return place;
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
	wait_while_loading(root_id);
	if (lg_rootkey_find(out, root_id))
		return;
	if (!lg_rootkey_available())
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("root key is not available"),
				 errdetail("It could not be loaded; the server log says why."),
				 errhint("Set listguard.root_key_file or listguard.root_key_command, then call listguard.reload_root_key().")));
	ereport(ERROR,
			(errcode(ERRCODE_LG_KEY),
			 errmsg("root key does not fit this database"),
			 errdetail("A key of it is wrapped under another root key than those loaded."),
			 errhint("Call listguard.check_root_key() to see which keys the loaded root keys open; set the former one as listguard.root_key_file_old or listguard.root_key_command_old.")));
}
