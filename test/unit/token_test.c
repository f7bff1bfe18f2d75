/*-------------------------------------------------------------------------
 *
 * token_test.c
 *		Tickets as bytes: official vectors, bent tokens, keys.
 *
 * usage: token_test [directory of the vectors]	(default test/vectors)
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include <sodium.h>

#include "common/paserk.h"
#include "tap.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char *vector_dir = "test/vectors";

/* The signer of most tests, and what it signs. */
static uint8_t sk[LG_ED25519_SECRET];
static uint8_t pk[LG_ED25519_PUBLIC];
static char kid[LG_PASERK_PID_CHARS + 1];
static char good_footer[128];
static char good[LG_TOKEN_MAX + 1];
static const char payload[] =
"{\"iss\":\"ann\",\"aud\":\"7/app/1/n\",\"sub\":\"app\",\"jti\":\"00112233445566778899aabbccddeeff\","
"\"iat\":\"2030-01-01T00:00:00Z\",\"nbf\":\"2030-01-01T00:00:00Z\",\"exp\":\"2030-01-01T00:10:00Z\","
"\"lg:list\":[\"crm.people#5\"],\"lg:cols\":[\"email\"],\"lg:max\":10,\"lg:purpose\":\"?>?>?>~~~\"}";

/* ---- helpers ---- */

static json_t *
load_vectors(const char *file)
{
	char		path[1024];
	json_error_t error;
	json_t	   *root;

	snprintf(path, sizeof(path), "%s/%s", vector_dir, file);
	root = json_load_file(path, 0, &error);
	tap_ok(json_array_size(json_object_get(root, "tests")) > 0, "%s is there", file);
	return root;
}

static const char *
text_of(json_t *test, const char *name)
{
	return json_string_value(json_object_get(test, name));
}

/* Hex digits of a vector's member; the number of bytes, 0 where it is null or absent. */
static size_t
bytes_of(json_t *test, const char *name, uint8_t *out, size_t size)
{
	const char *hex = text_of(test, name);
	size_t		n = 0;

	if (hex == NULL || sodium_hex2bin(out, size, hex, strlen(hex), NULL, &n, NULL) != 0)
		return 0;
	return n;
}

/* What the server does with a ticket before it looks at claims. */
static LgStatus
check(const char *token, size_t len, const uint8_t *key)
{
	LgTokenParts parts;
	LgStatus	st = lg_token_split(&parts, token, len);

	return st == LG_OK ? lg_token_verify(&parts, key) : st;
}

static void
refused(const char *token, LgStatus want, const char *label)
{
	LgStatus	st = check(token, strlen(token), pk);

	tap_ok(st == want, "bent: %s is refused (%d, want %d)", label, st, want);
}

/* A token over any payload, footer and implicit assertion, signed by key. */
static void
mint(char *out, const uint8_t *key, const char *m, size_t m_len, const char *f, const char *i)
{
	if (lg_paseto_sign(out, 8192, key, (const uint8_t *) m, m_len, (const uint8_t *) f, strlen(f),
					   (const uint8_t *) i, strlen(i)) != LG_OK)
		abort();
}

static void
set_up(void)
{
	uint8_t		seed[32];

	memset(seed, 7, sizeof(seed));
	crypto_sign_seed_keypair(pk, sk, seed);
	if (lg_paserk_pid(kid, sizeof(kid), pk) != LG_OK)
		abort();
	snprintf(good_footer, sizeof(good_footer), "{\"kid\":\"%s\"}", kid);
	if (lg_paseto_sign(good, sizeof(good), sk, (const uint8_t *) payload, strlen(payload),
					   (const uint8_t *) good_footer, strlen(good_footer),
					   (const uint8_t *) LG_IMPLICIT, strlen(LG_IMPLICIT)) != LG_OK)
		abort();
}

/* ---- official vectors ---- */

static void
run_sign_vector(json_t *test)
{
	const char *name = text_of(test, "name");
	const char *token = text_of(test, "token");
	const char *m = text_of(test, "payload");
	const char *f = text_of(test, "footer");
	const char *i = text_of(test, "implicit-assertion");
	uint8_t		key[LG_ED25519_PUBLIC];
	uint8_t		secret[LG_ED25519_SECRET];
	uint8_t		out[LG_TOKEN_MAX];
	char		again[LG_TOKEN_MAX + 1];
	size_t		n;

	tap_ok(bytes_of(test, "public-key", key, sizeof(key)) == sizeof(key) &&
		   bytes_of(test, "secret-key", secret, sizeof(secret)) == sizeof(secret), "%s: keys", name);
	tap_ok(lg_paseto_verify(out, sizeof(out), &n, key, token, strlen(token), (const uint8_t *) i, strlen(i)) == LG_OK &&
		   n == strlen(m) && memcmp(out, m, n) == 0, "%s: verifies to its payload", name);
	tap_ok(lg_paseto_sign(again, sizeof(again), secret, (const uint8_t *) m, strlen(m), (const uint8_t *) f, strlen(f),
						  (const uint8_t *) i, strlen(i)) == LG_OK && strcmp(again, token) == 0,
		   "%s: signs to the same token", name);
	tap_ok(lg_paseto_verify(out, sizeof(out), &n, key, token, strlen(token), (const uint8_t *) "x", 1) == LG_ERR_AUTH,
		   "%s: another implicit assertion is refused", name);
	tap_ok(lg_paseto_verify(out, strlen(m) - 1, &n, key, token, strlen(token), (const uint8_t *) i, strlen(i)) == LG_ERR_SPACE,
		   "%s: a buffer too small is LG_ERR_SPACE", name);
	tap_ok(check(token, strlen(token), key) != LG_OK, "%s: is no ticket", name);
}

