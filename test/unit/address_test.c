/*-------------------------------------------------------------------------
 *
 * address_test.c
 *		Mail addresses: what is one, where the fault is in what is none, which
 *		are equal; masks and the munged form.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "common/normal.h"
#include "common/ucd.h"
#include "tap.h"

#define COUNT(a)		(sizeof(a) / sizeof((a)[0]))
#define A16				"abcdefghijklmnop"
#define A60				"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefgh"
#define A64				A16 A16 A16 A16
#define L63				A60 "abc"
#define ACCEPT			SIZE_MAX

typedef struct Case
{
	const char *text;
	size_t		pos;			/* ACCEPT, or the offset of the first fault */
	LgStatus	status;
	const char *rule;			/* the section that decides it */
} Case;

static const Case cases[] = {
	/* RFC 5321 section 4.1.2: Dot-string */
	{"jo@example.com", ACCEPT, LG_OK, "5321 4.1.2 Mailbox"},
	{"jo.doe@example.com", ACCEPT, LG_OK, "5321 4.1.2 Dot-string"},
	{"a.b.c.d@example.com", ACCEPT, LG_OK, "5321 4.1.2 Dot-string"},
	{"1@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"jo+list@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"!#$%&'*+-/=?^_`{|}~@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext, every special"},
	{"-@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"*@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"O'Neill@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"user%host@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext, no route"},
	{"host!user@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext, no route"},
	{"root@localhost", ACCEPT, LG_OK, "5321 4.1.2 Domain of one label"},
	{"", 0, LG_ERR_SYNTAX, "5321 4.1.2 Mailbox"},
	{"@", 0, LG_ERR_SYNTAX, "5321 4.1.2 Local-part"},
	{"@example.com", 0, LG_ERR_SYNTAX, "5321 4.1.2 Local-part"},
	{"jo", 2, LG_ERR_SYNTAX, "5321 4.1.2 Mailbox, no @"},
	{"jo.example.com", 14, LG_ERR_SYNTAX, "5321 4.1.2 Mailbox, no @"},
	{".jo@example.com", 0, LG_ERR_SYNTAX, "5321 4.1.2 Dot-string"},
	{"jo.@example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2 Dot-string"},
	{"jo..doe@example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2 Dot-string"},
	{".@example.com", 0, LG_ERR_SYNTAX, "5321 4.1.2 Dot-string"},
	{"jo doe@example.com", 2, LG_ERR_SYNTAX, "5321 4.1.2 Atom"},
	{" jo@example.com", 0, LG_ERR_SYNTAX, "5321 4.1.2, no white space"},
	{"jo @example.com", 2, LG_ERR_SYNTAX, "5321 4.1.2, no white space"},
	{"jo@ example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2, no white space"},
	{"jo@example.com ", 14, LG_ERR_SYNTAX, "5321 4.1.2, no white space"},
	{"jo@example.com\n", 14, LG_ERR_SYNTAX, "5321 4.1.2, no line end"},
	{"jo\r\n@example.com", 2, LG_ERR_SYNTAX, "5321 4.1.2, no folding"},
	{"jo\t@example.com", 2, LG_ERR_SYNTAX, "5321 4.1.2, no tab"},
	{"jo\x7F@example.com", 2, LG_ERR_SYNTAX, "5322 3.2.3, no DEL"},
	{"jo\x01@example.com", 2, LG_ERR_SYNTAX, "5322 3.2.3, no controls"},
	{"jo(doe)@example.com", 2, LG_ERR_SYNTAX, "5321 4.1.2, no comments"},
	{"(doe)jo@example.com", 0, LG_ERR_SYNTAX, "5321 4.1.2, no comments"},
	{"jo@example.com(doe)", 14, LG_ERR_SYNTAX, "5321 4.1.2, no comments"},
	{"<jo@example.com>", 0, LG_ERR_SYNTAX, "5321 4.1.2, a Path is no Mailbox"},
	{"Jo <jo@example.com>", 2, LG_ERR_SYNTAX, "5321 4.1.2, no display name"},
	{"@a,@b:jo@example.com", 0, LG_ERR_SYNTAX, "5321 4.1.2, no source route"},
	{"jo,doe@example.com", 2, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{"jo;doe@example.com", 2, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{"jo:doe@example.com", 2, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{"jo[doe@example.com", 2, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{"jo\\doe@example.com", 2, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{"jo\\@doe@example.com", 2, LG_ERR_SYNTAX, "5321 4.1.2, no escape outside quotes"},
	{"jo@doe@example.com", 6, LG_ERR_SYNTAX, "5321 4.1.2 Domain"},
	{"jo@example.com, doe@example.com", 14, LG_ERR_SYNTAX, "5321 4.1.2, one mailbox"},
	{"mailto:jo@example.com", 6, LG_ERR_SYNTAX, "5321 4.1.2, no URI"},
	{"postmaster", 10, LG_ERR_SYNTAX, "5321 4.1.1.3 is of RCPT, not of Mailbox"},

	/* RFC 5321 section 4.1.2: Quoted-string */
	{"\"jo\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 Quoted-string"},
	{"\"\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 *QcontentSMTP, none"},
	{"\"jo doe\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 qtextSMTP, space"},
	{"\"jo@doe\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 qtextSMTP, @"},
	{"\"jo..doe\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 qtextSMTP, dots"},
	{"\".\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 qtextSMTP, dot"},
	{"\"(),:;<>[]\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 qtextSMTP, specials"},
	{"\"a\\\"b\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 quoted-pairSMTP, quote"},
	{"\"a\\\\b\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 quoted-pairSMTP, backslash"},
	{"\"a\\b\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 quoted-pairSMTP, any of 32 to 126"},
	{"\"\\ \"@example.com", ACCEPT, LG_OK, "5321 4.1.2 quoted-pairSMTP, space"},
	{"\"jo@example.com", 15, LG_ERR_SYNTAX, "5321 4.1.2 Quoted-string, not closed"},
	{"\"", 1, LG_ERR_SYNTAX, "5321 4.1.2 Quoted-string, not closed"},
	{"\"jo\\", 4, LG_ERR_SYNTAX, "5321 4.1.2 quoted-pairSMTP, cut"},
	{"\"jo\\\"@example.com", 17, LG_ERR_SYNTAX, "5321 4.1.2 Quoted-string, closing quote escaped"},
	{"\"jo\"", 4, LG_ERR_SYNTAX, "5321 4.1.2 Mailbox, no @"},
	{"\"jo\"doe@example.com", 4, LG_ERR_SYNTAX, "5321 4.1.2 Local-part, text after the quotes"},
	{"\"jo\".doe@example.com", 4, LG_ERR_SYNTAX, "5322 4.4 obsolete, not in 5321"},
	{"jo.\"doe\"@example.com", 3, LG_ERR_SYNTAX, "5322 4.4 obsolete, not in 5321"},
	{"jo\"doe\"@example.com", 2, LG_ERR_SYNTAX, "5321 4.1.2 Atom"},
	{"\"jo\tdoe\"@example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2 qtextSMTP, no tab"},
	{"\"jo\ndoe\"@example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2 qtextSMTP, no line end"},
	{"\"jo\\\ndoe\"@example.com", 4, LG_ERR_SYNTAX, "5321 4.1.2 quoted-pairSMTP, no line end"},
	{"\"jo\x7F\"@example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2 qtextSMTP, no DEL"},

	/* RFC 5321 section 4.1.2: Domain */
	{"jo@a", ACCEPT, LG_OK, "5321 4.1.2 sub-domain"},
	{"jo@1.2", ACCEPT, LG_OK, "5321 4.1.2 Let-dig"},
	{"jo@a-b.example", ACCEPT, LG_OK, "5321 4.1.2 Ldh-str"},
	{"jo@a--b.example", ACCEPT, LG_OK, "5321 4.1.2 Ldh-str"},
	{"jo@EXAMPLE.COM", ACCEPT, LG_OK, "5321 2.4 case"},
	{"jo@", 3, LG_ERR_SYNTAX, "5321 4.1.2 Domain"},
	{"jo@.", 3, LG_ERR_SYNTAX, "5321 4.1.2 sub-domain"},
	{"jo@.example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2 sub-domain"},
	{"jo@example.com.", 15, LG_ERR_SYNTAX, "5321 4.1.2 Domain, no trailing dot"},
	{"jo@example..com", 11, LG_ERR_SYNTAX, "5321 4.1.2 sub-domain"},
	{"jo@-example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2 Let-dig first"},
	{"jo@example-.com", 10, LG_ERR_SYNTAX, "5321 4.1.2 Let-dig last"},
	{"jo@example.-com", 11, LG_ERR_SYNTAX, "5321 4.1.2 Let-dig first"},
	{"jo@example.com-", 14, LG_ERR_SYNTAX, "5321 4.1.2 Let-dig last"},
	{"jo@-", 3, LG_ERR_SYNTAX, "5321 4.1.2 Let-dig first"},
	{"jo@exam_ple.com", 7, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@exam ple.com", 7, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@example.com:25", 14, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@exam*ple.com", 7, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@#123", 3, LG_ERR_SYNTAX, "5321 4.1.2, RFC 821's number is gone"},

	/* RFC 5321 section 4.1.3: address literals */
	{"jo@[192.0.2.1]", ACCEPT, LG_OK, "5321 4.1.3 IPv4-address-literal"},
	{"jo@[0.0.0.0]", ACCEPT, LG_OK, "5321 4.1.3 Snum"},
	{"jo@[255.255.255.255]", ACCEPT, LG_OK, "5321 4.1.3 Snum"},
	{"jo@[010.000.002.001]", ACCEPT, LG_OK, "5321 4.1.3 Snum = 1*3DIGIT"},
	{"jo@[256.0.2.1]", 4, LG_ERR_SYNTAX, "5321 4.1.3 Snum"},
	{"jo@[192.0.2]", 11, LG_ERR_SYNTAX, "5321 4.1.3 four numbers"},
	{"jo@[192.0.2.1.5]", 13, LG_ERR_SYNTAX, "5321 4.1.3 four numbers"},
	{"jo@[192.0.2.]", 12, LG_ERR_SYNTAX, "5321 4.1.3 Snum"},
	{"jo@[192.0..1]", 10, LG_ERR_SYNTAX, "5321 4.1.3 Snum"},
	{"jo@[192.0.2.0001]", 15, LG_ERR_SYNTAX, "5321 4.1.3 Snum = 1*3DIGIT"},
	{"jo@[192.0.2.1", 13, LG_ERR_SYNTAX, "5321 4.1.3 not closed"},
	{"jo@[192.0.2.1]x", 14, LG_ERR_SYNTAX, "5321 4.1.3 text after it"},
	{"jo@[192.0.2.1].", 14, LG_ERR_SYNTAX, "5321 4.1.3 text after it"},
	{"jo@[ 192.0.2.1]", 4, LG_ERR_SYNTAX, "5321 4.1.3 no white space"},
	{"jo@[192.0.2.1 ]", 13, LG_ERR_SYNTAX, "5321 4.1.3 no white space"},
	{"jo@[]", 4, LG_ERR_SYNTAX, "5321 4.1.3 empty"},
	{"jo@[", 4, LG_ERR_SYNTAX, "5321 4.1.3 not closed"},
	{"jo@[example.com]", 4, LG_ERR_SYNTAX, "5321 4.1.3 not a name"},
	{"jo@[tag:content]", 4, LG_ERR_SYNTAX, "5321 4.1.3 Standardized-tag, none registered"},
	{"jo@[::1]", 4, LG_ERR_SYNTAX, "5321 4.1.3 IPv6 needs its tag"},
	{"jo@[IPv6:2001:db8::1]", ACCEPT, LG_OK, "5321 4.1.3 IPv6-comp"},
	{"jo@[ipv6:2001:DB8::1]", ACCEPT, LG_OK, "5321 4.1.3 tag in any case"},
	{"jo@[IPv6:1:2:3:4:5:6:7:8]", ACCEPT, LG_OK, "5321 4.1.3 IPv6-full"},
	{"jo@[IPv6:::]", ACCEPT, LG_OK, "5321 4.1.3 IPv6-comp"},
	{"jo@[IPv6:::1]", ACCEPT, LG_OK, "5321 4.1.3 IPv6-comp"},
	{"jo@[IPv6:1::]", ACCEPT, LG_OK, "5321 4.1.3 IPv6-comp"},
	{"jo@[IPv6:1:2:3:4:5:6::]", ACCEPT, LG_OK, "5321 4.1.3 IPv6-comp, six groups"},
	{"jo@[IPv6:1:2:3::4:5:6]", ACCEPT, LG_OK, "5321 4.1.3 IPv6-comp, six groups"},
	{"jo@[IPv6:1:2:3:4:5:6:192.0.2.1]", ACCEPT, LG_OK, "5321 4.1.3 IPv6v4-full"},
	{"jo@[IPv6:::ffff:192.0.2.1]", ACCEPT, LG_OK, "5321 4.1.3 IPv6v4-comp"},
	{"jo@[IPv6:::192.0.2.1]", ACCEPT, LG_OK, "5321 4.1.3 IPv6v4-comp"},
	{"jo@[IPv6:1:2:3:4::192.0.2.1]", ACCEPT, LG_OK, "5321 4.1.3 IPv6v4-comp, four groups"},
	{"jo@[IPv6:1:2:3:4:5:6:7::]", 24, LG_ERR_SYNTAX, "5321 4.1.3 IPv6-comp, seven groups"},
	{"jo@[IPv6:1:2:3:4::5:6:7]", 22, LG_ERR_SYNTAX, "5321 4.1.3 IPv6-comp, seven groups"},
	{"jo@[IPv6:1:2:3:4:5:6:7]", 22, LG_ERR_SYNTAX, "5321 4.1.3 IPv6-full, seven groups"},
	{"jo@[IPv6:1:2:3:4:5:6:7:8:9]", 25, LG_ERR_SYNTAX, "5321 4.1.3 IPv6-full, nine groups"},
	{"jo@[IPv6:1::2::3]", 14, LG_ERR_SYNTAX, "5321 4.1.3 IPv6-comp, two gaps"},
	{"jo@[IPv6:1:::2]", 12, LG_ERR_SYNTAX, "5321 4.1.3 IPv6-comp, three colons"},
	{"jo@[IPv6::1]", 9, LG_ERR_SYNTAX, "5321 4.1.3 IPv6-hex first"},
	{"jo@[IPv6:1:]", 11, LG_ERR_SYNTAX, "5321 4.1.3 IPv6-hex last"},
	{"jo@[IPv6:]", 9, LG_ERR_SYNTAX, "5321 4.1.3 IPv6-addr"},
	{"jo@[IPv6:12345::1]", 9, LG_ERR_SYNTAX, "5321 4.1.3 IPv6-hex = 1*4HEXDIG"},
	{"jo@[IPv6:g::1]", 9, LG_ERR_SYNTAX, "5321 4.1.3 IPv6-hex"},
	{"jo@[IPv6:1:2:3:4:5::192.0.2.1]", 23, LG_ERR_SYNTAX, "5321 4.1.3 IPv6v4-comp, five groups"},
	{"jo@[IPv6:1:2:3:4:5:192.0.2.1]", 22, LG_ERR_SYNTAX, "5321 4.1.3 IPv6v4-full, five groups"},
	{"jo@[IPv6:::192.0.2.256]", 19, LG_ERR_SYNTAX, "5321 4.1.3 Snum"},
	{"jo@[IPv6:fe80::1%eth0]", 16, LG_ERR_SYNTAX, "5321 4.1.3 no zone"},
	{"jo@[IPv\x16:::1]", 4, LG_ERR_SYNTAX, "5321 4.1.3 tag"},

	/* RFC 5321 section 4.5.3.1: sizes */
	{A64 "@example.com", ACCEPT, LG_OK, "5321 4.5.3.1.1 local part of 64"},
	{A64 "a@example.com", 64, LG_ERR_TOO_LONG, "5321 4.5.3.1.1 local part of 65"},
	{"\"" A60 "ab\"@example.com", ACCEPT, LG_OK, "5321 4.5.3.1.1 quoted local part of 64"},
	{"\"" A60 "abc\"@example.com", 64, LG_ERR_TOO_LONG, "5321 4.5.3.1.1 quoted local part of 65"},
	{A60 "\xC3\xA9\xC3\xA9@example.com", ACCEPT, LG_OK, "6531 3.3: octets of UTF-8, 64"},
	{A60 "a\xC3\xA9\xC3\xA9@example.com", 64, LG_ERR_TOO_LONG, "6531 3.3: octets of UTF-8, 65"},
	{"jo@" L63 ".com", ACCEPT, LG_OK, "1035 2.3.4 label of 63"},
	{"jo@" L63 "d.com", 66, LG_ERR_TOO_LONG, "1035 2.3.4 label of 64"},
	{"jo@" L63 "." L63 "." L63 "." L63, ACCEPT, LG_OK, "5321 4.5.3.1.2 domain of 255"},
	{A64 "@" L63 "." L63 "." L63 "." L63, ACCEPT, LG_OK, "5321 4.5.3.1 both at their limits"},
	{"jo@" L63 "." L63 "." L63 "." A60 "ab.b", 258, LG_ERR_TOO_LONG, "5321 4.5.3.1.2 domain of 256"},
	{"jo@" L63 "." L63 "." L63 "." L63 ".", 258, LG_ERR_TOO_LONG, "5321 4.5.3.1.2 domain of 256"},
	{"jo@\xC3\xA9" A60 ".com", 3, LG_ERR_TOO_LONG, "1035 2.3.4 label of 68 as an A-label"},

	/* RFC 6531 section 3.3 */
	{"j\xC3\xBCrgen@example.com", ACCEPT, LG_OK, "6531 3.3 atext"},
	{"\xE7\x94\xA8\xE6\x88\xB7@\xE4\xBE\x8B\xE5\xAD\x90.\xE5\xB9\xBF\xE5\x91\x8A", ACCEPT, LG_OK, "6531 3.3 both sides"},
	{"\"j\xC3\xBC r\"@example.com", ACCEPT, LG_OK, "6531 3.3 qtextSMTP"},
	{"\"j\\\xC3\xBC\"@example.com", 3, LG_ERR_SYNTAX, "6531 3.3 quoted-pairSMTP stays ASCII"},
	{"\xF0\x9F\x98\x80@example.com", ACCEPT, LG_OK, "6531 3.3 any UTF8-non-ascii"},
	{"jo@m\xC3\xBCnchen.de", ACCEPT, LG_OK, "6531 3.3 U-label"},
	{"jo@xn--mnchen-3ya.de", ACCEPT, LG_OK, "5890 2.3.2.1 A-label"},
	{"jo@xn--.de", 3, LG_ERR_SYNTAX, "5890 2.3.2.1 A-label"},
	{"jo@a.xn--zzzzzz!", 15, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@b.xn--abc-.de", 5, LG_ERR_SYNTAX, "5890 2.3.2.1 A-label of ASCII"},
	{"jo@a\xE3\x80\x82" "b", ACCEPT, LG_OK, "UTS #46 4 ideographic full stop"},
	{"jo\xCD\xB8@example.com", 2, LG_ERR_UNASSIGNED, "not assigned in Unicode 15.0"},
	{"\"j\xCD\xB8\"@example.com", 2, LG_ERR_UNASSIGNED, "not assigned in Unicode 15.0"},
	{"jo@ex\xCD\xB8.com", 5, LG_ERR_UNASSIGNED, "not assigned in Unicode 15.0"},
	{"jo\xC3@example.com", 2, LG_ERR_ENCODING, "3629 3 UTF-8"},
	{"\"\xFF\"@example.com", 1, LG_ERR_ENCODING, "3629 3 UTF-8"},
	{"jo@ex\xC3.com", 5, LG_ERR_ENCODING, "3629 3 UTF-8"},
	{"jo\xEF\xBC\xA0" "example.com", 16, LG_ERR_SYNTAX, "6531 3.3: full-width @ is no @"},
	{"jo@ex\xEF\xBC\xA0.com", 5, LG_ERR_SYNTAX, "UTS #46 UseSTD3ASCIIRules"},

	/* RFC 5321 section 2.3.11 and RFC 5322 section 3.2.3: each special alone, each atext beside it */
	{"jo@doe@example@com", 6, LG_ERR_SYNTAX, "5321 4.1.2 Domain, a third @"},
	{"@@example.com", 0, LG_ERR_SYNTAX, "5321 4.1.2 Local-part"},
	{"jo@@example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2 Domain"},
	{"(@example.com", 0, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{")@example.com", 0, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{"<@example.com", 0, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{">@example.com", 0, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{"[@example.com", 0, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{"]@example.com", 0, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{":@example.com", 0, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{";@example.com", 0, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{",@example.com", 0, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{"\\@example.com", 0, LG_ERR_SYNTAX, "5322 3.2.3 specials"},
	{"!@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"#@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"$@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"%@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"&@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"'@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"+@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"/@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"=@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"?@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"^@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"_@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"`@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"{@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"|@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"}@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"~@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"_jo_@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"-jo-@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"jo--doe@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"0123456789@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext"},
	{"customer/department=shipping@example.com", ACCEPT, LG_OK, "3696 3"},
	{"$A12345@example.com", ACCEPT, LG_OK, "3696 3"},
	{"!def!xyz%abc@example.com", ACCEPT, LG_OK, "3696 3"},
	{"_somename@example.com", ACCEPT, LG_OK, "3696 3"},
	{"Abc\\@def@example.com", 3, LG_ERR_SYNTAX, "3696 erratum 246: no backslash outside quotes"},
	{"Fred\\ Bloggs@example.com", 4, LG_ERR_SYNTAX, "3696 erratum 246: no backslash outside quotes"},
	{"\"Abc@def\"@example.com", ACCEPT, LG_OK, "3696 3"},
	{"\"Fred Bloggs\"@example.com", ACCEPT, LG_OK, "3696 3"},
	{"\"Fred\\ Bloggs\"@example.com", ACCEPT, LG_OK, "3696 erratum 246"},
	{"\"Joe.\\\\Blow\"@example.com", ACCEPT, LG_OK, "3696 erratum 246"},
	{"bounce-list=jo%example.org@lists.example.com", ACCEPT, LG_OK, "5322 3.2.3 atext, a VERP address"},
	{"SRS0=abc=de=example.org=jo@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext, an SRS address"},
	{"a.1@example.com", ACCEPT, LG_OK, "5321 4.1.2 Dot-string"},
	{"a.-@example.com", ACCEPT, LG_OK, "5321 4.1.2 Dot-string"},
	{"a.b.@example.com", 4, LG_ERR_SYNTAX, "5321 4.1.2 Dot-string"},
	{"..@example.com", 0, LG_ERR_SYNTAX, "5321 4.1.2 Dot-string"},
	{"...@example.com", 0, LG_ERR_SYNTAX, "5321 4.1.2 Dot-string"},
	{"a...b@example.com", 2, LG_ERR_SYNTAX, "5321 4.1.2 Dot-string"},
	{"jo\x0B@example.com", 2, LG_ERR_SYNTAX, "5321 4.1.2, no vertical tab"},
	{"jo\x0C@example.com", 2, LG_ERR_SYNTAX, "5321 4.1.2, no form feed"},
	{"jo\x1B[0m@example.com", 2, LG_ERR_SYNTAX, "5322 3.2.3, no escape"},
	{"\njo@example.com", 0, LG_ERR_SYNTAX, "5321 4.1.2, no line end"},
	{"\xEF\xBB\xBFjo@example.com", ACCEPT, LG_OK, "6531 3.3: U+FEFF is a UTF8-non-ascii"},
	{"jo @ example.com", 2, LG_ERR_SYNTAX, "5322 4.4 obsolete white space"},
	{"jo. doe@example.com", 3, LG_ERR_SYNTAX, "5322 4.4 obsolete white space"},
	{"jo@example. com", 11, LG_ERR_SYNTAX, "5322 4.4 obsolete white space"},
	{"jo@(home)example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2, no comments"},
	{"jo@example(home).com", 10, LG_ERR_SYNTAX, "5321 4.1.2, no comments"},
	{"\"jo\" <jo@example.com>", 4, LG_ERR_SYNTAX, "5321 4.1.2, no display name"},
	{"friends: jo@example.com;", 7, LG_ERR_SYNTAX, "5322 3.4, no group"},
	{"@example.org:jo@example.com", 0, LG_ERR_SYNTAX, "5321 4.1.2, no source route"},
	{"<>", 0, LG_ERR_SYNTAX, "5321 4.1.2, the null reverse-path is no Mailbox"},
	{"jo%20doe@example.com", ACCEPT, LG_OK, "6068 2 is of URIs: here % is atext"},
	{"=?utf-8?q?jo?=@example.com", ACCEPT, LG_OK, "2047 5: an encoded word is not decoded in an address"},
	{"jo@example.com?subject=x", 14, LG_ERR_SYNTAX, "6068 2, no header fields"},
	{"jo@example.com,", 14, LG_ERR_SYNTAX, "5321 4.1.2, one mailbox"},
	{"jo@example.com;jo@example.org", 14, LG_ERR_SYNTAX, "5321 4.1.2, one mailbox"},
	{"jo@example.com jo@example.org", 14, LG_ERR_SYNTAX, "5321 4.1.2, one mailbox"},
	{"jo@example.com>", 14, LG_ERR_SYNTAX, "5321 4.1.2, half a Path"},
	{"'jo@example.com", ACCEPT, LG_OK, "5322 3.2.3 atext: an apostrophe"},
	{"jo@example.com'", 14, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},

	/* RFC 5321 section 4.1.2: Quoted-string, every place */
	{"\" \"@example.com", ACCEPT, LG_OK, "5321 4.1.2 qtextSMTP, one space"},
	{"\"!\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 qtextSMTP, 33"},
	{"\"#[\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 qtextSMTP, 35 and 91"},
	{"\"]~\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 qtextSMTP, 93 and 126"},
	{"\"\\~\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 quoted-pairSMTP, 126"},
	{"\"\\\x7F\"@example.com", 2, LG_ERR_SYNTAX, "5321 4.1.2 quoted-pairSMTP, not 127"},
	{"\"\\\x1F\"@example.com", 2, LG_ERR_SYNTAX, "5321 4.1.2 quoted-pairSMTP, not 31"},
	{"\"\x1F\"@example.com", 1, LG_ERR_SYNTAX, "5321 4.1.2 qtextSMTP, not 31"},
	{"\"\"\"@example.com", 2, LG_ERR_SYNTAX, "5321 4.1.2 qtextSMTP, not a quote"},
	{"\"a\"\"b\"@example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2 Local-part, two strings"},
	{"\"a\" @example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2, no white space"},
	{" \"a\"@example.com", 0, LG_ERR_SYNTAX, "5321 4.1.2, no white space"},
	{"\"a\"(b)@example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2, no comments"},
	{"\"a\".\"b\"@example.com", 3, LG_ERR_SYNTAX, "5322 4.4 obsolete, not in 5321"},
	{"\"a\\\\\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 quoted-pairSMTP at the end"},
	{"\"\\\"\"@example.com", ACCEPT, LG_OK, "5321 4.1.2 quoted-pairSMTP alone"},
	{"\"jo\r\n doe\"@example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2 qtextSMTP, no folding"},
	{"'jo'@example.com", ACCEPT, LG_OK, "5322 3.2.3: an apostrophe does not quote"},
	{"'jo doe'@example.com", 3, LG_ERR_SYNTAX, "5322 3.2.3: an apostrophe does not quote"},
	{"\"jo\"@\"example.com\"", 5, LG_ERR_SYNTAX, "5321 4.1.2 Domain, not quoted"},

	/* RFC 5321 section 4.1.2: Domain; RFC 1035 section 2.3.1; RFC 1123 section 2.1 */
	{"jo@3com.example", ACCEPT, LG_OK, "1123 2.1 a digit first"},
	{"jo@1.2.3.4", ACCEPT, LG_OK, "5321 4.1.2 sub-domain of digits"},
	{"jo@a.b.c.d.e.f.g.h.i.j.k", ACCEPT, LG_OK, "5321 4.1.2 Domain, no limit of labels"},
	{"jo@a-1.example", ACCEPT, LG_OK, "5321 4.1.2 Ldh-str"},
	{"jo@1-a.example", ACCEPT, LG_OK, "5321 4.1.2 Ldh-str"},
	{"jo@a---b.example", ACCEPT, LG_OK, "5321 4.1.2 Ldh-str"},
	{"jo@ab--cd.example", ACCEPT, LG_OK, "5321 4.1.2 Ldh-str, an R-LDH label"},
	{"jo@com.", 7, LG_ERR_SYNTAX, "5321 4.1.2 Domain, no trailing dot"},
	{"jo@..", 3, LG_ERR_SYNTAX, "5321 4.1.2 sub-domain"},
	{"jo@example.com..", 15, LG_ERR_SYNTAX, "5321 4.1.2 sub-domain"},
	{"jo@--", 3, LG_ERR_SYNTAX, "5321 4.1.2 Let-dig first"},
	{"jo@a-", 4, LG_ERR_SYNTAX, "5321 4.1.2 Let-dig last"},
	{"jo@_dmarc.example.com", 3, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str, no underscore"},
	{"jo@exam!ple.com", 7, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@exam+ple.com", 7, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@exam/ple.com", 7, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@exam=ple.com", 7, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@exam\\ple.com", 7, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@exam'ple.com", 7, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@exam~ple.com", 7, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@exam\x01ple.com", 7, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@exam\x7Fple.com", 7, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@example.c_m", 12, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@example.123", ACCEPT, LG_OK, "5321 4.1.2: a last label of digits is no rule of mail"},
	{"jo@{example}.com", 3, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@example.com\t", 14, LG_ERR_SYNTAX, "5321 4.1.2, no white space"},
	{"jo@example.com/", 14, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@https://example.com", 8, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str, no URI"},

	/* RFC 5321 section 4.1.3 and RFC 4291 section 2.2 */
	{"jo@[127.0.0.1]", ACCEPT, LG_OK, "5321 4.1.3 IPv4-address-literal"},
	{"jo@[1.2.3.4]", ACCEPT, LG_OK, "5321 4.1.3 IPv4-address-literal"},
	{"jo@[999.1.1.1]", 4, LG_ERR_SYNTAX, "5321 4.1.3 Snum"},
	{"jo@[1.2.3.1000]", 13, LG_ERR_SYNTAX, "5321 4.1.3 Snum = 1*3DIGIT"},
	{"jo@[1.2.3.-4]", 10, LG_ERR_SYNTAX, "5321 4.1.3 Snum"},
	{"jo@[1.2.3.+4]", 10, LG_ERR_SYNTAX, "5321 4.1.3 Snum"},
	{"jo@[0x7f.0.0.1]", 5, LG_ERR_SYNTAX, "5321 4.1.3 Snum, no hexadecimal"},
	{"jo@[.1.2.3]", 4, LG_ERR_SYNTAX, "5321 4.1.3 Snum"},
	{"jo@[1,2.3.4]", 5, LG_ERR_SYNTAX, "5321 4.1.3 dots"},
	{"jo@[[1.2.3.4]]", 4, LG_ERR_SYNTAX, "5321 4.1.3 one bracket"},
	{"jo@[1.2.3.4]]", 12, LG_ERR_SYNTAX, "5321 4.1.3 text after it"},
	{"jo@]1.2.3.4[", 3, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@1.2.3.4]", 10, LG_ERR_SYNTAX, "5321 4.1.2 Ldh-str"},
	{"jo@[1.2.3.4/24]", 11, LG_ERR_SYNTAX, "5321 4.1.3 no prefix length"},
	{"jo@[1.2.3.4:25]", 11, LG_ERR_SYNTAX, "5321 4.1.3 no port"},
	{"jo@[IPv6:0:0:0:0:0:0:0:0]", ACCEPT, LG_OK, "5321 4.1.3 IPv6-full"},
	{"jo@[IPv6:FFFF:ffff:FFFF:ffff:FFFF:ffff:FFFF:ffff]", ACCEPT, LG_OK, "5321 4.1.3 IPv6-full"},
	{"jo@[IPv6:0001:0002::]", ACCEPT, LG_OK, "5321 4.1.3 IPv6-hex with leading zeros"},
	{"jo@[IPv6:00001::]", 9, LG_ERR_SYNTAX, "5321 4.1.3 IPv6-hex = 1*4HEXDIG"},
	{"jo@[IPv6:0:0:0:0:0:0:255.255.255.255]", ACCEPT, LG_OK, "5321 4.1.3 IPv6v4-full"},
	{"jo@[IPv6:2001:db8::1", 20, LG_ERR_SYNTAX, "5321 4.1.3 not closed"},
	{"jo@[IPv6:2001:db8::1]x", 21, LG_ERR_SYNTAX, "5321 4.1.3 text after it"},
	{"jo@[IPv6:2001:db8::1/64]", 20, LG_ERR_SYNTAX, "5321 4.1.3 no prefix length"},
	{"jo@[IPv6: ::1]", 9, LG_ERR_SYNTAX, "5321 4.1.3 no white space"},
	{"jo@[IPv6]", 4, LG_ERR_SYNTAX, "5321 4.1.3 tag without a colon"},
	{"jo@[IPv4:1.2.3.4]", 4, LG_ERR_SYNTAX, "5321 4.1.3 no such tag"},
	{"jo@[IPv6:1.2.3.4]", 10, LG_ERR_SYNTAX, "5321 4.1.3 IPv6-addr"},
	{"jo@[x400:c=de]", 4, LG_ERR_SYNTAX, "5321 4.1.3 Standardized-tag, none registered"},

	/* RFC 3629: UTF-8 itself */
	{"\xC0\xAF@example.com", 0, LG_ERR_ENCODING, "3629 3 overlong, two octets"},
	{"\xE0\x80\xAF@example.com", 0, LG_ERR_ENCODING, "3629 3 overlong, three octets"},
	{"\xF0\x80\x80\xAF@example.com", 0, LG_ERR_ENCODING, "3629 3 overlong, four octets"},
	{"\xED\xA0\x80@example.com", 0, LG_ERR_ENCODING, "3629 3 a surrogate"},
	{"\xF4\x90\x80\x80@example.com", 0, LG_ERR_ENCODING, "3629 3 beyond U+10FFFF"},
	{"\x80@example.com", 0, LG_ERR_ENCODING, "3629 3 a tail alone"},
	{"j\xE2\x82@example.com", 1, LG_ERR_ENCODING, "3629 3 cut"},
	{"jo@\xE2\x82.com", 3, LG_ERR_ENCODING, "3629 3 cut"},
	{"jo@example.com\xE2\x82", 14, LG_ERR_ENCODING, "3629 3 cut at the end"},
	{"\xEF\xBF\xBE@example.com", 0, LG_ERR_UNASSIGNED, "a noncharacter"},

	/* RFC 6531 section 3.3, RFC 5890 to 5893 by UTS #46 */
	{"\xD0\xB8\xD0\xB2\xD0\xB0\xD0\xBD@\xD0\xBF\xD0\xBE\xD1\x87\xD1\x82\xD0\xB0.\xD1\x80\xD1\x84", ACCEPT, LG_OK, "6531 3.3 Cyrillic"},
	{"\xE0\xA4\xB0\xE0\xA4\xBE\xE0\xA4\xAE@\xE0\xA4\xAD\xE0\xA4\xBE\xE0\xA4\xB0\xE0\xA4\xA4.example", ACCEPT, LG_OK, "6531 3.3 Devanagari"},
	{"jo@\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D.example", ACCEPT, LG_OK, "5893 2 a label from right to left"},
	{"jo@\xD7\xA9" "a.example", 3, LG_ERR_SYNTAX, "5893 2 both directions in a label"},
	{"jo@a\xD7\xA9.example", 3, LG_ERR_SYNTAX, "5893 2 both directions in a label"},
	{"jo@\xCC\x88" "a.example", 3, LG_ERR_SYNTAX, "5891 4.2.3.2 a combining mark first"},
	{"jo@a\xE2\x80\x8D" "b.example", 3, LG_ERR_SYNTAX, "5892 A.2 zero width joiner"},
	{"jo@a\xE2\x80\x8C" "b.example", 3, LG_ERR_SYNTAX, "5892 A.1 zero width non-joiner"},
	{"jo@\xE0\xA4\x95\xE0\xA5\x8D\xE2\x80\x8D\xE0\xA4\xB7.example", ACCEPT, LG_OK, "5892 A.2 a joiner after a virama"},
	{"jo@\xE2\x80\x8B" "a.example", ACCEPT, LG_OK, "UTS #46 ignored: zero width space"},
	{"jo@\xE2\x80\x8B.example", 3, LG_ERR_SYNTAX, "UTS #46: nothing left of a label"},
	{"jo@a\xC2\xA0" "b.example", 4, LG_ERR_SYNTAX, "UTS #46: no-break space maps to a space"},
	{"jo@-\xC3\xBC.example", 3, LG_ERR_SYNTAX, "5891 4.2.3.1 a hyphen first"},
	{"jo@\xC3\xBC-.example", 3, LG_ERR_SYNTAX, "5891 4.2.3.1 a hyphen last"},
	{"jo@\xC3\xBC" "ab--c.example", ACCEPT, LG_OK, "5891 4.2.3.1 hyphens elsewhere"},
	{"jo@\xC3\xBC" "a--b.example", 3, LG_ERR_SYNTAX, "5891 4.2.3.1 hyphens in third and fourth place"},
	{"jo@XN--MNCHEN-3YA.example", ACCEPT, LG_OK, "5890 2.3.2.1 A-label in upper case"},
	{"jo@xn--mnchen-3y.example", 3, LG_ERR_SYNTAX, "3492 6.2 punycode cut"},
	{"jo@xn--a.example", 3, LG_ERR_SYNTAX, "3492 6.2 no punycode"},
	{"jo@xn--A-.example", 3, LG_ERR_SYNTAX, "5890 2.3.2.1 A-label of ASCII"},
	{"jo@xn--fass-.example", 3, LG_ERR_SYNTAX, "5890 2.3.2.1 A-label of ASCII"},
	{"jo@xn--x-yq0i.example", 3, LG_ERR_SYNTAX, "5891 5.4: decodes to what its mapping changes"},
	{"jo@xn--99999999.example", 3, LG_ERR_SYNTAX, "3492 6.4 overflow"},
	{"jo@\xEF\xBC\x8E" "example", 3, LG_ERR_SYNTAX, "UTS #46 4 full-width full stop: an empty label"},
	{"jo@example\xE3\x80\x82", 13, LG_ERR_SYNTAX, "5321 4.1.2 Domain, no trailing dot of any kind"},
	{"jo@example\xEF\xBD\xA1" "com", ACCEPT, LG_OK, "UTS #46 4 half-width ideographic full stop"},
	{"jo@\xE2\x91\xA0.example", ACCEPT, LG_OK, "UTS #46: circled one maps to 1"},
	{"jo@\xE2\x92\x88.example", 3, LG_ERR_SYNTAX, "UTS #46: digit one full stop"},
	{"jo@\xF0\x9F\x98\x80.example", ACCEPT, LG_OK, "UTS #46 keeps symbols"},
	{"jo@\xC3\x9F.example", ACCEPT, LG_OK, "UTS #46 non-transitional: sharp s alone"},
	{"\xE2\x80\xAE" "jo@example.com", ACCEPT, LG_OK, "6531 3.3: a direction mark is a UTF8-non-ascii"},
	{"jo\xC2\xA0" "doe@example.com", ACCEPT, LG_OK, "6531 3.3: a no-break space is a UTF8-non-ascii"},
	{"jo\xE2\x80\xA8@example.com", ACCEPT, LG_OK, "6531 3.3: a line separator is a UTF8-non-ascii"},
	{"jo\xC2\x85@example.com", ACCEPT, LG_OK, "6531 3.3: a C1 control is a UTF8-non-ascii"},

	/* Masks of ours */
	{"j***@e***.com", 0, LG_ERR_MASKED, "a mask"},
	{"r***@l***", 0, LG_ERR_MASKED, "a mask of a domain of one label"},
	{"j***@[***]", 0, LG_ERR_MASKED, "a mask of an address literal"},
	{"\"***@e***.com", 0, LG_ERR_MASKED, "a mask of a quoted local part"},
	{"****@e***.com", 0, LG_ERR_MASKED, "a mask of a local part that begins with an asterisk"},
	{"\xC3\xA9***@\xC3\xBC***.xn--p1ai", 0, LG_ERR_MASKED, "a mask beyond ASCII"},
	{"***", 0, LG_ERR_MASKED, "the mask of a text"},
	{"j***@example.com", ACCEPT, LG_OK, "5322 3.2.3: asterisks in a local part"},
	{"jo***@e***.com", 7, LG_ERR_SYNTAX, "two code points: none of our masks"},
	{"j***@e**.com", 6, LG_ERR_SYNTAX, "two asterisks: none of our masks"},
	{"j***@e***.c m", 6, LG_ERR_SYNTAX, "no label: none of our masks"}
};

static const struct
{
	const char *a;
	const char *b;
	bool		equal;
	const char *rule;
}			pairs[] = {
	{"Jo@Example.COM", "jo@example.com", true, "case-insensitive on both sides"},
	{"\"jo\"@example.com", "jo@example.com", true, "5321 4.1.2: quotes that are not needed"},
	{"\"jo.doe\"@example.com", "jo.doe@example.com", true, "5321 4.1.2: quotes that are not needed"},
	{"\"j\\o\"@example.com", "jo@example.com", true, "5321 4.1.2: an escape that is not needed"},
	{"\"jo\\ doe\"@example.com", "\"jo doe\"@example.com", true, "5321 4.1.2: an escape that is not needed"},
	{"\"jo\\@doe\"@example.com", "\"JO@doe\"@example.com", true, "5321 4.1.2: an escape that is not needed"},
	{"\"a\\\\b\"@example.com", "\"ab\"@example.com", false, "5321 4.1.2: a backslash that counts"},
	{"\"a\\\"b\"@example.com", "\"ab\"@example.com", false, "5321 4.1.2: a quote that counts"},
	{"\"jo doe\"@example.com", "jodoe@example.com", false, "5321 4.1.2: a space that counts"},
	{"\".jo\"@example.com", "jo@example.com", false, "5321 4.1.2: a dot that counts"},
	{"\"\"@example.com", "\" \"@example.com", false, "5321 4.1.2: nothing is not a space"},
	{"jo.doe@example.com", "jodoe@example.com", false, "no provider's rule about dots"},
	{"jo+x@example.com", "jo@example.com", false, "no provider's rule about tags"},
	{"jo@example.com", "jo@example.org", false, "domains differ"},
	{"jo@example.com", "jo@mail.example.com", false, "domains differ"},
	{"j\xC3\xBCrgen@example.com", "J\xC3\x9CRGEN@example.com", true, "6531: case beyond ASCII"},
	{"j\xC3\xBCrgen@example.com", "ju\xCC\x88rgen@example.com", true, "6531 3.3 and NFC"},
	{"j\xC3\xBCrgen@example.com", "jurgen@example.com", false, "accents count"},
	{"stra\xC3\x9F" "e@example.com", "STRASSE@example.com", true, "full case folding in the local part"},
	{"\xCE\xA3\xCE\xA3@example.com", "\xCF\x83\xCF\x82@example.com", true, "final sigma in the local part"},
	{"\xEF\xBD\x81@example.com", "a@example.com", false, "no compatibility mapping in the local part"},
	{"\xE2\x84\xAA@example.com", "k@example.com", true, "Kelvin sign is canonically K"},
	{"a\xCD\xBE@example.com", "\"a;\"@example.com", true, "U+037E is canonically a semicolon, which needs quotes"},
	{"\"<\xCC\xB8\"@example.com", "\xE2\x89\xAE@example.com", true, "a composed local part that needs no quotes"},
	{"jo@m\xC3\xBCnchen.de", "jo@xn--mnchen-3ya.de", true, "U-label = A-label"},
	{"jo@M\xC3\x9CNCHEN.DE", "jo@XN--MNCHEN-3YA.de", true, "U-label = A-label in any case"},
	{"jo@mu\xCC\x88nchen.de", "jo@m\xC3\xBCnchen.de", true, "UTS #46 NFC"},
	{"jo@fa\xC3\x9F.de", "jo@fass.de", false, "UTS #46 non-transitional: sharp s"},
	{"jo@fa\xC3\x9F.de", "jo@xn--fa-hia.de", true, "UTS #46 non-transitional: sharp s"},
	{"jo@\xEF\xBD\x85\xEF\xBD\x98.com", "jo@ex.com", true, "UTS #46 full-width"},
	{"jo@ex\xE3\x80\x82" "com", "jo@ex.com", true, "UTS #46 full stops"},
	{"jo@ex\xC2\xAD" "ample.com", "jo@example.com", true, "UTS #46 ignored"},
	{"jo@\xD0\xB5xample.com", "jo@example.com", false, "Cyrillic is not Latin"},
	{"jo@[IPv6:2001:DB8::1]", "jo@[ipv6:2001:db8::1]", true, "5321 4.1.3 in any case"},
	{"jo@[192.0.2.1]", "jo@[192.0.2.2]", false, "literals differ"},
	{"jo@[192.0.2.1]", "jo@192.0.2.1", false, "a literal is not a name"}
};

/* Runs on a copy of exactly the text's size, so that a read past it is found. */
static char *
exact(const char *text, size_t len)
{
	char	   *copy = malloc(len > 0 ? len : 1);

	if (copy == NULL)
		abort();
	memcpy(copy, text, len);
	return copy;
}

static bool
normal_of(char *out, size_t out_size, size_t *out_len, const char *text)
{
	size_t		domain_off;
	size_t		pos;
	const char *why;

	return lg_address_normal(out, out_size, out_len, &domain_off, text, strlen(text), &pos, &why) == LG_OK &&
		domain_off > 0 && out[domain_off - 1] == '@';
}

static void
test_cases(void)
{
	for (size_t i = 0; i < COUNT(cases); i++)
	{
		const Case *c = &cases[i];
		size_t		len = strlen(c->text);
		char	   *text = exact(c->text, len);
		char		out[LG_NORMAL_BOUND(LG_MAX_ADDRESS_BYTES)];
		LgAddress	addr = {0};
		size_t		out_len;
		size_t		domain_off;
		size_t		pos = 0;
		size_t		normal_pos = 0;
		const char *why = NULL;
		const char *normal_why = NULL;
		LgStatus	status = lg_address_parse(&addr, text, len, &pos, &why);
		LgStatus	normal = lg_address_normal(out, sizeof(out), &out_len, &domain_off, text, len, &normal_pos, &normal_why);
		bool		good = status == c->status && normal == status;

		if (c->pos == ACCEPT)
			good = good && addr.local_off == 0 && text[addr.local_len] == '@' &&
				addr.domain_off == addr.local_len + 1 && addr.domain_off + addr.domain_len == len &&
				addr.quoted == (text[0] == '"') && addr.literal == (text[addr.domain_off] == '[');
		else
			good = good && pos == c->pos && normal_pos == pos && why != NULL && why == normal_why && out_len == 0;
		if (!tap_ok(good, "RFC %s: %s %s", c->rule, c->pos == ACCEPT ? "accepted" : "refused", c->text))
			printf("# status %d and %d, fault at %zu, not %zu: %s\n", status, normal, pos, c->pos, why == NULL ? "" : why);
		free(text);
	}
}

static void
test_pairs(void)
{
	for (size_t i = 0; i < COUNT(pairs); i++)
	{
		char		a[4096];
		char		b[4096];
		size_t		a_len;
		size_t		b_len;
		bool		good = normal_of(a, sizeof(a), &a_len, pairs[i].a) && normal_of(b, sizeof(b), &b_len, pairs[i].b);

		tap_ok(good && (a_len == b_len && memcmp(a, b, a_len) == 0) == pairs[i].equal, "%s %s %s: %s",
			   pairs[i].a, pairs[i].equal ? "=" : "<>", pairs[i].b, pairs[i].rule);
	}
}

/* The normal form is frozen: tokens in the field are made of it. */
static void
test_forms(void)
{
	static const struct
	{
		const char *text;
		const char *normal;
		const char *mask;
		const char *munged;
	}			forms[] = {
		{"Jo@Example.com", "jo@example.com", "J***@E***.com", "Jo AT Example DOT com"},
		{"jo.doe@mail.example.com", "jo.doe@mail.example.com", "j***@m***.com", "jo.doe AT mail DOT example DOT com"},
		{"root@localhost", "root@localhost", "r***@l***", "root AT localhost"},
		{"\"a b\\c\"@x.org", "\"a bc\"@x.org", "\"***@x***.org", "\"a b\\c\" AT x DOT org"},
		{"\"\"@x.org", "\"\"@x.org", "\"***@x***.org", "\"\" AT x DOT org"},
		{"\"a\\\"\\\\\"@x.org", "\"a\\\"\\\\\"@x.org", "\"***@x***.org", "\"a\\\"\\\\\" AT x DOT org"},
		{"jo@[192.0.2.1]", "jo@[192.0.2.1]", "j***@[***]", "jo AT [192 DOT 0 DOT 2 DOT 1]"},
		{"jo@[IPv6:::FFFF:192.0.2.1]", "jo@[ipv6:::ffff:192.0.2.1]", "j***@[***]", "jo AT [IPv6:::FFFF:192 DOT 0 DOT 2 DOT 1]"},
		{"J\xC3\xBC@M\xC3\xBC.D\xC3\xA9", "j\xC3\xBC@xn--m-eha.xn--d-bga", "J***@M***.D\xC3\xA9", "J\xC3\xBC AT M\xC3\xBC DOT D\xC3\xA9"},
		{"\xC3\x9C@\xC3\xBC\xE3\x80\x82" "de", "\xC3\xBC@xn--tda.de", "\xC3\x9C***@\xC3\xBC***.de", "\xC3\x9C AT \xC3\xBC DOT de"},
		{"a\xCD\xBE@x", "\"a;\"@x", "a***@x***", "a\xCD\xBE AT x"},
		{"*@x.org", "*@x.org", "****@x***.org", "* AT x DOT org"}
	};

	for (size_t i = 0; i < COUNT(forms); i++)
	{
		char		out[4096];
		size_t		len;
		size_t		n = strlen(forms[i].text);

		tap_ok(normal_of(out, sizeof(out), &len, forms[i].text) && len == strlen(forms[i].normal) &&
			   memcmp(out, forms[i].normal, len) == 0, "normal form of %s: %s", forms[i].text, forms[i].normal);
		tap_ok(lg_mask_address(out, n + 10, forms[i].text, n) == LG_OK && strcmp(out, forms[i].mask) == 0 &&
			   lg_mask_is(out, strlen(out)), "mask of %s: %s", forms[i].text, forms[i].mask);
		tap_ok(lg_munge_address(out, LG_NORMAL_BOUND(n), forms[i].text, n) == LG_OK && strcmp(out, forms[i].munged) == 0,
			   "munged %s: %s", forms[i].text, forms[i].munged);
	}
}

/* The mask of an address in ASCII from its parts; false if it is none. */
static bool
mask_by_parts(char *out, const char *text, size_t len)
{
	LgAddress	addr;
	size_t		pos;
	const char *why;
	size_t		dot = len;

	if (lg_address_parse(&addr, text, len, &pos, &why) != LG_OK)
		return false;
	for (size_t i = addr.domain_off; i < len; i++)
		if (text[i] == '.')
			dot = i;
	sprintf(out, "%c***@%c***%.*s", text[0], text[addr.domain_off], (int) (len - dot), text + dot);
	return true;
}

/* Is the mask of this text what the parser's parts make, and none where it finds a fault? */
static bool
masked_as_parsed(const char *text, size_t len)
{
	char		want[512];
	char		out[512];
	bool		is_address = mask_by_parts(want, text, len);
	LgStatus	status = lg_mask_address(out, len + 10, text, len);

	return is_address ? status == LG_OK && strcmp(out, want) == 0 : status != LG_OK && out[0] == '\0';
}

/* Is the normal form of this ASCII text, with no quotes and no A-label, the text in lower case, where it is an address? */
static bool
lowered_as_parsed(const char *text, size_t len)
{
	char		out[512 * 18];
	size_t		out_len;
	size_t		domain_off;
	size_t		pos;
	const char *why;
	LgAddress	addr;
	LgStatus	parsed = lg_address_parse(&addr, text, len, &pos, &why);

	if (lg_address_normal(out, sizeof(out), &out_len, &domain_off, text, len, &pos, &why) != parsed)
		return false;
	if (parsed != LG_OK)
		return out_len == 0;
	if (out_len != len || domain_off != addr.domain_off)
		return false;
	for (size_t i = 0; i < len; i++)
		if (out[i] != (text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]))
			return false;
	return true;
}

/* Most masks and normal forms are made without a full parse: they must not differ by that. */
static void
test_masks(void)
{
	static const char bytes[] = "aZ-.@*";
	static const char *const ends[] = {"a@xn--a.de", "a@xn--tda.de", "a@XN--tda.de", "a@ab--c", "a@a-b-c.d-e", "a@a-.b", "a@-a", "a@a.-",
	"a@b c", "a b@c", "a@b_c", "a+b@c", "a_b@c", "a@b+c", "a@b\xC3\xBC", "\xC3\xBC@b", "a@b\n", "a@b@c", "\"a\"@b", "a@b.", "a@b..c"};
	char		text[512];
	bool		good = true;
	size_t		total = 1;

	for (size_t len = 0; len <= 7; len++, total *= 6)
		for (size_t n = 0; n < total; n++)
		{
			for (size_t i = 0, rest = n; i < len; i++, rest /= 6)
				text[i] = bytes[rest % 6];
			good = good && masked_as_parsed(text, len) && lowered_as_parsed(text, len);
		}
	tap_ok(good, "masks and normal forms of all texts of up to seven bytes of \"%s\" agree with the parser", bytes);
	good = true;
	for (size_t i = 0; i < COUNT(ends); i++)
	{
		LgAddress	addr;
		size_t		pos;
		const char *why;
		char		out[64];
		size_t		len = strlen(ends[i]);

		good = good && (lg_mask_address(out, sizeof(out), ends[i], len) == LG_OK) ==
			(lg_address_parse(&addr, ends[i], len, &pos, &why) == LG_OK);
	}
	tap_ok(good, "nothing has a mask that the parser refuses");
	good = true;
	memset(text, 'a', sizeof(text));
	for (size_t local = 60; local <= 68; local++)
		for (size_t len = local + 55; len <= local + 75; len++)
		{
			text[local] = '@';
			good = good && masked_as_parsed(text, len) && lowered_as_parsed(text, len);
			text[local + 10] = '.';
			good = good && masked_as_parsed(text, len) && lowered_as_parsed(text, len);
			text[local + 10] = text[local] = 'a';
		}
	tap_ok(good, "nor at the limits of length");
	memcpy(text, "a\0b@c", 5);
	tap_ok(masked_as_parsed(text, 5) && lg_mask_address(text + 8, 16, text, 5) != LG_OK, "nor with a NUL");
	for (size_t size = 0; size <= strlen("a***@b***.cd"); size++)
		good = good && lg_mask_address(text, size, "ab@bcd.cd", 9) == LG_ERR_SPACE && (size == 0 || text[0] == '\0');
	tap_ok(good && lg_mask_address(text, strlen("a***@b***.cd") + 1, "ab@bcd.cd", 9) == LG_OK, "a short buffer gets no part of one");
}

/* What is refused leaves nothing of itself; what does not fit is not given in part. */
static void
test_refusals(void)
{
	static const char text[] = "\"j o\"@m\xC3\xBCnchen.de";
	char		out[256];
	size_t		out_len;
	size_t		domain_off;
	size_t		pos;
	const char *why;
	bool		good = true;
	char		large[LG_MAX_ADDRESS_BYTES + 1];

	strcpy(out, "before");
	tap_ok(lg_mask_address(out, sizeof(out), "jo", 2) == LG_ERR_SYNTAX && out[0] == '\0', "no mask of what is no address");
	strcpy(out, "before");
	tap_ok(lg_munge_address(out, sizeof(out), "jo@", 3) == LG_ERR_SYNTAX && out[0] == '\0', "no munged form of what is no address");
	for (size_t size = 0; size < strlen("\"***@m***.de") + 1; size++)
		good = good && lg_mask_address(out, size, text, strlen(text)) == LG_ERR_SPACE && (size == 0 || out[0] == '\0');
	tap_ok(good && lg_mask_address(out, strlen("\"***@m***.de") + 1, text, strlen(text)) == LG_OK,
		   "a mask fits its own length and nothing less");
	good = true;
	for (size_t size = 0; size < strlen("\"j o\"@xn--mnchen-3ya.de"); size++)
		good = good && lg_address_normal(out, size, &out_len, &domain_off, text, strlen(text), &pos, &why) == LG_ERR_SPACE &&
			out_len == 0;
	for (size_t size = 0; size < strlen("jo@example.com"); size++)
		good = good && lg_address_normal(out, size, &out_len, &domain_off, "Jo@Example.com", 14, &pos, &why) == LG_ERR_SPACE &&
			lg_address_normal(out, size, &out_len, &domain_off, "\"jo\"@example.com", 16, &pos, &why) == LG_ERR_SPACE;
	tap_ok(good, "a normal form does not fit less than its length");
	tap_ok(lg_mask_text(out, 4) == LG_OK && strcmp(out, "***") == 0 && lg_mask_is(out, 3) &&
		   lg_mask_text(out, 3) == LG_ERR_SPACE && lg_mask_text(out, 0) == LG_ERR_SPACE, "mask of a text");
	memset(large, 'a', sizeof(large));
	tap_ok(lg_address_normal(out, sizeof(out), &out_len, &domain_off, large, sizeof(large), &pos, &why) == LG_ERR_TOO_LONG &&
		   pos == LG_MAX_ADDRESS_BYTES, "1025 octets are refused before they are looked at");
	tap_ok(lg_address_normal(out, sizeof(out), &out_len, &domain_off, "a\0b@c", 5, &pos, &why) == LG_ERR_SYNTAX && pos == 1,
		   "NUL in an address");
}

static void
test_no_masks(void)
{
	static const char *const texts[] = {
		"", "*", "**", "****", "*** ", " ***", "a***", "***@***", "***@e***.com", "j***@", "j***@e***.", "j***@e***..com",
		"j***@e***.com.", "j***@e***.co.uk", "j***@e***com", "j***@.***.com", ".***@e***.com", "@***@e***.com",
		" ***@e***.com", "j***@-***.com", "j***@e***.-", "j***@e***.c_m", "j***@[***", "j***@[****]", "j***@[***].com",
		"jo@example.com", "j***e***.com", "j***@\xCC\x81***.com", "\x80***@e***.com", "\xCD\xB8***@e***.com",
		"j***@_***.com", "j***@e***.\xE3\x80\x82", "j***@e***\xE3\x80\x82net", "5 *** hotel", "rated ***"
	};
	char		out[256];

	for (size_t i = 0; i < COUNT(texts); i++)
	{
		char	   *copy = exact(texts[i], strlen(texts[i]));

		tap_ok(!lg_mask_is(copy, strlen(texts[i])), "no mask of ours: \"%s\"", texts[i]);
		free(copy);
	}
	tap_ok(lg_address_normal(out, sizeof(out), &(size_t) {0}, &(size_t) {0}, "j***@e***.com", 13, &(size_t) {0},
							 &(const char *) {NULL}) == LG_ERR_MASKED, "a mask is not normalised");
}

/* Whatever the first characters are, the mask of an address is known as one and is no address. */
static void
test_mask_every_code_point(void)
{
	static const char *const tails[] = {"a.com", "\xD7\x90.\xD7\x91", ""};
	unsigned	seen = 0;
	unsigned	bad = 0;

	for (uint32_t c = 1; c <= LG_UCD_MAX; c++)
	{
		if (c >= 0xD800 && c <= 0xDFFF)
			continue;
		for (size_t i = 0; i < 2 * COUNT(tails); i++)
		{
			char		text[64];
			char		mask[64];
			LgAddress	addr;
			size_t		len = i % 2 ? 0 : (size_t) sprintf(text, "a@");
			size_t		pos;
			const char *why;

			len += lg_utf8_put(text + len, c);
			len += (size_t) sprintf(text + len, i % 2 ? "x@a%s" : "%s", tails[i / 2]);
			if (lg_mask_address(mask, sizeof(mask), text, len) != LG_OK)
				continue;
			seen++;
			if (!lg_mask_is(mask, strlen(mask)) ||
				lg_address_parse(&addr, mask, strlen(mask), &pos, &why) != LG_ERR_MASKED)
				bad++;
		}
	}
	tap_ok(bad == 0 && seen > 500000, "%u masks of addresses that begin with every code point: %u not known", seen, bad);
}

int
main(void)
{
	test_cases();
	test_pairs();
	test_forms();
	test_masks();
	test_refusals();
	test_no_masks();
	test_mask_every_code_point();
	return tap_done();
}
