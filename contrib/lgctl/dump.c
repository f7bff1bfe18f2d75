/*-------------------------------------------------------------------------
 *
 * dump.c
 *		Reads what pg_dump, pg_dumpall and pg_restore -f - write as text.
 *
 * The text is taken apart as psql takes it apart: statements end with a
 * semicolon outside quotes, dollar quotes and comments; COPY ... FROM stdin is
 * followed by lines up to "\.".  So a string in some function or address book
 * that looks like a row of ours is not one.  Of statements that do not matter
 * only the beginning is kept; a dump of any size takes little memory.
 *
 *-------------------------------------------------------------------------
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dump.h"
#include "lgctl.h"

#define AHEAD_BYTES		8
#define OTHERS_KEEP		(256 * 1024)	/* bytes kept of a statement that does not matter */
#define OURS_KEEP		(64 * 1024 * 1024)	/* and of one that does */
#define TAG_MAX			64		/* of a dollar quote */
#define LINE_MAX_BYTES	(1024 * 1024 * 1024)

typedef struct Text
{
	char	   *bytes;
	size_t		len;
	size_t		size;
} Text;

typedef struct Dump
{
	FILE	   *in;
	const char *path;
	const DumpReader *reader;
	unsigned char ahead[AHEAD_BYTES];
	size_t		n_ahead;
	size_t		at_ahead;
	bool		backslashes;	/* standard_conforming_strings is off */
	int			begun;			/* dumps begun and completed, as their comments say */
	int			completed;
	Text		statement;
	Text		line;
} Dump;

static int
get(Dump *d)
{
	return d->at_ahead < d->n_ahead ? d->ahead[d->at_ahead++] : getc_unlocked(d->in);
}

static void
put_back(Dump *d, int c)
{
	if (c != EOF && d->at_ahead > 0)
		d->ahead[--d->at_ahead] = (unsigned char) c;
	else if (c != EOF)
		(void) ungetc(c, d->in);
}

static bool
append(Text *text, int c)
{
	if (text->len + 1 >= text->size)
	{
		size_t		size = text->size ? 2 * text->size : 256;
		char	   *bytes = realloc(text->bytes, size);

		if (bytes == NULL)
			return false;
		text->bytes = bytes;
		text->size = size;
	}
	text->bytes[text->len++] = (char) c;
	text->bytes[text->len] = '\0';
	return true;
}

static bool
begins(const char *text, const char *with)
{
	return strncasecmp(text, with, strlen(with)) == 0;
}

/* A character of a statement, kept as far as it matters. */
static bool
keep(Dump *d, int c)
{
	size_t		most = OTHERS_KEEP;

	if (d->statement.len >= OTHERS_KEEP && begins(d->statement.bytes, "INSERT INTO ") &&
		begins(d->statement.bytes + 12, d->reader->prefix))
		most = OURS_KEEP;
	return d->statement.len >= most || append(&d->statement, c);
}

/* ---- the parts of a statement; all return false at the end of the file ---- */

static bool
read_quoted(Dump *d, int quote, bool backslashes)
{
	int			c;

	while ((c = get(d)) != EOF)
	{
		keep(d, c);
		if (c == quote)
			return true;		/* a doubled quote begins the next part at once */
		if (c == '\\' && backslashes && (c = get(d)) != EOF)
			keep(d, c);
	}
	return false;
}

/* After "$": a dollar quote with its contents, or just the "$". */
static bool
read_dollar(Dump *d)
{
	char		tag[TAG_MAX];
	size_t		n = 0;
	size_t		matched = 0;
	int			c;

	while ((c = get(d)) != EOF && (isalnum(c) || c == '_' || c >= 0x80) && n < TAG_MAX - 1)
	{
		keep(d, c);
		tag[n++] = (char) c;
	}
	if (c != '$')
	{
		put_back(d, c);
		return c != EOF;
	}
	keep(d, c);
	tag[n++] = '$';
	/* matched counts what has been seen of "$tag$" */
	while ((c = get(d)) != EOF)
	{
		keep(d, c);
		if (matched > 0 && c == (unsigned char) tag[matched - 1])
			matched++;
		else
			matched = c == '$';
		if (matched == n + 1)
			return true;
	}
	return false;
}

