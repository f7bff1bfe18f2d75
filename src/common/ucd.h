/*-------------------------------------------------------------------------
 *
 * ucd.h
 *		Properties of Unicode code points, and UTF-8; internal to src/common.
 *
 * The tables are constant and generated (ucd_tables.c): nothing to lock or
 * to initialise.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_UCD_H
#define LG_UCD_H

#include "common/status.h"

#define LG_UCD_MAX				0x10FFFF

/* Bidi classes that RFC 5893 names; order as in test/tools/gen-unicode. */
typedef enum LgBidi
{
	LG_BIDI_OTHER,
	LG_BIDI_L,
	LG_BIDI_R,
	LG_BIDI_AL,
	LG_BIDI_AN,
	LG_BIDI_EN,
	LG_BIDI_ES,
	LG_BIDI_CS,
	LG_BIDI_ET,
	LG_BIDI_ON,
	LG_BIDI_BN,
	LG_BIDI_NSM
} LgBidi;

/* Joining types of RFC 5892 appendix A.1. */
typedef enum LgJoining
{
	LG_JOIN_U,
	LG_JOIN_L,
	LG_JOIN_R,
	LG_JOIN_D,
	LG_JOIN_C,
	LG_JOIN_T
} LgJoining;

#define LG_UCD_ASSIGNED			0x01	/* general category is not Cn or Cs */
#define LG_UCD_MARK				0x02	/* general category is M* */
#define LG_UCD_DECOMP			0x04	/* has a canonical decomposition in lg_ucd_decomp */
#define LG_UCD_FOLD				0x08	/* case folding changes it */
#define LG_UCD_SECOND			0x10	/* may compose with what precedes it */

/* Status of UTS #46, non-transitional, UseSTD3ASCIIRules. */
#define LG_IDNA_DISALLOWED		0
#define LG_IDNA_VALID			1
#define LG_IDNA_IGNORED			2
#define LG_IDNA_MAPPED			3

#define LG_CCC_VIRAMA			9

typedef struct LgUcdProp
{
	uint8_t		ccc;			/* canonical combining class */
	uint8_t		bidi;			/* LgBidi */
	uint8_t		joining;		/* LgJoining */
	uint8_t		flags;			/* LG_UCD_* */
	uint8_t		idna;			/* LG_IDNA_* */
} LgUcdProp;

/*
 * One row of a mapping, sorted by first.  len 0: the count code points first,
 * first + stride, ... each map to themselves plus value.  Otherwise first maps
 * to the len code points at lg_ucd_pool[value].
 */
typedef struct LgUcdMap
{
	uint32_t	first;
	uint16_t	count;
	uint8_t		len;
	uint8_t		stride;
	int32_t		value;
} LgUcdMap;

/* Primary composites, sorted by (first, second); Hangul is computed. */
typedef struct LgUcdPair
{
	uint32_t	first;
	uint32_t	second;
	uint32_t	composite;
} LgUcdPair;

extern const char lg_ucd_version[];
extern const LgUcdProp lg_ucd_props[];
extern const uint16_t lg_ucd_stage1[];
extern const uint8_t lg_ucd_stage2[];
extern const LgUcdMap lg_ucd_decomp[];
extern const size_t lg_ucd_decomp_count;
extern const LgUcdMap lg_ucd_fold[];
extern const size_t lg_ucd_fold_count;
extern const LgUcdMap lg_ucd_idna[];
extern const size_t lg_ucd_idna_count;
extern const uint32_t lg_ucd_pool[];
extern const LgUcdPair lg_ucd_pairs[];
extern const size_t lg_ucd_pairs_count;

/* Properties of c, which must not be greater than LG_UCD_MAX. */
static inline const LgUcdProp *
lg_ucd_prop(uint32_t c)
{
	return &lg_ucd_props[lg_ucd_stage2[(size_t) lg_ucd_stage1[c >> 7] << 7 | (c & 0x7F)]];
}

/* No mapping of ours is longer, in code points. */
#define LG_UCD_MAP_MAX			18

/*
 * What c maps to in the table map of count rows: up to LG_UCD_MAP_MAX code
 * points in out; returns how many.  c itself where the table has no row.
 */
extern size_t lg_ucd_map(uint32_t out[LG_UCD_MAP_MAX], const LgUcdMap *map, size_t count, uint32_t c);
/* Full canonical decomposition of c, Hangul included. */
extern size_t lg_ucd_decompose(uint32_t out[LG_UCD_MAP_MAX], uint32_t c);
/* Primary composite of two code points, or 0. */
extern uint32_t lg_ucd_compose(uint32_t first, uint32_t second);

/*
 * One code point of well-formed UTF-8 (Unicode table 3-7) at s, of which left
 * bytes (at least 1) remain.  Returns its length in bytes, or 0 if malformed.
 */
extern size_t lg_utf8_get(uint32_t *c, const char *s, size_t left);
/* Writes c as 1 to 4 bytes, without NUL; returns how many. */
extern size_t lg_utf8_put(char out[4], uint32_t c);

#endif							/* LG_UCD_H */
