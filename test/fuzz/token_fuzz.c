/*-------------------------------------------------------------------------
 *
 * token_fuzz.c
 *		libFuzzer harness: tickets and keys as text.
 *
 * Beside memory errors it looks for two spellings: what is accepted must be
 * the one text that encoding gives again.  Each input is tried as a token, as
 * a key, and as the contents of a token that we sign ourselves.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#include "common/paserk.h"

static uint8_t pk[LG_ED25519_PUBLIC];
static uint8_t sk[LG_ED25519_SECRET];
static char footer[128];

static void
require(bool good)
{
	if (!good)
		abort();
}

static void
set_up(void)
{
	static const uint8_t seed[32] = {7, 7, 7};
	char		pid[LG_PASERK_PID_CHARS + 1];

	require(sodium_init() >= 0);
	crypto_sign_seed_keypair(pk, sk, seed);
	require(lg_paserk_pid(pid, sizeof(pid), pk) == LG_OK);
	snprintf(footer, sizeof(footer), "{\"kid\":\"%s\"}", pid);
}

/* An accepted shape has one spelling; the signature is hardly ever right. */
static void
try_token(const char *text, size_t size)
{
	LgTokenParts parts;
	char		again[LG_TOKEN_MAX + 1] = "v4.public.";
	uint8_t		m[LG_TOKEN_MAX];
	size_t		n;
	size_t		at = 10;

	if (lg_paseto_verify(m, sizeof(m), &n, pk, text, size, NULL, 0) != LG_OK)
		require(n == 0);
	if (lg_token_split(&parts, text, size) != LG_OK)
	{
		require(sodium_is_zero((uint8_t *) &parts, sizeof(parts)));
		return;
	}
	require(parts.message_len > 0 && parts.message_len <= LG_PAYLOAD_MAX && strlen(parts.kid) == LG_PASERK_PID_CHARS);
	require(lg_b64url_encode(again + at, sizeof(again) - at, parts.body, parts.message_len + LG_ED25519_SIG) == LG_OK);
	at += strlen(again + at);
	again[at++] = '.';
	require(lg_b64url_encode(again + at, sizeof(again) - at, (uint8_t *) parts.footer, parts.footer_len) == LG_OK);
	require(strlen(again) == size && memcmp(again, text, size) == 0);
	(void) lg_token_verify(&parts, pk);
}

static void
try_key(const char *text, size_t size)
{
	char		again[LG_PASERK_SECRET_CHARS + 1];
	uint8_t		out[LG_ED25519_SECRET];

	if (lg_paserk_public_parse(out, text, size) == LG_OK)
		require(lg_paserk_public_format(again, sizeof(again), out) == LG_OK && strlen(again) == size &&
				memcmp(again, text, size) == 0);
	if (lg_paserk_secret_parse(out, text, size) == LG_OK)
		require(lg_paserk_secret_format(again, sizeof(again), out) == LG_OK && strlen(again) == size &&
				memcmp(again, text, size) == 0);
}

/* What we sign verifies; with one bit of it changed it does not. */
static void
try_contents(const uint8_t *data, size_t size)
{
	char		token[LG_TOKEN_MAX + 1];
	LgTokenParts parts;
	LgStatus	st = lg_paseto_sign(token, sizeof(token), sk, data, size, (const uint8_t *) footer, strlen(footer),
									(const uint8_t *) LG_IMPLICIT, strlen(LG_IMPLICIT));
	size_t		bit;

	if (st != LG_OK)
	{
		require(token[0] == '\0');
		return;
	}
	st = lg_token_split(&parts, token, strlen(token));
	require((st == LG_OK) == (size > 0 && size <= LG_PAYLOAD_MAX));
	if (st != LG_OK)
		return;
	require(parts.message_len == size && memcmp(parts.body, data, size) == 0);
	require(lg_token_verify(&parts, pk) == LG_OK);
	bit = (data[0] | (size_t) data[size - 1] << 8) % ((size + LG_ED25519_SIG) * 8);
	parts.body[bit / 8] ^= (uint8_t) (1 << bit % 8);
	require(lg_token_verify(&parts, pk) == LG_ERR_AUTH);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (footer[0] == '\0')
		set_up();
	try_token((const char *) data, size);
	try_key((const char *) data, size);
	try_contents(data, size);
	return 0;
}