static bool
read_line(Dump *d)
{
	int			c;

	d->line.len = 0;
	while ((c = get(d)) != EOF && c != '\n' && d->line.len < LINE_MAX_BYTES && append(&d->line, c))
		;
	if (d->line.len == 0)
		(void) (append(&d->line, ' ') && (d->line.bytes[d->line.len = 0] = '\0'));
	return c == '\n';
}

/* After "--": the rest of the line. */
static bool
read_comment(Dump *d)
{
	bool		more = read_line(d);

	d->begun += strcmp(d->line.bytes, " PostgreSQL database dump") == 0;
	d->completed += strcmp(d->line.bytes, " PostgreSQL database dump complete") == 0;
	return more;
}

/* After a slash and a star. */
static bool
read_long_comment(Dump *d)
{
	int			depth = 1;
	int			last = 0;
	int			c;

	while (depth > 0 && (c = get(d)) != EOF)
	{
		if (last == '*' && c == '/')
			depth--;
		else if (last == '/' && c == '*')
			depth++;
		else
		{
			last = c;
			continue;
		}
		last = 0;
	}
	return depth == 0;
}

/* "-" or "/" may begin a comment. */
static bool
read_maybe_comment(Dump *d, int c)
{
	int			next = get(d);

	if (c == '-' && next == '-')
		return read_comment(d);
	if (c == '/' && next == '*')
		return read_long_comment(d);
	put_back(d, next);
	return keep(d, c);
}

/* Was the quote that has just been kept that of E'...'? */
static bool
is_escape_string(const Text *s)
{
	return s->len >= 2 && toupper((unsigned char) s->bytes[s->len - 2]) == 'E' &&
		(s->len == 2 || (!isalnum((unsigned char) s->bytes[s->len - 3]) && s->bytes[s->len - 3] != '_'));
}

static bool
read_part(Dump *d, int c)
{
	if (c == '-' || c == '/')
		return read_maybe_comment(d, c);
	if (!keep(d, c))
		return false;
	if (c == '\'')
		return read_quoted(d, c, d->backslashes || is_escape_string(&d->statement));
	if (c == '"')
		return read_quoted(d, c, false);
	if (c == '$' && (d->statement.len < 2 || !isalnum((unsigned char) d->statement.bytes[d->statement.len - 2])))
		return read_dollar(d);
	return true;
}

/*
 * read_statement
 *		Up to its semicolon, which is not kept, or one line of psql's own; false
 *		at the end of the file, with what there was.
 */
static bool
read_statement(Dump *d)
{
	int			c;

	d->statement.len = 0;
	(void) append(&d->statement, ' ');
	d->statement.len = 0;
	d->statement.bytes[0] = '\0';
	while ((c = get(d)) != EOF && c != ';')
	{
		if (d->statement.len == 0 && isspace(c))
			continue;
		if (d->statement.len == 0 && c == '\\')
		{
			bool		more = read_line(d);

			keep(d, c);
			for (size_t i = 0; i < d->line.len; i++)
				keep(d, d->line.bytes[i]);
			return more;
		}
		if (!read_part(d, c))
			return false;
	}
	return c == ';';
}

/* ---- rows ---- */

/* What stands between the parentheses of a column list, as names of the row; the text behind it. */
static char *
take_names(DumpRow *row, char *text)
{
	char	   *end = strchr(text, ')');
	char	   *rest = NULL;
	int			n = 0;

	if (end == NULL)
		return NULL;
	*end = '\0';
	for (char *name = strtok_r(text + 1, ", \n", &rest); name != NULL; name = strtok_r(NULL, ", \n", &rest))
	{
		if (n == DUMP_COLUMNS)
			return NULL;
		row->names[n++] = name;
	}
	row->n = n;
	return end + 1;
}

