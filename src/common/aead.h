/*-------------------------------------------------------------------------
 *
 * aead.h
 *		Authenticated encryption of one value under a list's working keys.
 *
 * Internal to src/common and its tests.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_AEAD_H
#define LG_AEAD_H

#include <sodium.h>

#include "common/value.h"

#define LG_NONCE_AES_BYTES		12
#define LG_NONCE_XCHACHA_BYTES	24
#define LG_MAX_NONCE_BYTES		24

/*
 * Working keys of one list.  The key schedule comes first: libsodium wants it
 * on a multiple of 16 bytes.
 */
struct LgListKeys
{
	crypto_aead_aes256gcm_state aes_state;	/* valid if has_aes_state */
	uint8_t		aes[LG_KEY_BYTES];
	uint8_t		xchacha[LG_KEY_BYTES];
	uint8_t		nonce[LG_KEY_BYTES];
	bool		has_aes_state;
};

/* Length of the nonce that alg takes, in bytes; 0 if alg is unknown. */
extern size_t lg_aead_nonce_len(uint8_t alg);

/* Encrypts buf in place and puts the tag behind it (len + LG_TAG_BYTES bytes). */
extern LgStatus lg_aead_seal(uint8_t *buf, size_t len, uint8_t alg, const LgListKeys *keys,
							 const uint8_t *nonce, const uint8_t *ad, size_t ad_len);
/* body is ciphertext and tag; writes body_len - LG_TAG_BYTES bytes to out. */
extern LgStatus lg_aead_open(uint8_t *out, const uint8_t *body, size_t body_len, uint8_t alg,
							 const LgListKeys *keys, const uint8_t *nonce,
							 const uint8_t *ad, size_t ad_len);

/* For tests: behave like a machine on which libsodium has no AES. */
extern void lg_crypto_force_evp(bool force);

#endif							/* LG_AEAD_H */
