/*-------------------------------------------------------------------------
 *
 * seal.c
 *		Make a sealed value from text, open one, move one to another list.
 *
 * Values hold UTF-8 whatever the database's encoding is, so that tokens and
 * dumps fit everywhere.  Plaintext in memory of our own is wiped; what the
 * executor was given is the executor's.  Keys are asked for one at a time: a
 * pointer from the keyring is good until the next lg_key_* call.
 *
 * Private to the backend: no locks.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "common/normal.h"
#include "errcodes.h"
#include "key/keyring.h"
#include "policy/home.h"
#include "policy/registry.h"
#include "row/road.h"
#include "type/type.h"
#include "worker/worker.h"

/* Normalised text up to this size needs no allocation. */
#define SMALL_NORMAL	2048

#define NOTE_MS	10000			/* wait for the worker */

typedef struct Normal
{
	char		small[SMALL_NORMAL];
	char	   *text;			/* small, or palloc'd */
	size_t		len;
	size_t		domain_off;		/* of an address */
} Normal;

const char *
lg_sealed_type_name(int type)
{
	switch (type)
	{
		case LG_TYPE_EMAIL:
			return "sealed_email";
		case LG_TYPE_LOOKUP:
			return "sealed_lookup";
		case LG_TYPE_TEXT:
			return "sealed_text";
	}
	elog(ERROR, "unknown sealed type %d", type);
	return NULL;
}

void
lg_sealed_view(LgValueView *view, struct varlena *value)
{
	if (lg_value_parse(view, (const uint8_t *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)) != LG_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("sealed value is malformed")));
}

/*
 * lg_sealed_key_id
 *		Which key sealed this value?  Nothing but the fixed header is fetched.
 */
uint32
lg_sealed_key_id(Datum value)
{
	struct varlena *copy;
	const uint8 *p = lg_sealed_head(value, LG_FIXED_HEADER_BYTES, &copy);
	uint32		key_id;

	if (p == NULL || p[0] != LG_VALUE_VERSION)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("sealed value is malformed")));
	key_id = (uint32) p[4] << 24 | (uint32) p[5] << 16 | (uint32) p[6] << 8 | (uint32) p[7];
	lg_sealed_head_done(copy);
	return key_id;
}

/*
 * Characters before a byte offset of UTF-8 text, plus one: what a person calls
 * the position.
 */
static int
position_of(const char *text, size_t len, size_t offset)
{
	int			position = 1;

	for (size_t i = 0; i < offset && i < len; i++)
		if (((unsigned char) text[i] & 0xC0) != 0x80)
			position++;
	return position;
}

static const char *
why_of(LgStatus status)
{
	switch (status)
	{
		case LG_ERR_UNASSIGNED:
			return "The character is not assigned in the Unicode version in use.";
		case LG_ERR_ENCODING:
			return "The text is not well-formed UTF-8.";
		case LG_ERR_TOO_LONG:
			return "The text is too long.";
		default:
			return "The text is not of the required form.";
	}
}

/*
 * The text itself is never part of the message: it may be an address, and
 * messages go to the log.  Where the caller of an input function takes errors
 * softly (16 on), these return, and so do their callers, with nothing made.
 */
static void
refuse_text(Node *soft, int type, int position, const char *why)
{
	lg_errsave(soft,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input for type %s", lg_sealed_type_name(type)),
			 errdetail("At character %d: %s", position, why)));
}

static void
refuse_mask(Node *soft, int type)
{
	lg_errsave(soft,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input for type %s", lg_sealed_type_name(type)),
			 errdetail("The text is a mask, as shown to roles that may not see the value itself."),
			 errhint("Leave the column out of the INSERT or UPDATE, or use a role that holds \"reveal\".")));
}

/*
 * normalise
 *		The form that the token is made of; 22P02, or false, if the text has none.
 */
static bool
normalise(Normal *normal, int type, const char *text, size_t len, Node *soft)
{
	size_t		bound;
	size_t		err_pos = 0;
	const char *why = NULL;
	LgStatus	status;

	if (type == LG_TYPE_EMAIL && len > LG_MAX_ADDRESS_BYTES)
	{
		refuse_text(soft, type, position_of(text, len, LG_MAX_ADDRESS_BYTES),
					"The address is longer than 1024 octets.");
		return false;
	}
	bound = LG_NORMAL_BOUND(len);
	normal->text = bound <= SMALL_NORMAL ? normal->small : palloc(bound);
	if (type == LG_TYPE_EMAIL)
		status = lg_address_normal(normal->text, bound, &normal->len, &normal->domain_off,
								   text, len, &err_pos, &why);
	else
		status = lg_normal_text(normal->text, bound, &normal->len, text, len, &err_pos);
	if (status != LG_OK)
		refuse_text(soft, type, position_of(text, len, err_pos), why != NULL ? why : why_of(status));
	return status == LG_OK;
}

