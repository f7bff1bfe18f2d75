/*-------------------------------------------------------------------------
 *
 * kdf.c
 *		Labelled hashes under a key: subkeys, tokens and nonces.
 *
 * Everything is BLAKE2b (RFC 7693, with the personalisation field of the
 * BLAKE2 specification, section 2.8).  Two forms are in use:
 *
 *	- subkeys are BLAKE2b's own keyed mode over an ASCII label; they are made
 *	  once per key, so that its extra block costs nothing;
 *	- tokens and nonces are made for every value: an un-keyed BLAKE2b over
 *	  key || message, personalised per purpose.  The key has a fixed length, and
 *	  for an ordinary address all of it fits one 128-byte block, which halves
 *	  the cost of the keyed mode.  docs/formats.md says why that is sound.
 *
 * No state, no locks.
 *
 *-------------------------------------------------------------------------
 */
#include <sodium.h>
#include <string.h>

#include "common/kdf.h"
#include "common/wipe.h"

/* More of the stack than libsodium's BLAKE2b uses below its caller. */
#define HASH_STACK_BYTES	4096

/* Inputs up to this size are hashed in one call from a buffer on the stack. */
#define ONE_CALL_BYTES	384

static const uint8_t personal_token[LG_PERSONAL_BYTES] = "lg1 token";
static const uint8_t personal_domain[LG_PERSONAL_BYTES] = "lg1 domain";
static const uint8_t personal_nonce[LG_PERSONAL_BYTES] = "lg1 nonce";

/*
 * require
 *		Stop the process if libsodium refused a hash.
 *
 * It can only refuse lengths, which are constants here and are tried out by
 * lg_kdf_self_test() before anything else runs.
 */
static void
require(int rc)
{
	if (rc != 0)
		sodium_misuse();
}

/*
 * lg_kdf_subkey
 *		BLAKE2b-256 keyed with key over an ASCII label.
 *
 * libsodium leaves the whole hash, which is the new key, behind on the stack;
 * how soon something else overwrites it is chance.
 */
void
lg_kdf_subkey(uint8_t out[LG_KEY_BYTES], const uint8_t key[LG_KEY_BYTES], const char *label)
{
	require(crypto_generichash_blake2b(out, LG_KEY_BYTES, (const uint8_t *) label,
									   strlen(label), key, LG_KEY_BYTES));
	sodium_stackzero(HASH_STACK_BYTES);
	lg_registers_wipe();
}

/*
 * hash_parts
 *		Un-keyed, personalised BLAKE2b of up to three parts, one after another.
 *
 * Short inputs are gathered on the stack (and wiped), because one call is
 * markedly faster than the streaming interface; the result is the same.
 */
static void
hash_parts(uint8_t *out, size_t out_len, const uint8_t personal[LG_PERSONAL_BYTES],
		   const LgBytes parts[3])
{
	uint8_t		buf[ONE_CALL_BYTES];
	size_t		used = 0;
	crypto_generichash_blake2b_state state;

	if (parts[0].len + parts[1].len + parts[2].len <= sizeof(buf))
	{
		for (int i = 0; i < 3; i++)
		{
			if (parts[i].len > 0)
				memcpy(buf + used, parts[i].data, parts[i].len);
			used += parts[i].len;
		}
		require(crypto_generichash_blake2b_salt_personal(out, out_len, buf, used,
														 NULL, 0, NULL, personal));
		sodium_memzero(buf, used);
		return;
	}

	require(crypto_generichash_blake2b_init_salt_personal(&state, NULL, 0, out_len,
														  NULL, personal));
	for (int i = 0; i < 3; i++)
		require(crypto_generichash_blake2b_update(&state, parts[i].data, parts[i].len));
	require(crypto_generichash_blake2b_final(&state, out, out_len));
	sodium_memzero(&state, sizeof(state));
}

/*
 * lg_hash_prefixed
 *		BLAKE2b of key || head || tail, personalised: a PRF under key.
 *
 * The caller sees to it that (head, tail) can be told from their concatenation.
 */
void
lg_hash_prefixed(uint8_t *out, size_t out_len, const uint8_t personal[LG_PERSONAL_BYTES],
				 const uint8_t key[LG_KEY_BYTES], LgBytes head, LgBytes tail)
{
	LgBytes		parts[3] = {{key, LG_KEY_BYTES}, head, tail};

	hash_parts(out, out_len, personal, parts);
	lg_registers_wipe();
}

