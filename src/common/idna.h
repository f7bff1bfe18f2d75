/*-------------------------------------------------------------------------
 *
 * idna.h
 *		Domain names by UTS #46; internal to src/common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_IDNA_H
#define LG_IDNA_H

#include "common/status.h"

#define LG_DOMAIN_MAX			255		/* RFC 5321 section 4.5.3.1.2 */
#define LG_LABEL_MAX			63		/* RFC 1035 section 2.3.4 */

/*
 * Writes the domain as lower-case A-labels, without NUL; out has LG_DOMAIN_MAX
 * bytes.  UTS #46 ToASCII, non-transitional, UseSTD3ASCIIRules, CheckBidi,
 * CheckJoiners.  CheckHyphens holds for labels that are not plain ASCII; a
 * plain ASCII label follows RFC 5321's Let-dig [Ldh-str], which allows "--"
 * in the third and fourth place.  No empty label, no trailing dot.
 *
 * On a fault *err_pos is its byte offset in domain: the code point where one
 * is to blame, else the start of the label; *why a static sentence.
 */
extern LgStatus lg_idna_to_ascii(char out[LG_DOMAIN_MAX], size_t *out_len,
								 const char *domain, size_t len,
								 size_t *err_pos, const char **why);
/* Bytes of the label separator at s: a full stop, or one of the three that map to it; else 0. */
extern size_t lg_idna_separator(const char *s, size_t left);

/* RFC 3492, without the "xn--".  Return the length, or 0 on failure or lack of space. */
extern size_t lg_punycode_encode(char *out, size_t out_size, const uint32_t *cps, size_t n);
extern size_t lg_punycode_decode(uint32_t *cps, size_t size, const char *text, size_t len);

#endif							/* LG_IDNA_H */
