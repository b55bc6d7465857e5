#!/bin/sh
# Gives QRadar the events of events.csv for a log source type, by its REST API (17.0):
# a QID record each, and what it is mapped from. Needs curl, jq, and an authorized
# service's token in a file (chmod 600). It adds; run it once.
#
#	./install.sh https://qradar.example.jp TOKENFILE LOG_SOURCE_TYPE_ID [CA.pem]
#
# The type's id: GET /api/config/event_sources/log_source_management/log_source_types
set -eu
[ $# -ge 3 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
base=$1/api/data_classification type=$3
headers=$(mktemp)
trap 'rm -f "$headers"' EXIT
chmod 600 "$headers"
printf 'SEC: %s\nVersion: 17.0\nContent-Type: application/json\nAccept: application/json\n' "$(cat "$2")" >"$headers"

post() { # path: the body comes on standard input
	curl -sSf ${CA:+--cacert "$CA"} -H "@$headers" -d @- "$base/$1"
}
CA=${4:-}

# Names have no commas and quotes: each line is five fields.
tail -n +2 "$(dirname "$0")/events.csv" | while IFS=, read -r id category name severity low; do
	record=$(jq -n --arg n "$name" --argjson t "$type" --argjson s "$severity" --argjson l "$low" \
		'{log_source_type_id: $t, name: $n, severity: $s, low_level_category_id: $l}' | post qid_records | jq .id)
	jq -n --arg i "$id" --arg c "$category" --argjson t "$type" --argjson q "$record" \
		'{log_source_type_id: $t, log_source_event_id: $i, log_source_event_category: $c, qid_record_id: $q}' | post dsm_event_mappings >/dev/null
	echo "$id: QID record $record"
done
