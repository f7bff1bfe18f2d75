/*-------------------------------------------------------------------------
 *
 * shape.h
 *		The shape of a statement: its text without constants and comments.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_SHAPE_H
#define LG_SHAPE_H

#include "common/status.h"

#define LG_SHAPE_BYTES	1024	/* longest shape, NUL included */

/*
 * Writes the shape of sql (len bytes, PostgreSQL's lexical rules) to out and
 * ends it with NUL; returns its length.  Strings, numbers, bit strings and
 * dollar quotes become '?', lists of them one '?'; comments go; white space
 * becomes one space.  A quoted identifier that is no plain word becomes "?",
 * and so does word@word.  What does not fit is cut off.  backslashes: ordinary
 * strings have escapes (standard_conforming_strings off).
 */
extern size_t lg_shape_make(char *out, size_t size, const char *sql, size_t len, bool backslashes);

#endif							/* LG_SHAPE_H */
