/*-------------------------------------------------------------------------
 *
 * paseto.c
 *		PASETO v4.public: Ed25519 over the pre-authentication encoding.
 *
 * Sources: paseto-spec, docs/01-Protocol-Versions/Version4.md (Sign, Verify)
 * and docs/01-Protocol-Versions/Common.md (PAE); RFC 8032.  Nothing of a token
 * is interpreted before its signature is checked, but for the footer, which
 * must match one fixed pattern byte for byte.
 *
 * No locking: no state.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>
#include <sodium.h>

#include "common/token.h"

#define HEADER			"v4.public."
#define HEADER_LEN		(sizeof(HEADER) - 1)
#define FOOTER_HEAD		"{\"kid\":\""
#define FOOTER_TAIL		"\"}"
#define FOOTER_HEAD_LEN	(sizeof(FOOTER_HEAD) - 1)
#define FOOTER_LEN		(FOOTER_HEAD_LEN + LG_PASERK_PID_CHARS + sizeof(FOOTER_TAIL) - 1)

/* Room for a token's parts and an implicit assertion of up to 1 kB. */
#define PAE_MAX			(LG_TOKEN_MAX + 1024)

/* One piece of the pre-authentication encoding. */
typedef struct Piece
{
	const uint8_t *data;
	size_t		len;
} Piece;

/* The two variable parts of a token, still encoded; footer NULL if absent. */
typedef struct RawToken
{
	const char *body;
	size_t		body_len;
	const char *footer;
	size_t		footer_len;
} RawToken;

/* LE64 of the spec: little endian, top bit clear (a size_t of ours never sets it). */
static void
put_le64(uint8_t *out, uint64_t n)
{
	int			i;

	for (i = 0; i < 8; i++)
		out[i] = (uint8_t) (n >> (8 * i));
}

/* PAE(h, m, f, i) into out, which has PAE_MAX bytes. */
static LgStatus
encode_pae(uint8_t *out, size_t *out_len, const Piece m, const Piece f, const Piece i)
{
	const Piece pieces[4] = {{(const uint8_t *) HEADER, HEADER_LEN}, m, f, i};
	size_t		at = 8;
	int			k;

	put_le64(out, 4);
	for (k = 0; k < 4; k++)
	{
		if (PAE_MAX - at < 8 || pieces[k].len > PAE_MAX - at - 8)
			return LG_ERR_TOO_LONG;
		put_le64(out + at, pieces[k].len);
		at += 8;
		if (pieces[k].len > 0)
			memcpy(out + at, pieces[k].data, pieces[k].len);
		at += pieces[k].len;
	}
	*out_len = at;
	return LG_OK;
}

/* Header, size and number of parts; no decoding yet. */
static LgStatus
cut_token(RawToken *raw, const char *token, size_t len)
{
	const char *dot;

	memset(raw, 0, sizeof(*raw));
	if (len > LG_TOKEN_MAX)
		return LG_ERR_TOO_LONG;
	if (len < HEADER_LEN || memcmp(token, HEADER, HEADER_LEN) != 0)
		return LG_ERR_VERSION;
	raw->body = token + HEADER_LEN;
	raw->body_len = len - HEADER_LEN;
	dot = memchr(raw->body, '.', raw->body_len);
	if (dot != NULL)
	{
		raw->footer = dot + 1;
		raw->footer_len = (size_t) (token + len - raw->footer);
		raw->body_len = (size_t) (dot - raw->body);
		/* An empty footer is spelled without the dot, and only so. */
		if (raw->footer_len == 0 || memchr(raw->footer, '.', raw->footer_len) != NULL)
			return LG_ERR_SYNTAX;
	}
	return LG_OK;
}

/* Signature over PAE; libsodium refuses S >= L and keys of small order. */
static LgStatus
check_signature(const uint8_t sig[LG_ED25519_SIG], const uint8_t pk[LG_ED25519_PUBLIC],
				const Piece m, const Piece f, const Piece i)
{
	uint8_t		pae[PAE_MAX];
	size_t		pae_len;
	LgStatus	st = encode_pae(pae, &pae_len, m, f, i);

	if (st != LG_OK)
		return st;
	if (crypto_sign_verify_detached(sig, pae, pae_len, pk) != 0)
		return LG_ERR_AUTH;
	return LG_OK;
}

