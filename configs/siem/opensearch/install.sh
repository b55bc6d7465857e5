#!/bin/sh
# Installs Kagami's index template, lifecycle policy (one year) and role in OpenSearch 2 or later:
#
#   sh install.sh https://opensearch.example.jp:9200 /root/opensearch.curl
#
# The second argument is a configuration file for curl, mode 600, so that no password stands in the
# process list:
#
#   user = "admin:..."
#   cacert = "/etc/ssl/ca.pem"
set -eu
[ $# -ge 1 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 2; }
url=${1%/} config=${2:-/dev/null} here=$(dirname "$0")

put() { # PATH FILE
    curl --silent --show-error --fail-with-body --config "$config" -X PUT -H 'Content-Type: application/json' "$url/$1" --data-binary "@$here/$2"
    echo "  <- $2"
}

put _index_template/kagami index-template.json
if ! curl --silent --fail --config "$config" "$url/_plugins/_security/api/roles" >/dev/null; then
    echo "no security plugin, or no right to make roles: role.json not installed"
else
    put _plugins/_security/api/roles/kagami role.json
fi
if curl --silent --fail --config "$config" "$url/_plugins/_ism/policies/kagami" >/dev/null; then
    echo "the policy kagami is there already: left as it is"
else
    put _plugins/_ism/policies/kagami ism-policy.json
fi
