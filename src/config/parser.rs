//! Parses the text of a configuration and collects every mistake with its line.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::draft::Draft;
use super::key::well_formed_secret;
use super::local::LocalFiles;
use super::mode::ModeName;
use super::problem::{Problem, Problems, Typos, nearest};
use super::secret_file::{credential, start_of};
use super::syntax::SyntaxError;
use super::{
    AllowIps, Config, HookFormat, KEYS, Keys, Mode, SECRET_CREDENTIAL, SECRET_VARIABLE, SecretUrl,
    VerifyFile, database, gate, hook, menu, rule, service, value,
};
use crate::byte_order_mark;
use crate::secret::Secret;
use crate::store::Tls;

/// The sections whose keys are not in [`KEYS`].
const RULES: &str = "rule";
const HOOKS: &str = "hook";
const SERVICES: &str = "service";
const GATES: &str = "gate";
const MENU: &str = "menu";

/// Parses one text and collects its mistakes.
pub(super) struct Parser {
    line_starts: Vec<usize>,
    typos: Typos,
    /// Lines that are not TOML, counted from 1.
    broken_lines: HashSet<usize>,
    pub(super) list: Vec<Problem>,
}

impl Parser {
    pub(super) fn new(text: &str) -> Parser {
        let line_starts = text
            .bytes()
            .enumerate()
            .filter(|(_, byte)| *byte == b'\n')
            .map(|(at, _)| at)
            .collect();
        Parser {
            line_starts,
            typos: Typos::default(),
            broken_lines: HashSet::new(),
            list: Vec::new(),
        }
    }

    fn line(&self, at: usize) -> usize {
        1 + self.line_starts.partition_point(|newline| *newline < at)
    }

    /// Reports a line that is not TOML.
    pub(super) fn syntax_error(&mut self, error: &SyntaxError) {
        self.broken_lines.insert(error.line);
        self.list.push(Problem {
            line: Some(error.line),
            key: error.shown.clone(),
            what: error.what.clone(),
        });
    }

    pub(super) fn report(&mut self, at: usize, key: impl Into<String>, what: impl Into<String>) {
        let line = self.line(at);
        // The owner did not write what is there now.
        if self.broken_lines.contains(&line) {
            return;
        }
        self.list.push(Problem {
            line: Some(line),
            key: key.into(),
            what: what.into(),
        });
    }

    /// Reports what is not in the file.
    fn report_without_line(&mut self, key: impl Into<String>, what: impl Into<String>) {
        self.list.push(Problem {
            line: None,
            key: key.into(),
            what: what.into(),
        });
    }

    pub(super) fn problems(mut self, file: &Path) -> Problems {
        self.list.sort_by_key(|problem| problem.line);
        Problems {
            file: file.to_owned(),
            list: self.list,
        }
    }

    pub(super) fn sections(&mut self, root: &DeTable, draft: &mut Draft) {
        let mut services = Some(Vec::new());
        for (name, value) in root {
            let section = name.get_ref().as_ref();
            if section == RULES || section == GATES {
                // Parsed last: rules name services, gates are bound by login.methods.
                continue;
            }
            if section == HOOKS {
                self.hooks(value, &mut draft.config);
                continue;
            }
            if section == SERVICES {
                services = self.services(value, &mut draft.config);
                continue;
            }
            if section == MENU {
                let mut report = |at: usize, key: String, what: String| self.report(at, key, what);
                draft.config.menu = menu::parse(value, &mut report);
                continue;
            }
            if KEYS.iter().all(|key| section_of(key.name) != section) {
                self.unknown(name.span().start, section);
                continue;
            }
            match value.get_ref().as_table() {
                Some(table) => self.section(section, table, draft),
                None => self.report(
                    name.span().start,
                    section,
                    format!("is a section; write [{section}] on a line of its own"),
                ),
            }
        }
        if let Some(rules) = root.get(RULES) {
            let services = services.filter(|_| !self.typos.has(&[SERVICES]));
            let is_web =
                position(root, "web", "url").is_some() || self.typos.has(&["web", "web.url"]);
            let files = LocalFiles::beside(&draft.config.file, &draft.config.web, is_web);
            self.rules(rules, services.as_deref(), &files, &mut draft.config);
            draft.first_upload = files.first_media();
            draft.config.pictures = files.pictures();
        }
        if let Some(gates) = root.get(GATES) {
            let tables = self.tables(GATES, gates);
            let mut report = |at: usize, key: String, what: String| self.report(at, key, what);
            let gates = gate::parse(&tables, draft.config.login.methods, &mut report);
            if !gates.is_empty() {
                draft.config.gates = gates;
            }
        }
    }

