/*-------------------------------------------------------------------------
 *
 * keymake.c
 *		New keys: the keyset with its index key and default list, and the key
 *		of one list.
 *
 * Rows are inserted in the current transaction.  Which transaction that is,
 * the session's or the worker's, is policy/registry.c's decision.
 *
 * Locking: the keyset is made under SHARE ROW EXCLUSIVE on listguard.keyset,
 * so that two first protects cannot make two.  Before a key is wrapped its
 * table is locked as an INSERT locks it: rotate_root_key() either waits for the
 * row or is over, and then the root taken here is the new one.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"

#include "audit/audit.h"
#include "errcodes.h"
#include "key/keyring.h"
#include "key/keyrow.h"
#include "policy/home.h"
#include "policy/policy.h"
#include "policy/registry.h"

#define MAX_ID_TRIES	16

/*
 * insert_row
 *		Run one INSERT of ours as the extension's owner.
 *
 * The caller's own rights and search path have no part in it.
 */
static void
insert_row(const char *sql, int nargs, Oid *types, Datum *values)
{
	Oid			save_user;
	int			save_context;

	GetUserIdAndSecContext(&save_user, &save_context);
	SetUserIdAndSecContext(lg_extension_owner(),
						   save_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	lg_internal_enter();
	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute_with_args(sql, nargs, types, values, NULL, false, 0) != SPI_OK_INSERT ||
		SPI_processed != 1)
		elog(ERROR, "could not insert a key row");
	SPI_finish();
	lg_internal_leave();
	SetUserIdAndSecContext(save_user, save_context);
	CommandCounterIncrement();
}

static Datum
bytes_datum(const uint8 *bytes, Size len)
{
	bytea	   *out = palloc(VARHDRSZ + len);

	SET_VARSIZE(out, VARHDRSZ + len);
	memcpy(VARDATA(out), bytes, len);
	return PointerGetDatum(out);
}

/* A row under the root of this moment is going to be inserted: rotation waits. */
static void
hold_off_rotation(const char *table)
{
	LockRelationOid(lg_relation_oid(table), RowExclusiveLock);
}

/*
 * wrap_new
 *		A new random key, wrapped under the current root; only the wrapped form
 *		is given out.
 */
static void
wrap_new(uint8 wrapped[LG_WRAPPED_BYTES], const LgWrapContext *ctx)
{
	uint8		root[LG_KEY_BYTES];
	uint8		key[LG_KEY_BYTES];
	LgStatus	status;

	lg_rootkey_get(root, NULL);
	randombytes_buf(key, sizeof(key));
	status = lg_key_wrap(wrapped, root, ctx, key);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(root, sizeof(root));
	if (status != LG_OK)
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("key cannot be wrapped")));
}

/*
 * record_key
 *		Put the making of a key on record.
 */
static void
record_key(int32 list_no, uint32 key_id, const char *what)
{
	LgEvent		ev;

	lg_event_init(&ev, LG_EV_KEY, LG_OUT_OK);
	if (list_no != 0)
	{
		ev.n_lists = 1;
		ev.lists[0] = list_no;
	}
	ev.detail = psprintf("{\"made\": \"%s\", \"id\": %u}", what, key_id);
	lg_audit_event(&ev, LG_WRITTEN, NULL);
}

/*
 * unused_key_id
 *		A random key id that this database has not used.
 */
static uint32
unused_key_id(void)
{
	for (int i = 0; i < MAX_ID_TRIES; i++)
	{
		LgKeyRow	row;
		uint32		id;

		randombytes_buf(&id, sizeof(id));
		if (id == 0)
			continue;
		lg_key_row_read(&row, id);
		if (!row.exists)
			return id;
	}
	elog(ERROR, "no unused key id found");
	return 0;
}

/*
 * lg_key_create
 *		Make a key for a list and insert its row; returns its id.
 *
 * The caller makes it the list's sealing key.  LG004 without keyset or root.
 */
uint32
lg_key_create(int32 list_no)
{
	Oid			types[] = {INT8OID, INT4OID, BYTEAOID};
	Datum		values[3];
	uint8		wrapped[LG_WRAPPED_BYTES];
	LgWrapContext ctx;

	memset(&ctx, 0, sizeof(ctx));
	if (!lg_keyset_id(ctx.keyset))
		lg_key_no_keyset();
	ctx.kind = LG_WRAP_LIST;
	ctx.list_no = (uint32) list_no;
	hold_off_rotation("key");
	ctx.key_id = unused_key_id();
	wrap_new(wrapped, &ctx);

	values[0] = Int64GetDatum((int64) ctx.key_id);
	values[1] = Int32GetDatum(list_no);
	values[2] = bytes_datum(wrapped, LG_WRAPPED_BYTES);
	insert_row("INSERT INTO listguard.key (key_id, list_no, wrapped) VALUES ($1, $2, $3)",
			   3, types, values);
	record_key(list_no, ctx.key_id, "list key");
	return ctx.key_id;
}

static void
make_keyset(void)
{
	Oid			types[] = {BYTEAOID};
	Datum		values[1];
	uint8		id[LG_KEYSET_BYTES];

	randombytes_buf(id, sizeof(id));
	values[0] = bytes_datum(id, sizeof(id));
	insert_row("INSERT INTO listguard.keyset (id) VALUES ($1)", 1, types, values);
}

/*
 * lg_keyset_note_in_worker
 *		Note what replicated values belong to, where there is no keyset: 32 hex
 *		digits.  The first note stays.
 */
void
lg_keyset_note_in_worker(const char *hex)
{
	Oid			types[] = {TEXTOID};
	Datum		values[1];

	values[0] = CStringGetTextDatum(hex);
	(void) lg_registry_execute("INSERT INTO listguard.stored_keyset (id) VALUES (pg_catalog.decode($1, 'hex'))"
							   " ON CONFLICT DO NOTHING", 1, types, values);
}

static void
make_index_key(void)
{
	Oid			types[] = {INT2OID, BYTEAOID};
	Datum		values[2];
	uint8		wrapped[LG_WRAPPED_BYTES];
	LgWrapContext ctx;

	memset(&ctx, 0, sizeof(ctx));
	if (!lg_keyset_id(ctx.keyset))
		elog(ERROR, "keyset is not visible to the transaction that made it");
	ctx.kind = LG_WRAP_INDEX;
	ctx.key_id = 1;
	hold_off_rotation("index_key");
	wrap_new(wrapped, &ctx);
	values[0] = Int16GetDatum(1);
	values[1] = bytes_datum(wrapped, LG_WRAPPED_BYTES);
	insert_row("INSERT INTO listguard.index_key (epoch, wrapped) VALUES ($1, $2)",
			   2, types, values);
	record_key(0, 1, "index key");
}

/*
 * lg_keyset_ensure
 *		Make keyset, index key and default list, if the database has none.
 *
 * The root key is asked for first, so that LG004 comes before anything is
 * written.  The lock is kept to the end of the transaction.
 */
void
lg_keyset_ensure(void)
{
	uint8		keyset[LG_KEYSET_BYTES];
	uint8		root[LG_KEY_BYTES];
	Oid			relid;

	lg_require_preload();
	if (lg_keyset_id(keyset))
		return;
	lg_rootkey_get(root, NULL);
	sodium_memzero(root, sizeof(root));

	relid = lg_relation_oid("keyset");
	LockRelationOid(relid, ShareRowExclusiveLock);
	if (lg_keyset_row_read("keyset", keyset))
		return;
	make_keyset();
	make_index_key();
	(void) lg_list_create(NULL, NULL);
	lg_home_make();
}
