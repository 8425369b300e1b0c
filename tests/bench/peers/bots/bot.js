// What the bots on `wechat` and `co-wechat` answer to a message.
const news = [{
  title: 'Opening hours',
  description: 'When we are there',
  picurl: 'https://www.example.com/hours.jpg',
  url: 'https://www.example.com/hours?from=chat&lang=en',
}];

module.exports = ({ MsgType, Content, Event, EventKey }) => {
  if (MsgType === 'text') return Content === 'news' ? news : `You said ${Content}`;
  if (MsgType === 'event' && Event === 'CLICK') return `You tapped ${EventKey}`;
  if (MsgType === 'event' && Event === 'subscribe') return 'Welcome';
  return '';
};
