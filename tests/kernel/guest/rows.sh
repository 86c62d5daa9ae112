# What the tables of tools are made with. Sourced in the guest; rows go to /run/out/rows as
# lines of TAB-separated fields: tool, command, what is judged, result.
#
# Devices are found by what lsscsi says, as a user does: CHANGER (sg node), and for the two drives
# SG0 NST0 ST0 and SG1 NST1 ST1.

find_devices() {
    local line fields drives=0
    while read -r line; do
        read -ra fields <<<"$line"
        case ${fields[1]} in
            mediumx) CHANGER=${fields[-1]} SCH=${fields[-2]} ;;
            tape)
                eval "SG$drives=${fields[-1]} ST$drives=${fields[-2]}"
                eval "NST$drives=/dev/n${fields[-2]#/dev/}"
                drives=$((drives + 1))
                ;;
        esac
    done < <(lsscsi -g)
    [[ -n $CHANGER && $drives == 2 ]]
}

# tool NAME: the rows that follow are of this program, on the library as it was made.
tool() {
    TOOL=$1
    echo "== $TOOL"
    tidy
    # The unit attentions of moves and resets before are not for this program.
    local node
    for node in "$CHANGER" "$SG0" "$SG1"; do sg_turs -n 3 "$node" >/dev/null 2>&1; done
}

# tidy: all tapes in their slots, all drives empty and unlocked.
tidy() {
    local drive out tries sg
    out=$(mtx -f "$CHANGER" status)
    for drive in 0 1; do
        sg=SG$drive
        [[ $out =~ "Data Transfer Element $drive:Full (Storage Element "([0-9]+) ]] || continue
        # A tape that is still being threaded, or is cleaning, lets itself be ejected later.
        for ((tries = 0; tries < 20; tries++)); do
            sg_prevent --allow "${!sg}" 2>/dev/null
            sg_start --eject "${!sg}" 2>/dev/null
            mtx -f "$CHANGER" unload "${BASH_REMATCH[1]}" $drive >/dev/null 2>&1 && break
        done
    done
}

# load SLOT DRIVE: puts a tape into a drive and waits until it is ready, without a row. It is st
# that waits, since st learns of a new tape by the unit attention, which the first to ask gets.
load() {
    local nst=NST$2 tries
    mtx -f "$CHANGER" load "$1" "$2" >/dev/null
    for ((tries = 0; tries < 50; tries++)); do
        [[ $(mt -f "${!nst}" status 2>&1) == *"BOT ONLINE"* ]] && return
    done
    echo "the tape from slot $1 does not become ready"
}

# row STATUS JUDGED [PATTERN...] -- COMMAND [ARG...]
# The command has to end with STATUS, and what it prints has to match each extended regular
# expression; one that begins with ! it must not match. $shown replaces the command in the table.
row() {
    local expected=$1 judged=$2 patterns=() why='' pattern command
    shift 2
    while [[ $1 != -- ]]; do patterns+=("$1"); shift; done
    shift
    output=$("$@" 2>&1 </dev/null | tr -d '\0'; exit "${PIPESTATUS[0]}")
    status=$?
    ((status == expected)) || why+="; exit status $status, not $expected"
    for pattern in ${patterns[@]+"${patterns[@]}"}; do
        if [[ $pattern == !* ]]; then
            [[ ! $output =~ ${pattern#!} ]] || why+="; says \`${pattern#!}\`"
        else
            [[ $output =~ $pattern ]] || why+="; does not say \`$pattern\`"
        fi
    done
    command=${shown:-$*}
    for name in CHANGER SG0 SG1 NST0 NST1 ST0 ST1 SCH; do
        command=${command//"${!name}"/$name}
    done
    printf '%s\t%s\t%s\t%s\n' "$TOOL" "$command" "$judged" "${why:+FAILS: ${why#; }}" |
        sed 's/\t$/\tworks/' >>/run/out/rows
    [[ -z $why ]] && return
    echo "FAILS: $command${why#;}"
    printf '%s\n' "$output" | head -"${lines:-15}" | sed 's/^/    /'
}
