#!/usr/bin/env bash
# Callers of sipp's against one relayd on loopback:
#   1. 500 callers, 50 a second, into one conference, each with audio: how many got in, and what RTP went each way, from a capture outside the programs;
#   2. 1,000 calls one after the other: the time from INVITE to 200, median and p99, from a capture too.
# Ends with 1 where a call failed, a leg was without audio or a packet was lost.
#
# Usage: benches/side-by-side/callers.sh [CALLERS [RATE [CALLS]]]
# RELAYD and CONFCTL name programs that are built already. Capturing needs root, or once: setcap cap_net_raw,cap_net_admin=eip $(command -v dumpcap)
set -euo pipefail

callers=${1:-500} rate=${2:-50} calls=${3:-1000}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
scenario=$root/tests/interop/sipp/caller.xml
window=4 # seconds of the capture of RTP, while all are in

for program in sipp:sip-tester dumpcap:tshark tshark:tshark sox:sox; do
  command -v "${program%%:*}" >/dev/null || { echo "callers: ${program%%:*} is missing; as root: apt-get install --yes --no-install-recommends ${program##*:}" >&2; exit 1; }
done
if [ -z "${RELAYD:-}" ] || [ -z "${CONFCTL:-}" ]; then
  (cd "$root" && "${CARGO:-cargo}" build --locked --release --quiet --bin relayd --bin confctl)
  target=${CARGO_TARGET_DIR:-$root/target}
  RELAYD=$target/release/relayd CONFCTL=$target/release/confctl
fi

work=$(mktemp -d)
# The daemon ends with its standard input, which this script holds.
exec {hold}> >(exec "$RELAYD" --ephemeral --until-eof --env-file "$work/env" >"$work/ready" 2>"$work/relayd.log")
daemon=$!
finish() {
  status=$?
  exec {hold}>&-
  wait "$daemon" 2>/dev/null || true
  if [ "$status" -eq 0 ]; then rm -rf "$work"; else echo "callers: what the programs said is in $work" >&2; fi
}
trap finish EXIT
for _ in $(seq 100); do [ -s "$work/ready" ] && break; sleep 0.1; done
[ -s "$work/ready" ] || { cat "$work/relayd.log" >&2; exit 1; }
# shellcheck disable=SC1091
. "$work/env"
server=${CONFKIT_SERVER#sip:}
metric() {
  local address=${CONFKIT_HTTP#http://}
  exec {web}<>"/dev/tcp/${address%:*}/${address##*:}"
  printf 'GET /metrics HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$address" >&"$web"
  tr -d '\r' <&"$web" | awk -v name="$1" '$1 == name { print $2 }'
  exec {web}>&-
}
# Thousandths of a second of processor time, of all threads.
cpu() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($12 + $13) * 1000 / hz) }' "/proc/$daemon/stat"; }
capture() { exec dumpcap -i lo -P -B 256 -w "$@" 2>"$work/dumpcap.log"; }
captured_all() {
  grep -q '(pcap:0/dumpcap:0/' "$work/dumpcap.log" || { echo "callers: the capture lost packets, or none could be made:" >&2; cat "$work/dumpcap.log" >&2; return 1; }
}
last() { awk -F';' -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i } END { print $at }' "$2"; }

sox -n -r 8000 -c 1 -t raw -e mu-law -b 8 "$work/tone.ul" synth 1 sine 500 vol 0.02
"$CONFCTL" --quiet create hall --max $((callers + 10))

echo "== $callers callers, $rate a second, one conference"
media=$((20000 + RANDOM % 5000 * 2))
# Until the last is in, and the window, and some.
stay=$((callers * 1000 / rate + window * 1000 + 3000))
(cd "$work" && exec sipp "$server" -sf "$scenario" -s hall -i 127.0.0.1 -mi 127.0.0.1 -mp "$media" -m "$callers" -l "$callers" -r "$rate" -d "$stay" \
  -nostdin -trace_stat -stf many.csv -trace_err -error_file many.err >many.log 2>&1) &
