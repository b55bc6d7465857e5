#!/bin/sh
# Makes the topic and a sensor's user, who may write to it and no more.
#   PASSWORD_FILE=/root/sensor1.password ./install.sh BROKER:PORT SENSOR [ADMIN.PROPERTIES]
# Needs Kafka's own commands (bin/) in PATH. REPLICAS=1 is for a test broker alone.
set -eu
umask 077
broker=$1
user=kagami-$2
admin=${3:+--command-config $3}
replicas=${REPLICAS:-3}

# Of three replicas two must have a record: "sent" then survives a broker.
kafka-topics.sh --bootstrap-server "$broker" $admin --create --if-not-exists --topic kagami --partitions 6 \
	--replication-factor "$replicas" --config min.insync.replicas=$(((replicas + 1) / 2)) --config retention.ms=2592000000

config=$(mktemp) # not an argument: the list of processes would show the password
trap 'rm -f "$config"' EXIT
printf 'SCRAM-SHA-512=password=%s\n' "$(cat "$PASSWORD_FILE")" >"$config"
kafka-configs.sh --bootstrap-server "$broker" $admin --alter --entity-type users --entity-name "$user" --add-config-file "$config"
kafka-acls.sh --bootstrap-server "$broker" $admin --add --allow-principal "User:$user" \
	--operation Write --operation Describe --topic kagami
