"""A bot with wechatpy under Flask, as its documentation shows it."""
import os

from flask import Flask, abort, request
from wechatpy import create_reply, parse_message
from wechatpy.exceptions import InvalidSignatureException
from wechatpy.utils import check_signature

application = Flask(__name__)
NEWS = [{
    "title": "Opening hours",
    "description": "When we are there",
    "image": "https://www.example.com/hours.jpg",
    "url": "https://www.example.com/hours?from=chat&lang=en",
}]


@application.route("/wechat", methods=["GET", "POST"])
def wechat():
    arguments = request.args
    try:
        check_signature(
            os.environ["TOKEN"],
            arguments.get("signature", ""),
            arguments.get("timestamp", ""),
            arguments.get("nonce", ""),
        )
    except InvalidSignatureException:
        abort(403)
    if request.method == "GET":
        return arguments.get("echostr", "")
    message = parse_message(request.data)
    if message.type == "text" and message.content == "news":
        answer = NEWS
    elif message.type == "text":
        answer = f"You said {message.content}"
    elif message.type == "event" and message.event == "click":
        answer = f"You tapped {message.key}"
    elif message.type == "event" and message.event == "subscribe":
        answer = "Welcome"
    else:
        answer = ""
    return create_reply(answer, message).render() if answer else "success"