static void
normal_done(Normal *normal)
{
	sodium_memzero(normal->text, normal->len);
	if (normal->text != normal->small)
		pfree(normal->text);
}

/* What is made of a text under the database's index key. */
typedef struct Tokens
{
	uint8		token[LG_TOKEN_BYTES];
	uint8		domain[LG_DOMAIN_TOKEN_BYTES];
} Tokens;

/*
 * make_tokens
 *		Put the tokens of in->text into in; with_domain is for addresses only.
 */
static bool
make_tokens(LgSealInput *in, Tokens *tokens, bool with_domain, Node *soft)
{
	Normal		normal;
	const LgIndexKeys *keys;

	if (!normalise(&normal, in->type, in->text, in->text_len, soft))
		return false;
	keys = lg_index_keys();
	lg_token_make(tokens->token, in->type == LG_TYPE_EMAIL ? keys->email : keys->lookup,
				  in->type, normal.text, normal.len);
	in->token = tokens->token;
	in->epoch = keys->epoch;
	if (with_domain)
	{
		lg_domain_token_make(tokens->domain, keys->domain, normal.text + normal.domain_off,
							 normal.len - normal.domain_off);
		in->domain_token = tokens->domain;
	}
	normal_done(&normal);
	return true;
}

/*
 * seal_under
 *		Seal what has been prepared under a list's current key.
 */
static struct varlena *
seal_under(LgSealInput *in, int32 list_no)
{
	const LgKey *key = lg_key_for_list(list_no);
	struct varlena *value;
	size_t		size;

	in->key_id = key->key_id;
	size = lg_value_sealed_size(in);
	if (size == 0)
		elog(ERROR, "value cannot be sealed");
	value = palloc(VARHDRSZ + size);
	SET_VARSIZE(value, VARHDRSZ + size);
	if (lg_value_seal((uint8_t *) VARDATA(value), size, key->keys, in) != LG_OK)
		elog(ERROR, "value could not be sealed");
	return value;
}

/*
 * make_from_utf8
 *		As make(), of UTF-8.
 */
static struct varlena *
make_from_utf8(int type, const char *text, size_t len, int32 list_no, Node *soft)
{
	Tokens		tokens;
	LgSealInput in;

	if (lg_mask_is(text, len))
	{
		refuse_mask(soft, type);
		return NULL;
	}
	if (len > LG_MAX_TEXT_BYTES)
	{
		refuse_text(soft, type, position_of(text, len, LG_MAX_TEXT_BYTES), why_of(LG_ERR_TOO_LONG));
		return NULL;
	}
	memset(&in, 0, sizeof(in));
	in.type = (uint8) type;
	in.text = text;
	in.text_len = len;
	if (type != LG_TYPE_TEXT &&
		!make_tokens(&in, &tokens, type == LG_TYPE_EMAIL && lg_domain_kept(list_no), soft))
		return NULL;
	return seal_under(&in, list_no);
}

/* NULL where an error was taken softly. */
static struct varlena *
make(int type, const char *text, size_t len, int32 list_no, Node *soft)
{
	char	   *utf8;
	struct varlena *value;

	lg_require_preload();
	utf8 = pg_server_to_any(text, (int) len, PG_UTF8);
	if (utf8 == text)
		return make_from_utf8(type, text, len, list_no, soft);
	len = strlen(utf8);
	value = make_from_utf8(type, utf8, len, list_no, soft);
	sodium_memzero(utf8, len);
	pfree(utf8);
	return value;
}

struct varlena *
lg_sealed_make(int type, const char *text, size_t len, int32 list_no)
{
	return make(type, text, len, list_no, NULL);
}

void
lg_sealed_open_utf8(char *text, size_t *len, const LgValueView *view)
{
	const LgKey *key = lg_key_by_id(view->key_id, false);

	if (lg_value_open(text, len, key->keys, view) != LG_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("sealed value was altered")));
}

char *
lg_sealed_open(const LgValueView *view, size_t *len)
{
	char	   *text = palloc(lg_value_text_bound(view) + 1);
	char	   *converted;

	lg_sealed_open_utf8(text, len, view);
	text[*len] = '\0';
	converted = pg_any_to_server(text, (int) *len, PG_UTF8);
	if (converted != text)
	{
		sodium_memzero(text, *len);
		pfree(text);
		*len = strlen(converted);
	}
	return converted;
}

