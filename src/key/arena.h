/*-------------------------------------------------------------------------
 *
 * arena.h
 *		Guarded memory for unwrapped keys; internal to src/key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_ARENA_H
#define LG_ARENA_H

#include "compat.h"

#include "common/value.h"

#define LG_ARENA_SLOTS		64

/* What is known of a slot beside its key; in ordinary memory. */
typedef struct LgSlot
{
	bool		used;
	uint32		key_id;
	int32		list_no;
	uint8		wrapped[LG_WRAPPED_BYTES];	/* what the key was unwrapped from */
	uint64		last_use;
	LgListKeys *keys;			/* in the arena */
} LgSlot;

extern LgSlot *lg_arena_find(uint32 key_id);
extern LgSlot *lg_arena_take(void);
extern void lg_arena_drop(LgSlot *slot);
extern void lg_arena_drop_lists(void);
extern LgIndexKeys *lg_arena_index_keys(void);

#endif							/* LG_ARENA_H */
