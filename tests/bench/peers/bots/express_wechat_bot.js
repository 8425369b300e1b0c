// A bot with `wechat` on Express, as its documentation shows it: node express_wechat_bot.js PORT TOKEN
const [port, token] = process.argv.slice(2);
const express = require('express');
const wechat = require('wechat');
const bot = require('./bot');

const app = express();
app.use('/wechat', wechat(token, (req, res) => res.reply(bot(req.weixin))));
app.listen(Number(port), '127.0.0.1');
