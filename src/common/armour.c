/*-------------------------------------------------------------------------
 *
 * armour.c
 *		A sealed value as text, for dumps, replicas and error messages.
 *
 * "lg1:" and the unpadded base64url (RFC 4648 section 5) of
 *
 *		kind (1) | keyset id (16) | value | checksum (4)
 *
 * The armour without token leaves both tokens out of the value and can not be
 * turned back.  The checksum finds damage while no key is at hand; what makes
 * an armour acceptable is the value's own tag.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "common/kdf.h"
#include "common/text64.h"

#define PREFIX			"lg1:"
#define PREFIX_LEN		4
#define CHECKSUM_BYTES	4
#define FRAME_BYTES		(1 + LG_KEYSET_BYTES + CHECKSUM_BYTES)

/* Longest armour that can hold a value, in characters. */
#define MAX_VALUE_BYTES	(LG_MAX_HEADER_BYTES + 24 + LG_MAX_TEXT_BYTES + 16 + LG_TAG_BYTES)
#define MAX_CHARS		(PREFIX_LEN + LG_TEXT64_CHARS(FRAME_BYTES + MAX_VALUE_BYTES))

static const uint8_t personal_armour[LG_PERSONAL_BYTES] = "lg1 armour";

/*
 * Base64 writer over a run of pieces: up to two bytes wait for the next piece,
 * so that only the last one is ended.
 */
typedef struct Writer
{
	char	   *out;
	uint8_t		held[3];
	size_t		n_held;
} Writer;

/*
 * lg_armour_is
 *		Does this text say that it is an armour?
 */
bool
lg_armour_is(const char *text, size_t len)
{
	return len >= PREFIX_LEN && memcmp(text, PREFIX, PREFIX_LEN) == 0;
}

/*
 * token_bytes
 *		Bytes of the two tokens, which lie right behind the fixed header.
 */
static size_t
token_bytes(const LgValueView *view)
{
	return view->header_len - LG_FIXED_HEADER_BYTES;
}

/*
 * lg_armour_size
 *		Bytes of the armour of a value, final NUL included; 0 for an unknown kind.
 */
size_t
lg_armour_size(const LgValueView *view, size_t value_len, uint8_t kind)
{
	size_t		raw = FRAME_BYTES + value_len;

	if (kind != LG_ARMOUR_FULL && kind != LG_ARMOUR_NO_TOKEN)
		return 0;
	if (kind == LG_ARMOUR_NO_TOKEN)
		raw -= token_bytes(view);
	return PREFIX_LEN + LG_TEXT64_CHARS(raw) + 1;
}

static void
writer_put(Writer *w, const uint8_t *data, size_t len)
{
	size_t		whole;

	while (w->n_held > 0 && w->n_held < 3 && len > 0)
	{
		w->held[w->n_held++] = *data++;
		len--;
	}
	if (w->n_held == 3)
	{
		w->out = lg_text64_encode(w->out, w->held, 3);
		w->n_held = 0;
	}
	whole = len / 3 * 3;
	w->out = lg_text64_encode(w->out, data, whole);
	for (size_t i = whole; i < len; i++)
		w->held[w->n_held++] = data[i];
}

static void
writer_end(Writer *w)
{
	w->out = lg_text64_encode(w->out, w->held, w->n_held);
	*w->out = '\0';
}

/*
 * lg_armour_encode
 *		Write the armour of a value, NUL-terminated.
 *
 * out_len is at least lg_armour_size(), else LG_ERR_SPACE; bytes that are no
 * value are refused as by lg_value_parse().
 */
LgStatus
lg_armour_encode(char *out, size_t out_len, uint8_t kind, const uint8_t keyset[LG_KEYSET_BYTES],
				 const uint8_t *value, size_t value_len)
{
	/* kind, keyset, fixed header; then the rest of the value; then the checksum */
	uint8_t		head[1 + LG_KEYSET_BYTES + LG_FIXED_HEADER_BYTES];
	uint8_t		checksum[CHECKSUM_BYTES];
	const uint8_t *rest;
	size_t		rest_len;
	LgValueView view;
	Writer		w;
	LgStatus	status;

	status = lg_value_parse(&view, value, value_len);
	if (status != LG_OK)
		return status;
	if (kind != LG_ARMOUR_FULL && kind != LG_ARMOUR_NO_TOKEN)
		return LG_ERR_SYNTAX;
	if (out_len < lg_armour_size(&view, value_len, kind))
		return LG_ERR_SPACE;

	head[0] = kind;
	memcpy(head + 1, keyset, LG_KEYSET_BYTES);
	memcpy(head + 1 + LG_KEYSET_BYTES, value, LG_FIXED_HEADER_BYTES);
	rest = kind == LG_ARMOUR_FULL ? value + LG_FIXED_HEADER_BYTES : view.nonce;
	rest_len = value_len - (size_t) (rest - value);
	lg_hash_checksum(checksum, CHECKSUM_BYTES, personal_armour,
					 (LgBytes) {head, sizeof(head)}, (LgBytes) {rest, rest_len});

	memcpy(out, PREFIX, PREFIX_LEN);
	w.out = out + PREFIX_LEN;
	w.n_held = 0;
	writer_put(&w, head, sizeof(head));
	writer_put(&w, rest, rest_len);
	writer_put(&w, checksum, CHECKSUM_BYTES);
	writer_end(&w);
	return LG_OK;
}

/*
 * lg_armour_decode
 *		Turn an armour back into the bytes of a value.
 *
 * In this order: not an armour, not base64url or too short, LG_ERR_SYNTAX;
 * damaged, LG_ERR_AUTH; made without token, LG_ERR_SYNTAX; another keyset than
 * expect, LG_ERR_KEYSET (keyset_out then says which); not a value, as
 * lg_value_parse().  The caller still has to open the value before trusting
 * it.  out is scratch space where the result is not LG_OK.
 */
LgStatus
lg_armour_decode(uint8_t *out, size_t *out_len, uint8_t keyset_out[LG_KEYSET_BYTES],
				 const uint8_t *expect, const char *text, size_t len)
{
	uint8_t		checksum[CHECKSUM_BYTES];
	size_t		raw;
	size_t		value_len;
	LgValueView view;
	LgStatus	status;

	*out_len = 0;
	if (!lg_armour_is(text, len))
		return LG_ERR_SYNTAX;
	if (len > MAX_CHARS)
		return LG_ERR_TOO_LONG;
	if (!lg_text64_decode(out, &raw, text + PREFIX_LEN, len - PREFIX_LEN) ||
		raw < FRAME_BYTES)
		return LG_ERR_SYNTAX;

	lg_hash_checksum(checksum, CHECKSUM_BYTES, personal_armour,
					 (LgBytes) {out, raw - CHECKSUM_BYTES}, (LgBytes) {NULL, 0});
	if (memcmp(checksum, out + raw - CHECKSUM_BYTES, CHECKSUM_BYTES) != 0)
		return LG_ERR_AUTH;
	if (out[0] != LG_ARMOUR_FULL)
		return LG_ERR_SYNTAX;
	memcpy(keyset_out, out + 1, LG_KEYSET_BYTES);
	if (expect != NULL && memcmp(keyset_out, expect, LG_KEYSET_BYTES) != 0)
		return LG_ERR_KEYSET;

	value_len = raw - FRAME_BYTES;
	status = lg_value_parse(&view, out + 1 + LG_KEYSET_BYTES, value_len);
	if (status != LG_OK)
		return status;
	memmove(out, out + 1 + LG_KEYSET_BYTES, value_len);
	*out_len = value_len;
	return LG_OK;
}
