#!/bin/sh
# Makes the stream that takes a sensor's records. Needs the nats command and a
# context that may make streams. The sensor's own user needs no more than:
#   publish   kagami.>
#   subscribe _INBOX.>
set -eu
nats stream add KAGAMI --config "$(dirname "$0")/stream.json"
