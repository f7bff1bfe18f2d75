/*-------------------------------------------------------------------------
 *
 * normal_test.c
 *		Unicode normalisation and case folding: Unicode's own test file, and
 *		libunistring as a second opinion.
 *
 * usage: normal_test [directory of unicode-data]
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <uninorm.h>
#include <unictype.h>
#include <unistring/version.h>

#include "common/nfc.h"
#include "common/normal.h"
#include "tap.h"

#define COUNT(a)		(sizeof(a) / sizeof((a)[0]))
#define TEXT_MAX		8192
#define RANDOM_TEXTS	200000
#define RANDOM_LONG		3000
#define LARGE_MARKS		2000000
#define FROZEN_TEXT		0xD4CC387E5E7E643B
#define FROZEN_ADDRESS	0x2485AE4816CBFCC

static size_t
put_all(char *out, const uint32_t *cps, size_t n)
{
	size_t		len = 0;

	for (size_t i = 0; i < n; i++)
		len += lg_utf8_put(out + len, cps[i]);
	return len;
}

static bool
assigned(uint32_t c)
{
	return (lg_ucd_prop(c)->flags & LG_UCD_ASSIGNED) != 0;
}

static void
show(const char *what, const char *text, size_t len)
{
	printf("# %s", what);
	for (size_t i = 0; i < len;)
	{
		uint32_t	c;
		size_t		n = lg_utf8_get(&c, text + i, len - i);

		printf(" %04X", c);
		i += n > 0 ? n : 1;
	}
	printf("\n");
}

/* NFC without folding, by the engine under lg_normal_text; 0 bytes on a failure. */
static size_t
nfc(char *out, size_t out_size, const char *text, size_t len)
{
	LgNfc		state;

	lg_nfc_init(&state, out, out_size, false);
	for (size_t i = 0; i < len;)
	{
		uint32_t	c;
		size_t		n = lg_utf8_get(&c, text + i, len - i);

		if (n == 0 || lg_nfc_push(&state, c) != LG_OK)
			return 0;
		i += n;
	}
	return lg_nfc_finish(&state) == LG_OK ? state.out_len : 0;
}

static bool
nfc_is(const char *text, size_t len, const char *expected, size_t expected_len)
{
	char		out[TEXT_MAX];
	size_t		n = nfc(out, sizeof(out), text, len);

	return n == expected_len && memcmp(out, expected, n) == 0;
}

/* One column of NormalizationTest.txt as UTF-8; returns its length. */
static size_t
read_column(char *out, char **line)
{
	size_t		len = 0;

	while (**line != ';')
	{
		len += lg_utf8_put(out + len, (uint32_t) strtoul(*line, line, 16));
		while (**line == ' ')
			(*line)++;
	}
	(*line)++;
	return len;
}

/* The conformance conditions of the file's head that concern NFC, and that D145 follows. */
static bool
check_line(char *line)
{
	char		c[5][256];
	size_t		len[5];
	char		first[TEXT_MAX];
	char		other[TEXT_MAX];
	size_t		first_len;
	size_t		other_len;
	size_t		pos;

	for (int i = 0; i < 5; i++)
		len[i] = read_column(c[i], &line);
	for (int i = 0; i < 3; i++)
		if (!nfc_is(c[i], len[i], c[1], len[1]))
			return false;
	for (int i = 3; i < 5; i++)
		if (!nfc_is(c[i], len[i], c[3], len[3]))
			return false;
	if (lg_normal_text(first, sizeof(first), &first_len, c[0], len[0], &pos) != LG_OK)
		return false;
	for (int i = 1; i < 3; i++)
		if (lg_normal_text(other, sizeof(other), &other_len, c[i], len[i], &pos) != LG_OK ||
			other_len != first_len || memcmp(first, other, first_len) != 0)
			return false;
	return true;
}

/* Part 1 of the file: what it does not list is its own NFC. */
static unsigned
check_unlisted(const bool *listed)
{
	unsigned	bad = 0;

	for (uint32_t c = 0; c <= LG_UCD_MAX; c++)
	{
		char		text[4];
		size_t		len;

		if ((c >= 0xD800 && c <= 0xDFFF) || listed[c])
			continue;
		len = lg_utf8_put(text, c);
		bad += !nfc_is(text, len, text, len);
	}
	return bad;
}

