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
    SignInOnce: "此链接只能使用一次，生成后十分钟内有效。", "This link works once, within ten minutes of its making.";
    GetALink: "请在运行服务器的机器上执行以下命令，然后打开它给出的链接：", "Run this command on the machine of the server, then open the link that it prints:";
    SignInWithWeChat: "用微信登录", "Sign in with WeChat";
    SignInAs: "以 {name} 的身份登录", "Sign in as {name}";
    LinkIsGone: "此链接已失效", "This link no longer works";
    LinkIsGoneWhy: "它已被使用过，或者已超过十分钟。", "It was used already, or is older than ten minutes.";
    TooManyTries: "尝试次数过多", "Too many tries";
    TooManyTriesWhy: "从您的地址有太多次错误的登录尝试。请等一分钟再试。", "There were too many wrong tries to sign in from your address. Wait a minute and try again.";

    // When something does not work.
    NotFound: "没有此页面", "There is no such page";
    FormRefused: "未执行任何操作", "Nothing was done";
    FormRefusedWhy: "此表单已过期：您可能已退出登录，或在其他窗口重新登录。请返回、刷新页面后再试。", "This form is out of date: you may have signed out, or signed in again in another window. Go back, reload the page and try again.";
    StoreFails: "数据库暂时不可用", "The store cannot be used at the moment";
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
    Numbers: "数据", "Numbers";
    ToDo: "待办", "To do";
    Trouble: "异常", "Trouble";
    ByScene: "按来源", "By scene";
    Scene: "来源", "Scene";
    StillHere: "仍在关注", "Still here";
    Stayed: "留存率", "Stayed";
    UnknownScene: "未知", "unknown";
    NobodyCame: "这段时间内没有新粉丝。", "Nobody came in this time.";

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
    ForwardsWaiting: "等待答复的转发", "Forwarded pushes without an answer";
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
    Answered: "已答复", "Answered";
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

    // Followers.
    SearchPeople: "备注、昵称或 openid", "Remark, nickname or openid";
    Search: "搜索", "Search";
    Tag: "标签", "Tag";
    AnyTag: "所有标签", "Any tag";
    Person: "粉丝", "Person";
    Since: "关注时间", "Since";
    Tags: "标签", "Tags";
    NobodyFound: "没有找到。", "Nobody was found.";
    NotLookedFurther: "在查找过的 10 万名粉丝中没有找到。", "Nobody was found among the 100,000 that were looked at.";
    LookFurther: "继续查找更早的粉丝", "Look further back";
    Newest: "最新", "Newest";
    Older: "更早", "Older";
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
