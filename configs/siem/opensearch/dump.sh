#!/bin/sh
# Prints all documents of an index of OpenSearch or Elasticsearch, one a line, as they
# were put in: dump.sh https://host:9200 INDEX [CURL-OPTIONS] | kagami verify --any-order -
# No jq and no filter_path: both write numbers and escapes anew.
set -eu
server=$1 index=$2
shift 2
ask() { curl -sS --fail "$@" -H 'Content-Type: application/json'; }
page=$(ask "$@" "$server/$index/_search?scroll=5m" -d '{"size":2000,"sort":["_doc"]}')
while case $page in *'"_source"'*) true ;; *) false ;; esac; do
	printf '%s\n' "$page" | sed 's/},{"_index":"/},\
{"_index":"/g; s/"hits":\[{/"hits":[\
{/'
	id=$(printf '%s\n' "$page" | sed 's/.*"_scroll_id":"\([^"]*\)".*/\1/;q')
	page=$(ask "$@" "$server/_search/scroll" -d "{\"scroll\":\"5m\",\"scroll_id\":\"$id\"}")
done
