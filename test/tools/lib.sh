# shellcheck shell=bash
#
# lib.sh
#	What the scripts under test/tools share: where things are, who runs the
#	server, how the tree is copied and installed without touching the system.
#
# Sourced, never run.  Every function is named lg_*; nothing here writes
# outside directories that the caller made with mktemp -d.

# The PostgreSQL majors that listguard supports, the preferred one first.
# shellcheck disable=SC2034
LG_MAJORS="15 17 18 19"

lg_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

lg_say()
{
	printf '%s\n' "$*"
}

lg_warn()
{
	printf '%s\n' "$*" >&2
}

lg_die()
{
	lg_warn "${0##*/}: $*"
	exit 2
}

lg_have()
{
	command -v "$1" > /dev/null 2>&1
}

# lg_buildable PG_CONFIG: is all there to build and run a server module?  The
# server's package alone has pg_config and PGXS, but not the headers.
lg_buildable()
{
	[ -x "$1" ] && [ -e "$("$1" --pgxs)" ] && [ -x "$("$1" --bindir)/postgres" ] &&
		[ -e "$("$1" --includedir-server)/postgres.h" ]
}

# lg_pg_config: the pg_config of a server that can be built against.
# $PG_CONFIG wins; then Debian's versioned paths; then the one in PATH.
lg_pg_config()
{
	local v c

	if [ -n "${PG_CONFIG:-}" ]; then
		command -v "$PG_CONFIG"
		return
	fi
	for v in $LG_MAJORS; do
		c=/usr/lib/postgresql/$v/bin/pg_config
		if lg_buildable "$c"; then
			echo "$c"
			return
		fi
	done
	c=$(command -v pg_config) || return 1
	lg_buildable "$c" && echo "$c"
}

# lg_server_user: who may run initdb.  Root hands over to "postgres", or to
# "nobody" where the packages made no such user; anybody else runs it himself.
lg_server_user()
{
	if [ "$(id -u)" != 0 ]; then
		id -un
	elif id postgres > /dev/null 2>&1; then
		echo postgres
	else
		echo nobody
	fi
}

# lg_as_server CMD...: run CMD as the server's user, with a plain environment.
# The working directory must be one that this user may enter.
lg_as_server()
{
	local user

	user=$(lg_server_user)
	if [ "$(id -un)" = "$user" ]; then
		env LC_ALL=C.UTF-8 "$@"
	else
		runuser -u "$user" -- env HOME=/nonexistent LC_ALL=C.UTF-8 "$@"
	fi
}

# lg_mktemp NAME: a fresh directory that belongs to the server's user and that
# others may enter (the server's user must be able to reach what root built).
lg_mktemp()
{
	local dir

	dir=$(mktemp -d "${TMPDIR:-/tmp}/listguard-$1.XXXXXX") || return 1
	chmod 755 "$dir"
	[ "$(id -u)" != 0 ] || chown "$(lg_server_user):" "$dir"
	echo "$dir"
}

# lg_copy_tree DIR: copy the sources, without what a build or a test left
# behind, into DIR and hand it to the server's user.
lg_copy_tree()
{
	mkdir -p "$1"
	tar -C "$lg_top" -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' \
		--exclude='*.so' --exclude=results --exclude=output_iso \
		--exclude='tmp_check*' --exclude='regression.*' \
		--exclude=./test/unit/bin --exclude=./contrib/lgctl/lgctl \
		--exclude='./sql/listguard--*dev.sql' . | tar -C "$1" --no-same-owner -xf - ||
		return 1
	[ "$(id -u)" != 0 ] || chown -R "$(lg_server_user):" "$1"
}

# lg_make DIR ARGS...: make without bitcode (clang is no test dependency).
lg_make()
{
	local dir=$1

	shift
	make --no-print-directory -C "$dir" PG_CONFIG="$LG_PG_CONFIG" with_llvm=no "$@"
}

# lg_server_conf DEST: the settings that make a server find an extension
# installed under DEST: Debian's own patch on 15 and 17, extension_control_path
# from 18 on.
lg_server_conf()
{
	local dest=$1 pkglib share known

	pkglib=$("$LG_PG_CONFIG" --pkglibdir)
	share=$("$LG_PG_CONFIG" --sharedir)
	known=$("$("$LG_PG_CONFIG" --bindir)/postgres" --describe-config | cut -f1)
	if grep -qx extension_control_path <<< "$known"; then
		echo "extension_control_path = '$dest$share:\$system'"
	elif grep -qx extension_destdir <<< "$known"; then
		echo "extension_destdir = '$dest'"
	else
		lg_warn "this server can load extensions from its own directories only"
		return 1
	fi
	echo "dynamic_library_path = '$dest$pkglib:\$libdir'"
}

# lg_root_key FILE: a new root key, in the form and with the mode that
# listguard.root_key_file asks for.
lg_root_key()
{
	(umask 077 && od -An -tx1 -N32 /dev/urandom | tr -d ' \n' > "$1" && echo >> "$1")
}

# lg_port: a port number that no socket on this machine uses.  The servers
# listen on Unix sockets in directories of their own, so that this only keeps
# the numbers apart in ps and in error messages.
lg_port()
{
	local port used

	used=$(cat /proc/net/tcp /proc/net/tcp6 2> /dev/null | awk '{print $2}')
	while :; do
		port=$((RANDOM % 10000 + 20000))
		grep -qi ":$(printf '%04X' "$port")\$" <<< "$used" || break
	done
	echo "$port"
}
