/*-------------------------------------------------------------------------
 *
 * idna.c
 *		Domain names: UTS #46 ToASCII, Punycode (RFC 3492), the Bidi rule
 *		(RFC 5893) and the joiner rules (RFC 5892 appendix A).
 *
 * A label that is plain ASCII and does not begin with "xn--" is checked and
 * lowered in one pass.  Every other label is mapped, normalised and checked
 * as a U-label; an A-label must decode to one and encode to itself again.
 *
 * No state outlives a call; nothing to lock.
 *
 *-------------------------------------------------------------------------
 */
#include "common/idna.h"

#include <string.h>

#include "common/nfc.h"

/* UTF-8 bytes of one normalised label under way; what is longer is too long anyway. */
#define LABEL_BYTES		512

/* Parameters of RFC 3492 section 5. */
#define PUNY_BASE		36
#define PUNY_TMIN		1
#define PUNY_TMAX		26
#define PUNY_SKEW		38
#define PUNY_DAMP		700
#define PUNY_BIAS		72
#define PUNY_FIRST		0x80

static const char WHY_ENCODING[] = "The text is not well-formed UTF-8.";
static const char WHY_UNASSIGNED[] = "The character is not assigned in the Unicode version in use.";
static const char WHY_DISALLOWED[] = "The character is not allowed in a domain name.";
static const char WHY_EMPTY[] = "A label of the domain name is empty.";
static const char WHY_LABEL_LONG[] = "A label of the domain name is longer than 63 octets.";
static const char WHY_DOMAIN_LONG[] = "The domain name is longer than 255 octets.";
static const char WHY_HYPHEN[] = "A label of the domain name begins or ends with a hyphen.";
static const char WHY_HYPHENS[] = "A label of the domain name has hyphens in the third and fourth place.";
static const char WHY_MARK[] = "A label of the domain name begins with a combining mark.";
static const char WHY_JOINER[] = "A label of the domain name has a joiner where it does not join.";
static const char WHY_BIDI[] = "The domain name breaks the rule for mixed writing directions.";
static const char WHY_ALABEL[] = "A label that begins with \"xn--\" is not valid Punycode.";

/* A domain under way. */
typedef struct Domain
{
	const char *text;			/* caller's */
	size_t		len;
	char	   *out;			/* caller's */
	size_t		out_len;
	bool		rtl;			/* a label has a character of class R, AL or AN */
	bool		bidi_fault;		/* a label breaks the Bidi rule ... */
	size_t		bidi_pos;		/* ... and begins here */
	size_t		err_pos;
	const char *why;
} Domain;

