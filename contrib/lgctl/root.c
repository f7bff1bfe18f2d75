/*-------------------------------------------------------------------------
 *
 * root.c
 *		lgctl root verify: does a root key open every key in a dump?
 *
 * Each key is unwrapped, commitment and all, as the server would do it, and
 * wiped.  A database's rows are kept until its end: the keyset, which every
 * key is bound to, comes last in a dump.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sodium.h>

#include "common/value.h"
#include "dump.h"
#include "lgctl.h"

#define NAME_MAX_BYTES	256

typedef struct WrappedKey
{
	uint8_t		kind;			/* LG_WRAP_* */
	uint32_t	list_no;
	uint32_t	key_id;
	uint8_t		wrapped[LG_WRAPPED_BYTES];
} WrappedKey;

/* What has been read of one database, and what was found in those before. */
typedef struct Check
{
	const char *path;
	const uint8_t *root;
	char		root_hex[2 * LG_ROOT_ID_BYTES + 1];
	char		name[NAME_MAX_BYTES];
	bool		has_keyset;
	uint8_t		keyset[LG_KEYSET_BYTES];
	WrappedKey *keys;
	size_t		n_keys;
	size_t		size;
	size_t		destroyed;
	size_t		opened;			/* in all databases */
	size_t		closed;
	FILE	   *report;
} Check;

/* Columns in the order of the tables, for INSERTs that do not name them. */
static const char *const columns_keyset[] = {"only_one", "id", "created", NULL};
static const char *const columns_index_key[] = {"epoch", "wrapped", "created", NULL};
static const char *const columns_key[] = {"key_id", "list_no", "wrapped", "created", "retired", NULL};

/* The value of a column; found tells whether there is such a column. */
static const char *
field(const DumpRow *row, const char *const *columns, const char *name, bool *found)
{
	*found = false;
	for (int i = 0; i < row->n; i++)
	{
		const char *here = row->names[i];

		if (here == NULL)
			here = columns[i];
		if (here == NULL)
			break;
		if (strcmp(here, name) == 0)
		{
			*found = true;
			return row->values[i];
		}
	}
	return NULL;
}

static bool
take_number(uint32_t *out, const DumpRow *row, const char *const *columns, const char *name)
{
	bool		found;
	const char *text = field(row, columns, name, &found);
	char	   *end;
	unsigned long long n;

	if (text == NULL || *text < '0' || *text > '9')
		return false;
	errno = 0;
	n = strtoull(text, &end, 10);
	*out = (uint32_t) n;
	return errno == 0 && *end == '\0' && n <= UINT32_MAX;
}

/* bytea as pg_dump writes it: \x and hex digits. */
static bool
take_bytes(uint8_t *out, size_t len, const char *text)
{
	size_t		n;

	return text[0] == '\\' && text[1] == 'x' && strlen(text + 2) == 2 * len &&
		sodium_hex2bin(out, len, text + 2, 2 * len, NULL, &n, NULL) == 0 && n == len;
}

static WrappedKey *
new_key(Check *check)
{
	if (check->n_keys == check->size)
	{
		size_t		size = check->size ? 2 * check->size : 64;
		WrappedKey *keys = realloc(check->keys, size * sizeof(WrappedKey));

		if (keys == NULL)
			return NULL;
		check->keys = keys;
		check->size = size;
	}
	return memset(&check->keys[check->n_keys], 0, sizeof(WrappedKey));
}

static int
malformed(const Check *check, const char *table)
{
	return complain(EXIT_REFUSED, "%s: a row of listguard.%s is malformed", check->path, table);
}

static int
keyset_row(Check *check, const DumpRow *row)
{
	bool		found;
	const char *id = field(row, columns_keyset, "id", &found);

	if (id == NULL || check->has_keyset || !take_bytes(check->keyset, sizeof(check->keyset), id))
		return malformed(check, row->table);
	check->has_keyset = true;
	return EXIT_DONE;
}

