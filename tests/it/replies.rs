//! The text of an answer: never too long, never broken, never what the platform would take for a failure.

use crate::support::*;

#[test]
fn a_long_text_is_cut_at_2048_bytes_between_characters() {
    let account = Account::with_rules("[[rule]]\nmessage = \"text\"\ntext = \"{content}\"\n");
    for (content, expected_bytes) in [
        ("a".repeat(2048), 2048),
        ("a".repeat(2049), 2048),
        // Three bytes each: 682 of them are 2046 bytes.
        ("啊".repeat(1000), 2046),
        (format!("a{}", "啊".repeat(1000)), 2047),
        (format!("ab{}", "啊".repeat(1000)), 2048),
        // Four bytes each.
        ("😀".repeat(600), 2048),
        (format!("abc{}", "😀".repeat(600)), 2047),
    ] {
        let answer = account.post(&text(&content));
        let said = answer.reply().content;
        answer.expect(
            content.starts_with(&said),
            "the beginning of what was written",
        );
        answer.expect(
            said.len() == expected_bytes,
            &format!("{expected_bytes} bytes"),
        );
    }
}

#[test]
fn a_text_is_never_cut_inside_a_link() {
    let account = Account::with_rules("[[rule]]\nmessage = \"text\"\ntext = \"{content}\"\n");
    let link = "<a href=\"https://www.example.com/a-page?with=a&long=query\">the page</a>";
    for before in [
        1940, 1975, 1976, 1977, 1980, 2000, 2030, 2037, 2039, 2040, 2044, 2045, 2046, 2047, 2048,
    ] {
        let content = format!("{}{link} and more {link}", "x".repeat(before));
        let answer = account.post(&text(&content));
        let said = answer.reply().content;
        answer.expect(said.len() <= 2048, "at most 2048 bytes");
        answer.expect(
            content.starts_with(&said),
            "the beginning of what was written",
        );
        answer.expect(
            said.matches("<a ").count() == said.matches("</a>").count(),
            "whole links only",
        );
        answer.expect(said.len() >= before, "nothing before the link is lost");
        answer.expect(!said.ends_with('<'), "no stray bracket");
    }
}

#[test]
fn what_would_break_the_answer_is_made_safe() {
    let account = Account::with_rules(
        r#"
        [[rule]]
        message = "text"
        equals = "controls"
        text = "a\u0001b\u0008c\u000bd\u001fe\tf\ng"
        [[rule]]
        message = "text"
        text = "{content}"
        "#,
    );
    for content in [
        "]]>",
        "a]]>b]]>c",
        "]]]]>>",
        "]]&gt;",
        "<![CDATA[inner]]>",
        "</Content></xml><xml>",
        "&lt;&amp;&#x41;",
        "<b>bold</b> & \"quotes\" 'single'",
        "line one\nline two",
        "emoji 👩‍👩‍👧‍👦🏳️‍🌈 𠮷",
    ] {
        account.post(&text(content)).is_text(content);
    }
    let answer = account.post(&text("controls"));
    let said = answer.reply().content;
    answer.expect(
        !said
            .chars()
            .any(|c| c.is_control() && c != '\t' && c != '\n'),
        "no control characters",
    );
    let kept: String = said.chars().filter(char::is_ascii_alphabetic).collect();
    answer.expect(kept == "abcdefg", "everything else");
}

#[test]
fn an_answer_that_comes_out_empty_is_a_bare_acknowledgement() {
    // The platform shows a failure notice for an empty Content.
    let account =
        Account::with_rules("[[rule]]\nmessage = \"text\"\nregex = '^x(y)?$'\ntext = \"{1}\"\n");
    account.post(&text("x")).is_success();
    account.post(&text("xy")).is_text("y");
}

#[test]
fn unsubscribe_is_never_answered() {
    // Nobody is there any more to read it; the platform discards it.
    let account = Account::with_rules("[[rule]]\nevent = \"any\"\ntext = \"hello\"\n");
    account.post(&subscribe()).is_text("hello");
    account.post(&unsubscribe()).is_success();
}
