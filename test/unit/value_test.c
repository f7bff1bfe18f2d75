/*-------------------------------------------------------------------------
 *
 * value_test.c
 *		Sealed values, tokens, armour and wrapped keys: properties, and the
 *		frozen vectors of an independent implementation.
 *
 * usage: value_test [vectors]		(default test/vectors/value.json)
 *
 *-------------------------------------------------------------------------
 */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aead.h"
#include "common/kdf.h"
#include "common/text64.h"
#include "common/token.h"
#include "tap.h"

#define LARGE_TEXT		(1024 * 1024 + 7)
#define N_NONCES		10000000

static LgListKeys *keys;
static LgListKeys *other_keys;
static LgIndexKeys index_keys;
static char *large;
static uint8_t *sealed_buf;
static char *opened_buf;
static uint8_t keyset[LG_KEYSET_BYTES];
static uint8_t token[LG_TOKEN_BYTES];
static uint8_t domain_token[LG_DOMAIN_TOKEN_BYTES];

static LgListKeys *
alloc_keys(void)
{
	void	   *p = NULL;

	if (posix_memalign(&p, 64, lg_list_keys_size()) != 0)
		abort();
	return p;
}

static LgListKeys *
derive(const char *seed)
{
	uint8_t		key[LG_KEY_BYTES];
	LgListKeys *out = alloc_keys();

	crypto_generichash(key, sizeof(key), (const uint8_t *) seed, strlen(seed), NULL, 0);
	if (lg_list_keys_derive(out, key) != LG_OK)
		abort();
	return out;
}

/* Input number shape: 0 email, 1 email with domain token, 2 look-up, 3 text. */
static LgSealInput
input(int shape, uint8_t alg, const char *text, size_t len)
{
	LgSealInput in = {0};

	in.type = shape <= 1 ? LG_TYPE_EMAIL : shape == 2 ? LG_TYPE_LOOKUP : LG_TYPE_TEXT;
	in.alg = alg;
	in.key_id = 0x12345678;
	in.token = shape < 3 ? token : NULL;
	in.epoch = shape < 3 ? 1 : 0;
	in.domain_token = shape == 1 ? domain_token : NULL;
	in.text = text;
	in.text_len = len;
	return in;
}

static size_t
seal(const LgSealInput *in)
{
	size_t		size = lg_value_sealed_size(in);

	if (size == 0 || lg_value_seal(sealed_buf, size, keys, in) != LG_OK)
		return 0;
	return size;
}

static LgStatus
reopen(const LgListKeys *with, const uint8_t *value, size_t size, size_t *len)
{
	LgValueView view;
	LgStatus	status = lg_value_parse(&view, value, size);

	*len = 0;
	if (status != LG_OK)
		return status;
	return lg_value_open(opened_buf, len, with, &view);
}

static bool
round_trip(const LgSealInput *in)
{
	size_t		size = seal(in);
	size_t		len;
	LgValueView view;

	if (size == 0 || lg_value_parse(&view, sealed_buf, size) != LG_OK)
		return false;
	if (view.alg != (in->alg ? in->alg : lg_crypto_best_alg()) || view.type != in->type ||
		view.epoch != in->epoch || view.key_id != in->key_id ||
		lg_value_text_bound(&view) < in->text_len ||
		(view.token == NULL) != (in->token == NULL) ||
		(in->token && memcmp(view.token, in->token, LG_TOKEN_BYTES) != 0) ||
		(view.domain_token == NULL) != (in->domain_token == NULL) ||
		(in->domain_token && memcmp(view.domain_token, in->domain_token, LG_DOMAIN_TOKEN_BYTES) != 0))
		return false;
	return reopen(keys, sealed_buf, size, &len) == LG_OK && len == in->text_len &&
		memcmp(opened_buf, in->text, len) == 0;
}

