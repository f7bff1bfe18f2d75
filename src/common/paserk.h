/*-------------------------------------------------------------------------
 *
 * paserk.h
 *		PASERK forms of a secret Ed25519 key: k4.secret and k4.secret-pw.
 *
 * Only the offline tool and the tests use these: no server function reads or
 * makes a secret key.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_PASERK_H
#define LG_PASERK_H

#include "common/token.h"

#define LG_PASERK_SECRET_CHARS		(10 + 86)	/* "k4.secret." */
#define LG_PASERK_SECRET_PW_BYTES	(16 + 8 + 4 + 4 + 24 + 64 + 32)
#define LG_PASERK_SECRET_PW_CHARS	(13 + 203)	/* "k4.secret-pw." */

/* Cost that lgctl writes, and the most that is accepted from a key file. */
#define LG_PW_MEM_DEFAULT	(256u * 1024 * 1024)	/* bytes */
#define LG_PW_TIME_DEFAULT	3
#define LG_PW_MEM_MAX		(1024u * 1024 * 1024)	/* bytes */
#define LG_PW_TIME_MAX		16

extern LgStatus lg_paserk_secret_parse(uint8_t sk[LG_ED25519_SECRET], const char *text, size_t len);
extern LgStatus lg_paserk_secret_format(char *out, size_t out_size, const uint8_t sk[LG_ED25519_SECRET]);
extern LgStatus lg_paserk_secret_wrap(char *out, size_t out_size, const uint8_t sk[LG_ED25519_SECRET],
									  const char *pw, size_t pw_len, uint64_t mem, uint32_t time);
extern LgStatus lg_paserk_secret_unwrap(uint8_t sk[LG_ED25519_SECRET], const char *text, size_t len,
										const char *pw, size_t pw_len);

#endif							/* LG_PASERK_H */
