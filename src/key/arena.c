/*-------------------------------------------------------------------------
 *
 * arena.c
 *		Guarded memory for unwrapped keys.
 *
 * One block from sodium_malloc() per backend, made when the first key is
 * needed: between guard pages, out of core dumps, locked in memory where the
 * limits allow.  It holds the working keys of LG_ARENA_SLOTS lists, the least
 * recently used giving way, and the index keys.  Wiped when the backend ends.
 *
 * Private to the backend: no locks.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "miscadmin.h"
#include "storage/ipc.h"

#include "key/arena.h"

#define INDEX_KEYS_SIZE		TYPEALIGN(64, sizeof(LgIndexKeys))

static LgSlot slots[LG_ARENA_SLOTS];
static uint8_t *arena = NULL;
static Size arena_size = 0;
static uint64 clock_hand = 0;
static bool arena_left = false;	/* the backend ends: no key comes in any more */

static void
arena_exit(int code, Datum arg)
{
	(void) code;
	(void) arg;
	sodium_memzero(arena, arena_size);
	memset(slots, 0, sizeof(slots));
	arena_left = true;
}

/*
 * arena_ready
 *		Make the arena once.  Its size is a multiple of 64, which is what makes
 *		sodium_malloc() align it to 64.
 */
static void
arena_ready(void)
{
	Size		key_size = lg_list_keys_size();

	if (arena_left)
		elog(ERROR, "keys were asked for at the end of the process");
	if (arena != NULL)
		return;
	arena_size = INDEX_KEYS_SIZE + LG_ARENA_SLOTS * key_size;
	arena = sodium_malloc(arena_size);
	if (arena == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not allocate guarded memory for keys")));
	sodium_memzero(arena, arena_size);
	for (int i = 0; i < LG_ARENA_SLOTS; i++)
		slots[i].keys = (LgListKeys *) (arena + INDEX_KEYS_SIZE + i * key_size);
	before_shmem_exit(arena_exit, (Datum) 0);
}

/*
 * lg_arena_find
 *		The slot of a key, marked as used now; NULL if it is not here.
 */
LgSlot *
lg_arena_find(uint32 key_id)
{
	for (int i = 0; i < LG_ARENA_SLOTS; i++)
		if (slots[i].used && slots[i].key_id == key_id)
		{
			slots[i].last_use = ++clock_hand;
			return &slots[i];
		}
	return NULL;
}

/*
 * lg_arena_drop
 *		Wipe a slot.
 */
void
lg_arena_drop(LgSlot *slot)
{
	sodium_memzero(slot->keys, lg_list_keys_size());
	sodium_memzero(slot->wrapped, LG_WRAPPED_BYTES);
	slot->used = false;
}

/*
 * lg_arena_drop_lists
 *		Wipe every list's slot.
 */
void
lg_arena_drop_lists(void)
{
	for (int i = 0; i < LG_ARENA_SLOTS; i++)
		if (slots[i].used)
			lg_arena_drop(&slots[i]);
}

/*
 * lg_arena_take
 *		An empty slot, that of the least recently used key if need be.
 *
 * The caller fills it and sets used; pointers to the former key are dead.
 */
LgSlot *
lg_arena_take(void)
{
	LgSlot	   *oldest = &slots[0];

	arena_ready();
	for (int i = 0; i < LG_ARENA_SLOTS; i++)
	{
		if (!slots[i].used)
		{
			oldest = &slots[i];
			break;
		}
		if (slots[i].last_use < oldest->last_use)
			oldest = &slots[i];
	}
	lg_arena_drop(oldest);
	oldest->last_use = ++clock_hand;
	return oldest;
}

/*
 * lg_arena_index_keys
 *		Where the index keys lie; zeros until the caller fills them.
 */
LgIndexKeys *
lg_arena_index_keys(void)
{
	arena_ready();
	return (LgIndexKeys *) arena;
}