static void
test_conformance(const char *directory)
{
	static bool listed[LG_UCD_MAX + 1];
	char		command[1200];
	char		wanted[64];
	char		line[2048] = "";
	unsigned	lines = 0;
	unsigned	bad = 0;
	bool		part1 = false;
	FILE	   *f;

	snprintf(command, sizeof(command), "bzip2 -dc '%s/NormalizationTest.txt.bz2' 2>/dev/null", directory);
	snprintf(wanted, sizeof(wanted), "# NormalizationTest-%s.txt", lg_unicode_version());
	f = popen(command, "r");
	if (f == NULL || fgets(line, sizeof(line), f) == NULL || strncmp(line, wanted, strlen(wanted)) != 0)
	{
		tap_ok(true, "Unicode's NormalizationTest # SKIP no NormalizationTest.txt.bz2 of version %s in %s, or no bzip2",
			   lg_unicode_version(), directory);
		if (f != NULL)
			pclose(f);
		return;
	}
	while (fgets(line, sizeof(line), f) != NULL)
	{
		if (line[0] == '@')
			part1 = line[5] == '1';
		if (line[0] == '#' || line[0] == '@' || line[0] == '\n')
			continue;
		lines++;
		if (part1)
			listed[strtoul(line, NULL, 16)] = true;
		if (!check_line(line) && bad++ < 10)
			printf("# %s", line);
	}
	tap_ok(pclose(f) == 0 && lines > 18000 && bad == 0, "Unicode's NormalizationTest: %u lines, %u wrong", lines, bad);
	tap_ok(check_unlisted(listed) == 0, "Unicode's NormalizationTest part 1: all other code points are their own NFC");
}

/* libunistring knows c as an assigned code point. */
static bool
both_know(uint32_t c)
{
	return assigned(c) && !uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cn);
}

/* Is our result for a text libunistring's, and its own normal form? */
static bool
compare(const char *text, size_t len)
{
	char		ours[TEXT_MAX * 4];
	char		again[TEXT_MAX * 4];
	size_t		ours_len;
	size_t		again_len;
	size_t		pos;
	size_t		theirs_len = 0;
	uint8_t    *theirs = u8_casefold((const uint8_t *) text, len, NULL, UNINORM_NFC, NULL, &theirs_len);
	bool		good;

	good = lg_normal_text(ours, LG_NORMAL_BOUND(len), &ours_len, text, len, &pos) == LG_OK &&
		ours_len == theirs_len && memcmp(ours, theirs, ours_len) == 0;
	if (!good)
	{
		show("text:", text, len);
		show("ours:", ours, ours_len);
		show("libunistring:", (char *) theirs, theirs_len);
	}
	free(theirs);
	if (good && (lg_normal_text(again, sizeof(again), &again_len, ours, ours_len, &pos) != LG_OK ||
				 again_len != ours_len || memcmp(again, ours, ours_len) != 0))
	{
		show("not idempotent:", text, len);
		good = false;
	}
	return good;
}

static bool
compare_nfc(const char *text, size_t len)
{
	char		ours[TEXT_MAX];
	size_t		ours_len = nfc(ours, sizeof(ours), text, len);
	size_t		theirs_len = 0;
	uint8_t    *theirs = u8_normalize(UNINORM_NFC, (const uint8_t *) text, len, NULL, &theirs_len);
	bool		good = ours_len == theirs_len && memcmp(ours, theirs, ours_len) == 0;

	if (!good)
		show("NFC differs:", text, len);
	free(theirs);
	return good;
}

