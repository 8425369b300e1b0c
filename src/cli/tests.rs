//! Tests of the whole command line: its help, and the examples in the help and the README.

use super::*;

#[test]
fn the_command_line_is_well_formed() {
    Arguments::command().debug_assert();
}

/// A command and all its subcommands.
fn all_commands(command: &clap::Command) -> Vec<clap::Command> {
    let own = command.get_subcommands().flat_map(all_commands);
    std::iter::once(command.clone()).chain(own).collect()
}

#[test]
fn help_fits_80_columns_and_its_examples_can_be_pasted() {
    for command in all_commands(&Arguments::command()) {
        let mut command = command.term_width(80);
        let name = command.get_name().to_owned();
        for help in [command.render_help(), command.render_long_help()] {
            let help = help.to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
            let after = command.get_after_help().map(ToString::to_string);
            for example in after.unwrap_or_default().lines() {
                if example.starts_with("  ") {
                    let whole = help.lines().any(|line| line == example);
                    assert!(whole, "{name} breaks an example: {example}");
                }
            }
        }
    }
}

/// Every call of this program in a shell line, including those in `$(…)`: its words, and whether its input is a pipe
/// or a file.
fn typed(line: &str) -> Vec<(Vec<String>, bool)> {
    let mut found = Vec::new();
    let (mut words, mut word, mut fed): (Vec<String>, Option<String>, bool) = Default::default();
    let mut end = |words: &mut Vec<String>, fed: bool| {
        let words = std::mem::take(words);
        if words.first().is_some_and(|name| name == "wechatd") {
            found.push((words, fed));
        }
    };
    let mut inner = Vec::new();
    let (mut quote, mut rest) = (None, line.chars().peekable());
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None | Some('"'), '$') if rest.next_if_eq(&'(').is_some() => {
                inner.push(rest.by_ref().take_while(|c| *c != ')').collect::<String>());
                word.get_or_insert_default().push_str("SUBSTITUTED");
            }
            (None | Some('"'), '\\') => word.get_or_insert_default().extend(rest.next()),
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '#') if word.is_none() => break,
            (None, ' ' | '\n') => words.extend(word.take()),
            (None, '|' | '&' | ';') => {
                words.extend(word.take());
                end(&mut words, fed);
                fed = c == '|';
            }
            (None, '<' | '>') => {
                words.extend(word.take());
                fed |= c == '<';
                // The file's name.
                while rest.next_if(|c| " >&".contains(*c)).is_some() {}
                while rest.next_if(|c| *c != ' ').is_some() {}
            }
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.take());
    end(&mut words, fed);
    found.extend(inner.iter().flat_map(|line| typed(line)));
    found
}

/// Joins lines that a backslash or a pipe continues.
fn shell_lines<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        let text = line.trim_end_matches('\\').trim();
        match whole.last_mut() {
            Some(last) if goes_on => *last += &format!(" {text}"),
            Some(_) | None => whole.push(text.to_owned()),
        }
        goes_on = line.ends_with('\\') || line.ends_with('|');
    }
    whole
}

#[test]
fn every_example_of_the_help_and_the_readme_can_be_pasted() {
    let mut examples = Vec::new();
    for command in all_commands(&Arguments::command()) {
        let after = command.get_after_help().map(ToString::to_string);
        let after = after.unwrap_or_default();
        examples.extend(shell_lines(
            after.lines().filter(|line| line.starts_with("  ")),
        ));
    }
    let root = env!("CARGO_MANIFEST_DIR");
    for name in ["README.md", "README.zh-CN.md"] {
        let readme = std::fs::read_to_string(format!("{root}/{name}")).expect(name);
        let blocks = readme.split("```").skip(1).step_by(2);
        let lines = blocks.flat_map(str::lines);
        examples.extend(shell_lines(lines.map(|line| line.trim_start_matches("$ "))));
        let sentences = readme.split("```").step_by(2);
        let quoted = sentences.flat_map(|text| text.split('`').skip(1).step_by(2));
        // Of two words it may be the name of a command only.
        let whole = quoted.filter(|code| code.split(' ').count() > 2);
        examples.extend(whole.map(str::to_owned));
    }
    let mut tried = 0;
    for example in examples {
        for (words, fed) in typed(&example) {
            tried += 1;
            if let Err(error) = Arguments::try_parse_from(&words)
                && error.use_stderr()
            {
                panic!("{example}\n{words:?}\n{error}");
            }
            let mut command = &Arguments::command();
            for word in &words[1..] {
                command = command.find_subcommand(word).unwrap_or(command);
            }
            let asks = command
                .get_arguments()
                .any(|argument| argument.get_id() == "yes");
            let agrees = words.iter().any(|word| word == "--yes");
            assert!(
                !asks || !fed || agrees,
                "{example} cannot ask: it lacks --yes"
            );
        }
    }
    assert!(tried > 100, "{tried}");
}

#[test]
fn help_can_be_asked_for_as_a_command() {
    for words in [
        &["help"][..],
        &["help", "menu"],
        &["help", "menu", "diff"],
        &["menu", "help"],
    ] {
        let all = std::iter::once(&"wechatd").chain(words);
        let help = Arguments::command().try_get_matches_from(all);
        let kind = help.map_err(|error| error.kind());
        assert_eq!(kind, Err(clap::error::ErrorKind::DisplayHelp), "{words:?}");
    }
}
