/*-------------------------------------------------------------------------
 *
 * paserk.c
 *		PASERK: keys of PASETO v4 as text.
 *
 * Sources: paseto-standard/paserk, types/{public,pid,secret,secret-pw}.md,
 * operations/ID.md and operations/PBKW.md (version 4: Argon2id, XChaCha20,
 * BLAKE2b).  The type tag in front of a key is part of what is parsed: text
 * that holds another kind or version of key never becomes one of ours.
 *
 * No locking: no state.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>
#include <sodium.h>

#include "common/paserk.h"

#define PUBLIC_HEAD		"k4.public."
#define PID_HEAD		"k4.pid."
#define SECRET_HEAD		"k4.secret."
#define PW_HEAD			"k4.secret-pw."
#define HEAD_LEN(head)	(sizeof(head) - 1)
#define PID_BYTES		33

/*
 * k4.secret-pw: salt (16) | memory (8) | time (4) | parallelism (4) |
 * nonce (24) | encrypted key (64) | tag (32); integers big endian.
 */
#define PW_SALT		0
#define PW_MEM		16
#define PW_TIME		24
#define PW_PARA		28
#define PW_NONCE	32
#define PW_EDK		56
#define PW_TAG		120

/* Subkeys of one passphrase, kept in guarded memory while in use. */
typedef struct PwKeys
{
	uint8_t		pre[33];		/* label, then Argon2id's output */
	uint8_t		enc[32];
	uint8_t		auth[32];
} PwKeys;

/* text is exactly head and the canonical base64url of n bytes. */
static LgStatus
decode_typed(uint8_t *out, size_t n, const char *head, size_t head_len,
			 const char *text, size_t len)
{
	size_t		out_len;
	LgStatus	st;

	if (len < head_len || memcmp(text, head, head_len) != 0)
		return LG_ERR_SYNTAX;
	st = lg_b64url_decode(out, n, &out_len, text + head_len, len - head_len);
	if (st != LG_OK || out_len != n)
		return LG_ERR_SYNTAX;
	return LG_OK;
}

static LgStatus
encode_typed(char *out, size_t out_size, const char *head, size_t head_len,
			 const uint8_t *in, size_t n)
{
	if (out_size <= head_len)
		return LG_ERR_SPACE;
	memcpy(out, head, head_len);
	return lg_b64url_encode(out + head_len, out_size - head_len, in, n);
}

/*
 * lg_paserk_public_parse
 *		Public key of "k4.public.…".
 *
 * LG_ERR_SYNTAX for any other text, LG_ERR_KEY for bytes that are no usable
 * key: not a canonical point, or of small order (every message would verify
 * under some signature), or outside the main subgroup.  pk is zero then.
 */
LgStatus
lg_paserk_public_parse(uint8_t pk[LG_ED25519_PUBLIC], const char *text, size_t len)
{
	LgStatus	st = decode_typed(pk, LG_ED25519_PUBLIC, PUBLIC_HEAD, HEAD_LEN(PUBLIC_HEAD), text, len);

	if (st == LG_OK && crypto_core_ed25519_is_valid_point(pk) != 1)
		st = LG_ERR_KEY;
	if (st != LG_OK)
		memset(pk, 0, LG_ED25519_PUBLIC);
	return st;
}

/*
 * lg_paserk_public_format
 *		"k4.public.…", NUL-terminated; LG_ERR_SPACE.
 */
LgStatus
lg_paserk_public_format(char *out, size_t out_size, const uint8_t pk[LG_ED25519_PUBLIC])
{
	return encode_typed(out, out_size, PUBLIC_HEAD, HEAD_LEN(PUBLIC_HEAD), pk, LG_ED25519_PUBLIC);
}

/*
 * lg_paserk_pid
 *		"k4.pid.…" of a public key (operations/ID.md): BLAKE2b-264 of the type
 *		and of the key's own PASERK text.  NUL-terminated; LG_ERR_SPACE.
 */
LgStatus
lg_paserk_pid(char *out, size_t out_size, const uint8_t pk[LG_ED25519_PUBLIC])
{
	char		text[HEAD_LEN(PID_HEAD) + LG_PASERK_PUBLIC_CHARS + 1];
	uint8_t		hash[PID_BYTES];
	LgStatus	st;

	memcpy(text, PID_HEAD, HEAD_LEN(PID_HEAD));
	st = lg_paserk_public_format(text + HEAD_LEN(PID_HEAD), sizeof(text) - HEAD_LEN(PID_HEAD), pk);
	if (st != LG_OK)
		return st;
	(void) crypto_generichash(hash, sizeof(hash), (const uint8_t *) text, sizeof(text) - 1, NULL, 0);
	return encode_typed(out, out_size, PID_HEAD, HEAD_LEN(PID_HEAD), hash, sizeof(hash));
}

