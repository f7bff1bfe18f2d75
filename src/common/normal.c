/*-------------------------------------------------------------------------
 *
 * normal.c
 *		UTF-8, canonical composition and case folding of one Unicode version.
 *
 * The pipeline is that of canonical caseless matching (Unicode 15.0 chapter
 * 3.13, D145), NFC(toCasefold(NFD(X))), done in one pass: each code point is
 * decomposed, the marks after a starter are put in canonical order, folded,
 * and composed straight into the caller's buffer.  gen-unicode asserts what
 * makes this right: folding decomposed text leaves it decomposed and ordered.
 *
 * No state outlives a call; nothing to lock.
 *
 *-------------------------------------------------------------------------
 */
#include "common/normal.h"

#include <string.h>

#include "common/nfc.h"

#define HANGUL_S	0xAC00
#define HANGUL_L	0x1100
#define HANGUL_V	0x1161
#define HANGUL_T	0x11A7
#define HANGUL_LN	19
#define HANGUL_VN	21
#define HANGUL_TN	28
#define HANGUL_SN	(HANGUL_LN * HANGUL_VN * HANGUL_TN)

static inline uint8_t
ascii_lower(uint8_t b)
{
	return (b >= 'A' && b <= 'Z') ? b | 0x20 : b;
}

/* Version of the tables that everything under src/common goes by. */
const char *
lg_unicode_version(void)
{
	return lg_ucd_version;
}

/* Unicode 15.0 table 3-7: no surrogates, no overlong forms. */
size_t
lg_utf8_get(uint32_t *c, const char *s, size_t left)
{
	const uint8_t *b = (const uint8_t *) s;
	uint32_t	value;
	size_t		n;

	if (b[0] < 0x80)
	{
		*c = b[0];
		return 1;
	}
	if (b[0] < 0xC2 || b[0] > 0xF4)
		return 0;
	n = b[0] < 0xE0 ? 2 : b[0] < 0xF0 ? 3 : 4;
	if (left < n)
		return 0;
	value = b[0] & (0x7F >> n);
	for (size_t i = 1; i < n; i++)
	{
		if ((b[i] & 0xC0) != 0x80)
			return 0;
		value = value << 6 | (b[i] & 0x3F);
	}
	if (n == 3 && (value < 0x800 || (value >= 0xD800 && value <= 0xDFFF)))
		return 0;
	if (n == 4 && (value < 0x10000 || value > LG_UCD_MAX))
		return 0;
	*c = value;
	return n;
}

size_t
lg_utf8_put(char out[4], uint32_t c)
{
	size_t		n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char) (0x80 | (c & 0x3F));
	out[0] = (char) (lead[n] | c);
	return n;
}

size_t
lg_ucd_map(uint32_t out[LG_UCD_MAP_MAX], const LgUcdMap *map, size_t count, uint32_t c)
{
	size_t		low = 0;
	size_t		high = count;
	const LgUcdMap *row;

	out[0] = c;
	while (low < high)			/* finds the last row with first <= c */
	{
		size_t		mid = (low + high) / 2;

		if (map[mid].first <= c)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == 0)
		return 1;
	row = &map[low - 1];
	if ((c - row->first) % row->stride != 0 || (c - row->first) / row->stride >= row->count)
		return 1;
	if (row->len == 0)
	{
		out[0] = (uint32_t) ((int32_t) c + row->value);
		return 1;
	}
	memcpy(out, &lg_ucd_pool[row->value], row->len * sizeof(uint32_t));
	return row->len;
}

/* Unicode 15.0 chapter 3.7 D68 and, for Hangul, 3.12. */
size_t
lg_ucd_decompose(uint32_t out[LG_UCD_MAP_MAX], uint32_t c)
{
	uint32_t	s = c - HANGUL_S;

	if (s < HANGUL_SN)
	{
		out[0] = HANGUL_L + s / (HANGUL_VN * HANGUL_TN);
		out[1] = HANGUL_V + s / HANGUL_TN % HANGUL_VN;
		out[2] = HANGUL_T + s % HANGUL_TN;
		return s % HANGUL_TN == 0 ? 2 : 3;
	}
	if (lg_ucd_prop(c)->flags & LG_UCD_DECOMP)
		return lg_ucd_map(out, lg_ucd_decomp, lg_ucd_decomp_count, c);
	out[0] = c;
	return 1;
}

