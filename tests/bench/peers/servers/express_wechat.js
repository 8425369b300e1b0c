// `wechat` on Express, as its documentation shows it: node express_wechat.js PORT TOKEN
const [port, token] = process.argv.slice(2);
const express = require('express');
const wechat = require('wechat');

const app = express();
app.use('/wechat', wechat(token, (req, res) => {
  res.reply('Send @ followed by your suggestion, and we will receive it.');
}));
app.listen(Number(port), '127.0.0.1');
