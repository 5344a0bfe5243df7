# SPDX-License-Identifier: GPL-2.0
# Bash completion for sekisho: the words come from its own help, so they are those of the version that runs.
# It asks no agent, but for the names of feeds behind `feed show` and its like, and of limits.

_sekisho()
{
	local word=${COMP_WORDS[COMP_CWORD]} table verbs i group='' verb=''

	table=$(sekisho help 2>/dev/null | sed -n 's/^  \([a-z-]*\( [a-z]*\)\{0,1\}\)  .*/\1/p')
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s) ((i++)) ;;
		-*) ;;
		*) if [[ -z $group ]]; then group=${COMP_WORDS[i]}; elif [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; fi ;;
		esac
	done
	verbs=$(sed -n "s/^$group //p" <<<"$table")
	if [[ $word == -* ]]; then
		COMPREPLY=($(compgen -W "--json --help $(sekisho help $group $verb 2>/dev/null | grep -o -- '--[a-z]*')" -- "$word"))
	elif [[ -z $group ]]; then
		COMPREPLY=($(compgen -W "$(cut -d ' ' -f 1 <<<"$table" | sort -u) help" -- "$word"))
	elif [[ -n $verbs && -z $verb ]]; then
		COMPREPLY=($(compgen -W "$verbs" -- "$word"))
	elif [[ $group == mode && -z $verb ]]; then
		COMPREPLY=($(compgen -W "enforce monitor" -- "$word"))
	elif [[ $group == feed && ($verb == show || $verb == update || $verb == accept || $verb == remove) ]]; then
		COMPREPLY=($(compgen -W "$(sekisho feed list 2>/dev/null | sed -n '2,$s/ .*//p')" -- "$word"))
	elif [[ $group == limit && $verb == try ]]; then
		COMPREPLY=($(compgen -W "all $(sekisho limit list 2>/dev/null | sed -n '2,$s/ .*//p')" -- "$word"))
	elif [[ $verb == import || $verb == try || $group == check-config || ($group == feed && $verb == add) ]]; then
		COMPREPLY=($(compgen -f -- "$word"))
	fi
}
complete -F _sekisho sekisho
