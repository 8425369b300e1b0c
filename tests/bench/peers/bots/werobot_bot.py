"""A bot with WeRoBot, as its documentation shows it, without its session store."""
import os

import werobot

robot = werobot.WeRoBot(token=os.environ["TOKEN"], enable_session=False)


@robot.filter("news")
def news(message):
    return [[
        "Opening hours",
        "When we are there",
        "https://www.example.com/hours.jpg",
        "https://www.example.com/hours?from=chat&lang=en",
    ]]


@robot.text
def text(message):
    return f"You said {message.content}"


@robot.click
def click(message):
    return f"You tapped {message.key}"


@robot.subscribe
def subscribe(message):
    return "Welcome"


application = robot.wsgi