    fn section(&mut self, section: &str, table: &DeTable, draft: &mut Draft) {
        for (name, value) in table {
            let full = format!("{section}.{}", name.get_ref());
            match KEYS.iter().find(|key| key.name == full) {
                None => self.unknown(name.span().start, &full),
                Some(key) => {
                    if key.secret {
                        draft.config.secrets.push(key.name);
                    }
                    if let Err(what) = (key.set)(draft, value) {
                        self.report(value.span().start, full, what);
                    }
                }
            }
        }
    }

    fn unknown(&mut self, at: usize, name: &str) {
        let own = name.rsplit('.').next().unwrap_or(name);
        let elsewhere = KEYS
            .iter()
            .map(|key| key.name)
            .find(|known| known.rsplit('.').next() == Some(own));
        let sections = KEYS.iter().map(|key| section_of(key.name));
        let sections = [RULES, HOOKS, SERVICES, GATES, MENU]
            .into_iter()
            .chain(sections);
        let near = match name.contains('.') {
            true => elsewhere.or_else(|| nearest(name, KEYS.iter().map(|key| key.name))),
            false => nearest(name, sections).or(elsewhere),
        };
        self.typos.note(near);
        let advice = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        let what = if name.contains('.') {
            "unknown key"
        } else {
            "unknown section or key"
        };
        self.report(at, name, format!("{what}{advice}"));
    }

