/*-------------------------------------------------------------------------
 *
 * b64url.c
 *		Strict base64url without padding (RFC 4648 section 5).
 *
 * Every byte string has exactly one accepted spelling: no padding, no white
 * space, no characters of the other alphabet, no non-zero trailing bits.
 * libsodium's decoder guarantees that only while its b64_end argument is
 * NULL; with a pointer there it stops at the first bad character and reports
 * success.  1.0.18 also takes '-' and '_' with the top bit set for themselves:
 * such bytes are looked for here.  It runs in time independent of the
 * contents, which is why keys may pass through.
 *
 * No locking: no state.
 *
 *-------------------------------------------------------------------------
 */
#include <sodium.h>

#include "common/token.h"

/* Does any byte have its top bit set?  Looks at all of them in any case. */
static bool
has_high_bytes(const char *in, size_t len)
{
	unsigned char seen = 0;
	size_t		i;

	for (i = 0; i < len; i++)
		seen |= (unsigned char) in[i];
	return (seen & 0x80) != 0;
}

/*
 * lg_b64url_decode
 *		Decode len characters of in into out; *out_len receives the bytes.
 *
 * LG_ERR_SPACE if out_size is less than the decoded size, LG_ERR_SYNTAX for
 * anything but the canonical spelling; out is then wiped and *out_len 0.
 */
LgStatus
lg_b64url_decode(uint8_t *out, size_t out_size, size_t *out_len, const char *in, size_t len)
{
	size_t		need = len / 4 * 3 + len % 4 * 3 / 4;

	*out_len = 0;
	if (len % 4 == 1 || has_high_bytes(in, len))
		return LG_ERR_SYNTAX;
	if (need > out_size)
		return LG_ERR_SPACE;
	if (len == 0)
		return LG_OK;
	if (sodium_base642bin(out, out_size, in, len, NULL, out_len, NULL,
						  sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
	{
		sodium_memzero(out, need);
		*out_len = 0;
		return LG_ERR_SYNTAX;
	}
	return LG_OK;
}

/*
 * lg_b64url_encode
 *		Encode len bytes of in into out, NUL-terminated.
 *
 * LG_ERR_SPACE if out cannot hold the text and its final NUL.
 */
LgStatus
lg_b64url_encode(char *out, size_t out_size, const uint8_t *in, size_t len)
{
	/* Compared without overflow: libsodium aborts the process otherwise. */
	if (len > SIZE_MAX / 2 ||
		out_size < sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING))
		return LG_ERR_SPACE;
	(void) sodium_bin2base64(out, out_size, in, len,
							 sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return LG_OK;
}
