#!/usr/bin/env bash
# The RTP streams on the loopback interface as an outsider sees them: captured by dumpcap, told apart by tshark, and for each G.711 stream the frequency
# that it carries, measured by sox (of a mixture of tones, what lies between them). Run it beside `make demo`: three terminals are six streams, three
# of which carry one tone each.
#
# Usage: scripts/rtp-sources.sh [SECONDS [PORT…]]     5 seconds; with ports, only the streams to or from these
# Capturing needs root, or once: setcap cap_net_raw,cap_net_admin=eip $(command -v dumpcap)
set -euo pipefail

seconds=${1:-5}
[ $# -gt 0 ] && shift
for program in dumpcap:tshark tshark:tshark sox:sox perl:perl-base; do
  command -v "${program%%:*}" >/dev/null || { echo "rtp-sources: ${program%%:*} is missing; as root: apt-get install --yes --no-install-recommends ${program##*:}" >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Version 2 in the first two bits of the datagram: RTP, and RTCP, which tshark tells from it.
filter='udp[8] & 0xc0 = 0x80'
ports=$(printf ' or udp port %s' "$@")
[ $# -gt 0 ] && filter="$filter and (${ports# or })"
if ! dumpcap -i lo -q -P -B 64 -a "duration:$seconds" -f "$filter" -w "$work/capture.pcap" 2>"$work/dumpcap.log"; then
  cat "$work/dumpcap.log" >&2
  echo "rtp-sources: dumpcap may not capture. Run this as root, or once: setcap cap_net_raw,cap_net_admin=eip $(command -v dumpcap)" >&2
  exit 1
fi
read_capture() { tshark -r "$work/capture.pcap" -o udp.try_heuristic_first:TRUE --enable-heuristic rtp_udp "$@" 2>/dev/null; }
read_capture -q -z rtp,streams | awk '$7 ~ /^0x/ { print $3 ":" $4, $5 ":" $6, $7, $8, $9, $10 }' >"$work/streams"

printf '%-22s %-22s %-12s %-8s %8s %6s %8s\n' FROM TO SSRC CODEC PACKETS LOST HERTZ
while read -r from to ssrc codec packets lost; do
  case $codec in
    g711U) encoding=mu-law ;;
    g711A) encoding=a-law ;;
    *) encoding= ;;
  esac
  hertz=-
  if [ -n "$encoding" ]; then
    hertz=$(read_capture -Y "rtp.ssrc == $ssrc && udp.srcport == ${from##*:}" -T fields -e rtp.payload |
      perl -ne 's/[^0-9a-f]//g; print pack("H*", $_)' |
      sox -t raw -r 8000 -c 1 -b 8 -e "$encoding" - -n stat 2>&1 |
      # sox takes differences for derivatives, which makes 440 Hz 437; undone here.
      awk '/^Rough/ { x = 3.14159265 * $3 / 8000; if (x < 1) printf "%.0f\n", 8000 / 3.14159265 * atan2(x, sqrt(1 - x * x)) }')
  fi
  printf '%-22s %-22s %-12s %-8s %8s %6s %8s\n' "$from" "$to" "$ssrc" "$codec" "$packets" "$lost" "${hertz:--}"
done <"$work/streams"
echo "$(wc -l <"$work/streams") streams"
