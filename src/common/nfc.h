/*-------------------------------------------------------------------------
 *
 * nfc.h
 *		Streaming canonical composition; internal to src/common.
 *
 * Code points go in one by one, UTF-8 in normal form C comes out in the
 * caller's buffer.  With fold set, full case folding is done between
 * decomposition and composition.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_NFC_H
#define LG_NFC_H

#include "common/ucd.h"

/*
 * Combining marks that wait for their order.  Longer runs exist only in
 * nonsense; lg_normal_text takes another road for them, a domain is refused.
 */
#define LG_NFC_MARKS			64

typedef struct LgNfc
{
	char	   *out;			/* caller's */
	size_t		out_size;
	size_t		out_len;
	bool		fold;
	bool		has_starter;
	bool		full;			/* out_size did not suffice */
	uint32_t	starter;		/* the last starter, still open to composition */
	size_t		starter_off;	/* where its bytes are in out */
	size_t		starter_len;
	int			last_ccc;		/* of what follows the starter, -1 if nothing does */
	bool		fresh;			/* the last push brought a starter */
	size_t		n_lead;			/* how many of marks came with the last starter */
	size_t		n_marks;
	uint32_t	marks[LG_NFC_MARKS];	/* as they came */
} LgNfc;

extern void lg_nfc_init(LgNfc *nfc, char *out, size_t out_size, bool fold);
/*
 * Adds one code point.  LG_ERR_TOO_LONG, having taken nothing of it, where the
 * run of marks is longer than LG_NFC_MARKS; LG_ERR_SPACE if out is full.
 */
extern LgStatus lg_nfc_push(LgNfc *nfc, uint32_t c);
/* Ends the text. */
extern LgStatus lg_nfc_finish(LgNfc *nfc);

#endif							/* LG_NFC_H */
