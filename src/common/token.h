/*-------------------------------------------------------------------------
 *
 * token.h
 *		Export tickets as bytes: PASETO v4.public, PASERK keys, and the claims.
 *
 * Sources: paseto-standard/paseto-spec (Version4, PAE, PASERK), RFC 4648
 * section 5 (base64url), RFC 3339 (times), RFC 8032 (Ed25519).  No server
 * header, no clock, no state: the caller gives the time and keeps the record
 * of what was used.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_TOKEN_H
#define LG_TOKEN_H

#include "common/status.h"

#define LG_TOKEN_MAX			4096	/* bytes of a whole token */
#define LG_PAYLOAD_MAX			2048
#define LG_ED25519_PUBLIC		32
#define LG_ED25519_SECRET		64
#define LG_ED25519_SIG			64
#define LG_IMPLICIT				"listguard-export-v1"
#define LG_PASERK_PUBLIC_CHARS	(10 + 43)	/* "k4.public." */
#define LG_PASERK_PID_CHARS		(7 + 44)	/* "k4.pid." */

/* Strict base64url without padding; rejects non-zero trailing bits. */
extern LgStatus lg_b64url_decode(uint8_t *out, size_t out_size, size_t *out_len, const char *in, size_t len);
extern LgStatus lg_b64url_encode(char *out, size_t out_size, const uint8_t *in, size_t len);	/* NUL-terminated */

extern LgStatus lg_paserk_public_parse(uint8_t pk[LG_ED25519_PUBLIC], const char *text, size_t len);
extern LgStatus lg_paserk_public_format(char *out, size_t out_size, const uint8_t pk[LG_ED25519_PUBLIC]);
extern LgStatus lg_paserk_pid(char *out, size_t out_size, const uint8_t pk[LG_ED25519_PUBLIC]);

/*
 * Shape of a token, before any signature is checked: size, four parts,
 * header, strict base64url, footer exactly {"kid":"k4.pid.…"}.  kid is copied
 * NUL-terminated into kid[LG_PASERK_PID_CHARS + 1].  body receives message ||
 * signature.
 */
typedef struct LgTokenParts
{
	char		kid[LG_PASERK_PID_CHARS + 1];
	uint8_t		body[LG_PAYLOAD_MAX + LG_ED25519_SIG];
	size_t		message_len;	/* body[0 .. message_len) is the payload */
	char		footer[128];
	size_t		footer_len;
} LgTokenParts;
extern LgStatus lg_token_split(LgTokenParts *parts, const char *token, size_t len);
/* Ed25519 over PAE(h, m, f, i); LG_ERR_KEY if the kid is not pk's, LG_ERR_AUTH if it does not verify. */
extern LgStatus lg_token_verify(const LgTokenParts *parts, const uint8_t pk[LG_ED25519_PUBLIC]);
/* General v4.public, any footer and implicit assertion: for the vectors and the signer. */
extern LgStatus lg_paseto_sign(char *out, size_t out_size, const uint8_t sk[LG_ED25519_SECRET],
							   const uint8_t *m, size_t m_len, const uint8_t *f, size_t f_len,
							   const uint8_t *i, size_t i_len);
extern LgStatus lg_paseto_verify(uint8_t *m, size_t m_size, size_t *m_len, const uint8_t pk[LG_ED25519_PUBLIC],
								 const char *token, size_t len, const uint8_t *i, size_t i_len);

#define LG_CLAIM_LISTS_MAX		64
#define LG_CLAIM_COLS_MAX		64
#define LG_NAME_MAX				512

/*
 * Claims of section 6 of the contract.  Strings are NUL-terminated copies in
 * one malloc'd block owned by the struct; free with lg_claims_free.  Times are
 * microseconds since 1970-01-01 UTC.
 */
typedef struct LgClaims
{
	char	   *iss;
	char	   *aud;
	char	   *sub;
	uint8_t		jti[16];
	int64_t		iat,
				nbf,
				exp;
	int			n_lists;
	char	   *lists[LG_CLAIM_LISTS_MAX];	/* as in the token: name#id */
	int			n_cols;
	char	   *cols[LG_CLAIM_COLS_MAX];
	int64_t		max_rows;
	char	   *purpose;
	char	   *req;			/* 64 hex digits, or NULL */
	char	   *to;				/* recipient's fingerprint, or NULL */
	int64_t		until;			/* 0 if absent */
	char	   *block;			/* malloc's, holds all strings above */
} LgClaims;
/* Strict: one JSON object, no duplicate or unknown name, typed, bounded. *why: static reason, for the audit only. */
extern LgStatus lg_claims_parse(LgClaims *claims, const uint8_t *json, size_t len, const char **why);
extern void lg_claims_free(LgClaims *claims);
/*
 * One name of lg:list: quote_ident'd schema.table, optional "/value" (percent-
 * encoded) or a slash and a star, then "#" and the list's id (decimal).  list_no decides.
 * With the star: all lists of the table; the id is then the table's own number.
 */
typedef struct LgListName
{
	char		table[LG_NAME_MAX];	/* schema.table as written */
	char		value[LG_NAME_MAX];	/* decoded; "" if none */
	bool		has_value;
	bool		star;
	uint32_t	list_no;
} LgListName;
extern LgStatus lg_list_name_parse(LgListName *out, const char *text);
extern LgStatus lg_list_name_format(char *out, size_t out_size, const LgListName *name);

/* RFC 3339 with offset, upper-case T and Z, 0-9 fraction digits, year 1970..9999. */
extern LgStatus lg_rfc3339_parse(int64_t *usec, const char *text, size_t len);
extern LgStatus lg_rfc3339_format(char *out, size_t out_size, int64_t usec);	/* seconds, Z */

#endif							/* LG_TOKEN_H */
