/*-------------------------------------------------------------------------
 *
 * ticket.c
 *		The approver's side of export tickets: sign, show, verify.
 *
 * What is shown before signing is parsed from the very bytes that will be
 * signed, by the parser the server uses: what you see is what you sign, and
 * what the server would not understand is never signed.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <jansson.h>
#include <sodium.h>

#include "lgctl.h"

#define USEC_PER_SEC	INT64_C(1000000)
#define LEEWAY			(60 * USEC_PER_SEC)	/* of iat and nbf, as the server's */

/* A token taken apart and its claims. */
typedef struct Ticket
{
	LgTokenParts parts;
	LgClaims	claims;
} Ticket;

static int64_t
now_usec(void)
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t) ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / 1000;
}

/* ---- in words ---- */

static void
put_label(FILE *out, const char *label)
{
	fprintf(out, "  %-10s ", label);
}

static void
put_line(FILE *out, const char *label, const char *text)
{
	put_label(out, label);
	put_text(out, text);
	fputc('\n', out);
}

static void
put_time(FILE *out, int64_t usec)
{
	char		text[32];

	fputs(lg_rfc3339_format(text, sizeof(text), usec) == LG_OK ? text : "?", out);
}

static void
put_list(FILE *out, const char *label, const char *text)
{
	LgListName	name;

	put_label(out, label);
	if (lg_list_name_parse(&name, text) != LG_OK)
		return;					/* the claims' parser has read it before */
	put_text(out, name.table);
	if (name.star)
		fputs(", ALL of its lists", out);
	else if (name.has_value)
	{
		fputs(", list ", out);
		put_quoted(out, name.value);
	}
	fprintf(out, " (number %lu)\n", (unsigned long) name.list_no);
}

static void
put_columns(FILE *out, const LgClaims *c)
{
	int			i;

	put_label(out, "columns");
	if (c->n_cols == 1 && strcmp(c->cols[0], "*") == 0)
		fputs("ALL columns", out);
	else
	{
		for (i = 0; i < c->n_cols; i++)
		{
			fputs(i > 0 ? ", " : "", out);
			put_quoted(out, c->cols[i]);
		}
	}
	fputc('\n', out);
}

static void
put_duration(FILE *out, int64_t usec)
{
	int64_t		secs = usec / USEC_PER_SEC;

	if (secs % 3600 == 0)
		fprintf(out, "%lld h", (long long) secs / 3600);
	else if (secs % 60 == 0)
		fprintf(out, "%lld min", (long long) secs / 60);
	else
		fprintf(out, "%lld s", (long long) secs);
}

static void
put_claims(FILE *out, const LgClaims *c)
{
	char		jti[33];
	int			i;

	put_line(out, "role", c->sub);
	put_label(out, "may read");
	fprintf(out, "up to %lld row%s, in all\n", (long long) c->max_rows, c->max_rows == 1 ? "" : "s");
	for (i = 0; i < c->n_lists; i++)
		put_list(out, i == 0 ? "of" : "", c->lists[i]);
	put_columns(out, c);
	put_label(out, "purpose");
	put_quoted(out, c->purpose);
	fputc('\n', out);
	if (c->to != NULL)
		put_line(out, "sealed to", c->to);
	else
		put_line(out, "sealed to", "nobody: the role gets the rows themselves");
	put_line(out, "server", c->aud);
	put_label(out, "valid");
	put_time(out, c->nbf);
	fputs(" to ", out);
	put_time(out, c->exp);
	fputs(" (", out);
	put_duration(out, c->exp - c->nbf);
	fputs(")\n", out);
	if (c->until != 0)
	{
		put_label(out, "runs until");
		put_time(out, c->until);
		fputc('\n', out);
	}
	if (c->req != NULL)
		put_line(out, "request", c->req);
	put_line(out, "signed by", c->iss);
	put_line(out, "number", sodium_bin2hex(jti, sizeof(jti), c->jti, sizeof(c->jti)));
}

/* ---- sign ---- */