static void
test_round_trips(void)
{
	static const size_t big[] = {1023, 1024, 4096, 65535, 65536, LARGE_TEXT};
	bool		small_ok = true;
	bool		big_ok = true;

	for (int shape = 0; shape < 4; shape++)
		for (uint8_t alg = 0; alg <= 2; alg++)
		{
			for (size_t len = 0; len <= 200; len++)
			{
				LgSealInput in = input(shape, alg, large + len, len);

				small_ok &= round_trip(&in);
			}
			for (size_t i = 0; i < sizeof(big) / sizeof(big[0]); i++)
			{
				LgSealInput in = input(shape, alg, large, big[i]);

				big_ok &= round_trip(&in);
			}
		}
	tap_ok(small_ok, "texts of 0 to 200 bytes come back, all types and algorithms");
	tap_ok(big_ok, "long texts come back");
}

static void
test_refused_inputs(void)
{
	LgSealInput in = input(0, LG_ALG_AES256GCM, "x", 1);
	bool		good = true;

	in.token = NULL;
	in.epoch = 0;
	good &= lg_value_sealed_size(&in) == 0;
	in = input(2, 0, "x", 1);
	in.domain_token = domain_token;
	good &= lg_value_sealed_size(&in) == 0;
	in = input(3, 0, "x", 1);
	in.token = token;
	good &= lg_value_sealed_size(&in) == 0;
	in = input(3, 0, "x", 1);
	in.epoch = 1;
	good &= lg_value_sealed_size(&in) == 0;
	in = input(0, 3, "x", 1);
	good &= lg_value_sealed_size(&in) == 0 &&
		lg_value_seal(sealed_buf, 100, keys, &in) == LG_ERR_ALGORITHM;
	in = input(0, 0, large, (size_t) LG_MAX_TEXT_BYTES + 1);
	good &= lg_value_sealed_size(&in) == 0 &&
		lg_value_seal(sealed_buf, 100, keys, &in) == LG_ERR_TOO_LONG;
	in = input(0, 0, "x", 1);
	in.type = 0;
	good &= lg_value_sealed_size(&in) == 0 &&
		lg_value_seal(sealed_buf, 100, keys, &in) == LG_ERR_SYNTAX;
	in = input(0, 0, "x", 1);
	good &= lg_value_seal(sealed_buf, lg_value_sealed_size(&in) - 1, keys, &in) == LG_ERR_SPACE;
	tap_ok(good, "inputs that fit no type are refused");
}

static void
test_bit_flips(void)
{
	bool		good = true;

	for (int shape = 0; shape < 4; shape++)
		for (uint8_t alg = 1; alg <= 2; alg++)
			for (size_t text_len = 0; text_len <= 40; text_len += 20)
			{
				LgSealInput in = input(shape, alg, large, text_len);
				size_t		size = seal(&in);
				size_t		len;

				for (size_t bit = 0; bit < size * 8; bit++)
				{
					sealed_buf[bit / 8] ^= 1 << bit % 8;
					memset(opened_buf, 'q', 64);
					if (reopen(keys, sealed_buf, size, &len) == LG_OK || len != 0 ||
						memcmp(opened_buf, large, text_len ? text_len : 1) == 0)
						good = false;
					sealed_buf[bit / 8] ^= 1 << bit % 8;
				}
				good &= reopen(keys, sealed_buf, size, &len) == LG_OK;
			}
	tap_ok(good, "every single altered bit is detected and nothing is opened");
}

static void
test_cut_and_grown(void)
{
	LgSealInput in = input(1, LG_ALG_AES256GCM, large, 40);
	size_t		size = seal(&in);
	size_t		len;
	bool		good = size > 0;

	for (size_t n = 0; n < size; n++)
		good &= reopen(keys, sealed_buf, n, &len) != LG_OK;
	memset(sealed_buf + size, 0, 32);
	for (size_t n = size + 1; n <= size + 32; n++)
		good &= reopen(keys, sealed_buf, n, &len) != LG_OK;
	tap_ok(good, "a value cut or grown by any length is refused");
}

