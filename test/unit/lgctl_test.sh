#!/bin/bash
# lgctl from the outside: keys, signing, verifying, refusals, exit codes.  TAP on standard output.
# usage: test/unit/lgctl_test.sh		(LGCTL=path of the program, built first if not there)
set -u
umask 000
top=$(cd "$(dirname "$0")/../.." && pwd)
if [ ! -x "${LGCTL:-}" ]; then
	make -s -C "$top/contrib/lgctl" >&2 || exit 1
	LGCTL=$top/contrib/lgctl/lgctl
fi
unset LGCTL_PASSPHRASE_FD
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
count=0
failed=0

ok()	# ok CODE-OF-CONDITION NAME
{
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		failed=$((failed + 1))
		echo "not ok $count - $2"
		sed 's/^/# /' err 2>/dev/null | head -5
	fi
}

# run WANTED-CODE NAME ARGUMENTS...: out and err hold what it wrote; no terminal, no input
run()
{
	local want=$1 name=$2 code
	shift 2
	setsid -w "$LGCTL" "$@" >out 2>err </dev/null
	code=$?
	[ "$code" -eq "$want" ]
	ok $? "$name (exit $code, want $want)"
}

# refuse WANTED-CODE NAME ARGUMENTS...: as run, and nothing on standard output, something on the other
refuse()
{
	run "$@"
	[ ! -s out ] && [ -s err ]
	ok $? "$2: nothing but an error message"
}

has() { grep -q -- "$1" "$2"; ok $? "$3"; }

base='"aud":"7123/app/1/n1","sub":"app_role","lg:list":["crm.people/acme#5"],"lg:cols":["email"],"lg:max":100,"lg:purpose":"March letter"'

# ---- program ----
run 0 "--version" --version
has '^lgctl (listguard) [0-9]' out "it prints a version"
run 0 "--help" --help
has 'Exit codes' out "it prints the exit codes"
refuse 2 "no command"
refuse 2 "an unknown command" open
refuse 2 "keygen alone" keygen
refuse 2 "keygen of another kind" keygen user
refuse 2 "ticket alone" ticket
refuse 2 "ticket of another kind" ticket burn
refuse 2 "keygen root with an argument" keygen root x
refuse 2 "keygen root with an option" keygen root --out f
refuse 2 "an unknown option" keygen approver --out f --passphrase secret
[ ! -e f ]
ok $? "and no file"

# ---- keys ----
run 0 "keygen root" keygen root
grep -Eqx '[0-9a-f]{64}' out && [ "$(wc -l <out)" -eq 1 ]
ok $? "64 hex digits"
mv out first
run 0 "keygen root again" keygen root
! cmp -s first out
ok $? "another key"
refuse 2 "keygen approver without --out" keygen approver --no-passphrase
refuse 3 "keygen approver into a directory that is not there" keygen approver --out no/key --no-passphrase
refuse 3 "keygen approver without a terminal" keygen approver --out notty
[ ! -e notty ]
ok $? "and no file"
run 0 "keygen approver without a passphrase" keygen approver --out plain --no-passphrase
pub=$(cat out)
grep -Eqx 'k4\.public\.[A-Za-z0-9_-]{43}' out
ok $? "it prints the public key"
grep -Eqx 'k4\.secret\.[A-Za-z0-9_-]{86}' plain && [ "$(wc -l <plain)" -eq 1 ]
ok $? "the file holds the secret key"
[ "$(stat -c %a plain)" = 600 ]
ok $? "its mode is 0600 under umask 000"
cp -p plain kept
refuse 1 "keygen approver over a file" keygen approver --out plain --no-passphrase
cmp -s plain kept
ok $? "which is as before"
ln -s nowhere link
refuse 1 "keygen approver through a symbolic link" keygen approver --out link --no-passphrase
[ ! -e nowhere ]
ok $? "which leads nowhere still"

