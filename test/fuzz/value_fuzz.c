/*-------------------------------------------------------------------------
 *
 * value_fuzz.c
 *		libFuzzer harness: parse and open of values, decode of armour, unwrap.
 *
 * Beside memory errors it looks for two spellings: an armour that is accepted
 * must be the one that encoding gives again, and a view must account for
 * every byte of its value.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "common/aead.h"

static LgListKeys *keys;
static const uint8_t fixed_key[LG_KEY_BYTES] = {1, 2, 3};

static void
require(bool good)
{
	if (!good)
		abort();
}

static void
try_value(const uint8_t *data, size_t size)
{
	LgValueView view;
	char	   *out;
	size_t		len;

	if (lg_value_parse(&view, data, size) != LG_OK)
		return;
	require(view.header == data && view.nonce == data + view.header_len &&
			view.body == view.nonce + view.nonce_len && view.body + view.body_len == data + size);
	out = malloc(lg_value_text_bound(&view));
	if (lg_value_open(out, &len, keys, &view) == LG_OK)
		require(len < lg_value_text_bound(&view));
	free(out);
}

/* Seal the data, and see that it opens. */
static void
try_seal(const uint8_t *data, size_t size)
{
	LgSealInput in = {0};
	LgValueView view;
	uint8_t    *value;
	char	   *out;
	size_t		value_len;
	size_t		len;

	if (size < 20)
		return;
	in.alg = 1 + data[0] % 2;
	in.type = 1 + data[1] % 2;
	in.epoch = data[2];
	in.key_id = data[3];
	in.token = data + 4;
	in.text = (const char *) data + 20;
	in.text_len = size - 20;
	value_len = lg_value_sealed_size(&in);
	value = malloc(value_len);
	require(lg_value_seal(value, value_len, keys, &in) == LG_OK);
	require(lg_value_parse(&view, value, value_len) == LG_OK);
	out = malloc(lg_value_text_bound(&view));
	require(lg_value_open(out, &len, keys, &view) == LG_OK && len == in.text_len &&
			memcmp(out, in.text, len) == 0);
	free(out);
	free(value);
}

static void
try_armour(const uint8_t *data, size_t size)
{
	uint8_t    *value = malloc(size * 3 / 4 + 1);
	uint8_t		keyset[LG_KEYSET_BYTES];
	LgValueView view;
	size_t		len;

	if (lg_armour_decode(value, &len, keyset, NULL, (const char *) data, size) == LG_OK)
	{
		char	   *again;
		size_t		n;

		require(lg_value_parse(&view, value, len) == LG_OK);
		n = lg_armour_size(&view, len, LG_ARMOUR_FULL);
		again = malloc(n);
		require(n == size + 1 &&
				lg_armour_encode(again, n, LG_ARMOUR_FULL, keyset, value, len) == LG_OK &&
				memcmp(again, data, size) == 0);
		free(again);
	}
	free(value);
}

/*
 * The checksum stops nearly everything, so let the fuzzer write the bytes
 * behind it too: armour what parses, and take it back.
 */
static void
try_armour_trip(const uint8_t *data, size_t size)
{
	LgValueView view;
	char	   *text;
	uint8_t    *back;
	uint8_t		keyset[LG_KEYSET_BYTES];
	size_t		n;
	size_t		len;

	if (lg_value_parse(&view, data, size) != LG_OK)
		return;
	for (uint8_t kind = LG_ARMOUR_FULL; kind <= LG_ARMOUR_NO_TOKEN; kind++)
	{
		LgStatus	status;

		n = lg_armour_size(&view, size, kind);
		text = malloc(n);
		back = malloc(n);
		require(lg_armour_encode(text, n, kind, fixed_key, data, size) == LG_OK);
		status = lg_armour_decode(back, &len, keyset, fixed_key, text, n - 1);
		if (kind == LG_ARMOUR_FULL)
			require(status == LG_OK && len == size && memcmp(back, data, size) == 0);
		else
			require(status == LG_ERR_SYNTAX);
		free(text);
		free(back);
	}
}

static void
try_unwrap(const uint8_t *data, size_t size)
{
	LgWrapContext ctx;
	uint8_t		key[LG_KEY_BYTES];

	if (size != LG_WRAPPED_BYTES)
		return;
	memset(&ctx, 0, sizeof(ctx));
	ctx.kind = data[1];
	require(lg_key_unwrap(key, fixed_key, &ctx, data) != LG_OK);
}

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (keys == NULL)
	{
		void	   *p = NULL;

		require(lg_crypto_init() == LG_OK && posix_memalign(&p, 64, lg_list_keys_size()) == 0);
		keys = p;
		require(lg_list_keys_derive(keys, fixed_key) == LG_OK);
	}
	try_value(data, size);
	try_seal(data, size);
	try_armour(data, size);
	try_armour_trip(data, size);
	try_unwrap(data, size);
	return 0;
}