/* Does the public half belong to the seed?  Signing under another gives the seed away. */
static LgStatus
check_halves(const uint8_t sk[LG_ED25519_SECRET])
{
	uint8_t		pk[LG_ED25519_PUBLIC];
	uint8_t		derived[LG_ED25519_SECRET];
	int			same;

	(void) crypto_sign_seed_keypair(pk, derived, sk);
	same = sodium_memcmp(derived, sk, sizeof(derived));
	sodium_memzero(derived, sizeof(derived));
	return same == 0 ? LG_OK : LG_ERR_KEY;
}

/*
 * lg_paserk_secret_parse
 *		Secret key (seed || public key) of "k4.secret.…".
 *
 * LG_ERR_SYNTAX, or LG_ERR_KEY if the halves do not match; sk is wiped then.
 */
LgStatus
lg_paserk_secret_parse(uint8_t sk[LG_ED25519_SECRET], const char *text, size_t len)
{
	LgStatus	st = decode_typed(sk, LG_ED25519_SECRET, SECRET_HEAD, HEAD_LEN(SECRET_HEAD), text, len);

	if (st == LG_OK)
		st = check_halves(sk);
	if (st != LG_OK)
		sodium_memzero(sk, LG_ED25519_SECRET);
	return st;
}

/*
 * lg_paserk_secret_format
 *		"k4.secret.…", NUL-terminated; the caller wipes out.  LG_ERR_SPACE.
 */
LgStatus
lg_paserk_secret_format(char *out, size_t out_size, const uint8_t sk[LG_ED25519_SECRET])
{
	return encode_typed(out, out_size, SECRET_HEAD, HEAD_LEN(SECRET_HEAD), sk, LG_ED25519_SECRET);
}

static void
put_be(uint8_t *out, int bytes, uint64_t n)
{
	int			i;

	for (i = bytes - 1; i >= 0; i--, n >>= 8)
		out[i] = (uint8_t) n;
}

static uint64_t
get_be(const uint8_t *in, int bytes)
{
	uint64_t	n = 0;
	int			i;

	for (i = 0; i < bytes; i++)
		n = n << 8 | in[i];
	return n;
}

/*
 * Passphrase to subkeys: PBKW.md steps 2 to 4.  The costs are the caller's to
 * bound; libsodium's Argon2id has a parallelism of 1 only.
 */
static LgStatus
derive_pw_keys(PwKeys *keys, const uint8_t *blob, const char *pw, size_t pw_len)
{
	uint64_t	mem = get_be(blob + PW_MEM, 8);
	uint64_t	time = get_be(blob + PW_TIME, 4);

	if (crypto_pwhash(keys->pre + 1, 32, pw, pw_len, blob + PW_SALT, time, (size_t) mem,
					  crypto_pwhash_ALG_ARGON2ID13) != 0)
		return LG_ERR_MEMORY;
	keys->pre[0] = 0xFF;
	(void) crypto_generichash(keys->enc, sizeof(keys->enc), keys->pre, sizeof(keys->pre), NULL, 0);
	keys->pre[0] = 0xFE;
	(void) crypto_generichash(keys->auth, sizeof(keys->auth), keys->pre, sizeof(keys->pre), NULL, 0);
	return LG_OK;
}

/* Tag over the header text and all of the blob before the tag (step 7). */
static void
compute_pw_tag(uint8_t tag[32], const PwKeys *keys, const uint8_t *blob)
{
	crypto_generichash_state state;

	(void) crypto_generichash_init(&state, keys->auth, sizeof(keys->auth), 32);
	(void) crypto_generichash_update(&state, (const uint8_t *) PW_HEAD, HEAD_LEN(PW_HEAD));
	(void) crypto_generichash_update(&state, blob, PW_TAG);
	(void) crypto_generichash_final(&state, tag, 32);
	sodium_memzero(&state, sizeof(state));
}

