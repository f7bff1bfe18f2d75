/*-------------------------------------------------------------------------
 *
 * kdf.h
 *		Labelled hashes under a key: subkeys, tokens and nonces.
 *
 * For src/common, and for audit/change.c.  docs/formats.md has the labels and the reasons.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_KDF_H
#define LG_KDF_H

#include "common/value.h"

#define LG_PERSONAL_BYTES	16	/* of BLAKE2b's parameter block */

/* One input of a hash; a NULL pointer is allowed where the length is 0. */
typedef struct LgBytes
{
	const void *data;
	size_t		len;
} LgBytes;

extern bool lg_kdf_self_test(void);
extern void lg_kdf_subkey(uint8_t out[LG_KEY_BYTES], const uint8_t key[LG_KEY_BYTES],
						  const char *label);
extern void lg_hash_prefixed(uint8_t *out, size_t out_len,
							 const uint8_t personal[LG_PERSONAL_BYTES],
							 const uint8_t key[LG_KEY_BYTES], LgBytes head, LgBytes tail);
extern void lg_hash_checksum(uint8_t *out, size_t out_len,
							 const uint8_t personal[LG_PERSONAL_BYTES], LgBytes head, LgBytes tail);
extern void lg_nonce_make(uint8_t *out, size_t out_len, const uint8_t key[LG_KEY_BYTES],
						  LgBytes header, LgBytes text);

#endif							/* LG_KDF_H */