/* Members that request_export gives; the rest is the signer's to add. */
static bool
is_request_claim(const char *name)
{
	static const char *const names[] = {
		"aud", "sub", "lg:list", "lg:cols", "lg:max", "lg:purpose", "lg:req", "lg:to", "lg:until"
	};
	size_t		i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* The request as JSON: one object of known members. */
static int
load_request(json_t **request, const char *source)
{
	static char buf[INPUT_MAX];
	const char *text = source;
	size_t		len;
	json_error_t error;
	void	   *iter;
	int			code;

	if (source[strspn(source, " \t\r\n")] == '{')
		len = strlen(source);
	else
	{
		if ((code = read_input(buf, sizeof(buf), &len, source)) != EXIT_DONE)
			return code;
		text = buf;
	}
	*request = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(*request))
		return complain(EXIT_REFUSED, "the claims are not one JSON object with distinct names");
	for (iter = json_object_iter(*request); iter != NULL; iter = json_object_iter_next(*request, iter))
	{
		if (!is_request_claim(json_object_iter_key(iter)))
		{
			fputs("lgctl: refused: a claim that request_export does not make: ", stderr);
			put_text(stderr, json_object_iter_key(iter));
			fputc('\n', stderr);
			return EXIT_REFUSED;
		}
	}
	return EXIT_DONE;
}

/* Adds iss, jti, iat, nbf and exp; the result is malloc's, NULL without memory or for a bad name. */
static char *
build_payload(const json_t *request, const char *name, int64_t ttl)
{
	uint8_t		random[16];
	char		jti[33];
	char		iat[32];
	char		exp[32];
	int64_t		now = now_usec() / USEC_PER_SEC * USEC_PER_SEC;
	json_t	   *payload;
	char	   *text = NULL;

	randombytes_buf(random, sizeof(random));
	sodium_bin2hex(jti, sizeof(jti), random, sizeof(random));
	if (lg_rfc3339_format(iat, sizeof(iat), now) != LG_OK ||
		lg_rfc3339_format(exp, sizeof(exp), now + ttl) != LG_OK)
		return NULL;
	payload = json_pack("{s:s, s:s, s:s, s:s, s:s}", "iss", name, "jti", jti, "iat", iat, "nbf", iat, "exp", exp);
	if (payload != NULL && json_object_update_missing(payload, (json_t *) request) == 0)
		text = json_dumps(payload, JSON_COMPACT);
	json_decref(payload);
	return text;
}

/* Signs payload, checks the result as the server will, prints it. */
static int
sign_payload(const char *payload, const uint8_t sk[LG_ED25519_SECRET])
{
	static char token[LG_TOKEN_MAX + 1];
	static LgTokenParts parts;
	const uint8_t *pk = sk + LG_ED25519_SECRET - LG_ED25519_PUBLIC;
	char		pid[LG_PASERK_PID_CHARS + 1];
	char		footer[128];
	LgStatus	st = lg_paserk_pid(pid, sizeof(pid), pk);

	if (st == LG_OK)
	{
		snprintf(footer, sizeof(footer), "{\"kid\":\"%s\"}", pid);
		st = lg_paseto_sign(token, sizeof(token), sk, (const uint8_t *) payload, strlen(payload),
							(const uint8_t *) footer, strlen(footer),
							(const uint8_t *) LG_IMPLICIT, strlen(LG_IMPLICIT));
	}
	if (st == LG_OK)
		st = lg_token_split(&parts, token, strlen(token));
	if (st == LG_OK)
		st = lg_token_verify(&parts, pk);
	if (st != LG_OK)
		return complain(EXIT_REFUSED, "could not sign: %s", status_text(st));
	puts(token);
	return EXIT_DONE;
}

/* Shows what is about to be signed and asks. */
static int
confirm(const char *payload, bool yes)
{
	LgClaims	claims;
	const char *why;
	LgStatus	st = lg_claims_parse(&claims, (const uint8_t *) payload, strlen(payload), &why);

	if (st != LG_OK)
		return complain(EXIT_REFUSED, "refused: %s", why);
	fputs("This ticket allows an export:\n", stderr);
	put_claims(stderr, &claims);
	lg_claims_free(&claims);
	fflush(stderr);
	return yes ? EXIT_DONE : ask_yes("Sign it? (yes or no) ");
}

/*
 * ticket_sign
 *		lgctl ticket sign: ttl in microseconds, source as --help says.
 */
