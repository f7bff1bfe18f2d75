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
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include "lib/stringinfo.h"
#include "utils/elog.h"

#include "guc.h"
#include "row/redact.h"

#define HIDDEN	"<redacted>"

static bool busy = false;

/* Bytes that may stand in an address (quoted local parts apart). */
static bool
address_byte(char c)
{
	return c != '\0' && (unsigned char) c > ' ' && strchr("\"'`()<>[]{},;:=|\\", c) == NULL;
}

static bool
has_address(const char *s)
{
	const char *at = s;

	while (at != NULL && (at = strchr(at, '@')) != NULL)
	{
		if (at > s && (address_byte(at[-1]) || at[-1] == '"') && address_byte(at[1]))
			return true;
		at++;
	}
	return false;
}

/* Copy of s, every word with an inner '@' and (literals) every quoted string blanked. */
static char *
blank(const char *s, bool literals)
{
	StringInfoData out;
	const char *p = s;

	initStringInfo(&out);
	while (*p != '\0')
	{
		const char *word = p;
		bool		at = false;

		if (literals && *p == '\'')
		{
			for (p++; *p != '\0'; p++)
			{
				if (*p == '\'' && *++p != '\'')
					break;
			}
			appendStringInfoString(&out, "'?'");
			continue;
		}
		while (address_byte(*p))
			at |= *p++ == '@';
		if (p == word)
			appendStringInfoChar(&out, *p++);
		else if (at && p - word > 1)
			appendStringInfoString(&out, HIDDEN);
		else
			appendBinaryStringInfo(&out, word, (int) (p - word));
	}
	return out.data;
}

static bool
starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* Messages of log_statement and log_duration carry the statement's literals. */
static bool
carries_literals(const char *s)
{
	return s != NULL &&
		(starts(s, "statement: ") || starts(s, "execute ") || starts(s, "parse ") ||
		 starts(s, "bind ") || starts(s, "prepare: ") || starts(s, "parameters: ") ||
		 starts(s, "Parameters: ") || starts(s, "fastpath ") ||
		 (starts(s, "duration: ") && strchr(s, '\'') != NULL));
}

static bool
needs_blank(const char *s)
{
	return s != NULL && (has_address(s) || carries_literals(s));
}

/*
 * Context of a COPY shows the column or the line that it failed on, a name or a
 * number as well as an address: no more is kept than COPY, table and line, in
 * any language of lc_messages.  What called the COPY goes with it.
 */
static char *
copy_row(char *context)
{
	char	   *line = context;

	while (line != NULL && !starts(line, "COPY "))
	{
		line = strchr(line, '\n');
		line = line != NULL ? line + 1 : NULL;
	}
	return line != NULL ? strchr(line, ':') : NULL;
}

static char *
blanked_context(char *context)
{
	char	   *row = context != NULL ? copy_row(context) : NULL;

	if (row != NULL)
		context = psprintf("%.*s: " HIDDEN, (int) (row - context), context);
	return context != NULL && (has_address(context) || strchr(context, '\'') != NULL) ?
		blank(context, true) : context;
}

static bool
context_needs_blank(const char *context)
{
	return context != NULL &&
		(has_address(context) || strchr(context, '\'') != NULL || copy_row(unconstify(char *, context)) != NULL);
}

static char *
blanked(char *s)
{
	return needs_blank(s) ? blank(s, carries_literals(s)) : s;
}

static void
blank_in_place(ErrorData *edata)
{
	edata->message = blanked(edata->message);
	edata->detail = blanked(edata->detail);
	edata->detail_log = blanked(edata->detail_log);
	edata->hint = blanked(edata->hint);
	edata->context = blanked_context(edata->context);
	edata->internalquery = blanked(edata->internalquery);
}

/* The client's copy stays; the log gets this one. */
static void
log_instead(ErrorData *edata)
{
	ErrorData	copy = *edata;

	blank_in_place(&copy);
	edata->output_to_server = false;
	busy = true;
	PG_TRY();
	{
		ereport(LOG_SERVER_ONLY,
				(errcode(copy.sqlerrcode),
				 errmsg_internal("%s:  %s", error_severity(copy.elevel), copy.message ? copy.message : ""),
				 copy.detail_log || copy.detail
				 ? errdetail_internal("%s", copy.detail_log ? copy.detail_log : copy.detail) : 0,
				 copy.hint ? errhint("%s", copy.hint) : 0,
				 copy.context ? errcontext_msg("%s", copy.context) : 0,
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
	if (!lg_redact_logs || busy)
		return;
	edata->hide_stmt = true;
	if (!needs_blank(edata->message) && !needs_blank(edata->detail) && !needs_blank(edata->detail_log) &&
		!needs_blank(edata->hint) && !context_needs_blank(edata->context) && !needs_blank(edata->internalquery))
		return;
	if (edata->output_to_client && edata->elevel < FATAL)
		log_instead(edata);
	else
		blank_in_place(edata);
}
