"""A program without sign-in: nginx lets nobody in without a session, and sends who it is in headers."""

from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

PAGE = """<!doctype html>
<title>Python</title>
<p>Python: you are {subject}, with the roles {roles}.</p>
<p><a href="/node/">The program on Node</a> <a href="/auth/account">Your account</a></p>
<button onclick="fetch('/auth/signout', {{method: 'POST'}}).then(() => location.reload())">Sign out</button>
"""


class App(BaseHTTPRequestHandler):
    def do_GET(self):
        subject = unquote(self.headers["X-Auth-Subject"])
        page = PAGE.format(subject=escape(subject), roles=escape(self.headers.get("X-Auth-Roles", ""))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(page)


ThreadingHTTPServer(("127.0.0.1", 8001), App).serve_forever()
