/*-------------------------------------------------------------------------
 *
 * address.c
 *		Mail addresses: RFC 5321 Mailbox with the UTF-8 of RFC 6531.
 *
 * Where the RFCs leave a choice, the stricter way is taken: the only address
 * literals are IPv4 and IPv6, as no other tag is registered; comments, folding
 * white space and the obsolete forms of RFC 5322 are no part of a Mailbox.
 *
 * No state outlives a call; nothing to lock.
 *
 *-------------------------------------------------------------------------
 */
#include "common/normal.h"

#include <string.h>

#include "common/idna.h"
#include "common/ucd.h"

#define LOCAL_MAX		64		/* RFC 5321 section 4.5.3.1.1 */
#define PLAIN_MAX		63		/* shorter than what any limit is about */

static const char WHY_ADDRESS_LONG[] = "The address is longer than 1024 octets.";
static const char WHY_ENCODING[] = "The text is not well-formed UTF-8.";
static const char WHY_UNASSIGNED[] = "The character is not assigned in the Unicode version in use.";
static const char WHY_LOCAL_EMPTY[] = "The local part is empty.";
static const char WHY_LOCAL_LONG[] = "The local part is longer than 64 octets.";
static const char WHY_LOCAL_CHAR[] = "The character is not allowed in an unquoted local part.";
static const char WHY_LOCAL_DOT[] = "A dot must stand between two other characters of the local part.";
static const char WHY_QUOTED_CHAR[] = "The character is not allowed in a quoted local part.";
static const char WHY_QUOTE_OPEN[] = "The quoted local part is not closed.";
static const char WHY_NO_AT[] = "There is no \"@\" after the local part.";
static const char WHY_LITERAL_OPEN[] = "The address literal is not closed.";
static const char WHY_LITERAL_TAG[] = "The address literal is neither IPv4 nor tagged \"IPv6:\".";
static const char WHY_LITERAL_V4[] = "The IPv4 address literal is not four numbers up to 255.";
static const char WHY_LITERAL_V6[] = "The IPv6 address literal is not well formed.";
static const char WHY_LITERAL_END[] = "There is text after the address literal.";
static const char WHY_MASKED[] = "The text is a mask, not an address.";