uint32_t
lg_ucd_compose(uint32_t first, uint32_t second)
{
	size_t		low = 0;
	size_t		high = lg_ucd_pairs_count;

	if (first - HANGUL_L < HANGUL_LN && second - HANGUL_V < HANGUL_VN)
		return HANGUL_S +
			((first - HANGUL_L) * HANGUL_VN + (second - HANGUL_V)) * HANGUL_TN;
	if (first - HANGUL_S < HANGUL_SN && (first - HANGUL_S) % HANGUL_TN == 0 &&
		second > HANGUL_T && second < HANGUL_T + HANGUL_TN)
		return first + (second - HANGUL_T);
	while (low < high)
	{
		size_t		mid = (low + high) / 2;
		const LgUcdPair *pair = &lg_ucd_pairs[mid];

		if (pair->first == first && pair->second == second)
			return pair->composite;
		if (pair->first < first || (pair->first == first && pair->second < second))
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}

void
lg_nfc_init(LgNfc *nfc, char *out, size_t out_size, bool fold)
{
	nfc->out = out;
	nfc->out_size = out_size;
	nfc->out_len = 0;
	nfc->fold = fold;
	nfc->has_starter = false;
	nfc->full = false;
	nfc->starter = 0;
	nfc->starter_off = 0;
	nfc->starter_len = 0;
	nfc->last_ccc = -1;
	nfc->n_marks = 0;
	nfc->n_lead = 0;
	nfc->fresh = false;
}

/* Puts another code point in the place of the starter that is in out already. */
static void
nfc_replace_starter(LgNfc *nfc, uint32_t c)
{
	char		bytes[4];
	size_t		n = lg_utf8_put(bytes, c);
	size_t		tail = nfc->starter_off + nfc->starter_len;

	if (nfc->out_len - nfc->starter_len + n > nfc->out_size)
	{
		nfc->full = true;
		return;
	}
	memmove(nfc->out + nfc->starter_off + n, nfc->out + tail, nfc->out_len - tail);
	memcpy(nfc->out + nfc->starter_off, bytes, n);
	nfc->out_len = nfc->out_len - nfc->starter_len + n;
	nfc->starter_len = n;
	nfc->starter = c;
}

/* Appends one decomposed, ordered, folded code point, or composes it (D117). */
static void
nfc_compose(LgNfc *nfc, uint32_t c)
{
	const LgUcdProp *prop = lg_ucd_prop(c);
	char		bytes[4];
	size_t		n;

	if (nfc->has_starter && (prop->flags & LG_UCD_SECOND) && nfc->last_ccc < (int) prop->ccc)
	{
		uint32_t	composite = lg_ucd_compose(nfc->starter, c);

		if (composite != 0)
		{
			nfc_replace_starter(nfc, composite);
			return;
		}
	}
	n = lg_utf8_put(bytes, c);
	if (nfc->full || nfc->out_size - nfc->out_len < n)
	{
		nfc->full = true;
		return;
	}
	memcpy(nfc->out + nfc->out_len, bytes, n);
	if (prop->ccc == 0)
	{
		nfc->has_starter = true;
		nfc->starter = c;
		nfc->starter_off = nfc->out_len;
		nfc->starter_len = n;
		nfc->last_ccc = -1;
	}
	else
		nfc->last_ccc = prop->ccc;
	nfc->out_len += n;
}

/* Folds one decomposed, ordered code point, if wanted, and passes it on. */
static void
nfc_fold(LgNfc *nfc, uint32_t c)
{
	uint32_t	folded[LG_UCD_MAP_MAX];
	size_t		n;

	if (!nfc->fold || !(lg_ucd_prop(c)->flags & LG_UCD_FOLD))
	{
		nfc_compose(nfc, c);
		return;
	}
	n = lg_ucd_map(folded, lg_ucd_fold, lg_ucd_fold_count, c);
	for (size_t i = 0; i < n; i++)
		nfc_compose(nfc, folded[i]);
}

/* Passes the waiting marks on in canonical order (D109): a stable sort by class. */
static void
nfc_flush(LgNfc *nfc)
{
	uint32_t   *marks = nfc->marks;

	for (size_t i = 1; i < nfc->n_marks; i++)
	{
		uint32_t	c = marks[i];
		uint8_t		ccc = lg_ucd_prop(c)->ccc;
		size_t		j = i;

		for (; j > 0 && lg_ucd_prop(marks[j - 1])->ccc > ccc; j--)
			marks[j] = marks[j - 1];
		marks[j] = c;
	}
	for (size_t i = 0; i < nfc->n_marks; i++)
		nfc_fold(nfc, marks[i]);
	nfc->n_marks = 0;
}

LgStatus
lg_nfc_push(LgNfc *nfc, uint32_t c)
{
	uint32_t	parts[LG_UCD_MAP_MAX];
	size_t		n = lg_ucd_decompose(parts, c);

	nfc->fresh = lg_ucd_prop(parts[0])->ccc == 0;
	if (!nfc->fresh && nfc->n_marks + n > LG_NFC_MARKS)
		return LG_ERR_TOO_LONG;
	for (size_t i = 0; i < n; i++)
	{
		if (lg_ucd_prop(parts[i])->ccc != 0)
			nfc->marks[nfc->n_marks++] = parts[i];
		else
		{
			nfc_flush(nfc);
			nfc_fold(nfc, parts[i]);
		}
	}
	if (nfc->fresh)
		nfc->n_lead = nfc->n_marks;
	return nfc->full ? LG_ERR_SPACE : LG_OK;
}

LgStatus
lg_nfc_finish(LgNfc *nfc)
{
	nfc_flush(nfc);
	return nfc->full ? LG_ERR_SPACE : LG_OK;
}

/*
 * Parts of the code point at text[pos] if they are marks; 0 where the run of
 * marks ends.  *size is its length in bytes.
 */
static size_t
run_marks(uint32_t parts[LG_UCD_MAP_MAX], size_t *size, const char *text, size_t len, size_t pos)
{
	uint32_t	c;
	size_t		n;

	if (pos >= len || (*size = lg_utf8_get(&c, text + pos, len - pos)) == 0)
		return 0;
	n = lg_ucd_decompose(parts, c);
	return lg_ucd_prop(parts[0])->ccc == 0 ? 0 : n;
}

/*
 * Passes on a run of marks of any length that starts at text[pos], with the
 * n_lead marks of the code point before it, in canonical order: once over the
 * run for each of the (55) classes, so that it needs no memory and no attacker
 * can make it quadratic.  Returns where the run ends.
 */
static size_t
nfc_long_run(LgNfc *nfc, const char *text, size_t len, size_t pos)
{
	uint32_t	lead[LG_NFC_MARKS];
	size_t		n_lead = nfc->n_lead;
	uint32_t	parts[LG_UCD_MAP_MAX];
	bool		present[256] = {false};
	size_t		end;
	size_t		n;
	size_t		size;

	memcpy(lead, nfc->marks, n_lead * sizeof(uint32_t));
	nfc->n_marks = 0;
	nfc->n_lead = 0;
	for (size_t i = 0; i < n_lead; i++)
		present[lg_ucd_prop(lead[i])->ccc] = true;
	for (end = pos; (n = run_marks(parts, &size, text, len, end)) > 0; end += size)
		for (size_t i = 0; i < n; i++)
			present[lg_ucd_prop(parts[i])->ccc] = true;
	for (int ccc = 1; ccc < 256; ccc++)
	{
		if (!present[ccc])
			continue;
		for (size_t i = 0; i < n_lead; i++)
			if (lg_ucd_prop(lead[i])->ccc == ccc)
				nfc_fold(nfc, lead[i]);
		for (size_t p = pos; (n = run_marks(parts, &size, text, len, p)) > 0; p += size)
			for (size_t i = 0; i < n; i++)
				if (lg_ucd_prop(parts[i])->ccc == ccc)
					nfc_fold(nfc, parts[i]);
	}
	return end;
}

/*
 * Copies ASCII in lower case while the byte after it is ASCII too, so that
 * nothing can compose with what is copied.  Returns how many bytes.
 */
static size_t
copy_ascii(LgNfc *nfc, const char *text, size_t len)
{
	size_t		n = 0;

	while (n < len && (uint8_t) text[n] < 0x80)
		n++;
	if (n < len && n > 0)
		n--;
	if (n == 0)
		return 0;
	nfc_flush(nfc);
	if (nfc->full || nfc->out_size - nfc->out_len < n)
	{
		nfc->full = true;
		return n;
	}
	for (size_t i = 0; i < n; i++)
		nfc->out[nfc->out_len + i] = (char) ascii_lower((uint8_t) text[i]);
	nfc->out_len += n;
	nfc->has_starter = false;
	return n;
}

/*
 * lg_normal_text
 *		Canonical caseless form of a text; see normal.h.
 *
 * out must not overlap text.  LG_ERR_ENCODING and LG_ERR_UNASSIGNED set
 * *err_pos; LG_ERR_SPACE cannot happen with LG_NORMAL_BOUND(len) bytes.
 */
LgStatus
lg_normal_text(char *out, size_t out_size, size_t *out_len,
			   const char *text, size_t len, size_t *err_pos)
{
	LgNfc		nfc;
	size_t		pos = 0;
	size_t		run = 0;		/* where the marks after the last starter begin */
	LgStatus	status;

	*out_len = 0;
	*err_pos = 0;
	lg_nfc_init(&nfc, out, out_size, true);
	while (pos < len)
	{
		uint32_t	c;
		size_t		n = copy_ascii(&nfc, text + pos, len - pos);

		pos += n;
		if (n > 0)
			continue;
		*err_pos = pos;
		n = lg_utf8_get(&c, text + pos, len - pos);
		if (n == 0)
			return LG_ERR_ENCODING;
		if (!(lg_ucd_prop(c)->flags & LG_UCD_ASSIGNED))
			return LG_ERR_UNASSIGNED;
		status = lg_nfc_push(&nfc, c);
		if (status == LG_ERR_SPACE)
			return status;
		if (status == LG_ERR_TOO_LONG)
		{
			pos = nfc_long_run(&nfc, text, len, run);
			continue;
		}
		pos += n;
		if (nfc.fresh)
			run = pos;
	}
	*err_pos = len;
	status = lg_nfc_finish(&nfc);
	if (status == LG_OK)
		*out_len = nfc.out_len;
	return status;
}
