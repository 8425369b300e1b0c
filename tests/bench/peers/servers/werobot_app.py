"""WeRoBot, as its documentation shows it, without its session store."""
import os

import werobot

robot = werobot.WeRoBot(token=os.environ["TOKEN"], enable_session=False)


@robot.text
def reply(message):
    return "Send @ followed by your suggestion, and we will receive it."


application = robot.wsgi