/* atext of RFC 5322 section 3.2.3, each in lower case; 0 for all other bytes. */
static const char atext_lower[256] = {
	['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'',
	['*'] = '*', ['+'] = '+', ['-'] = '-', ['/'] = '/', ['='] = '=', ['?'] = '?', ['^'] = '^',
	['_'] = '_', ['`'] = '`', ['{'] = '{', ['|'] = '|', ['}'] = '}', ['~'] = '~',
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

/* An address under way. */
typedef struct Scan
{
	const char *text;			/* caller's */
	size_t		len;
	size_t		pos;			/* all before it is good */
	bool		ascii;			/* the local part is plain ASCII */
	size_t		err_pos;
	const char *why;
} Scan;

static LgStatus
fault(Scan *scan, LgStatus status, size_t pos, const char *why)
{
	scan->err_pos = pos;
	scan->why = why;
	return status;
}

static char
ascii_lower(char b)
{
	return (b >= 'A' && b <= 'Z') ? (char) (b | 0x20) : b;
}

/* UTF8-non-ascii of RFC 6531 section 3.3, assigned in our Unicode version. */
static LgStatus
take_non_ascii(Scan *scan)
{
	uint32_t	c;
	size_t		n = lg_utf8_get(&c, scan->text + scan->pos, scan->len - scan->pos);

	if (n == 0)
		return fault(scan, LG_ERR_ENCODING, scan->pos, WHY_ENCODING);
	if (!(lg_ucd_prop(c)->flags & LG_UCD_ASSIGNED))
		return fault(scan, LG_ERR_UNASSIGNED, scan->pos, WHY_UNASSIGNED);
	scan->ascii = false;
	scan->pos += n;
	return LG_OK;
}

/* Dot-string = Atom *("." Atom), up to the "@". */
static LgStatus
take_dot_string(Scan *scan)
{
	size_t		atom = scan->pos;	/* where the atom under way begins */

	while (scan->pos < scan->len && scan->text[scan->pos] != '@')
	{
		uint8_t		b = (uint8_t) scan->text[scan->pos];

		if (atext_lower[b] != 0)
			scan->pos++;
		else if (b >= 0x80)
		{
			LgStatus	status = take_non_ascii(scan);

			if (status != LG_OK)
				return status;
		}
		else if (b != '.')
			return fault(scan, LG_ERR_SYNTAX, scan->pos, WHY_LOCAL_CHAR);
		else if (scan->pos == atom)
			return fault(scan, LG_ERR_SYNTAX, scan->pos, WHY_LOCAL_DOT);
		else
			atom = ++scan->pos;
	}
	if (scan->pos == 0)
		return fault(scan, LG_ERR_SYNTAX, 0, WHY_LOCAL_EMPTY);
	if (scan->pos == atom)
		return fault(scan, LG_ERR_SYNTAX, scan->pos, WHY_LOCAL_DOT);
	return LG_OK;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE; only ASCII may be escaped. */
static LgStatus
take_quoted(Scan *scan)
{
	for (scan->pos = 1; scan->pos < scan->len;)
	{
		uint8_t		b = (uint8_t) scan->text[scan->pos];

		if (b == '"')
		{
			scan->pos++;
			return LG_OK;
		}
		if (b >= 0x80)
		{
			LgStatus	status = take_non_ascii(scan);

			if (status != LG_OK)
				return status;
			continue;
		}
		if (b == '\\')
		{
			if (++scan->pos == scan->len)
				break;
			b = (uint8_t) scan->text[scan->pos];
		}
		if (b < 0x20 || b > 0x7E)
			return fault(scan, LG_ERR_SYNTAX, scan->pos, WHY_QUOTED_CHAR);
		scan->pos++;
	}
	return fault(scan, LG_ERR_SYNTAX, scan->len, WHY_QUOTE_OPEN);
}

static LgStatus
take_local(Scan *scan, LgAddress *addr)
{
	LgStatus	status;

	addr->quoted = scan->len > 0 && scan->text[0] == '"';
	status = addr->quoted ? take_quoted(scan) : take_dot_string(scan);
	if (status != LG_OK)
		return status;
	if (scan->pos == scan->len || scan->text[scan->pos] != '@')
		return fault(scan, LG_ERR_SYNTAX, scan->pos, WHY_NO_AT);
	if (scan->pos > LOCAL_MAX)
		return fault(scan, LG_ERR_TOO_LONG, LOCAL_MAX, WHY_LOCAL_LONG);
	addr->local_off = 0;
	addr->local_len = scan->pos;
	scan->pos++;
	return LG_OK;
}

/* IPv4-address-literal of RFC 5321 section 4.1.3 up to end. */
static LgStatus
take_ipv4(Scan *scan, size_t end, const char *why)
{
	for (int part = 0; part < 4; part++)
	{
		int			value = 0;
		size_t		start;

		if (part > 0)
		{
			if (scan->pos == end || scan->text[scan->pos] != '.')
				return fault(scan, LG_ERR_SYNTAX, scan->pos, why);
			scan->pos++;
		}
		for (start = scan->pos; scan->pos < end && scan->pos < start + 3; scan->pos++)
		{
			uint8_t		digit = (uint8_t) ((uint8_t) scan->text[scan->pos] - '0');

			if (digit > 9)
				break;
			value = value * 10 + digit;
		}
		if (scan->pos == start || value > 255)
			return fault(scan, LG_ERR_SYNTAX, start, why);
	}
	if (scan->pos != end)
		return fault(scan, LG_ERR_SYNTAX, scan->pos, why);
	return LG_OK;
}

static bool
is_hex(char b)
{
	return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'f') || (b >= 'A' && b <= 'F');
}

/* IPv6-hex: up to four digits; returns how many there are, 5 for more than four. */
static size_t
hex_digits(const char *s, size_t left)
{
	size_t		n = 0;

	while (n < left && n < 5 && is_hex(s[n]))
		n++;
	return n;
}

/*
 * IPv6-addr of RFC 5321 section 4.1.3 up to end: eight groups, or fewer with
 * one "::", which stands for two at least; the last two may be IPv4.
 */
static LgStatus
take_ipv6(Scan *scan, size_t end)
{
	const char *s = scan->text;
	size_t		groups = 0;
	bool		gap = false;
	bool		need = true;	/* a group must follow */

	while (scan->pos < end)
	{
		size_t		digits;

		if (!gap && end - scan->pos >= 2 && s[scan->pos] == ':' && s[scan->pos + 1] == ':' &&
			(groups == 0 || !need))
		{
			gap = true;
			need = false;
			scan->pos += 2;
		}
		else if (groups > 0 && !need)
		{
			if (s[scan->pos] != ':')
				return fault(scan, LG_ERR_SYNTAX, scan->pos, WHY_LITERAL_V6);
			need = true;
			scan->pos++;
		}
		if (scan->pos == end)
			break;
		digits = hex_digits(s + scan->pos, end - scan->pos);
		if (digits > 0 && scan->pos + digits < end && s[scan->pos + digits] == '.' &&
			(gap ? groups <= 4 : groups == 6))
			return take_ipv4(scan, end, WHY_LITERAL_V6);
		if (digits == 0 || digits > 4 || groups == (gap ? 6 : 8))
			return fault(scan, LG_ERR_SYNTAX, scan->pos, WHY_LITERAL_V6);
		scan->pos += digits;
		groups++;
		need = false;
	}
	if (need || groups > (gap ? 6 : 8) || (!gap && groups != 8))
		return fault(scan, LG_ERR_SYNTAX, end, WHY_LITERAL_V6);
	return LG_OK;
}

/* address-literal = "[" ... "]", to the end of the text. */
static LgStatus
take_literal(Scan *scan)
{
	size_t		start = scan->pos;
	const char *close = memchr(scan->text + start, ']', scan->len - start);
	static const char tag[] = "ipv6:";
	size_t		end;
	size_t		n = 0;
	LgStatus	status;

	if (close == NULL)
		return fault(scan, LG_ERR_SYNTAX, scan->len, WHY_LITERAL_OPEN);
	end = (size_t) (close - scan->text);
	scan->pos = start + 1;
	while (n < 5 && scan->pos + n < end && ascii_lower(scan->text[scan->pos + n]) == tag[n])
		n++;
	if (n == 5)
	{
		scan->pos += n;
		status = take_ipv6(scan, end);
	}
	else if (scan->pos < end && scan->text[scan->pos] >= '0' && scan->text[scan->pos] <= '9')
		status = take_ipv4(scan, end, WHY_LITERAL_V4);
	else
		status = fault(scan, LG_ERR_SYNTAX, scan->pos, WHY_LITERAL_TAG);
	if (status != LG_OK)
		return status;
	if (end + 1 != scan->len)
		return fault(scan, LG_ERR_SYNTAX, end + 1, WHY_LITERAL_END);
	return LG_OK;
}

/* The domain, normalised into domain of LG_DOMAIN_MAX bytes. */
static LgStatus
take_domain(Scan *scan, LgAddress *addr, char *domain, size_t *domain_len)
{
	size_t		start = scan->pos;
	size_t		len = scan->len - start;
	LgStatus	status;

	addr->domain_off = start;
	addr->domain_len = len;
	addr->literal = len > 0 && scan->text[start] == '[';
	if (!addr->literal)
	{
		status = lg_idna_to_ascii(domain, domain_len, scan->text + start, len,
								  &scan->err_pos, &scan->why);
		if (status != LG_OK)
			scan->err_pos += start;
		return status;
	}
	status = take_literal(scan);
	if (status != LG_OK)
		return status;
	*domain_len = len;			/* at most 52: "[IPv6:", six groups, IPv4, "]" */
	for (size_t i = 0; i < len; i++)
		domain[i] = ascii_lower(scan->text[start + i]);
	return LG_OK;
}

/* Parses an address and normalises its domain. */
static LgStatus
scan_address(Scan *scan, LgAddress *addr, const char *text, size_t len,
			 char *domain, size_t *domain_len)
{
	LgStatus	status;

	*scan = (Scan) {.text = text,.len = len,.ascii = true};
	if (len > LG_MAX_ADDRESS_BYTES)
		return fault(scan, LG_ERR_TOO_LONG, LG_MAX_ADDRESS_BYTES, WHY_ADDRESS_LONG);
	status = take_local(scan, addr);
	if (status == LG_OK)
		status = take_domain(scan, addr, domain, domain_len);
	if (status != LG_OK && lg_mask_is(text, len))
		return fault(scan, LG_ERR_MASKED, 0, WHY_MASKED);
	return status;
}

/*
 * lg_address_parse
 *		Finds the parts of an address, or its first fault; see normal.h.
 */
LgStatus
lg_address_parse(LgAddress *addr, const char *text, size_t len,
				 size_t *err_pos, const char **why)
{
	Scan		scan;
	char		domain[LG_DOMAIN_MAX];
	size_t		domain_len;
	LgStatus	status = scan_address(&scan, addr, text, len, domain, &domain_len);

	*err_pos = scan.err_pos;
	*why = scan.why;
	return status;
}

/* What a byte may be in an address that lg_address_plain() knows; 0 for all others. */
#define IN_LOCAL	1
#define IN_BOTH		3			/* in the local part and in a label */
#define L	IN_LOCAL
#define B	IN_BOTH

static const uint8_t plain_byte[256] = {
	['+'] = L, ['_'] = L, ['-'] = L,
	['0'] = B, ['1'] = B, ['2'] = B, ['3'] = B, ['4'] = B,
	['5'] = B, ['6'] = B, ['7'] = B, ['8'] = B, ['9'] = B,
	['A'] = B, ['B'] = B, ['C'] = B, ['D'] = B, ['E'] = B, ['F'] = B, ['G'] = B,
	['H'] = B, ['I'] = B, ['J'] = B, ['K'] = B, ['L'] = B, ['M'] = B, ['N'] = B,
	['O'] = B, ['P'] = B, ['Q'] = B, ['R'] = B, ['S'] = B, ['T'] = B, ['U'] = B,
	['V'] = B, ['W'] = B, ['X'] = B, ['Y'] = B, ['Z'] = B,
	['a'] = B, ['b'] = B, ['c'] = B, ['d'] = B, ['e'] = B, ['f'] = B, ['g'] = B,
	['h'] = B, ['i'] = B, ['j'] = B, ['k'] = B, ['l'] = B, ['m'] = B, ['n'] = B,
	['o'] = B, ['p'] = B, ['q'] = B, ['r'] = B, ['s'] = B, ['t'] = B, ['u'] = B,
	['v'] = B, ['w'] = B, ['x'] = B, ['y'] = B, ['z'] = B
};

#undef L
#undef B

/* Where a run of dot-separated words of such bytes ends; 0 if there is none.  *last is where the last word begins. */
static size_t
plain_words(const char *text, size_t len, uint8_t what, size_t *last)
{
	size_t		word = 0;
	size_t		i = 0;

	for (; i < len; i++)
	{
		uint8_t		b = (uint8_t) text[i];

		if ((plain_byte[b] & what) == what)
			continue;
		/* In a label, between two others: neither "--" nor "xn--". */
		if (b == '-' && i > word && i + 1 < len && plain_byte[(uint8_t) text[i + 1]] == IN_BOTH)
			continue;
		if (b != '.')
			break;
		if (i == word)
			return 0;
		word = i + 1;
	}
	*last = word;
	return i == word ? 0 : i;
}

/*
 * lg_address_plain
 *		Is this an address such as nearly all are?  See normal.h.
 */
bool
lg_address_plain(const char *text, size_t len, size_t *domain_off, size_t *last_label)
{
	size_t		last;
	size_t		at = plain_words(text, len, IN_LOCAL, &last);
	size_t		domain_len;

	if (at == 0 || at > PLAIN_MAX || at == len || text[at] != '@')
		return false;
	domain_len = len - at - 1;
	if (domain_len == 0 || domain_len > PLAIN_MAX ||
		plain_words(text + at + 1, domain_len, IN_BOTH, &last) != domain_len)
		return false;
	*domain_off = at + 1;
	*last_label = at + 1 + last;
	return true;
}

/* Can this content of a local part stand without quotes? */
static bool
is_dot_string(const char *s, size_t len)
{
	bool		atom = false;	/* the atom under way has a character */

	for (size_t i = 0; i < len; i++)
	{
		uint8_t		b = (uint8_t) s[i];

		if (b == '.' && !atom)
			return false;
		if (b != '.' && b < 0x80 && atext_lower[b] == 0)
			return false;
		atom = b != '.';
	}
	return atom;
}

/* Appends the content in quotes, escaping no more than must be; true if it fits. */
static bool
put_quoted(char *out, size_t out_size, size_t *out_len, const char *s, size_t len)
{
	size_t		n = 0;

	if (out_size < 2 * len + 2)
		return false;
	out[n++] = '"';
	for (size_t i = 0; i < len; i++)
	{
		if (s[i] == '"' || s[i] == '\\')
			out[n++] = '\\';
		out[n++] = s[i];
	}
	out[n++] = '"';
	*out_len = n;
	return true;
}

/*
 * The local part where it is quoted or not ASCII.  The content is normalised
 * before it is seen whether it needs quotes: U+037E, which no dot-string
 * minds, is canonically a semicolon, which every dot-string does.
 */
static LgStatus
normal_local(char *out, size_t out_size, size_t *out_len, const LgAddress *addr, const char *text)
{
	char		plain[LOCAL_MAX];
	char		normal[LG_NORMAL_BOUND(LOCAL_MAX)];
	size_t		last = addr->quoted ? addr->local_len - 1 : addr->local_len;
	size_t		n = 0;
	size_t		normal_len;
	size_t		err_pos;
	LgStatus	status;

	for (size_t i = addr->quoted ? 1 : 0; i < last; i++)
	{
		if (addr->quoted && text[i] == '\\')
			i++;
		plain[n++] = text[i];
	}
	status = lg_normal_text(normal, sizeof(normal), &normal_len, plain, n, &err_pos);
	if (status != LG_OK)
		return status;
	if (!is_dot_string(normal, normal_len))
		return put_quoted(out, out_size, out_len, normal, normal_len) ? LG_OK : LG_ERR_SPACE;
	if (out_size < normal_len)
		return LG_ERR_SPACE;
	memcpy(out, normal, normal_len);
	*out_len = normal_len;
	return LG_OK;
}

/* The normal form of an address that lg_address_plain() knows; false for others, and where it has no room. */
static bool
plain_normal(char *out, size_t out_size, size_t *out_len, size_t *domain_off, const char *text, size_t len)
{
	size_t		last;

	if (out_size < len || !lg_address_plain(text, len, domain_off, &last))
		return false;
	for (size_t i = 0; i < len; i++)
		out[i] = ascii_lower(text[i]);
	*out_len = len;
	return true;
}

/*
 * lg_address_normal
 *		The one form that all spellings of an address share; see normal.h.
 *
 * LG_ERR_SPACE cannot happen with LG_NORMAL_BOUND(len) bytes.
 */
LgStatus
lg_address_normal(char *out, size_t out_size, size_t *out_len, size_t *domain_off,
				  const char *text, size_t len, size_t *err_pos, const char **why)
{
	Scan		scan;
	LgAddress	addr;
	char		domain[LG_DOMAIN_MAX];
	size_t		domain_len;
	size_t		n = 0;
	LgStatus	status;

	if (plain_normal(out, out_size, out_len, domain_off, text, len))
		return LG_OK;
	status = scan_address(&scan, &addr, text, len, domain, &domain_len);
	*out_len = 0;
	*domain_off = 0;
	*err_pos = scan.err_pos;
	*why = scan.why;
	if (status != LG_OK)
		return status;
	if (addr.quoted || !scan.ascii)
		status = normal_local(out, out_size, &n, &addr, text);
	else if (out_size < addr.local_len)
		status = LG_ERR_SPACE;
	else
	{
		for (; n < addr.local_len; n++)
			out[n] = text[n] == '.' ? '.' : atext_lower[(uint8_t) text[n]];
	}
	if (status == LG_OK && out_size - n < domain_len + 1)
		status = LG_ERR_SPACE;
	if (status != LG_OK)
		return status;
	out[n++] = '@';
	memcpy(out + n, domain, domain_len);
	*domain_off = n;
	*out_len = n + domain_len;
	return LG_OK;
}
