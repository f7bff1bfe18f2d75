/*-------------------------------------------------------------------------
 *
 * lgctl.c
 *		Offline tool of listguard: keys, the approver's side of tickets, and
 *		whether a dump can be opened.
 *
 * Needs no server and opens no connection.  Secrets never come from the
 * command line, where other users of the machine could read them.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sodium.h>

#include "lgctl.h"

#define TTL_MAX_SECS	INT64_C(86400)

static const char help_text[] =
"lgctl: keys and export tickets of listguard, away from the server\n"
"\n"
"  lgctl keygen root\n"
"      print a new root key, 64 hex digits\n"
"  lgctl keygen approver --out FILE [--no-passphrase]\n"
"      write a new secret key to FILE (mode 0600, never over another file),\n"
"      print the public key for add_approver\n"
"  lgctl ticket sign --key FILE --as NAME [--ttl 10m] [--yes] CLAIMS|-\n"
"      show in words what CLAIMS ask for, ask, print the signed ticket;\n"
"      CLAIMS is what request_export returned: a file, the JSON itself, or - for\n"
"      standard input; NAME is the approver's name in the database\n"
"  lgctl ticket show TOKEN|-\n"
"      print what a ticket says, without checking who signed it\n"
"  lgctl ticket verify --public k4.public.… [--at TIME] TOKEN|-\n"
"      check signature, claims and times (now, or at an RFC 3339 time)\n"
"  lgctl root verify --key FILE|- DUMP|-\n"
"      prove that a root key opens every key in a dump in text form (pg_dump,\n"
"      pg_dumpall, or pg_restore -f - of another format); one of the two may be -\n"
"  lgctl --help, lgctl --version\n"
"\n"
"A passphrase is asked for on the terminal, or read up to its first newline from\n"
"the descriptor of --passphrase-fd N or LGCTL_PASSPHRASE_FD.  --ttl takes s, m or h,\n"
"at most 24h; the server's own limit is set_export_policy's.\n"
"\n"
"Exit codes: 0 done, 1 refused or invalid, 2 wrong usage, 3 input or output failed.\n";

/* What the options of all commands are read into. */
typedef struct Options
{
	const char *out;
	const char *key;
	const char *as;
	const char *public_key;
	const char *at;
	int64_t		ttl;			/* microseconds */
	bool		yes;
	bool		no_passphrase;
	int			passphrase_fd;	/* -1: ask on the terminal */
	unsigned	seen;			/* bit per option */
	const char *operand;
} Options;

enum
{
	OPT_OUT, OPT_NO_PASSPHRASE, OPT_KEY, OPT_AS, OPT_TTL, OPT_YES, OPT_PUBLIC, OPT_AT, OPT_PASSPHRASE_FD
};

static const struct option long_options[] = {
	{"out", required_argument, NULL, OPT_OUT},
	{"no-passphrase", no_argument, NULL, OPT_NO_PASSPHRASE},
	{"key", required_argument, NULL, OPT_KEY},
	{"as", required_argument, NULL, OPT_AS},
	{"ttl", required_argument, NULL, OPT_TTL},
	{"yes", no_argument, NULL, OPT_YES},
	{"public", required_argument, NULL, OPT_PUBLIC},
	{"at", required_argument, NULL, OPT_AT},
	{"passphrase-fd", required_argument, NULL, OPT_PASSPHRASE_FD},
	{NULL, 0, NULL, 0}
};

