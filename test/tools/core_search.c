/*-------------------------------------------------------------------------
 *
 * core_search.c
 *		Which keys of listguard a core dump holds: for test 014.
 *
 * usage: core_search ROOT-KEY-FILE CORE < ROWS
 *
 * A row is "list KEYSET LIST KEY WRAPPED" or "index KEYSET 0 EPOCH WRAPPED" (hex)
 * or "text WORD".  From root key and rows all secrets are derived as the server
 * derives them; each is looked for in pieces of 16 bytes, on every offset.
 * Prints one line for each kind of secret: its name, how many pieces of it
 * there are and how many of those the file holds.  Links src/common.
 *
 *-------------------------------------------------------------------------
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/aead.h"
#include "common/kdf.h"

#define PIECE		16
#define MAX_NEEDLES	65536
#define MAX_LINE	1024

enum
{
	ROOT, WRAP, LIST_KEY, WORKING, ROUND, INDEX_KEY, TOKEN, TEXT, LABELS
};

static const char *const label_names[LABELS] = {
	"root", "wrap", "list", "working", "round", "index", "token", "text"
};

typedef struct Needle
{
	uint8_t		bytes[PIECE];
	int			label;
	int			next;			/* in the chain of its first two bytes; -1: last */
	long		found;
} Needle;

static Needle needles[MAX_NEEDLES];
static int	n_needles = 0;
static int	chains[65536];

static void
give_up(const char *what)
{
	fprintf(stderr, "core_search: %s\n", what);
	exit(2);
}

/* All whole pieces of a secret; zeros are none. */
static void
add(int label, const uint8_t *bytes, size_t len)
{
	for (size_t at = 0; at + PIECE <= len; at += PIECE)
	{
		Needle	   *needle = &needles[n_needles];
		unsigned	first = (unsigned) bytes[at] << 8 | bytes[at + 1];

		if (sodium_is_zero(bytes + at, PIECE))
			continue;
		if (n_needles == MAX_NEEDLES)
			give_up("too many keys");
		memcpy(needle->bytes, bytes + at, PIECE);
		needle->label = label;
		needle->next = chains[first];
		chains[first] = n_needles++;
	}
}

static void
add_root(const uint8_t root[LG_KEY_BYTES])
{
	uint8_t		sub[LG_KEY_BYTES];

	add(ROOT, root, LG_KEY_BYTES);
	lg_kdf_subkey(sub, root, "listguard v1 wrap");
	add(WRAP, sub, sizeof(sub));
	lg_kdf_subkey(sub, root, "listguard v1 wrap commit");
	add(WRAP, sub, sizeof(sub));
}

static void
add_list_key(const uint8_t key[LG_KEY_BYTES])
{
	LgListKeys *keys = aligned_alloc(64, lg_list_keys_size());

	if (keys == NULL)
		give_up("out of memory");
	memset(keys, 0, lg_list_keys_size());
	if (lg_list_keys_derive(keys, key) != LG_OK)
		give_up("keys cannot be derived");
	add(LIST_KEY, key, LG_KEY_BYTES);
	add(WORKING, keys->aes, LG_KEY_BYTES);
	add(WORKING, keys->xchacha, LG_KEY_BYTES);
	add(WORKING, keys->nonce, LG_KEY_BYTES);
	if (keys->has_aes_state)
		add(ROUND, (const uint8_t *) &keys->aes_state, sizeof(keys->aes_state));
}

static void
add_index_key(uint32_t epoch, const uint8_t key[LG_KEY_BYTES])
{
	LgIndexKeys keys;

	lg_index_keys_derive(&keys, (uint8_t) epoch, key);
	add(INDEX_KEY, key, LG_KEY_BYTES);
	add(TOKEN, keys.email, LG_KEY_BYTES);
	add(TOKEN, keys.lookup, LG_KEY_BYTES);
	add(TOKEN, keys.domain, LG_KEY_BYTES);
	add(TOKEN, keys.audit, LG_KEY_BYTES);
}

static void
from_hex(uint8_t *out, size_t len, const char *hex)
{
	size_t		n;

	if (strlen(hex) != 2 * len || sodium_hex2bin(out, len, hex, 2 * len, NULL, &n, NULL) != 0 || n != len)
		give_up("malformed hex digits");
}

static void
take_row(const uint8_t root[LG_KEY_BYTES], const char *line)
{
	char		kind[8];
	char		keyset[40];
	char		hex[2 * LG_WRAPPED_BYTES + 8];
	uint8_t		wrapped[LG_WRAPPED_BYTES];
	uint8_t		key[LG_KEY_BYTES];
	LgWrapContext ctx;

	memset(&ctx, 0, sizeof(ctx));
	if (strncmp(line, "text ", 5) == 0)
	{
		add(TEXT, (const uint8_t *) line + 5, strlen(line + 5));
		return;
	}
	if (sscanf(line, "%7s %39s %u %u %234s", kind, keyset, &ctx.list_no, &ctx.key_id, hex) != 5)
		give_up("malformed row");
	from_hex(ctx.keyset, sizeof(ctx.keyset), keyset);
	from_hex(wrapped, sizeof(wrapped), hex);
	ctx.kind = strcmp(kind, "list") == 0 ? LG_WRAP_LIST : LG_WRAP_INDEX;
	if (lg_key_unwrap(key, root, &ctx, wrapped) != LG_OK)
		give_up("root key does not open a row");
	if (ctx.kind == LG_WRAP_LIST)
		add_list_key(key);
	else
		add_index_key(ctx.key_id, key);
}

static void
read_rows(const char *root_file)
{
	char		line[MAX_LINE];
	uint8_t		root[LG_KEY_BYTES];
	FILE	   *file = fopen(root_file, "r");

	if (file == NULL || fgets(line, sizeof(line), file) == NULL)
		give_up("no root key");
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	from_hex(root, sizeof(root), line);
	add_root(root);
	while (fgets(line, sizeof(line), stdin) != NULL)
	{
		line[strcspn(line, "\n")] = '\0';
		take_row(root, line);
	}
}

static void
look_through(const char *path)
{
	struct stat st;
	int			fd = open(path, O_RDONLY);
	const uint8_t *core;

	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size < PIECE)
		give_up("no core file");
	core = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (core == MAP_FAILED)
		give_up("core file cannot be mapped");
	for (size_t at = 0; at + PIECE <= (size_t) st.st_size; at++)
		for (int i = chains[(unsigned) core[at] << 8 | core[at + 1]]; i >= 0; i = needles[i].next)
			if (memcmp(core + at, needles[i].bytes, PIECE) == 0)
			{
				if (needles[i].found++ == 0 && getenv("CORE_SEARCH_WHERE") != NULL)
					fprintf(stderr, "%s at %#zx\n", label_names[needles[i].label], at);
			}
}

int
main(int argc, char **argv)
{
	long		pieces[LABELS] = {0};
	long		found[LABELS] = {0};

	if (argc != 3 || lg_crypto_init() != LG_OK)
		give_up("usage: core_search ROOT-KEY-FILE CORE");
	memset(chains, -1, sizeof(chains));
	read_rows(argv[1]);
	look_through(argv[2]);
	for (int i = 0; i < n_needles; i++)
	{
		pieces[needles[i].label]++;
		found[needles[i].label] += needles[i].found > 0;
	}
	for (int i = 0; i < LABELS; i++)
		printf("%s %ld %ld\n", label_names[i], pieces[i], found[i]);
	return 0;
}
