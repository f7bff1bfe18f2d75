/*-------------------------------------------------------------------------
 *
 * carry.c
 *		What export_keys() and import_keys() need of the root key.
 *
 * Every key in an export is wrapped under one root key, which the export names,
 * and the whole is sealed under a subkey of that root: a line that was left
 * out, added or altered is found before any is read.  docs/formats.md has the
 * format; its lines are made and taken apart by sql/install/42_root.sql.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "fmgr.h"
#include "utils/builtins.h"

#include "common/kdf.h"
#include "errcodes.h"
#include "key/keyadmin.h"
#include "key/keyring.h"
#include "key/keyrow.h"
#include "key/rootkey.h"

#define FIRST_LINE		"listguard-keys 1\n"
#define ROOT_LINE		"root "
#define SEAL_LINE		"seal "
#define SEAL_BYTES		32
#define ROOT_HEX		(2 * LG_ROOT_ID_BYTES)
#define SEAL_HEX		(2 * SEAL_BYTES)

PG_FUNCTION_INFO_V1(listguard_current_root_id);
PG_FUNCTION_INFO_V1(listguard_rewrap_key);
PG_FUNCTION_INFO_V1(listguard_same_key);
PG_FUNCTION_INFO_V1(listguard_seal_keys);
PG_FUNCTION_INFO_V1(listguard_open_keys);

/* A bytea argument of a fixed length. */
static const uint8 *
bytes_arg(FunctionCallInfo fcinfo, int n, Size len, const char *what)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(n);

	if (VARSIZE_ANY_EXHDR(bytes) != len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("%s must have %zu bytes", what, len)));
	return (const uint8 *) VARDATA_ANY(bytes);
}

static bytea *
make_bytes(Size len)
{
	bytea	   *out = palloc(VARHDRSZ + len);

	SET_VARSIZE(out, VARHDRSZ + len);
	return out;
}

/* Arguments 0 to 3: kind, keyset, list number, key id or epoch. */
static void
context_args(FunctionCallInfo fcinfo, LgWrapContext *ctx)
{
	char	   *kind = text_to_cstring(PG_GETARG_TEXT_PP(0));

	memset(ctx, 0, sizeof(*ctx));
	ctx->kind = strcmp(kind, "index") == 0 ? LG_WRAP_INDEX : LG_WRAP_LIST;
	memcpy(ctx->keyset, bytes_arg(fcinfo, 1, LG_KEYSET_BYTES, "keyset id"), LG_KEYSET_BYTES);
	ctx->list_no = (uint32) PG_GETARG_INT32(2);
	ctx->key_id = (uint32) PG_GETARG_INT64(3);
}

/*
 * listguard_current_root_id
 *		_current_root_id() -> bytea; LG004 if there is no current root key.
 */
Datum
listguard_current_root_id(PG_FUNCTION_ARGS)
{
	bytea	   *out = make_bytes(LG_ROOT_ID_BYTES);
	uint8		root[LG_KEY_BYTES];

	lg_rootkey_get(root, NULL);
	lg_root_id((uint8 *) VARDATA(out), root);
	sodium_memzero(root, sizeof(root));
	PG_RETURN_BYTEA_P(out);
}

/*
 * listguard_rewrap_key
 *		_rewrap_key(kind, keyset, list_no, id, wrapped, root_id) -> bytea: the
 *		same key under the root key named.  LG004 where no loaded root opens it.
 */
Datum
listguard_rewrap_key(PG_FUNCTION_ARGS)
{
	bytea	   *out = make_bytes(LG_WRAPPED_BYTES);
	const uint8 *wrapped = bytes_arg(fcinfo, 4, LG_WRAPPED_BYTES, "wrapped key");
	uint8		root[LG_KEY_BYTES];
	LgWrapContext ctx;

	context_args(fcinfo, &ctx);
	lg_rootkey_get(root, bytes_arg(fcinfo, 5, LG_ROOT_ID_BYTES, "root key id"));
	PG_TRY();
	{
		lg_key_rewrap((uint8 *) VARDATA(out), &ctx, wrapped, root);
	}
	PG_FINALLY();
	{
		sodium_memzero(root, sizeof(root));
	}
	PG_END_TRY();
	PG_RETURN_BYTEA_P(out);
}

/*
 * listguard_same_key
 *		_same_key(kind, keyset, list_no, id, one, other) -> boolean: do two wrapped
 *		forms hold the same key?  LG004 where one cannot be opened.
 */
Datum
listguard_same_key(PG_FUNCTION_ARGS)
{
	uint8		one[LG_KEY_BYTES];
	uint8		other[LG_KEY_BYTES];
	LgWrapContext ctx;
	volatile bool same = false;

	context_args(fcinfo, &ctx);
	PG_TRY();
	{
		lg_key_unwrap_or_fail(one, &ctx, bytes_arg(fcinfo, 4, LG_WRAPPED_BYTES, "wrapped key"));
		lg_key_unwrap_or_fail(other, &ctx, bytes_arg(fcinfo, 5, LG_WRAPPED_BYTES, "wrapped key"));
		same = sodium_memcmp(one, other, LG_KEY_BYTES) == 0;
	}
	PG_FINALLY();
	{
		sodium_memzero(one, sizeof(one));
		sodium_memzero(other, sizeof(other));
	}
	PG_END_TRY();
	PG_RETURN_BOOL(same);
}

