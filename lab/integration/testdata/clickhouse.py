"""The engine of a current ClickHouse (the package chdb) behind the part of its HTTP interface that the
integration test uses: server.py DIRECTORY PORT. Debian's clickhouse-server is of 2018 and cannot load the
tables that are shipped."""
import gzip
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb import session

engine = session.Session(sys.argv[1])
lock = threading.Lock()  # the engine takes one query at a time


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.answer(body)

    def answer(self, body):
        settings = dict(parse_qsl(urlsplit(self.path).query))
        query = settings.pop("query", "SELECT 1")
        settings.pop("wait_end_of_query", None)
        if settings:
            text = " SETTINGS " + ", ".join(f"{k} = '{v}'" for k, v in settings.items())
            query = re.sub(r" FORMAT JSONEachRow$", lambda m: text + m.group(0), query)
        status, out = 200, b""
        try:
            with lock:
                out = engine.query(query + "\n" + body.decode(), "JSONEachRow").bytes()
        except Exception as e:
            status, out = 500, str(e).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(out)))
        self.end_headers()
        self.wfile.write(out)

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
