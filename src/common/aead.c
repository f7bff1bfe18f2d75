/*-------------------------------------------------------------------------
 *
 * aead.c
 *		Authenticated encryption of one value under a list's working keys.
 *
 * AES-256-GCM (NIST SP 800-38D) comes from libsodium with a cached key
 * schedule where the processor has AES, else from OpenSSL's EVP; XChaCha20-
 * Poly1305 (draft-irtf-cfrg-xchacha) always from libsodium.  Every build opens
 * both, so that a value travels between machines.
 *
 * The EVP context is made once per process and holds no key between calls.
 * Neither the server's processes nor lgctl use threads, so it needs no lock.
 *
 *-------------------------------------------------------------------------
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#include "common/aead.h"
#include "common/kdf.h"
#include "common/wipe.h"

static bool initialised = false;
static bool have_aes = false;
static bool force_evp = false;

static EVP_CIPHER *evp_cipher = NULL;
static EVP_CIPHER_CTX *evp_ctx = NULL;

/*
 * lg_crypto_init
 *		Make libsodium ready and try out what the formats rest on.
 *
 * May be called any number of times.  LG_ERR_ALGORITHM: this libsodium cannot
 * be used, and no other function of value.h may be called.
 */
LgStatus
lg_crypto_init(void)
{
	if (initialised)
		return LG_OK;
	if (sodium_init() < 0 || !lg_kdf_self_test())
		return LG_ERR_ALGORITHM;
	have_aes = crypto_aead_aes256gcm_is_available() == 1;
	initialised = true;
	return LG_OK;
}

/*
 * lg_crypto_have_aes
 *		Has libsodium AES-256-GCM on this processor?
 */
bool
lg_crypto_have_aes(void)
{
	return have_aes && !force_evp;
}

/*
 * lg_crypto_best_alg
 *		Algorithm that new values get on this machine.
 */
uint8_t
lg_crypto_best_alg(void)
{
	return lg_crypto_have_aes() ? LG_ALG_AES256GCM : LG_ALG_XCHACHA20;
}

void
lg_crypto_force_evp(bool force)
{
	force_evp = force;
}

/*
 * lg_list_keys_size
 *		Bytes that lg_list_keys_derive() writes to, a multiple of 64.
 */
size_t
lg_list_keys_size(void)
{
	return (sizeof(LgListKeys) + 63) / 64 * 64;
}

/*
 * lg_list_keys_derive
 *		Working keys of a list from its list key.
 *
 * out is aligned to 16 bytes, has lg_list_keys_size() bytes and lies in
 * guarded memory; the caller wipes it.  LG_ERR_ALGORITHM before
 * lg_crypto_init().
 */
LgStatus
lg_list_keys_derive(LgListKeys *out, const uint8_t key[LG_KEY_BYTES])
{
	if (!initialised)
		return LG_ERR_ALGORITHM;
	memset(out, 0, sizeof(*out));
	lg_kdf_subkey(out->aes, key, "listguard v1 aes-256-gcm");
	lg_kdf_subkey(out->xchacha, key, "listguard v1 xchacha20-poly1305");
	lg_kdf_subkey(out->nonce, key, "listguard v1 nonce");
	if (have_aes)
	{
		if (crypto_aead_aes256gcm_beforenm(&out->aes_state, out->aes) != 0)
		{
			sodium_memzero(out, sizeof(*out));
			return LG_ERR_ALGORITHM;
		}
		out->has_aes_state = true;
	}
	lg_registers_wipe();
	return LG_OK;
}

size_t
lg_aead_nonce_len(uint8_t alg)
{
	switch (alg)
	{
		case LG_ALG_AES256GCM:
			return LG_NONCE_AES_BYTES;
		case LG_ALG_XCHACHA20:
			return LG_NONCE_XCHACHA_BYTES;
		default:
			return 0;
	}
}

/*
 * evp_ready
 *		Fetch the cipher and make the context, once per process.
 */
static LgStatus
evp_ready(void)
{
	if (evp_ctx != NULL)
		return LG_OK;
	if (evp_cipher == NULL)
		evp_cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (evp_cipher == NULL)
		return LG_ERR_ALGORITHM;
	evp_ctx = EVP_CIPHER_CTX_new();
	if (evp_ctx == NULL)
		return LG_ERR_MEMORY;
	if (EVP_EncryptInit_ex2(evp_ctx, evp_cipher, NULL, NULL, NULL) != 1)
	{
		EVP_CIPHER_CTX_free(evp_ctx);
		evp_ctx = NULL;
		return LG_ERR_ALGORITHM;
	}
	return LG_OK;
}

/*
 * evp_forget
 *		Overwrite the key schedule in the context with that of an all-zero key.
 *
 * The context lies in ordinary memory.  Resetting it would free and allocate
 * again for each value; this leaves nothing behind for less.  Should it fail,
 * the context goes, and with it the key.
 */
static void
evp_forget(void)
{
	static const uint8_t zero[LG_KEY_BYTES] = {0};

	if (EVP_EncryptInit_ex2(evp_ctx, NULL, zero, zero, NULL) != 1)
	{
		EVP_CIPHER_CTX_free(evp_ctx);
		evp_ctx = NULL;
	}
	lg_registers_wipe();
}