static void
root_not_here(const uint8 root_id[LG_ROOT_ID_BYTES])
{
	char		hex[ROOT_HEX + 1];

	sodium_bin2hex(hex, sizeof(hex), root_id, LG_ROOT_ID_BYTES);
	ereport(ERROR,
			(errcode(ERRCODE_LG_KEY),
			 errmsg("the root key of this export is not loaded"),
			 errdetail("Its keys are wrapped under root key %s. Nothing was imported.", hex),
			 errhint("Set that root key as listguard.root_key_file_old or listguard.root_key_command_old, call listguard.reload_root_key(), and try again.")));
}

/*
 * make_seal
 *		BLAKE2b-256 of the lines, keyed with a subkey of the root key named.
 */
static void
make_seal(uint8 out[SEAL_BYTES], const char *lines, Size len, const uint8 root_id[LG_ROOT_ID_BYTES])
{
	uint8		root[LG_KEY_BYTES];
	uint8		key[LG_KEY_BYTES];
	int			rc;

	if (!lg_rootkey_find(root, root_id))
		root_not_here(root_id);
	lg_kdf_subkey(key, root, "listguard v1 key export");
	rc = crypto_generichash_blake2b(out, SEAL_BYTES, (const uint8 *) lines, len, key, sizeof(key));
	sodium_memzero(root, sizeof(root));
	sodium_memzero(key, sizeof(key));
	if (rc != 0)
		elog(ERROR, "export of keys could not be sealed");
}

/*
 * root_of
 *		Id of the root key that the second line names; false if it does not.
 */
static bool
root_of(uint8 root_id[LG_ROOT_ID_BYTES], const char *text, Size len)
{
	const char *line = text + strlen(FIRST_LINE);
	Size		n = 0;

	return len > strlen(FIRST_LINE) + strlen(ROOT_LINE) + ROOT_HEX &&
		memcmp(text, FIRST_LINE, strlen(FIRST_LINE)) == 0 &&
		memcmp(line, ROOT_LINE, strlen(ROOT_LINE)) == 0 &&
		line[strlen(ROOT_LINE) + ROOT_HEX] == '\n' &&
		sodium_hex2bin(root_id, LG_ROOT_ID_BYTES, line + strlen(ROOT_LINE), ROOT_HEX, NULL, &n, NULL) == 0 &&
		n == LG_ROOT_ID_BYTES;
}

/*
 * listguard_seal_keys
 *		_seal_keys(lines) -> text: the lines with their seal.
 */
Datum
listguard_seal_keys(PG_FUNCTION_ARGS)
{
	char	   *lines = text_to_cstring(PG_GETARG_TEXT_PP(0));
	uint8		root_id[LG_ROOT_ID_BYTES];
	uint8		seal[SEAL_BYTES];
	char		hex[SEAL_HEX + 1];

	if (!root_of(root_id, lines, strlen(lines)))
		elog(ERROR, "these are no lines of an export of keys");
	make_seal(seal, lines, strlen(lines), root_id);
	sodium_bin2hex(hex, sizeof(hex), seal, sizeof(seal));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s" SEAL_LINE "%s\n", lines, hex)));
}

static void
not_an_export(const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("this is no complete export of keys"),
			 errdetail_internal("%s", detail)));
}

/*
 * listguard_open_keys
 *		_open_keys(export) -> text: the lines, once their seal is found right.
 *
 * 22P02 for anything that export_keys() has not returned just so; only white
 * space behind it is let pass.  LG004 without the root key that it names.
 */
Datum
listguard_open_keys(PG_FUNCTION_ARGS)
{
	char	   *given = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Size		tail = strlen(SEAL_LINE) + SEAL_HEX;
	Size		len = strlen(given);
	uint8		root_id[LG_ROOT_ID_BYTES];
	uint8		seal[SEAL_BYTES];
	uint8		wanted[SEAL_BYTES];
	Size		n = 0;

	while (len > 0 && strchr(" \t\r\n", given[len - 1]) != NULL)
		len--;
	if (!root_of(root_id, given, len))
		not_an_export("It does not begin as one.");
	if (len < strlen(FIRST_LINE) + tail || given[len - tail - 1] != '\n' ||
		memcmp(given + len - tail, SEAL_LINE, strlen(SEAL_LINE)) != 0 ||
		sodium_hex2bin(seal, sizeof(seal), given + len - SEAL_HEX, SEAL_HEX, NULL, &n, NULL) != 0 || n != SEAL_BYTES)
		not_an_export("It does not end as one.");
	make_seal(wanted, given, len - tail, root_id);
	if (sodium_memcmp(seal, wanted, SEAL_BYTES) != 0)
		not_an_export("Something was altered, added or left out.");
	PG_RETURN_TEXT_P(cstring_to_text_with_len(given, (int) (len - tail)));
}