static void
test_wrong_keys_and_headers(void)
{
	LgSealInput a = input(0, 0, "jo@example.com", 14);
	LgSealInput b = a;
	uint8_t		copy[256];
	size_t		size;
	size_t		len;
	bool		good;

	size = seal(&a);
	good = reopen(other_keys, sealed_buf, size, &len) == LG_ERR_AUTH;
	for (uint8_t alg = 1; alg <= 2; alg++)
	{
		a.alg = alg;
		size = seal(&a);
		good &= reopen(other_keys, sealed_buf, size, &len) == LG_ERR_AUTH;
	}
	tap_ok(good, "another list's keys open nothing");

	/* the same text under another key id, another token and another epoch */
	good = true;
	size = seal(&a);
	memcpy(copy, sealed_buf, size);
	b = a;
	b.key_id++;
	seal(&b);
	memcpy(sealed_buf, copy, LG_FIXED_HEADER_BYTES);
	good &= reopen(keys, sealed_buf, size, &len) == LG_ERR_AUTH;
	b = a;
	b.epoch++;
	seal(&b);
	memcpy(sealed_buf, copy, LG_FIXED_HEADER_BYTES);
	good &= reopen(keys, sealed_buf, size, &len) == LG_ERR_AUTH;
	token[0] ^= 1;
	seal(&a);
	token[0] ^= 1;
	memcpy(sealed_buf + LG_FIXED_HEADER_BYTES, copy + LG_FIXED_HEADER_BYTES, LG_TOKEN_BYTES);
	good &= reopen(keys, sealed_buf, size, &len) == LG_ERR_AUTH;
	tap_ok(good, "a header moved from one value to another is detected");
}

static void
test_determinism(void)
{
	LgSealInput in = input(0, 0, "jo@example.com", 14);
	LgSealInput text = input(3, 0, "jo@example.com", 14);
	uint8_t		copy[256];
	size_t		size = seal(&in);
	bool		same;

	memcpy(copy, sealed_buf, size);
	same = seal(&in) == size && memcmp(copy, sealed_buf, size) == 0;
	tap_ok(same, "the same address, header and key give the same bytes");
	size = seal(&text);
	memcpy(copy, sealed_buf, size);
	same = seal(&text) == size && memcmp(copy, sealed_buf, size) == 0;
	tap_ok(!same && size > 0, "other text has a nonce of its own each time");
}

typedef struct Nonce
{
	uint8_t		b[LG_NONCE_AES_BYTES];
} Nonce;

static int
nonce_cmp(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(Nonce));
}

/*
 * Headers of both lengths, and texts chosen so that header || text of one is
 * often a text of the other: only an injective encoding survives that.
 */
static void
test_nonces(void)
{
	Nonce	   *all = malloc(sizeof(Nonce) * N_NONCES);
	int			n = 0;
	bool		good = true;

	while (n < N_NONCES)
	{
		char		text[64];
		LgSealInput in = input(n % 3, LG_ALG_AES256GCM, text, 0);
		LgValueView view;
		size_t		size;

		in.text_len = (size_t) snprintf(text, sizeof(text), "%.*s.%d", n % 9, (char *) domain_token, n / 12);
		in.key_id = (uint32_t) (n / 3 % 4);
		size = seal(&in);
		if (lg_value_parse(&view, sealed_buf, size) != LG_OK)
		{
			good = false;
			break;
		}
		memcpy(all[n++].b, view.nonce, sizeof(Nonce));
	}
	qsort(all, n, sizeof(Nonce), nonce_cmp);
	for (int i = 1; i < n; i++)
		if (nonce_cmp(&all[i - 1], &all[i]) == 0)
			good = false;
	tap_ok(good && n == N_NONCES, "%d different headers and texts have as many nonces", n);
	free(all);
}

static void
test_prf_lengths(void)
{
	uint8_t		personal[LG_PERSONAL_BYTES] = "lg1 token";
	uint8_t		once[16];
	uint8_t		stream[16];
	bool		good = true;

	for (size_t len = 0; len < 1200; len++)
	{
		crypto_generichash_blake2b_state state;
		uint8_t		type = LG_TYPE_LOOKUP;

		lg_token_make(once, index_keys.lookup, type, large, len);
		crypto_generichash_blake2b_init_salt_personal(&state, NULL, 0, sizeof(stream), NULL, personal);
		crypto_generichash_blake2b_update(&state, index_keys.lookup, LG_KEY_BYTES);
		crypto_generichash_blake2b_update(&state, &type, 1);
		crypto_generichash_blake2b_update(&state, (const uint8_t *) large, len);
		crypto_generichash_blake2b_final(&state, stream, sizeof(stream));
		good &= memcmp(once, stream, sizeof(once)) == 0;
	}
	tap_ok(good, "short and long texts are hashed alike");
}

