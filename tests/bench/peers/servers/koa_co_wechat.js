// `co-wechat` on Koa, as its documentation shows it: node koa_co_wechat.js PORT TOKEN
const [port, token] = process.argv.slice(2);
const Koa = require('koa');
const wechat = require('co-wechat');

const app = new Koa();
const config = { token, appid: 'wx7a9c0e1f2b3d4c5e', encodingAESKey: 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG' };
app.use(wechat(config).middleware(async () => 'Send @ followed by your suggestion, and we will receive it.'));
app.listen(Number(port), '127.0.0.1');
