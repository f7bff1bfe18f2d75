/*-------------------------------------------------------------------------
 *
 * claims_test.c
 *		Claims of tickets, times, names of lists: what is read, what is refused.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "common/token.h"
#include "tap.h"

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* A valid set; tests replace one value, drop one claim or add text. */
static const struct
{
	const char *name;
	const char *value;
}			base[] = {
	{"iss", "\"ann\""},
	{"aud", "\"7123/app/1/n1\""},
	{"sub", "\"app_role\""},
	{"jti", "\"00112233445566778899aabbccddeeff\""},
	{"iat", "\"2030-01-01T00:00:00Z\""},
	{"nbf", "\"2030-01-01T00:00:00Z\""},
	{"exp", "\"2030-01-01T00:10:00Z\""},
	{"lg:list", "[\"crm.people/acme#5\",\"crm.other#6\"]"},
	{"lg:cols", "[\"email\",\"Full Name\"]"},
	{"lg:max", "1000"},
	{"lg:purpose", "\"newsletter of March\""},
};

static char json[65536];

/* The base set with value for name (NULL: left out), then extra members. */
static void
build(const char *name, const char *value, const char *extra)
{
	size_t		at = 0;
	size_t		i;

	json[at++] = '{';
	for (i = 0; i < COUNT(base); i++)
	{
		const char *v = name != NULL && strcmp(name, base[i].name) == 0 ? value : base[i].value;

		if (v != NULL)
			at += (size_t) sprintf(json + at, "%s\"%s\":%s", at > 1 ? "," : "", base[i].name, v);
	}
	sprintf(json + at, "%s}", extra == NULL ? "" : extra);
}

/* Parses len bytes from memory of exactly that size, so that a read past it is found. */
static LgStatus
parse(LgClaims *claims, const char *text, size_t len, const char **why)
{
	uint8_t    *copy = malloc(len + (len == 0));
	LgStatus	st;

	memcpy(copy, text, len);
	st = lg_claims_parse(claims, copy, len, why);
	free(copy);
	return st;
}

static void
refused(const char *text, size_t len, LgStatus want, const char *label)
{
	LgClaims	claims;
	const char *why = NULL;
	LgStatus	st = parse(&claims, text, len, &why);

	tap_ok(st == want && why != NULL && claims.block == NULL && claims.iss == NULL && claims.n_lists == 0,
		   "refused: %s (%d, want %d: %s)", label, st, want, why == NULL ? "no reason" : why);
	if (st == LG_OK)
		lg_claims_free(&claims);
}

static void
accepted(const char *label)
{
	LgClaims	claims;
	const char *why = NULL;
	LgStatus	st = parse(&claims, json, strlen(json), &why);

	tap_ok(st == LG_OK && why == NULL, "accepted: %s (%d: %s)", label, st, why == NULL ? "no reason" : why);
	lg_claims_free(&claims);
}

static void
test_good(void)
{
	LgClaims	c;
	const char *why;
	int64_t		iat;

	build(NULL, NULL, ",\"lg:req\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\","
		  "\"lg:to\":\"0123456789abcdef0123456789abcdef01234567\",\"lg:until\":\"2030-02-01T00:00:00Z\"");
	tap_ok(parse(&c, json, strlen(json), &why) == LG_OK, "the full set is read");
	(void) lg_rfc3339_parse(&iat, "2030-01-01T00:00:00Z", 20);
	tap_ok(strcmp(c.iss, "ann") == 0 && strcmp(c.aud, "7123/app/1/n1") == 0 && strcmp(c.sub, "app_role") == 0 &&
		   strcmp(c.purpose, "newsletter of March") == 0, "its texts");
	tap_ok(c.iat == iat && c.nbf == iat && c.exp == iat + INT64_C(600000000) &&
		   c.until == iat + INT64_C(31) * 86400 * 1000000, "its times");
	tap_ok(c.jti[0] == 0 && c.jti[1] == 0x11 && c.jti[15] == 0xff, "its jti");
	tap_ok(c.n_lists == 2 && strcmp(c.lists[0], "crm.people/acme#5") == 0 && strcmp(c.lists[1], "crm.other#6") == 0,
		   "its lists");
	tap_ok(c.n_cols == 2 && strcmp(c.cols[1], "Full Name") == 0 && c.max_rows == 1000, "its columns and rows");
	tap_ok(strlen(c.req) == 64 && strlen(c.to) == 40, "its digests");
	lg_claims_free(&c);
	tap_ok(c.iss == NULL && c.block == NULL, "freed it is empty");
	build(NULL, NULL, NULL);
	tap_ok(parse(&c, json, strlen(json), &why) == LG_OK && c.req == NULL && c.to == NULL && c.until == 0,
		   "without the optional ones they are empty");
	lg_claims_free(&c);
}