static void
test_evp(void)
{
	bool		same = true;
	bool		crossed = true;
	bool		flipped = true;
	size_t		len;

	for (int shape = 0; shape < 3; shape++)
		for (size_t n = 0; n <= 4200; n += n < 200 ? 1 : 1000)
		{
			LgSealInput in = input(shape, LG_ALG_AES256GCM, large, n);
			size_t		size = seal(&in);
			uint8_t    *copy = malloc(size);

			memcpy(copy, sealed_buf, size);
			lg_crypto_force_evp(true);
			crossed &= reopen(keys, copy, size, &len) == LG_OK && len == n &&
				memcmp(opened_buf, large, n) == 0;
			same &= seal(&in) == size && memcmp(copy, sealed_buf, size) == 0;
			copy[size - 1 - n % 16] ^= 0x40;
			memset(opened_buf, 'q', n + 16);
			flipped &= reopen(keys, copy, size, &len) == LG_ERR_AUTH && opened_buf[0] == 0;
			lg_crypto_force_evp(false);
			crossed &= reopen(keys, sealed_buf, size, &len) == LG_OK;
			free(copy);
		}
	printf("# libsodium %s AES-256-GCM here\n", lg_crypto_have_aes() ? "has" : "has no");
	tap_ok(same, "OpenSSL seals the same bytes");
	tap_ok(crossed, "each opens what the other sealed");
	tap_ok(flipped, "OpenSSL refuses an altered tag and leaves no text behind");

	lg_crypto_force_evp(true);
	tap_ok(lg_crypto_best_alg() == LG_ALG_XCHACHA20 && !lg_crypto_have_aes(),
	   "without AES new values are sealed with XChaCha20-Poly1305");
	test_bit_flips();
	lg_crypto_force_evp(false);
}

/* The fast codec against libsodium's, every length and every pair of last characters. */
static void
test_text64(void)
{
	uint8_t		bytes[100];
	uint8_t		back[100];
	uint8_t		want[100];
	char		fast[200];
	char		slow[200];
	size_t		n;
	size_t		m;
	bool		good = true;

	for (size_t len = 0; len <= sizeof(bytes); len++)
	{
		randombytes_buf(bytes, sizeof(bytes));
		*lg_text64_encode(fast, bytes, len) = '\0';
		good &= lg_b64url_encode(slow, sizeof(slow), bytes, len) == LG_OK &&
			strcmp(fast, slow) == 0 && strlen(fast) == LG_TEXT64_CHARS(len) &&
			lg_text64_decode(back, &n, fast, strlen(fast)) && n == len && memcmp(back, bytes, n) == 0;
	}
	tap_ok(good, "the fast base64url writes what the constant-time one writes");

	good = true;
	for (size_t len = 1; len <= 8; len++)
		for (unsigned pair = 0; pair < 65536; pair++)
		{
			memset(fast, 'A', 8);
			fast[len - 1] = (char) (pair & 255);
			if (len > 1)
				fast[len - 2] = (char) (pair >> 8);
			good &= lg_text64_decode(back, &n, fast, len) ==
				(lg_b64url_decode(want, sizeof(want), &m, fast, len) == LG_OK) &&
				n == m && memcmp(back, want, m) == 0;
		}
	tap_ok(good, "and refuses what that refuses");
}

static char *
armour_of(uint8_t kind, const uint8_t *value, size_t size)
{
	LgValueView view;
	size_t		n;
	char	   *out;

	if (lg_value_parse(&view, value, size) != LG_OK)
		return NULL;
	n = lg_armour_size(&view, size, kind);
	out = malloc(n + 1);
	if (lg_armour_encode(out, n - 1, kind, keyset, value, size) != LG_ERR_SPACE ||
		lg_armour_encode(out, n, kind, keyset, value, size) != LG_OK || strlen(out) != n - 1)
	{
		free(out);
		return NULL;
	}
	return out;
}