sipp=$!
begun=$SECONDS
until [ "$(metric confkit_participants)" = "$callers" ]; do
  kill -0 "$sipp" 2>/dev/null && [ $((SECONDS - begun)) -lt $((stay / 1000 + 10)) ] || { echo "callers: not all got in" >&2; tail -20 "$work/many.err" >&2 || true; exit 1; }
  sleep 0.1
done
# In 64 bytes are all headers.
before=$(cpu)
(capture "$work/rtp.pcap" -s 64 -a "duration:$window" -f "udp port $media")
after=$(cpu)
wait "$sipp" || { echo "callers: sipp says that calls failed" >&2; tail -20 "$work/many.err" >&2 || true; exit 1; }
captured_all
tshark -r "$work/rtp.pcap" -o udp.try_heuristic_first:TRUE --enable-heuristic rtp_udp -q -z rtp,streams 2>/dev/null |
  awk -v media="$media" '$7 ~ /^0x/ { print ($6 == media ? "out" : "in"), $9, $10 }' | sort >"$work/streams"
awk -v callers="$callers" -v window="$window" '
  { legs[$1]++; packets[$1] += $2; lost[$1] += $3; if (!($1 in least) || $2 < least[$1]) least[$1] = $2 }
  END {
    for (way in legs) printf "RTP %-3s  %d legs, %d packets in %d s, %d lost, %d packets on the poorest leg\n", way, legs[way], packets[way], window, lost[way], least[way]
    # A capture that begins and ends within a tick has one packet less.
    bad = legs["in"] != callers || legs["out"] != callers || lost["in"] || lost["out"] || least["in"] < window * 50 * 0.98 || least["out"] < window * 50 * 0.98
    exit bad
  }' "$work/streams" || { echo "callers: some leg was without audio, or packets were lost" >&2; exit 1; }
ok=$(last 'SuccessfulCall(C)' "$work/many.csv") failed=$(last 'FailedCall(C)' "$work/many.csv")
echo "calls     $ok of $callers successful, $failed failed, $(last 'Retransmissions(C)' "$work/many.csv") retransmissions, $(last 'CallRate(C)' "$work/many.csv") calls a second over all"
echo "CPU       $(((after - before) / window / 10)) % of a core with all of them in (signalling, mixing, and the capture's share of the kernel)"
[ "$ok" = "$callers" ] && [ "$failed" = 0 ]

echo "== $calls calls, one after the other"
until [ "$(metric confkit_participants)" = 0 ]; do sleep 0.1; done
capture "$work/sip.pcap" -f "udp port ${server##*:}" &
dumpcap=$!
until grep -q File: "$work/dumpcap.log" 2>/dev/null; do sleep 0.1; done
(cd "$work" && sipp "$server" -sf "$scenario" -s hall -i 127.0.0.1 -mi 127.0.0.1 -mp "$media" -m "$calls" -l 1 -r 10000 -d 0 \
  -nostdin -trace_stat -stf one.csv -trace_err -error_file one.err >one.log 2>&1) || { echo "callers: sipp says that calls failed" >&2; exit 1; }
sleep 1 # the kernel hands packets over in blocks: the last one must be there before dumpcap goes
kill -INT "$dumpcap"
wait "$dumpcap" || true
captured_all
tshark -r "$work/sip.pcap" -d "udp.port==${server##*:},sip" -Y 'sip.CSeq.method == "INVITE"' \
  -T fields -e frame.time_epoch -e sip.Call-ID -e sip.Method -e sip.Status-Code 2>/dev/null |
  awk -F'\t' '$3 == "INVITE" && !($2 in sent) { sent[$2] = $1 } $4 == 200 && !($2 in done) { done[$2] = 1; printf "%.3f\n", ($1 - sent[$2]) * 1000 }' |
  sort -n >"$work/times"
awk -v calls="$calls" '{ all[NR] = $1 } END {
  printf "set-up    median %.2f ms, p99 %.2f ms, worst %.2f ms, of %d calls\n", all[int((NR + 1) / 2)], all[int(NR * 0.99 + 0.5)], all[NR], NR
  exit NR != calls }' "$work/times"