/* One claim with another value that is still right. */
static void
test_accepted(void)
{
	static const struct
	{
		const char *label;
		const char *name;
		const char *value;
	}			cases[] = {
		{"milliseconds", "iat", "\"2030-01-01T00:00:00.123Z\""},
		{"nanoseconds", "exp", "\"2030-01-01T00:10:00.123456789Z\""},
		{"an offset", "nbf", "\"2030-01-01T01:00:00+01:00\""},
		{"all columns", "lg:cols", "[\"*\"]"},
		{"a list with a star", "lg:list", "[\"crm.people/*#5\"]"},
		{"one row", "lg:max", "1"},
		{"2^53-1 rows", "lg:max", "9007199254740991"},
		{"a purpose in Greek", "lg:purpose", "\"\\u03b1\xce\xb2\""},
		{"an escaped pair of surrogates", "lg:purpose", "\"\\ud83d\\ude00\""},
		{"escaped quotes and brackets in a text", "lg:purpose", "\"\\\"[{[{\\\\\""},
		{"white space around a value", "lg:max", " \n\t5 \r\n"},
	};
	static char purpose[1024];
	size_t		i;

	for (i = 0; i < COUNT(cases); i++)
	{
		build(cases[i].name, cases[i].value, NULL);
		accepted(cases[i].label);
	}
	strcpy(purpose, "\"");
	for (i = 0; i < 200; i++)
		strcat(purpose, "\xf0\x9f\x98\x80");
	strcat(purpose, "\"");
	build("lg:purpose", purpose, NULL);
	accepted("a purpose of 200 characters of 4 bytes");
	memmove(purpose + 1, purpose, strlen(purpose) + 1);
	memcpy(purpose, "\"a", 2);
	build("lg:purpose", purpose, NULL);
	refused(json, strlen(json), LG_ERR_CLAIM, "a purpose of 201 characters");
}