/*
 * lg_hash_checksum
 *		BLAKE2b of head || tail, personalised, without any key.
 */
void
lg_hash_checksum(uint8_t *out, size_t out_len, const uint8_t personal[LG_PERSONAL_BYTES],
				 LgBytes head, LgBytes tail)
{
	LgBytes		parts[3] = {head, tail, {NULL, 0}};

	hash_parts(out, out_len, personal, parts);
}

/*
 * lg_nonce_make
 *		Synthetic nonce of a value: a PRF of its header and its exact text.
 *
 * The header's length follows from its own flags byte and its algorithm byte
 * fixes out_len, so header || text is injective over everything that the AEAD
 * authenticates or encrypts: two different messages share a nonce only by a
 * collision of the hash.
 */
void
lg_nonce_make(uint8_t *out, size_t out_len, const uint8_t key[LG_KEY_BYTES],
			  LgBytes header, LgBytes text)
{
	lg_hash_prefixed(out, out_len, personal_nonce, key, header, text);
}

/*
 * lg_index_keys_derive
 *		Token keys of a database from its index key.
 *
 * The result is secret: the caller keeps it in guarded memory and wipes it.
 */
void
lg_index_keys_derive(LgIndexKeys *out, uint8_t epoch, const uint8_t key[LG_KEY_BYTES])
{
	out->epoch = epoch;
	lg_kdf_subkey(out->email, key, "listguard v1 token email");
	lg_kdf_subkey(out->lookup, key, "listguard v1 token lookup");
	lg_kdf_subkey(out->domain, key, "listguard v1 token domain");
	lg_kdf_subkey(out->audit, key, "listguard v1 token audit");
}

/*
 * lg_token_make
 *		Equality token of a normalised text, 16 bytes.
 *
 * key is one of LgIndexKeys; type keeps the tokens of two types apart even
 * under one key (the audit's).
 */
void
lg_token_make(uint8_t out[LG_TOKEN_BYTES], const uint8_t key[LG_KEY_BYTES], uint8_t type,
			  const char *normal, size_t normal_len)
{
	LgBytes		head = {&type, 1};
	LgBytes		tail = {normal, normal_len};

	lg_hash_prefixed(out, LG_TOKEN_BYTES, personal_token, key, head, tail);
}

/*
 * lg_domain_token_make
 *		Token of a normalised domain (A-labels, lower case), 8 bytes.
 */
void
lg_domain_token_make(uint8_t out[LG_DOMAIN_TOKEN_BYTES], const uint8_t key[LG_KEY_BYTES],
					 const char *domain, size_t domain_len)
{
	LgBytes		head = {NULL, 0};
	LgBytes		tail = {domain, domain_len};

	lg_hash_prefixed(out, LG_DOMAIN_TOKEN_BYTES, personal_domain, key, head, tail);
}

/*
 * lg_kdf_self_test
 *		Does this libsodium make all the hash lengths that the formats use?
 *
 * libsodium documents 16 bytes as its smallest hash and accepts less; BLAKE2b
 * itself is defined from one byte on.  Should a build refuse, we must learn it
 * at start and not at the first value.
 */
bool
lg_kdf_self_test(void)
{
	static const size_t lengths[] = {4, LG_DOMAIN_TOKEN_BYTES, 12, LG_TOKEN_BYTES, 24, LG_KEY_BYTES};
	crypto_generichash_blake2b_state state;
	uint8_t		once[LG_KEY_BYTES];
	uint8_t		stream[LG_KEY_BYTES];

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		size_t		n = lengths[i];

		if (crypto_generichash_blake2b_salt_personal(once, n, (const uint8_t *) "abc", 3, NULL, 0,
													 NULL, personal_token) != 0 ||
			crypto_generichash_blake2b_init_salt_personal(&state, NULL, 0, n, NULL,
														  personal_token) != 0 ||
			crypto_generichash_blake2b_update(&state, (const uint8_t *) "abc", 3) != 0 ||
			crypto_generichash_blake2b_final(&state, stream, n) != 0 ||
			memcmp(once, stream, n) != 0)
			return false;
	}
	return true;
}
