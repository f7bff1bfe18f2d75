/*-------------------------------------------------------------------------
 *
 * claims_fuzz.c
 *		libFuzzer harness: the claims of a ticket, names of lists, times.
 *
 * What is accepted must keep the promises of token.h and be written again as
 * it was read.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "common/token.h"

static void
require(bool good)
{
	if (!good)
		abort();
}

static void
check_text(const LgClaims *c, const char *s, size_t max, size_t size)
{
	require(s >= c->block && s + strlen(s) < c->block + size);
	require(strlen(s) >= 1 && strlen(s) <= max);
	for (; *s != '\0'; s++)
		require((unsigned char) *s >= 0x20 && *s != 0x7F);
}

static void
check_list(const char *text)
{
	LgListName	name;
	LgListName	again;
	char		out[LG_NAME_MAX * 4];

	if (lg_list_name_parse(&name, text) != LG_OK)
	{
		require(name.list_no == 0 && name.table[0] == '\0');
		return;
	}
	require(name.list_no != 0 && !(name.star && name.has_value));
	require(lg_list_name_format(out, sizeof(out), &name) == LG_OK && strcmp(out, text) == 0);
	require(lg_list_name_parse(&again, out) == LG_OK && memcmp(&again, &name, sizeof(name)) == 0);
}

static void
check_time(const char *text, size_t size)
{
	int64_t		usec;
	int64_t		again;
	char		out[21];

	if (lg_rfc3339_parse(&usec, text, size) != LG_OK)
	{
		require(usec == 0);
		return;
	}
	require(lg_rfc3339_format(out, sizeof(out), usec) == LG_OK && strlen(out) == 20);
	require(lg_rfc3339_parse(&again, out, 20) == LG_OK && again == usec / 1000000 * 1000000);
}

static void
check_claims(const LgClaims *c, size_t size)
{
	int			i;

	check_text(c, c->iss, LG_NAME_MAX - 1, size);
	check_text(c, c->aud, LG_NAME_MAX - 1, size);
	check_text(c, c->sub, 63, size);
	check_text(c, c->purpose, 800, size);
	require(c->exp > c->iat && c->exp > c->nbf && c->iat >= 0 && c->nbf >= 0 && c->until >= 0);
	require(c->max_rows >= 1 && c->max_rows <= INT64_C(9007199254740991));
	require(c->n_lists >= 1 && c->n_lists <= LG_CLAIM_LISTS_MAX && c->n_cols >= 1 && c->n_cols <= LG_CLAIM_COLS_MAX);
	for (i = 0; i < c->n_lists; i++)
	{
		LgListName	name;

		check_text(c, c->lists[i], LG_PAYLOAD_MAX, size);
		require(lg_list_name_parse(&name, c->lists[i]) == LG_OK);
	}
	for (i = 0; i < c->n_cols; i++)
		check_text(c, c->cols[i], 63, size);
	require(c->req == NULL || strlen(c->req) == 64);
	require(c->to == NULL || strlen(c->to) == 40);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	LgClaims	claims;
	const char *why = NULL;
	char	   *text = malloc(size + 1);

	if (lg_claims_parse(&claims, data, size, &why) == LG_OK)
	{
		require(why == NULL);
		check_claims(&claims, size);
	}
	else
		require(why != NULL && claims.block == NULL);
	lg_claims_free(&claims);

	memcpy(text, data, size);
	text[size] = '\0';
	check_list(text);
	check_time((const char *) data, size);
	free(text);
	return 0;
}