/* COPY's text format, in place. */
static void
unescape(char *text)
{
	char	   *to = text;

	for (const char *p = text; *p != '\0'; p++)
	{
		if (*p == '\\' && p[1] != '\0')
		{
			p++;
			*to++ = *p == 'n' ? '\n' : *p == 't' ? '\t' : *p == 'r' ? '\r' : *p;
		}
		else
			*to++ = *p;
	}
	*to = '\0';
}

static int
malformed(const Dump *d, const char *table)
{
	return complain(EXIT_REFUSED, "%s: a row of listguard.%s is not as pg_dump writes it", d->path, table);
}

static int
copy_row(Dump *d, DumpRow *row)
{
	char	   *text = d->line.bytes;
	int			n = 0;

	while (text != NULL && n < DUMP_COLUMNS)
	{
		char	   *field = strsep(&text, "\t");

		row->values[n] = strcmp(field, "\\N") == 0 ? NULL : field;
		if (row->values[n] != NULL)
			unescape(field);
		n++;
	}
	if (text != NULL || n != row->n)
		return malformed(d, row->table);
	return d->reader->row(d->reader->arg, row);
}

/* The lines behind COPY ... FROM stdin; ours is NULL where they do not matter. */
static int
read_copy(Dump *d, DumpRow *ours)
{
	int			code = EXIT_DONE;

	if (!read_line(d))
		return complain(EXIT_REFUSED, "%s ends in the middle of a COPY", d->path);
	while (code == EXIT_DONE)
	{
		if (!read_line(d))
			return complain(EXIT_REFUSED, "%s ends in the middle of a COPY", d->path);
		if (strcmp(d->line.bytes, "\\.") == 0)
			break;
		if (ours != NULL)
			code = copy_row(d, ours);
	}
	return code;
}

/* The table's name, if it is one we look for, ended in place; *rest is what follows it. */
static char *
our_table(const Dump *d, char *text, char **rest)
{
	size_t		n = strlen(d->reader->prefix);

	if (strncmp(text, d->reader->prefix, n) != 0)
		return NULL;
	text += n;
	n = strcspn(text, " \n(");
	if (text[n] == '\0')
		return NULL;
	*rest = text + n + strspn(text + n, " \n");
	text[n] = '\0';
	return text;
}

static int
copy_statement(Dump *d)
{
	char	   *text = d->statement.bytes;
	size_t		len = d->statement.len;
	DumpRow		row;
	char	   *rest;

	memset(&row, 0, sizeof(row));
	if (len < 11 || strcasecmp(text + len - 11, " FROM stdin") != 0)
		return EXIT_DONE;
	row.table = our_table(d, text + 5, &rest);
	if (row.table == NULL)
		return read_copy(d, NULL);
	if (*rest != '(' || take_names(&row, rest) == NULL)
		return malformed(d, row.table);
	return read_copy(d, &row);
}

/* A string in place: from behind its first quote to behind its last. */
static char *
take_string(char *text, bool backslashes)
{
	char	   *to = text;

	for (char *p = text; *p != '\0'; p++)
	{
		if (*p == '\'' && p[1] != '\'')
		{
			*to = '\0';
			return p + 1;
		}
		if (*p == '\'' || (*p == '\\' && backslashes && p[1] != '\0'))
			p++;
		*to++ = *p;
	}
	return NULL;
}

/* One value of VALUES; the text behind it, ended where the value is no string. */
static char *
take_value(const char **value, char *text, bool backslashes)
{
	bool		escaped = (*text == 'E' || *text == 'e') && text[1] == '\'';
	size_t		n;

	text += escaped;
	if (*text == '\'')
	{
		*value = text + 1;
		return take_string(text + 1, backslashes || escaped);
	}
	n = strcspn(text, ",) \n");
	*value = strncasecmp(text, "NULL", n) == 0 ? NULL : text;
	return n == 0 ? NULL : text + n;
}