static void
test_every_code_point(void)
{
	static const uint32_t tail[] = {0x0345, 0x0323, 0x0301, 'A'};
	unsigned long same = 0;
	unsigned long unknown = 0;
	unsigned long refused = 0;
	unsigned long bad = 0;

	for (uint32_t c = 0; c <= LG_UCD_MAX; c++)
	{
		char		text[32];
		char		out[256];
		size_t		len;
		size_t		out_len;
		size_t		pos;

		if (c >= 0xD800 && c <= 0xDFFF)
			continue;
		len = lg_utf8_put(text, c);
		if (!assigned(c))
		{
			memmove(text + 1, text, len);
			text[0] = 'a';
			if (lg_normal_text(out, sizeof(out), &out_len, text, len + 1, &pos) == LG_ERR_UNASSIGNED &&
				pos == 1 && out_len == 0)
				refused++;
			else
				bad++;
			continue;
		}
		if (!both_know(c))
		{
			unknown++;
			continue;
		}
		if (compare(text, len) && compare_nfc(text, len) &&
			compare(text, len + put_all(text + len, tail, COUNT(tail))))
			same++;
		else
			bad++;
	}
	tap_ok(bad == 0, "every code point: %lu as by libunistring, %lu unassigned and refused, %lu wrong", same, refused, bad);
	if (_LIBUNISTRING_VERSION < 0x010100)
		tap_ok(unknown == 4489, "libunistring %x is of Unicode 14: %lu code points are new in 15.0",
			   (unsigned) _LIBUNISTRING_VERSION, unknown);
	else
		tap_ok(unknown == 0, "libunistring %x knows all our code points", (unsigned) _LIBUNISTRING_VERSION);
}

/* xorshift64*, so that every machine tests the same texts. */
static uint64_t seed = 0x2545F4914F6CDD1D;

static uint32_t
rnd(uint32_t n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t) ((seed * 0x2545F4914F6CDD1D) >> 33) % n;
}

static uint32_t
random_code_point(void)
{
	static const struct
	{
		uint32_t	first,
					count;
	}			areas[] = {
		{0x0020, 0x60}, {0x00C0, 0x200}, {0x0300, 0x70}, {0x0300, 0x70}, {0x0370, 0x90}, {0x1F00, 0x100},
		{0x0900, 0x500}, {0x1100, 0x100}, {0xAC00, 0x2BA4}, {0x0000, 0x3000}, {0xF900, 0x300}, {0x10000, 0x10000}
	};
	uint32_t	c;

	do
	{
		uint32_t	area = rnd(COUNT(areas));

		c = areas[area].first + rnd(areas[area].count);
	} while (!both_know(c));
	return c;
}

static void
test_random(void)
{
	char		text[TEXT_MAX];
	unsigned	bad = 0;

	for (int i = 0; i < RANDOM_TEXTS; i++)
	{
		size_t		len = 0;

		for (uint32_t n = 1 + rnd(i % 50 == 0 ? 200 : 12); n > 0; n--)
			len += lg_utf8_put(text + len, random_code_point());
		bad += !compare(text, len) || (len < 128 && !compare_nfc(text, len));
	}
	tap_ok(bad == 0, "%d random texts: as by libunistring, idempotent", RANDOM_TEXTS);
	bad = 0;
	for (int i = 0; i < RANDOM_LONG; i++)
	{
		size_t		len = rnd(2) ? lg_utf8_put(text, 0x1EC7) : 0;

		for (uint32_t n = 1 + rnd(600); n > 0; n--)
			len += lg_utf8_put(text + len, rnd(90) == 0 ? 0x03B1 : rnd(20) == 0 ? 0x0344 : 0x0300 + rnd(0x4E));
		bad += !compare(text, len);
	}
	tap_ok(bad == 0, "%d random texts with long runs of marks: as by libunistring, idempotent", RANDOM_LONG);
}

/* Runs of marks are no way to make us slow: quadratic work would not end in the test's time. */
static void
test_large(void)
{
	size_t		len = 2 * LARGE_MARKS + 1;
	char	   *text = malloc(len);
	char	   *out = malloc(LG_NORMAL_BOUND(len));
	size_t		out_len = 0;
	size_t		pos;

	text[0] = 'A';
	for (size_t i = 0; i < LARGE_MARKS; i++)
		memcpy(text + 1 + 2 * i, i % 2 ? "\xCC\xA3" : "\xCC\x81", 2);
	tap_ok(lg_normal_text(out, LG_NORMAL_BOUND(len), &out_len, text, len, &pos) == LG_OK &&
		   out_len == 3 + 2 * (LARGE_MARKS - 1) && memcmp(out, "\xE1\xBA\xA1\xCC\xA3", 5) == 0 &&
		   memcmp(out + out_len - 4, "\xCC\x81\xCC\x81", 4) == 0,
		   "%d marks on one letter", LARGE_MARKS);
	memset(text, 'Q', len);
	tap_ok(lg_normal_text(out, LG_NORMAL_BOUND(len), &out_len, text, len, &pos) == LG_OK &&
		   out_len == len && out[0] == 'q' && out[len - 1] == 'q', "%zu letters of ASCII", len);
	free(text);
	free(out);
}

