/*-------------------------------------------------------------------------
 *
 * keyfn.c
 *		SQL functions about keys.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "audit/audit.h"
#include "errcodes.h"
#include "key/keyadmin.h"
#include "key/keyring.h"
#include "key/rootkey.h"
#include "policy/registry.h"

#define CHECK_COLUMNS	5

PG_FUNCTION_INFO_V1(listguard_reload_root_key);
PG_FUNCTION_INFO_V1(listguard_check_root_key);

void
lg_key_require_admin(const char *function)
{
	lg_require_preload();
	if (!lg_is_admin(GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", function)));
}

/*
 * listguard_reload_root_key
 *		reload_root_key(): read the root key again, now.
 *
 * LG004 if that fails; the reason is in the server log only, and a root key
 * that was there stays.
 */
Datum
listguard_reload_root_key(PG_FUNCTION_ARGS)
{
	LgEvent		ev;
	bool		loaded;

	lg_key_require_admin("reload_root_key");
	loaded = lg_rootkey_load();
	lg_event_init(&ev, LG_EV_KEY, loaded ? LG_OUT_OK : LG_OUT_REFUSED);
	ev.detail = "{\"root key\": \"reload\"}";
	lg_audit_event(&ev, LG_SYNCED, NULL);
	if (!loaded)
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("could not load the root key"),
				 errdetail("The server log says why.")));
	PG_RETURN_VOID();
}

/*
 * opens
 *		Does a root key that is loaded open this wrapped key?
 */
static bool
opens(const LgWrapContext *ctx, const uint8 wrapped[LG_WRAPPED_BYTES])
{
	uint8		root[LG_KEY_BYTES];
	uint8		key[LG_KEY_BYTES];
	LgStatus	status;

	if (!lg_rootkey_find(root, wrapped + LG_WRAPPED_ROOT_ID))
		return false;
	status = lg_key_unwrap(key, root, ctx, wrapped);
	sodium_memzero(root, sizeof(root));
	sodium_memzero(key, sizeof(key));
	return status == LG_OK;
}

/*
 * put_row
 *		One row of check_root_key().  wrapped is NULL for a destroyed key.
 */
static void
put_row(const LgWrapContext *ctx, const uint8 *wrapped, void *arg)
{
	ReturnSetInfo *rsinfo = arg;
	bool		is_index = ctx->kind == LG_WRAP_INDEX;
	Datum		values[CHECK_COLUMNS] = {0};
	bool		nulls[CHECK_COLUMNS] = {0};

	values[0] = CStringGetTextDatum(is_index ? "index" : "list");
	values[1] = Int64GetDatum((int64) ctx->key_id);
	values[2] = Int32GetDatum((int32) ctx->list_no);
	nulls[2] = is_index;
	nulls[3] = wrapped == NULL;
	if (wrapped != NULL)
	{
		bytea	   *id = palloc(VARHDRSZ + LG_ROOT_ID_BYTES);

		SET_VARSIZE(id, VARHDRSZ + LG_ROOT_ID_BYTES);
		memcpy(VARDATA(id), wrapped + LG_WRAPPED_ROOT_ID, LG_ROOT_ID_BYTES);
		values[3] = PointerGetDatum(id);
	}
	values[4] = BoolGetDatum(wrapped != NULL && opens(ctx, wrapped));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * listguard_check_root_key
 *		check_root_key(): which keys of this database the loaded roots open.
 *
 * LG004 if no root key is loaded: "none opens" would be another finding.
 */
Datum
listguard_check_root_key(PG_FUNCTION_ARGS)
{
	uint8		keyset[LG_KEYSET_BYTES];
	uint8		root[LG_KEY_BYTES];

	lg_key_require_admin("check_root_key");
	lg_rootkey_get(root, NULL);
	sodium_memzero(root, sizeof(root));
	InitMaterializedSRF(fcinfo, 0);
	if (lg_keyset_id(keyset))
	{
		lg_keys_visit(LG_WRAP_INDEX, keyset, put_row, fcinfo->resultinfo);
		lg_keys_visit(LG_WRAP_LIST, keyset, put_row, fcinfo->resultinfo);
	}
	PG_RETURN_VOID();
}