static int
key_row(Check *check, const DumpRow *row, uint8_t kind)
{
	const char *const *columns = kind == LG_WRAP_INDEX ? columns_index_key : columns_key;
	bool		found;
	const char *wrapped = field(row, columns, "wrapped", &found);
	WrappedKey *key = new_key(check);

	if (key == NULL)
		return complain(EXIT_IO, "out of memory");
	if (found && wrapped == NULL && kind == LG_WRAP_LIST)
	{
		check->destroyed++;
		return EXIT_DONE;
	}
	key->kind = kind;
	if (wrapped == NULL || !take_bytes(key->wrapped, LG_WRAPPED_BYTES, wrapped) ||
		!take_number(&key->key_id, row, columns, kind == LG_WRAP_INDEX ? "epoch" : "key_id") ||
		(kind == LG_WRAP_LIST && !take_number(&key->list_no, row, columns, "list_no")))
		return malformed(check, row->table);
	check->n_keys++;
	return EXIT_DONE;
}

static int
take_row(void *arg, const DumpRow *row)
{
	if (strcmp(row->table, "keyset") == 0)
		return keyset_row(arg, row);
	if (strcmp(row->table, "index_key") == 0)
		return key_row(arg, row, LG_WRAP_INDEX);
	if (strcmp(row->table, "key") == 0)
		return key_row(arg, row, LG_WRAP_LIST);
	return EXIT_DONE;
}

/* Name the first key that does not open, and why. */
static void
name_first(const Check *check, const WrappedKey *key)
{
	char		named[2 * LG_ROOT_ID_BYTES + 1];
	char		what[64];

	if (key->kind == LG_WRAP_INDEX)
		snprintf(what, sizeof(what), "index key %u", (unsigned) key->key_id);
	else
		snprintf(what, sizeof(what), "key %u of list %u", (unsigned) key->key_id, (unsigned) key->list_no);
	sodium_bin2hex(named, sizeof(named), key->wrapped + LG_WRAPPED_ROOT_ID, LG_ROOT_ID_BYTES);
	if (strcmp(named, check->root_hex) != 0)
		complain(EXIT_REFUSED, "%s does not open: it needs root key %s, and this is root key %s", what, named, check->root_hex);
	else
		complain(EXIT_REFUSED, "%s does not open: it was altered, or belongs to another keyset or list", what);
}

static void
try_key(Check *check, const WrappedKey *key)
{
	uint8_t		clear[LG_KEY_BYTES];
	LgWrapContext ctx;

	memset(&ctx, 0, sizeof(ctx));
	memcpy(ctx.keyset, check->keyset, LG_KEYSET_BYTES);
	ctx.kind = key->kind;
	ctx.list_no = key->list_no;
	ctx.key_id = key->key_id;
	if (lg_key_unwrap(clear, check->root, &ctx, key->wrapped) == LG_OK)
		check->opened++;
	else if (check->closed++ == 0)
		name_first(check, key);
	sodium_memzero(clear, sizeof(clear));
}

/* The database is complete. */
static int
finish_database(Check *check)
{
	char		keyset[2 * LG_KEYSET_BYTES + 1];
	size_t		n_index = 0;

	if (check->n_keys + check->destroyed > 0 && !check->has_keyset)
		return complain(EXIT_REFUSED, "%s holds keys, but not the keyset that they belong to", check->path);
	for (size_t i = 0; i < check->n_keys; i++)
	{
		try_key(check, &check->keys[i]);
		n_index += check->keys[i].kind == LG_WRAP_INDEX;
	}
	if (check->has_keyset)
	{
		sodium_bin2hex(keyset, sizeof(keyset), check->keyset, sizeof(check->keyset));
		if (check->name[0] != '\0')
		{
			fputs("database ", check->report);
			put_text(check->report, check->name);
			fputs(", ", check->report);
		}
		fprintf(check->report, "keyset %s: %zu index key%s and %zu list key%s opened, %zu destroyed\n",
				keyset, n_index, n_index == 1 ? "" : "s", check->n_keys - n_index,
				check->n_keys - n_index == 1 ? "" : "s", check->destroyed);
	}
	check->n_keys = check->destroyed = 0;
	check->has_keyset = false;
	return EXIT_DONE;
}