printf 'correct horse\nnot read\n' >pass
printf 'wrong horse\n' >wrongpass
printf '\n' >nopass
head -c 1100 /dev/zero | tr '\0' x >longpass
setsid -w "$LGCTL" keygen approver --out wrapped --passphrase-fd 7 >out 2>err 7<pass
ok $? "keygen approver with a passphrase from a descriptor"
wpub=$(cat out)
grep -Eqx 'k4\.secret-pw\.[A-Za-z0-9_-]{203}' wrapped
ok $? "the file holds the wrapped key"
[ "$(stat -c %a wrapped)" = 600 ]
ok $? "its mode is 0600"
setsid -w "$LGCTL" keygen approver --out empty --passphrase-fd 7 >out 2>err 7<nopass
[ $? -eq 1 ] && [ ! -e empty ]
ok $? "an empty passphrase is refused"
setsid -w "$LGCTL" keygen approver --out long --passphrase-fd 7 >out 2>err 7<longpass
[ $? -eq 1 ] && [ ! -e long ]
ok $? "a passphrase of 1100 bytes is refused"
refuse 3 "a descriptor that is not open" keygen approver --out closed --passphrase-fd 9
refuse 2 "a descriptor that is no number" keygen approver --out closed --passphrase-fd x
LGCTL_PASSPHRASE_FD=x refuse 2 "the same from the environment" keygen approver --out closed

# ---- signing ----
run 0 "ticket sign" ticket sign --key plain --as ann --yes "{$base}"
token=$(cat out)
grep -Eqx 'v4\.public\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{82}' out
ok $? "it prints one token"
for words in 'role *app_role' 'up to 100 rows' 'crm.people, list "acme" (number 5)' 'columns *"email"' 'purpose *"March letter"' \
	'7123/app/1/n1' '(10 min)' 'signed by *ann'; do
	has "$words" err "it said: $words"
done
mv out first
run 0 "ticket sign again" ticket sign --key plain --as ann --yes "{$base}"
! cmp -s first out
ok $? "another ticket number"
echo "{$base}" >claims.json
run 0 "ticket sign from a file" ticket sign --key plain --as ann --yes claims.json
setsid -w "$LGCTL" ticket sign --key plain --as ann --yes - >out 2>err <claims.json
ok $? "ticket sign from standard input"
run 0 "ticket sign --ttl 90s" ticket sign --key plain --as ann --yes --ttl 90s "{$base}"
has '(90 s)' err "it said 90 s"
run 0 "ticket sign --ttl 24h" ticket sign --key plain --as ann --yes --ttl 24h "{$base}"
for ttl in 0s 25h 10 m 10d -5m 1.5h '10 m' 10mm 99999999999999999999s ''; do
	refuse 2 "--ttl '$ttl'" ticket sign --key plain --as ann --yes --ttl "$ttl" "{$base}"
done
refuse 2 "ticket sign without --key" ticket sign --as ann --yes "{$base}"
refuse 2 "ticket sign without --as" ticket sign --key plain --yes "{$base}"
refuse 2 "ticket sign without claims" ticket sign --key plain --as ann --yes
refuse 2 "ticket sign with two" ticket sign --key plain --as ann --yes "{$base}" "{$base}"
refuse 1 "an empty name" ticket sign --key plain --as '' --yes "{$base}"
refuse 1 "a name with a newline" ticket sign --key plain --as $'a\nb' --yes "{$base}"
refuse 1 "a name that is not UTF-8" ticket sign --key plain --as $'a\xff' --yes "{$base}"
refuse 3 "claims from a file that is not there" ticket sign --key plain --as ann --yes none.json
refuse 3 "no --yes and no terminal" ticket sign --key plain --as ann "{$base}"
"$LGCTL" ticket sign --key plain --as ann --yes "{$base}" >/dev/full 2>err
[ $? -eq 3 ]
ok $? "a full disk under standard output is exit 3"

# what is shown cannot hide or reorder anything
run 0 "deceptive characters" ticket sign --key plain --as ann --yes \
	"{${base/March letter/a\\u202eb\\u200bc\\\"d}}"
has 'a\\u{202E}b\\u{200B}c\\u{22}d' err "are shown as what they are"