/* One claim with a value that is wrong. */
static void
test_wrong_values(void)
{
	static const struct
	{
		const char *name;
		const char *value;
	}			cases[] = {
		{"iss", "null"}, {"iss", "1"}, {"iss", "true"}, {"iss", "[\"ann\"]"}, {"iss", "{}"}, {"iss", "\"\""},
		{"iss", "\"a\\nb\""}, {"iss", "\"a\\u001bb\""}, {"iss", "\"a\\u007fb\""}, {"iss", "\"a\\u0085b\""},
		{"aud", "null"}, {"aud", "7123"}, {"aud", "[\"7123/app/1/n1\"]"}, {"aud", "\"\""},
		{"sub", "null"}, {"sub", "false"}, {"sub", "\"\""}, {"sub", "[]"},
		{"sub", "\"0123456789012345678901234567890123456789012345678901234567890123\""},
		{"jti", "null"}, {"jti", "\"\""}, {"jti", "0"}, {"jti", "\"00112233445566778899aabbccddeef\""},
		{"jti", "\"00112233445566778899aabbccddeeff0\""}, {"jti", "\"00112233445566778899AABBCCDDEEFF\""},
		{"jti", "\"0011223344556677-899aabbccddeeff\""}, {"jti", "\"00112233-4455-6677-8899-aabbccddeeff\""},
		{"jti", "\" 0112233445566778899aabbccddeeff\""}, {"jti", "\"0x112233445566778899aabbccddeeff\""},
		{"iat", "null"}, {"iat", "1893456000"}, {"iat", "\"1893456000\""}, {"iat", "\"2030-01-01\""}, {"iat", "\"\""},
		{"iat", "\"2030-01-01T00:00:00\""}, {"iat", "\"2030-01-01t00:00:00Z\""}, {"iat", "\"2030-01-01T00:00:00z\""},
		{"iat", "\"2030-01-01T00:00:00Z \""}, {"iat", "\"2030-01-01T00:10:00Z\""}, {"iat", "[\"2030-01-01T00:00:00Z\"]"},
		{"nbf", "null"}, {"nbf", "\"now\""}, {"nbf", "\"2031-01-01T00:00:00Z\""},
		{"exp", "null"}, {"exp", "\"never\""}, {"exp", "9e99"}, {"exp", "\"2030-01-01T00:00:00Z\""},
		{"exp", "\"2029-01-01T00:10:00Z\""}, {"exp", "\"99999-01-01T00:00:00Z\""},
		{"lg:list", "null"}, {"lg:list", "\"crm.people#5\""}, {"lg:list", "[]"}, {"lg:list", "{}"}, {"lg:list", "[5]"},
		{"lg:list", "[null]"}, {"lg:list", "[\"crm.people#5\",\"crm.people#5\"]"},
		{"lg:list", "[\"crm.people\"]"}, {"lg:list", "[\"people#5\"]"}, {"lg:list", "[\"\"]"},
		{"lg:list", "[\"crm.people#5\",6]"}, {"lg:list", "[\"crm.people#5\",\"\"]"},
		{"lg:list", "[\"crm.\\\"a\\nb\\\"#5\"]"}, {"lg:list", "[\"*\"]"},
		{"lg:cols", "null"}, {"lg:cols", "\"*\""}, {"lg:cols", "[]"}, {"lg:cols", "[1]"}, {"lg:cols", "[\"a\",\"a\"]"},
		{"lg:cols", "[\"*\",\"a\"]"}, {"lg:cols", "[\"a\",\"*\"]"}, {"lg:cols", "[\"\"]"}, {"lg:cols", "{\"a\":1}"},
		{"lg:cols", "[\"0123456789012345678901234567890123456789012345678901234567890123\"]"},
		{"lg:max", "null"}, {"lg:max", "\"1000\""}, {"lg:max", "0"}, {"lg:max", "-1"}, {"lg:max", "-0"}, {"lg:max", "1.0"},
		{"lg:max", "1e3"}, {"lg:max", "1000.5"}, {"lg:max", "9007199254740992"}, {"lg:max", "9223372036854775807"},
		{"lg:max", "[1000]"}, {"lg:max", "true"},
		{"lg:purpose", "null"}, {"lg:purpose", "1"}, {"lg:purpose", "\"\""}, {"lg:purpose", "[\"x\"]"},
		{"lg:purpose", "\"a\\tb\""}, {"lg:purpose", "\"a\\u009bb\""},
	};
	char		label[200];
	size_t		i;

	for (i = 0; i < COUNT(cases); i++)
	{
		build(cases[i].name, cases[i].value, NULL);
		snprintf(label, sizeof(label), "%s is %s", cases[i].name, cases[i].value);
		refused(json, strlen(json), LG_ERR_CLAIM, label);
	}
	for (i = 0; i < COUNT(base); i++)
	{
		build(base[i].name, NULL, NULL);
		snprintf(label, sizeof(label), "%s is missing", base[i].name);
		refused(json, strlen(json), LG_ERR_CLAIM, label);
	}
}