/* Costs within what we are willing to spend on a file somebody gave us. */
static bool
costs_acceptable(uint64_t mem, uint64_t time, uint64_t para)
{
	return mem >= crypto_pwhash_argon2id_MEMLIMIT_MIN && mem <= LG_PW_MEM_MAX &&
		mem % 1024 == 0 &&
		time >= crypto_pwhash_argon2id_OPSLIMIT_MIN && time <= LG_PW_TIME_MAX && para == 1;
}

/*
 * lg_paserk_secret_wrap
 *		"k4.secret-pw.…" of a secret key under a passphrase (PBKW.md).
 *
 * mem in bytes (a multiple of 1024), time in passes.  LG_ERR_SYNTAX for costs
 * outside the bounds of paserk.h, LG_ERR_KEY for a key whose halves do not
 * match, LG_ERR_MEMORY if Argon2id cannot have its memory, LG_ERR_SPACE.
 */
LgStatus
lg_paserk_secret_wrap(char *out, size_t out_size, const uint8_t sk[LG_ED25519_SECRET],
					  const char *pw, size_t pw_len, uint64_t mem, uint32_t time)
{
	uint8_t		blob[LG_PASERK_SECRET_PW_BYTES];
	PwKeys	   *keys;
	LgStatus	st;

	if (!costs_acceptable(mem, time, 1))
		return LG_ERR_SYNTAX;
	if (check_halves(sk) != LG_OK)
		return LG_ERR_KEY;
	if ((keys = sodium_malloc(sizeof(*keys))) == NULL)
		return LG_ERR_MEMORY;

	randombytes_buf(blob + PW_SALT, 16);
	put_be(blob + PW_MEM, 8, mem);
	put_be(blob + PW_TIME, 4, time);
	put_be(blob + PW_PARA, 4, 1);
	randombytes_buf(blob + PW_NONCE, 24);
	st = derive_pw_keys(keys, blob, pw, pw_len);
	if (st == LG_OK)
	{
		(void) crypto_stream_xchacha20_xor(blob + PW_EDK, sk, LG_ED25519_SECRET, blob + PW_NONCE, keys->enc);
		compute_pw_tag(blob + PW_TAG, keys, blob);
		st = encode_typed(out, out_size, PW_HEAD, HEAD_LEN(PW_HEAD), blob, sizeof(blob));
	}
	sodium_free(keys);
	return st;
}

/*
 * lg_paserk_secret_unwrap
 *		Secret key of "k4.secret-pw.…" and its passphrase (PBKW.md).
 *
 * LG_ERR_SYNTAX for another form or costs outside the bounds of paserk.h,
 * which are checked before any work is done; LG_ERR_AUTH for a wrong
 * passphrase or an altered file (the two cannot be told apart); LG_ERR_KEY,
 * LG_ERR_MEMORY.  sk is wiped unless LG_OK.
 */
LgStatus
lg_paserk_secret_unwrap(uint8_t sk[LG_ED25519_SECRET], const char *text, size_t len,
						const char *pw, size_t pw_len)
{
	uint8_t		blob[LG_PASERK_SECRET_PW_BYTES];
	uint8_t		tag[32];
	PwKeys	   *keys;
	LgStatus	st;

	sodium_memzero(sk, LG_ED25519_SECRET);
	st = decode_typed(blob, sizeof(blob), PW_HEAD, HEAD_LEN(PW_HEAD), text, len);
	if (st != LG_OK)
		return st;
	if (!costs_acceptable(get_be(blob + PW_MEM, 8), get_be(blob + PW_TIME, 4), get_be(blob + PW_PARA, 4)))
		return LG_ERR_SYNTAX;
	if ((keys = sodium_malloc(sizeof(*keys))) == NULL)
		return LG_ERR_MEMORY;

	st = derive_pw_keys(keys, blob, pw, pw_len);
	if (st == LG_OK)
	{
		compute_pw_tag(tag, keys, blob);
		st = sodium_memcmp(tag, blob + PW_TAG, sizeof(tag)) == 0 ? LG_OK : LG_ERR_AUTH;
	}
	if (st == LG_OK)
	{
		(void) crypto_stream_xchacha20_xor(sk, blob + PW_EDK, LG_ED25519_SECRET, blob + PW_NONCE, keys->enc);
		st = check_halves(sk);
		if (st != LG_OK)
			sodium_memzero(sk, LG_ED25519_SECRET);
	}
	sodium_free(keys);
	return st;
}