/* Local tokens, other versions and the must-fail ones: none may verify under any key at hand. */
static void
run_refused_vector(json_t *test)
{
	const char *token = text_of(test, "token");
	const char *i = text_of(test, "implicit-assertion");
	uint8_t		key[LG_ED25519_PUBLIC];
	uint8_t		out[LG_TOKEN_MAX];
	size_t		n;
	LgStatus	st;

	if (bytes_of(test, "public-key", key, sizeof(key)) != sizeof(key) &&
		bytes_of(test, "key", key, sizeof(key)) != sizeof(key))
		memcpy(key, pk, sizeof(key));
	st = lg_paseto_verify(out, sizeof(out), &n, key, token, strlen(token), (const uint8_t *) i, strlen(i));
	tap_ok(st != LG_OK && n == 0 && check(token, strlen(token), key) != LG_OK,
		   "%s: is refused (%d)", text_of(test, "name"), st);
}

static void
test_paseto_vectors(void)
{
	json_t	   *root = load_vectors("paseto-v4.json");
	json_t	   *test;
	size_t		at;
	int			signs = 0;

	json_array_foreach(json_object_get(root, "tests"), at, test)
	{
		if (json_is_false(json_object_get(test, "expect-fail")) && bytes_of(test, "secret-key", (uint8_t[64]) {0}, 64) == 64)
		{
			run_sign_vector(test);
			signs++;
		}
		else
			run_refused_vector(test);
	}
	tap_ok(signs == 3 && at == 17, "all 17 vectors were run, 3 of them v4.public");
	json_decref(root);
}

static void
run_public_vector(json_t *test)
{
	const char *text = text_of(test, "paserk");
	uint8_t		key[64];
	uint8_t		parsed[LG_ED25519_PUBLIC];
	char		out[LG_PASERK_PUBLIC_CHARS + 1];
	size_t		n = bytes_of(test, "key", key, sizeof(key));
	LgStatus	st;

	if (text == NULL)
	{
		tap_ok(n != LG_ED25519_PUBLIC, "%s: no key of ours by its length", text_of(test, "name"));
		return;
	}
	tap_ok(n == LG_ED25519_PUBLIC && lg_paserk_public_format(out, sizeof(out), key) == LG_OK && strcmp(out, text) == 0,
		   "%s: is written so", text_of(test, "name"));
	/* Stricter than the vectors, whose keys need not be points of the curve. */
	st = lg_paserk_public_parse(parsed, text, strlen(text));
	tap_ok(crypto_core_ed25519_is_valid_point(key) ? st == LG_OK && memcmp(parsed, key, n) == 0 : st == LG_ERR_KEY,
		   "%s: is read, or refused as no point (%d)", text_of(test, "name"), st);
}

static void
run_pid_vector(json_t *test)
{
	const char *text = text_of(test, "paserk");
	uint8_t		key[64];
	char		out[LG_PASERK_PID_CHARS + 1];
	size_t		n = bytes_of(test, "key", key, sizeof(key));

	if (text == NULL)
		tap_ok(n != LG_ED25519_PUBLIC, "%s: no key of ours by its length", text_of(test, "name"));
	else
		tap_ok(n == LG_ED25519_PUBLIC && lg_paserk_pid(out, sizeof(out), key) == LG_OK && strcmp(out, text) == 0,
			   "%s: is written so", text_of(test, "name"));
}

static void
run_secret_vector(json_t *test)
{
	const char *text = text_of(test, "paserk");
	uint8_t		key[128];
	uint8_t		parsed[LG_ED25519_SECRET];
	char		out[LG_PASERK_SECRET_CHARS + 1];
	size_t		n = bytes_of(test, "key", key, sizeof(key));

	if (text == NULL)
	{
		tap_ok(n != LG_ED25519_SECRET, "%s: no key of ours by its length", text_of(test, "name"));
		return;
	}
	tap_ok(n == LG_ED25519_SECRET && lg_paserk_secret_format(out, sizeof(out), key) == LG_OK && strcmp(out, text) == 0,
		   "%s: is written so", text_of(test, "name"));
	tap_ok(lg_paserk_secret_parse(parsed, text, strlen(text)) == LG_OK && memcmp(parsed, key, n) == 0,
		   "%s: is read", text_of(test, "name"));
}