/* Members added to a set that is right without them. */
static void
test_extra(void)
{
	static const struct
	{
		const char *extra;
		LgStatus	want;
	}			cases[] = {
		{",\"x\":1", LG_ERR_CLAIM}, {",\"\":1", LG_ERR_CLAIM}, {",\"lg:quorum\":1", LG_ERR_CLAIM},
		{",\"lg:rows\":1", LG_ERR_CLAIM}, {",\"LG:MAX\":1", LG_ERR_CLAIM}, {",\"Iss\":\"a\"", LG_ERR_CLAIM},
		{",\"kid\":\"a\"", LG_ERR_CLAIM}, {",\"iss \":\"a\"", LG_ERR_CLAIM}, {",\"x\":null", LG_ERR_CLAIM},
		{",\"lg:req\":null", LG_ERR_CLAIM}, {",\"lg:req\":\"\"", LG_ERR_CLAIM}, {",\"lg:req\":1", LG_ERR_CLAIM},
		{",\"lg:req\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeef\"", LG_ERR_CLAIM},
		{",\"lg:req\":\"00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff\"", LG_ERR_CLAIM},
		{",\"lg:to\":null", LG_ERR_CLAIM}, {",\"lg:to\":\"\"", LG_ERR_CLAIM}, {",\"lg:to\":[]", LG_ERR_CLAIM},
		{",\"lg:to\":\"0123456789ABCDEF0123456789ABCDEF01234567\"", LG_ERR_CLAIM},
		{",\"lg:to\":\"0123456789abcdef\"", LG_ERR_CLAIM},
		{",\"lg:until\":null", LG_ERR_CLAIM}, {",\"lg:until\":0", LG_ERR_CLAIM}, {",\"lg:until\":\"\"", LG_ERR_CLAIM},
		{",\"lg:until\":\"1970-01-01T00:00:00Z\"", LG_ERR_CLAIM},
		{",\"iss\":\"ann\"", LG_ERR_SYNTAX}, {",\"lg:max\":1000000", LG_ERR_SYNTAX}, {",\"\\u0069ss\":\"bob\"", LG_ERR_SYNTAX},
		{",\"lg:req\":\"a\",\"lg:req\":\"b\"", LG_ERR_SYNTAX}, {",\"x\":{\"y\":{}}", LG_ERR_SYNTAX},
		{",\"x\":[[1]]", LG_ERR_SYNTAX}, {",\"x\":\"\\u0000\"", LG_ERR_SYNTAX}, {",\"x\\u0000\":1", LG_ERR_SYNTAX},
		{",\"x\":\"\\ud800\"", LG_ERR_SYNTAX}, {",\"x\":\"\\udc00\"", LG_ERR_SYNTAX},
		{",\"x\":\"\\udc00\\ud800\"", LG_ERR_SYNTAX}, {",\"x\":\"\\ud800x\"", LG_ERR_SYNTAX},
		{",\"x\":\"\xed\xa0\x80\"", LG_ERR_SYNTAX}, {",\"x\":\"\xc0\x80\"", LG_ERR_SYNTAX},
		{",\"x\":\"\xf4\x90\x80\x80\"", LG_ERR_SYNTAX}, {",\"x\":\"\xff\"", LG_ERR_SYNTAX},
		{",\"x\":\"a\nb\"", LG_ERR_SYNTAX}, {",\"x\":9223372036854775808", LG_ERR_SYNTAX},
		{",\"x\":-9223372036854775809", LG_ERR_SYNTAX}, {",\"x\":1e999", LG_ERR_SYNTAX}, {",\"x\":01", LG_ERR_SYNTAX},
		{",\"x\":+1", LG_ERR_SYNTAX}, {",\"x\":0x1", LG_ERR_SYNTAX}, {",\"x\":NaN", LG_ERR_SYNTAX},
		{",\"x\":'a'", LG_ERR_SYNTAX}, {",x:1", LG_ERR_SYNTAX}, {",", LG_ERR_SYNTAX}, {",\"x\"", LG_ERR_SYNTAX},
		{",\"x\":", LG_ERR_SYNTAX}, {",/* */\"x\":1", LG_ERR_SYNTAX}, {",\"x\":\"\\x41\"", LG_ERR_SYNTAX},
		{",\"x\":True", LG_ERR_SYNTAX},
	};
	size_t		i;

	for (i = 0; i < COUNT(cases); i++)
	{
		build(NULL, NULL, cases[i].extra);
		refused(json, strlen(json), cases[i].want, cases[i].extra);
	}
}

/* The text as a whole. */
static void
test_whole(void)
{
	static const char *const tails[] = {"x", "{}", ",", "}", "]", "\"", "null", "\xff", " 1"};
	static const char *const others[] = {"", " ", "{", "}", "[]", "[{}]", "null", "1", "\"iss\"", "{}x", "\xef\xbb\xbf{}", "[[[", "{\"a\":{\"b\":{"};
	char		label[64];
	size_t		i;
	size_t		len;
	size_t		cut;

	for (i = 0; i < COUNT(tails); i++)
	{
		build(NULL, NULL, NULL);
		strcat(json, tails[i]);
		snprintf(label, sizeof(label), "trailing text %zu", i);
		refused(json, strlen(json), LG_ERR_SYNTAX, label);
	}
	for (i = 0; i < COUNT(others); i++)
		refused(others[i], strlen(others[i]), LG_ERR_SYNTAX, others[i]);
	refused("{}", 2, LG_ERR_CLAIM, "the empty object");
	build("lg:list", "[[\"crm.people#5\"]]", NULL);
	refused(json, strlen(json), LG_ERR_SYNTAX, "a list of lists");
	build(NULL, NULL, NULL);
	refused(json, strlen(json) + 1, LG_ERR_SYNTAX, "a NUL at the end");
	memset(json, '[', 2048);
	refused(json, 2048, LG_ERR_SYNTAX, "2048 brackets");
	build(NULL, NULL, NULL);
	len = strlen(json);
	memset(json + len, ' ', LG_PAYLOAD_MAX + 1 - len);
	refused(json, LG_PAYLOAD_MAX + 1, LG_ERR_TOO_LONG, "2049 bytes");
	json[LG_PAYLOAD_MAX] = '\0';
	accepted("2048 bytes, blanks at the end");
	build(NULL, NULL, NULL);
	for (cut = 0, i = 0; i < len; i++)
	{
		LgClaims	c;
		const char *why;

		cut += parse(&c, json, i, &why) != LG_OK && why != NULL && c.block == NULL;
	}
	tap_ok(cut == len, "refused: each of the %zu shorter beginnings", len);
}