/* The footer exactly {"kid":"k4.pid.<44>"}; copies the kid. */
static LgStatus
match_footer(char kid[LG_PASERK_PID_CHARS + 1], const char *footer, size_t len)
{
	const char *pid = footer + FOOTER_HEAD_LEN;
	uint8_t		hash[33];
	size_t		hash_len;

	if (len != FOOTER_LEN ||
		memcmp(footer, FOOTER_HEAD, FOOTER_HEAD_LEN) != 0 ||
		memcmp(pid, "k4.pid.", 7) != 0 ||
		memcmp(pid + LG_PASERK_PID_CHARS, FOOTER_TAIL, sizeof(FOOTER_TAIL) - 1) != 0)
		return LG_ERR_SYNTAX;
	if (lg_b64url_decode(hash, sizeof(hash), &hash_len, pid + 7, LG_PASERK_PID_CHARS - 7) != LG_OK)
		return LG_ERR_SYNTAX;
	memcpy(kid, pid, LG_PASERK_PID_CHARS);
	kid[LG_PASERK_PID_CHARS] = '\0';
	return LG_OK;
}

/*
 * lg_token_split
 *		Shape of a ticket, before any key is looked up.
 *
 * LG_ERR_TOO_LONG, LG_ERR_VERSION (another header) or LG_ERR_SYNTAX; parts is
 * then all zero.
 */
LgStatus
lg_token_split(LgTokenParts *parts, const char *token, size_t len)
{
	RawToken	raw;
	size_t		body_len;
	LgStatus	st;

	memset(parts, 0, sizeof(*parts));
	st = cut_token(&raw, token, len);
	if (st == LG_OK && raw.footer == NULL)
		st = LG_ERR_SYNTAX;
	if (st == LG_OK)
		st = lg_b64url_decode(parts->body, sizeof(parts->body), &body_len, raw.body, raw.body_len);
	if (st == LG_OK && body_len <= LG_ED25519_SIG)
		st = LG_ERR_SYNTAX;		/* no payload before the signature */
	if (st == LG_OK)
		st = lg_b64url_decode((uint8_t *) parts->footer, sizeof(parts->footer) - 1,
							  &parts->footer_len, raw.footer, raw.footer_len);
	if (st == LG_OK)
		st = match_footer(parts->kid, parts->footer, parts->footer_len);
	if (st != LG_OK)
	{
		memset(parts, 0, sizeof(*parts));
		return st == LG_ERR_SPACE ? LG_ERR_TOO_LONG : st;
	}
	parts->message_len = body_len - LG_ED25519_SIG;
	return LG_OK;
}

/*
 * lg_token_verify
 *		Check a ticket's signature under pk and the implicit assertion.
 *
 * LG_ERR_KEY if the footer names another key than pk, so that a wrong look-up
 * by the caller fails closed; LG_ERR_AUTH if the signature is wrong.
 */
LgStatus
lg_token_verify(const LgTokenParts *parts, const uint8_t pk[LG_ED25519_PUBLIC])
{
	const Piece m = {parts->body, parts->message_len};
	const Piece f = {(const uint8_t *) parts->footer, parts->footer_len};
	const Piece i = {(const uint8_t *) LG_IMPLICIT, sizeof(LG_IMPLICIT) - 1};
	char		pid[LG_PASERK_PID_CHARS + 1];
	LgStatus	st;

	if (parts->message_len == 0 || parts->message_len > LG_PAYLOAD_MAX ||
		parts->footer_len > sizeof(parts->footer))
		return LG_ERR_SYNTAX;
	st = lg_paserk_pid(pid, sizeof(pid), pk);
	if (st != LG_OK)
		return st;
	if (sodium_memcmp(pid, parts->kid, LG_PASERK_PID_CHARS) != 0)
		return LG_ERR_KEY;
	return check_signature(parts->body + parts->message_len, pk, m, f, i);
}

/* Header, body and footer in base64url, NUL-terminated. */
static LgStatus
write_token(char *out, size_t out_size, const uint8_t *body, size_t body_len, const Piece f)
{
	size_t		at = HEADER_LEN;
	LgStatus	st;

	if (out_size <= HEADER_LEN)
		return LG_ERR_SPACE;
	memcpy(out, HEADER, HEADER_LEN);
	st = lg_b64url_encode(out + at, out_size - at, body, body_len);
	if (st != LG_OK || f.len == 0)
		return st;
	at += strlen(out + at);
	if (out_size - at < 2)
		return LG_ERR_SPACE;
	out[at++] = '.';
	return lg_b64url_encode(out + at, out_size - at, f.data, f.len);
}

