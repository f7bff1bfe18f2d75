/*-------------------------------------------------------------------------
 *
 * claims.c
 *		The claims of an export ticket: strict JSON to a struct, list names.
 *
 * The payload reaches this file only after its signature was checked, and is
 * not trusted for that: an approver's tool may be careless, and what cannot
 * be read in one way only is refused.  A scan over the bytes bounds nesting
 * before jansson, which recurses, sees them.
 *
 * No locking: no state.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "common/token.h"

#define JTI_CHARS			32
#define REQ_CHARS			64
#define FINGERPRINT_CHARS	40
#define IDENT_MAX			63	/* bytes of a PostgreSQL identifier */
#define PURPOSE_CHARS		200
#define MAX_DEPTH			2
/* The largest integer every JSON reader agrees on (RFC 7493 section 2.2). */
#define ROWS_MAX			INT64_C(9007199254740991)

static const char *const known_names[] = {
	"iss", "aud", "sub", "jti", "iat", "nbf", "exp",
	"lg:list", "lg:cols", "lg:max", "lg:purpose", "lg:req", "lg:to", "lg:until"
};

/* State of one parse; next and left are the unused rest of claims->block. */
typedef struct Reader
{
	LgClaims   *claims;
	const json_t *object;
	char	   *next;
	size_t		left;
	const char *why;			/* first fault, or NULL */
} Reader;

static void
fault(Reader *rd, const char *why)
{
	if (rd->why == NULL)
		rd->why = why;
}

/* Nesting at most MAX_DEPTH; brackets inside strings do not count. */
static bool
depth_acceptable(const uint8_t *json, size_t len)
{
	int			depth = 0;
	bool		in_string = false;
	size_t		i;

	for (i = 0; i < len; i++)
	{
		if (in_string)
		{
			if (json[i] == '\\')
				i++;
			else if (json[i] == '"')
				in_string = false;
		}
		else if (json[i] == '"')
			in_string = true;
		else if (json[i] == '{' || json[i] == '[')
		{
			if (++depth > MAX_DEPTH)
				return false;
		}
		else if (json[i] == '}' || json[i] == ']')
			depth--;
	}
	return true;
}

/* C0, DEL and C1 controls: they would deceive whoever reads audit or terminal. */
static bool
has_controls(const char *s)
{
	const unsigned char *p = (const unsigned char *) s;

	for (; *p != '\0'; p++)
	{
		if (*p < 0x20 || *p == 0x7F || (*p == 0xC2 && p[1] >= 0x80 && p[1] <= 0x9F))
			return true;
	}
	return false;
}

static size_t
count_code_points(const char *s)
{
	size_t		n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char) *s & 0xC0) != 0x80;
	return n;
}

/* Exactly n digits 0-9 a-f. */
static bool
is_lower_hex(const char *s, size_t n)
{
	return strlen(s) == n && strspn(s, "0123456789abcdef") == n;
}

/* Copies a JSON string of 1 to max bytes into the block; NULL and a fault otherwise. */
static char *
copy_string(Reader *rd, const json_t *value, size_t max, const char *why)
{
	const char *s = json_string_value(value);
	size_t		len = s == NULL ? 0 : json_string_length(value);
	char	   *copy = rd->next;

	if (len == 0 || len > max || len >= rd->left || memchr(s, '\0', len) != NULL || has_controls(s))
	{
		fault(rd, why);
		return NULL;
	}
	memcpy(copy, s, len);
	copy[len] = '\0';
	rd->next += len + 1;
	rd->left -= len + 1;
	return copy;
}

static char *
take_string(Reader *rd, const char *name, size_t max, const char *why)
{
	return copy_string(rd, json_object_get(rd->object, name), max, why);
}

static int64_t
take_time(Reader *rd, const char *name, const char *why)
{
	const json_t *value = json_object_get(rd->object, name);
	int64_t		usec = 0;

	if (!json_is_string(value) ||
		lg_rfc3339_parse(&usec, json_string_value(value), json_string_length(value)) != LG_OK)
		fault(rd, why);
	return usec;
}

