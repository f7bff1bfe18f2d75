/*-------------------------------------------------------------------------
 *
 * tokens_test.c
 *		Ten thousand addresses have the tokens that are frozen in
 *		test/vectors/tokens.tsv, and no two normal forms share one.
 *
 * test/tools/gen-token-vectors made the file: a second implementation of
 * docs/normalisation.md and docs/formats.md.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "common/normal.h"
#include "common/value.h"
#include "tap.h"

#define N_TOKENS	10000
#define HEX			(2 * LG_TOKEN_BYTES)

typedef struct Seen
{
	char		hex[HEX + 1];
	char	   *normal;
} Seen;

static int
by_token(const void *a, const void *b)
{
	return memcmp(((const Seen *) a)->hex, ((const Seen *) b)->hex, HEX);
}

/* The token of an address in hex, and its normal form; false if it is refused. */
static bool
token_of(Seen *seen, const LgIndexKeys *keys, const char *text, size_t len)
{
	char		normal[LG_NORMAL_BOUND(LG_MAX_ADDRESS_BYTES)];
	uint8_t		token[LG_TOKEN_BYTES];
	size_t		normal_len;
	size_t		domain_off;
	size_t		pos;
	const char *why;

	if (lg_address_normal(normal, sizeof(normal), &normal_len, &domain_off, text, len, &pos, &why) != LG_OK)
	{
		printf("# fault at %zu: %s\n", pos, why);
		return false;
	}
	lg_token_make(token, keys->email, LG_TYPE_EMAIL, normal, normal_len);
	sodium_bin2hex(seen->hex, sizeof(seen->hex), token, sizeof(token));
	seen->normal = strndup(normal, normal_len);
	return true;
}

/* Tokens that belong to two normal forms. */
static int
shared_tokens(Seen *seen, int n)
{
	int			shared = 0;

	qsort(seen, (size_t) n, sizeof(Seen), by_token);
	for (int i = 1; i < n; i++)
		if (by_token(&seen[i - 1], &seen[i]) == 0 && strcmp(seen[i - 1].normal, seen[i].normal) != 0)
			shared++;
	return shared;
}

int
main(int argc, char **argv)
{
	/* "index" of gen-value-vectors: SHA-256 of "listguard test vector: index" */
	uint8_t		key[LG_KEY_BYTES];
	LgIndexKeys keys;
	FILE	   *file = fopen(argc > 1 ? argv[1] : "test/vectors/tokens.tsv", "r");
	Seen	   *seen = calloc(N_TOKENS, sizeof(Seen));
	char		line[2048];
	int			n = 0;
	int			bad = 0;

	if (!tap_ok(file != NULL && lg_crypto_init() == LG_OK, "the frozen tokens can be read"))
		return tap_done();
	crypto_hash_sha256(key, (const uint8_t *) "listguard test vector: index", 28);
	lg_index_keys_derive(&keys, 1, key);
	while (n < N_TOKENS && fgets(line, sizeof(line), file) != NULL)
	{
		char	   *tab = strchr(line, '\t');

		if (tab == NULL || !token_of(&seen[n], &keys, line, (size_t) (tab - line)) ||
			strncmp(seen[n].hex, tab + 1, HEX) != 0)
		{
			if (bad++ < 10)
				printf("# line %d: %s", n + 1, line);
		}
		if (seen[n].normal == NULL)
			seen[n].normal = strdup("");
		n++;
	}
	tap_ok(n == N_TOKENS && fgets(line, sizeof(line), file) == NULL, "there are %d of them", n);
	tap_ok(bad == 0, "all tokens are as frozen (%d are not)", bad);
	tap_ok(shared_tokens(seen, n) == 0, "no two normal forms share a token");
	fclose(file);
	return tap_done();
}
