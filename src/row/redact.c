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
#include "miscadmin.h"
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

/*
 * The end of a string that begins at s, of which the quote is the first byte;
 * as many backslashes (0: none do) hide the byte behind them.
 */
static const char *
string_end(const char *s, int backslashes)
{
	char		quote = *s++;

	for (; *s != '\0'; s++)
	{
		if (backslashes > 0 && strncmp(s, "\\\\", backslashes) == 0 && s[backslashes] != '\0')
			s += backslashes;
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
 * The end of a quoted name that begins at s; s if none does.  In JSON its quotes
 * are escaped.
 */
static const char *
name_end(const char *s, bool json)
{
	const char *end;

	if (!json)
		return *s == '"' ? string_end(s, 0) : s;
	if (strncmp(s, "\\\"", 2) != 0)
		return s;
	end = strstr(s + 2, "\\\"");
	return end != NULL ? end + 2 : s + strlen(s);
}

/*
 * mark_literals
 *		Mark strings and comments of SQL, as it stands or inside JSON.
 *
 * A plan as JSON or YAML has statements in double quotes, where they are not a
 * name's: the caller looks at it both ways and hides what either does.
 */
static void
mark_literals(const char *s, char *marks, bool json)
{
	const char *p = s;

	while (*p != '\0')
	{
		const char *end = p;

		if (*p == '\'')
		{
			bool		escapes = !lg_standard_strings() || (p > s && (p[-1] == 'E' || p[-1] == 'e'));

			end = string_end(p, !escapes ? 0 : json ? 2 : 1);
		}
		else if (*p == '$' && (p == s || !word_byte(p[-1])))
			end = dollar_end(p);
		else
			end = comment_end(p);
		if (end > p)
			memset(marks + (p - s), 1, end - p);
		else
			end = Max(name_end(p, json), p + 1);
		p = end;
	}
}

/*
 * Length of the quotation mark at s, 0 if there is none.  Translated messages
 * have their language's own; outside UTF-8 any byte that is not ASCII passes for
 * one.
 */
static int
quote_length(const char *s)
{
	static const char *const marks[] = {
		"\"", "\xC2\xAB", "\xC2\xBB", "\xE2\x80\x98", "\xE2\x80\x99", "\xE2\x80\x9A", "\xE2\x80\x9B",
		"\xE2\x80\x9C", "\xE2\x80\x9D", "\xE2\x80\x9E", "\xE2\x80\xB9", "\xE2\x80\xBA",
		"\xE3\x80\x8C", "\xE3\x80\x8D"
	};

	if (GetMessageEncoding() != PG_UTF8 && (unsigned char) *s >= 0x80)
		return 1;
	for (int i = 0; i < lengthof(marks); i++)
	{
		if (strncmp(s, marks[i], strlen(marks[i])) == 0)
			return (int) strlen(marks[i]);
	}
	return 0;
}

/* From the first to the last quotation mark. */
static void
mark_quotes(const char *s, char *marks)
{
	const char *first = NULL;
	const char *last = NULL;

	for (const char *p = s; *p != '\0'; p++)
	{
		int			n = quote_length(p);

		if (n == 0)
			continue;
		if (first == NULL)
			first = p + n;
		last = p;
		p += n - 1;
	}
	if (first != NULL && last > first)
		memset(marks + (first - s), 1, last - first);
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
	static char no_memory[] = HIDDEN;
	StringInfoData out;
	size_t		len;
	char	   *marks;

	if (s == NULL || *s == '\0')
		return s;
	/* Most messages: no memory, of which there may be none. */
	if (in == 0 && strchr(s, '@') == NULL && strchr(s, '4') == NULL)
		return s;
	len = strlen(s);
	marks = palloc_extended(len + 1, MCXT_ALLOC_ZERO | MCXT_ALLOC_NO_OOM);
	if (marks == NULL)
		return no_memory;
	if (in & IN_SQL)
	{
		mark_literals(s, marks, false);
		mark_literals(s, marks, true);
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

static bool
is_log(const ErrorData *edata)
{
	return edata->elevel == LOG || edata->elevel == LOG_SERVER_ONLY;
}

/*
 * Does a detail quote SQL?  The postmaster shows what a backend was running
 * that crashed, PL/pgSQL the parameters of a query.
 */
static bool
detail_has_sql(const ErrorData *edata)
{
	return !IsUnderPostmaster || ERRCODE_TO_CATEGORY(edata->sqlerrcode) == ERRCODE_PLPGSQL_ERROR;
}

/* Does a detail show the row that met a constraint? */
static bool
shows_row(const ErrorData *edata)
{
	int			category = ERRCODE_TO_CATEGORY(edata->sqlerrcode);

	return category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION || category == ERRCODE_WITH_CHECK_OPTION_VIOLATION;
}

/* debug_print_parse and its like: constants are there byte for byte. */
static bool
prints_tree(const ErrorData *edata)
{
	const char *detail = edata->detail;

	if (!is_log(edata) || detail == NULL)
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
	bool		constraint = shows_row(edata);

	edata->message = hide(edata->message, sql | value);
	if (prints_tree(edata))
		edata->detail = pstrdup(HIDDEN);
	else
		edata->detail = hide(edata->detail, sql | value | (constraint ? IN_ROWS : 0) |
							 (detail_has_sql(edata) ? IN_SQL : 0));
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
	is_statement = edata->hide_stmt;
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