static LgStatus
unarmour(uint8_t *out, size_t *len, const uint8_t *expect, const char *text, size_t text_len)
{
	uint8_t		found[LG_KEYSET_BYTES];
	/* exactly the room that the interface promises to stay in */
	uint8_t    *room = malloc(text_len * 3 / 4 + 1);
	LgStatus	status = lg_armour_decode(room, len, found, expect, text, text_len);

	if (status == LG_OK)
		memcpy(out, room, *len);
	free(room);
	return status;
}

static void
test_armour_trips(void)
{
	bool		good = true;

	for (int shape = 0; shape < 4; shape++)
		for (uint8_t alg = 1; alg <= 2; alg++)
			for (size_t n = 0; n <= 3000; n += n < 60 ? 1 : 490)
			{
				LgSealInput in = input(shape, alg, large, n);
				size_t		size = seal(&in);
				char	   *text = armour_of(LG_ARMOUR_FULL, sealed_buf, size);
				uint8_t		back[8192];
				size_t		len;

				good &= text != NULL && lg_armour_is(text, strlen(text)) &&
					unarmour(back, &len, keyset, text, strlen(text)) == LG_OK &&
					len == size && memcmp(back, sealed_buf, size) == 0 &&
					unarmour(back, &len, NULL, text, strlen(text)) == LG_OK;
				free(text);
			}
	tap_ok(good, "armour comes back as the same bytes");
}

static void
test_armour_damage(void)
{
	LgSealInput in = input(1, LG_ALG_AES256GCM, "jo@example.com", 14);
	size_t		size = seal(&in);
	char	   *text = armour_of(LG_ARMOUR_FULL, sealed_buf, size);
	size_t		text_len = strlen(text);
	uint8_t		foreign[LG_KEYSET_BYTES] = {1};
	uint8_t		back[1024];
	size_t		len;
	bool		good = true;

	for (size_t n = 0; n < text_len; n++)
		good &= unarmour(back, &len, keyset, text, n) != LG_OK;
	tap_ok(good, "armour cut anywhere is refused");

	good = true;
	for (size_t bit = 0; bit < text_len * 8; bit++)
	{
		text[bit / 8] ^= 1 << bit % 8;
		good &= unarmour(back, &len, keyset, text, text_len) != LG_OK && len == 0;
		text[bit / 8] ^= 1 << bit % 8;
	}
	tap_ok(good, "every altered bit of an armour is refused");
	tap_ok(unarmour(back, &len, foreign, text, text_len) == LG_ERR_KEYSET,
	   "armour of another keyset is refused as such");
	free(text);
}

static void
test_armour_without_token(void)
{
	LgSealInput in = input(1, LG_ALG_XCHACHA20, "jo@example.com", 14);
	uint8_t		back[1024];
	size_t		size = seal(&in);
	size_t		len;
	char	   *text = armour_of(LG_ARMOUR_NO_TOKEN, sealed_buf, size);
	char	   *b64 = malloc(2048);
	uint8_t		raw[1024];
	bool		leak = false;

	tap_ok(unarmour(back, &len, keyset, text, strlen(text)) == LG_ERR_SYNTAX,
	   "armour without token never becomes a value");
	if (lg_b64url_decode(raw, sizeof(raw), &len, text + 4, strlen(text) - 4) != LG_OK)
		leak = true;
	for (size_t i = 0; i + 4 <= len; i++)
		if (memcmp(raw + i, token, 4) == 0 || memcmp(raw + i, domain_token, 4) == 0)
			leak = true;
	tap_ok(!leak && len == 21 + size - LG_TOKEN_BYTES - LG_DOMAIN_TOKEN_BYTES,
	   "armour without token holds neither token");
	tap_ok(lg_armour_encode(b64, 2048, 3, keyset, sealed_buf, size) == LG_ERR_SYNTAX &&
	   lg_armour_encode(b64, 2048, LG_ARMOUR_FULL, keyset, sealed_buf, size - 1) == LG_ERR_SYNTAX,
	   "neither an unknown kind nor a damaged value is armoured");
	free(text);
	free(b64);
}