# ---- claims that are not understood ----
bad=(
	"" "x" "{}" "[]" "null" "{$base" "{$base}x" "{$base}{}" "{$base,}" "[{$base}]"
	"{$base,\"x\":1}" "{$base,\"lg:quorum\":2}" "{$base,\"iss\":\"bob\"}" "{$base,\"jti\":\"00112233445566778899aabbccddeeff\"}"
	"{$base,\"iat\":\"2030-01-01T00:00:00Z\"}" "{$base,\"nbf\":\"2030-01-01T00:00:00Z\"}" "{$base,\"exp\":\"2030-01-01T00:00:00Z\"}"
	"{$base,\"sub\":\"app_role\"}" "{$base,\"lg:max\":5}" "{$base,\"lg:req\":\"abc\"}" "{$base,\"lg:req\":null}"
	"{$base,\"lg:to\":\"key\"}" "{$base,\"lg:until\":\"soon\"}" "{$base,\"x\\u001b\":1}"
	"{${base/100/0}}" "{${base/100/-1}}" "{${base/100/1.5}}" "{${base/100/\"100\"}}" "{${base/100/null}}" "{${base/100/1e3}}"
	"{${base/100/99999999999999999999}}" "{${base/\"app_role\"/null}}" "{${base/\"app_role\"/1}}" "{${base/\[\"email\"\]/\"email\"}}"
	"{${base/\[\"email\"\]/[]}}" "{${base/\"email\"/\"*\",\"email\"}}" "{${base/crm.people/people}}" "{${base/\#5/}}" "{${base/\#5/#05}}"
	"{${base/acme/a c}}" "{${base/March letter/a\\nb}}" "{${base/March letter/a\\u0000b}}" "{${base/March letter/\\ud800}}"
	"{${base/March letter/}}" "{${base/March letter/$(printf 'x%.0s' {1..201})}}" "{${base/March letter/$(printf 'x%.0s' {1..3000})}}"
	"{\"sub\":\"a\"}"
)
for i in "${!bad[@]}"; do
	printf '%s' "${bad[$i]}" >bad.json
	refuse 1 "bad claims $i" ticket sign --key plain --as ann --yes bad.json
done
head -c 9000 /dev/zero | tr '\0' ' ' >bad.json
refuse 1 "claims of 9000 bytes" ticket sign --key plain --as ann --yes bad.json

# ---- the key file ----
refuse 3 "a key file that is not there" ticket sign --key none --as ann --yes "{$base}"
refuse 1 "a directory as key file" ticket sign --key . --as ann --yes "{$base}"
for mode in 640 604 660 644 610; do
	cp plain open
	chmod $mode open
	refuse 1 "a key file of mode $mode" ticket sign --key open --as ann --yes "{$base}"
done
umask 077
: >bent
refuse 1 "an empty key file" ticket sign --key bent --as ann --yes "{$base}"
echo "$pub" >bent
refuse 1 "a public key as key file" ticket sign --key bent --as ann --yes "{$base}"
head -c 90 plain >bent
refuse 1 "a cut key file" ticket sign --key bent --as ann --yes "{$base}"
{ cat plain; echo; } >bent
refuse 1 "a key file with a line more" ticket sign --key bent --as ann --yes "{$base}"
sed 's/k4/k3/' plain >bent
refuse 1 "a key of version 3" ticket sign --key bent --as ann --yes "{$base}"
# a character of the public half: no longer the seed's
sed 's/^\(.\{80\}\)A/\1B/; t; s/^\(.\{80\}\)./\1A/' plain >bent
refuse 1 "a key whose halves do not match" ticket sign --key bent --as ann --yes "{$base}"

# ---- passphrases ----
setsid -w "$LGCTL" ticket sign --key wrapped --as ann --yes --passphrase-fd 7 "{$base}" >out 2>err 7<pass
ok $? "the right passphrase signs"
wtoken=$(cat out)
LGCTL_PASSPHRASE_FD=7 setsid -w "$LGCTL" ticket sign --key wrapped --as ann --yes "{$base}" >out 2>err 7<pass
ok $? "also by the environment's descriptor"
for wrong in wrongpass nopass longpass /dev/null; do
	setsid -w "$LGCTL" ticket sign --key wrapped --as ann --yes --passphrase-fd 7 "{$base}" >out 2>err 7<$wrong
	[ $? -eq 1 ] && [ ! -s out ]
	ok $? "the passphrase of $(basename $wrong) is refused"
done
refuse 3 "no passphrase and no terminal" ticket sign --key wrapped --as ann --yes "{$base}"
refuse 2 "claims and passphrase from one input" ticket sign --key wrapped --as ann --yes --passphrase-fd 0 -
for at in 20 60 120 150 200; do
	sed "s/^\(.\{$at\}\)A/\1B/; t; s/^\(.\{$at\}\)./\1A/" wrapped >bent
	setsid -w "$LGCTL" ticket sign --key bent --as ann --yes --passphrase-fd 7 "{$base}" >out 2>err 7<pass
	[ $? -eq 1 ] && [ ! -s out ]
	ok $? "a wrapped key with character $at changed is refused"
done

