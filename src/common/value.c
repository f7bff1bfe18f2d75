/*-------------------------------------------------------------------------
 *
 * value.c
 *		The sealed value: its bytes, how one is made and how one is opened.
 *
 * value.h has the layout, docs/formats.md the reasons.  A parse is strict:
 * one value has one form only, and every byte of it is authenticated.
 *
 *-------------------------------------------------------------------------
 */
#include <sodium.h>
#include <string.h>

#include "common/aead.h"
#include "common/kdf.h"

#define PAD_STEP	16

/*
 * padded_len
 *		Length of a text with its padding: at least one byte, to a multiple of 16.
 */
static size_t
padded_len(size_t text_len)
{
	return (text_len / PAD_STEP + 1) * PAD_STEP;
}

/*
 * tokens_fit
 *		Does this type carry exactly these tokens?
 *
 * Addresses and look-ups always have a token, other text never; only an
 * address has a domain.
 */
static bool
tokens_fit(uint8_t type, bool token, bool domain_token)
{
	switch (type)
	{
		case LG_TYPE_EMAIL:
			return token;
		case LG_TYPE_LOOKUP:
			return token && !domain_token;
		case LG_TYPE_TEXT:
			return !token && !domain_token;
		default:
			return false;
	}
}

/*
 * input_alg
 *		Algorithm to seal with: the one asked for, or this machine's best.
 */
static uint8_t
input_alg(const LgSealInput *in)
{
	return in->alg != 0 ? in->alg : lg_crypto_best_alg();
}

static size_t
header_len_of(bool token, bool domain_token)
{
	return LG_FIXED_HEADER_BYTES + (token ? LG_TOKEN_BYTES : 0) +
		(domain_token ? LG_DOMAIN_TOKEN_BYTES : 0);
}

/*
 * lg_value_sealed_size
 *		Bytes that lg_value_seal() will write; 0 if it would refuse.
 */
size_t
lg_value_sealed_size(const LgSealInput *in)
{
	size_t		nonce_len = lg_aead_nonce_len(input_alg(in));

	if (nonce_len == 0 || in->text_len > LG_MAX_TEXT_BYTES ||
		!tokens_fit(in->type, in->token != NULL, in->domain_token != NULL) ||
		(in->token == NULL && in->epoch != 0))
		return 0;
	return header_len_of(in->token != NULL, in->domain_token != NULL) + nonce_len +
		padded_len(in->text_len) + LG_TAG_BYTES;
}

/*
 * write_header
 *		Write the header of a value that has been found valid; returns its length.
 */
static size_t
write_header(uint8_t *out, const LgSealInput *in)
{
	uint8_t    *p = out;

	*p++ = LG_VALUE_VERSION;
	*p++ = input_alg(in);
	*p++ = in->type | (in->token != NULL ? LG_FLAG_TOKEN : 0) |
		(in->domain_token != NULL ? LG_FLAG_DOMAIN : 0);
	*p++ = in->epoch;
	*p++ = (uint8_t) (in->key_id >> 24);
	*p++ = (uint8_t) (in->key_id >> 16);
	*p++ = (uint8_t) (in->key_id >> 8);
	*p++ = (uint8_t) in->key_id;
	if (in->token != NULL)
	{
		memcpy(p, in->token, LG_TOKEN_BYTES);
		p += LG_TOKEN_BYTES;
	}
	if (in->domain_token != NULL)
	{
		memcpy(p, in->domain_token, LG_DOMAIN_TOKEN_BYTES);
		p += LG_DOMAIN_TOKEN_BYTES;
	}
	return (size_t) (p - out);
}

/*
 * lg_value_seal
 *		Seal a text under a list's working keys.
 *
 * out_len is exactly lg_value_sealed_size(in), else LG_ERR_SPACE; an input
 * that is not valid is LG_ERR_SYNTAX, LG_ERR_TOO_LONG or LG_ERR_ALGORITHM.
 * Nothing readable is left in out on failure.
 */
LgStatus
lg_value_seal(uint8_t *out, size_t out_len, const LgListKeys *keys, const LgSealInput *in)
{
	uint8_t		alg = input_alg(in);
	size_t		nonce_len = lg_aead_nonce_len(alg);
	size_t		size = lg_value_sealed_size(in);
	size_t		padded = padded_len(in->text_len);
	size_t		header_len;
	uint8_t    *nonce;
	uint8_t    *body;
	LgStatus	status;

	if (nonce_len == 0)
		return LG_ERR_ALGORITHM;
	if (in->text_len > LG_MAX_TEXT_BYTES)
		return LG_ERR_TOO_LONG;
	if (size == 0)
		return LG_ERR_SYNTAX;
	if (out_len != size)
		return LG_ERR_SPACE;

	header_len = write_header(out, in);
	nonce = out + header_len;
	body = nonce + nonce_len;

	if (in->token != NULL)
		lg_nonce_make(nonce, nonce_len, keys->nonce, (LgBytes) {out, header_len},
					  (LgBytes) {in->text, in->text_len});
	else
		randombytes_buf(nonce, nonce_len);

	if (in->text_len > 0)
		memcpy(body, in->text, in->text_len);
	body[in->text_len] = 0x80;
	memset(body + in->text_len + 1, 0, padded - in->text_len - 1);

	status = lg_aead_seal(body, padded, alg, keys, nonce, out, header_len);
	if (status != LG_OK)
		sodium_memzero(out, out_len);
	return status;
}