static void
test_wrap(void)
{
	uint8_t		root[LG_KEY_BYTES] = {1};
	uint8_t		wrong[LG_KEY_BYTES] = {2};
	uint8_t		key[LG_KEY_BYTES];
	uint8_t		back[LG_KEY_BYTES];
	uint8_t		zero[LG_KEY_BYTES] = {0};
	uint8_t		wrapped[LG_WRAPPED_BYTES];
	uint8_t		again[LG_WRAPPED_BYTES];
	LgWrapContext ctx = {{7}, LG_WRAP_LIST, 42, 43};
	LgWrapContext c;
	bool		good = true;

	randombytes_buf(key, sizeof(key));
	tap_ok(lg_key_wrap(wrapped, root, &ctx, key) == LG_OK &&
	   lg_key_unwrap(back, root, &ctx, wrapped) == LG_OK && memcmp(key, back, sizeof(key)) == 0,
	   "a wrapped key comes back");
	tap_ok(lg_key_wrap(again, root, &ctx, key) == LG_OK && memcmp(again, wrapped, sizeof(again)) != 0,
	   "wrapping twice gives different bytes");
	tap_ok(lg_key_unwrap(back, wrong, &ctx, wrapped) == LG_ERR_KEY && memcmp(back, zero, 32) == 0,
	   "a wrong root is recognised and gives nothing");

	c = ctx, c.keyset[15] ^= 1;
	good &= lg_key_unwrap(back, root, &c, wrapped) == LG_ERR_KEY;
	c = ctx, c.list_no++;
	good &= lg_key_unwrap(back, root, &c, wrapped) == LG_ERR_KEY;
	c = ctx, c.key_id++;
	good &= lg_key_unwrap(back, root, &c, wrapped) == LG_ERR_KEY;
	c = ctx, c.kind = LG_WRAP_INDEX, c.list_no = 0;
	good &= lg_key_unwrap(back, root, &c, wrapped) == LG_ERR_KEY;
	c = ctx, c.kind = 3;
	good &= lg_key_unwrap(back, root, &c, wrapped) == LG_ERR_SYNTAX &&
		lg_key_wrap(again, root, &c, key) == LG_ERR_SYNTAX;
	tap_ok(good, "a key is bound to keyset, kind, list and key id");

	good = true;
	for (size_t bit = 0; bit < sizeof(wrapped) * 8; bit++)
	{
		wrapped[bit / 8] ^= 1 << bit % 8;
		good &= lg_key_unwrap(back, root, &ctx, wrapped) == (bit < 8 ? LG_ERR_VERSION : LG_ERR_KEY) &&
			memcmp(back, zero, 32) == 0;
		wrapped[bit / 8] ^= 1 << bit % 8;
	}
	tap_ok(good, "every altered bit of a wrapped key is detected");
}

/* ---- the frozen vectors ---- */

static size_t
unhex(uint8_t *out, size_t size, const json_t *object, const char *name)
{
	const char *hex = json_string_value(json_object_get(object, name));
	size_t		len = 0;

	if (hex == NULL || sodium_hex2bin(out, size, hex, strlen(hex), NULL, &len, NULL) != 0)
		return 0;
	return len;
}

static bool
is_hex(const json_t *object, const char *name, const uint8_t *bytes, size_t len)
{
	uint8_t		want[16384];

	return unhex(want, sizeof(want), object, name) == len && memcmp(want, bytes, len) == 0;
}

static const char *
str(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "(missing)";
}

static int
num(const json_t *object, const char *name)
{
	return (int) json_integer_value(json_object_get(object, name));
}