# ---- on a terminal ----
# talk ANSWER...: runs "$LGCTL $command" on a terminal of its own, answers each prompt; screen holds what was seen
talk()
{
	local char seen='' answer
	coproc TTY { exec script -qec "'$LGCTL' $command >out 2>err" /dev/null 2>&1; }
	local pid=$TTY_PID from=${TTY[0]} to=${TTY[1]}
	for answer in "$@"; do
		while IFS= read -r -t 60 -n 1 -d '' -u "$from" char; do
			seen+=$char
			[[ $seen == *': ' || $seen == *'no) ' ]] && break
		done
		printf '%s\n' "$answer" >&"$to"
		seen+=' '
	done
	while IFS= read -r -t 60 -n 1 -d '' -u "$from" char; do seen+=$char; done
	printf '%s' "$seen" >screen
	wait "$pid"
}
if script -qec true /dev/null > /dev/null 2>&1 < /dev/null; then
command="keygen approver --out typed"
talk horse horse
ok $? "a passphrase typed twice makes a key"
has '^k4.public' out "and prints it"
! grep -q horse screen
ok $? "what is typed is not shown"
command="keygen approver --out differ"
talk horse mare
[ $? -eq 1 ] && [ ! -e differ ]
ok $? "two different ones make none"
command="ticket sign --key typed --as ann claims.json"
talk yes horse
ok $? "yes and the passphrase sign"
has '^v4.public' out "and print the ticket"
has 'Sign it' screen "the question was asked"
for answer in no y '' YES 'yes '; do
	command="ticket sign --key plain --as ann claims.json"
	talk "$answer"
	[ $? -eq 1 ] && [ ! -s out ]
	ok $? "the answer '$answer' does not sign"
done
else
	count=$((count + 1))
	echo "ok $count - what a terminal is asked # SKIP script(1) or /dev/pts is missing"
fi

# ---- show and verify ----
run 0 "ticket show" ticket show "$token"
has 'NOT checked' out "it says that nothing was checked"
has 'crm.people, list "acme" (number 5)' out "it says the list"
run 0 "ticket verify" ticket verify --public "$pub" "$token"
has 'are right' out "it says so"
run 0 "the wrapped key's ticket" ticket verify --public "$wpub" "$wtoken"
echo "$token" | setsid -w "$LGCTL" ticket verify --public "$pub" - >out 2>err
ok $? "ticket verify from standard input"
echo "$token" | setsid -w "$LGCTL" ticket show - >out 2>err
ok $? "ticket show from standard input"
refuse 1 "another key" ticket verify --public "$wpub" "$token"
refuse 1 "the other key's ticket" ticket verify --public "$pub" "$wtoken"
refuse 2 "ticket verify without --public" ticket verify "$token"
refuse 2 "a secret key as --public" ticket verify --public "$(cat plain)" "$token"
refuse 2 "a key of small order as --public" ticket verify --public k4.public.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA "$token"
refuse 2 "ticket verify without a ticket" ticket verify --public "$pub"
exp=$(sed -n 's/^ *valid .* to \([^ ]*\) .*/\1/p' <("$LGCTL" ticket show "$token"))
nbf=$(sed -n 's/^ *valid *\([^ ]*\) to .*/\1/p' <("$LGCTL" ticket show "$token"))
run 0 "one second before its end" ticket verify --public "$pub" --at "$(date -u -d "$exp - 1 second" +%FT%TZ)" "$token"
refuse 1 "at its end" ticket verify --public "$pub" --at "$exp" "$token"
has expired err "it has expired"
run 0 "a minute before its beginning" ticket verify --public "$pub" --at "$(date -u -d "$nbf - 60 seconds" +%FT%TZ)" "$token"
refuse 1 "61 seconds before" ticket verify --public "$pub" --at "$(date -u -d "$nbf - 61 seconds" +%FT%TZ)" "$token"
refuse 2 "--at that is no time" ticket verify --public "$pub" --at now "$token"

