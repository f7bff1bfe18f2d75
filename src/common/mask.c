/*-------------------------------------------------------------------------
 *
 * mask.c
 *		Masks, which show a little of an address, and the munged form, which
 *		shows all of it but no address to a machine.
 *
 * A mask must never come back as data: lg_mask_is knows every mask that
 * lg_mask_address and lg_mask_text can make.  No address is a mask, as no
 * domain has an asterisk.
 *
 *		jo@example.com			j***@e***.com
 *		"jo x"@example.com		"***@e***.com
 *		root@localhost			r***@l***
 *		jo@[192.0.2.1]			j***@[***]
 *
 * No state outlives a call; nothing to lock.
 *
 *-------------------------------------------------------------------------
 */
#include "common/normal.h"

#include <string.h>

#include "common/idna.h"
#include "common/ucd.h"

static const char STARS[] = "***";
static const char LITERAL[] = "[***]";

/* A NUL-terminated text that grows in a caller's buffer. */
typedef struct Text
{
	char	   *out;
	size_t		size;
	size_t		len;
	bool		full;
} Text;

static void
add(Text *t, const char *s, size_t n)
{
	if (t->full || t->size - t->len <= n)
	{
		t->full = true;
		return;
	}
	memcpy(t->out + t->len, s, n);
	t->len += n;
}

/* Ends the text; what did not fit is not given in part. */
static LgStatus
end_text(Text *t, LgStatus status)
{
	if (t->size == 0)
		return LG_ERR_SPACE;
	if (t->full || status != LG_OK)
		t->len = 0;
	t->out[t->len] = '\0';
	return t->full ? LG_ERR_SPACE : status;
}

/* The first code point of a text that has been parsed. */
static void
add_first(Text *t, const char *s, size_t len)
{
	uint32_t	c;

	add(t, s, lg_utf8_get(&c, s, len));
}

/* Where the last label of a domain begins: 0 if it has but one. */
static size_t
last_label(const char *domain, size_t len)
{
	size_t		start = 0;

	for (size_t i = 0; i < len;)
	{
		size_t		n = lg_idna_separator(domain + i, len - i);

		i += n > 0 ? n : 1;
		if (n > 0)
			start = i;
	}
	return start;
}

/*
 * plain_mask
 *		The mask of an address such as nearly all are, without parsing it in
 *		full; false, and nothing is said of the text, where it is not known.
 */
static bool
plain_mask(char *out, size_t out_size, const char *text, size_t len)
{
	size_t		domain;
	size_t		last;
	size_t		tail;

	if (!lg_address_plain(text, len, &domain, &last))
		return false;
	tail = last > domain ? len - last + 1 : 0;
	if (out_size <= 9 + tail)
		return false;
	memcpy(out, " ***@ ***", 9);
	out[0] = text[0];
	out[5] = text[domain];
	memcpy(out + 9, text + len - tail, tail);
	out[9 + tail] = '\0';
	return true;
}

/*
 * lg_mask_address
 *		Mask of an address; see normal.h.
 *
 * What is no address is refused with the status of lg_address_parse, and out
 * is empty.  out_size of len + 10 always suffices.
 */
LgStatus
lg_mask_address(char *out, size_t out_size, const char *text, size_t len)
{
	Text		t = {.out = out,.size = out_size};
	LgAddress	addr;
	size_t		err_pos;
	size_t		last;
	const char *why;
	const char *domain;
	LgStatus	status;

	if (plain_mask(out, out_size, text, len))
		return LG_OK;
	status = lg_address_parse(&addr, text, len, &err_pos, &why);
	if (status != LG_OK)
		return end_text(&t, status);
	add_first(&t, text, addr.local_len);
	add(&t, STARS, 3);
	add(&t, "@", 1);
	if (addr.literal)
	{
		add(&t, LITERAL, 5);
		return end_text(&t, LG_OK);
	}
	domain = text + addr.domain_off;
	add_first(&t, domain, addr.domain_len);
	add(&t, STARS, 3);
	last = last_label(domain, addr.domain_len);
	if (last > 0)
	{
		add(&t, ".", 1);
		add(&t, domain + last, addr.domain_len - last);
	}
	return end_text(&t, LG_OK);
}

