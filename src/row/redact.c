/*-------------------------------------------------------------------------
 *
 * redact.c
 *		Keep literals and addresses out of the server log (redact_logs).
 *
 * The hook sees the same ErrorData that is sent to the client, which must get
 * its own words back unchanged.  So what goes to the log only is rewritten in
 * place; where the client gets the message as well and there is something to
 * hide, the log's copy is suppressed and a redacted line logged in its stead.
 *
 * No rule looks at words that lc_messages translates.  Statements are known by
 * where they stand (a log line that asks for no STATEMENT is one, the server's
 * convention for log_statement, log_duration and auto_explain), values by the
 * error's class.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "parser/parser.h"
#include "utils/elog.h"

#include "guc.h"
#include "row/redact.h"

#define HIDDEN	"<redacted>"

/* What may stand in a text beside words. */
#define IN_SQL		0x01		/* statements: literals and comments are hidden */
#define IN_QUOTES	0x02		/* values in double quotes: hidden from the first to the last */
#define IN_ROWS		0x04		/* (columns)=(values): hidden from the values on */
#define IN_LINES	0x08		/* lines that end in a value: hidden after the first ": " */

static bool busy = false;

/* ---- what is hidden: one mark for each byte ---- */

static bool
word_byte(unsigned char c)
{
	return c == '_' || c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Bytes that may stand in an address (quoted local parts apart). */
static bool
address_byte(char c)
{
	return c != '\0' && (unsigned char) c > ' ' && strchr("\"'`()<>[]{},;:=|\\", c) == NULL;
}

/* The end of a string that begins at s, of which the quote is the first byte. */
static const char *
string_end(const char *s, bool backslashes)
{
	char		quote = *s++;

	for (; *s != '\0'; s++)
	{
		if (backslashes && *s == '\\' && s[1] != '\0')
			s++;
		else if (*s == quote && *++s != quote)
			return s;
	}
	return s;
}

/* The end of a $tag$...$tag$ that begins at s; s if none does. */
static const char *
dollar_end(const char *s)
{
	const char *tag_end = s + 1;
	const char *end;
	char	   *tag;

	while (word_byte(*tag_end))
		tag_end++;
	if (*tag_end != '$' || (s[1] >= '0' && s[1] <= '9'))
		return s;
	tag = pnstrdup(s, tag_end + 1 - s);
	end = strstr(tag_end + 1, tag);
	end = end != NULL ? end + strlen(tag) : s + strlen(s);
	pfree(tag);
	return end;
}

/* The end of a comment that begins at s; s if none does. */
static const char *
comment_end(const char *s)
{
	int			depth = 0;

	if (s[0] == '-' && s[1] == '-')
		return s + strcspn(s, "\r\n");
	if (s[0] != '/' || s[1] != '*')
		return s;
	do
	{
		if (s[0] == '/' && s[1] == '*')
		{
			depth++;
			s += 2;
		}
		else if (s[0] == '*' && s[1] == '/')
		{
			depth--;
			s += 2;
		}
		else
			s++;
	} while (depth > 0 && *s != '\0');
	return s;
}

/*
 * mark_literals
 *		Mark strings and comments of SQL.
 *
 * A plan as JSON has statements in double quotes, where they are not a name's:
 * the caller looks at it both ways and hides what either does.
 */
static void
mark_literals(const char *s, char *marks, bool names)
{
	const char *p = s;

	while (*p != '\0')
	{
		const char *end = p;

		if (*p == '\'')
			end = string_end(p, !standard_conforming_strings || (p > s && (p[-1] == 'E' || p[-1] == 'e')));
		else if (*p == '$' && (p == s || !word_byte(p[-1])))
			end = dollar_end(p);
		else
			end = comment_end(p);
		if (end > p)
			memset(marks + (p - s), 1, end - p);
		else if (*p == '"' && names)
			end = string_end(p, false);
		else
			end = p + 1;
		p = end;
	}
}

/* From the first to the last double quote. */
static void
mark_quotes(const char *s, char *marks)
{
	const char *first = strchr(s, '"');
	const char *last = strrchr(s, '"');

	if (first != NULL && last > first + 1)
		memset(marks + (first + 1 - s), 1, last - first - 1);
}

/* What comes after "=(", or where there is none after the first "(". */
static void
mark_rows(const char *s, char *marks)
{
	const char *at = strstr(s, "=(");

	at = at != NULL ? at + 2 : strchr(s, '(') != NULL ? strchr(s, '(') + 1 : NULL;
	if (at != NULL)
		memset(marks + (at - s), 1, strlen(at));
}

/* What comes after the first ": " of each line, or of those that begin with COPY. */
static void
mark_lines(const char *s, char *marks, bool all)
{
	for (const char *line = s; *line != '\0';)
	{
		const char *end = line + strcspn(line, "\n");
		const char *colon = strstr(line, ": ");

		/* A value may go on over lines: nothing behind it is kept. */
		if (colon != NULL && colon < end && (all || strncmp(line, "COPY ", 5) == 0))
		{
			memset(marks + (colon + 2 - s), 1, strlen(colon + 2));
			return;
		}
		line = *end != '\0' ? end + 1 : end;
	}
}

/* Start of the quoted local part that ends right before s; s if there is none. */
static const char *
quoted_local(const char *text, const char *s)
{
	const char *p = s - 1;

	if (s == text || *p != '"')
		return s;
	while (p > text && !(*--p == '"' && (p == text || p[-1] != '\\')))
		;
	return *p == '"' ? p : s;
}

/* Addresses: words around an '@', a quoted local part and an address literal too. */
static void
mark_addresses(const char *s, char *marks)
{
	for (const char *at = strchr(s, '@'); at != NULL; at = strchr(at + 1, '@'))
	{
		const char *start = at;
		const char *end = at + 1;

		while (start > s && address_byte(start[-1]))
			start--;
		if (start == at)
			start = quoted_local(s, at);
		while (address_byte(*end))
			end++;
		if (at[1] == '[')
			end = at + 1 + strcspn(at + 1, "]\n");
		if (start < at && end > at + 1)
			memset(marks + (start - s), 1, end - start);
	}
}

/* Tickets and secret keys, wherever the server quotes one. */
static void
mark_tokens(const char *s, char *marks)
{
	static const char *const heads[] = {"v4.public.", "k4.secret"};

	for (int i = 0; i < lengthof(heads); i++)
	{
		for (const char *p = strstr(s, heads[i]); p != NULL; p = strstr(p + 1, heads[i]))
		{
			const char *end = p;

			while (word_byte(*end) || *end == '.' || *end == '-')
				end++;
			memset(marks + (p - s), 1, end - p);
		}
	}
}

/* ---- texts ---- */

/*
 * hide
 *		The text without what is to be hidden; itself where that is nothing.
 */
static char *
hide(char *s, int in)
{
	StringInfoData out;
	size_t		len;
	char	   *marks;

	if (s == NULL || *s == '\0')
		return s;
	len = strlen(s);
	marks = palloc0(len + 1);
	if (in & IN_SQL)
	{
		mark_literals(s, marks, true);
		mark_literals(s, marks, false);
	}
	if (in & IN_QUOTES)
		mark_quotes(s, marks);
	if (in & IN_ROWS)
		mark_rows(s, marks);
	if (in & (IN_SQL | IN_LINES))
		mark_lines(s, marks, (in & IN_LINES) != 0);
	mark_addresses(s, marks);
	mark_tokens(s, marks);
	if (memchr(marks, 1, len) == NULL)
	{
		pfree(marks);
		return s;
	}
	initStringInfo(&out);
	for (size_t i = 0; i < len; i++)
	{
		if (!marks[i])
			appendStringInfoChar(&out, s[i]);
		else if (!marks[i + 1])
			appendStringInfoString(&out, HIDDEN);
	}
	pfree(marks);
	return out.data;
}

/* ---- messages ---- */

/* Does an error of this kind quote the value that it is about? */
static bool
quotes_value(const ErrorData *edata)
{
	switch (edata->sqlerrcode)
	{
		case ERRCODE_SYNTAX_ERROR:
		case ERRCODE_INVALID_NAME:
			return true;
		case ERRCODE_UNDEFINED_TABLE:
		case ERRCODE_UNDEFINED_OBJECT:
		case ERRCODE_UNDEFINED_FUNCTION:
		case ERRCODE_UNDEFINED_SCHEMA:
			/* A name in a statement has a position; one that was cast to regclass has none. */
			return edata->cursorpos == 0 && edata->internalpos == 0;
		default:
			return ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_DATA_EXCEPTION;
	}
}

/* debug_print_parse and its like: constants are there byte for byte. */
static bool
prints_tree(const ErrorData *edata)
{
	const char *detail = edata->detail;

	if (edata->elevel != LOG || detail == NULL)
		return false;
	detail += strspn(detail, " (");
	return *detail == '{' && strstr(detail, " :") != NULL;
}

/*
 * redact
 *		Rewrite the texts; false where nothing had to be.
 */
static bool
redact(ErrorData *edata, bool is_statement)
{
	const ErrorData was = *edata;
	int			sql = is_statement ? IN_SQL : 0;
	int			value = quotes_value(edata) ? IN_QUOTES : 0;
	bool		constraint = ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION;

	edata->message = hide(edata->message, sql | value);
	if (prints_tree(edata))
		edata->detail = pstrdup(HIDDEN);
	else
		edata->detail = hide(edata->detail, sql | value | (constraint ? IN_ROWS : 0));
	edata->detail_log = hide(edata->detail_log, IN_SQL);
	edata->hint = hide(edata->hint, value);
	edata->context = hide(edata->context, IN_SQL | (constraint || value ? IN_LINES : 0));
	edata->internalquery = hide(edata->internalquery, IN_SQL);
	return edata->message != was.message || edata->detail != was.detail || edata->detail_log != was.detail_log ||
		edata->hint != was.hint || edata->context != was.context || edata->internalquery != was.internalquery;
}

/* The client's copy stays; the log gets this one. */
static void
log_instead(const ErrorData *copy)
{
	busy = true;
	PG_TRY();
	{
		ereport(LOG_SERVER_ONLY,
				(errcode(copy->sqlerrcode),
				 errmsg_internal("%s:  %s", error_severity(copy->elevel), copy->message ? copy->message : ""),
				 copy->detail_log || copy->detail
				 ? errdetail_internal("%s", copy->detail_log ? copy->detail_log : copy->detail) : 0,
				 copy->hint ? errhint("%s", copy->hint) : 0,
				 copy->context ? errcontext_msg("%s", copy->context) : 0,
				 copy->internalquery ? internalerrquery(copy->internalquery) : 0,
				 errhidestmt(true)));
	}
	PG_FINALLY();
	{
		busy = false;
	}
	PG_END_TRY();
}

void
lg_redact(ErrorData *edata)
{
	ErrorData	copy;
	bool		is_statement;

	if (!lg_redact_logs || busy)
		return;
	is_statement = edata->elevel == LOG && edata->hide_stmt;
	edata->hide_stmt = true;
	copy = *edata;
	if (!redact(&copy, is_statement))
		return;
	if (edata->output_to_client && edata->elevel < FATAL)
	{
		edata->output_to_server = false;
		log_instead(&copy);
	}
	else
		*edata = copy;
}
