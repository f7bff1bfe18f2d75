/*-------------------------------------------------------------------------
 *
 * text64.c
 *		Fast base64url for bytes that are no secret.
 *
 * The same strict form as b64url.c (RFC 4648 section 5, no padding, unused
 * bits zero), by table instead of in constant time.  Armour is ciphertext; in
 * a dump or a COPY libsodium's codec cost more than all the cryptography.
 *
 * No state, no locks.
 *
 *-------------------------------------------------------------------------
 */
#include "common/text64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#define X	0xFF
static const uint8_t value_of[256] = {
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, 62, X, X,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, X, X, X, X, X, X,
	X, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, X, X, X, X, 63,
	X, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X
};

/* Two characters for each 12 bits; filled at the first use, no process here has threads. */
static char pairs[4096][2];
static bool pairs_ready = false;

static void
make_pairs(void)
{
	for (int i = 0; i < 4096; i++)
	{
		pairs[i][0] = alphabet[i >> 6];
		pairs[i][1] = alphabet[i & 63];
	}
	pairs_ready = true;
}

char *
lg_text64_encode(char *out, const uint8_t *in, size_t len)
{
	if (!pairs_ready)
		make_pairs();
	for (; len >= 3; len -= 3, in += 3)
	{
		uint32_t	v = (uint32_t) in[0] << 16 | (uint32_t) in[1] << 8 | in[2];

		memcpy(out, pairs[v >> 12], 2);
		memcpy(out + 2, pairs[v & 4095], 2);
		out += 4;
	}
	if (len > 0)
	{
		uint32_t	v = (uint32_t) in[0] << 16 | (len > 1 ? (uint32_t) in[1] << 8 : 0);

		*out++ = alphabet[v >> 18];
		*out++ = alphabet[v >> 12 & 63];
		if (len > 1)
			*out++ = alphabet[v >> 6 & 63];
	}
	return out;
}

/*
 * decode_rest
 *		The last two or three characters; the bits that no byte takes are zero.
 */
static bool
decode_rest(uint8_t **out, const uint8_t *in, size_t len)
{
	uint8_t		a = value_of[in[0]];
	uint8_t		b = value_of[in[1]];
	uint8_t		c = len == 3 ? value_of[in[2]] : 0;

	if (a == X || b == X || c == X)
		return false;
	if (len == 2 ? (b & 15) != 0 : (c & 3) != 0)
		return false;
	*(*out)++ = (uint8_t) (a << 2 | b >> 4);
	if (len == 3)
		*(*out)++ = (uint8_t) (b << 4 | c >> 2);
	return true;
}

bool
lg_text64_decode(uint8_t *out, size_t *out_len, const char *in, size_t len)
{
	const uint8_t *p = (const uint8_t *) in;
	uint8_t    *start = out;

	*out_len = 0;
	if (len % 4 == 1)
		return false;
	for (; len >= 4; len -= 4, p += 4)
	{
		uint8_t		a = value_of[p[0]];
		uint8_t		b = value_of[p[1]];
		uint8_t		c = value_of[p[2]];
		uint8_t		d = value_of[p[3]];

		if ((a | b | c | d) & 0xC0)
			return false;
		*out++ = (uint8_t) (a << 2 | b >> 4);
		*out++ = (uint8_t) (b << 4 | c >> 2);
		*out++ = (uint8_t) (c << 6 | d);
	}
	if (len > 0 && !decode_rest(&out, p, len))
		return false;
	*out_len = (size_t) (out - start);
	return true;
}
#undef X
