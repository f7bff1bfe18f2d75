/*-------------------------------------------------------------------------
 *
 * listkey.c
 *		SQL functions about the keys of lists: a new one.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "fmgr.h"

#include "key/keyring.h"

PG_FUNCTION_INFO_V1(listguard_create_key);

/*
 * listguard_create_key
 *		_create_key(list_no): a new key's row in this transaction; its id.
 */
Datum
listguard_create_key(PG_FUNCTION_ARGS)
{
	lg_require_preload();
	PG_RETURN_INT64((int64) lg_key_create(PG_GETARG_INT32(0)));
}
