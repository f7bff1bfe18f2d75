/*-------------------------------------------------------------------------
 *
 * text64.h
 *		Fast base64url for bytes that are no secret; internal to src/common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_TEXT64_H
#define LG_TEXT64_H

#include "common/status.h"

/* Characters that len bytes become. */
#define LG_TEXT64_CHARS(len)	(((len) * 4 + 2) / 3)

/* Writes LG_TEXT64_CHARS(len) characters, no NUL; returns their end. */
extern char *lg_text64_encode(char *out, const uint8_t *in, size_t len);
/* Writes at most len * 3 / 4 bytes; false unless the text is the canonical form. */
extern bool lg_text64_decode(uint8_t *out, size_t *out_len, const char *in, size_t len);

#endif							/* LG_TEXT64_H */
