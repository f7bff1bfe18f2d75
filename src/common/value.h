/*-------------------------------------------------------------------------
 *
 * value.h
 *		The sealed value: its bytes, how one is made and how one is opened.
 *
 * docs/formats.md describes the layout; test/vectors/value.json freezes it.
 *
 *	offset	size	field
 *	0		1		version, 1
 *	1		1		algorithm: 1 AES-256-GCM, 2 XChaCha20-Poly1305 (IETF)
 *	2		1		flags: bits 0-1 type (1 email, 2 lookup, 3 text),
 *					0x04 token present, 0x08 domain token present, others 0
 *	3		1		index epoch (0 where there is no token)
 *	4		4		key id, big endian
 *	8		16		token, if flag 0x04
 *	..		8		domain token, if flag 0x08
 *	..		12/24	nonce (12 for AES-256-GCM, 24 for XChaCha20-Poly1305)
 *	..		16*n	ciphertext of the text padded as ISO/IEC 7816-4 to a
 *					multiple of 16, n >= 1
 *	..		16		authentication tag
 *
 * Everything before the nonce is "the header" and is the additional data.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_VALUE_H
#define LG_VALUE_H

#include "common/status.h"

#define LG_VALUE_VERSION		1
#define LG_ALG_AES256GCM		1
#define LG_ALG_XCHACHA20		2

#define LG_TYPE_EMAIL			1
#define LG_TYPE_LOOKUP			2
#define LG_TYPE_TEXT			3
#define LG_FLAG_TYPE_MASK		0x03
#define LG_FLAG_TOKEN			0x04
#define LG_FLAG_DOMAIN			0x08

#define LG_TOKEN_BYTES			16
#define LG_DOMAIN_TOKEN_BYTES	8
#define LG_KEY_BYTES			32
#define LG_TAG_BYTES			16
#define LG_FIXED_HEADER_BYTES	8
#define LG_MAX_HEADER_BYTES		(8 + 16 + 8)
#define LG_MAX_TEXT_BYTES		(8 * 1024 * 1024)

/* A parsed view into a sealed value; pointers into the caller's bytes. */
typedef struct LgValueView
{
	uint8_t		alg;
	uint8_t		type;			/* LG_TYPE_* */
	uint8_t		epoch;
	uint32_t	key_id;
	const uint8_t *token;		/* LG_TOKEN_BYTES, or NULL */
	const uint8_t *domain_token;	/* LG_DOMAIN_TOKEN_BYTES, or NULL */
	const uint8_t *header;
	size_t		header_len;
	const uint8_t *nonce;
	size_t		nonce_len;
	const uint8_t *body;		/* ciphertext, then tag */
	size_t		body_len;
} LgValueView;

/*
 * Working keys of one list, derived from its 32-byte list key.  Lives in a
 * guarded arena; contains cached key schedules, so its address must not move
 * and must be 16-byte aligned.
 */
typedef struct LgListKeys LgListKeys;

/* Token keys of a database, derived from its 32-byte index key. */
typedef struct LgIndexKeys
{
	uint8_t		epoch;
	uint8_t		email[LG_KEY_BYTES];
	uint8_t		lookup[LG_KEY_BYTES];
	uint8_t		domain[LG_KEY_BYTES];
	uint8_t		audit[LG_KEY_BYTES];	/* tokens of addresses in audit events */
} LgIndexKeys;

/* What is to be sealed, beside the key. */
typedef struct LgSealInput
{
	uint8_t		type;			/* LG_TYPE_* */
	uint8_t		alg;			/* LG_ALG_*, or 0 for this machine's best */
	uint32_t	key_id;
	uint8_t		epoch;
	const uint8_t *token;		/* LG_TOKEN_BYTES; NULL for LG_TYPE_TEXT */
	const uint8_t *domain_token;	/* or NULL */
	const char *text;			/* exact text as entered, need not end in NUL */
	size_t		text_len;
} LgSealInput;

extern LgStatus lg_crypto_init(void);	/* sodium_init; idempotent */
extern bool lg_crypto_have_aes(void);	/* libsodium's AES usable here */
extern uint8_t lg_crypto_best_alg(void);

extern size_t lg_list_keys_size(void);	/* bytes, multiple of 64 */
extern LgStatus lg_list_keys_derive(LgListKeys *out, const uint8_t key[LG_KEY_BYTES]);
extern void lg_index_keys_derive(LgIndexKeys *out, uint8_t epoch, const uint8_t key[LG_KEY_BYTES]);