/*
 * lg_mask_text
 *		Mask of a text that is no address: it shows nothing, not even a length.
 */
LgStatus
lg_mask_text(char *out, size_t out_size)
{
	Text		t = {.out = out,.size = out_size};

	add(&t, STARS, 3);
	return end_text(&t, LG_OK);
}

/* Is this text a domain of one label? */
static bool
is_label(const char *text, size_t len)
{
	char		ascii[LG_DOMAIN_MAX];
	size_t		ascii_len;
	size_t		err_pos;
	const char *why;

	for (size_t i = 0; i < len; i++)
		if (lg_idna_separator(text + i, len - i) > 0)
			return false;
	return lg_idna_to_ascii(ascii, &ascii_len, text, len, &err_pos, &why) == LG_OK;
}

/* Can a domain begin with these bytes, one code point?  Its label may be of either direction. */
static bool
begins_domain(const char *first, size_t n)
{
	char		label[4 + 2];

	memcpy(label, first, n);
	memcpy(label + n, "a", 1);
	if (is_label(label, n + 1))
		return true;
	memcpy(label + n, "\xD7\x90", 2);	/* U+05D0 HEBREW LETTER ALEF */
	return is_label(label, n + 2);
}

/* Can a local part begin with these bytes, one code point? */
static bool
begins_local(const char *first, size_t n)
{
	char		address[4 + 2];
	LgAddress	addr;
	size_t		err_pos;
	const char *why;

	if (first[0] == '"')
		return true;
	memcpy(address, first, n);
	memcpy(address + n, "@a", 2);
	return lg_address_parse(&addr, address, n + 2, &err_pos, &why) == LG_OK;
}

/* Bytes of the code point before "***" at the head of a text; 0 if there is no such head. */
static size_t
starred(const char *text, size_t len)
{
	uint32_t	c;
	size_t		n = len == 0 ? 0 : lg_utf8_get(&c, text, len);

	return n > 0 && len - n >= 3 && memcmp(text + n, STARS, 3) == 0 ? n : 0;
}

/*
 * lg_mask_is
 *		Is this a mask of ours?  See normal.h.
 */
bool
lg_mask_is(const char *text, size_t len)
{
	size_t		n;

	if (len == 3 && memcmp(text, STARS, 3) == 0)
		return true;
	n = starred(text, len);
	if (n == 0 || len - n < 4 || text[n + 3] != '@' || !begins_local(text, n))
		return false;
	text += n + 4;
	len -= n + 4;
	if (len == 5 && memcmp(text, LITERAL, 5) == 0)
		return true;
	n = starred(text, len);
	if (n == 0 || !begins_domain(text, n))
		return false;
	text += n + 3;
	len -= n + 3;
	return len == 0 || (text[0] == '.' && is_label(text + 1, len - 1));
}

/*
 * lg_munge_address
 *		Munged form of an address; see normal.h.
 *
 * Only the separators between the parts and in the domain are spelled out:
 * the local part stays as it was entered.  What is no address is refused with
 * the status of lg_address_parse, and out is empty.  out_size of
 * LG_NORMAL_BOUND(len) always suffices.
 */
LgStatus
lg_munge_address(char *out, size_t out_size, const char *text, size_t len)
{
	Text		t = {.out = out,.size = out_size};
	LgAddress	addr;
	size_t		err_pos;
	const char *why;
	LgStatus	status = lg_address_parse(&addr, text, len, &err_pos, &why);

	if (status != LG_OK)
		return end_text(&t, status);
	add(&t, text, addr.local_len);
	add(&t, " AT ", 4);
	for (size_t i = addr.domain_off; i < len;)
	{
		size_t		n = lg_idna_separator(text + i, len - i);

		if (n > 0)
			add(&t, " DOT ", 5);
		else
			add(&t, text + i, 1);
		i += n > 0 ? n : 1;
	}
	return end_text(&t, LG_OK);
}