static bool
evp_encrypt(uint8_t *buf, size_t len, const LgListKeys *keys, const uint8_t *nonce,
			const uint8_t *ad, size_t ad_len)
{
	int			n;

	return EVP_EncryptInit_ex2(evp_ctx, NULL, keys->aes, nonce, NULL) == 1 &&
		EVP_EncryptUpdate(evp_ctx, NULL, &n, ad, (int) ad_len) == 1 &&
		EVP_EncryptUpdate(evp_ctx, buf, &n, buf, (int) len) == 1 && n == (int) len &&
		EVP_EncryptFinal_ex(evp_ctx, buf + len, &n) == 1 &&
		EVP_CIPHER_CTX_ctrl(evp_ctx, EVP_CTRL_AEAD_GET_TAG, LG_TAG_BYTES, buf + len) == 1;
}

static LgStatus
evp_decrypt(uint8_t *out, const uint8_t *body, size_t len, const LgListKeys *keys,
			const uint8_t *nonce, const uint8_t *ad, size_t ad_len)
{
	uint8_t		tag[LG_TAG_BYTES];
	int			n;

	memcpy(tag, body + len, LG_TAG_BYTES);
	if (EVP_DecryptInit_ex2(evp_ctx, NULL, keys->aes, nonce, NULL) != 1 ||
		EVP_CIPHER_CTX_ctrl(evp_ctx, EVP_CTRL_AEAD_SET_TAG, LG_TAG_BYTES, tag) != 1 ||
		EVP_DecryptUpdate(evp_ctx, NULL, &n, ad, (int) ad_len) != 1 ||
		EVP_DecryptUpdate(evp_ctx, out, &n, body, (int) len) != 1 || n != (int) len)
		return LG_ERR_ALGORITHM;
	return EVP_DecryptFinal_ex(evp_ctx, tag, &n) == 1 ? LG_OK : LG_ERR_AUTH;
}

/*
 * evp_seal, evp_open
 *		AES-256-GCM through OpenSSL, for machines on which libsodium has none.
 *
 * OpenSSL's error queue is left as it was: it belongs to the server's TLS.
 * EVP writes plaintext before it has seen the tag, so evp_open wipes on
 * failure.
 */
static LgStatus
evp_seal(uint8_t *buf, size_t len, const LgListKeys *keys, const uint8_t *nonce,
		 const uint8_t *ad, size_t ad_len)
{
	LgStatus	status;

	ERR_set_mark();
	status = evp_ready();
	if (status == LG_OK)
	{
		if (!evp_encrypt(buf, len, keys, nonce, ad, ad_len))
			status = LG_ERR_ALGORITHM;
		evp_forget();
	}
	ERR_pop_to_mark();
	return status;
}

static LgStatus
evp_open(uint8_t *out, const uint8_t *body, size_t len, const LgListKeys *keys,
		 const uint8_t *nonce, const uint8_t *ad, size_t ad_len)
{
	LgStatus	status;

	ERR_set_mark();
	status = evp_ready();
	if (status == LG_OK)
	{
		status = evp_decrypt(out, body, len, keys, nonce, ad, ad_len);
		evp_forget();
	}
	if (status != LG_OK)
		sodium_memzero(out, len);
	ERR_pop_to_mark();
	return status;
}

/*
 * use_sodium_aes
 *		May libsodium's cached key schedule be used?
 */
static bool
use_sodium_aes(const LgListKeys *keys)
{
	return keys->has_aes_state && !force_evp;
}

LgStatus
lg_aead_seal(uint8_t *buf, size_t len, uint8_t alg, const LgListKeys *keys,
			 const uint8_t *nonce, const uint8_t *ad, size_t ad_len)
{
	int			rc;

	if (alg == LG_ALG_AES256GCM && !use_sodium_aes(keys))
		return evp_seal(buf, len, keys, nonce, ad, ad_len);
	if (alg == LG_ALG_AES256GCM)
		rc = crypto_aead_aes256gcm_encrypt_detached_afternm(buf, buf + len, NULL, buf, len,
															ad, ad_len, NULL, nonce,
															&keys->aes_state);
	else if (alg == LG_ALG_XCHACHA20)
		rc = crypto_aead_xchacha20poly1305_ietf_encrypt_detached(buf, buf + len, NULL, buf, len,
																 ad, ad_len, NULL, nonce,
																 keys->xchacha);
	else
		rc = -1;
	lg_registers_wipe();
	return rc == 0 ? LG_OK : LG_ERR_ALGORITHM;
}

LgStatus
lg_aead_open(uint8_t *out, const uint8_t *body, size_t body_len, uint8_t alg,
			 const LgListKeys *keys, const uint8_t *nonce, const uint8_t *ad, size_t ad_len)
{
	size_t		len = body_len - LG_TAG_BYTES;
	int			rc;

	if (alg == LG_ALG_AES256GCM && !use_sodium_aes(keys))
		return evp_open(out, body, len, keys, nonce, ad, ad_len);
	if (alg == LG_ALG_AES256GCM)
		rc = crypto_aead_aes256gcm_decrypt_detached_afternm(out, NULL, body, len, body + len,
															ad, ad_len, nonce, &keys->aes_state);
	else if (alg == LG_ALG_XCHACHA20)
		rc = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(out, NULL, body, len, body + len,
																 ad, ad_len, nonce, keys->xchacha);
	else
		return LG_ERR_ALGORITHM;
	lg_registers_wipe();
	if (rc == 0)
		return LG_OK;
	sodium_memzero(out, len);
	return LG_ERR_AUTH;
}
