// A bot with `co-wechat` on Koa, as its documentation shows it: node koa_co_wechat_bot.js PORT TOKEN
const [port, token] = process.argv.slice(2);
const Koa = require('koa');
const wechat = require('co-wechat');
const bot = require('./bot');

const app = new Koa();
app.use(wechat({ token, appid: '', encodingAESKey: '' }).middleware(async (message) => bot(message)));
app.listen(Number(port), '127.0.0.1');
