/*-------------------------------------------------------------------------
 *
 * address_fuzz.c
 *		libFuzzer harness: addresses, domains, texts, masks.
 *
 * Beside memory errors it looks for what equality rests on: a normal form is
 * its own normal form, ASCII case never matters, a fault lies within the text,
 * a mask is known as one, and nothing accepted is a mask.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "common/idna.h"
#include "common/normal.h"
#include "common/ucd.h"

#define TEXT_MAX	4096

static void
require(bool good)
{
	if (!good)
		abort();
}

/* The text with all ASCII letters in upper case; free it. */
static char *
upper(const char *text, size_t len)
{
	char	   *copy = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		copy[i] = (text[i] >= 'a' && text[i] <= 'z') ? (char) (text[i] - 0x20) : text[i];
	return copy;
}

static void
try_mask(const char *text, size_t len)
{
	char	   *out = malloc(LG_NORMAL_BOUND(len));
	LgAddress	addr;
	size_t		pos;
	const char *why;

	require(!lg_mask_is(text, len));
	require(lg_mask_address(out, len + 10, text, len) == LG_OK && lg_mask_is(out, strlen(out)));
	require(lg_address_parse(&addr, out, strlen(out), &pos, &why) == LG_ERR_MASKED);
	require(lg_munge_address(out, LG_NORMAL_BOUND(len), text, len) == LG_OK);
	require(lg_address_parse(&addr, out, strlen(out), &pos, &why) != LG_OK);
	free(out);
}

static void
try_address(const char *text, size_t len)
{
	char	   *out = malloc(LG_NORMAL_BOUND(len));
	char	   *again;
	char	   *shout;
	size_t		out_len;
	size_t		again_len;
	size_t		domain_off;
	size_t		again_off;
	size_t		pos;
	const char *why;
	LgAddress	addr;
	LgStatus	status = lg_address_normal(out, LG_NORMAL_BOUND(len), &out_len, &domain_off, text, len, &pos, &why);

	require(status != LG_ERR_SPACE);
	require(lg_address_parse(&addr, text, len, &pos, &why) == status);
	require(status == LG_OK || (pos <= len && why != NULL && out_len == 0));
	if (status == LG_OK)
	{
		require(out_len <= LG_NORMAL_BOUND(len) && out[domain_off - 1] == '@');
		again = malloc(LG_NORMAL_BOUND(out_len));
		status = lg_address_normal(again, LG_NORMAL_BOUND(out_len), &again_len, &again_off, out, out_len, &pos, &why);
		/* Folding may lengthen a local part, and 64 octets are the limit of what is entered. */
		require(status == LG_ERR_TOO_LONG ? domain_off - 1 > 64 && pos == 64 : status == LG_OK);
		require(status != LG_OK ||
				(again_len == out_len && again_off == domain_off && memcmp(again, out, out_len) == 0));
		free(again);
		shout = upper(text, len);
		again = malloc(LG_NORMAL_BOUND(len));
		require(lg_address_normal(again, LG_NORMAL_BOUND(len), &again_len, &again_off, shout, len, &pos, &why) == LG_OK);
		require(again_len == out_len && memcmp(again, out, out_len) == 0);
		free(again);
		free(shout);
		try_mask(text, len);
	}
	free(out);
}

static void
try_domain(const char *text, size_t len)
{
	char		out[LG_DOMAIN_MAX];
	char		again[LG_DOMAIN_MAX];
	size_t		out_len;
	size_t		again_len;
	size_t		pos;
	const char *why;
	uint32_t	cps[LG_LABEL_MAX];

	if (lg_idna_to_ascii(out, &out_len, text, len, &pos, &why) == LG_OK)
	{
		require(lg_idna_to_ascii(again, &again_len, out, out_len, &pos, &why) == LG_OK);
		require(again_len == out_len && memcmp(again, out, out_len) == 0);
	}
	else
		require(pos <= len && why != NULL);
	len = lg_punycode_decode(cps, LG_LABEL_MAX, text, len);
	if (len > 0)
		require(lg_punycode_encode(out, sizeof(out), cps, len) > 0);
}

static void
try_text(const char *text, size_t len)
{
	char	   *out = malloc(LG_NORMAL_BOUND(len));
	char	   *again;
	char	   *shout;
	size_t		out_len;
	size_t		again_len;
	size_t		pos;
	LgStatus	status = lg_normal_text(out, LG_NORMAL_BOUND(len), &out_len, text, len, &pos);

	require(status == LG_OK || ((status == LG_ERR_ENCODING || status == LG_ERR_UNASSIGNED) && pos < len));
	if (status == LG_OK)
	{
		again = malloc(LG_NORMAL_BOUND(out_len));
		require(lg_normal_text(again, out_len, &again_len, out, out_len, &pos) == LG_OK);
		require(again_len == out_len && memcmp(again, out, out_len) == 0);
		free(again);
		shout = upper(text, len);
		again = malloc(LG_NORMAL_BOUND(len));
		require(lg_normal_text(again, LG_NORMAL_BOUND(len), &again_len, shout, len, &pos) == LG_OK);
		require(again_len == out_len && memcmp(again, out, out_len) == 0);
		free(again);
		free(shout);
	}
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size + 1);

	if (size > TEXT_MAX)
	{
		free(text);
		return 0;
	}
	memcpy(text, data, size);
	text = realloc(text, size > 0 ? size : 1);
	try_address(text, size);
	try_domain(text, size);
	try_text(text, size);
	free(text);
	return 0;
}