/* Prints "lgctl: …" on standard error; returns code. */
int
complain(int code, const char *fmt,...)
{
	va_list		args;

	fputs("lgctl: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

/* As complain, with a hint where to look. */
int
usage_error(const char *fmt,...)
{
	va_list		args;

	fputs("lgctl: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputs("\nTry: lgctl --help\n", stderr);
	return EXIT_USAGE;
}

/* A status in words, for what was expected to be a key or a ticket. */
const char *
status_text(LgStatus st)
{
	switch (st)
	{
		case LG_ERR_SYNTAX:
			return "it does not have the required form";
		case LG_ERR_TOO_LONG:
			return "it is too long";
		case LG_ERR_VERSION:
			return "it is no v4.public token";
		case LG_ERR_AUTH:
			return "the signature is wrong";
		case LG_ERR_KEY:
			return "the key is another one, or no usable key";
		case LG_ERR_MEMORY:
			return "out of memory";
		default:
			return "it is not valid";
	}
}

/* "90s", "10m", "1h" to microseconds; 0 if it is none or out of range. */
static int64_t
parse_ttl(const char *text)
{
	int64_t		n = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9' && n <= TTL_MAX_SECS; p++)
		n = n * 10 + (*p - '0');
	if (p == text || p[0] == '\0' || p[1] != '\0')
		return 0;
	if (*p == 'h')
		n *= 3600;
	else if (*p == 'm')
		n *= 60;
	else if (*p != 's')
		return 0;
	return n >= 1 && n <= TTL_MAX_SECS ? n * 1000000 : 0;
}

/* A descriptor's number, or -1. */
static int
parse_fd(const char *text)
{
	char	   *end;
	long		n;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	n = strtol(text, &end, 10);
	return errno == 0 && *end == '\0' && n <= 65535 ? (int) n : -1;
}

static int
take_option(Options *o, int which)
{
	switch (which)
	{
		case OPT_OUT:
			o->out = optarg;
			break;
		case OPT_NO_PASSPHRASE:
			o->no_passphrase = true;
			break;
		case OPT_KEY:
			o->key = optarg;
			break;
		case OPT_AS:
			o->as = optarg;
			break;
		case OPT_TTL:
			if ((o->ttl = parse_ttl(optarg)) == 0)
				return usage_error("--ttl takes a time such as 90s, 10m or 1h, at most 24h");
			break;
		case OPT_YES:
			o->yes = true;
			break;
		case OPT_PUBLIC:
			o->public_key = optarg;
			break;
		case OPT_AT:
			o->at = optarg;
			break;
		case OPT_PASSPHRASE_FD:
			if ((o->passphrase_fd = parse_fd(optarg)) < 0)
				return usage_error("--passphrase-fd takes the number of a descriptor");
			break;
		default:
			return usage_error("unknown option, or one without its value");
	}
	o->seen |= 1u << which;
	return EXIT_DONE;
}

/*
 * Options and at most one operand of a command whose words are argv[0..1].
 * allowed has a bit per option; operands is 0 or 1.
 */
static int
parse_options(Options *o, int argc, char **argv, unsigned allowed, int operands)
{
	const char *env = getenv("LGCTL_PASSPHRASE_FD");
	int			which;
	int			code;

	memset(o, 0, sizeof(*o));
	o->ttl = INT64_C(600000000);
	o->passphrase_fd = -1;
	if (env != NULL && *env != '\0' && (o->passphrase_fd = parse_fd(env)) < 0)
		return usage_error("LGCTL_PASSPHRASE_FD is not the number of a descriptor");

	opterr = 0;
	optind = 2;
	while ((which = getopt_long(argc, argv, "", long_options, NULL)) != -1)
	{
		if ((code = take_option(o, which)) != EXIT_DONE)
			return code;
		if ((o->seen & ~allowed) != 0)
			return usage_error("%s %s does not take --%s", argv[0], argv[1], long_options[which].name);
	}
	if (argc - optind != operands)
		return usage_error("%s %s takes %s", argv[0], argv[1], operands == 0 ? "no argument but its options" : "one argument");
	o->operand = operands == 1 ? argv[optind] : NULL;
	return EXIT_DONE;
}

/* Flushes standard output: a key or ticket that was not written is no success. */
static int
finish(int code)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return complain(EXIT_IO, "could not write to standard output");
	return code;
}

static int
keygen_root(void)
{
	uint8_t	   *key = sodium_malloc(32);
	char	   *hex = sodium_malloc(65);
	int			code = EXIT_DONE;

	if (key == NULL || hex == NULL)
		code = complain(EXIT_IO, "out of memory");
	else
	{
		randombytes_buf(key, 32);
		puts(sodium_bin2hex(hex, 65, key, 32));
	}
	sodium_free(key);
	sodium_free(hex);
	return code;
}

static int
keygen_approver(const Options *o)
{
	char		text[LG_PASERK_PUBLIC_CHARS + 1];
	uint8_t		pk[LG_ED25519_PUBLIC];
	uint8_t    *sk = sodium_malloc(LG_ED25519_SECRET);
	Passphrase *pw = sodium_malloc(sizeof(*pw));
	int			code = EXIT_DONE;

	if (sk == NULL || pw == NULL)
		code = complain(EXIT_IO, "out of memory");
	else if (!o->no_passphrase)
		code = ask_passphrase(pw, o->passphrase_fd, "New passphrase: ", "The same again: ");
	if (code == EXIT_DONE)
	{
		crypto_sign_keypair(pk, sk);
		code = keyfile_create(o->out, sk, o->no_passphrase ? NULL : pw);
	}
	sodium_free(sk);
	sodium_free(pw);
	if (code == EXIT_DONE && lg_paserk_public_format(text, sizeof(text), pk) == LG_OK)
		puts(text);
	return code;
}

static int
run_keygen(int argc, char **argv)
{
	Options		o;
	int			code;

	if (strcmp(argv[1], "root") == 0)
	{
		code = parse_options(&o, argc, argv, 0, 0);
		return code == EXIT_DONE ? keygen_root() : code;
	}
	if (strcmp(argv[1], "approver") != 0)
		return usage_error("keygen makes a root or an approver key");
	code = parse_options(&o, argc, argv, 1u << OPT_OUT | 1u << OPT_NO_PASSPHRASE | 1u << OPT_PASSPHRASE_FD, 0);
	if (code != EXIT_DONE)
		return code;
	if (o.out == NULL || *o.out == '\0')
		return usage_error("keygen approver needs --out FILE");
	return keygen_approver(&o);
}

static int
run_sign(int argc, char **argv)
{
	Options		o;
	int			code = parse_options(&o, argc, argv, 1u << OPT_KEY | 1u << OPT_AS | 1u << OPT_TTL | 1u << OPT_YES |
									 1u << OPT_PASSPHRASE_FD, 1);

	if (code != EXIT_DONE)
		return code;
	if (o.key == NULL || o.as == NULL)
		return usage_error("ticket sign needs --key FILE and --as NAME");
	if (o.passphrase_fd == 0 && strcmp(o.operand, "-") == 0)
		return usage_error("claims and passphrase cannot both come from standard input");
	return ticket_sign(o.key, o.as, o.ttl, o.yes, o.passphrase_fd, o.operand);
}

static int
run_ticket(int argc, char **argv)
{
	Options		o;
	int			code;

	if (strcmp(argv[1], "sign") == 0)
		return run_sign(argc, argv);
	if (strcmp(argv[1], "show") == 0)
	{
		code = parse_options(&o, argc, argv, 0, 1);
		return code == EXIT_DONE ? ticket_show(o.operand) : code;
	}
	if (strcmp(argv[1], "verify") != 0)
		return usage_error("ticket knows sign, show and verify");
	code = parse_options(&o, argc, argv, 1u << OPT_PUBLIC | 1u << OPT_AT, 1);
	if (code != EXIT_DONE)
		return code;
	if (o.public_key == NULL)
		return usage_error("ticket verify needs --public KEY");
	return ticket_verify(o.public_key, o.at, o.operand);
}

static int
run_root(int argc, char **argv)
{
	Options		o;
	int			code;

	if (strcmp(argv[1], "verify") != 0)
		return usage_error("root knows verify");
	code = parse_options(&o, argc, argv, 1u << OPT_KEY, 1);
	if (code != EXIT_DONE)
		return code;
	if (o.key == NULL)
		return usage_error("root verify needs --key FILE");
	if (strcmp(o.key, "-") == 0 && strcmp(o.operand, "-") == 0)
		return usage_error("key and dump cannot both come from standard input");
	return root_verify(o.key, o.operand);
}

/* No core file and no debugger of the same user may hold what we hold. */
static void
guard_process(void)
{
	struct rlimit none = {0, 0};

	(void) setrlimit(RLIMIT_CORE, &none);
	(void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int
main(int argc, char **argv)
{
	guard_process();
	if (sodium_init() < 0)
		return complain(EXIT_IO, "the cryptographic library could not be started");
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
	{
		fputs(help_text, stdout);
		return finish(EXIT_DONE);
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
	{
		puts("lgctl (listguard) " LGCTL_VERSION);
		return finish(EXIT_DONE);
	}
	if (argc >= 3 && strcmp(argv[1], "keygen") == 0)
		return finish(run_keygen(argc - 1, argv + 1));
	if (argc >= 3 && strcmp(argv[1], "ticket") == 0)
		return finish(run_ticket(argc - 1, argv + 1));
	if (argc >= 3 && strcmp(argv[1], "root") == 0)
		return finish(run_root(argc - 1, argv + 1));
	return usage_error("no such command");
}