static void
run_secret_pw_vector(json_t *test)
{
	const char *text = text_of(test, "paserk");
	const char *pw_text = text_of(test, "password");
	uint8_t		key[LG_ED25519_SECRET];
	uint8_t		parsed[LG_ED25519_SECRET];
	LgStatus	st;

	/* The passphrase is the text as it stands, also where it looks like hex. */
	st = lg_paserk_secret_unwrap(parsed, text, strlen(text), pw_text, strlen(pw_text));
	if (json_is_true(json_object_get(test, "expect-fail")))
		tap_ok(st == LG_ERR_AUTH || st == LG_ERR_SYNTAX, "%s: is refused (%d)", text_of(test, "name"), st);
	else
		tap_ok(st == LG_OK && bytes_of(test, "unwrapped", key, sizeof(key)) == sizeof(key) &&
			   memcmp(parsed, key, sizeof(key)) == 0, "%s: opens to its key (%d)", text_of(test, "name"), st);
}

static void
test_paserk_vectors(void)
{
	static const struct
	{
		const char *file;
		void		(*run) (json_t *test);
		size_t		count;
	}			sets[] = {
		{"paserk-k4.public.json", run_public_vector, 4},
		{"paserk-k4.pid.json", run_pid_vector, 5},
		{"paserk-k4.secret.json", run_secret_vector, 5},
		{"paserk-k4.secret-pw.json", run_secret_pw_vector, 6},
	};
	size_t		s;

	for (s = 0; s < sizeof(sets) / sizeof(sets[0]); s++)
	{
		json_t	   *root = load_vectors(sets[s].file);
		json_t	   *test;
		size_t		at;

		json_array_foreach(json_object_get(root, "tests"), at, test)
			sets[s].run(test);
		tap_ok(at == sets[s].count, "all %zu of %s were run", sets[s].count, sets[s].file);
		json_decref(root);
	}
}

/* ---- base64url ---- */

static void
test_b64url(void)
{
	static const char *const bad[] = {
		"A", "AAAAA", "AB", "A_", "AAB", "AA-", "AA==", "AA=", "AAA=", "AAAA=", "A+AA", "A/AA", "AA A", " AAA",
		"AAA ", "AAA\n", "AAA\t", "\r\nAAAA", "AA.A", "AA,A", "AA\xc3\xa9", "=", "==", "AAAA\xff", "%41AA"
	};
	uint8_t		in[300];
	uint8_t		out[300];
	char		text[401];
	size_t		len;
	size_t		n;
	bool		round;

	for (n = 0; n < sizeof(bad) / sizeof(bad[0]); n++)
		tap_ok(lg_b64url_decode(out, sizeof(out), &len, bad[n], strlen(bad[n])) == LG_ERR_SYNTAX && len == 0,
			   "base64url: wrong spelling %zu is refused", n);
	tap_ok(lg_b64url_decode(out, sizeof(out), &len, "AA\0A", 4) == LG_ERR_SYNTAX, "base64url: NUL is refused");
	tap_ok(lg_b64url_decode(out, 2, &len, "AAAA", 4) == LG_ERR_SPACE, "base64url: no room to decode");
	tap_ok(lg_b64url_encode(text, 4, in, 3) == LG_ERR_SPACE, "base64url: no room for the NUL");
	for (n = 0, round = true; n < 4 * 256; n++)
	{
		char		quad[5] = "AAAA";
		int			c = (int) (n / 4);
		bool		valid = c != 0 && c < 128 && strchr(alphabet, c) != NULL;

		quad[n % 4] = (char) c;
		round = round && (lg_b64url_decode(out, sizeof(out), &len, quad, 4) == LG_OK) == valid;
	}
	tap_ok(round, "base64url: of all 256 bytes at each place the 64 of the alphabet are accepted");
	for (n = 0, round = true; n <= sizeof(in); n++)
	{
		randombytes_buf(in, n);
		round = round && lg_b64url_encode(text, sizeof(text), in, n) == LG_OK &&
			lg_b64url_decode(out, n, &len, text, strlen(text)) == LG_OK && len == n && memcmp(in, out, n) == 0;
	}
	tap_ok(round, "base64url: 0 to 300 bytes there and back");
}

/* ---- bent tokens ---- */

static void
test_good_token(void)
{
	LgTokenParts parts;

	tap_ok(lg_token_split(&parts, good, strlen(good)) == LG_OK, "the good token has the shape");
	tap_ok(strcmp(parts.kid, kid) == 0 && strcmp(parts.footer, good_footer) == 0, "kid and footer are taken over");
	tap_ok(parts.message_len == strlen(payload) && memcmp(parts.body, payload, strlen(payload)) == 0,
		   "the payload is taken over");
	tap_ok(lg_token_verify(&parts, pk) == LG_OK, "the good token verifies");
	tap_ok(strpbrk(good + 10, "-") != NULL && strchr(good, '_') != NULL, "it has both special characters");
}