/* n different short names in an array. */
static void
build_array(char *out, int n, const char *fmt_head, const char *fmt_tail)
{
	int			i;

	strcpy(out, "[");
	for (i = 0; i < n; i++)
		sprintf(out + strlen(out), "%s\"%s%c%c%s\"", i > 0 ? "," : "", fmt_head, 'a' + i / 26, 'a' + i % 26, fmt_tail);
	strcat(out, "]");
}

static void
test_bounds(void)
{
	char		array[4096];
	LgClaims	c;
	const char *why;

	build_array(array, LG_CLAIM_LISTS_MAX, "a.", "#1");
	build("lg:list", array, NULL);
	tap_ok(parse(&c, json, strlen(json), &why) == LG_OK && c.n_lists == 64 && strcmp(c.lists[63], "a.cl#1") == 0,
		   "accepted: 64 lists");
	lg_claims_free(&c);
	build_array(array, LG_CLAIM_LISTS_MAX + 1, "a.", "#1");
	build("lg:list", array, NULL);
	refused(json, strlen(json), LG_ERR_CLAIM, "65 lists");
	build_array(array, LG_CLAIM_COLS_MAX, "", "");
	build("lg:cols", array, NULL);
	tap_ok(parse(&c, json, strlen(json), &why) == LG_OK && c.n_cols == 64, "accepted: 64 columns");
	lg_claims_free(&c);
	build_array(array, LG_CLAIM_COLS_MAX + 1, "", "");
	build("lg:cols", array, NULL);
	refused(json, strlen(json), LG_ERR_CLAIM, "65 columns");
	memset(array, 'x', 600);
	array[0] = array[513] = '"';
	array[514] = '\0';
	build("iss", array, NULL);
	refused(json, strlen(json), LG_ERR_CLAIM, "an issuer of 512 bytes");
}

/* ---- times ---- */