body=${token#v4.public.}
altered=(
	"" "v4.public." "$token=" " $token" "$token " "$token"$'\n' "$token.x" "${token%?}" "${token%.*}" "v3.public.$body" "v4.local.$body"
	"v4.public.A$body" "v4.public.${body#?}" "${token/e/f}" "${token:0:200}$([ "${token:200:1}" = A ] && echo B || echo A)${token:201}"
	"${wtoken%.*}.${token##*.}" "${token%.*}.${wtoken##*.}" "${token%.*}.e30" "$token $token" "$(printf 'A%.0s' {1..5000})"
)
for i in "${!altered[@]}"; do
	refuse 1 "altered ticket $i" ticket verify --public "$pub" "${altered[$i]}"
done
refuse 1 "show of no ticket" ticket show "$pub"
printf '%s\r\n' "$token" | setsid -w "$LGCTL" ticket verify --public "$pub" - >out 2>err
[ $? -eq 1 ]
ok $? "a ticket with CR LF is refused"
"$LGCTL" ticket show "$token" >/dev/full 2>err
[ $? -eq 3 ]
ok $? "show to a full disk is exit 3"

# ---- root verify: dumps made of the frozen vectors ----
flat=$(tr -d '\n ' <"$top/test/vectors/value.json")
wrapped() { grep -o "\"kind\":$1,\"list_no\":$2,\"key_id\":$3,[^}]*" <<<"$flat" | sed 's/.*"wrapped":"\([0-9a-f]*\)".*/\1/'; }
root=$(grep -o '"root":"[0-9a-f]*"' <<<"$flat" | cut -d'"' -f4)
keyset=$(grep -o '"keyset":"[0-9a-f]*"' <<<"$flat" | head -1 | cut -d'"' -f4)
one=$(wrapped 1 1 1)
last=$(wrapped 1 2147483647 4294967295)
index=$(wrapped 2 0 1)
[ ${#root} -eq 64 ] && [ ${#keyset} -eq 32 ] && [ ${#one} -eq 228 ] && [ ${#last} -eq 228 ] && [ ${#index} -eq 228 ]
ok $? "the vectors hold what a dump is made of"
echo "$root" >root.key
tr 0-9a-f 1-9a-f0 <root.key >other.key
chmod 600 root.key other.key

head_of_dump="--
-- PostgreSQL database dump
--

\\restrict abc
SET standard_conforming_strings = on;
/* a /* nested */ comment; with a semicolon and a quote ' */
CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS \$_\$
COPY listguard.key (key_id, list_no, wrapped, created, retired) FROM stdin;
1	1	no key	x	\\N
\$_\$;
COMMENT ON TABLE public.t IS 'it''s; COPY listguard.key (wrapped) FROM stdin;';
COPY public.t (a, b) FROM stdin;
COPY listguard.key (key_id) FROM stdin;	'; INSERT INTO listguard.key VALUES (1);
-- a line
\\.
"
tail_of_dump="
--
-- PostgreSQL database dump complete
--
"
keys_copied()	# keys_copied ONE LAST INDEX KEYSET
{
	printf '%s\n' "COPY listguard.index_key (epoch, wrapped, created) FROM stdin;" \
		"1	\\\\x$3	2026-01-01 00:00:00+00" '\.' '' \
		"COPY listguard.key (key_id, list_no, wrapped, created, retired) FROM stdin;" \
		"1	1	\\\\x$1	2026-01-01 00:00:00+00	\\N" \
		"4294967295	2147483647	\\\\x$2	2026-01-01 00:00:00+00	2026-01-02 00:00:00+00" \
		"77	5	\\N	2026-01-01 00:00:00+00	\\N" '\.' '' \
		"COPY listguard.keyset (only_one, id, created) FROM stdin;" \
		"t	\\\\x$4	2026-01-01 00:00:00+00" '\.'
}
keys_inserted()
{
	printf '%s\n' "INSERT INTO listguard.index_key VALUES (1, '\\x$3', '2026-01-01 00:00:00+00');" \
		"INSERT INTO listguard.key (list_no, key_id, wrapped) VALUES" "	(1, 1, '\\x$1')," "	(5, 77, NULL);" \
		"INSERT INTO listguard.key VALUES (4294967295, 2147483647, '\\x$2', 'it''s (so), really', NULL) ON CONFLICT DO NOTHING;" \
		"INSERT INTO listguard.keyset VALUES (true, '\\x$4', '2026-01-01 00:00:00+00');" \
		"INSERT INTO public.t VALUES ('INSERT INTO listguard.key VALUES (1, 1, ''x'');');"
}
make_dump() { printf '%s' "$head_of_dump"; "$@"; printf '%s' "$tail_of_dump"; }

make_dump keys_copied "$one" "$last" "$index" "$keyset" >copied.sql
make_dump keys_inserted "$one" "$last" "$index" "$keyset" >inserted.sql
for d in copied inserted; do
	run 0 "root verify, $d" root verify --key root.key $d.sql
	has "keyset $keyset: 1 index key and 2 list keys opened, 1 destroyed" out "$d: it says how many"
	has '^root key [0-9a-f]* opens all of them' out "$d: and that these are all"
	refuse 1 "root verify, $d, another root" root verify --key other.key $d.sql
	has 'does not open: it needs root key [0-9a-f]*, and this is root key' err "$d: it names the root that is needed"
	has '3 of 3 keys do not open' err "$d: and how many do not open"
done
"$LGCTL" root verify --key - copied.sql <root.key >out 2>err
ok $? "the key from standard input"
"$LGCTL" root verify --key root.key - <copied.sql >out 2>err
ok $? "the dump from standard input"
refuse 2 "both from standard input" root verify --key - -
refuse 2 "root verify without --key" root verify copied.sql
refuse 2 "root verify without a dump" root verify --key root.key
refuse 2 "root alone" root
refuse 2 "root of another kind" root open copied.sql
refuse 3 "a dump that is not there" root verify --key root.key no.sql
refuse 3 "a key that is not there" root verify --key no.key copied.sql

altered_one=${one:0:100}$([ "${one:100:1}" = 0 ] && echo 1 || echo 0)${one:101}
make_dump keys_copied "$altered_one" "$last" "$index" "$keyset" >d.sql
refuse 1 "an altered key" root verify --key root.key d.sql
has 'key 1 of list 1 does not open: it was altered' err "it is named"
has '1 of 3 keys do not open' err "and is the only one"
make_dump keys_copied "$last" "$one" "$index" "$keyset" >d.sql
refuse 1 "keys exchanged" root verify --key root.key d.sql
make_dump keys_copied "$one" "$last" "$index" "$(tr 0-9a-f 1-9a-f0 <<<"$keyset")" >d.sql
refuse 1 "another keyset" root verify --key root.key d.sql
has 'index key 1 does not open' err "the first is named"
for d in copied inserted; do
	make_dump keys_$d "${one%??}" "$last" "$index" "$keyset" >d.sql
	refuse 1 "a key that is too short, $d" root verify --key root.key d.sql
	make_dump keys_$d "$one" "$last" "${index/0/x}" "$keyset" >d.sql
	refuse 1 "no hex digits, $d" root verify --key root.key d.sql
done
grep -v '^t	' copied.sql >d.sql
refuse 1 "without the keyset" root verify --key root.key d.sql
has 'not the keyset' err "it says so"
head -n -4 copied.sql >d.sql
refuse 1 "a dump cut at its end" root verify --key root.key d.sql
for size in 300 500 900 1300; do
	head -c $size copied.sql >d.sql
	refuse 1 "a dump cut after $size bytes" root verify --key root.key d.sql
done
make_dump true >d.sql
refuse 1 "a dump without keys" root verify --key root.key d.sql
has 'nothing is proved' err "proves nothing"
: >d.sql
refuse 1 "an empty file" root verify --key root.key d.sql

{ printf -- '--\n-- PostgreSQL database cluster dump\n--\n\\connect app\n'; cat copied.sql; printf '\\connect "two"\n'; cat inserted.sql; } >all.sql
run 0 "root verify of pg_dumpall" root verify --key root.key all.sql
[ "$(grep -c 'list keys opened' out)" -eq 2 ] && grep -q '^database app, keyset' out
ok $? "names each database"
{ printf '\\connect app\n'; cat copied.sql; printf '\\connect two\n'; cat d.sql; make_dump keys_copied "$altered_one" "$last" "$index" "$keyset"; } >all.sql
refuse 1 "a bad key in the second database" root verify --key root.key all.sql
has '1 of 6 keys do not open' err "is found"

printf 'PGDMP\001\016\000rest' >d.bin
refuse 1 "custom format" root verify --key root.key d.bin
has 'pg_restore -f -' err "it says what to do"
printf 'toc.dat\000\000' >d.bin
refuse 1 "tar format" root verify --key root.key d.bin
mkdir dumpdir
refuse 1 "directory format" root verify --key root.key dumpdir
has 'pg_restore -f -' err "it says what to do"
gzip -c copied.sql >d.gz
refuse 1 "compressed" root verify --key root.key d.gz
chmod 644 other.key
refuse 1 "a key file open to others" root verify --key other.key copied.sql
for bad in "" "${root}0" "${root%?}" "${root%?}g" "$root $root"; do
	echo "$bad" >bad.key
	chmod 600 bad.key
	refuse 1 "'$bad' is no root key" root verify --key bad.key copied.sql
done
"$LGCTL" root verify --key root.key copied.sql >/dev/full 2>err
[ $? -eq 3 ]
ok $? "verify to a full disk is exit 3"

echo "1..$count"
[ "$failed" -eq 0 ]
