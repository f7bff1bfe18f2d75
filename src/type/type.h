/*-------------------------------------------------------------------------
 *
 * type.h
 *		The three sealed types: what their files share with each other and
 *		with the modules that move values.
 *
 * seal.c makes, opens and moves values; show.c decides in which form one
 * leaves; io.c has the functions that SQL calls; domain.c those for domains of
 * addresses; ops.c the operators;
 * analyze.c the statistics; sealrow.c the trigger on protected tables.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_TYPE_H
#define LG_TYPE_H

#include "listguard.h"
#include "fmgr.h"
#include "common/value.h"
#include "executor/tuptable.h"
#include "utils/relcache.h"

/* Name of a type by LG_TYPE_*, for messages. */
extern const char *lg_sealed_type_name(int type);

/* Take a value apart; XX001 if it is none of ours.  value is packed or plain, never toasted. */
extern void lg_sealed_view(LgValueView *view, struct varlena *value);

/*
 * The first bytes of a value, without a copy unless it is toasted; *copy is to
 * be freed by lg_sealed_head_done().  Fewer than want bytes are NULL.
 */
static inline const uint8 *
lg_sealed_head(Datum value, int want, struct varlena **copy)
{
	struct varlena *head = (struct varlena *) DatumGetPointer(value);

	*copy = NULL;
	if (VARATT_IS_EXTERNAL(head) || VARATT_IS_COMPRESSED(head))
		*copy = head = PG_DETOAST_DATUM_SLICE(value, 0, want);
	return VARSIZE_ANY_EXHDR(head) < (Size) want ? NULL : (const uint8 *) VARDATA_ANY(head);
}

static inline void
lg_sealed_head_done(struct varlena *copy)
{
	if (copy != NULL)
		pfree(copy);
}

/* Its token; false, and zeros, where it has none.  Raises nothing. */
extern bool lg_sealed_token(uint8 token[LG_TOKEN_BYTES], Datum value);
/* Id of the key that sealed it, read from its first bytes only. */
extern uint32 lg_sealed_key_id(Datum value);

/*
 * Seal a text in the server's encoding under a list.  22P02 if it is not of
 * the type's form or is a mask, LG004 without a key.
 */
extern struct varlena *lg_sealed_make(int type, const char *text, size_t len, int32 list_no);
/*
 * 42501 unless the current user may put values into the list: holds "insert" or
 * "update" there, or "backup"; or this is listguard itself or logical apply.
 */
extern void lg_sealed_check_target(int32 list_no);
/* As the input function does: an armour is taken as it is; list_no < 0 is the default list. */
extern struct varlena *lg_sealed_input(int type, const char *text, size_t len, int32 list_no);
/* The same; bad input may be told softly, and NULL is returned then. */
extern struct varlena *lg_sealed_input_soft(int type, const char *text, size_t len, int32 list_no, struct Node *soft);

/* The text, NUL-terminated, palloc'd, in the server's encoding; whoever calls has decided that it may be seen. */
extern char *lg_sealed_open(const LgValueView *view, size_t *len);
/* The same into a buffer of lg_value_text_bound() bytes, which the caller wipes: UTF-8 whatever the server's encoding, not NUL-terminated. */
extern void lg_sealed_open_utf8(char *text, size_t *len, const LgValueView *view);

/*
 * The same value under another list's current key; tokens stay.  Asks for no
 * privilege and charges nothing.
 */
extern struct varlena *lg_sealed_reseal(struct varlena *value, int32 list_no);

/*
 * The value as it may be stored under a list: itself where it belongs there,
 * else moved.  A move from another list but '-' is a reveal there: 42501 where
 * the current user may not, charged where he may.
 */
extern Datum lg_sealed_move(Datum value, int32 list_no);

/* Should an address carry the token of its domain? */
typedef enum LgDomainWish
{
	LG_DOMAIN_KEEP,				/* as it is */
	LG_DOMAIN_NO,
	LG_DOMAIN_YES
} LgDomainWish;

/* As lg_sealed_move(), with the domain token that the column wants.  YES is for sealed_email only. */
extern Datum lg_sealed_place(Datum value, int32 list_no, LgDomainWish wish);
/* Does some column of the list's table keep domain tokens?  Asked for every address sealed. */
extern bool lg_domain_kept(int32 list_no);

/*
 * For COPY, what the trigger on protected tables asks.  lg_row_list() leaves a
 * copy of the row in the current context.
 */
extern int32 lg_row_list(Relation rel, TupleTableSlot *slot);	/* 0: stored as it is */
/* 0, with the table's list, or the list column's number, not above 0 if there is none. */
extern int	lg_list_column(Relation rel, int32 *list_no);
extern int32 lg_list_of_value(Relation rel, int attno, Datum value);	/* not null */
extern LgDomainWish lg_domain_wish(Relation rel, int attno);

/* 42501 unless listguard itself asks: protect, or the worker (io.c). */
extern void lg_sealed_check_internal(void);

/* A list column's value as the registry writes it; palloc'd.  42804 for other types. */
extern char *lg_list_value(Datum value, Oid type);

/* May this session store values that come as armour? */
extern bool lg_armour_accepted(void);

/* Text for an output function, by the road it is called on; palloc'd. */
extern char *lg_sealed_show(struct varlena *value);
/* Text for an explicit cast in a plan: a reveal where the list allows it, else a mask. */
extern char *lg_sealed_reveal(struct varlena *value);

#endif							/* LG_TYPE_H */