static void
take_jti(Reader *rd)
{
	const json_t *value = json_object_get(rd->object, "jti");
	const char *s = json_string_value(value);
	int			i;

	if (s == NULL || json_string_length(value) != JTI_CHARS || !is_lower_hex(s, JTI_CHARS))
	{
		fault(rd, "jti is not 32 lower-case hex digits");
		return;
	}
	for (i = 0; i < JTI_CHARS; i++)
	{
		int			digit = s[i] <= '9' ? s[i] - '0' : s[i] - 'a' + 10;

		rd->claims->jti[i / 2] = (uint8_t) (rd->claims->jti[i / 2] << 4 | digit);
	}
}

static void
take_max(Reader *rd)
{
	const json_t *value = json_object_get(rd->object, "lg:max");
	json_int_t	n = json_integer_value(value);

	if (!json_is_integer(value) || n < 1 || n > ROWS_MAX)
		fault(rd, "lg:max is not a whole number of rows");
	else
		rd->claims->max_rows = n;
}

/* Array of 1 to max strings into items; returns how many. */
static int
take_array(Reader *rd, const char *name, char **items, size_t max_items, size_t max_len, const char *why)
{
	const json_t *array = json_object_get(rd->object, name);
	size_t		n = json_array_size(array);
	size_t		i;
	size_t		k;

	if (!json_is_array(array) || n < 1 || n > max_items)
	{
		fault(rd, why);
		return 0;
	}
	for (i = 0; i < n; i++)
	{
		items[i] = copy_string(rd, json_array_get(array, i), max_len, why);
		if (items[i] == NULL)
			return 0;
		for (k = 0; k < i; k++)
		{
			if (strcmp(items[i], items[k]) == 0)
			{
				fault(rd, why);
				return 0;
			}
		}
	}
	return (int) n;
}

static void
take_lists(Reader *rd)
{
	LgClaims   *c = rd->claims;
	LgListName	name;
	int			i;

	c->n_lists = take_array(rd, "lg:list", c->lists, LG_CLAIM_LISTS_MAX, LG_NAME_MAX * 3,
							"lg:list is not an array of different list names");
	for (i = 0; i < c->n_lists; i++)
	{
		if (lg_list_name_parse(&name, c->lists[i]) != LG_OK)
			fault(rd, "lg:list holds a text that is not a list name");
	}
}

static void
take_cols(Reader *rd)
{
	LgClaims   *c = rd->claims;
	int			i;

	c->n_cols = take_array(rd, "lg:cols", c->cols, LG_CLAIM_COLS_MAX, IDENT_MAX,
						   "lg:cols is not an array of different column names");
	for (i = 0; i < c->n_cols && c->n_cols > 1; i++)
	{
		if (strcmp(c->cols[i], "*") == 0)
			fault(rd, "lg:cols names all columns and others beside");
	}
}

static void
take_optional(Reader *rd)
{
	LgClaims   *c = rd->claims;

	if (json_object_get(rd->object, "lg:req") != NULL)
	{
		c->req = take_string(rd, "lg:req", REQ_CHARS, "lg:req is not a digest");
		if (c->req != NULL && !is_lower_hex(c->req, REQ_CHARS))
			fault(rd, "lg:req is not 64 lower-case hex digits");
	}
	if (json_object_get(rd->object, "lg:to") != NULL)
	{
		c->to = take_string(rd, "lg:to", FINGERPRINT_CHARS, "lg:to is not a fingerprint");
		if (c->to != NULL && !is_lower_hex(c->to, FINGERPRINT_CHARS))
			fault(rd, "lg:to is not 40 lower-case hex digits");
	}
	if (json_object_get(rd->object, "lg:until") != NULL)
	{
		c->until = take_time(rd, "lg:until", "lg:until is not a time");
		if (c->until == 0)
			fault(rd, "lg:until is not a time after 1970");
	}
}

static void
take_all(Reader *rd)
{
	LgClaims   *c = rd->claims;

	c->iss = take_string(rd, "iss", LG_NAME_MAX - 1, "iss is not a name");
	c->aud = take_string(rd, "aud", LG_NAME_MAX - 1, "aud is not an audience");
	c->sub = take_string(rd, "sub", IDENT_MAX, "sub is not a role name");
	take_jti(rd);
	c->iat = take_time(rd, "iat", "iat is not a time");
	c->nbf = take_time(rd, "nbf", "nbf is not a time");
	c->exp = take_time(rd, "exp", "exp is not a time");
	if (c->exp <= c->iat || c->exp <= c->nbf)
		fault(rd, "exp is not after iat and nbf");
	take_lists(rd);
	take_cols(rd);
	take_max(rd);
	c->purpose = take_string(rd, "lg:purpose", PURPOSE_CHARS * 4, "lg:purpose is not a text");
	if (c->purpose != NULL && count_code_points(c->purpose) > PURPOSE_CHARS)
		fault(rd, "lg:purpose is longer than 200 characters");
	take_optional(rd);
}