/* Every result in every smaller buffer is LG_ERR_SPACE, never a part. */
static void
test_space(void)
{
	static const char *const texts[] = {
		"", "plain ASCII", "\xC3\x89t\xC3\xA9", "e\xCC\xA7\xCC\x81x", "\xEA\xB0\x81", "\xCE\x90",
		"\xEF\xAC\x83\xE1\xBE\x82", "a\xCC\x81\xCC\x81\xCC\x81", "\xF0\x9D\x85\x9E\xCC\x81"
	};

	for (size_t i = 0; i < COUNT(texts); i++)
	{
		size_t		len = strlen(texts[i]);
		char		whole[256];
		size_t		whole_len;
		size_t		pos;
		bool		good = lg_normal_text(whole, LG_NORMAL_BOUND(len), &whole_len, texts[i], len, &pos) == LG_OK;

		for (size_t size = 0; good && size <= whole_len; size++)
		{
			char	   *out = malloc(size + 1);
			size_t		out_len = 999;
			LgStatus	status = lg_normal_text(out, size, &out_len, texts[i], len, &pos);

			good = size < whole_len ? status == LG_ERR_SPACE && out_len == 0
				: status == LG_OK && out_len == whole_len && memcmp(out, whole, whole_len) == 0;
			free(out);
		}
		tap_ok(good, "fits its own length and nothing less: \"%s\"", texts[i]);
	}
}

static void
test_encoding(void)
{
	static const struct
	{
		const char *text;
		size_t		pos;
		const char *what;
	}			cases[] = {
		{"a\x80", 1, "a continuation byte alone"}, {"\xC3", 0, "two bytes cut"},
		{"abc\xE2\x82", 3, "three bytes cut"}, {"\xF0\x9F\x92", 0, "four bytes cut"},
		{"\xC0\x80", 0, "overlong NUL"}, {"a\xC1\xBF", 1, "overlong ASCII"},
		{"\xE0\x9F\xBF", 0, "overlong three bytes"}, {"\xF0\x8F\xBF\xBF", 0, "overlong four bytes"},
		{"a\xED\xA0\x80", 1, "a high surrogate"}, {"\xED\xBF\xBF", 0, "a low surrogate"},
		{"\xF4\x90\x80\x80", 0, "beyond U+10FFFF"}, {"\xF5\x80\x80\x80", 0, "no lead byte"},
		{"\xC3\xA9\xFF", 2, "no UTF-8 at all"}, {"\xC3\x28", 0, "ASCII inside two bytes"},
		{"\xE2\x28\xA1", 0, "ASCII inside three bytes"}, {"\xF0\x9F\x28\xA1", 0, "ASCII inside four bytes"}
	};

	for (size_t i = 0; i < COUNT(cases); i++)
	{
		char		out[256];
		size_t		out_len = 999;
		size_t		pos = 999;

		tap_ok(lg_normal_text(out, sizeof(out), &out_len, cases[i].text, strlen(cases[i].text), &pos) ==
			   LG_ERR_ENCODING && pos == cases[i].pos && out_len == 0, "not UTF-8: %s", cases[i].what);
	}
}