/* Lower case of letters, digits and the hyphen; 0 for all other bytes. */
static const char ldh_lower[256] = {
	['-'] = '-',
	['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',
	['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9',
	['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g',
	['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n',
	['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u',
	['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z',
	['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g',
	['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n',
	['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u',
	['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z'
};

static LgStatus
fault(Domain *d, LgStatus status, size_t pos, const char *why)
{
	d->err_pos = pos;
	d->why = why;
	return status;
}

/* RFC 3492 section 6.1. */
static uint32_t
puny_adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t	k = 0;

	delta /= first ? PUNY_DAMP : 2;
	delta += delta / points;
	for (; delta > (PUNY_BASE - PUNY_TMIN) * PUNY_TMAX / 2; k += PUNY_BASE)
		delta /= PUNY_BASE - PUNY_TMIN;
	return k + (PUNY_BASE - PUNY_TMIN + 1) * delta / (delta + PUNY_SKEW);
}

static uint32_t
puny_threshold(uint32_t k, uint32_t bias)
{
	if (k <= bias + PUNY_TMIN)
		return PUNY_TMIN;
	return k >= bias + PUNY_TMAX ? PUNY_TMAX : k - bias;
}

/* Value of a digit, lower case only as all labels are lowered first; PUNY_BASE if none. */
static uint32_t
puny_value(char b)
{
	if (b >= 'a' && b <= 'z')
		return (uint32_t) (b - 'a');
	if (b >= '0' && b <= '9')
		return (uint32_t) (b - '0') + 26;
	return PUNY_BASE;
}

/* RFC 3492 section 6.2; what would overflow or cps cannot hold is refused. */
size_t
lg_punycode_decode(uint32_t *cps, size_t size, const char *text, size_t len)
{
	uint32_t	c = PUNY_FIRST;
	uint32_t	bias = PUNY_BIAS;
	uint32_t	i = 0;
	size_t		n = 0;
	size_t		pos = 0;

	for (size_t b = len; b-- > 0 && pos == 0;)
		if (text[b] == '-')
			pos = b + 1;
	if (pos == 1)
		pos = 0;				/* a delimiter without basic code points is a fault below */
	for (; pos > 0 && n < pos - 1; n++)
	{
		if (n >= size || (uint8_t) text[n] >= 0x80)
			return 0;
		cps[n] = (uint8_t) text[n];
	}
	while (pos < len)
	{
		uint32_t	before = i;
		uint32_t	weight = 1;

		for (uint32_t k = PUNY_BASE;; k += PUNY_BASE)
		{
			uint32_t	digit = pos < len ? puny_value(text[pos++]) : PUNY_BASE;
			uint32_t	t = puny_threshold(k, bias);

			if (digit == PUNY_BASE || digit > (UINT32_MAX - i) / weight)
				return 0;
			i += digit * weight;
			if (digit < t)
				break;
			if (weight > UINT32_MAX / (PUNY_BASE - t))
				return 0;
			weight *= PUNY_BASE - t;
		}
		bias = puny_adapt(i - before, (uint32_t) n + 1, before == 0);
		if (i / (n + 1) > LG_UCD_MAX - c || n >= size)
			return 0;
		c += i / (uint32_t) (n + 1);
		i %= (uint32_t) (n + 1);
		if (c >= 0xD800 && c <= 0xDFFF)
			return 0;
		memmove(&cps[i + 1], &cps[i], (n - i) * sizeof(uint32_t));
		cps[i++] = c;
		n++;
	}
	return n;
}

/* Writes one delta as a generalised variable-length integer; false if out is full. */
static bool
puny_put(char *out, size_t out_size, size_t *len, uint32_t delta, uint32_t bias)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";

	for (uint32_t k = PUNY_BASE;; k += PUNY_BASE)
	{
		uint32_t	t = puny_threshold(k, bias);

		if (*len >= out_size)
			return false;
		if (delta < t)
		{
			out[(*len)++] = digits[delta];
			return true;
		}
		out[(*len)++] = digits[t + (delta - t) % (PUNY_BASE - t)];
		delta = (delta - t) / (PUNY_BASE - t);
	}
}

/* The least code point of cps that is at least from; UINT32_MAX if there is none. */
static uint32_t
puny_next(const uint32_t *cps, size_t n, uint32_t from)
{
	uint32_t	least = UINT32_MAX;

	for (size_t i = 0; i < n; i++)
		if (cps[i] >= from && cps[i] < least)
			least = cps[i];
	return least;
}

/* RFC 3492 section 6.3; n at most LABEL_BYTES, so that no delta overflows. */
size_t
lg_punycode_encode(char *out, size_t out_size, const uint32_t *cps, size_t n)
{
	uint32_t	c = PUNY_FIRST;
	uint32_t	bias = PUNY_BIAS;
	uint32_t	delta = 0;
	size_t		done = 0;
	size_t		basic;
	size_t		len = 0;

	if (n == 0 || n > out_size || n > LABEL_BYTES)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (cps[i] < 0x80)
			out[len++] = (char) cps[i];
	done = basic = len;
	if (basic > 0)
	{
		if (len >= out_size)
			return 0;
		out[len++] = '-';
	}
	while (done < n)
	{
		uint32_t	next = puny_next(cps, n, c);

		if (next > LG_UCD_MAX)
			return 0;
		delta += (next - c) * (uint32_t) (done + 1);
		c = next;
		for (size_t i = 0; i < n; i++)
		{
			if (cps[i] < c)
				delta++;
			if (cps[i] != c)
				continue;
			if (!puny_put(out, out_size, &len, delta, bias))
				return 0;
			bias = puny_adapt(delta, (uint32_t) done + 1, done == basic);
			delta = 0;
			done++;
		}
		delta++;
		c++;
	}
	return len;
}

size_t
lg_idna_separator(const char *s, size_t left)
{
	uint32_t	c;
	size_t		n;

	if (left == 0)
		return 0;
	if (s[0] == '.')
		return 1;
	if ((uint8_t) s[0] < 0x80)
		return 0;
	n = lg_utf8_get(&c, s, left);
	return n > 0 && (c == 0x3002 || c == 0xFF0E || c == 0xFF61) ? n : 0;
}

/* RFC 5892 appendix A.1: (L|D) T* ZWNJ T* (R|D), at cps[i]. */
static bool
joins_around(const uint32_t *cps, size_t n, size_t i)
{
	size_t		before = i;
	size_t		after = i + 1;
	uint8_t		type;

	while (before > 0 && lg_ucd_prop(cps[before - 1])->joining == LG_JOIN_T)
		before--;
	while (after < n && lg_ucd_prop(cps[after])->joining == LG_JOIN_T)
		after++;
	if (before == 0 || after == n)
		return false;
	type = lg_ucd_prop(cps[before - 1])->joining;
	if (type != LG_JOIN_L && type != LG_JOIN_D)
		return false;
	type = lg_ucd_prop(cps[after])->joining;
	return type == LG_JOIN_R || type == LG_JOIN_D;
}

/* CheckJoiners: RFC 5892 appendices A.1 (U+200C) and A.2 (U+200D). */
static bool
joiners_valid(const uint32_t *cps, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		if (cps[i] != 0x200C && cps[i] != 0x200D)
			continue;
		if (i > 0 && lg_ucd_prop(cps[i - 1])->ccc == LG_CCC_VIRAMA)
			continue;
		if (cps[i] == 0x200D || !joins_around(cps, n, i))
			return false;
	}
	return true;
}

/* RFC 5893 section 2, rules 1 to 6, on one label of a Bidi domain name. */
static bool
bidi_valid(const uint32_t *cps, size_t n)
{
	uint32_t	seen = 0;
	uint32_t	allowed = 1 << LG_BIDI_EN | 1 << LG_BIDI_ES | 1 << LG_BIDI_CS | 1 << LG_BIDI_ET |
		1 << LG_BIDI_ON | 1 << LG_BIDI_BN | 1 << LG_BIDI_NSM;
	uint32_t	last = 1 << LG_BIDI_EN;
	uint32_t	first = 1u << lg_ucd_prop(cps[0])->bidi;
	uint32_t	both = 1 << LG_BIDI_EN | 1 << LG_BIDI_AN;
	size_t		end = n;

	if (first & (1 << LG_BIDI_R | 1 << LG_BIDI_AL))
	{
		allowed |= 1 << LG_BIDI_R | 1 << LG_BIDI_AL | 1 << LG_BIDI_AN;
		last |= 1 << LG_BIDI_R | 1 << LG_BIDI_AL | 1 << LG_BIDI_AN;
	}
	else if (first & 1 << LG_BIDI_L)
	{
		allowed |= 1 << LG_BIDI_L;
		last |= 1 << LG_BIDI_L;
	}
	else
		return false;
	for (size_t i = 0; i < n; i++)
		seen |= 1u << lg_ucd_prop(cps[i])->bidi;
	while (end > 1 && lg_ucd_prop(cps[end - 1])->bidi == LG_BIDI_NSM)
		end--;
	return (seen & ~allowed) == 0 && (seen & both) != both &&
		(1u << lg_ucd_prop(cps[end - 1])->bidi & last) != 0;
}

/* Notes what a label means for the Bidi rule, which is decided at the domain's end. */
static void
bidi_note(Domain *d, const uint32_t *cps, size_t n, size_t start)
{
	for (size_t i = 0; i < n; i++)
	{
		uint8_t		bidi = lg_ucd_prop(cps[i])->bidi;

		if (bidi == LG_BIDI_R || bidi == LG_BIDI_AL || bidi == LG_BIDI_AN)
			d->rtl = true;
	}
	if (!d->bidi_fault && !bidi_valid(cps, n))
	{
		d->bidi_fault = true;
		d->bidi_pos = start;
	}
}

/* Validity criteria of UTS #46 section 4.1 on one U-label that is in NFC. */
static LgStatus
check_ulabel(Domain *d, const uint32_t *cps, size_t n, size_t start)
{
	if (cps[0] == '-' || cps[n - 1] == '-')
		return fault(d, LG_ERR_SYNTAX, start, WHY_HYPHEN);
	if (n >= 4 && cps[2] == '-' && cps[3] == '-')
		return fault(d, LG_ERR_SYNTAX, start, WHY_HYPHENS);
	if (lg_ucd_prop(cps[0])->flags & LG_UCD_MARK)
		return fault(d, LG_ERR_SYNTAX, start, WHY_MARK);
	for (size_t i = 0; i < n; i++)
	{
		const LgUcdProp *prop = lg_ucd_prop(cps[i]);

		if (!(prop->flags & LG_UCD_ASSIGNED))
			return fault(d, LG_ERR_UNASSIGNED, start, WHY_UNASSIGNED);
		if (prop->idna != LG_IDNA_VALID)
			return fault(d, LG_ERR_SYNTAX, start, WHY_DISALLOWED);
	}
	if (!joiners_valid(cps, n))
		return fault(d, LG_ERR_SYNTAX, start, WHY_JOINER);
	bidi_note(d, cps, n, start);
	return LG_OK;
}

/* Appends a finished label, of LG_LABEL_MAX bytes at most. */
static LgStatus
put_label(Domain *d, const char *label, size_t n, size_t start)
{
	if (n > LG_DOMAIN_MAX - d->out_len)
		return fault(d, LG_ERR_TOO_LONG, start, WHY_DOMAIN_LONG);
	memcpy(d->out + d->out_len, label, n);
	d->out_len += n;
	return LG_OK;
}

/* Is this sequence in normal form C? */
static bool
is_nfc(const uint32_t *cps, size_t n)
{
	char		plain[LG_LABEL_MAX * 4];
	char		normal[LG_LABEL_MAX * 4];
	size_t		len = 0;
	LgNfc		nfc;

	lg_nfc_init(&nfc, normal, sizeof(normal), false);
	for (size_t i = 0; i < n; i++)
	{
		len += lg_utf8_put(plain + len, cps[i]);
		if (lg_nfc_push(&nfc, cps[i]) != LG_OK)
			return false;
	}
	return lg_nfc_finish(&nfc) == LG_OK && nfc.out_len == len && memcmp(plain, normal, len) == 0;
}

/*
 * A label in lower case that begins with "xn--".  UTS #46 section 4 step 4:
 * it must decode to a valid U-label; and it must be the encoding of that
 * label, so that no two A-labels mean the same.
 */
static LgStatus
check_alabel(Domain *d, const char *label, size_t n, size_t start)
{
	uint32_t	cps[LG_LABEL_MAX];
	char		again[LG_LABEL_MAX];
	size_t		count;
	bool		ascii = true;
	LgStatus	status;

	if (n > LG_LABEL_MAX)
		return fault(d, LG_ERR_TOO_LONG, start, WHY_LABEL_LONG);
	count = lg_punycode_decode(cps, LG_LABEL_MAX, label + 4, n - 4);
	for (size_t i = 0; i < count; i++)
		ascii = ascii && cps[i] < 0x80;
	if (count == 0 || ascii)
		return fault(d, LG_ERR_SYNTAX, start, WHY_ALABEL);
	status = check_ulabel(d, cps, count, start);
	if (status != LG_OK)
		return status;
	if (!is_nfc(cps, count) ||
		lg_punycode_encode(again, sizeof(again), cps, count) != n - 4 ||
		memcmp(again, label + 4, n - 4) != 0)
		return fault(d, LG_ERR_SYNTAX, start, WHY_ALABEL);
	return put_label(d, label, n, start);
}

/* A label that became plain ASCII by its mapping: RFC 5321's Let-dig [Ldh-str]. */
static LgStatus
check_ascii(Domain *d, const char *label, size_t n, size_t start)
{
	if (label[0] == '-' || label[n - 1] == '-')
		return fault(d, LG_ERR_SYNTAX, start, WHY_HYPHEN);
	if (label[0] <= '9' && !d->bidi_fault)
	{
		d->bidi_fault = true;
		d->bidi_pos = start;
	}
	return put_label(d, label, n, start);
}

/* UTS #46 section 4 step 1 on one code point, not ASCII, at offset pos. */
static LgStatus
map_one(Domain *d, LgNfc *nfc, uint32_t c, size_t pos)
{
	const LgUcdProp *prop = lg_ucd_prop(c);
	uint32_t	mapped[LG_UCD_MAP_MAX];
	size_t		n;

	if (!(prop->flags & LG_UCD_ASSIGNED))
		return fault(d, LG_ERR_UNASSIGNED, pos, WHY_UNASSIGNED);
	if (prop->idna == LG_IDNA_DISALLOWED)
		return fault(d, LG_ERR_SYNTAX, pos, WHY_DISALLOWED);
	if (prop->idna == LG_IDNA_IGNORED)
		return LG_OK;
	n = lg_ucd_map(mapped, lg_ucd_idna, prop->idna == LG_IDNA_MAPPED ? lg_ucd_idna_count : 0, c);
	for (size_t i = 0; i < n; i++)
		if (lg_nfc_push(nfc, mapped[i]) != LG_OK)
			return fault(d, LG_ERR_TOO_LONG, pos, WHY_LABEL_LONG);
	return LG_OK;
}

/* Maps and normalises the label at *pos, to the separator or the end, where *pos is left. */
static LgStatus
map_label(Domain *d, LgNfc *nfc, size_t *pos)
{
	while (*pos < d->len && lg_idna_separator(d->text + *pos, d->len - *pos) == 0)
	{
		uint8_t		b = (uint8_t) d->text[*pos];
		uint32_t	c;
		size_t		n = 1;
		LgStatus	status;

		if (b < 0x80)
		{
			if (ldh_lower[b] == 0)
				return fault(d, LG_ERR_SYNTAX, *pos, WHY_DISALLOWED);
			if (lg_nfc_push(nfc, (uint8_t) ldh_lower[b]) != LG_OK)
				return fault(d, LG_ERR_TOO_LONG, *pos, WHY_LABEL_LONG);
		}
		else
		{
			n = lg_utf8_get(&c, d->text + *pos, d->len - *pos);
			if (n == 0)
				return fault(d, LG_ERR_ENCODING, *pos, WHY_ENCODING);
			status = map_one(d, nfc, c, *pos);
			if (status != LG_OK)
				return status;
		}
		*pos += n;
	}
	if (lg_nfc_finish(nfc) != LG_OK)
		return fault(d, LG_ERR_TOO_LONG, *pos, WHY_LABEL_LONG);
	return LG_OK;
}

/* One label that is not plain ASCII, or begins with "xn--". */
static LgStatus
convert_label(Domain *d, size_t *pos)
{
	size_t		start = *pos;
	char		bytes[LABEL_BYTES];
	uint32_t	cps[LG_LABEL_MAX];
	char		label[LG_LABEL_MAX] = {'x', 'n', '-', '-'};
	size_t		count = 0;
	size_t		at;
	LgNfc		nfc;
	LgStatus	status;

	lg_nfc_init(&nfc, bytes, sizeof(bytes), false);
	status = map_label(d, &nfc, pos);
	if (status != LG_OK)
		return status;
	if (nfc.out_len == 0)
		return fault(d, LG_ERR_SYNTAX, start, WHY_EMPTY);
	if (nfc.out_len >= 4 && memcmp(bytes, "xn--", 4) == 0)
		return check_alabel(d, bytes, nfc.out_len, start);
	for (at = 0; at < nfc.out_len && count < LG_LABEL_MAX;)
		at += lg_utf8_get(&cps[count++], bytes + at, nfc.out_len - at);
	if (at < nfc.out_len)
		return fault(d, LG_ERR_TOO_LONG, start, WHY_LABEL_LONG);
	if (count == nfc.out_len)
		return check_ascii(d, bytes, count, start);
	status = check_ulabel(d, cps, count, start);
	if (status != LG_OK)
		return status;
	at = lg_punycode_encode(label + 4, sizeof(label) - 4, cps, count);
	if (at == 0)
		return fault(d, LG_ERR_TOO_LONG, start, WHY_LABEL_LONG);
	return put_label(d, label, at + 4, start);
}

/*
 * One label that is plain ASCII and no A-label, lowered into out: the way of
 * nearly all mail.  *pos is left at its end, or unchanged with *slow set if the
 * label is of another kind.
 */
static LgStatus
ascii_label(Domain *d, size_t *pos, bool *slow)
{
	const uint8_t *s = (const uint8_t *) d->text + *pos;
	size_t		left = d->len - *pos;
	size_t		room = LG_DOMAIN_MAX - d->out_len;
	char	   *out = d->out + d->out_len;
	size_t		n = 0;

	while (n < left && n < room && ldh_lower[s[n]] != 0)
	{
		out[n] = ldh_lower[s[n]];
		n++;
	}
	*slow = (n < left && s[n] >= 0x80) || (n >= 4 && memcmp(out, "xn--", 4) == 0);
	if (*slow)
		return LG_OK;
	if (n == 0 && (left == 0 || s[0] == '.'))
		return fault(d, LG_ERR_SYNTAX, *pos, WHY_EMPTY);
	if (n > 0 && out[0] == '-')
		return fault(d, LG_ERR_SYNTAX, *pos, WHY_HYPHEN);
	if (n > LG_LABEL_MAX)
		return fault(d, LG_ERR_TOO_LONG, *pos + LG_LABEL_MAX, WHY_LABEL_LONG);
	if (n == room && n < left && ldh_lower[s[n]] != 0)
		return fault(d, LG_ERR_TOO_LONG, *pos + n, WHY_DOMAIN_LONG);
	if (n < left && s[n] != '.')
		return fault(d, LG_ERR_SYNTAX, *pos + n, WHY_DISALLOWED);
	if (out[n - 1] == '-')
		return fault(d, LG_ERR_SYNTAX, *pos + n - 1, WHY_HYPHEN);
	if (out[0] <= '9' && !d->bidi_fault)
	{
		d->bidi_fault = true;
		d->bidi_pos = *pos;
	}
	d->out_len += n;
	*pos += n;
	return LG_OK;
}

static LgStatus
convert_domain(Domain *d)
{
	size_t		pos = 0;

	for (;;)
	{
		bool		slow;
		size_t		n;
		LgStatus	status = ascii_label(d, &pos, &slow);

		if (slow)
			status = convert_label(d, &pos);
		if (status != LG_OK)
			return status;
		if (pos == d->len)
			break;
		n = lg_idna_separator(d->text + pos, d->len - pos);
		if (d->out_len == LG_DOMAIN_MAX)
			return fault(d, LG_ERR_TOO_LONG, pos, WHY_DOMAIN_LONG);
		d->out[d->out_len++] = '.';
		pos += n;
	}
	if (d->rtl && d->bidi_fault)
		return fault(d, LG_ERR_SYNTAX, d->bidi_pos, WHY_BIDI);
	return LG_OK;
}

/*
 * lg_idna_to_ascii
 *		The domain as lower-case A-labels; see idna.h.
 */
LgStatus
lg_idna_to_ascii(char out[LG_DOMAIN_MAX], size_t *out_len, const char *domain, size_t len,
				 size_t *err_pos, const char **why)
{
	Domain		d = {.text = domain,.len = len,.out = out};
	LgStatus	status = convert_domain(&d);

	*out_len = status == LG_OK ? d.out_len : 0;
	if (status != LG_OK)
	{
		*err_pos = d.err_pos;
		*why = d.why;
	}
	return status;
}