/* ---- armour ---- */

bool
lg_armour_accepted(void)
{
	return IsLogicalWorker() || lg_has_backup(GetUserId());
}

static void
refuse_armour(Node *soft, int type, LgStatus status)
{
	lg_errsave(soft,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid armour for type %s", lg_sealed_type_name(type)),
			 errdetail("%s",
					   status == LG_ERR_KEYSET ? "The value belongs to another keyset." :
					   status == LG_ERR_AUTH ? "The value was damaged or altered." :
					   "It is malformed, of another type, or was made without its token.")));
}

/*
 * authenticate
 *		Open a value that came as armour, if its key can be had.
 *
 * Stored unopened, for check_sealed() to look at later: a key that is not here
 * yet (a restore under way, a subscriber without keys), that cannot be
 * unwrapped now, or that has been destroyed.
 */
static bool
authenticate(int type, const LgValueView *view, Node *soft)
{
	const LgKey *key;
	char	   *text;
	size_t		len;
	LgStatus	status;

	if (!lg_rootkey_available() || lg_key_state(view->key_id) != LG_KEY_LIVE)
		return true;
	key = lg_key_by_id(view->key_id, false);
	text = palloc(lg_value_text_bound(view));
	status = lg_value_open(text, &len, key->keys, view);
	sodium_memzero(text, lg_value_text_bound(view));
	pfree(text);
	if (status != LG_OK)
		refuse_armour(soft, type, LG_ERR_AUTH);
	return status == LG_OK;
}

/*
 * note_keyset
 *		Rows are replicated to where there is no keyset: remember whose they are,
 *		so that they can be replicated and dumped from here.
 *
 * By the worker, in a transaction of its own: others that apply rows at the
 * same time wait for nobody's end.
 */
static void
note_keyset(int type, const uint8_t there[LG_KEYSET_BYTES])
{
	uint8_t		noted[LG_KEYSET_BYTES];
	char		hex[2 * LG_KEYSET_BYTES + 1];

	sodium_bin2hex(hex, sizeof(hex), there, LG_KEYSET_BYTES);
	if (!lg_worker_request(LG_WORK_KEYSET, InvalidOid, hex, NOTE_MS))
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("could not note which keyset replicated values belong to"),
				 errhint("See the server log.")));
	AcceptInvalidationMessages();
	if (!lg_keyset_of_values(noted) || memcmp(noted, there, LG_KEYSET_BYTES) != 0)
		refuse_armour(NULL, type, LG_ERR_KEYSET);
}

/*
 * from_armour
 *		The value that an armour holds, under the key that it was sealed with.
 */
static struct varlena *
from_armour(int type, const char *text, size_t len, Node *soft)
{
	uint8_t		here[LG_KEYSET_BYTES];
	uint8_t		there[LG_KEYSET_BYTES];
	bool		known;
	bool		noted;
	LgValueView view;
	LgStatus	status;
	size_t		value_len;
	struct varlena *value;

	if (!lg_armour_accepted())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to store armoured values"),
				 errdetail("Armour is accepted from sessions that hold \"backup\" and from logical replication.")));
	known = lg_keyset_id(here);
	noted = known || lg_keyset_of_values(here);
	value = palloc(VARHDRSZ + len);
	status = lg_armour_decode((uint8_t *) VARDATA(value), &value_len, there, noted ? here : NULL, text, len);
	if (status != LG_OK)
	{
		refuse_armour(soft, type, status);
		return NULL;
	}
	SET_VARSIZE(value, VARHDRSZ + value_len);
	lg_sealed_view(&view, value);
	if (view.type != type)
	{
		refuse_armour(soft, type, LG_ERR_SYNTAX);
		return NULL;
	}
	if (known && !authenticate(type, &view, soft))
		return NULL;
	if (!noted && IsLogicalWorker())
		note_keyset(type, there);
	return value;
}

/* ---- into which list ---- */

static bool
target_allowed(Oid userid, int32 list_no)
{
	return lg_grant_on_list(userid, list_no, LG_PRIV_INSERT) ||
		lg_grant_on_list(userid, list_no, LG_PRIV_UPDATE) ||
		lg_has_backup(userid);
}

/*
 * lg_sealed_check_target
 *		May the current user seal under this list?
 *
 * Equal texts under one key are equal bytes.  Could anybody cast guesses to
 * sealed_email(list), he could compare them with what a stolen dump holds.
 */