    /// The tables of a list such as `[[rule]]`, each with its position and line; of one that is written as a section
    /// that one, as a mistake.
    fn tables<'v>(
        &mut self,
        name: &str,
        value: &'v value::Value,
    ) -> Vec<(&'v DeTable<'v>, usize, usize)> {
        let items = match value.get_ref().as_array() {
            Some(items) => items.iter().collect(),
            None => vec![value],
        };
        let tables = items.iter().map(|item| {
            let start = item.span().start;
            let table = item.get_ref().as_table()?;
            Some((table, start, self.line(start)))
        });
        let tables: Option<Vec<_>> = tables.collect();
        if tables.is_none() || value.get_ref().as_array().is_none() {
            self.report(
                value.span().start,
                name,
                format!("is a list; begin each {name} with [[{name}]] on a line of its own"),
            );
        }
        tables.unwrap_or_default()
    }

    fn hooks(&mut self, value: &value::Value, config: &mut Config) {
        let tables = self.tables(HOOKS, value);
        let mut report = |at: usize, key: String, what: String| self.report(at, key, what);
        config.hooks = hook::parse(&tables, &mut report);
        let has = |key: &str| tables.iter().any(|(table, ..)| table.contains_key(key));
        if has("secret") || has("previous_secret") {
            config.secrets.push("hook.secret");
        }
        let is_secret = |hook: &hook::Hook| match hook.format {
            HookFormat::Standard { .. } => may_be_secret(&hook.url),
            HookFormat::WeCom
            | HookFormat::DingTalk { .. }
            | HookFormat::Feishu { .. }
            | HookFormat::Ntfy
            | HookFormat::Bark => true,
        };
        if config.hooks.iter().any(is_secret) {
            config.secrets.push("hook.url");
        }
    }

    /// The names that rules can forward to, also those of services with mistakes; `None` if some are not clear.
    fn services(&mut self, value: &value::Value, config: &mut Config) -> Option<Vec<String>> {
        let tables = self.tables(SERVICES, value);
        let mut report = |at: usize, key: String, what: String| self.report(at, key, what);
        config.services = service::parse(&tables, &mut report);
        let has = |key: &str| tables.iter().any(|(table, ..)| table.contains_key(key));
        let urls = config.services.iter().map(|service| &service.url);
        let secrets = [
            ("service.token", has("token")),
            ("service.secret", has("secret")),
            ("service.url", urls.into_iter().any(may_be_secret)),
        ];
        for (key, is_in_the_file) in secrets {
            if is_in_the_file {
                config.secrets.push(key);
            }
        }
        service::names(&tables).filter(|names| !names.is_empty())
    }

    /// `services`: the names of all services; `None` if some are not clear.
    fn rules(
        &mut self,
        value: &value::Value,
        services: Option<&[String]>,
        files: &LocalFiles,
        config: &mut Config,
    ) {
        let mut names = HashSet::new();
        for (n, (table, start, line)) in (1..).zip(self.tables(RULES, value)) {
            let mut report = |at: usize, key: String, what: String| self.report(at, key, what);
            let Some(rule) = rule::parse(n, table, start, line, services, files, &mut report)
            else {
                continue;
            };
            if !names.insert(rule.name.clone()) {
                let what = format!(
                    "{:?} is the name of an earlier rule; logs could not tell them apart",
                    rule.name
                );
                self.report(start, format!("rule #{n}: name"), what);
            }
            config.rules.push(rule);
        }
    }

    /// Finds the AppSecret: first in the environment, then in the file itself, then in the named file.
    pub(super) fn secret(
        &mut self,
        root: &DeTable,
        config: &mut Config,
        environment: Option<&str>,
    ) {
        let at = |name| position(root, "account", name);
        if let (Some(_), Some(_)) = (at("app_secret"), at("app_secret_file")) {
            self.report(
                at("app_secret_file").unwrap_or(0),
                "account.app_secret_file",
                "there is an app_secret as well; keep one of them",
            );
            return;
        }
        if let Some(text) = environment.map(str::trim).filter(|text| !text.is_empty()) {
            match well_formed_secret(text) {
                true => config.account.app_secret = Some(Secret::new(text)),
                false => self.report_without_line(
                    SECRET_VARIABLE,
                    "this environment variable does not hold an AppSecret: letters and digits, without spaces",
                ),
            }
            return;
        }
        let Some(file) = &config.account.app_secret_file else {
            return;
        };
        let named = relative_to(&config.file, file);
        let file = credential(SECRET_CREDENTIAL).unwrap_or_else(|| named.clone());
        let text = start_of(&file);
        let text = text
            .as_deref()
            .map(|text| byte_order_mark::skip(text).trim());
        let what = match text {
            Ok(text) if well_formed_secret(text) => {
                config.account.app_secret = Some(Secret::new(text));
                config.account.app_secret_file = Some(named);
                return;
            }
            Ok(_) => "does not hold an AppSecret: one line of letters and digits".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        self.report(
            at("app_secret_file").unwrap_or(0),
            "account.app_secret_file",
            format!("{} {what}", file.display()),
        );
    }

    /// Puts the keys about a database together. `connects`: the files that a connection needs are read.
    pub(super) fn database(&mut self, root: &DeTable, draft: &mut Draft, connects: bool) {
        let at = |name| position(root, "store", name);
        let keys = std::mem::take(&mut draft.database);
        let Some(mut server) = keys.url else {
            let is_meant = at("url").is_some() || self.typos.has(&["store", "store.url"]);
            for name in ["password_file", "connections", "tls"] {
                if let Some(at) = at(name).filter(|_| !is_meant) {
                    self.report(
                        at,
                        format!("store.{name}"),
                        "is of no use without store.url, the database on a server",
                    );
                }
            }
            return;
        };
        if let Some(at) = at("url").filter(|_| at("path").is_some()) {
            self.report(
                at,
                "store.url",
                "there is a store.path as well; keep one of them",
            );
        }
        let config = &mut draft.config;
        server.connections = keys.connections;
        server.tls = match keys.tls {
            Tls::Signed(file) => Tls::Signed(relative_to(&config.file, &file)),
            tls @ (Tls::Off | Tls::Required) => tls,
        };
        server.password_file = keys
            .password_file
            .map(|file| relative_to(&config.file, &file));
        if connects {
            if let Some(Err(what)) = server.tls.certificates().map(database::certificates) {
                self.report(at("tls").unwrap_or(0), "store.tls", what);
            }
            match database::password(server.password_file.as_deref()) {
                Ok(password) => server.password = password,
                Err((key, what)) => match at("password_file").filter(|_| key.contains('.')) {
                    Some(at) => self.report(at, key, what),
                    None => self.report_without_line(key, what),
                },
            }
        }
        config.store.server = Some(server);
    }

    /// Reads the files that `web.verify_files` names.
    pub(super) fn verify_files(&mut self, draft: &mut Draft) {
        let folder = relative_to(&draft.config.file, Path::new(""));
        for (at, name) in &draft.verify_files {
            match VerifyFile::read(&folder, name) {
                Ok(file) => draft.config.web.verify_files.push(file),
                Err(what) => self.report(*at, "web.verify_files", what),
            }
        }
    }

    /// Checks what no single key can check, and builds the mode.
    pub(super) fn cross_check(&mut self, root: &DeTable, draft: &mut Draft) {
        let config = &mut draft.config;
        let account = &config.account;
        let at = |name| position(root, "account", name);
        // A misspelt key is not missing.
        let misspelt = |name: &str| self.typos.has(&["account", &format!("account.{name}")]);
        let [no_app_id, no_aes_key] =
            ["app_id", "aes_key"].map(|name| at(name).is_none() && !misspelt(name));
        if let Some(at) = at("app_secret")
            .or_else(|| at("app_secret_file"))
            .filter(|_| account.app_id.is_none() && no_app_id)
        {
            self.report(
                at,
                "account.app_secret",
                "an AppSecret without account.app_id is of no use; enter the AppID too",
            );
        }
        if config.server.allow_ips == AllowIps::Platform
            && config.api_rights().is_none()
            && self.list.is_empty()
        {
            self.report(
                position(root, "server", "allow_ips").unwrap_or(0),
                "server.allow_ips",
                "\"wechat\" asks WeChat for its list, and needs account.app_id and account.app_secret for that; enter them, or list the networks here",
            );
        }
        if let Some(at) = draft.first_upload
            && config.api_rights().is_none()
            && self.list.is_empty()
        {
            self.report(
                at,
                "rule",
                "a file is uploaded to WeChat before the rule answers with it, which needs account.app_id and account.app_secret; enter them",
            );
        }
        if let Some(token) = &config.api.token_file {
            let store_files = config.store.file().map(|store| {
                ["", "-wal", "-shm"].map(|part| {
                    let mut name = store.as_os_str().to_owned();
                    name.push(part);
                    PathBuf::from(name)
                })
            });
            let server = config.store.server.as_ref();
            let file = canonical(token);
            let is_taken = store_files
                .iter()
                .flatten()
                .chain(server.and_then(|server| server.password_file.as_ref()))
                .chain([&config.file])
                .chain(&config.account.app_secret_file)
                .any(|taken| canonical(taken) == file);
            if is_taken {
                self.report(
                    position(root, "api", "token_file").unwrap_or(0),
                    "api.token_file",
                    "would take the place of another file of this configuration; name a file that is not there",
                );
            }
        }
        if let Some(what) = config.admin.conflict(&config.server.listen) {
            let at = position(root, "admin", "listen");
            self.report(at.unwrap_or(0), "admin.listen", what);
        }
        let (prefix, callback) = (&config.web.path, &config.server.path);
        let below = callback.strip_prefix(prefix.as_str());
        let is_taken = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let are_read = |problem: &Problem| !["web.path", "server.path"].contains(&&*problem.key);
        if position(root, "web", "url").is_some() && is_taken && self.list.iter().all(are_read) {
            let what = format!(
                "{prefix:?} takes the callback's path too, server.path = {callback:?}; choose another for one of them"
            );
            let at = position(root, "web", "path").or_else(|| position(root, "server", "path"));
            self.report(at.unwrap_or(0), "web.path", what);
        }
        let mode = match draft.mode {
            ModeName::Plain => return,
            ModeName::Compatible => Mode::Compatible,
            ModeName::Secure => Mode::Secure,
        };
        if let (Some(app_id), Some(current)) = (&account.app_id, &draft.aes_key) {
            config.account.mode = mode(Keys {
                app_id: app_id.as_str().into(),
                current: current.clone(),
                previous: draft.previous_aes_key.clone(),
            });
            return;
        }
        let mode_at = at("mode").unwrap_or(0);
        let why = format!("mode {:?} needs", draft.mode.text());
        if draft.aes_key.is_none() && no_aes_key {
            self.report(
                mode_at,
                "account.mode",
                format!("{why} account.aes_key, the EncodingAESKey of the console"),
            );
        }
        if account.app_id.is_none() && no_app_id {
            self.report(
                mode_at,
                "account.mode",
                format!("{why} account.app_id, which every encrypted push carries"),
            );
        }
    }
}

/// Whether a URL that is not a robot's probably has a secret in it.
fn may_be_secret(url: &SecretUrl) -> bool {
    url.expose().contains(['@', '?'])
}

fn section_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn position(root: &DeTable, section: &str, name: &str) -> Option<usize> {
    root.get(section)?
        .get_ref()
        .as_table()?
        .get(name)
        .map(|value| value.span().start)
}

/// The path with its folder in canonical form, if that folder exists.
fn canonical(path: &Path) -> PathBuf {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    match (fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        (Ok(_), None) | (Err(_), _) => path.to_owned(),
    }
}

/// A path from the configuration: a relative one starts in the folder of `file`.
pub(super) fn relative_to(file: &Path, path: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(path)
}