static void
test_times(void)
{
	static const struct
	{
		const char *text;
		int64_t		usec;
		const char *again;
	}			good[] = {
		{"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"},
		{"1970-01-01T00:00:00.000001Z", 1, "1970-01-01T00:00:00Z"},
		{"1970-01-01T00:00:01.5Z", 1500000, "1970-01-01T00:00:01Z"},
		{"2000-02-29T23:59:59Z", INT64_C(951868799000000), "2000-02-29T23:59:59Z"},
		{"2024-02-29T12:00:00+00:00", INT64_C(1709208000000000), "2024-02-29T12:00:00Z"},
		{"2024-02-29T12:00:00-00:00", INT64_C(1709208000000000), "2024-02-29T12:00:00Z"},
		{"2024-03-01T00:30:00+01:00", INT64_C(1709249400000000), "2024-02-29T23:30:00Z"},
		{"2024-02-29T12:00:00-23:59", INT64_C(1709294340000000), "2024-03-01T11:59:00Z"},
		{"2026-10-03T04:05:06.123456789Z", INT64_C(1791000306123456), "2026-10-03T04:05:06Z"},
		{"2026-10-03T04:05:06.12Z", INT64_C(1791000306120000), "2026-10-03T04:05:06Z"},
		{"2038-01-19T03:14:08Z", INT64_C(2147483648000000), "2038-01-19T03:14:08Z"},
		{"9999-12-31T23:59:59.999999999Z", INT64_C(253402300799999999), "9999-12-31T23:59:59Z"},
	};
	static const char *const bad[] = {
		"", "Z", "2030", "2030-01-01", "2030-01-01T00:00Z", "2030-01-01T00:00:00", "2030-01-01 00:00:00Z",
		"2030-01-01t00:00:00Z", "2030-01-01T00:00:00z", "2030-01-01T00:00:60Z", "2030-01-01T00:60:00Z", "2030-01-01T24:00:00Z",
		"2030-00-01T00:00:00Z", "2030-13-01T00:00:00Z", "2030-01-00T00:00:00Z", "2030-01-32T00:00:00Z", "2030-02-29T00:00:00Z",
		"2100-02-29T00:00:00Z", "2030-04-31T00:00:00Z", "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z",
		"1970-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01", "2030-01-01T00:00:00.Z", "2030-01-01T00:00:00,5Z",
		"2030-01-01T00:00:00.1234567890Z", "2030-01-01T00:00:00+01", "2030-01-01T00:00:00+0100", "2030-01-01T00:00:00+24:00",
		"2030-01-01T00:00:00+01:60", "2030-01-01T00:00:00ZZ", "2030-01-01T00:00:00Z ", " 2030-01-01T00:00:00Z",
		"2030-1-01T00:00:00Z", "+2030-01-01T00:00:00Z", "-2030-01-01T00:00:00Z", "2030-01-01T00:00:00 Z", "2030-01-01T0:00:00Z",
		"2030-01-01T00:00:-1Z", "2030/01/01T00:00:00Z", "2030-01-01T00:00:0\xd9\xa2Z"
	};
	char		text[32];
	int64_t		usec;
	size_t		i;
	int64_t		day;
	bool		round = true;

	for (i = 0; i < COUNT(good); i++)
		tap_ok(lg_rfc3339_parse(&usec, good[i].text, strlen(good[i].text)) == LG_OK && usec == good[i].usec &&
			   lg_rfc3339_format(text, sizeof(text), usec) == LG_OK && strcmp(text, good[i].again) == 0,
			   "time %s", good[i].text);
	for (i = 0; i < COUNT(bad); i++)
		tap_ok(lg_rfc3339_parse(&usec, bad[i], strlen(bad[i])) == LG_ERR_SYNTAX && usec == 0, "no time: \"%s\"", bad[i]);
	for (day = 0; round && day <= INT64_C(2932896); day++)
	{
		int64_t		at = (day * 86400 + day % 86400) * 1000000;

		round = lg_rfc3339_format(text, sizeof(text), at) == LG_OK &&
			lg_rfc3339_parse(&usec, text, strlen(text)) == LG_OK && usec == at;
	}
	tap_ok(round, "every day from 1970 to 9999 there and back");
	tap_ok(lg_rfc3339_format(text, sizeof(text), -1) == LG_ERR_SYNTAX, "no time before 1970 is written");
	tap_ok(lg_rfc3339_format(text, sizeof(text), INT64_C(253402300800000000)) == LG_ERR_SYNTAX &&
		   lg_rfc3339_format(text, sizeof(text), INT64_MAX) == LG_ERR_SYNTAX, "nor after 9999");
	tap_ok(lg_rfc3339_format(text, 20, 0) == LG_ERR_SPACE, "nor into 20 bytes");
}

/* ---- names of lists ---- */

