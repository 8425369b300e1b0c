//! Every text of the operator's page, in one table of two columns.

use std::fmt::Display;

use crate::language::Language;

/// Declares the texts: a name, 简体中文, English. What stands in braces is put in by [`Text::with`].
macro_rules! texts {
    ($($name:ident: $chinese:literal, $english:literal;)+) => {
        /// One text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the texts say what they are")]
        pub enum Text {
            $($name,)+
        }

        impl Text {
            /// All texts: name, 简体中文, English.
            pub const ALL: &[(&'static str, &'static str, &'static str)] = &[
                $((stringify!($name), $chinese, $english),)+
            ];

            /// The text in this language.
            #[must_use]
            pub fn say(self, language: Language) -> &'static str {
                match self {
                    $(Text::$name => language.say($chinese, $english),)+
                }
            }
        }
    };
}

impl Text {
    /// The text in this language, with these values for the names in braces.
    #[must_use]
    pub fn with(self, language: Language, values: &[(&str, &dyn Display)]) -> String {
        let put = |text: String, (name, value): &(&str, &dyn Display)| {
            text.replace(&format!("{{{name}}}"), &value.to_string())
        };
        values.iter().fold(self.say(language).to_owned(), put)
    }
}

texts! {
    // The frame.
    Brand: "公众号后台", "Official Account";
    Overview: "概览", "Overview";
    // What the language calls itself, for the switch.
    OwnName: "简体中文", "English";
    MainMenu: "主菜单", "Main menu";
    SkipToContent: "跳到正文", "Skip to the content";
    SignedInAs: "当前用户：", "Signed in as ";
    SignOut: "退出登录", "Sign out";
    New: "{n} 条新消息", "{n} new";

    // Signing in.
    SignIn: "登录", "Sign in";
    SignInHere: "您将在此浏览器中登录公众号后台。", "You are about to sign in on this browser.";
    SignInOnce: "此链接只能使用一次，生成后十分钟内有效。", "This link works once, within ten minutes.";
    GetALink: "请在运行服务器的机器上执行以下命令，然后打开它给出的链接：", "Run this command on the machine of the server, then open the link that it prints:";
    SignInWithWeChat: "用微信登录", "Sign in with WeChat";
    SignInAs: "以 {name} 的身份登录", "Sign in as {name}";
    LinkIsGone: "此链接已失效", "This link no longer works";
    LinkIsGoneWhy: "它已被使用过，或者已超过十分钟。", "It was used already, or is older than ten minutes.";
    TooManyTries: "尝试次数过多", "Too many tries";
    TooManyTriesWhy: "来自您所在地址的错误登录次数过多，请一分钟后再试。", "There were too many wrong tries to sign in from your address. Wait a minute and try again.";

    // When something does not work.
    NotFound: "没有此页面", "There is no such page";
    FormRefused: "未执行任何操作", "Nothing was done";
    FormRefusedWhy: "此表单已过期：您可能已退出登录，或在其他窗口重新登录。请返回、刷新页面后再试。", "This form is out of date: you may have signed out, or signed in again in another window. Go back, reload the page and try again.";
    StoreFails: "数据库暂时不可用", "The store cannot be used at the moment";
    FilesLeft: "数据已删除，但此人发来的文件可能还在；服务器每小时会再次尝试删除", "The rows are gone, but files of this follower may still be there; the server tries again every hour";
    BackToOverview: "返回概览", "Back to the overview";

    // Overview.
    Followers: "粉丝", "Followers";
    Today: "今天", "Today";
    Days: "{n} 天", "{n} days";
    Growth: "粉丝增长", "Growth";
    Arrivals: "新增", "Came";
    Departures: "取消关注", "Left";
    Net: "净增", "Net";
    Day: "日期", "Day";
    WeekFrom: "周（起始日）", "Week from";
    Numbers: "明细", "Numbers";
    ToDo: "待办", "To do";
    Trouble: "异常", "Trouble";
    ByScene: "按来源", "By scene";
    Scene: "来源", "Scene";
    StillHere: "仍在关注", "Still here";
    Stayed: "留存率", "Stayed";
    UnknownScene: "未知", "unknown";
    NobodyCame: "这段时间内没有新粉丝。", "No new followers in this period.";

    // Health.
    Health: "状态", "Health";
    TroubleNow: "当前异常", "Trouble now";
    TroubleBefore: "三十天内的异常", "Trouble of 30 days";
    NothingIsWrong: "一切正常。", "Nothing is wrong.";
    Server: "服务器", "Server";
    Version: "版本", "Version";
    ListensAt: "监听地址", "Listens at";
    NotRunning: "未运行", "it does not run";
    Started: "启动时间", "Started";
    LastPush: "最近一次推送", "Last push";
    LastSync: "最近一次同步", "Last sync";
    TokenExpires: "access_token 过期时间", "The access_token expires";
    NotYet: "尚无", "none yet";
    ProfilesWaiting: "待获取的用户资料", "Profiles to be fetched";
    ForwardsWaiting: "等待回复的转发", "Forwarded pushes without an answer";
    StoreSize: "数据库大小", "Size of the store";
    DiskFree: "磁盘剩余空间", "Free on the disk";
    Kind: "类型", "Kind";
    From: "开始", "From";
    Until: "结束", "Until";
    What: "说明", "What";
    Services: "服务", "Services";
    Hooks: "通知", "Hooks";
    Name: "名称", "Name";
    Waiting: "等待", "Waiting";
    Answered: "已回复", "Answered";
    Failed: "失败", "Failed";
    LastError: "最近的错误", "Last error";
    Delivered: "已送达", "Delivered";
    GivenUp: "已放弃", "Given up";
    Paused: "暂停原因", "Paused because";
    WhoIsSignedIn: "已登录的浏览器", "Who is signed in";
    SignedInSince: "登录时间", "Since when";
    LastSeen: "最近使用", "Last seen";
    Address: "地址", "Address";
    SignOutEverybody: "让所有人退出登录", "Sign out everybody";

    // Why requests were refused.
    RefusedRequests: "启动以来被拒绝的请求", "Requests refused since the start";
    RefusedNone: "没有被拒绝的请求。", "None was refused.";
    Reason: "原因", "Reason";
    Number: "次数", "Number";
    RefusedAddress: "来源地址不在允许范围内", "its address is not allowed";
    RefusedQuery: "参数重复或编码错误", "a parameter comes twice, or is not UTF-8";
    RefusedNoTimestamp: "缺少 timestamp 或 nonce", "no timestamp or no nonce";
    RefusedNoSignature: "没有签名", "no signature";
    RefusedWrongSignature: "签名错误：Token 与微信后台一致吗？", "wrong signature: is the Token that of the console?";
    RefusedTimestamp: "timestamp 不是数字", "the timestamp is not a number";
    RefusedTimestampOff: "时间相差太大：本机时钟准确吗？", "the timestamp is far off: is this machine's clock right?";
    RefusedNoEchostr: "缺少 echostr", "no echostr";
    RefusedEncryptType: "未知的 encrypt_type", "unknown encrypt_type";
    RefusedEncryptedInPlain: "收到密文，但 account.mode 是 plain", "encrypted, but account.mode is plain";
    RefusedPlainInSecure: "收到明文，但 account.mode 是 secure", "not encrypted, but account.mode is secure";
    RefusedNoMsgSignature: "密文没有 msg_signature", "encrypted without msg_signature";
    RefusedNotEncrypted: "声明为密文，内容却是明文", "announced as encrypted, but readable";
    RefusedBrokenEnvelope: "密文的格式错误", "not the form of an encrypted push";
    RefusedUndecryptable: "无法解密：aes_key 和 app_id 与微信后台一致吗？", "cannot be decrypted: are aes_key and app_id those of the console?";
    RefusedReplayed: "重放的请求", "somebody replays requests";
    RefusedNotAPush: "签名正确，但不是推送", "rightly signed, but not a push";
    RefusedOtherPath: "微信后台填写的路径与 server.path 不同", "the console asks for another path than server.path";
    RefusedMethod: "不支持的请求方法", "a method that is not taken here";
    RefusedForeignForm: "其他网站发来的表单", "a form of another site";
    RefusedOtherHost: "用其他域名访问此页面", "this page under another name";
    RefusedForeignScraper: "从其他机器读取 /metrics", "/metrics from another machine";
    RefusedTooMany: "同一地址的请求过多", "too many from one address";
    RefusedTls: "在 HTTP 端口使用 https", "https on the plain HTTP port";
    RefusedMalformed: "不是正确的 HTTP 请求", "not a well-formed HTTP request";
    RefusedTooSlow: "未能及时收完整个请求", "did not arrive whole in time";
    RefusedTooLarge: "请求过大", "too large";
    RefusedTooLong: "有内容超出存储长度", "a value is longer than the store takes";
    RefusedProtocol: "不支持的 HTTP 特性", "something of HTTP that is not understood";

    // Followers.
    SearchPeople: "备注、昵称或 openid", "Remark, nickname or openid";
    Search: "搜索", "Search";
    Tag: "标签", "Tag";
    AnyTag: "所有标签", "Any tag";
    Person: "粉丝", "Follower";
    Since: "关注时间", "Since";
    Tags: "标签", "Tags";
    NobodyFound: "没有找到。", "Nobody was found.";
    NotLookedFurther: "在查找过的 10 万名粉丝中没有找到。", "Nobody was found among the 100,000 that were looked at.";
    LookFurther: "继续查找更早的粉丝", "Look further back";
    Newest: "最新", "Newest";
    Older: "更早", "Older";

    // Inbox.
    Inbox: "消息", "Inbox";
    Lists: "列表", "Lists";
    Unanswered: "未匹配规则", "Unanswered";
    Messages: "全部消息", "Messages";
    Events: "事件", "Events";
    NothingToDo: "没有待办。带有 todo = true 的规则所回复的消息，以及转给客服的消息，会留在这里，直到有人标记为已处理。", "Nothing to do. What a rule with todo = true answers, and what is handed to customer service, waits here until somebody marks it as done.";
    NothingUnanswered: "最近 30 天的每条文字消息都匹配到了专门的规则。没有规则匹配、或只有兜底规则回复的文字会列在这里。", "A rule answers every text of the last 30 days. Texts that today's rules leave to nobody, or to a rule without a condition, are listed here.";
    NoMessages: "还没有消息。粉丝发来的文字、图片和语音会立即出现在这里。", "No message yet. What people write or send to the account is listed here as soon as it comes.";
    NoEvents: "还没有事件。关注、取消关注、扫码和点击菜单会列在这里。", "No event yet. Follows, departures, scans and taps on the menu are listed here.";
    NothingFound: "没有找到符合条件的内容。", "Nothing was found.";
    NotFoundSoFar: "在最新的 20 万条中没有找到。", "Nothing was found among the newest 200,000.";
    SearchFurther: "继续查找更早的内容", "Look further back";
    SearchMessages: "搜索消息内容", "Search in messages";
    InGroups: "按内容合并，并给出可以粘贴的规则", "In groups, with rules to paste";
    MoreFilters: "更多条件", "More filters";
    FromPerson: "发送者", "From";
    SinceDay: "起始日期", "Since";
    AnsweredBy: "规则", "Rule";
    Rule: "规则", "Rule";
    NoRuleAnswered: "没有匹配的规则", "No rule answered";
    AnswerPending: "正在等待回复", "waiting for its answer";
    Done: "标记为已处理", "Done";
    Undo: "撤销", "Undo";
    DoneBy: "已处理：", "Done by";
    MarkedDone: "已将 {n} 条标记为已处理。", "{n} marked as done.";
    AllOfThesePageDone: "将本页全部标记为已处理", "Mark all on this page as done";
    KindText: "文字", "Text";
    KindImage: "图片", "Picture";
    KindVoice: "语音", "Voice";
    KindVideo: "视频", "Video";
    KindLocation: "位置", "Place";
    KindLink: "链接", "Link";
    KindFile: "文件", "File";
    KindMiniProgram: "小程序", "Mini program";
    EventFollowed: "关注", "Followed";
    EventLeft: "取消关注", "Left";
    EventScanned: "扫描二维码", "Scanned a QR code";
    EventTapped: "点击菜单", "Tapped the menu";
    EventOpened: "从菜单打开页面", "Opened a page from the menu";
    EventLocation: "上报位置", "Reported the location";
    EventScannedFromMenu: "从菜单扫码", "Scanned from the menu";

    // A person.
    FollowsSince: "{time} 关注", "Follows since {time}";
    DoesNotFollow: "目前没有关注", "Does not follow";
    NothingSaid: "还没有对话。对方发来消息后会显示在这里。", "Nothing has been said yet. What the follower writes is shown here.";
    NothingShown: "没有显示任何内容；规则：", "nothing was shown, by the rule";
    KindMusic: "音乐", "Music";
    HandedOver: "已转给客服", "handed to customer service";
    HandedToAi: "已转给微信的智能回复", "handed to WeChat's AI";
    Download: "下载", "Download";
    Answer: "回复", "Answer";
    Send: "发送", "Send";
    LongAnswer: "每条消息最多 {bytes} 字节（约 680 个汉字）；更长的回复会分成几条，每条都计数。", "A message has up to {bytes} bytes; a longer answer goes out as several messages, each of which counts.";
    AndMarkDone: "同时把待办标记为已处理", "and mark what waits here as done";
    CannotSend: "没有设置 account.app_id 和 account.app_secret，无法发送。", "Sending needs account.app_id and account.app_secret.";
    WindowLeft: "还剩 {time}，最多还能发 {left} 条（共 {of} 条）", "{time} left, at most {left} of {of} messages";
    HoursAndMinutes: "{h} 小时 {m} 分钟", "{h} h {m} min";
    Minutes: "{m} 分钟", "{m} min";
    Seconds: "{s} 秒", "{s} s";
    ShutOver: "对方在 48 小时内没有发来消息。", "The follower has not written in the last 48 hours.";
    ShutLeft: "对方已取消关注。", "The user no longer follows.";
    ShutUsedUp: "这段时间内能发的消息已经发完。", "All messages of this window were sent.";
    ShutUsedUpThere: "微信提示：这段时间内能发的消息已经发完。", "WeChat says that all messages of this window were sent.";
    ShutOverThere: "微信提示：对方近期没有可以回复的互动。", "WeChat says that the follower did nothing lately that allows a message.";
    ShutDeclined: "微信提示：对方已关闭接收消息。", "WeChat says that the follower has switched messages off.";
    ReopensWithFollow: "对方重新关注后可发送一分钟。", "Following again opens it for a minute.";
    ReopensWhenSwitchedOn: "对方重新打开并发来消息后即可发送。", "It opens when the follower switches them on again and writes.";
    ReopensWithMessage: "对方发来消息后可在 48 小时内回复；关注、扫码或点击菜单后可在一分钟内回复。", "A message of the follower opens it for 48 hours; a follow, a scan or a tap on the menu for a minute.";
    StateSending: "正在发送", "being sent";
    StateSent: "已发送", "sent";
    StateRefused: "未发送", "not sent";
    MayHaveArrived: "可能已送达", "may have arrived";
    MayHaveArrivedWhy: "可能已送达，不会自动重发。", "It may have arrived, and is not repeated by itself.";
    AnswerIsEmpty: "请先输入回复内容。", "Write an answer first.";
    AnswerHasLongLink: "其中有一个链接太长，一条消息放不下。", "It has a link that is too long for a message.";
    NotSentShut: "未发送，原因见下方。", "Not sent; why is said below.";
    TooManyMessages: "未发送：这段回复需要 {n} 条消息，但最多只能再发 {left} 条。", "Not sent: this answer makes {n} messages, and at most {left} can be sent.";
    NotSent: "未发送。", "Not sent.";
    SentInPart: "{of} 条消息中只发送了 {n} 条。", "Only {n} of {of} messages were sent.";
    NotDone: "未完成。", "That was not done.";
    NotNoted: "微信已执行，但未能记入数据库，下次同步后此处才会更新。", "WeChat has done it, but it could not be noted here; this page shows it after the next sync.";
    WrongEnd: "openid 的最后六个字符不对，没有删除任何内容。", "These are not the last six characters of the openid: nothing was removed.";
    NowBlocked: "已拉黑。", "This follower is blocked now.";
    NowUnblocked: "已取消拉黑。", "This follower is no longer blocked.";
    MoreAboutPerson: "备注、标签、拉黑、删除", "Remark, tags, block, forget";
    Remark: "备注", "Remark";
    Save: "保存", "Save";
    TakeOff: "移除", "Remove";
    PutOn: "添加", "Add";
    BlockedMeans: "被拉黑的人仍是粉丝，但发来的消息不会送达，也无法给其发消息；对方不会收到通知。", "Whoever is blocked stays a follower, but cannot write or be written to, and is not told.";
    Block: "拉黑", "Block";
    Unblock: "取消拉黑", "Unblock";
    Forget: "删除此人的所有数据", "Forget this follower";
    ForgetMeans: "消息、关注记录和发送记录会从这里彻底删除，无法恢复。", "Messages, follows and what was sent are removed from here for good.";
    LastSix: "请输入 openid 的最后六个字符：", "The last six characters of the openid:";
    // Rules, and what they do not answer.
    Rules: "规则", "Rules";
    TryAText: "试一试", "Try a text";
    WhatSomebodyWrites: "粉丝发来的文字", "What somebody writes";
    Try: "试一试", "Try";
    OrAnEvent: "或者一个事件", "Or an event";
    Event: "事件", "Event";
    KeyOrScene: "按钮的 key 或二维码场景值", "Key of the button, or scene";
    RulesInForce: "正在生效的规则", "The active rules";
    NoRules: "配置文件里还没有 [[rule]]。添加后，规则会按顺序列在这里。", "The configuration has no [[rule]] yet. Those that it has are listed here in their order.";
    FirstRuleAnswers: "从上到下，由第一条匹配的规则回复。", "The first rule that matches answers.";
    Before: "前面的规则", "The rules before";
    Further: "后面的规则", "Further rules";
    Line: "第 {n} 行", "line {n}";
    RuleIsSilent: "不回复", "says nothing";
    NothingIsShown: "不显示任何内容：", "Nothing is shown:";
    HandsOver: "转给人工客服", "hands it to customer service";
    ServiceIsAsked: "转给服务", "asks the service";
    WhenItFails: "服务失败时：", "when it fails:";
    OtherRulesAsked: "前面的 {n} 条规则为什么没有匹配", "Why not the rules above ({n})";
    HitsOf7And30Days: "7 天 {week} 次，30 天 {month} 次", "{week} in 7 days, {month} in 30";
    LastHit: "最近一次：{time}", "last {time}";
    NeverHit: "还没有匹配过", "never answered";
    AboutMessages: "消息", "Messages";
    AboutEvents: "事件", "Events";
    AnyMessage: "任何消息", "Any message";
    AnyEvent: "任何事件", "Any event";
    TestEquals: "等于", "is";
    TestPrefix: "开头为", "begins with";
    TestContains: "包含", "contains";
    TestRegex: "符合正则", "matches";
    TextsUnanswered: "未匹配规则的消息", "What no rule answers";
    UnansweredMeans: "最近 30 天有 {texts} 条文字消息没有匹配到专门的规则，共 {groups} 种。标记为已处理后不再列出，直到又有人发来。", "Texts of the last 30 days that were left to nobody or to a rule without a condition: {texts}, {groups} of them different. What is marked as done is not listed until somebody writes it again.";
    LargestShown: "只显示最多的 {n} 种。", "The {n} most frequent are shown.";
    OlderNotLookedAt: "消息太多，更早的没有查看。", "Older texts were not looked at: there are too many.";
    OneByOne: "逐条查看", "One by one";
    TimesAndPeople: "{times} 次，{people} 人", "times: {times}, people: {people}";
    YourAnswer: "您的回复", "Your answer";
    LinesToPaste: "可以粘贴到配置文件的规则", "Lines to paste into the configuration";
    Forgotten: "已删除此人的所有数据。", "Every trace of the follower was removed.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_column_is_empty_and_both_have_the_same_names_in_braces() {
        let names = |text: &str| {
            let mut names: Vec<String> = text
                .split('{')
                .skip(1)
                .filter_map(|rest| Some(rest.split_once('}')?.0.to_owned()))
                .collect();
            names.sort();
            names
        };
        let is_chinese = |c: char| ('\u{3000}'..='\u{9fff}').contains(&c) || c == '：';
        for (name, chinese, english) in Text::ALL {
            assert!(
                !chinese.trim().is_empty() && !english.trim().is_empty(),
                "{name}"
            );
            assert_eq!(names(chinese), names(english), "{name}");
            assert!(chinese.contains(is_chinese), "{name}: {chinese}");
            assert!(!english.contains(is_chinese), "{name}: {english}");
        }
    }

    #[test]
    fn values_take_the_place_of_their_names() {
        assert_eq!(Text::New.with(Language::English, &[("n", &3)]), "3 new");
        assert_eq!(
            Text::New.with(Language::Chinese, &[("n", &3)]),
            "3 条新消息"
        );
    }
}
