# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completion of "ipcx" in bash: source this, or have it as
# /usr/share/bash-completion/completions/ipcx.

# Commands of the first word, one a line
_ipcx_commands() {
	ipcx help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  *.*/\1/p'
}

# Names there are, as a shell reads them. A name may have anything in it: only ASCII gets to the
# terminal as it is. One that would be taken for a transport or an option has its transport.
_ipcx_names() {
	local LC_ALL=C name
	while IFS= read -r -d '' name; do
		case $name in
		-* | *:*) name=kernel:$name ;;
		esac
		printf '%q\n' "$name"
	done < <(ipcx ls --null 2>/dev/null)
}

_ipcx() {
	local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} offer
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t offer < <(_ipcx_commands)
	elif [[ $word = -* ]]; then
		mapfile -t offer < <(ipcx help "$command" 2>/dev/null | grep -o -e '--[a-z][a-z-]*' | sort -u)
	else
		case $command in
		help) mapfile -t offer < <(_ipcx_commands) ;;
		bench | bridge | doctor | create | ls | limits | metrics | monitor) ;;
		*) mapfile -t offer < <(_ipcx_names) ;;
		esac
	fi
	for offer in "${offer[@]}"; do
		[[ $offer != "$word"* ]] || COMPREPLY+=("$offer")
	done
}

complete -o bashdefault -o default -F _ipcx ipcx
