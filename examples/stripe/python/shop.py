"""The HTTP part of both shops: `POST /orders {"id", "amount"}` answers with the status of the order."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import stripe


def serve(pay):
    """Serves on the port of the first argument. The second argument is the provider."""
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    provider = sys.argv[2] if len(sys.argv) > 2 else "http://127.0.0.1:3001"
    client = stripe.StripeClient("sk_test_shop", base_addresses={"api": provider}, max_network_retries=0)

    class Shop(BaseHTTPRequestHandler):
        def do_POST(self):
            order = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status = pay(client.v1, order["id"], order["amount"])
            body = json.dumps({"id": order["id"], "status": status}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Shop).serve_forever()