/* Pairs that sealed_lookup must find equal, or not. */
static void
test_pairs(void)
{
	static const struct
	{
		const char *a;
		const char *b;
		bool		equal;
		const char *rule;
	}			pairs[] = {
		{"ABC", "abc", true, "D145 ASCII"},
		{"\xC3\x89", "e\xCC\x81", true, "D145 canonical equivalence and case"},
		{"Stra\xC3\x9F" "e", "STRASSE", true, "D145 full folding of sharp s"},
		{"\xCE\xA3\xCE\x91\xCE\xA3", "\xCF\x83\xCE\xB1\xCF\x82", true, "D145 final sigma"},
		{"\xCE\xB1\xCC\xA3\xCD\x85", "\xCE\xB1\xCD\x85\xCC\xA3", true, "D145 U+0345 reordered before it is folded"},
		{"\xE1\xBE\xB3", "\xCE\x91\xCE\x99", true, "D145 iota subscript"},
		{"\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", "\xEA\xB0\x81", true, "Hangul 3.12"},
		{"\xE2\x84\xAA", "k", true, "Kelvin sign is canonically K"},
		{"\xE1\x8E\xA0", "\xEA\xAD\xB0", true, "Cherokee folds to upper case"},
		{"\xC4\xB0", "i\xCC\x87", true, "capital i with dot, full folding"},
		{"\xC4\xB0", "i", false, "no Turkic folding"},
		{"\xC4\xB1", "i", false, "dotless i is another letter"},
		{"\xEF\xBC\xA1", "a", false, "no compatibility mapping of full-width letters"},
		{"\xEF\xAC\x81", "fi", true, "ligature by full case folding"},
		{"\xC2\xB2", "2", false, "no compatibility mapping of superscripts"},
		{"a", "\xD0\xB0", false, "Latin and Cyrillic a differ"},
		{"a ", "a", false, "white space counts"},
		{"\xC3\xA9", "e", false, "accents count"}
	};

	for (size_t i = 0; i < COUNT(pairs); i++)
	{
		char		a[256];
		char		b[256];
		size_t		a_len;
		size_t		b_len;
		size_t		pos;
		bool		good;

		good = lg_normal_text(a, sizeof(a), &a_len, pairs[i].a, strlen(pairs[i].a), &pos) == LG_OK &&
			lg_normal_text(b, sizeof(b), &b_len, pairs[i].b, strlen(pairs[i].b), &pos) == LG_OK;
		tap_ok(good && (a_len == b_len && memcmp(a, b, a_len) == 0) == pairs[i].equal,
			   "\"%s\" %s \"%s\": %s", pairs[i].a, pairs[i].equal ? "=" : "<>", pairs[i].b, pairs[i].rule);
	}
}

static uint64_t
fnv1a(uint64_t hash, const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const uint8_t *) data)[i]) * 0x100000001B3;
	return hash;
}

/*
 * The normal form of every code point is frozen, in a text and in a domain:
 * tokens in the field are made of it, on every platform.
 */
static void
test_frozen(void)
{
	uint64_t	text_hash = 0xCBF29CE484222325;
	uint64_t	address_hash = 0xCBF29CE484222325;

	for (uint32_t c = 1; c <= LG_UCD_MAX; c++)
	{
		char		in[16] = "a@b";
		char		out[LG_NORMAL_BOUND(16)];
		size_t		len;
		size_t		out_len;
		size_t		domain_off;
		size_t		pos;
		const char *why;
		uint8_t		status;

		if (c >= 0xD800 && c <= 0xDFFF)
			continue;
		len = 3 + lg_utf8_put(in + 3, c);
		status = (uint8_t) lg_normal_text(out, sizeof(out), &out_len, in + 3, len - 3, &pos);
		text_hash = fnv1a(fnv1a(text_hash, &status, 1), out, out_len);
		status = (uint8_t) lg_address_normal(out, sizeof(out), &out_len, &domain_off, in, len, &pos, &why);
		address_hash = fnv1a(fnv1a(address_hash, &status, 1), out, out_len);
	}
	if (!tap_ok(text_hash == FROZEN_TEXT, "the normal form of every code point is as frozen"))
		printf("# 0x%llX\n", (unsigned long long) text_hash);
	if (!tap_ok(address_hash == FROZEN_ADDRESS, "the A-label of every code point is as frozen"))
		printf("# 0x%llX\n", (unsigned long long) address_hash);
}

int
main(int argc, char **argv)
{
	tap_ok(strcmp(lg_unicode_version(), "15.0.0") == 0, "the tables are of Unicode 15.0.0, as tokens in the field are");
	test_frozen();
	test_pairs();
	test_encoding();
	test_space();
	test_large();
	test_conformance(argc > 1 ? argv[1] : "/usr/share/unicode");
	test_every_code_point();
	test_random();
	return tap_done();
}
