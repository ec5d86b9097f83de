# SPDX-License-Identifier: GPL-2.0-only
# bash completion for nswatch; needs the bash-completion package. What can be
# completed is known to the program: see nswatch --complete.

_nswatch()
{
	local cur words cword word _
	local -a files

	_get_comp_words_by_ref -n := cur words cword
	COMPREPLY=()
	while IFS=$'\t' read -r word _; do
		case $word in
		:files)
			compopt -o filenames
			mapfile -t files < <(compgen -f -- "$cur")
			COMPREPLY+=("${files[@]}")
			;;
		:commands)
			mapfile -t files < <(compgen -c -- "$cur")
			COMPREPLY+=("${files[@]}")
			;;
		*)
			[[ $word == *[:=] ]] && compopt -o nospace
			printf -v word %q "$word"
			COMPREPLY+=("$word")
			;;
		esac
	done < <("${words[0]}" --complete "${words[@]:1:cword-1}" "${cur//\\/}" 2>/dev/null)
	# Readline replaces what is behind the last = or : only.
	if [[ $cur == --*=* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${cur%%=*}="}")
	else
		__ltrim_colon_completions "$cur"
	fi
}

complete -F _nswatch nswatch
