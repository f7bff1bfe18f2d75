/*-------------------------------------------------------------------------
 *
 * normal.h
 *		Normalisation of text and of mail addresses, masks and munged forms.
 *
 * All input is UTF-8.  Tables are of one pinned Unicode version, generated
 * into src/common/ucd_tables.c by test/tools/gen-unicode.  Code points that
 * are unassigned in it are refused, so that a later version cannot change
 * what is equal to what.  No function allocates beyond caller's buffers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef LG_NORMAL_H
#define LG_NORMAL_H

#include "common/status.h"

#define LG_MAX_ADDRESS_BYTES	1024	/* of input, checked before anything else */
/* Output bound of any normalisation here, in bytes, for len bytes of input. */
#define LG_NORMAL_BOUND(len)	((len) * 18 + 64)

extern const char *lg_unicode_version(void);

/*
 * Canonical caseless form: NFC(toCasefold(NFD(text))), Unicode ch. 3.13 D145,
 * with full case folding and no compatibility mappings; out must not overlap
 * text.  *err_pos is the byte offset of the first fault.
 */
extern LgStatus lg_normal_text(char *out, size_t out_size, size_t *out_len,
							   const char *text, size_t len, size_t *err_pos);

/* The parts of an address, as offsets into the input. */
typedef struct LgAddress
{
	size_t		local_off,
				local_len;		/* quotes included where quoted */
	size_t		domain_off,
				domain_len;		/* brackets included for an address literal */
	bool		quoted;
	bool		literal;
} LgAddress;

/*
 * Parses one mailbox: RFC 5321 section 4.1.2 Mailbox, extended by RFC 6531
 * section 3.3 (UTF-8 in local part and domain).  No comments, no folding white
 * space, no display name, no angle brackets, no trailing dot.  RFC 5321 4.5.3.1
 * limits: local part 64 octets, domain 255 octets (as A-labels), label 63.
 * A mask of ours is LG_ERR_MASKED at offset 0.  *err_pos is the byte offset of
 * the first fault: of the character to blame, of the first octet too many, or
 * of the label that breaks a rule as a whole; len where something is missing at
 * the end.  *why is a static English sentence for the error's DETAIL; both mean
 * nothing with LG_OK.
 */
extern LgStatus lg_address_parse(LgAddress *addr, const char *text, size_t len,
								 size_t *err_pos, const char **why);

/*
 * Is this surely an address, found without a full parse?  Letters, digits,
 * single hyphens within a label, "+", "_" and "-" in the local part, dots
 * between words, at most 63 octets in either part.  False says nothing.
 * *domain_off and *last_label are where domain and its last label begin.
 */
extern bool lg_address_plain(const char *text, size_t len, size_t *domain_off, size_t *last_label);

/*
 * The normalised form that token and equality are made of: local part
 * unquoted where the quotes are not needed, lg_normal_text of it, '@', and the
 * domain by UTS #46 (non-transitional, UseSTD3ASCIIRules, CheckBidi,
 * CheckJoiners) as A-labels in lower case; address literals in lower case.
 * *domain_off is where the domain starts in out.  The form is its own normal
 * form, but its local part may have more than 64 octets, as folding lengthens.
 */
extern LgStatus lg_address_normal(char *out, size_t out_size, size_t *out_len, size_t *domain_off,
								  const char *text, size_t len, size_t *err_pos, const char **why);

/*
 * "j***@e***.com"; first code point of local part (of a quoted one: the quote)
 * and domain, last label if there are two, all as entered; "j***@[***]" for an
 * address literal.  NUL-terminated, in at most len + 10 bytes.  What is no
 * address gives the status of lg_address_parse and an empty text.
 */
extern LgStatus lg_mask_address(char *out, size_t out_size, const char *text, size_t len);
/* Mask of sealed_lookup and sealed_text: "***". */
extern LgStatus lg_mask_text(char *out, size_t out_size);
/* Is this exactly a text that one of the two functions above can make? */
extern bool lg_mask_is(const char *text, size_t len);
/*
 * "jo AT example DOT com" (Wordtothewise 2010's form); the local part stays as
 * entered, dots included.  NUL-terminated, in at most LG_NORMAL_BOUND(len)
 * bytes.  What is no address gives the status of lg_address_parse and an empty
 * text.
 */
extern LgStatus lg_munge_address(char *out, size_t out_size, const char *text, size_t len);

#endif							/* LG_NORMAL_H */