extern void lg_token_make(uint8_t out[LG_TOKEN_BYTES], const uint8_t key[LG_KEY_BYTES],
						  uint8_t type, const char *normal, size_t normal_len);
extern void lg_domain_token_make(uint8_t out[LG_DOMAIN_TOKEN_BYTES], const uint8_t key[LG_KEY_BYTES],
								 const char *domain, size_t domain_len);

/* Size in bytes of the sealed form (0 if the input is invalid or too long). */
extern size_t lg_value_sealed_size(const LgSealInput *in);
/* out has lg_value_sealed_size() bytes. */
extern LgStatus lg_value_seal(uint8_t *out, size_t out_len, const LgListKeys *keys, const LgSealInput *in);
/* Strict parse: every length and flag checked; no key needed. */
extern LgStatus lg_value_parse(LgValueView *view, const uint8_t *bytes, size_t len);
/* Upper bound of the opened text's size, in bytes. */
extern size_t lg_value_text_bound(const LgValueView *view);
/* Opens into out (lg_value_text_bound() bytes); LG_ERR_AUTH if anything was altered. */
extern LgStatus lg_value_open(char *out, size_t *out_len, const LgListKeys *keys, const LgValueView *view);

/*
 * Armour: "lg1:" then unpadded base64url of
 *	kind (1: with token, 2: token removed) | keyset id (16) | value | checksum (4)
 * The checksum is BLAKE2b-32 of all before it; it finds damage while no key is
 * at hand, and proves nothing.
 */
#define LG_KEYSET_BYTES			16
#define LG_ARMOUR_FULL			1
#define LG_ARMOUR_NO_TOKEN		2
extern bool lg_armour_is(const char *text, size_t len);	/* starts with "lg1:" */
extern size_t lg_armour_size(const LgValueView *view, size_t value_len, uint8_t kind);	/* with final NUL */
extern LgStatus lg_armour_encode(char *out, size_t out_len, uint8_t kind,
								 const uint8_t keyset[LG_KEYSET_BYTES],
								 const uint8_t *value, size_t value_len);
/*
 * Decodes into out (at least 3*len/4 bytes).  Only LG_ARMOUR_FULL can become a
 * value again: any other kind is LG_ERR_SYNTAX.  expect may be NULL (keyset
 * not known yet); otherwise another keyset is LG_ERR_KEYSET.
 */
extern LgStatus lg_armour_decode(uint8_t *out, size_t *out_len, uint8_t keyset_out[LG_KEYSET_BYTES],
								 const uint8_t *expect, const char *text, size_t len);

/*
 * Wrapped keys.  layout: version 1 | kind | root id (8) | nonce (24) |
 * ciphertext (32) | tag (16) | commitment (32).  The AEAD is XChaCha20-Poly1305
 * under a subkey of the root key, bound to all of LgWrapContext; the commitment
 * is checked before the AEAD, so a wrong root is LG_ERR_KEY, never garbage.
 */
#define LG_ROOT_ID_BYTES		8
#define LG_WRAPPED_ROOT_ID		2	/* where the root id lies in the wrapped form */
#define LG_WRAPPED_BYTES		(1 + 1 + 8 + 24 + 32 + 16 + 32)
#define LG_WRAP_LIST			1
#define LG_WRAP_INDEX			2
typedef struct LgWrapContext
{
	uint8_t		keyset[LG_KEYSET_BYTES];
	uint8_t		kind;			/* LG_WRAP_* */
	uint32_t	list_no;		/* 0 for the index key */
	uint32_t	key_id;			/* index epoch for the index key */
} LgWrapContext;
extern void lg_root_id(uint8_t out[LG_ROOT_ID_BYTES], const uint8_t root[LG_KEY_BYTES]);
extern LgStatus lg_key_wrap(uint8_t out[LG_WRAPPED_BYTES], const uint8_t root[LG_KEY_BYTES],
							const LgWrapContext *ctx, const uint8_t key[LG_KEY_BYTES]);
extern LgStatus lg_key_unwrap(uint8_t key[LG_KEY_BYTES], const uint8_t root[LG_KEY_BYTES],
							  const LgWrapContext *ctx, const uint8_t wrapped[LG_WRAPPED_BYTES]);

#endif							/* LG_VALUE_H */
