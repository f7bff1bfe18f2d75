/*-------------------------------------------------------------------------
 *
 * shape.c
 *		The shape of a statement, for the audit: nothing of it may carry an
 *		address.  A lexer of its own, because the text has to be cut up as it
 *		was sent, whether it parses or not; where in doubt it drops.
 *
 *-------------------------------------------------------------------------
 */
#include <string.h>

#include "common/shape.h"

typedef struct Shape
{
	const char *p;
	const char *end;
	char	   *out;
	size_t		len;
	size_t		size;			/* of out, less the NUL */
	size_t		word;			/* where the run of words and points began that ends at len */
	bool		in_word;		/* there is such a run */
	bool		space;			/* a space is due */
	bool		backslashes;
} Shape;

static bool
is_word_start(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_word(unsigned char c)
{
	return is_word_start(c) || is_digit(c) || c == '$';
}

static bool
is_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static unsigned char
peek(const Shape *s, size_t ahead)
{
	return (size_t) (s->end - s->p) > ahead ? (unsigned char) s->p[ahead] : 0;
}

static void
put(Shape *s, const char *text, size_t len)
{
	if (s->space && s->len > 0 && s->len < s->size)
		s->out[s->len++] = ' ';
	s->space = false;
	if (len > s->size - s->len)
		len = s->size - s->len;
	memcpy(s->out + s->len, text, len);
	s->len += len;
}

/* A constant; of "?, ?" or "? ?" one is left. */
static void
put_constant(Shape *s)
{
	size_t		len = s->len;
	bool		comma = false;

	s->in_word = false;
	for (; len > 0 && (s->out[len - 1] == ' ' || (s->out[len - 1] == ',' && !comma)); len--)
		comma = comma || s->out[len - 1] == ',';
	if (len > 0 && s->out[len - 1] == '?' && (len < s->len || s->space))
	{
		s->len = len;
		s->space = false;
	}
	else
		put(s, "?", 1);
}

/* After the opening quote: to behind the closing one. */
static void
skip_quoted(Shape *s, char quote, bool backslashes)
{
	while (s->p < s->end)
	{
		char		c = *s->p++;

		if (c == '\\' && backslashes && s->p < s->end)
			s->p++;
		else if (c == quote)
		{
			if (peek(s, 0) != (unsigned char) quote)
				return;
			s->p++;
		}
	}
}

static void
skip_block_comment(Shape *s)
{
	int			depth = 0;

	while (s->p < s->end)
	{
		if (peek(s, 0) == '/' && peek(s, 1) == '*')
		{
			depth++;
			s->p += 2;
		}
		else if (peek(s, 0) == '*' && peek(s, 1) == '/')
		{
			s->p += 2;
			if (--depth == 0)
				return;
		}
		else
			s->p++;
	}
}

static void
skip_line(Shape *s)
{
	while (s->p < s->end && *s->p != '\n' && *s->p != '\r')
		s->p++;
}

/* At '$': a dollar quote is skipped whole; false if there is none. */
static bool
skip_dollar_quote(Shape *s)
{
	const char *tag = s->p;
	const char *q = s->p + 1;
	size_t		tag_len;

	if (q < s->end && is_word_start((unsigned char) *q))
	{
		while (q < s->end && (is_word_start((unsigned char) *q) || is_digit((unsigned char) *q)))
			q++;
	}
	if (q >= s->end || *q != '$')
		return false;
	tag_len = q + 1 - tag;
	for (q++; (size_t) (s->end - q) >= tag_len; q++)
	{
		if (memcmp(q, tag, tag_len) == 0)
		{
			s->p = q + tag_len;
			return true;
		}
	}
	s->p = s->end;
	return true;
}

/* Behind the opening quote of an identifier. */
static void
quoted_identifier(Shape *s)
{
	const char *start = s->p;
	const char *q;

	skip_quoted(s, '"', false);
	for (q = start; q < s->p - 1; q++)
	{
		if (!is_word((unsigned char) *q))
			break;
	}
	if (s->p > start && s->p[-1] == '"' && q == s->p - 1 && q > start)
		put(s, start - 1, s->p - start + 1);
	else
		put(s, "\"?\"", 3);
}

/* A word, or the prefix of a string: E'', B'', X'', N'', U&''. */
static void
word(Shape *s)
{
	const char *start = s->p;

	while (s->p < s->end && is_word((unsigned char) *s->p))
		s->p++;
	if (s->p - start == 1 && peek(s, 0) == '\'' && strchr("eEbBxXnN", *start))
	{
		s->p++;
		skip_quoted(s, '\'', *start == 'e' || *start == 'E' ||
					((*start == 'n' || *start == 'N') && s->backslashes));
		put_constant(s);
		return;
	}
	if (s->p - start == 1 && (*start == 'u' || *start == 'U') && peek(s, 0) == '&' &&
		(peek(s, 1) == '\'' || peek(s, 1) == '"'))
	{
		char		quote = s->p[1];

		s->p += 2;
		skip_quoted(s, quote, false);
		put_constant(s);
		return;
	}
	if (!s->in_word || s->space)
		s->word = s->len + (s->space && s->len > 0 && s->len < s->size ? 1 : 0);
	put(s, start, s->p - start);
	s->in_word = true;
}

static void
number(Shape *s)
{
	while (s->p < s->end)
	{
		unsigned char c = peek(s, 0);

		if ((c == '+' || c == '-') && (s->p[-1] == 'e' || s->p[-1] == 'E') && is_digit(peek(s, 1)))
			s->p++;
		else if (is_word(c) || (c == '.' && peek(s, 1) != '.'))
			s->p++;
		else
			break;
	}
	put_constant(s);
}

/* word@word: an address that somebody forgot to quote. */
static bool
bare_address(Shape *s)
{
	if (peek(s, 0) != '@' || !is_word(peek(s, 1)))
		return false;
	if (s->in_word && !s->space)
		s->len = s->word;
	else if (s->len > 0 && s->out[s->len - 1] == '?' && !s->space)
		s->len--;
	else
		return false;
	s->p++;
	while (s->p < s->end && (is_word(peek(s, 0)) || peek(s, 0) == '.' || peek(s, 0) == '-'))
		s->p++;
	put_constant(s);
	return true;
}

/* $1 stays; other '$' is a dollar quote or a character like others. */
static void
dollar(Shape *s)
{
	const char *start = s->p;

	s->in_word = false;
	if (is_digit(peek(s, 1)))
	{
		s->p++;
		while (is_digit(peek(s, 0)))
			s->p++;
		put(s, start, s->p - start);
	}
	else if (skip_dollar_quote(s))
		put_constant(s);
	else
		put(s, s->p++, 1);
}

static void
token(Shape *s)
{
	unsigned char c = peek(s, 0);

	if (is_space(c))
	{
		s->p++;
		s->space = true;
	}
	else if (c == '-' && peek(s, 1) == '-')
	{
		skip_line(s);
		s->space = true;
	}
	else if (c == '/' && peek(s, 1) == '*')
	{
		skip_block_comment(s);
		s->space = true;
	}
	else if (c == '\'')
	{
		s->p++;
		skip_quoted(s, '\'', s->backslashes);
		put_constant(s);
	}
	else if (c == '"')
	{
		s->p++;
		s->in_word = false;
		quoted_identifier(s);
	}
	else if (is_word_start(c))
		word(s);
	else if (is_digit(c) || (c == '.' && is_digit(peek(s, 1)) && !s->in_word))
		number(s);
	else if (c == '$')
		dollar(s);
	else if (!bare_address(s))
	{
		s->in_word = s->in_word && !s->space && (c == '.' || c == '-' || c == '+');
		put(s, s->p++, 1);
	}
}

size_t
lg_shape_make(char *out, size_t size, const char *sql, size_t len, bool backslashes)
{
	Shape		s = {.p = sql, .end = sql + len, .out = out, .size = size - 1, .backslashes = backslashes};

	while (s.p < s.end && s.len < s.size)
		token(&s);
	/* A cut may have gone through a character, or left the start of an address. */
	if (s.p < s.end)
	{
		while (s.len > 0 && is_word((unsigned char) out[s.len - 1]))
			s.len--;
	}
	while (s.len > 0 && (unsigned char) out[s.len - 1] == ' ')
		s.len--;
	out[s.len] = '\0';
	return s.len;
}
