#!/bin/bash
# The committed Unicode tables are what test/tools/gen-unicode makes of Unicode 15.0.0.
# usage: test/unit/ucd_tables_test.sh [directory of unicode-data]
set -u
cd "$(dirname "$0")/../.." || exit 1
data=${1:-/usr/share/unicode}
name="src/common/ucd_tables.c is what test/tools/gen-unicode makes"

echo 1..1
if [ ! -e "$data/UnicodeData.txt" ]; then
	echo "ok 1 - $name # SKIP package unicode-data is not installed"
elif ! grep -q '^# DerivedAge-15\.0\.0\.txt' "$data/DerivedAge.txt"; then
	echo "ok 1 - $name # SKIP unicode-data is not of version 15.0.0"
elif ! command -v python3 >/dev/null; then
	echo "ok 1 - $name # SKIP no python3"
elif test/tools/gen-unicode --check "$data"; then
	echo "ok 1 - $name"
else
	echo "not ok 1 - $name"
	exit 1
fi
