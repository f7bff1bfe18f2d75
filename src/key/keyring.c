/*-------------------------------------------------------------------------
 *
 * keyring.c
 *		Keyset, index keys and list keys of this database, as one backend
 *		holds them.
 *
 * What the tables say is cached until the registry changes; unwrapped keys
 * stay in the arena beyond that, but are used again only after their row has
 * been found unchanged, so that a shredded key is gone with the registry's
 * next generation.  The common case, the same key as before in the same
 * generation, costs two comparisons.
 *
 * Private to the backend: no locks.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "access/xlog.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "errcodes.h"
#include "key/arena.h"
#include "key/keyring.h"
#include "key/keyrow.h"
#include "key/shred.h"
#include "policy/registry.h"

/* Rows remembered at most; beyond that all are forgotten and read again. */
#define MAX_ROWS	16384

/* What is known of the registry's generation "generation". */
static struct
{
	bool		valid;
	uint64		generation;
	HTAB	   *rows;			/* LgKeyRow by key id */
	bool		keyset_read;
	bool		has_keyset;
	uint8		keyset[LG_KEYSET_BYTES];
	bool		stored_read;
	bool		has_stored;
	uint8		stored[LG_KEYSET_BYTES];
	int32		default_list;	/* 0: not read */
	bool		index_ready;	/* the arena's index keys are of this generation */
	int32		last_list;		/* list that last_list_key seals; 0: none */
	LgKey		last;			/* key used last; key_id 0: none */
	int32		other_list;		/* the same of the key used before that one: a */
	LgKey		other;			/* look-up seals its argument under one and opens the other */
} cache;

static uint64 slots_taken = 0;	/* in the arena: the other key's may have been it */

static uint8 index_wrapped[LG_WRAPPED_BYTES];	/* what the arena's index keys came from */
static bool index_unwrapped = false;

static HTAB *
make_rows(void)
{
	HASHCTL		ctl;

	memset(&ctl, 0, sizeof(ctl));
	ctl.keysize = sizeof(uint32);
	ctl.entrysize = sizeof(LgKeyRow);
	ctl.hcxt = TopMemoryContext;
	return hash_create("listguard key rows", 64, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
forget(void)
{
	HTAB	   *rows = cache.rows;
	HASH_SEQ_STATUS scan;
	LgKeyRow   *row;

	memset(&cache, 0, sizeof(cache));
	if (rows == NULL)
		return;
	hash_seq_init(&scan, rows);
	while ((row = hash_seq_search(&scan)) != NULL)
		sodium_memzero(row->wrapped, LG_WRAPPED_BYTES);
	hash_destroy(rows);
}

/*
 * refresh
 *		Forget what a former generation of the registry said.
 *
 * The generation is noted before anything is read: should it change while we
 * read, the next call forgets again.
 */
static void
refresh(void)
{
	lg_shred_check();
	if (cache.valid && cache.generation == lg_registry_generation)
		return;
	lg_require_preload();
	lg_registry_install();
	lg_shred_register();
	forget();
	/* nobody raises the epoch here: what was destroyed on the primary comes as any other change of the registry */
	if (RecoveryInProgress())
		lg_arena_drop_lists();
	cache.rows = make_rows();
	cache.generation = lg_registry_generation;
	cache.valid = true;
}

/*
 * key_row
 *		The row of a key id, from the cache or the table.
 *
 * That there is no row is not remembered: any number may come with an armour.
 */
static const LgKeyRow *
key_row(uint32 key_id)
{
	static LgKeyRow fresh;
	LgKeyRow   *row;

	row = hash_search(cache.rows, &key_id, HASH_FIND, NULL);
	if (row != NULL)
		return row;
	lg_key_row_read(&fresh, key_id);
	if (!fresh.exists)
		return &fresh;
	if (hash_get_num_entries(cache.rows) >= MAX_ROWS)
	{
		forget();
		refresh();
	}
	row = hash_search(cache.rows, &key_id, HASH_ENTER, NULL);
	*row = fresh;
	return row;
}

bool
lg_keyset_id(uint8_t out[LG_KEYSET_BYTES])
{
	refresh();
	if (!cache.keyset_read)
	{
		cache.has_keyset = lg_keyset_row_read("keyset", cache.keyset);
		cache.keyset_read = true;
	}
	if (cache.has_keyset)
		memcpy(out, cache.keyset, LG_KEYSET_BYTES);
	return cache.has_keyset;
}

/*
 * lg_keyset_of_values
 *		Id of the keyset that this database's values belong to: its own, or that
 *		of values which were replicated without keys; false if none is known.
 */
bool
lg_keyset_of_values(uint8_t out[LG_KEYSET_BYTES])
{
	if (lg_keyset_id(out))
		return true;
	if (!cache.stored_read)
	{
		cache.has_stored = lg_keyset_row_read("stored_keyset", cache.stored);
		cache.stored_read = true;
	}
	if (cache.has_stored)
		memcpy(out, cache.stored, LG_KEYSET_BYTES);
	return cache.has_stored;
}

/*
 * lg_key_no_keyset
 *		LG004: nothing has been protected in this database yet.
 */
void
lg_key_no_keyset(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_LG_KEY),
			 errmsg("this database has no keyset yet"),
			 errhint("Protect a table first, with listguard.protect().")));
}

