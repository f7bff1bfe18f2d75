/*-------------------------------------------------------------------------
 *
 * wrap.c
 *		List keys and index keys under the root key.
 *
 * Wrapping is XChaCha20-Poly1305 under a subkey of the root, with a random
 * nonce.  That AEAD does not commit to its key (two keys can be found that
 * both open one ciphertext), so a commitment under a second subkey is checked
 * first: a wrong root is recognised as such and never yields garbage.
 *
 *-------------------------------------------------------------------------
 */
#include <sodium.h>
#include <string.h>

#include "common/kdf.h"
#include "common/wipe.h"

#define WRAP_VERSION		1
#define NONCE_BYTES			24
#define COMMITMENT_BYTES	32
#define CONTEXT_BYTES		(LG_KEYSET_BYTES + 1 + 4 + 4)

/* Offsets in the wrapped form. */
#define AT_ROOT_ID			LG_WRAPPED_ROOT_ID
#define AT_NONCE			(AT_ROOT_ID + LG_ROOT_ID_BYTES)
#define AT_CIPHERTEXT		(AT_NONCE + NONCE_BYTES)
#define AT_COMMITMENT		(AT_CIPHERTEXT + LG_KEY_BYTES + LG_TAG_BYTES)

/* Additional data of the AEAD: the context, and what precedes the nonce. */
#define AD_BYTES			(CONTEXT_BYTES + AT_NONCE)

static void
put_be32(uint8_t *out, uint32_t n)
{
	out[0] = (uint8_t) (n >> 24);
	out[1] = (uint8_t) (n >> 16);
	out[2] = (uint8_t) (n >> 8);
	out[3] = (uint8_t) n;
}

/*
 * context_bytes
 *		What a wrapped key is bound to; false if there is no such thing.
 */
static bool
context_bytes(uint8_t out[CONTEXT_BYTES], const LgWrapContext *ctx)
{
	if (ctx->kind != LG_WRAP_LIST && ctx->kind != LG_WRAP_INDEX)
		return false;
	if (ctx->kind == LG_WRAP_INDEX && ctx->list_no != 0)
		return false;
	memcpy(out, ctx->keyset, LG_KEYSET_BYTES);
	out[LG_KEYSET_BYTES] = ctx->kind;
	put_be32(out + LG_KEYSET_BYTES + 1, ctx->list_no);
	put_be32(out + LG_KEYSET_BYTES + 5, ctx->key_id);
	return true;
}

/*
 * lg_root_id
 *		Name of a root key: says which one is needed and nothing about it.
 */
void
lg_root_id(uint8_t out[LG_ROOT_ID_BYTES], const uint8_t root[LG_KEY_BYTES])
{
	static const char label[] = "listguard v1 root id";

	if (crypto_generichash_blake2b(out, LG_ROOT_ID_BYTES, (const uint8_t *) label,
								   sizeof(label) - 1, root, LG_KEY_BYTES) != 0)
		sodium_misuse();
}

/*
 * make_commitment
 *		BLAKE2b-256 keyed with the commitment subkey over context || wrapped bytes.
 */
static void
make_commitment(uint8_t out[COMMITMENT_BYTES], const uint8_t root[LG_KEY_BYTES],
				const uint8_t context[CONTEXT_BYTES], const uint8_t *wrapped)
{
	uint8_t		key[LG_KEY_BYTES];
	uint8_t		message[CONTEXT_BYTES + AT_COMMITMENT];

	lg_kdf_subkey(key, root, "listguard v1 wrap commit");
	memcpy(message, context, CONTEXT_BYTES);
	memcpy(message + CONTEXT_BYTES, wrapped, AT_COMMITMENT);
	if (crypto_generichash_blake2b(out, COMMITMENT_BYTES, message, sizeof(message),
								   key, sizeof(key)) != 0)
		sodium_misuse();
	sodium_memzero(key, sizeof(key));
}