/*
 * parse_body
 *		Check and note the part behind the header.
 */
static LgStatus
parse_body(LgValueView *view, const uint8_t *bytes, size_t len)
{
	size_t		before = view->header_len + view->nonce_len;

	if (len < before + PAD_STEP + LG_TAG_BYTES)
		return LG_ERR_SYNTAX;
	view->nonce = bytes + view->header_len;
	view->body = bytes + before;
	view->body_len = len - before;
	if (view->body_len % PAD_STEP != 0)
		return LG_ERR_SYNTAX;
	if (view->body_len > padded_len(LG_MAX_TEXT_BYTES) + LG_TAG_BYTES)
		return LG_ERR_TOO_LONG;
	return LG_OK;
}

/*
 * lg_value_parse
 *		Take a sealed value apart without any key.
 *
 * view points into bytes and is filled only if the result is LG_OK.  Proves
 * nothing about who made the value.
 */
LgStatus
lg_value_parse(LgValueView *view, const uint8_t *bytes, size_t len)
{
	LgValueView v;
	LgStatus	status;
	bool		token;
	bool		domain_token;

	if (len < LG_FIXED_HEADER_BYTES)
		return LG_ERR_SYNTAX;
	if (bytes[0] != LG_VALUE_VERSION)
		return LG_ERR_VERSION;

	v.alg = bytes[1];
	v.nonce_len = lg_aead_nonce_len(v.alg);
	if (v.nonce_len == 0)
		return LG_ERR_ALGORITHM;

	if ((bytes[2] & ~(LG_FLAG_TYPE_MASK | LG_FLAG_TOKEN | LG_FLAG_DOMAIN)) != 0)
		return LG_ERR_SYNTAX;
	v.type = bytes[2] & LG_FLAG_TYPE_MASK;
	token = (bytes[2] & LG_FLAG_TOKEN) != 0;
	domain_token = (bytes[2] & LG_FLAG_DOMAIN) != 0;
	v.epoch = bytes[3];
	if (!tokens_fit(v.type, token, domain_token) || (!token && v.epoch != 0))
		return LG_ERR_SYNTAX;

	v.key_id = (uint32_t) bytes[4] << 24 | (uint32_t) bytes[5] << 16 |
		(uint32_t) bytes[6] << 8 | (uint32_t) bytes[7];
	v.header = bytes;
	v.header_len = header_len_of(token, domain_token);
	v.token = token ? bytes + LG_FIXED_HEADER_BYTES : NULL;
	v.domain_token = domain_token ? bytes + LG_FIXED_HEADER_BYTES + LG_TOKEN_BYTES : NULL;

	status = parse_body(&v, bytes, len);
	if (status == LG_OK)
		*view = v;
	return status;
}

/*
 * lg_value_text_bound
 *		Bytes that lg_value_open() may write to, padding included.
 */
size_t
lg_value_text_bound(const LgValueView *view)
{
	return view->body_len - LG_TAG_BYTES;
}

/*
 * unpadded_len
 *		Length of the text before the padding; false if that is malformed.
 */
static bool
unpadded_len(size_t *len, const uint8_t *text, size_t padded)
{
	size_t		end = padded - 1;

	while (end > padded - PAD_STEP && text[end] == 0)
		end--;
	*len = end;
	return text[end] == 0x80;
}

/*
 * lg_value_open
 *		Open a parsed value into out, which has lg_value_text_bound() bytes.
 *
 * The result is not NUL-terminated; the caller wipes it.  LG_ERR_AUTH if the
 * key is another or any byte was altered, and then out holds zeros.
 */
LgStatus
lg_value_open(char *out, size_t *out_len, const LgListKeys *keys, const LgValueView *view)
{
	size_t		padded = lg_value_text_bound(view);
	LgStatus	status;

	*out_len = 0;
	status = lg_aead_open((uint8_t *) out, view->body, view->body_len, view->alg, keys,
						  view->nonce, view->header, view->header_len);
	if (status != LG_OK)
		return status;
	if (!unpadded_len(out_len, (const uint8_t *) out, padded))
	{
		sodium_memzero(out, padded);
		*out_len = 0;
		return LG_ERR_AUTH;
	}
	return LG_OK;
}
