# SPDX-License-Identifier: GPL-2.0-only
# fish completion for nswatch. What can be completed is known to the program: see
# nswatch --complete.

function __nswatch_complete
    set -l words (commandline -opc)
    set -l word (string unescape -- (commandline -ct); or commandline -ct)
    for line in ($words[1] --complete $words[2..] "$word" 2>/dev/null)
        switch $line
            case :files
                __fish_complete_path "$word"
            case :commands
                __fish_complete_command
            case '*'
                echo $line
        end
    end
end

complete -c nswatch -f -a '(__nswatch_complete)'