static void
refuse_unknown(Reader *rd)
{
	void	   *iter;
	size_t		i;
	const size_t n = sizeof(known_names) / sizeof(known_names[0]);

	for (iter = json_object_iter((json_t *) rd->object); iter != NULL;
		 iter = json_object_iter_next((json_t *) rd->object, iter))
	{
		for (i = 0; i < n; i++)
		{
			if (strcmp(json_object_iter_key(iter), known_names[i]) == 0)
				break;
		}
		if (i == n)
			fault(rd, "a claim's name is unknown");
	}
}

/*
 * lg_claims_parse
 *		The claims of a ticket's payload.
 *
 * LG_ERR_TOO_LONG over LG_PAYLOAD_MAX, LG_ERR_SYNTAX for what is not one JSON
 * object of our shape (duplicate names, NUL, lone surrogates, numbers out of
 * range, trailing data), LG_ERR_CLAIM for a claim that is missing, unknown or
 * ill-typed, LG_ERR_MEMORY.  *why is a static text, NULL on success.  The
 * memory is malloc's: a caller in the server must free it on every way out.
 */
LgStatus
lg_claims_parse(LgClaims *claims, const uint8_t *json, size_t len, const char **why)
{
	Reader		rd = {claims, NULL, NULL, 0, NULL};
	json_error_t error;
	json_t	   *root;

	memset(claims, 0, sizeof(*claims));
	*why = "payload is too long";
	if (len > LG_PAYLOAD_MAX)
		return LG_ERR_TOO_LONG;
	*why = "payload is nested too deeply";
	if (!depth_acceptable(json, len))
		return LG_ERR_SYNTAX;
	*why = "payload is not one JSON object with distinct names";
	root = json_loadb((const char *) json, len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(root))
	{
		json_decref(root);
		return LG_ERR_SYNTAX;
	}

	/* No decoded string is longer than its spelling with the two quotes. */
	*why = "out of memory";
	claims->block = malloc(len);
	if (claims->block == NULL)
	{
		json_decref(root);
		return LG_ERR_MEMORY;
	}
	rd.object = root;
	rd.next = claims->block;
	rd.left = len;
	refuse_unknown(&rd);
	take_all(&rd);
	json_decref(root);
	*why = rd.why;
	if (rd.why == NULL)
		return LG_OK;
	lg_claims_free(claims);
	return LG_ERR_CLAIM;
}

/*
 * lg_claims_free
 *		Free what lg_claims_parse allocated; the struct is zero afterwards.
 */
void
lg_claims_free(LgClaims *claims)
{
	free(claims->block);
	memset(claims, 0, sizeof(*claims));
}

/*
 * Length of one identifier as quote_ident writes it, 0 if there is none:
 * [a-z_][a-z0-9_]* or text in double quotes, a quote inside doubled; at most
 * IDENT_MAX bytes of name.
 */
static size_t
scan_ident(const char *s)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz_";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
	size_t		bytes = 0;
	const char *p;

	if (*s != '"')
	{
		bytes = strspn(s, first) == 0 ? 0 : strspn(s, rest);
		return bytes <= IDENT_MAX ? bytes : 0;
	}
	for (p = s + 1; *p != '\0'; p++, bytes++)
	{
		if (*p == '"' && *++p != '"')
			return bytes >= 1 && bytes <= IDENT_MAX ? (size_t) (p - s) : 0;
	}
	return 0;
}

/* Length of "schema.table" at the start of s, 0 if there is none. */
static size_t
scan_table(const char *s)
{
	size_t		schema = scan_ident(s);
	size_t		table;

	if (schema == 0 || s[schema] != '.')
		return 0;
	table = scan_ident(s + schema + 1);
	return table == 0 ? 0 : schema + 1 + table;
}