/* Each character with one bit flipped, eight times over. */
static void
test_flips(void)
{
	size_t		len = strlen(good);
	char	   *bent = malloc(len + 1);
	size_t		accepted = 0;
	size_t		at;
	int			bit;

	for (at = 0; at < len; at++)
	{
		for (bit = 0; bit < 8; bit++)
		{
			memcpy(bent, good, len);
			bent[at] = (char) (bent[at] ^ (1 << bit));
			accepted += check(bent, len, pk) == LG_OK;
		}
	}
	tap_ok(accepted == 0, "bent: all %zu one-bit flips of the text are refused", len * 8);
	free(bent);
}

/* Each byte of payload and signature changed, behind correct base64url. */
static void
test_body_flips(void)
{
	LgTokenParts parts;
	size_t		accepted = 0;
	size_t		wrong_reason = 0;
	size_t		at;

	(void) lg_token_split(&parts, good, strlen(good));
	for (at = 0; at < parts.message_len + LG_ED25519_SIG; at++)
	{
		int			bit;

		for (bit = 0; bit < 8; bit++)
		{
			LgStatus	st;

			parts.body[at] ^= (uint8_t) (1 << bit);
			st = lg_token_verify(&parts, pk);
			accepted += st == LG_OK;
			wrong_reason += st != LG_ERR_AUTH;
			parts.body[at] ^= (uint8_t) (1 << bit);
		}
	}
	tap_ok(accepted == 0 && wrong_reason == 0, "bent: all %zu one-bit flips of the body are LG_ERR_AUTH", at * 8);
}

static void
test_cuts(void)
{
	size_t		len = strlen(good);
	size_t		accepted = 0;
	size_t		n;
	char	   *bent = malloc(len + 2);
	int			c;

	for (n = 0; n < len; n++)
	{
		char	   *cut = malloc(n + 1);	/* exact size: a read past it is found by the sanitizer */

		memcpy(cut, good, n);
		accepted += check(cut, n, pk) == LG_OK;
		accepted += check(good + n + 1, len - n - 1, pk) == LG_OK;
		free(cut);
	}
	tap_ok(accepted == 0, "bent: every shorter beginning and end is refused");
	for (accepted = 0, c = 0; c < 256; c++)
	{
		memcpy(bent, good, len);
		bent[len] = (char) c;
		accepted += check(bent, len + 1, pk) == LG_OK;
		memcpy(bent + 1, good, len);
		bent[0] = (char) c;
		accepted += check(bent, len + 1, pk) == LG_OK;
	}
	tap_ok(accepted == 0, "bent: every byte appended or put in front is refused");
	for (accepted = 0, n = 0; n <= len; n++)
	{
		static const char extra[] = "=\n \t.A\0+";

		for (c = 0; c < (int) sizeof(extra); c++)
		{
			memcpy(bent, good, n);
			bent[n] = extra[c];
			memcpy(bent + n + 1, good + n, len - n);
			accepted += check(bent, len + 1, pk) == LG_OK;
		}
	}
	tap_ok(accepted == 0, "bent: '=', white space, NUL, '.', 'A', '+' put in anywhere is refused");
	free(bent);
}

/* The other spelling of the last character: same bytes to a lax decoder. */
static void
test_trailing_bits(void)
{
	int			pad;

	for (pad = 0; pad < 3; pad++)
	{
		char		token[8192];
		char		m[512];
		char	   *end;
		size_t		other;
		size_t		accepted = 0;

		snprintf(m, sizeof(m), "%.*s%s", pad, "   ", payload);
		mint(token, sk, m, strlen(m), good_footer, LG_IMPLICIT);
		tap_ok(check(token, strlen(token), pk) == LG_OK, "payload of %zu bytes: the token verifies", strlen(m));
		end = strrchr(token, '.') - 1;
		for (other = 0; other < 64; other++)
		{
			char		kept = *end;

			if (alphabet[other] == kept)
				continue;
			*end = alphabet[other];
			accepted += check(token, strlen(token), pk) == LG_OK;
			*end = kept;
		}
		tap_ok(accepted == 0, "bent: %zu bytes: the 63 other last characters are refused", strlen(m));
	}
}

