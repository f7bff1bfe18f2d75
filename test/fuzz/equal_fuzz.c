/*-------------------------------------------------------------------------
 *
 * equal_fuzz.c
 *		libFuzzer harness: two addresses have one token exactly where they are
 *		equal by docs/normalisation.md, and both come back as entered.
 *
 * Equality is told by libunistring (NFC and case folding of the local part)
 * and libidn2 (the domain), which share no code with listguard.  The second
 * address is the rest of the input, or the first one in another spelling.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <idn2.h>
#include <unicase.h>
#include <uninorm.h>

#include "common/normal.h"
#include "common/value.h"

#define TEXT_MAX	1200

static LgListKeys *keys[2];
static LgIndexKeys index_keys;

/* An address with what both implementations make of it. */
typedef struct Sample
{
	char		text[TEXT_MAX];
	size_t		len;
	LgAddress	parts;
	uint8_t		token[LG_TOKEN_BYTES];
	char	   *local;			/* folded by libunistring */
	char	   *domain;			/* as libidn2 writes it */
} Sample;

static void
require(bool good)
{
	if (!good)
		abort();
}

static void
set_up(void)
{
	static const uint8_t secret[3][LG_KEY_BYTES] = {{1}, {2}, {3}};

	require(lg_crypto_init() == LG_OK);
	for (int i = 0; i < 2; i++)
	{
		void	   *p = NULL;

		require(posix_memalign(&p, 64, lg_list_keys_size()) == 0);
		keys[i] = p;
		require(lg_list_keys_derive(keys[i], secret[i]) == LG_OK);
	}
	lg_index_keys_derive(&index_keys, 1, secret[2]);
}

/* The local part without quotes and escapes, folded; NULL if libunistring will not. */
static char *
reference_local(const Sample *s)
{
	uint8_t		plain[TEXT_MAX];
	size_t		n = 0;
	size_t		end = s->parts.local_len - (s->parts.quoted ? 1 : 0);
	size_t		len = 0;
	uint8_t    *folded;
	char	   *out;

	for (size_t i = s->parts.quoted ? 1 : 0; i < end; i++)
	{
		if (s->parts.quoted && s->text[i] == '\\')
			i++;
		plain[n++] = (uint8_t) s->text[i];
	}
	folded = u8_casefold(plain, n, NULL, UNINORM_NFC, NULL, &len);
	if (folded == NULL)
		return n == 0 ? strdup("") : NULL;
	out = strndup((char *) folded, len);
	free(folded);
	return out;
}

