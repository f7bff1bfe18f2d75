#!/usr/bin/env bash
#
# vectors_test.sh
#	The frozen vectors of values, tokens, armour and wrapped keys are still what
#	the second implementation of docs/formats.md makes, and it would notice.
#
set -u

make=test/tools/gen-value-vectors
file=test/vectors/value.json

command -v python3 > /dev/null || { echo "1..0 # SKIP no python3"; exit 0; }
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT

status=0
if python3 "$make" --check "$file"; then
	echo "ok 1 - vectors agree with docs/formats.md"
else
	echo "not ok 1 - vectors agree with docs/formats.md"
	status=1
fi
sed '0,/"token": "./s//"token": "x/' "$file" > "$dir/value.json"
if ! cmp -s "$file" "$dir/value.json" && ! python3 "$make" --check "$dir/value.json" 2> /dev/null; then
	echo "ok 2 - an altered vector is noticed"
else
	echo "not ok 2 - an altered vector is noticed"
	status=1
fi
if ! python3 -c 'import idna' 2> /dev/null; then
	echo "ok 3 - the 10,000 tokens agree with docs/normalisation.md # SKIP python3 has no idna module"
elif python3 "${make%value-vectors}token-vectors" --check test/vectors/tokens.tsv; then
	echo "ok 3 - the 10,000 tokens agree with docs/normalisation.md"
else
	echo "not ok 3 - the 10,000 tokens agree with docs/normalisation.md"
	status=1
fi
echo "1..3"
exit $status
