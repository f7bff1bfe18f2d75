/*-------------------------------------------------------------------------
 *
 * show.c
 *		In which form does a sealed value leave?
 *
 * Clear or masked text is made on two roads only: a row on its way to the
 * client, which the guard says by lg_road_current(), and an explicit cast.
 * All other callers of an output function (error texts, EXPLAIN, format(),
 * statistics) get armour.  COPY never writes a mask, which would look like
 * data to whoever loads the file.
 *
 * Private to the backend: no locks.
 *
 *-------------------------------------------------------------------------
 */
#include "compat.h"

#include <sodium.h>

#include "access/xlog.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "replication/walsender.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#include "common/normal.h"
#include "errcodes.h"
#include "guc.h"
#include "key/keyring.h"
#include "key/shred.h"
#include "policy/home.h"
#include "policy/registry.h"
#include "row/road.h"
#include "type/type.h"

/* A replica gets what is stored, whatever road the row is on. */
static bool
replicating(void)
{
	return am_walsender || HistoricSnapshotActive();
}

/*
 * The armour with token is a dictionary of equal values, and can be stored
 * again: for dumps and replicas only.
 */
static bool
token_allowed(void)
{
	if (replicating())
		return true;
	return lg_output_mode() == LG_OUTPUT_SEALED && lg_has_backup(GetUserId());
}

/*
 * armour
 *		A value as armour, with its token where that is allowed.
 */
static char *
armour(struct varlena *value, const LgValueView *view)
{
	uint8		kind = token_allowed() ? LG_ARMOUR_FULL : LG_ARMOUR_NO_TOKEN;
	uint8_t		keyset[LG_KEYSET_BYTES];
	size_t		value_len = VARSIZE_ANY_EXHDR(value);
	size_t		size = lg_armour_size(view, value_len, kind);
	char	   *out = palloc(size);

	if (!lg_keyset_of_values(keyset))
	{
		if (kind == LG_ARMOUR_FULL)
			ereport(ERROR,
					(errcode(ERRCODE_LG_KEY),
					 errmsg("this database holds sealed values, but no keyset"),
					 errhint("Restore the tables of schema listguard first.")));
		memset(keyset, 0, sizeof(keyset));
	}
	if (lg_armour_encode(out, size, kind, keyset, (const uint8_t *) VARDATA_ANY(value), value_len) != LG_OK)
		elog(ERROR, "sealed value could not be armoured");
	return out;
}

/* The mask that shows nothing. */
static char *
blank_mask(void)
{
	char	   *out = palloc(8);

	if (lg_mask_text(out, 8) != LG_OK)
		elog(ERROR, "mask does not fit");
	return out;
}

/*
 * mask
 *		What a role without "reveal" sees.
 *
 * Where the key is gone or not here, or the value is no address, nothing of
 * the text is shown.  It is opened on the stack and wiped before anything can
 * fail; what is longer than any address is not opened.
 */
static char *
mask(const LgValueView *view)
{
	char		text[LG_MAX_ADDRESS_BYTES + LG_TAG_BYTES];
	char	   *out;
	size_t		len;
	size_t		size;
	LgStatus	status;

	if (view->type != LG_TYPE_EMAIL || lg_key_state(view->key_id) != LG_KEY_LIVE ||
		lg_value_text_bound(view) > sizeof(text))
		return blank_mask();
	size = lg_value_text_bound(view) + 10;
	out = palloc(size);
	lg_sealed_open_utf8(text, &len, view);
	status = lg_mask_address(out, size, text, len);
	sodium_memzero(text, len);
	if (status != LG_OK)
		return blank_mask();
	return GetDatabaseEncoding() == PG_UTF8 ? out : pg_any_to_server(out, (int) strlen(out), PG_UTF8);
}

/*
 * munge
 *		The text of a value, an address in words.
 */
static char *
munge(const LgValueView *view)
{
	char	   *text;
	char	   *out;
	size_t		len;
	LgStatus	status;

	text = lg_sealed_open(view, &len);
	if (view->type != LG_TYPE_EMAIL)
		return text;
	out = palloc(LG_NORMAL_BOUND(len));
	status = lg_munge_address(out, LG_NORMAL_BOUND(len), text, len);
	sodium_memzero(text, len);
	pfree(text);
	return status == LG_OK ? out : blank_mask();
}

/*
 * may_reveal
 *		May the current user see values of the list that this one is sealed under?
 *
 * Values come in runs of one key: the last answer is kept for one generation of
 * the registry, with which grants, memberships and destroyed keys change.
 */
static bool
may_reveal(const LgValueView *view)
{
	static uint64 generation = 0;
	static uint32 last_key = 0;
	static Oid	last_user = InvalidOid;
	static bool last_answer = false;
	uint64		before;
	Oid			userid = GetUserId();
	int32		list_no;
	bool		answer;

	lg_shred_check();
	before = lg_registry_generation;
	if (generation == before && last_key == view->key_id && last_user == userid)
		return last_answer;
	if (lg_key_state(view->key_id) != LG_KEY_LIVE)
		return false;
	list_no = lg_key_list(view->key_id);
	answer = list_no > 0 && lg_reveal_allowed(userid, list_no);
	/* A standby's answer is not kept: its promotion changes no registry. */
	generation = before == lg_registry_generation && !RecoveryInProgress() ? before : 0;
	last_key = view->key_id;
	last_user = userid;
	last_answer = answer;
	return answer;
}

/*
 * lg_sealed_show
 *		What an output function returns for a value.
 *
 * The rows were charged by the guard that drives the receiver: nothing is
 * charged here.
 */
char *
lg_sealed_show(struct varlena *value)
{
	LgRoad		road = lg_road_current();
	int			mode;
	size_t		len;
	LgValueView view;

	lg_require_preload();
	lg_sealed_view(&view, value);
	if (road == LG_ROAD_NONE || replicating())
		return armour(value, &view);
	mode = lg_output_mode();
	if (mode == LG_OUTPUT_SEALED)
		return armour(value, &view);
	if (mode != LG_OUTPUT_MASKED && may_reveal(&view))
		return mode == LG_OUTPUT_MUNGED ? munge(&view) : lg_sealed_open(&view, &len);
	return road == LG_ROAD_COPY ? armour(value, &view) : mask(&view);
}

/*
 * lg_sealed_reveal
 *		What an explicit cast to text returns for a value.
 *
 * Charged before anything is opened.  A destroyed key is LG004: a mask would
 * be taken for an answer.
 */
char *
lg_sealed_reveal(struct varlena *value)
{
	int			mode = lg_output_mode();
	size_t		len;
	LgValueView view;

	lg_require_preload();
	lg_sealed_view(&view, value);
	if (lg_key_state(view.key_id) == LG_KEY_DESTROYED)
		ereport(ERROR,
				(errcode(ERRCODE_LG_KEY),
				 errmsg("key %u has been destroyed", view.key_id)));
	if (mode == LG_OUTPUT_SEALED || mode == LG_OUTPUT_MASKED)
		return mask(&view);
	if (!may_reveal(&view))
	{
		if (lg_grant_on_list(GetUserId(), lg_key_list(view.key_id), LG_PRIV_REVEAL))
			lg_home_require();
		return mask(&view);
	}
	lg_meter_reveal(lg_key_list(view.key_id));
	return mode == LG_OUTPUT_MUNGED ? munge(&view) : lg_sealed_open(&view, &len);
}
