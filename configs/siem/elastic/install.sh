#!/bin/sh
# Installs Kagami's lifecycle policy (one year), index template and role in Elasticsearch 7.16 or later:
#
#   sh install.sh https://elastic.example.jp:9200 /root/elastic.curl
#
# The second argument is a configuration file for curl, mode 600, so that no password stands in the
# process list:
#
#   user = "elastic:..."
#   cacert = "/etc/ssl/ca.pem"
#
# Kagami's key is then made by
#
#   curl -K /root/elastic.curl -X POST -H 'Content-Type: application/json' URL/_security/api_key \
#        -d '{"name": "kagami", "role_descriptors": {"kagami": '"$(cat role.json)"'}}'
#
# and the field "encoded" of the answer goes into /etc/kagami/elastic, mode 600.
set -eu
[ $# -ge 1 ] || { sed -n '2,17s/^# \{0,1\}//p' "$0"; exit 2; }
url=${1%/} config=${2:-/dev/null} here=$(dirname "$0")

put() { # PATH FILE
    curl --silent --show-error --fail-with-body --config "$config" -X PUT -H 'Content-Type: application/json' "$url/$1" --data-binary "@$here/$2"
    echo "  <- $2"
}

put _ilm/policy/kagami ilm-policy.json
put _index_template/kagami index-template.json
put _security/role/kagami role.json