/*
 * lg_key_unwrap_or_fail
 *		Unwrap with the root key that the wrapped form names; LG004 if it is not
 *		here or does not fit.
 */
void
lg_key_unwrap_or_fail(uint8 key[LG_KEY_BYTES], const LgWrapContext *ctx,
					  const uint8 wrapped[LG_WRAPPED_BYTES])
{
	uint8		root[LG_KEY_BYTES];
	LgStatus	status;

	lg_rootkey_get(root, wrapped + LG_WRAPPED_ROOT_ID);
	status = lg_key_unwrap(key, root, ctx, wrapped);
	sodium_memzero(root, sizeof(root));
	if (status != LG_OK)
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("key cannot be unwrapped"),
				 errdetail("The stored key was altered, or belongs to another keyset or list.")));
}

static void
context_for(LgWrapContext *ctx, uint8 kind, int32 list_no, uint32 key_id)
{
	memset(ctx, 0, sizeof(*ctx));
	if (!lg_keyset_id(ctx->keyset))
		lg_key_no_keyset();
	ctx->kind = kind;
	ctx->list_no = (uint32) list_no;
	ctx->key_id = key_id;
}

/*
 * unwrap_to_slot
 *		Put the key of a row into the arena.
 */
static LgSlot *
unwrap_to_slot(const LgKeyRow *row)
{
	uint8		key[LG_KEY_BYTES];
	LgWrapContext ctx;
	LgSlot	   *slot;
	LgStatus	status;

	context_for(&ctx, LG_WRAP_LIST, row->list_no, row->key_id);
	slots_taken++;
	slot = lg_arena_take();
	lg_key_unwrap_or_fail(key, &ctx, row->wrapped);
	status = lg_list_keys_derive(slot->keys, key);
	sodium_memzero(key, sizeof(key));
	if (status != LG_OK)
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("working keys cannot be derived")));
	slot->key_id = row->key_id;
	slot->list_no = row->list_no;
	memcpy(slot->wrapped, row->wrapped, LG_WRAPPED_BYTES);
	slot->used = true;
	return slot;
}

static void
shredded_or_unknown(uint32 key_id, bool shredded)
{
	ereport(ERROR,
			(errcode(ERRCODE_LG_KEY),
			 shredded ? errmsg("key %u has been destroyed", key_id) :
			 errmsg("key %u is not in this database", key_id),
			 shredded ? errdetail("Its list was shredded: what it sealed stays closed, rows may be deleted.") : 0,
			 shredded ? errhint("For new values listguard.rotate_list_key() gives the list a new key.") : 0));
}

/*
 * slot_for
 *		The key of a row in the arena, as that row has it now.
 */
static LgSlot *
slot_for(const LgKeyRow *row)
{
	LgSlot	   *slot = lg_arena_find(row->key_id);

	if (slot != NULL &&
		(row->shredded || memcmp(slot->wrapped, row->wrapped, LG_WRAPPED_BYTES) != 0))
	{
		lg_arena_drop(slot);
		slot = NULL;
	}
	if (row->shredded)
		shredded_or_unknown(row->key_id, true);
	return slot != NULL ? slot : unwrap_to_slot(row);
}

/* The key used before becomes the one used last. */
static const LgKey *
use_other(void)
{
	LgKey		last = cache.last;
	int32		last_list = cache.last_list;

	cache.last = cache.other;
	cache.last_list = cache.other_list;
	cache.other = last;
	cache.other_list = last_list;
	return &cache.last;
}

/*
 * lg_key_by_id
 *		The unwrapped key of a value.
 *
 * NULL where this database knows no such key and missing_ok, else LG004.  The
 * result is good until the next lg_key_* call.
 */
