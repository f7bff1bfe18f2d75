/*-------------------------------------------------------------------------
 *
 * keyring.h
 *		Root key, keyset and list keys as the server holds them.
 *
 * Root key: rootkey.c, in a segment shared by inheritance and kept out of core
 * dumps.  List and index keys: unwrapped once per backend into one guarded
 * arena (arena.c) with a bounded LRU.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_KEYRING_H
#define LG_KEYRING_H

#include "listguard.h"
#include "common/value.h"

/* ---- rootkey.c ---- */

/* The launcher calls this: reads the current and the old root, fills the segment.  LOGs why not. */
extern bool lg_rootkey_load(void);
/* Copies the root whose id is given (NULL: the current one) into out; LG004 if it cannot be had.  Caller wipes. */
extern void lg_rootkey_get(uint8_t out[LG_KEY_BYTES], const uint8_t *root_id);
/* False, raising nothing, where it cannot be had now. */
extern bool lg_rootkey_available(void);
/* False while a root key that the settings name is missing: the launcher tries again. */
extern bool lg_rootkey_complete(void);

/* ---- usage.c ---- */

/* In a worker: which roots the keys of this database need, for root_key_usage(). */
extern void lg_root_usage_answer(char *out, Size size);

/* ---- keyring.c ---- */

/* An unwrapped key in the arena.  Pointers are valid until the next lg_key_* call. */
typedef struct LgKey
{
	uint32		key_id;
	int32		list_no;
	LgListKeys *keys;
} LgKey;

/* NULL where this database knows no such key (missing_ok) else LG004; a shredded key is LG004. */
extern const LgKey *lg_key_by_id(uint32 key_id, bool missing_ok);
/* Current sealing key of a list; LG004 if there is none. */
extern const LgKey *lg_key_for_list(int32 list_no);
/* Which list a key seals, without unwrapping; -1 if unknown here. Leakproof-cheap: cached. */
extern int32 lg_key_list(uint32 key_id);

typedef enum LgKeyState
{
	LG_KEY_UNKNOWN,				/* not in this database (yet) */
	LG_KEY_LIVE,
	LG_KEY_DESTROYED			/* the row is there, the key is not */
} LgKeyState;

/* What became of a key, without unwrapping it; raises nothing, cached. */
extern LgKeyState lg_key_state(uint32 key_id);
/* Does the database have an index key? */
extern bool lg_index_keys_here(void);
/* LG004 if the database has no keyset yet (HINT: protect a table first). */
extern const LgIndexKeys *lg_index_keys(void);
/* False if the database has no keyset yet. */
extern bool lg_keyset_id(uint8_t out[LG_KEYSET_BYTES]);
/* The same, or that of values that were replicated without their keys. */
extern bool lg_keyset_of_values(uint8_t out[LG_KEYSET_BYTES]);
/* For the worker: note the latter, in hex. */
extern void lg_keyset_note_in_worker(const char *hex);
/* Number of the default list '-', LG004 if no keyset. */
extern int32 lg_default_list(void);

/*
 * In the current transaction: keyset, index key, default list with its key, if
 * the database has none.  Takes SHARE ROW EXCLUSIVE on listguard.keyset.
 */
extern void lg_keyset_ensure(void);
/* In the current transaction: new random key for a list, wrapped row inserted; returns its id. */
extern uint32 lg_key_create(int32 list_no);

#endif							/* LG_KEYRING_H */