static void
vector_keys(const json_t *v, LgListKeys *lk, LgIndexKeys *ik)
{
	json_t	   *ls = json_object_get(v, "list_subkeys");
	json_t	   *is = json_object_get(v, "index_subkeys");
	uint8_t		key[LG_KEY_BYTES] = {0};
	uint8_t		id[LG_ROOT_ID_BYTES];

	tap_ok(unhex(key, sizeof(key), v, "list_key") == LG_KEY_BYTES &&
	   lg_list_keys_derive(lk, key) == LG_OK && is_hex(ls, "aes", lk->aes, LG_KEY_BYTES) &&
	   is_hex(ls, "xchacha", lk->xchacha, LG_KEY_BYTES) && is_hex(ls, "nonce", lk->nonce, LG_KEY_BYTES),
	   "vectors: list subkeys");
	unhex(key, sizeof(key), v, "index_key");
	lg_index_keys_derive(ik, 1, key);
	tap_ok(ik->epoch == 1 && is_hex(is, "email", ik->email, LG_KEY_BYTES) &&
	   is_hex(is, "lookup", ik->lookup, LG_KEY_BYTES) && is_hex(is, "domain", ik->domain, LG_KEY_BYTES) &&
	   is_hex(is, "audit", ik->audit, LG_KEY_BYTES), "vectors: index subkeys");
	unhex(key, sizeof(key), v, "root");
	lg_root_id(id, key);
	tap_ok(is_hex(v, "root_id", id, sizeof(id)), "vectors: root id");
}

static void
vector_tokens(const json_t *v, const LgIndexKeys *ik)
{
	uint8_t		made[LG_TOKEN_BYTES];
	bool		good = true;
	size_t		i;
	json_t	   *t;

	json_array_foreach(json_object_get(v, "tokens"), i, t)
	{
		const char *which = str(t, "key");
		const uint8_t *key = strcmp(which, "email") == 0 ? ik->email :
			strcmp(which, "lookup") == 0 ? ik->lookup : ik->audit;

		lg_token_make(made, key, (uint8_t) num(t, "type"), str(t, "normal"), strlen(str(t, "normal")));
		good &= is_hex(t, "token", made, LG_TOKEN_BYTES);
	}
	tap_ok(good && i >= 10, "vectors: tokens");

	good = true;
	json_array_foreach(json_object_get(v, "domain_tokens"), i, t)
	{
		lg_domain_token_make(made, ik->domain, str(t, "domain"), strlen(str(t, "domain")));
		good &= is_hex(t, "token", made, LG_DOMAIN_TOKEN_BYTES);
	}
	tap_ok(good && i >= 5, "vectors: domain tokens");
}

static void
vector_values(const json_t *v, LgListKeys *lk)
{
	bool		sealed = true;
	bool		opened = true;
	size_t		i;
	json_t	   *t;

	json_array_foreach(json_object_get(v, "values"), i, t)
	{
		uint8_t		tok[LG_TOKEN_BYTES];
		uint8_t		dom[LG_DOMAIN_TOKEN_BYTES];
		uint8_t		value[4096];
		size_t		size = unhex(value, sizeof(value), t, "value");
		size_t		len;
		LgSealInput in = {0};

		in.type = (uint8_t) num(t, "type");
		in.alg = (uint8_t) num(t, "alg");
		in.key_id = (uint32_t) json_integer_value(json_object_get(t, "key_id"));
		in.epoch = (uint8_t) num(t, "epoch");
		in.token = unhex(tok, sizeof(tok), t, "token") ? tok : NULL;
		in.domain_token = unhex(dom, sizeof(dom), t, "domain_token") ? dom : NULL;
		in.text = str(t, "text");
		in.text_len = strlen(in.text);
		sealed &= lg_value_sealed_size(&in) == size &&
			lg_value_seal(sealed_buf, size, lk, &in) == LG_OK &&
			(in.token == NULL || memcmp(sealed_buf, value, size) == 0);
		opened &= reopen(lk, value, size, &len) == LG_OK && len == in.text_len &&
			memcmp(opened_buf, in.text, len) == 0;
	}
	tap_ok(sealed && i >= 30, "vectors: values are sealed to the same bytes");
	tap_ok(opened, "vectors: values open, those with a random nonce too");
}