static void
test_alphabet(void)
{
	char		bent[3 * LG_TOKEN_MAX];
	char	   *p;

	strcpy(bent, good);
	*(p = strchr(bent, '-')) = '+';
	refused(bent, LG_ERR_SYNTAX, "'+' for '-'");
	strcpy(bent, good);
	*(p = strchr(bent, '_')) = '/';
	refused(bent, LG_ERR_SYNTAX, "'/' for '_'");
	strcpy(bent, good);
	strcat(bent, "=");
	refused(bent, LG_ERR_SYNTAX, "one '=' after the footer");
	strcat(bent, "==");
	refused(bent, LG_ERR_SYNTAX, "'===' after the footer");
	strcpy(bent, good);
	strcat(bent, "\n");
	refused(bent, LG_ERR_SYNTAX, "a newline at the end");
	strcpy(bent, " ");
	strcat(bent, good);
	refused(bent, LG_ERR_VERSION, "a blank in front");
	p = strrchr(good, '.');
	snprintf(bent, sizeof(bent), "%.*s=%s", (int) (p - good), good, p);
	refused(bent, LG_ERR_SYNTAX, "'=' after the body");
	snprintf(bent, sizeof(bent), "%.*s==%s", (int) (p - good), good, p);
	refused(bent, LG_ERR_SYNTAX, "'==' after the body");
	snprintf(bent, sizeof(bent), "%.*sAAAA%s", (int) (p - good), good, p);
	refused(bent, LG_ERR_AUTH, "a body with three bytes more");
	snprintf(bent, sizeof(bent), "%s.", good);
	refused(bent, LG_ERR_SYNTAX, "a fifth, empty part");
	snprintf(bent, sizeof(bent), "%s.AAAA", good);
	refused(bent, LG_ERR_SYNTAX, "a fifth part");
	snprintf(bent, sizeof(bent), "%.*s", (int) (p - good), good);
	refused(bent, LG_ERR_SYNTAX, "no footer");
	snprintf(bent, sizeof(bent), "%.*s.", (int) (p - good), good);
	refused(bent, LG_ERR_SYNTAX, "an empty footer");
	snprintf(bent, sizeof(bent), "%.*s.%s", (int) (p - good), good, p);
	refused(bent, LG_ERR_SYNTAX, "an empty part before the footer");
	snprintf(bent, sizeof(bent), "v4.public.%s", p);
	refused(bent, LG_ERR_SYNTAX, "an empty body");
	snprintf(bent, sizeof(bent), "%s %s", good, good);
	refused(bent, LG_ERR_SYNTAX, "two tokens");
}

static void
test_headers(void)
{
	static const char *const headers[] = {
		"v1.public.", "v2.public.", "v3.public.", "v5.public.", "v4.local.", "V4.public.", "v4.Public.", "v4.PUBLIC.",
		"v4.public", "v4public.", ".v4.public.", "v4..public.", "v4.publi.", "v04.public.", "v4.public:", "k4.public.",
		"eyJhbGciOiJub25lIn0.", "lg1:", "", "."
	};
	char		bent[LG_TOKEN_MAX + 64];
	size_t		n;
	LgStatus	st;

	for (n = 0; n < sizeof(headers) / sizeof(headers[0]); n++)
	{
		snprintf(bent, sizeof(bent), "%s%s", headers[n], good + 10);
		st = check(bent, strlen(bent), pk);
		tap_ok(st == LG_ERR_VERSION, "bent: header \"%s\" is refused (%d)", headers[n], st);
	}
	refused("", LG_ERR_VERSION, "the empty text");
	refused("v4.public.", LG_ERR_SYNTAX, "the header alone");
	refused("v4.public..", LG_ERR_SYNTAX, "the header and two dots");
}

/* Footers other than ours, each properly signed: only the pattern can refuse them. */
static void
test_footers(void)
{
	static const char *const footers[] = {
		"", "{}", "null", "{\"kid\":\"\"}", "{ \"kid\":\"%s\"}", "{\"kid\": \"%s\"}", "{\"kid\":\"%s\" }", "{\"kid\":\"%s\"}\n",
		"{\"kid\":\"%s\",\"x\":1}", "{\"x\":1,\"kid\":\"%s\"}", "{\"kid\":\"%s\",\"kid\":\"%s\"}", "{\"Kid\":\"%s\"}",
		"{'kid':'%s'}", "{\"kid\":[\"%s\"]}", "[\"%s\"]", "%s", "{\"\\u006bid\":\"%s\"}", "{\"kid\":\"%.50s\"}",
		"{\"kid\":\"%sA\"}", "{\"wpk\":\"%s\"}"
	};
	char		footer[512];
	char		label[64];
	char		token[8192];
	char		other[LG_PASERK_PID_CHARS + 1];
	size_t		n;

	for (n = 0; n < sizeof(footers) / sizeof(footers[0]); n++)
	{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
		snprintf(footer, sizeof(footer), footers[n], kid, kid);
#pragma GCC diagnostic pop
		mint(token, sk, payload, strlen(payload), footer, LG_IMPLICIT);
		snprintf(label, sizeof(label), "footer %zu, well signed", n);
		refused(token, LG_ERR_SYNTAX, label);
	}
	memcpy(other, kid, sizeof(other));
	other[20] = '+';
	snprintf(footer, sizeof(footer), "{\"kid\":\"%s\"}", other);
	mint(token, sk, payload, strlen(payload), footer, LG_IMPLICIT);
	refused(token, LG_ERR_SYNTAX, "a kid with '+'");
	memcpy(other, kid, sizeof(other));
	memcpy(other, "k4.sid.", 7);
	snprintf(footer, sizeof(footer), "{\"kid\":\"%s\"}", other);
	mint(token, sk, payload, strlen(payload), footer, LG_IMPLICIT);
	refused(token, LG_ERR_SYNTAX, "a kid of a secret key");
	memcpy(other, "k3.pid.", 7);
	snprintf(footer, sizeof(footer), "{\"kid\":\"%s\"}", other);
	mint(token, sk, payload, strlen(payload), footer, LG_IMPLICIT);
	refused(token, LG_ERR_SYNTAX, "a kid of version 3");
}