/* The domain in A-labels; NULL where libidn2 refuses what listguard takes. */
static char *
reference_domain(const Sample *s)
{
	char		domain[TEXT_MAX];
	char	   *out = NULL;

	memcpy(domain, s->text + s->parts.domain_off, s->parts.domain_len);
	domain[s->parts.domain_len] = '\0';
	if (s->parts.literal)
	{
		for (char *p = domain; *p != '\0'; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p += 'a' - 'A';
		return strdup(domain);
	}
	if (idn2_to_ascii_8z(domain, &out, IDN2_NONTRANSITIONAL | IDN2_USE_STD3_ASCII_RULES) != IDN2_OK)
		return NULL;
	return out;
}

static bool
sample(Sample *s, const char *text, size_t len)
{
	char		normal[LG_NORMAL_BOUND(TEXT_MAX)];
	size_t		normal_len;
	size_t		domain_off;
	size_t		pos;
	const char *why;

	if (len == 0 || len >= sizeof(s->text) || memchr(text, 0, len) != NULL ||
		lg_address_parse(&s->parts, text, len, &pos, &why) != LG_OK)
		return false;
	memcpy(s->text, text, len);
	s->len = len;
	require(lg_address_normal(normal, sizeof(normal), &normal_len, &domain_off, text, len, &pos, &why) == LG_OK);
	lg_token_make(s->token, index_keys.email, LG_TYPE_EMAIL, normal, normal_len);
	s->local = reference_local(s);
	s->domain = reference_domain(s);
	return true;
}

static void
release(Sample *s)
{
	free(s->local);
	free(s->domain);
}

/* Sealed under either list the address comes back as it was, with the same token. */
static void
try_round_trip(const Sample *s)
{
	for (int i = 0; i < 4; i++)
	{
		LgSealInput in = {0};
		LgValueView view;
		uint8_t		value[TEXT_MAX + 256];
		char		back[TEXT_MAX + 64];
		size_t		size;
		size_t		len;

		in.type = LG_TYPE_EMAIL;
		in.alg = (uint8_t) (i % 2 ? LG_ALG_AES256GCM : LG_ALG_XCHACHA20);
		if (in.alg == LG_ALG_AES256GCM && !lg_crypto_have_aes())
			continue;
		in.epoch = 1;
		in.token = s->token;
		in.text = s->text;
		in.text_len = s->len;
		size = lg_value_sealed_size(&in);
		require(size > 0 && size <= sizeof(value) && lg_value_seal(value, size, keys[i / 2], &in) == LG_OK);
		require(lg_value_parse(&view, value, size) == LG_OK && memcmp(view.token, s->token, LG_TOKEN_BYTES) == 0);
		require(lg_value_text_bound(&view) <= sizeof(back) &&
				lg_value_open(back, &len, keys[i / 2], &view) == LG_OK);
		require(len == s->len && memcmp(back, s->text, len) == 0);
		require(lg_value_open(back, &len, keys[1 - i / 2], &view) != LG_OK);
	}
}

/* Another spelling of the same address, by the rule that how names; 0 if there is none. */
static size_t
respell(char *out, const Sample *s, uint8_t how)
{
	size_t		len = 0;
	uint8_t    *made = NULL;

	switch (how % 5)
	{
		case 0:
			for (size_t i = 0; i < s->len; i++)
				out[i] = (s->text[i] >= 'a' && s->text[i] <= 'z') ? (char) (s->text[i] - 32) : s->text[i];
			return s->len;
		case 1:
			made = u8_normalize(UNINORM_NFD, (const uint8_t *) s->text, s->len, NULL, &len);
			break;
		case 2:
			made = u8_normalize(UNINORM_NFC, (const uint8_t *) s->text, s->len, NULL, &len);
			break;
		case 3:					/* quotes that are not needed */
			if (s->parts.quoted)
				return 0;
			return (size_t) snprintf(out, TEXT_MAX, "\"%.*s\"%.*s", (int) s->parts.local_len, s->text,
									 (int) (s->len - s->parts.local_len), s->text + s->parts.local_len);
		case 4:					/* the domain in A-labels */
			if (s->domain == NULL)
				return 0;
			return (size_t) snprintf(out, TEXT_MAX, "%.*s@%s", (int) s->parts.local_len, s->text, s->domain);
	}
	if (made == NULL || len >= TEXT_MAX)
		len = 0;
	else
		memcpy(out, made, len);
	free(made);
	return len;
}

static void
compare(const Sample *a, const Sample *b)
{
	bool		equal;

	if (a->local == NULL || b->local == NULL || a->domain == NULL || b->domain == NULL)
		return;
	equal = strcmp(a->local, b->local) == 0 && strcmp(a->domain, b->domain) == 0;
	require(equal == (memcmp(a->token, b->token, LG_TOKEN_BYTES) == 0));
}

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Input: how to spell the second, then one address, or two with a NUL between. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static Sample a;
	static Sample b;
	char		other[TEXT_MAX];
	const char *text = (const char *) data + 1;
	const char *nul;
	size_t		len;

	if (keys[0] == NULL)
		set_up();
	if (size < 2)
		return 0;
	nul = memchr(text, 0, size - 1);
	len = nul != NULL ? (size_t) (nul - text) : size - 1;
	if (!sample(&a, text, len))
		return 0;
	try_round_trip(&a);
	len = nul != NULL ? size - 2 - len : respell(other, &a, data[0]);
	if (sample(&b, nul != NULL ? nul + 1 : other, len))
	{
		compare(&a, &b);
		release(&b);
	}
	release(&a);
	return 0;
}