/* The characters a value may hold as they are (RFC 3986 section 2.3). */
static bool
is_unreserved(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '.' || c == '_' || c == '~';
}

static int
upper_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/*
 * Decodes a value up to '#'; returns where it stops, NULL for any but the one
 * spelling lg_list_name_format writes.
 */
static const char *
decode_value(char *out, size_t out_size, const char *p)
{
	size_t		n = 0;

	for (; *p != '#'; p++)
	{
		unsigned char c = (unsigned char) *p;

		if (c == '%')
		{
			int			high = upper_hex_digit(p[1]);
			int			low = high < 0 ? -1 : upper_hex_digit(p[2]);

			if (low < 0)
				return NULL;
			c = (unsigned char) (high << 4 | low);
			if (c == '\0' || is_unreserved(c))
				return NULL;
			p += 2;
		}
		else if (!is_unreserved(c))
			return NULL;
		if (n + 1 >= out_size)
			return NULL;
		out[n++] = (char) c;
	}
	out[n] = '\0';
	return p;
}

/* Decimal 1 to 4294967295 without leading zeros, to the end of the text; 0 if not. */
static uint32_t
decode_list_no(const char *p)
{
	uint64_t	n = 0;
	const char *start = p;

	if (*p == '0')
		return 0;
	for (; *p >= '0' && *p <= '9' && p - start < 10; p++)
		n = n * 10 + (uint64_t) (*p - '0');
	return *p == '\0' && n <= UINT32_MAX ? (uint32_t) n : 0;
}

/*
 * lg_list_name_parse
 *		Parts of one name of lg:list.
 *
 * LG_ERR_SYNTAX for any but the spelling lg_list_name_format writes (a table
 * name may be quoted without need); *out is then all zero.
 */
LgStatus
lg_list_name_parse(LgListName *out, const char *text)
{
	size_t		table = scan_table(text);
	const char *p = text + table;

	memset(out, 0, sizeof(*out));
	if (table == 0 || table >= sizeof(out->table))
		return LG_ERR_SYNTAX;
	memcpy(out->table, text, table);
	if (p[0] == '/' && p[1] == '*')
	{
		out->star = true;
		p += 2;
	}
	else if (p[0] == '/')
	{
		out->has_value = true;
		p = decode_value(out->value, sizeof(out->value), p + 1);
	}
	if (p != NULL && *p == '#')
		out->list_no = decode_list_no(p + 1);
	if (out->list_no == 0)
	{
		memset(out, 0, sizeof(*out));
		return LG_ERR_SYNTAX;
	}
	return LG_OK;
}

/* Percent-encodes value at out[at]; returns the new end, or out_size if it does not fit. */
static size_t
encode_value(char *out, size_t out_size, size_t at, const char *value)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *value != '\0'; value++)
	{
		unsigned char c = (unsigned char) *value;

		if (out_size - at <= 3)
			return out_size;
		if (is_unreserved(c))
			out[at++] = (char) c;
		else
		{
			out[at++] = '%';
			out[at++] = hex[c >> 4];
			out[at++] = hex[c & 15];
		}
	}
	return at;
}

/*
 * lg_list_name_format
 *		One name of lg:list, NUL-terminated.
 *
 * name->table is as quote_ident writes schema and table.  LG_ERR_SYNTAX if it
 * is not, if star and value are both there or the number is 0; LG_ERR_SPACE.
 */
LgStatus
lg_list_name_format(char *out, size_t out_size, const LgListName *name)
{
	size_t		at = scan_table(name->table);
	int			n;

	if (at == 0 || name->table[at] != '\0' || name->list_no == 0 || (name->star && name->has_value))
		return LG_ERR_SYNTAX;
	if (out_size < at + sizeof("/*"))
		return LG_ERR_SPACE;
	memcpy(out, name->table, at);
	if (name->star || name->has_value)
		out[at++] = '/';
	if (name->star)
		out[at++] = '*';
	if (name->has_value)
		at = encode_value(out, out_size, at, name->value);
	if (at >= out_size)
		return LG_ERR_SPACE;
	n = snprintf(out + at, out_size - at, "#%lu", (unsigned long) name->list_no);
	return n > 0 && (size_t) n < out_size - at ? LG_OK : LG_ERR_SPACE;
}