static void
test_implicit_and_keys(void)
{
	uint8_t		pk2[LG_ED25519_PUBLIC];
	uint8_t		sk2[LG_ED25519_SECRET];
	char		kid2[LG_PASERK_PID_CHARS + 1];
	char		footer2[128];
	char		token[8192];
	char		mixed[8192];

	crypto_sign_keypair(pk2, sk2);
	(void) lg_paserk_pid(kid2, sizeof(kid2), pk2);
	snprintf(footer2, sizeof(footer2), "{\"kid\":\"%s\"}", kid2);

	mint(token, sk, payload, strlen(payload), good_footer, "");
	refused(token, LG_ERR_AUTH, "a token without the implicit assertion");
	mint(token, sk, payload, strlen(payload), good_footer, "listguard-export-v2");
	refused(token, LG_ERR_AUTH, "a token with another implicit assertion");
	mint(token, sk2, payload, strlen(payload), good_footer, LG_IMPLICIT);
	refused(token, LG_ERR_AUTH, "another key's token under our kid");
	mint(token, sk2, payload, strlen(payload), footer2, LG_IMPLICIT);
	tap_ok(check(token, strlen(token), pk2) == LG_OK, "the other key's token verifies under its own key");
	refused(token, LG_ERR_KEY, "the other key's token under ours");
	mint(token, sk, payload, strlen(payload), footer2, LG_IMPLICIT);
	refused(token, LG_ERR_KEY, "our token with the other key's kid");
	tap_ok(check(token, strlen(token), pk2) == LG_ERR_AUTH, "bent: and under the other key");
	snprintf(mixed, sizeof(mixed), "%.*s%s", (int) (strrchr(good, '.') - good), good, strrchr(token, '.'));
	refused(mixed, LG_ERR_KEY, "a foreign footer behind our body");
}

static void
test_sizes(void)
{
	static char m[LG_PAYLOAD_MAX + 2];
	char		token[8192];
	char		small[64];

	memset(m, ' ', sizeof(m));
	mint(token, sk, m, LG_PAYLOAD_MAX, good_footer, LG_IMPLICIT);
	tap_ok(check(token, strlen(token), pk) == LG_OK, "a payload of 2048 bytes verifies");
	mint(token, sk, m, LG_PAYLOAD_MAX + 1, good_footer, LG_IMPLICIT);
	refused(token, LG_ERR_TOO_LONG, "a payload of 2049 bytes");
	mint(token, sk, m, 0, good_footer, LG_IMPLICIT);
	refused(token, LG_ERR_SYNTAX, "an empty payload");
	mint(token, sk, m, 1, good_footer, LG_IMPLICIT);
	tap_ok(check(token, strlen(token), pk) == LG_OK, "a payload of 1 byte verifies");
	memset(token, 'A', sizeof(token));
	memcpy(token, "v4.public.", 10);
	tap_ok(check(token, LG_TOKEN_MAX + 1, pk) == LG_ERR_TOO_LONG, "bent: 4097 characters are refused");
	tap_ok(check(token, SIZE_MAX / 2, pk) == LG_ERR_TOO_LONG, "bent: the length alone refuses");
	tap_ok(lg_paseto_sign(small, sizeof(small), sk, (const uint8_t *) m, 100, NULL, 0, NULL, 0) == LG_ERR_SPACE &&
		   small[0] == '\0', "no room for the token is LG_ERR_SPACE");
	tap_ok(lg_paseto_sign(token, sizeof(token), sk, (const uint8_t *) m, 100, (const uint8_t *) m, SIZE_MAX - 7, NULL, 0)
		   == LG_ERR_TOO_LONG, "a length near the largest does not overflow");
}

/* S + L in place of S: the same equation holds, a strict verifier refuses (RFC 8032 section 5.1.7). */
static void
test_malleability(void)
{
	static const uint8_t order[32] = {
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10
	};
	LgTokenParts parts;
	uint8_t    *s;

	(void) lg_token_split(&parts, good, strlen(good));
	s = parts.body + parts.message_len + 32;
	sodium_add(s, order, 32);
	tap_ok(lg_token_verify(&parts, pk) == LG_ERR_AUTH, "bent: S + L is refused");
	sodium_sub(s, order, 32);
	tap_ok(lg_token_verify(&parts, pk) == LG_OK, "and S again is accepted");
	memset(s - 32, 0, 64);
	tap_ok(lg_token_verify(&parts, pk) == LG_ERR_AUTH, "bent: a signature of zeros is refused");
	memset(s - 32, 0xff, 64);
	tap_ok(lg_token_verify(&parts, pk) == LG_ERR_AUTH, "bent: a signature of ones is refused");
}

static const char *const small_order[] = {
	"0100000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000080",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
};

/*
 * Keys of small order: a lax verifier takes R = any point of small order,
 * S = 0 under them for one message in eight or for all.
 */
