//! Markdown as the HTML that WeChat keeps, and what is refused.

use super::*;
use proptest::prelude::*;

/// The HTML without its styles.
fn plain(markdown: &str) -> String {
    let html = render(markdown, 1).expect(markdown).html(|_| "URL");
    let mut parts = html.split(" style=\"");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('"').map_or("", |(_, rest)| rest));
    }
    plain
}

#[test]
fn markdown_becomes_tags_that_wechat_keeps() {
    for (markdown, html) in [
        ("One\n\nTwo", "<p>One</p><p>Two</p>"),
        ("## Hours", "<h2>Hours</h2>"),
        (
            "*a* **b** ~~c~~ `d<`",
            "<p><em>a</em> <strong>b</strong> <del>c</del> <code>d&lt;</code></p>",
        ),
        ("> a", "<blockquote><p>a</p></blockquote>"),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("3. a", "<ol start=\"3\"><li>a</li></ol>"),
        ("a  \nb", "<p>a<br>b</p>"),
        ("---", "<hr>"),
        (
            "```rust\na < b\n  c\n```",
            "<pre><code>a &lt; b<br>  c</code></pre>",
        ),
        (
            "|a|b|\n|-|-:|\n|1|2|",
            "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>",
        ),
        (
            "a & b <!-- not shown --> c<br>d",
            "<p>a &amp; b  c<br>d</p>",
        ),
        ("<!-- one\ntwo -->\n\nText", "<p>Text</p>"),
        ("[^1] and - [ ] b", "<p>[^1] and - [ ] b</p>"),
    ] {
        assert_eq!(plain(markdown), html, "{markdown}");
    }
    let styled = render("a", 1).expect("text").html(|_| "");
    assert_eq!(
        styled,
        "<p style=\"margin:0 0 16px;line-height:1.75;\">a</p>"
    );
}

#[test]
fn the_end_of_a_line_is_no_space_between_chinese_characters() {
    assert_eq!(
        plain("我们每天\n九点开门。\n欢迎"),
        "<p>我们每天九点开门。欢迎</p>"
    );
    assert_eq!(plain("we\nopen\n九点"), "<p>we open 九点</p>");
    assert_eq!(
        plain("we\n*open*\n`at` 9"),
        "<p>we <em>open</em> <code>at</code> 9</p>"
    );
    assert_eq!(plain("每天\n**九点**"), "<p>每天<strong>九点</strong></p>");
}

#[test]
fn html_that_could_do_harm_is_refused_with_its_line() {
    for (markdown, told) in [
        ("a\n\nb <script>x</script>", "line 4: HTML such as <script>"),
        (
            "<div onclick=\"x\">\n\na</div>",
            "line 2: HTML such as <div onclick=\"x\">",
        ),
        ("<!-- a --><iframe>", "<iframe>"),
        ("", "it has no text"),
        ("<!-- only -->", "it has no text"),
    ] {
        let error = render(markdown, 2).expect_err(markdown);
        assert!(error.contains(told), "{markdown}: {error}");
    }
}

#[test]
fn links_inside_wechat_stay_and_others_become_notes() {
    let markdown = "[in](https://mp.weixin.qq.com/s?a=1&b=2) [out](https://example.com/) \
                    [again](https://example.com/) [guide](guide.md) <https://x.example>";
    let rendered = render(markdown, 1).expect("text");
    assert_eq!(
        (rendered.outside, &*rendered.dead),
        (3, &["guide.md".to_owned()][..])
    );
    assert_eq!(
        plain(markdown),
        "<p><a href=\"https://mp.weixin.qq.com/s?a=1&amp;b=2\">in</a> out<sup>[1]</sup> again<sup>[1]</sup> guide \
         https://x.example</p><hr><p>[1] https://example.com/</p>"
    );
    for address in [
        "https://mp.weixin.qq.com.example/",
        "javascript:alert(1)",
        "https://mp.weixin.qq.com@x/",
    ] {
        let html = plain(&format!("[a](<{address}>)"));
        assert!(!html.contains("href"), "{html}");
    }
}

#[test]
fn pictures_are_found_once_each_and_get_their_addresses() {
    let rendered = render("\n![a \"b\"](a.png) and\n![](b.png)\n![](a.png)", 5).expect("text");
    let picture = |path: &str, line| Picture {
        path: path.to_owned(),
        line,
    };
    assert_eq!(
        rendered.pictures,
        [picture("a.png", 6), picture("b.png", 7)]
    );
    let html = rendered.html(|number| ["http://x/?a&b", "http://y"][number]);
    let sources: Vec<&str> = html
        .split("src=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or_default())
        .collect();
    assert_eq!(
        sources,
        ["http://x/?a&amp;b", "http://y", "http://x/?a&amp;b"]
    );
    assert!(html.contains("alt=\"a &quot;b&quot;\""), "{html}");
    let kept = plain("![](http://mmbiz.qpic.cn/SYN/0)");
    assert_eq!(
        kept,
        "<p><img src=\"http://mmbiz.qpic.cn/SYN/0\" alt=\"\"></p>"
    );
    for address in [
        "https://example.com/a.png",
        "//example.com/a.png",
        "data:image/png;base64,AA",
        "http://mmbiz.qpic.cn.example/a",
    ] {
        let error = render(&format!("![]({address})"), 3).expect_err(address);
        assert!(
            error.contains("line 3: the picture") && error.contains("download it"),
            "{error}"
        );
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange_and_no_tag_comes_through(text in "[-\\[\\]()!<>`*_#|a中\n \"&:/\\\\]{0,80}") {
        if let Ok(rendered) = render(&text, 1) {
            let html = rendered.html(|_| "URL");
            prop_assert!(!html.contains("<script") && !html.contains("<a>"), "{}", html);
            let (open, close) = (html.matches('<').count(), html.matches('>').count());
            prop_assert_eq!(open, close, "{}", html);
        }
    }
}