const LgKey *
lg_key_by_id(uint32 key_id, bool missing_ok)
{
	LgKeyRow	row;
	LgSlot	   *slot;
	uint64		generation;
	uint64		before;
	uint64		taken = slots_taken;
	LgKey		last;
	int32		last_list;

	refresh();
	if (key_id != 0 && cache.last.key_id == key_id)
		return &cache.last;
	if (key_id != 0 && cache.other.key_id == key_id)
		return use_other();
	last = cache.last;
	last_list = cache.last_list;
	before = cache.generation;
	/* Unwrapping reads tables: a key that is destroyed meanwhile must not stay here. */
	do
	{
		refresh();
		generation = lg_registry_generation;
		row = *key_row(key_id);
		if (!row.exists)
		{
			if (missing_ok)
				return NULL;
			shredded_or_unknown(key_id, false);
		}
		/* their slots may be the ones that give way */
		cache.last.key_id = cache.other.key_id = 0;
		slot = slot_for(&row);
		sodium_memzero(row.wrapped, LG_WRAPPED_BYTES);
		if (generation != lg_registry_generation)
			lg_arena_drop(slot);
	} while (generation != lg_registry_generation);
	cache.last.list_no = slot->list_no;
	cache.last.keys = slot->keys;
	cache.last.key_id = slot->key_id;
	cache.last_list = 0;
	if (taken == slots_taken && before == lg_registry_generation)
	{
		cache.other = last;
		cache.other_list = last_list;
	}
	return &cache.last;
}

/*
 * lg_key_for_list
 *		The key under which new values of a list are sealed; LG004 if none.
 */
const LgKey *
lg_key_for_list(int32 list_no)
{
	const LgList *list;
	const LgKey *key;

	refresh();
	if (list_no != 0 && cache.last_list == list_no && cache.last.key_id != 0)
		return &cache.last;
	if (list_no != 0 && cache.other_list == list_no && cache.other.key_id != 0)
		return use_other();
	list = lg_list_by_no(list_no);
	if (list == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("list %d is not in this database", list_no)));
	key = lg_key_by_id(list->key_id, false);
	if (key->list_no != list_no)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("key of list %d belongs to another list", list_no)));
	cache.last_list = list_no;
	return key;
}

int32
lg_key_list(uint32 key_id)
{
	const LgKeyRow *row;

	refresh();
	if (key_id != 0 && cache.last.key_id == key_id)
		return cache.last.list_no;
	row = key_row(key_id);
	return row->exists ? row->list_no : -1;
}

LgKeyState
lg_key_state(uint32 key_id)
{
	const LgKeyRow *row;

	refresh();
	if (key_id != 0 && cache.last.key_id == key_id)
		return LG_KEY_LIVE;
	row = key_row(key_id);
	if (!row->exists)
		return LG_KEY_UNKNOWN;
	return row->shredded ? LG_KEY_DESTROYED : LG_KEY_LIVE;
}

/*
 * lg_index_keys_here
 *		Does this database have an index key?  While a restore is under way, or
 *		where only replicated rows come in, it may have none.
 */
bool
lg_index_keys_here(void)
{
	uint8		wrapped[LG_WRAPPED_BYTES];
	uint8		keyset[LG_KEYSET_BYTES];

	refresh();
	return cache.index_ready || (lg_keyset_id(keyset) && lg_index_row_read(wrapped) != 0);
}

/*
 * lg_index_keys
 *		Token keys of the newest epoch; LG004 without keyset or root key.
 *
 * The result is good until the registry changes.
 */
const LgIndexKeys *
lg_index_keys(void)
{
	LgIndexKeys *keys;
	uint8		wrapped[LG_WRAPPED_BYTES];
	uint8		key[LG_KEY_BYTES];
	LgWrapContext ctx;
	int			epoch;

	refresh();
	keys = lg_arena_index_keys();
	if (cache.index_ready)
		return keys;
	epoch = lg_index_row_read(wrapped);
	if (epoch == 0)
		lg_key_no_keyset();
	if (!index_unwrapped || keys->epoch != epoch ||
		memcmp(wrapped, index_wrapped, LG_WRAPPED_BYTES) != 0)
	{
		context_for(&ctx, LG_WRAP_INDEX, 0, (uint32) epoch);
		index_unwrapped = false;
		lg_key_unwrap_or_fail(key, &ctx, wrapped);
		lg_index_keys_derive(keys, (uint8) epoch, key);
		sodium_memzero(key, sizeof(key));
		memcpy(index_wrapped, wrapped, LG_WRAPPED_BYTES);
		index_unwrapped = true;
	}
	cache.index_ready = true;
	return keys;
}

int32
lg_default_list(void)
{
	refresh();
	if (cache.default_list == 0)
		cache.default_list = lg_default_list_read();
	if (cache.default_list == 0)
		lg_key_no_keyset();
	return cache.default_list;
}
