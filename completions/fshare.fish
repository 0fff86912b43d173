# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_fshare_global_optspecs
    string join \n json q/quiet v/verbose color= config= timeout= server= as= credentials= password-file= ca= h/help V/version
end

function __fish_fshare_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_fshare_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_fshare_using_subcommand
    set -l cmd (__fish_fshare_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c fshare -n "__fish_fshare_needs_command" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_needs_command" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_needs_command" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_needs_command" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_needs_command" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_needs_command" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_needs_command" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_needs_command" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_needs_command" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_needs_command" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_needs_command" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fshare -n "__fish_fshare_needs_command" -s V -l version -d 'Print version'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "send" -d 'Send files to whoever knows the code'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "recv" -d 'Receive what somebody sends'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "share" -d 'Share files and folders in a conference'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "get" -d 'Receive what is shared in a conference'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "shares" -d 'List what is shared in a conference'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "unshare" -d 'Stop sharing in a conference'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "upload" -d 'Upload files to the library (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "download" -d 'Download an item of the library (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "ls" -d 'List the items of the library (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "rm" -d 'Delete an item of the library (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "mv" -d 'Move or rename an item of the library (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "link" -d 'Create a link to an item of the library (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "search" -d 'Search the library (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "page" -d 'Show or change a personal page (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "record" -d 'Record into the library (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "seed" -d 'Offer files to the swarm (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "fetch" -d 'Fetch a file from the swarm (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "play" -d 'Play a file while fetching it (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "info" -d 'Show what is known about a file in the swarm (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "list" -d 'List the files of the swarm (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "fav" -d 'Keep a list of favourite files in the swarm (not built yet)'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "status" -d 'List transfers that can be resumed'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "resume" -d 'Resume a transfer that broke off'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "cancel" -d 'Give up a transfer that broke off'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "words" -d 'Print how a code may continue, for completion scripts'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c fshare -n "__fish_fshare_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fshare -n "__fish_fshare_using_subcommand send" -l text -d 'Send this text, which is shown on the other side and not saved; - for what is on standard input' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l to -d 'Offer it to this user of your server instead of by a code; the user runs fshare recv --from' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l applies -d 'Which side asks the relay for the channel' -r -f -a "receiver\t''
sender\t''"
complete -c fshare -n "__fish_fshare_using_subcommand send" -l code -d 'Use this code, such as 7-crystal-window, instead of a random one' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l words -d 'Number of words in the code' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l receivers -d 'Number of receivers that use the same code; sending starts once all of them have joined' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l streams -d 'Data connections to use; several help on long, lossy links' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l limit -d 'Send at most this many bytes a second, such as 2MiB/s; a receiver that reconnects separately gets this limit of its own' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l compress -d 'Which chunks to compress: those where it saves time (auto), all that get smaller (always), or none (never)' -r -f -a "auto\t''
always\t''
never\t''"
complete -c fshare -n "__fish_fshare_using_subcommand send" -l name -d 'Name for what is read from standard input [default: stdin]' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l patience -d 'How long to keep trying to reconnect after a break (0s: not at all)' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l relay -d 'Relay to use: host or host:port, or tls://host:port for TLS (repeatable; tried in order until one answers) [default: from the configuration, else this machine]' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l proxy -d 'Connect to relays through this proxy, such as socks5h://HOST:PORT or http://USER:PASSWORD@HOST:PORT, or through none [default: from the configuration, else from HTTPS_PROXY or ALL_PROXY]' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand send" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand send" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand send" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand send" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand send" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand send" -l verify -d 'Show both identities as words, and continue only after you confirm that the other side shows the same'
complete -c fshare -n "__fish_fshare_using_subcommand send" -l qr -d 'Also show the code as a QR code'
complete -c fshare -n "__fish_fshare_using_subcommand send" -l follow-links -d 'Send what symbolic links point to, instead of the links'
complete -c fshare -n "__fish_fshare_using_subcommand send" -l xattrs -d 'Send extended attributes (user.*) with files and folders; the receiver needs --xattrs as well'
complete -c fshare -n "__fish_fshare_using_subcommand send" -l relay-only -d 'Send everything through the relay, so that the other side does not learn this machine\'s addresses'
complete -c fshare -n "__fish_fshare_using_subcommand send" -l direct-only -d 'Fail if neither machine can reach the other directly, instead of using the relay'
complete -c fshare -n "__fish_fshare_using_subcommand send" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand send" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand send" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand send" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l from -d 'Sign in and wait for an offer from this user of your server, or from anyone, instead of using a code' -r
complete -c fshare -n "__fish_fshare_using_subcommand recv" -s o -l output -d 'Folder to put files in; - writes a single file to standard output' -r -f -a "(__fish_complete_directories)"
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l output-file -d 'Save the single file that is offered under this name; several files, or a folder, are declined' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l max-size -d 'Decline anything larger than this, such as 1GiB, and anything of unknown size (from a pipe)' -r
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l patience -d 'How long to keep trying to reconnect after a break (0s: not at all)' -r
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l relay -d 'Relay to use: host or host:port, or tls://host:port for TLS (repeatable; tried in order until one answers) [default: from the configuration, else this machine]' -r
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l proxy -d 'Connect to relays through this proxy, such as socks5h://HOST:PORT or http://USER:PASSWORD@HOST:PORT, or through none [default: from the configuration, else from HTTPS_PROXY or ALL_PROXY]' -r
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l verify -d 'Show both identities as words, and accept only after you confirm that the other side shows the same'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l keep -d 'Keep waiting for further offers, until Ctrl-C'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -s y -l yes -d 'Accept what is offered without asking; the configuration can say so of single users (accept in client.yaml)'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l unknown-size -d 'Accept what is of unknown size all the same'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l overwrite -d 'Replace files that already exist'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l rename -d 'Give the new file another name if its own is taken: "name (1).ext"'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l skip -d 'Keep files that already exist, and discard the new ones'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l xattrs -d 'Set extended attributes (user.*) if the sender sends them (fshare send --xattrs)'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l wait -d 'Wait if the sender is not there yet'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l relay-only -d 'Send everything through the relay, so that the other side does not learn this machine\'s addresses'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l direct-only -d 'Fail if neither machine can reach the other directly, instead of using the relay'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fshare -n "__fish_fshare_using_subcommand share" -l via -d 'How to open the share: by re-INVITE, or by INFO' -r -f -a "reinvite\t'By re-INVITE'
info\t'By INFO'"
complete -c fshare -n "__fish_fshare_using_subcommand share" -l to -d 'Share only with this user, participant (by id) or URI (repeatable) [default: everybody who may receive]' -r
complete -c fshare -n "__fish_fshare_using_subcommand share" -l limit -d 'Transfer at most this many bytes a second, such as 2MiB/s' -r
complete -c fshare -n "__fish_fshare_using_subcommand share" -l for -d 'Stop sharing after this time, whether or not everybody has the files' -r
complete -c fshare -n "__fish_fshare_using_subcommand share" -l name -d 'Name for what is read from standard input [default: stdin]' -r
complete -c fshare -n "__fish_fshare_using_subcommand share" -l pin-file -d 'Read the PIN from the first line of this file (or set CONFKIT_PIN)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand share" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand share" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand share" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand share" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand share" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand share" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand share" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand share" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand share" -l follow-links -d 'Send what symbolic links point to, instead of the links'
complete -c fshare -n "__fish_fshare_using_subcommand share" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand share" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand share" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand share" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fshare -n "__fish_fshare_using_subcommand get" -s o -l output -d 'Folder to put files in; - writes a single file to standard output' -r -f -a "(__fish_complete_directories)"
complete -c fshare -n "__fish_fshare_using_subcommand get" -l limit -d 'Transfer at most this many bytes a second, such as 2MiB/s' -r
complete -c fshare -n "__fish_fshare_using_subcommand get" -l on-file -d 'Run this shell command for every file received; its path is $1' -r -f -a "(__fish_complete_command)"
complete -c fshare -n "__fish_fshare_using_subcommand get" -l wait -d 'Give up if nothing is shared within this time' -r
complete -c fshare -n "__fish_fshare_using_subcommand get" -l pin-file -d 'Read the PIN from the first line of this file (or set CONFKIT_PIN)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand get" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand get" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand get" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand get" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand get" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand get" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand get" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand get" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand get" -l overwrite -d 'Replace files that already exist'
complete -c fshare -n "__fish_fshare_using_subcommand get" -l rename -d 'Give the new file another name if its own is taken: "name (1).ext"'
complete -c fshare -n "__fish_fshare_using_subcommand get" -l skip -d 'Keep files that already exist, and discard the new ones'
complete -c fshare -n "__fish_fshare_using_subcommand get" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand get" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand get" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand get" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fshare -n "__fish_fshare_using_subcommand shares" -l pin-file -d 'Read the PIN from the first line of this file (or set CONFKIT_PIN)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand shares" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand shares" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand shares" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand shares" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand shares" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand shares" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand shares" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand shares" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand shares" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand shares" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand shares" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand shares" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand unshare" -l pin-file -d 'Read the PIN from the first line of this file (or set CONFKIT_PIN)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand unshare" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand unshare" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand unshare" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand unshare" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand unshare" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand unshare" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand unshare" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand unshare" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand unshare" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand unshare" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand unshare" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand unshare" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fshare -n "__fish_fshare_using_subcommand upload" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand upload" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand upload" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand upload" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand upload" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand upload" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand upload" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand upload" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand upload" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand upload" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand upload" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand upload" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand download" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand download" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand download" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand download" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand download" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand download" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand download" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand download" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand download" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand download" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand download" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand download" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand ls" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand ls" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand ls" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand ls" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand ls" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand ls" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand ls" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand ls" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand ls" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand ls" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand ls" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand ls" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand rm" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand rm" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand rm" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand rm" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand rm" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand rm" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand rm" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand rm" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand rm" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand rm" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand rm" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand rm" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand mv" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand mv" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand mv" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand mv" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand mv" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand mv" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand mv" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand mv" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand mv" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand mv" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand mv" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand mv" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand link" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand link" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand link" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand link" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand link" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand link" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand link" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand link" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand link" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand link" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand link" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand link" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand search" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand search" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand search" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand search" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand search" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand search" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand search" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand search" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand search" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand search" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand search" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand search" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand page" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand page" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand page" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand page" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand page" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand page" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand page" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand page" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand page" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand page" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand page" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand page" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand record" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand record" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand record" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand record" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand record" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand record" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand record" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand record" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand record" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand record" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand record" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand record" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand seed" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand seed" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand seed" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand seed" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand seed" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand seed" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand seed" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand seed" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand seed" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand seed" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand seed" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand seed" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand fetch" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand fetch" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand fetch" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand fetch" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand fetch" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand fetch" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand fetch" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand fetch" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand fetch" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand fetch" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand fetch" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand fetch" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand play" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand play" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand play" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand play" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand play" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand play" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand play" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand play" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand play" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand play" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand play" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand play" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand info" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand info" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand info" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand info" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand info" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand info" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand info" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand info" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand info" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand info" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand info" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand info" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand list" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand list" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand list" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand list" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand list" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand list" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand list" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand list" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand list" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand list" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand list" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand list" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand fav" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand fav" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand fav" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand fav" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand fav" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand fav" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand fav" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand fav" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand fav" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand fav" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand fav" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand fav" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand status" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand status" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand status" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand status" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand status" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand status" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand status" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand status" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand status" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand status" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand status" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l limit -d 'Transfer at most this many bytes a second, such as 2MiB/s [default: as when it began]' -r
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l patience -d 'How long to keep trying to reconnect after a break (0s: not at all)' -r
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l relay -d 'Relay to use: host or host:port, or tls://host:port for TLS (repeatable; tried in order until one answers) [default: from the configuration, else this machine]' -r
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l proxy -d 'Connect to relays through this proxy, such as socks5h://HOST:PORT or http://USER:PASSWORD@HOST:PORT, or through none [default: from the configuration, else from HTTPS_PROXY or ALL_PROXY]' -r
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l pin-file -d 'Read the PIN from the first line of this file (or set CONFKIT_PIN)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand resume" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand resume" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand resume" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -l relay -d 'Relay to use: host or host:port, or tls://host:port for TLS (repeatable; tried in order until one answers) [default: from the configuration, else this machine]' -r
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -l proxy -d 'Connect to relays through this proxy, such as socks5h://HOST:PORT or http://USER:PASSWORD@HOST:PORT, or through none [default: from the configuration, else from HTTPS_PROXY or ALL_PROXY]' -r
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -l pin-file -d 'Read the PIN from the first line of this file (or set CONFKIT_PIN)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -l here -d 'Remove the record here and tell nobody: the server ends the share of an upload by itself in time; the other side of any other transfer finds nobody when it resumes'
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand cancel" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c fshare -n "__fish_fshare_using_subcommand words" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand words" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand words" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand words" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand words" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand words" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand words" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand words" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand words" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand words" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand words" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand words" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand completions" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c fshare -n "__fish_fshare_using_subcommand completions" -l config -d 'Read the configuration from this file' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand completions" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c fshare -n "__fish_fshare_using_subcommand completions" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c fshare -n "__fish_fshare_using_subcommand completions" -l as -d 'Account to act as' -r
complete -c fshare -n "__fish_fshare_using_subcommand completions" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand completions" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand completions" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c fshare -n "__fish_fshare_using_subcommand completions" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c fshare -n "__fish_fshare_using_subcommand completions" -s q -l quiet -d 'Print only results and errors'
complete -c fshare -n "__fish_fshare_using_subcommand completions" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c fshare -n "__fish_fshare_using_subcommand completions" -s h -l help -d 'Print help'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "send" -d 'Send files to whoever knows the code'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "recv" -d 'Receive what somebody sends'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "share" -d 'Share files and folders in a conference'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "get" -d 'Receive what is shared in a conference'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "shares" -d 'List what is shared in a conference'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "unshare" -d 'Stop sharing in a conference'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "upload" -d 'Upload files to the library (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "download" -d 'Download an item of the library (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "ls" -d 'List the items of the library (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "rm" -d 'Delete an item of the library (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "mv" -d 'Move or rename an item of the library (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "link" -d 'Create a link to an item of the library (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "search" -d 'Search the library (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "page" -d 'Show or change a personal page (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "record" -d 'Record into the library (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "seed" -d 'Offer files to the swarm (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "fetch" -d 'Fetch a file from the swarm (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "play" -d 'Play a file while fetching it (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "info" -d 'Show what is known about a file in the swarm (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "list" -d 'List the files of the swarm (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "fav" -d 'Keep a list of favourite files in the swarm (not built yet)'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "status" -d 'List transfers that can be resumed'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "resume" -d 'Resume a transfer that broke off'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "cancel" -d 'Give up a transfer that broke off'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "words" -d 'Print how a code may continue, for completion scripts'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "completions" -d 'Print the completion script of a shell'
complete -c fshare -n "__fish_fshare_using_subcommand help; and not __fish_seen_subcommand_from send recv share get shares unshare upload download ls rm mv link search page record seed fetch play info list fav status resume cancel words completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c fshare -n "__fish_fshare_using_subcommand recv" -f -a '(fshare words (commandline -ct) 2>/dev/null)'