/*
 * lg_paseto_sign
 *		v4.public token over m with footer f (may be empty) and implicit i.
 *
 * sk is seed || public key; LG_ERR_KEY if the two halves do not belong
 * together: signing with a foreign public half would give the seed away.
 * LG_ERR_TOO_LONG if the parts exceed what a token may hold, LG_ERR_SPACE if
 * out cannot hold it; out is then "".
 */
LgStatus
lg_paseto_sign(char *out, size_t out_size, const uint8_t sk[LG_ED25519_SECRET],
			   const uint8_t *m, size_t m_len, const uint8_t *f, size_t f_len,
			   const uint8_t *i, size_t i_len)
{
	const Piece pm = {m, m_len};
	const Piece pf = {f, f_len};
	const Piece pi = {i, i_len};
	uint8_t		pk[LG_ED25519_PUBLIC];
	uint8_t		derived[LG_ED25519_SECRET];
	uint8_t		buf[PAE_MAX];
	uint8_t		sig[LG_ED25519_SIG];
	size_t		len;
	LgStatus	st;

	if (out_size == 0)
		return LG_ERR_SPACE;
	out[0] = '\0';
	(void) crypto_sign_seed_keypair(pk, derived, sk);
	st = sodium_memcmp(derived, sk, sizeof(derived)) == 0 ? LG_OK : LG_ERR_KEY;
	if (st == LG_OK)
		st = encode_pae(buf, &len, pm, pf, pi);
	if (st == LG_OK && crypto_sign_detached(sig, NULL, buf, len, derived) != 0)
		st = LG_ERR_KEY;
	sodium_memzero(derived, sizeof(derived));
	if (st != LG_OK)
		return st;

	/* The PAE was longer than message and signature together will be. */
	if (m_len > sizeof(buf) - sizeof(sig))
		return LG_ERR_TOO_LONG;
	if (m_len > 0)
		memcpy(buf, m, m_len);
	memcpy(buf + m_len, sig, sizeof(sig));
	st = write_token(out, out_size, buf, m_len + sizeof(sig), pf);
	if (st != LG_OK)
		out[0] = '\0';
	return st;
}

/*
 * lg_paseto_verify
 *		Message of any v4.public token, given key and implicit assertion.
 *
 * The footer is authenticated and not interpreted.  m is written only if the
 * signature holds.  LG_ERR_VERSION for another header, LG_ERR_SYNTAX,
 * LG_ERR_TOO_LONG, LG_ERR_AUTH, LG_ERR_SPACE.
 */
LgStatus
lg_paseto_verify(uint8_t *m, size_t m_size, size_t *m_len, const uint8_t pk[LG_ED25519_PUBLIC],
				 const char *token, size_t len, const uint8_t *i, size_t i_len)
{
	RawToken	raw;
	uint8_t		body[LG_TOKEN_MAX];
	uint8_t		footer[LG_TOKEN_MAX];
	size_t		body_len = 0;
	size_t		footer_len = 0;
	LgStatus	st;

	*m_len = 0;
	st = cut_token(&raw, token, len);
	if (st == LG_OK)
		st = lg_b64url_decode(body, sizeof(body), &body_len, raw.body, raw.body_len);
	if (st == LG_OK && raw.footer != NULL)
		st = lg_b64url_decode(footer, sizeof(footer), &footer_len, raw.footer, raw.footer_len);
	if (st == LG_OK && body_len < LG_ED25519_SIG)
		st = LG_ERR_SYNTAX;
	if (st != LG_OK)
		return st;

	body_len -= LG_ED25519_SIG;
	{
		const Piece pm = {body, body_len};
		const Piece pf = {footer, footer_len};
		const Piece pi = {i, i_len};

		st = check_signature(body + body_len, pk, pm, pf, pi);
	}
	if (st != LG_OK)
		return st;
	if (body_len > m_size)
		return LG_ERR_SPACE;
	if (body_len > 0)
		memcpy(m, body, body_len);
	*m_len = body_len;
	return LG_OK;
}