static void
test_list_names(void)
{
	static const struct
	{
		const char *text;
		const char *table;
		const char *value;		/* NULL: none */
		bool		star;
		uint32_t	list_no;
	}			good[] = {
		{"crm.people#5", "crm.people", NULL, false, 5},
		{"crm.people/acme#2147483647", "crm.people", "acme", false, 2147483647},
		{"crm.people/*#4294967295", "crm.people", NULL, true, UINT32_MAX},
		{"crm.people/#1", "crm.people", "", false, 1},
		{"crm.people/%2A#1", "crm.people", "*", false, 1},
		{"crm.people/a%23b%2Fc%25#1", "crm.people", "a#b/c%", false, 1},
		{"crm.people/%C3%9F%20-._~#1", "crm.people", "\xc3\x9f -._~", false, 1},
		{"\"CRM\".\"a.b/c#9\"/x#7", "\"CRM\".\"a.b/c#9\"", "x", false, 7},
		{"\"a\"\"b\".\"\"\"\"#7", "\"a\"\"b\".\"\"\"\"", NULL, false, 7},
		{"_a1.\"\xc3\x9f\"#7", "_a1.\"\xc3\x9f\"", NULL, false, 7},
	};
	static const char *const bad[] = {
		"", "#5", "people#5", "crm.people", "crm.people#", "crm.people#0", "crm.people#05", "crm.people#-1", "crm.people#+5",
		"crm.people#5 ", "crm.people#5#6", "crm.people# 5", "crm.people#4294967296", "crm.people#99999999999999999999",
		"crm.people#0x5", "crm.people#5/x", "crm..people#5", ".people#5", "crm.#5", "crm.people.email#5", "Crm.people#5",
		"crm.peo ple#5", "crm.1people#5", "crm.peo$ple#5", "crm.people /x#5", "\"crm.people#5", "\"\".people#5", "crm.\"\"#5",
		"crm.\"a\"b#5", "crm.people/**#5", "crm.people/*x#5", "crm.people/a/b#5", "crm.people/%41#5", "crm.people/%2a#5",
		"crm.people/%#5", "crm.people/%2#5", "crm.people/%2", "crm.people/%00#5", "crm.people/%GG#5", "crm.people/a b#5",
		"crm.people/a+b#5", "crm.people/\xc3\x9f#5", "crm.people/x", "crm.people/", "crm.\xc3\x9f#5", "crm.people//#5",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b#5",
		"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\".b#5"
	};
	LgListName	name;
	char		text[LG_NAME_MAX * 4];
	size_t		i;

	for (i = 0; i < COUNT(good); i++)
	{
		tap_ok(lg_list_name_parse(&name, good[i].text) == LG_OK && strcmp(name.table, good[i].table) == 0 &&
			   name.has_value == (good[i].value != NULL) && strcmp(name.value, good[i].value ? good[i].value : "") == 0 &&
			   name.star == good[i].star && name.list_no == good[i].list_no, "list %s", good[i].text);
		tap_ok(lg_list_name_format(text, sizeof(text), &name) == LG_OK && strcmp(text, good[i].text) == 0, "and written again");
		tap_ok(lg_list_name_format(text, strlen(good[i].text), &name) == LG_ERR_SPACE, "not without room for the NUL");
	}
	for (i = 0; i < COUNT(bad); i++)
		tap_ok(lg_list_name_parse(&name, bad[i]) == LG_ERR_SYNTAX && name.list_no == 0 && name.table[0] == '\0',
			   "no list: \"%s\"", bad[i]);
}

static void
test_list_format(void)
{
	LgListName	name;
	LgListName	again;
	char		text[LG_NAME_MAX * 4];
	size_t		i;

	memset(&name, 0, sizeof(name));
	strcpy(name.table, "crm.people");
	tap_ok(lg_list_name_format(text, sizeof(text), &name) == LG_ERR_SYNTAX, "number 0 is not written");
	name.list_no = 3;
	name.star = name.has_value = true;
	tap_ok(lg_list_name_format(text, sizeof(text), &name) == LG_ERR_SYNTAX, "star and value are not written");
	name.star = false;
	strcpy(name.table, "people");
	tap_ok(lg_list_name_format(text, sizeof(text), &name) == LG_ERR_SYNTAX, "a table without schema is not written");
	strcpy(name.table, "crm.people#4");
	tap_ok(lg_list_name_format(text, sizeof(text), &name) == LG_ERR_SYNTAX, "a number in the table is not written");
	strcpy(name.table, "crm.people");
	for (i = 0; i < sizeof(name.value) - 1; i++)
		name.value[i] = (char) (i % 255 + 1);
	tap_ok(lg_list_name_format(text, sizeof(text), &name) == LG_OK && lg_list_name_parse(&again, text) == LG_OK &&
		   strcmp(again.value, name.value) == 0, "a value of 511 bytes of every kind there and back");
	memset(name.value, '%', sizeof(name.value) - 1);
	tap_ok(lg_list_name_format(text, sizeof(text), &name) == LG_OK, "the longest name fits in four times LG_NAME_MAX");
	tap_ok(lg_list_name_parse(&again, "crm.people/%") == LG_ERR_SYNTAX, "a name that ends in '%%' is refused");
}

int
main(void)
{
	test_good();
	test_accepted();
	test_wrong_values();
	test_extra();
	test_whole();
	test_bounds();
	test_times();
	test_list_names();
	test_list_format();
	return tap_done();
}
