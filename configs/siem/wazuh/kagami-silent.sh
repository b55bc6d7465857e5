#!/bin/sh
# Says which of these sensors have sent no heartbeat for three minutes. Into /var/ossec/etc/ of the manager,
# mode 750, owner root, group wazuh:
#
#   kagami-silent.sh SENSOR...
#
# It reads the end of alerts.json, where rule 100701 puts each heartbeat. Just after midnight, when the file
# is new, a sensor that is not in it yet is given three minutes.
set -eu
alerts=${ALERTS:-/var/ossec/logs/alerts/alerts.json} limit=${LIMIT:-180}
now=$(date +%s)
started=$(date -d "$(date +%F)" +%s) # when the file of today began
for sensor; do
    beat=$(tail -c 50000000 "$alerts" | grep -F '\"dataset\":\"kagami.heartbeat\"' | grep -F "\\\"kagami.export\\\":{\\\"sensor\\\":\\\"$sensor\\\"" |
        tail -n 1 | sed -n 's/.*"full_log":"[^{]*{\\"@timestamp\\":\\"\([^"\\]*\)\\".*/\1/p')
    last=$started
    [ -z "$beat" ] || last=$(date -d "$beat" +%s)
    silent=$((now - last))
    [ "$silent" -le "$limit" ] || echo "kagami sensor $sensor is silent: $silent s since its last heartbeat (${beat:-none today})"
done
