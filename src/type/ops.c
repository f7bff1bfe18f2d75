/*-------------------------------------------------------------------------
 *
 * ops.c
 *		Comparison and hashing of sealed values by their tokens.
 *
 * Leakproof: no key, no decryption, no error on any input.  The order is that
 * of the tokens, which means nothing to anybody; it is there so that a btree
 * can be built.  Equal tokens do not mean equal bytes (two lists, two
 * spellings), so equalimage is false.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "port/pg_bswap.h"
#include "utils/sortsupport.h"

#include "type/type.h"

/*
 * lg_sealed_token
 *		Copy the token of a value; zeros where it has none.
 *
 * Of a toasted value only its beginning is fetched.
 */
bool
lg_sealed_token(uint8 token[LG_TOKEN_BYTES], Datum value)
{
	struct varlena *copy;
	const uint8 *p = lg_sealed_head(value, LG_FIXED_HEADER_BYTES + LG_TOKEN_BYTES, &copy);
	bool		found = p != NULL && (p[2] & LG_FLAG_TOKEN) != 0;

	if (found)
		memcpy(token, p + LG_FIXED_HEADER_BYTES, LG_TOKEN_BYTES);
	else
		memset(token, 0, LG_TOKEN_BYTES);
	lg_sealed_head_done(copy);
	return found;
}

/* Where the token lies in a value that is not toasted; NULL: ask lg_sealed_token. */
static inline const uint8 *
token_in_place(Datum value)
{
	struct varlena *it = (struct varlena *) DatumGetPointer(value);
	const uint8 *p = (const uint8 *) VARDATA_ANY(it);

	if (VARATT_IS_EXTERNAL(it) || VARATT_IS_COMPRESSED(it) ||
		VARSIZE_ANY_EXHDR(it) < LG_FIXED_HEADER_BYTES + LG_TOKEN_BYTES || (p[2] & LG_FLAG_TOKEN) == 0)
		return NULL;
	return p + LG_FIXED_HEADER_BYTES;
}

/* The order of memcmp(), without the call: a search of an index asks a dozen times. */
static inline int
compare_tokens(const uint8 *a, const uint8 *b)
{
	for (int i = 0; i < LG_TOKEN_BYTES; i += sizeof(uint64))
	{
		uint64		x;
		uint64		y;

		memcpy(&x, a + i, sizeof(x));
		memcpy(&y, b + i, sizeof(y));
		if (x != y)
			return pg_ntoh64(x) < pg_ntoh64(y) ? -1 : 1;
	}
	return 0;
}

static int
compare(Datum a, Datum b)
{
	const uint8 *place_a = token_in_place(a);
	const uint8 *place_b = token_in_place(b);
	uint8		token_a[LG_TOKEN_BYTES];
	uint8		token_b[LG_TOKEN_BYTES];

	if (place_a != NULL && place_b != NULL)
		return compare_tokens(place_a, place_b);
	(void) lg_sealed_token(token_a, a);
	(void) lg_sealed_token(token_b, b);
	return compare_tokens(token_a, token_b);
}

#define SEALED_OPERATOR(name, test) \
PG_FUNCTION_INFO_V1(listguard_sealed_##name); \
Datum listguard_sealed_##name(PG_FUNCTION_ARGS) \
{ PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) test 0); }

SEALED_OPERATOR(eq, ==)
SEALED_OPERATOR(ne, !=)
SEALED_OPERATOR(lt, <)
SEALED_OPERATOR(le, <=)
SEALED_OPERATOR(gt, >)
SEALED_OPERATOR(ge, >=)

PG_FUNCTION_INFO_V1(listguard_sealed_cmp);
PG_FUNCTION_INFO_V1(listguard_sealed_sortsupport);
PG_FUNCTION_INFO_V1(listguard_sealed_equalimage);
PG_FUNCTION_INFO_V1(listguard_sealed_hash);
PG_FUNCTION_INFO_V1(listguard_sealed_hash_extended);

Datum
listguard_sealed_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

static int
sort_compare(Datum a, Datum b, SortSupport ssup)
{
	(void) ssup;
	return compare(a, b);
}

/* First bytes of the token as a number that sorts as they do. */
static Datum
sort_abbreviate(Datum value, SortSupport ssup)
{
	uint8		token[LG_TOKEN_BYTES];
	Datum		key;

	(void) ssup;
	(void) lg_sealed_token(token, value);
	memcpy(&key, token, sizeof(Datum));
	return DatumBigEndianToNative(key);
}

/* Tokens are as good as random: the first bytes always tell them apart. */
static bool
sort_abort(int memtupcount, SortSupport ssup)
{
	(void) memtupcount;
	(void) ssup;
	return false;
}

Datum
listguard_sealed_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);

	ssup->comparator = sort_compare;
	if (ssup->abbreviate)
	{
		ssup->comparator = ssup_datum_unsigned_cmp;
		ssup->abbrev_converter = sort_abbreviate;
		ssup->abbrev_abort = sort_abort;
		ssup->abbrev_full_comparator = sort_compare;
	}
	PG_RETURN_VOID();
}

Datum
listguard_sealed_equalimage(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	PG_RETURN_BOOL(false);
}

Datum
listguard_sealed_hash(PG_FUNCTION_ARGS)
{
	uint8		token[LG_TOKEN_BYTES];

	(void) lg_sealed_token(token, PG_GETARG_DATUM(0));
	return hash_any(token, LG_TOKEN_BYTES);
}

Datum
listguard_sealed_hash_extended(PG_FUNCTION_ARGS)
{
	uint8		token[LG_TOKEN_BYTES];

	(void) lg_sealed_token(token, PG_GETARG_DATUM(0));
	return hash_any_extended(token, LG_TOKEN_BYTES, PG_GETARG_INT64(1));
}