void
lg_sealed_check_target(int32 list_no)
{
	static uint64 generation = 0;
	static Oid	userid = InvalidOid;
	static int32 allowed = 0;

	if (allowed == list_no && userid == GetUserId() && generation == lg_registry_generation)
		return;
	if (lg_is_internal() || lg_in_worker() || IsLogicalWorker())
		return;
	if (!target_allowed(GetUserId(), list_no))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to seal values under list %d", list_no),
				 errhint("Ask for \"insert\" or \"update\" on that list, with listguard.grant_access().")));
	generation = lg_registry_generation;
	userid = GetUserId();
	allowed = list_no;
}

struct varlena *
lg_sealed_input(int type, const char *text, size_t len, int32 list_no)
{
	return lg_sealed_input_soft(type, text, len, list_no, NULL);
}

/*
 * lg_sealed_input_soft
 *		As lg_sealed_input(), but bad input is told to soft, if that is an
 *		ErrorSaveContext: then NULL.
 */
struct varlena *
lg_sealed_input_soft(int type, const char *text, size_t len, int32 list_no, Node *soft)
{
	lg_require_preload();
	if (lg_armour_is(text, len))
		return from_armour(type, text, len, soft);
	if (list_no < 0)
		return make(type, text, len, lg_default_list(), soft);
	lg_sealed_check_target(list_no);
	return make(type, text, len, list_no, soft);
}

/* ---- from list to list ---- */

/*
 * reseal
 *		The same text under a list's current key, with or without domain token.
 */
static struct varlena *
reseal(struct varlena *value, int32 list_no, LgDomainWish wish)
{
	Tokens		tokens;
	LgValueView view;
	LgSealInput in;
	const LgKey *key;
	char	   *text;
	size_t		bound;
	struct varlena *moved;

	lg_sealed_view(&view, value);
	bound = lg_value_text_bound(&view);
	text = palloc(bound);
	memset(&in, 0, sizeof(in));
	key = lg_key_by_id(view.key_id, false);
	if (lg_value_open(text, &in.text_len, key->keys, &view) != LG_OK)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("sealed value was altered")));
	in.type = view.type;
	in.text = text;
	in.epoch = view.epoch;
	in.token = view.token;
	if (wish != LG_DOMAIN_NO)
		in.domain_token = view.domain_token;
	if (wish == LG_DOMAIN_YES && view.domain_token == NULL)
		(void) make_tokens(&in, &tokens, true, NULL);
	moved = seal_under(&in, list_no);
	sodium_memzero(text, bound);
	pfree(text);
	return moved;
}

struct varlena *
lg_sealed_reseal(struct varlena *value, int32 list_no)
{
	return reseal(value, list_no, LG_DOMAIN_KEEP);
}

/* Has the value a domain token where it should have none, or none where it should? */
static bool
domain_differs(Datum value, LgDomainWish wish)
{
	struct varlena *copy;
	const uint8 *p;
	bool		has;

	if (wish == LG_DOMAIN_KEEP)
		return false;
	p = lg_sealed_head(value, LG_FIXED_HEADER_BYTES, &copy);
	has = p != NULL && (p[2] & LG_FLAG_DOMAIN) != 0;
	lg_sealed_head_done(copy);
	return has != (wish == LG_DOMAIN_YES);
}

/*
 * reveal_for_move
 *		A value leaves its list for another one: to be allowed and charged.
 *
 * A cascading foreign key runs as the owner of the table that refers; who moves
 * the value is the role that changed the key.
 */
static void
reveal_for_move(int32 from)
{
	Oid			userid = InNoForceRLSOperation() ? GetOuterUserId() : GetUserId();

	lg_home_require();
	if (!lg_reveal_allowed(userid, from))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to move a sealed value to another list"),
				 errdetail("That is a reveal on the list it comes from."),
				 errhint("Ask for \"reveal\" on that list, with listguard.grant_access().")));
	lg_meter_reveal(from);
}

Datum
lg_sealed_place(Datum value, int32 list_no, LgDomainWish wish)
{
	uint32		key_id = lg_sealed_key_id(value);
	int32		from = lg_key_list(key_id);

	/* Within its list a value that cannot be opened stays as it is. */
	if (from == list_no &&
		(!domain_differs(value, wish) || lg_key_state(key_id) != LG_KEY_LIVE))
		return value;
	if (from < 0)
	{
		/* A restore or a subscriber: the key is to come. */
		if (lg_armour_accepted())
			return value;
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("key %u is not in this database", key_id)));
	}
	if (from != list_no && from != lg_default_list())
		reveal_for_move(from);
	return PointerGetDatum(reseal(PG_DETOAST_DATUM_PACKED(value), list_no, wish));
}

Datum
lg_sealed_move(Datum value, int32 list_no)
{
	return lg_sealed_place(value, list_no, LG_DOMAIN_KEEP);
}