static void
test_small_order(void)
{
	size_t		k;

	for (k = 0; k < sizeof(small_order) / sizeof(small_order[0]); k++)
	{
		uint8_t		key[32];
		uint8_t		parsed[32];
		char		text[LG_PASERK_PUBLIC_CHARS + 1];
		LgTokenParts parts;
		size_t		r;
		size_t		accepted = 0;

		sodium_hex2bin(key, 32, small_order[k], 64, NULL, NULL, NULL);
		(void) lg_paserk_public_format(text, sizeof(text), key);
		tap_ok(lg_paserk_public_parse(parsed, text, strlen(text)) == LG_ERR_KEY && sodium_is_zero(parsed, 32),
			   "small order %zu: is no public key", k);
		(void) lg_token_split(&parts, good, strlen(good));
		(void) lg_paserk_pid(parts.kid, sizeof(parts.kid), key);
		for (r = 0; r < sizeof(small_order) / sizeof(small_order[0]); r++)
		{
			uint8_t    *sig = parts.body + parts.message_len;

			memset(sig, 0, 64);
			sodium_hex2bin(sig, 32, small_order[r], 64, NULL, NULL, NULL);
			accepted += lg_token_verify(&parts, key) != LG_ERR_AUTH;
		}
		tap_ok(accepted == 0, "small order %zu: verifies nothing", k);
	}
}

/* ---- keys as text ---- */

static void
test_public_keys(void)
{
	uint8_t		out[LG_ED25519_PUBLIC];
	uint8_t		torsion[32];
	uint8_t		mixed[32];
	char		text[LG_PASERK_PUBLIC_CHARS + 1];
	char		bent[128];
	size_t		n;
	size_t		accepted = 0;
	size_t		len = LG_PASERK_PUBLIC_CHARS;

	(void) lg_paserk_public_format(text, sizeof(text), pk);
	tap_ok(strlen(text) == len && lg_paserk_public_parse(out, text, len) == LG_OK && memcmp(out, pk, 32) == 0,
		   "a public key there and back");
	for (n = 0; n < len; n++)
		accepted += lg_paserk_public_parse(out, text, n) == LG_OK;
	tap_ok(accepted == 0, "every shorter public key is refused");
	snprintf(bent, sizeof(bent), "%sA", text);
	tap_ok(lg_paserk_public_parse(out, bent, len + 1) == LG_ERR_SYNTAX, "a longer public key is refused");
	snprintf(bent, sizeof(bent), "%s=", text);
	tap_ok(lg_paserk_public_parse(out, bent, len + 1) == LG_ERR_SYNTAX, "a padded public key is refused");
	snprintf(bent, sizeof(bent), "%s\n", text);
	tap_ok(lg_paserk_public_parse(out, bent, len + 1) == LG_ERR_SYNTAX, "a public key with a newline is refused");
	memcpy(bent, text, len);
	memcpy(bent, "k3.public.", 10);
	tap_ok(lg_paserk_public_parse(out, bent, len) == LG_ERR_SYNTAX, "a key of version 3 is refused");
	memcpy(bent, "k4.locals.", 10);
	tap_ok(lg_paserk_public_parse(out, bent, len) == LG_ERR_SYNTAX, "a key of another type is refused");
	tap_ok(lg_paserk_public_parse(out, kid, strlen(kid)) == LG_ERR_SYNTAX, "a key id is no key");
	tap_ok(lg_paserk_public_format(text, len, pk) == LG_ERR_SPACE, "no room for a public key");
	tap_ok(lg_paserk_pid(text, LG_PASERK_PID_CHARS, pk) == LG_ERR_SPACE, "no room for a key id");

	sodium_hex2bin(torsion, 32, small_order[6], 64, NULL, NULL, NULL);
	tap_ok(crypto_core_ed25519_add(mixed, pk, torsion) == 0 &&
		   lg_paserk_public_format(bent, sizeof(bent), mixed) == LG_OK &&
		   lg_paserk_public_parse(out, bent, len) == LG_ERR_KEY, "a key outside the main subgroup is refused");
}

static void
test_secret_keys(void)
{
	uint8_t		out[LG_ED25519_SECRET];
	uint8_t		wrong[LG_ED25519_SECRET];
	char		text[LG_PASERK_SECRET_CHARS + 1];
	char		token[8192];

	(void) lg_paserk_secret_format(text, sizeof(text), sk);
	tap_ok(lg_paserk_secret_parse(out, text, strlen(text)) == LG_OK && memcmp(out, sk, 64) == 0,
		   "a secret key there and back");
	tap_ok(lg_paserk_secret_parse(out, text, strlen(text) - 1) == LG_ERR_SYNTAX && sodium_is_zero(out, 64),
		   "a shorter secret key is refused and wiped");
	memcpy(wrong, sk, 64);
	wrong[40] ^= 1;
	(void) lg_paserk_secret_format(text, sizeof(text), wrong);
	tap_ok(lg_paserk_secret_parse(out, text, strlen(text)) == LG_ERR_KEY && sodium_is_zero(out, 64),
		   "a secret key with a foreign public half is refused");
	tap_ok(lg_paseto_sign(token, sizeof(token), wrong, (const uint8_t *) "m", 1, NULL, 0, NULL, 0) == LG_ERR_KEY &&
		   token[0] == '\0', "and signs nothing");
	tap_ok(lg_paserk_secret_wrap(token, sizeof(token), wrong, "pw", 2, 8192, 1) == LG_ERR_KEY, "and is not wrapped");
}