int
ticket_sign(const char *key, const char *name, int64_t ttl, bool yes, int passphrase_fd, const char *source)
{
	json_t	   *request = NULL;
	char	   *payload = NULL;
	uint8_t    *sk = NULL;
	int			code = load_request(&request, source);

	if (code == EXIT_DONE && (payload = build_payload(request, name, ttl)) == NULL)
		code = complain(EXIT_REFUSED, "refused: --as is not a name");
	if (code == EXIT_DONE)
		code = confirm(payload, yes);
	if (code == EXIT_DONE && (sk = sodium_malloc(LG_ED25519_SECRET)) == NULL)
		code = complain(EXIT_IO, "out of memory");
	if (code == EXIT_DONE)
		code = keyfile_open(sk, key, passphrase_fd);
	if (code == EXIT_DONE)
		code = sign_payload(payload, sk);
	sodium_free(sk);
	free(payload);
	json_decref(request);
	return code;
}

/* ---- show and verify ---- */

/* The token of the command line, or of standard input without its newline. */
static int
load_token(char *token, size_t size, size_t *len, const char *operand)
{
	int			code;

	if (strcmp(operand, "-") != 0)
	{
		*len = strlen(operand);
		if (*len > size)
			return complain(EXIT_REFUSED, "refused: %s", status_text(LG_ERR_TOO_LONG));
		memcpy(token, operand, *len);
		return EXIT_DONE;
	}
	code = read_input(token, size, len, "-");
	if (code == EXIT_DONE && *len > 0 && token[*len - 1] == '\n')
		(*len)--;
	return code;
}

static int
read_claims(Ticket *t)
{
	const char *why;

	if (lg_claims_parse(&t->claims, t->parts.body, t->parts.message_len, &why) != LG_OK)
		return complain(EXIT_REFUSED, "refused: %s", why);
	return EXIT_DONE;
}

static int
split_token(Ticket *t, const char *operand)
{
	static char token[INPUT_MAX];
	size_t		len;
	LgStatus	st;
	int			code = load_token(token, sizeof(token), &len, operand);

	if (code != EXIT_DONE)
		return code;
	st = lg_token_split(&t->parts, token, len);
	return st == LG_OK ? EXIT_DONE : complain(EXIT_REFUSED, "refused: %s", status_text(st));
}

/*
 * ticket_show
 *		lgctl ticket show: what a ticket says, unchecked.
 */
int
ticket_show(const char *operand)
{
	static Ticket t;
	int			code = split_token(&t, operand);

	if (code == EXIT_DONE)
		code = read_claims(&t);
	if (code != EXIT_DONE)
		return code;
	puts("The signature was NOT checked (lgctl ticket verify does). The ticket says:");
	put_claims(stdout, &t.claims);
	put_line(stdout, "key", t.parts.kid);
	lg_claims_free(&t.claims);
	return EXIT_DONE;
}

/* The clock of section 6: iat and nbf may be a minute ahead, exp never behind. */
static int
check_times(const LgClaims *c, int64_t now)
{
	if (c->iat > now + LEEWAY || c->nbf > now + LEEWAY)
		return complain(EXIT_REFUSED, "refused: the ticket is not valid yet");
	if (c->exp <= now)
		return complain(EXIT_REFUSED, "refused: the ticket has expired");
	return EXIT_DONE;
}

/*
 * ticket_verify
 *		lgctl ticket verify: signature, claims, times at "at" or now.
 */
int
ticket_verify(const char *public_key, const char *at, const char *operand)
{
	static Ticket t;
	uint8_t		pk[LG_ED25519_PUBLIC];
	int64_t		now = now_usec();
	LgStatus	st;
	int			code;

	if (lg_paserk_public_parse(pk, public_key, strlen(public_key)) != LG_OK)
		return usage_error("--public takes a usable k4.public key");
	if (at != NULL && lg_rfc3339_parse(&now, at, strlen(at)) != LG_OK)
		return usage_error("--at takes a time such as 2030-01-31T12:00:00Z");
	code = split_token(&t, operand);
	if (code != EXIT_DONE)
		return code;
	st = lg_token_verify(&t.parts, pk);
	if (st != LG_OK)
		return complain(EXIT_REFUSED, "refused: %s", status_text(st));
	code = read_claims(&t);
	if (code == EXIT_DONE)
		code = check_times(&t.claims, now);
	if (code == EXIT_DONE)
	{
		puts("Signature, claims and times are right. The ticket says:");
		put_claims(stdout, &t.claims);
		put_line(stdout, "key", t.parts.kid);
	}
	lg_claims_free(&t.claims);
	return code;
}
