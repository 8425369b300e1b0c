"""wechatpy under Flask, as its documentation shows it."""
import os

from flask import Flask, abort, request
from wechatpy import create_reply, parse_message
from wechatpy.exceptions import InvalidSignatureException
from wechatpy.utils import check_signature

application = Flask(__name__)


@application.route("/wechat", methods=["POST"])
def push():
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
    message = parse_message(request.data)
    text = "Send @ followed by your suggestion, and we will receive it."
    return create_reply(text, message).render()