/* From "(" to behind ")". */
static char *
take_values(const Dump *d, DumpRow *row, char *text)
{
	int			n = 0;
	char		end;

	do
	{
		text += 1 + strspn(text + 1, " \n");
		if (n == DUMP_COLUMNS || (text = take_value(&row->values[n++], text, d->backslashes)) == NULL)
			return NULL;
		end = *text;
		*text = '\0';
	} while (end == ',');
	if (end != ')' || (row->n != 0 && row->n != n))
		return NULL;
	row->n = n;
	return text + 1;
}

static int
insert_statement(Dump *d)
{
	char	   *rest;
	DumpRow		row;
	int			code = EXIT_DONE;

	memset(&row, 0, sizeof(row));
	row.table = our_table(d, d->statement.bytes + 12, &rest);
	if (row.table == NULL)
		return EXIT_DONE;
	if (*rest == '(')
		rest = take_names(&row, rest);
	rest = rest != NULL ? strstr(rest, "VALUES") : NULL;
	if (rest == NULL)
		return malformed(d, row.table);
	for (rest += 6; code == EXIT_DONE && *(rest += strspn(rest, " ,\t\n")) == '(';)
	{
		rest = take_values(d, &row, rest);
		if (rest == NULL)
			return malformed(d, row.table);
		code = d->reader->row(d->reader->arg, &row);
	}
	return code;
}

static int
take_statement(Dump *d)
{
	const char *text = d->statement.bytes;

	if (begins(text, "COPY "))
		return copy_statement(d);
	if (begins(text, "INSERT INTO "))
		return insert_statement(d);
	if (begins(text, "SET standard_conforming_strings"))
		d->backslashes = strstr(text, "off") != NULL;
	if (begins(text, "\\connect "))
		return d->reader->database(d->reader->arg, text + 9);
	return EXIT_DONE;
}

/* ---- the file ---- */

static int
other_format(const char *path, const char *what, const char *how)
{
	return complain(EXIT_REFUSED, "%s is %s: %s | lgctl root verify --key FILE -", path, what, how);
}

/* What is no text is told by its first bytes. */
static int
check_format(Dump *d)
{
	const unsigned char *a = d->ahead;

	d->n_ahead = fread(d->ahead, 1, sizeof(d->ahead), d->in);
	if (d->n_ahead >= 5 && memcmp(a, "PGDMP", 5) == 0)
		return other_format(d->path, "a dump in custom format", "pg_restore -f - DUMP");
	if (d->n_ahead >= 7 && memcmp(a, "toc.dat", 7) == 0)
		return other_format(d->path, "a dump in tar format", "pg_restore -f - DUMP");
	if (d->n_ahead >= 4 && ((a[0] == 0x1f && a[1] == 0x8b) || memcmp(a, "\x28\xb5\x2f\xfd", 4) == 0 ||
							memcmp(a, "\x04\x22\x4d\x18", 4) == 0))
		return other_format(d->path, "compressed", "decompress it");
	return EXIT_DONE;
}

/*
 * dump_read
 *		All rows of the tables looked for, in the order of the dump.
 *
 * EXIT_REFUSED for what is no complete dump in text form.
 */
int
dump_read(FILE *in, const char *path, const DumpReader *reader)
{
	Dump		d;
	int			code;
	bool		more = true;

	memset(&d, 0, sizeof(d));
	d.in = in;
	d.path = path;
	d.reader = reader;
	code = check_format(&d);
	while (code == EXIT_DONE && more)
	{
		more = read_statement(&d);
		if (more)
			code = take_statement(&d);
	}
	if (code == EXIT_DONE && ferror(in))
		code = complain(EXIT_IO, "could not read %s", path);
	if (code == EXIT_DONE && (d.statement.len > 0 || d.begun != d.completed))
		code = complain(EXIT_REFUSED, "%s is no complete dump in text form", path);
	free(d.statement.bytes);
	free(d.line.bytes);
	return code;
}