static void
vector_armours(const json_t *v)
{
	bool		good = true;
	size_t		i;
	json_t	   *t;

	unhex(keyset, sizeof(keyset), v, "keyset");
	json_array_foreach(json_object_get(v, "armours"), i, t)
	{
		const char *text = str(t, "armour");
		uint8_t		value[4096];
		uint8_t		back[4096];
		size_t		size = unhex(value, sizeof(value), t, "value");
		char	   *made = armour_of((uint8_t) num(t, "kind"), value, size);
		size_t		len;
		LgStatus	status = unarmour(back, &len, keyset, text, strlen(text));

		good &= made != NULL && strcmp(made, text) == 0;
		if (num(t, "kind") == LG_ARMOUR_FULL)
			good &= status == LG_OK && len == size && memcmp(back, value, size) == 0;
		else
			good &= status == LG_ERR_SYNTAX;
		free(made);
	}
	tap_ok(good && i >= 30, "vectors: armour");
}

static void
vector_wraps(const json_t *v)
{
	uint8_t		root[LG_KEY_BYTES] = {0};
	bool		good = true;
	size_t		i;
	json_t	   *t;

	unhex(root, sizeof(root), v, "root");
	json_array_foreach(json_object_get(v, "wrapped"), i, t)
	{
		uint8_t		wrapped[LG_WRAPPED_BYTES] = {0};
		uint8_t		key[LG_KEY_BYTES];
		LgWrapContext ctx;

		memset(&ctx, 0, sizeof(ctx));
		memcpy(ctx.keyset, keyset, sizeof(keyset));
		ctx.kind = (uint8_t) num(t, "kind");
		ctx.list_no = (uint32_t) json_integer_value(json_object_get(t, "list_no"));
		ctx.key_id = (uint32_t) json_integer_value(json_object_get(t, "key_id"));
		good &= unhex(wrapped, sizeof(wrapped), t, "wrapped") == LG_WRAPPED_BYTES &&
			lg_key_unwrap(key, root, &ctx, wrapped) == LG_OK && is_hex(t, "key", key, sizeof(key));
	}
	tap_ok(good && i >= 4, "vectors: wrapped keys");
}

static void
test_vectors(const char *path)
{
	json_error_t err;
	json_t	   *v = json_load_file(path, 0, &err);
	LgListKeys *lk = alloc_keys();
	LgIndexKeys ik;

	tap_ok(v != NULL, "vectors: file can be read");
	if (v == NULL)
		return;
	vector_keys(v, lk, &ik);
	vector_tokens(v, &ik);
	vector_values(v, lk);
	lg_crypto_force_evp(true);
	vector_values(v, lk);
	lg_crypto_force_evp(false);
	vector_armours(v);
	vector_wraps(v);
	json_decref(v);
	free(lk);
}

static void
set_up(void)
{
	uint8_t		key[LG_KEY_BYTES] = {3};

	tap_ok(lg_crypto_init() == LG_OK && lg_crypto_init() == LG_OK, "libraries are fit for use");
	keys = derive("one list");
	other_keys = derive("another list");
	lg_index_keys_derive(&index_keys, 1, key);
	large = malloc(LARGE_TEXT);
	for (size_t i = 0; i < LARGE_TEXT; i++)
		large[i] = (char) ('a' + i * i % 23);
	sealed_buf = malloc(LARGE_TEXT + 256);
	opened_buf = malloc(LARGE_TEXT + 256);
	lg_token_make(token, index_keys.email, LG_TYPE_EMAIL, "jo@example.com", 14);
	memcpy(domain_token, "1234567", 8);
	randombytes_buf(keyset, sizeof(keyset));
}

int
main(int argc, char **argv)
{
	set_up();
	test_round_trips();
	test_refused_inputs();
	test_bit_flips();
	test_cut_and_grown();
	test_wrong_keys_and_headers();
	test_determinism();
	test_nonces();
	test_prf_lengths();
	test_evp();
	test_text64();
	test_armour_trips();
	test_armour_damage();
	test_armour_without_token();
	test_wrap();
	test_vectors(argc > 1 ? argv[1] : "test/vectors/value.json");
	return tap_done();
}