/* Rewrites the cost fields of a wrapped key; they are read before the tag. */
static void
costs_refused(const char *text, uint64_t mem, uint32_t time, uint32_t para, const char *label)
{
	uint8_t		blob[LG_PASERK_SECRET_PW_BYTES];
	uint8_t		out[LG_ED25519_SECRET];
	char		bent[LG_PASERK_SECRET_PW_CHARS + 1];
	size_t		n;
	int			i;
	LgStatus	st;

	(void) lg_b64url_decode(blob, sizeof(blob), &n, text + 13, strlen(text) - 13);
	for (i = 0; i < 8; i++)
		blob[16 + i] = (uint8_t) (mem >> (56 - 8 * i));
	for (i = 0; i < 4; i++)
	{
		blob[24 + i] = (uint8_t) (time >> (24 - 8 * i));
		blob[28 + i] = (uint8_t) (para >> (24 - 8 * i));
	}
	memcpy(bent, "k4.secret-pw.", 13);
	(void) lg_b64url_encode(bent + 13, sizeof(bent) - 13, blob, sizeof(blob));
	st = lg_paserk_secret_unwrap(out, bent, strlen(bent), "pw", 2);
	tap_ok(st == LG_ERR_SYNTAX, "a key file with %s is refused unread (%d)", label, st);
}

static void
test_wrapped_keys(void)
{
	uint8_t		out[LG_ED25519_SECRET];
	char		text[LG_PASERK_SECRET_PW_CHARS + 1];
	char		again[LG_PASERK_SECRET_PW_CHARS + 1];
	char		kept;
	size_t		accepted = 0;
	size_t		n;

	tap_ok(lg_paserk_secret_wrap(text, sizeof(text), sk, "pw", 2, 8192, 1) == LG_OK &&
		   strlen(text) == LG_PASERK_SECRET_PW_CHARS, "a key is wrapped");
	tap_ok(lg_paserk_secret_unwrap(out, text, strlen(text), "pw", 2) == LG_OK && memcmp(out, sk, 64) == 0,
		   "and unwrapped");
	tap_ok(lg_paserk_secret_wrap(again, sizeof(again), sk, "pw", 2, 8192, 1) == LG_OK && strcmp(again, text) != 0,
		   "wrapped again it looks different");
	tap_ok(lg_paserk_secret_unwrap(out, text, strlen(text), "pW", 2) == LG_ERR_AUTH && sodium_is_zero(out, 64),
		   "a wrong passphrase opens nothing");
	tap_ok(lg_paserk_secret_unwrap(out, text, strlen(text), "pw\0", 3) == LG_ERR_AUTH, "nor one with a NUL more");
	tap_ok(lg_paserk_secret_unwrap(out, text, strlen(text), "", 0) == LG_ERR_AUTH, "nor an empty one");
	for (n = 0; n < strlen(text); n++)
	{
		kept = text[n];
		text[n] = kept == 'A' ? 'B' : 'A';
		/* The memory field's upper digits may ask for megabytes: still only refused. */
		accepted += lg_paserk_secret_unwrap(out, text, strlen(text), "pw", 2) == LG_OK;
		text[n] = kept;
	}
	tap_ok(accepted == 0, "every changed character of a wrapped key is refused");
	tap_ok(lg_paserk_secret_unwrap(out, text, strlen(text) - 1, "pw", 2) == LG_ERR_SYNTAX, "a cut wrapped key is refused");
	costs_refused(text, UINT64_C(2) << 30, 1, 1, "2 GB of memory");
	costs_refused(text, UINT64_MAX, 1, 1, "the largest memory");
	costs_refused(text, 0, 1, 1, "no memory");
	costs_refused(text, 8193, 1, 1, "odd memory");
	costs_refused(text, 8192, 17, 1, "17 passes");
	costs_refused(text, 8192, UINT32_MAX, 1, "the most passes");
	costs_refused(text, 8192, 0, 1, "no pass");
	costs_refused(text, 8192, 1, 2, "two lanes");
	costs_refused(text, 8192, 1, 0, "no lane");
	tap_ok(lg_paserk_secret_wrap(again, sizeof(again), sk, "pw", 2, UINT64_C(2) << 30, 1) == LG_ERR_SYNTAX,
		   "and 2 GB are not written either");
	tap_ok(lg_paserk_secret_wrap(again, 100, sk, "pw", 2, 8192, 1) == LG_ERR_SPACE, "no room for a wrapped key");
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		vector_dir = argv[1];
	if (sodium_init() < 0)
		return 1;
	set_up();
	test_paseto_vectors();
	test_paserk_vectors();
	test_b64url();
	test_good_token();
	test_flips();
	test_body_flips();
	test_cuts();
	test_trailing_bits();
	test_alphabet();
	test_headers();
	test_footers();
	test_implicit_and_keys();
	test_sizes();
	test_malleability();
	test_small_order();
	test_public_keys();
	test_secret_keys();
	test_wrapped_keys();
	return tap_done();
}
