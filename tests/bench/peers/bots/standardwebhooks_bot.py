"""A service of the format "json" that verifies its calls with the library `standardwebhooks`:
python3 standardwebhooks_bot.py PORT SECRET

It is not ready for the first call (503, after a second), which is made again; each call that it verified is a line on
stdout.
"""
import http.server
import json
import sys
import time

from standardwebhooks.webhooks import Webhook

webhook = Webhook(sys.argv[2])
NEWS = {"news": [{
    "title": "Opening hours",
    "description": "When we are there",
    "pic_url": "https://www.example.com/hours.jpg",
    "url": "https://www.example.com/hours?from=chat&lang=en",
}]}


class Bot(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    calls = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        # Raises, so that the caller sees no answer, if the signature is not good.
        event = webhook.verify(body.decode(), dict(self.headers))
        names = ["webhook-id", "webhook-timestamp", "webhook-signature"]
        print(json.dumps({"type": event["type"], **{name: self.headers[name] for name in names}}), flush=True)
        Bot.calls += 1
        if Bot.calls == 1:
            # So that the second attempt has another timestamp.
            time.sleep(1.1)
            self.answer(503, "text/plain", "not yet")
        elif event["type"] == "message.text" and event["data"]["content"] == "news":
            self.answer(200, "application/json", json.dumps(NEWS))
        elif event["type"] == "message.text":
            self.answer(200, "application/json", json.dumps({"text": f"You said {event['data']['content']}"}))
        elif event["type"] == "event.click":
            self.answer(200, "text/plain; charset=utf-8", f"You tapped {event['data']['key']}")
        elif event["type"] == "event.subscribe":
            self.answer(200, "text/plain", "Welcome")
        else:
            self.answer(204, "text/plain", "")

    def answer(self, status, kind, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Bot).serve_forever()