static int
next_database(void *arg, const char *name)
{
	Check	   *check = arg;
	int			code = finish_database(check);

	snprintf(check->name, sizeof(check->name), "%s", name);
	return code;
}

static int
open_dump(FILE **in, const char *path)
{
	struct stat st;

	if (strcmp(path, "-") == 0)
	{
		*in = stdin;
		return EXIT_DONE;
	}
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return complain(EXIT_REFUSED, "%s is a dump in directory format: pg_restore -f - DUMP | lgctl root verify --key FILE -", path);
	*in = fopen(path, "re");
	return *in != NULL ? EXIT_DONE : complain(EXIT_IO, "could not open %s: %s", path, strerror(errno));
}

static int
verify(Check *check, FILE *in)
{
	DumpReader	reader = {"listguard.", take_row, next_database, check};
	int			code = dump_read(in, check->path, &reader);

	if (code == EXIT_DONE)
		code = finish_database(check);
	if (code == EXIT_DONE && check->closed > 0)
		code = complain(EXIT_REFUSED, "%zu of %zu keys do not open", check->closed, check->closed + check->opened);
	else if (code == EXIT_DONE && check->opened == 0)
		code = complain(EXIT_REFUSED, "%s holds no keys of listguard: nothing is proved", check->path);
	return code;
}

static int
verify_dump(const uint8_t root[LG_KEY_BYTES], const char *path)
{
	uint8_t		id[LG_ROOT_ID_BYTES];
	char	   *report = NULL;
	size_t		report_len = 0;
	FILE	   *in = NULL;
	Check		check;
	int			code = open_dump(&in, path);

	if (code != EXIT_DONE)
		return code;
	memset(&check, 0, sizeof(check));
	check.path = strcmp(path, "-") == 0 ? "standard input" : path;
	check.root = root;
	lg_root_id(id, root);
	sodium_bin2hex(check.root_hex, sizeof(check.root_hex), id, sizeof(id));
	check.report = open_memstream(&report, &report_len);
	if (check.report == NULL)
		code = complain(EXIT_IO, "out of memory");
	else
	{
		code = verify(&check, in);
		fclose(check.report);
	}
	if (code == EXIT_DONE)
		printf("%sroot key %s opens all of them\n", report, check.root_hex);
	free(report);
	free(check.keys);
	if (in != stdin)
		fclose(in);
	return code;
}

/*
 * root_verify
 *		The root key from a file that nobody else may read, or from standard
 *		input ("-"): 64 hex digits and white space.
 */
int
root_verify(const char *key, const char *path)
{
	uint8_t	   *root = sodium_malloc(LG_KEY_BYTES);
	char	   *text = sodium_malloc(KEY_TEXT_MAX);
	size_t		len = 0;
	size_t		n = 0;
	int			code = EXIT_DONE;

	if (root == NULL || text == NULL || lg_crypto_init() != LG_OK)
		code = complain(EXIT_IO, "out of memory");
	else if (strcmp(key, "-") == 0)
		code = read_input(text, KEY_TEXT_MAX, &len, key);
	else
		code = keyfile_read(text, &len, key);
	while (code == EXIT_DONE && len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	if (code == EXIT_DONE && (len != 2 * LG_KEY_BYTES ||
							  sodium_hex2bin(root, LG_KEY_BYTES, text, len, NULL, &n, NULL) != 0 || n != LG_KEY_BYTES))
		code = complain(EXIT_REFUSED, "%s must hold a root key, 64 hex digits, and nothing else", key);
	if (code == EXIT_DONE)
		code = verify_dump(root, path);
	sodium_free(root);
	sodium_free(text);
	return code;
}