static void
make_ad(uint8_t out[AD_BYTES], const uint8_t context[CONTEXT_BYTES], const uint8_t *wrapped)
{
	memcpy(out, context, CONTEXT_BYTES);
	memcpy(out + CONTEXT_BYTES, wrapped, AT_NONCE);
}

/*
 * lg_key_wrap
 *		Wrap a list key or an index key for storage.
 *
 * LG_ERR_SYNTAX: the context names no key.
 */
LgStatus
lg_key_wrap(uint8_t out[LG_WRAPPED_BYTES], const uint8_t root[LG_KEY_BYTES],
			const LgWrapContext *ctx, const uint8_t key[LG_KEY_BYTES])
{
	uint8_t		context[CONTEXT_BYTES];
	uint8_t		ad[AD_BYTES];
	uint8_t		wrap_key[LG_KEY_BYTES];
	int			rc;

	if (!context_bytes(context, ctx))
		return LG_ERR_SYNTAX;
	out[0] = WRAP_VERSION;
	out[1] = ctx->kind;
	lg_root_id(out + AT_ROOT_ID, root);
	randombytes_buf(out + AT_NONCE, NONCE_BYTES);
	make_ad(ad, context, out);

	lg_kdf_subkey(wrap_key, root, "listguard v1 wrap");
	rc = crypto_aead_xchacha20poly1305_ietf_encrypt(out + AT_CIPHERTEXT, NULL, key, LG_KEY_BYTES,
													ad, AD_BYTES, NULL, out + AT_NONCE, wrap_key);
	sodium_memzero(wrap_key, sizeof(wrap_key));
	if (rc != 0)
	{
		sodium_memzero(out, LG_WRAPPED_BYTES);
		return LG_ERR_ALGORITHM;
	}
	make_commitment(out + AT_COMMITMENT, root, context, out);
	lg_registers_wipe();
	return LG_OK;
}

/*
 * lg_key_unwrap
 *		Unwrap a key; the caller keeps it in guarded memory and wipes it.
 *
 * LG_ERR_VERSION: made by a later version.  LG_ERR_SYNTAX: the context names
 * no key.  LG_ERR_KEY: another root, another context, or altered bytes.  On
 * failure key holds zeros.
 */
LgStatus
lg_key_unwrap(uint8_t key[LG_KEY_BYTES], const uint8_t root[LG_KEY_BYTES],
			  const LgWrapContext *ctx, const uint8_t wrapped[LG_WRAPPED_BYTES])
{
	uint8_t		context[CONTEXT_BYTES];
	uint8_t		ad[AD_BYTES];
	uint8_t		commitment[COMMITMENT_BYTES];
	uint8_t		wrap_key[LG_KEY_BYTES];
	int			rc;

	memset(key, 0, LG_KEY_BYTES);
	if (wrapped[0] != WRAP_VERSION)
		return LG_ERR_VERSION;
	if (!context_bytes(context, ctx))
		return LG_ERR_SYNTAX;
	make_commitment(commitment, root, context, wrapped);
	if (sodium_memcmp(commitment, wrapped + AT_COMMITMENT, COMMITMENT_BYTES) != 0 ||
		wrapped[1] != ctx->kind)
		return LG_ERR_KEY;

	make_ad(ad, context, wrapped);
	lg_kdf_subkey(wrap_key, root, "listguard v1 wrap");
	rc = crypto_aead_xchacha20poly1305_ietf_decrypt(key, NULL, NULL, wrapped + AT_CIPHERTEXT,
													LG_KEY_BYTES + LG_TAG_BYTES, ad, AD_BYTES,
													wrapped + AT_NONCE, wrap_key);
	sodium_memzero(wrap_key, sizeof(wrap_key));
	lg_registers_wipe();
	if (rc != 0)
	{
		sodium_memzero(key, LG_KEY_BYTES);
		return LG_ERR_KEY;
	}
	return LG_OK;
}
