# SPDX-License-Identifier: GPL-2.0-only
#
# Completion of "ipcx" in fish: have this in /usr/share/fish/vendor_completions.d or
# ~/.config/fish/completions.

function __ipcx_commands
    ipcx help 2>/dev/null | string replace -rf '^  ([a-z]+)  *(.*)' '$1\t$2'
end

# Names there are. What is no plain line of text is left out, as an offer is a line; one that
# would be taken for a transport or an option has its transport.
function __ipcx_names
    for name in (ipcx ls --null 2>/dev/null | string split0)
        string match -qr '[\x00-\x1f\x7f]' -- $name; and continue
        string replace -r '^(?=-|.*:)' kernel: -- $name
    end
end

function __ipcx_options
    set -l words (commandline -opc)
    ipcx help $words[2] 2>/dev/null | string match -ra -- '--[a-z][a-z-]*' | sort -u
end

function __ipcx_takes_names
    set -l words (commandline -opc)
    test (count $words) -ge 2; and not contains -- $words[2] help bench bridge doctor create ls limits metrics monitor
end

complete -c ipcx -n __fish_is_first_token -f -a '(__ipcx_commands)'
complete -c ipcx -n '__fish_seen_subcommand_from help' -f -a '(__ipcx_commands)'
complete -c ipcx -n '__ipcx_takes_names; and test (count (commandline -opc)) = 2' -f
complete -c ipcx -n __ipcx_takes_names -a '(__ipcx_names)'
complete -c ipcx -n 'string match -q -- "-*" (commandline -ct)' -f -a '(__ipcx_options)'
